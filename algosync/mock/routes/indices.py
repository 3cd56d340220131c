"""Handlers for whole indices: list, delete, copy, move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.algolia import rfc3339
from algosync.mock.engine.index import Index
from algosync.mock.routes.calls import Room, route
from algosync.mock.tasks import World

LISTED = 100
"""Indices on a page, where a page is asked for without a size."""

SCOPES = frozenset({"settings", "rules", "synonyms"})
NEVER_COPIED = frozenset({"enableReRanking", "mode", "replicas"})


def delete_index(room: Room) -> Any:
    """DELETE /1/indexes/{index}; nothing happens where there is no such index."""
    name = room.index_name

    def drop(world: World, _: int) -> None:
        world.pop(name, None)

    task = room.algolia.submit([name], drop)
    room.algolia.operations["delete"] += 1
    return room.deleted(task)


def list_indices(room: Room) -> Any:
    """GET /1/indexes?page=&hitsPerPage=: the indices that the key reaches; all of them where no page is asked for."""
    reached = [index for name, index in sorted(room.algolia.indices.items()) if room.key.reaches(name)]
    page, size = _number(room, "page", None, 0), _number(room, "hitsPerPage", LISTED, 1)
    shown = reached if page is None or size is None else reached[page * size : (page + 1) * size]
    pages = 1 if page is None or size is None else -(-len(reached) // size)
    primaries = _primaries(room.algolia.indices)
    return {
        "items": [
            _listed(index, room.algolia.tasks.waiting(index.name)) | primaries.get(index.name, {}) for index in shown
        ],
        "nbPages": pages,
    }


def _number(room: Room, name: str, default: int | None, least: int) -> int | None:
    text = room.call.query.get(name.lower())
    if text is None or text in {"", "null"}:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) >= least):
        what = f'Invalid value for "{name}" parameter, expected integer of at least {least}'
        raise AlgoliaError(what, status=400)
    return int(text)


def _listed(index: Index, waiting: int) -> dict[str, Any]:
    size = sum(map(len, index.records.values()))
    replicas = [_replica(line)[0] for line in index.settings.get("replicas") or ()]
    return {
        "name": index.name,
        "createdAt": rfc3339(index.created_ms) if index.records else "",
        "updatedAt": rfc3339(index.updated_ms),
        "entries": len(index.records),
        "dataSize": size,
        "fileSize": size,
        "lastBuildTimeS": 0,
        "numberOfPendingTasks": waiting,
        "pendingTask": waiting > 0,
    } | ({"replicas": replicas} if replicas else {})


def _primaries(world: Mapping[str, Index]) -> dict[str, dict[str, Any]]:
    """What the list says of indices that another one names as its replicas."""
    found: dict[str, dict[str, Any]] = {}
    for name, index in sorted(world.items()):
        for line in index.settings.get("replicas") or ():
            replica, virtual = _replica(line)
            found[replica] = {"primary": name} | ({"virtual": True} if virtual else {})
    return found


def _replica(line: str) -> tuple[str, bool]:
    virtual = line.startswith("virtual(") and line.endswith(")")
    return (line[len("virtual(") : -1], True) if virtual else (line, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    move: bool
    destination: str
    scope: frozenset[str] | None


def operation_index(room: Room) -> Any:
    """POST /1/indexes/{index}/operation: copy or move to another index, which is overwritten but keeps its replicas.

    What happens where the source does not exist is no error: a move is ignored, a copy makes an empty index where there
    is none. Sources: algolia.com/doc/rest-api/search/operation-index; algolia/algoliasearch-client-ruby#267.
    """
    source, asked = room.index_name, _operation(room.call.json_object())
    room.require(None, asked.destination)
    if asked.destination == source:
        raise AlgoliaError("Source and destination must be different indices", status=400)
    destination = room.algolia.tasks.head.get(asked.destination)
    if not asked.move and destination is not None and destination.settings.get("replicas"):
        raise AlgoliaError(f"Cannot copy to index {asked.destination}: it has replicas", status=400)

    def change(world: World, stamp: int) -> None:
        done = _move(world, source, asked) if asked.move else _copy(world, source, asked, stamp)
        if done is not None:
            done.updated_ms = stamp

    task = room.algolia.submit([source, asked.destination], change)
    room.algolia.operations["moveIndex" if asked.move else "copyIndex"] += 1
    return room.updated(task)


def _operation(body: Mapping[str, Any]) -> _Operation:
    if unknown := sorted(body.keys() - {"operation", "destination", "scope"}):
        raise AlgoliaError(f"Unknown parameter: {unknown[0]}", status=400)
    operation, destination, scope = body.get("operation"), body.get("destination"), body.get("scope")
    if operation not in ("move", "copy"):
        raise AlgoliaError('Invalid value for "operation" parameter, expected "move" or "copy"', status=400)
    if not isinstance(destination, str) or not destination:
        raise AlgoliaError('Invalid value for "destination" parameter, expected an index name', status=400)
    if scope is not None and not _is_scope(scope):
        raise AlgoliaError('Invalid value for "scope" parameter, expected "settings", "synonyms", "rules"', status=400)
    if scope is not None and operation == "move":
        raise AlgoliaError('The "scope" parameter is for copying only', status=400)
    return _Operation(
        move=operation == "move", destination=destination, scope=None if scope is None else frozenset(scope)
    )


def _is_scope(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name in SCOPES for name in value)


def _move(world: World, source: str, asked: _Operation) -> Index | None:
    moved, target = world.pop(source, None), world.get(asked.destination)
    if moved is not None:
        if target is not None and (replicas := target.settings.get("replicas")):
            moved.set_settings({"replicas": replicas})
        moved.name = asked.destination
        world[asked.destination] = moved
    return moved


def _copy(world: World, source: str, asked: _Operation, stamp: int) -> Index | None:
    copied, target = world.get(source), world.get(asked.destination)
    if target is None:
        target = world[asked.destination] = Index(asked.destination, stamp)
    elif copied is None:
        return None
    if copied is not None:
        target.take_over(copied, asked.scope, keep=NEVER_COPIED)
    return target


ROUTES = (
    route("GET /1/indexes", "listIndices", "listIndexes", list_indices),
    route("DELETE /1/indexes/{index}", "deleteIndex", "deleteIndex", delete_index),
    route("POST /1/indexes/{index}/operation", "operationIndex", "addObject", operation_index),
)
