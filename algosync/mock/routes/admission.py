"""Holds a request against the limits of the application's plan, before its handler sees it. Changes nothing."""

from __future__ import annotations

from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.faults import Asked, is_read
from algosync.mock.routes.calls import Room

_MAKERS = frozenset({"setSettings", "saveRules", "saveRule"})


def admit(room: Room, asked: Asked) -> None:
    """Refuse what the plan does not allow: 403 for quotas, 413 for a large search, 429 for too many requests."""
    limits = room.algolia.limits
    if is_read(asked.operation):
        limits.admit_search(len(room.call.body))
    elif room.call.path.startswith("/1/indexes/"):
        limits.admit_write(lambda: room.algolia.tasks.pending)
        if limits.plan.indices is not None:
            _admit_indices(room, asked)
        if limits.plan.rules is not None and asked.operation in {"saveRules", "saveRule"}:
            limits.admit_rules(len(_rules_after(room)))


def _admit_indices(room: Room, asked: Asked) -> None:
    there = set(room.algolia.tasks.head)
    wanted: set[str] = set()
    if asked.operation in _MAKERS or asked.records():
        wanted = asked.indices()
    elif asked.operation == "operationIndex":
        body = _json(room)
        if isinstance(body, dict) and isinstance(destination := body.get("destination"), str):
            wanted = {destination}
            there -= {room.index_name} if body.get("operation") == "move" else set()
    room.algolia.limits.admit_indices(there, wanted)


def _rules_after(room: Room) -> set[str]:
    index = room.algolia.tasks.head.get(room.index_name)
    there = set(index.rules) if index and not room.call.flag("clearExistingRules", default=False) else set()
    given = _json(room)
    if isinstance(given, list):
        return there | {str(rule["objectID"]) for rule in given if isinstance(rule, dict) and "objectID" in rule}
    return there | {room.parts["rule"]} if "rule" in room.parts else there


def _json(room: Room) -> Any:
    """None where the body is no JSON: the handler will say so."""
    try:
        return room.call.json()
    except AlgoliaError:
        return None
