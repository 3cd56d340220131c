"""Handlers for an index's rules: keeping them, and finding them again. What a rule does is the engine's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from algosync.errors import AlgoliaError
from algosync.mock.engine.index import Index
from algosync.mock.engine.rules.shape import ANCHORINGS, Rule, check_rule, conditions
from algosync.mock.engine.text.words import split
from algosync.mock.routes.calls import Room, route

RULES_PER_PAGE = 20
RULES_PER_PAGE_MAX = 1000
PAGE_MAX = 1_000_000

_FLAGS = {"true": True, "false": False, "null": None}
_SEARCHED = frozenset({"query", "anchoring", "context", "page", "hitsPerPage", "enabled"})


def save_rules(room: Room) -> Any:
    """POST /1/indexes/{index}/rules/batch?clearExistingRules=: all rules or, where one is wrong, none."""
    given = room.call.json()
    if not isinstance(given, list):
        raise AlgoliaError("Invalid body, expected an array of rules", status=400)
    rules = {rule["objectID"]: rule for rule in map(check_rule, given)}
    keep = not room.call.flag("clearExistingRules", default=False)
    room.algolia.operations["saveRule"] += len(given)
    return _changed(room, lambda before: (before if keep else {}) | rules)


def put_rule(room: Room) -> Any:
    """PUT /1/indexes/{index}/rules/{rule}."""
    rule = check_rule(room.call.json(), room.parts["rule"])
    room.algolia.operations["saveRule"] += 1
    return _changed(room, lambda before: before | {rule["objectID"]: rule})


def get_rule(room: Room) -> Any:
    """GET /1/indexes/{index}/rules/{rule}."""
    rule = room.algolia.index(room.index_name).rules.get(room.parts["rule"])
    if rule is None:
        raise AlgoliaError("ObjectID does not exist", status=404)
    return rule


def delete_rule(room: Room) -> Any:
    """DELETE /1/indexes/{index}/rules/{rule}: 404 for an unknown index, nothing to do for an unknown rule."""
    room.algolia.known(room.index_name)
    room.algolia.operations["deleteRule"] += 1
    gone = room.parts["rule"]
    return _changed(room, lambda before: {name: rule for name, rule in before.items() if name != gone})


def clear_rules(room: Room) -> Any:
    """POST /1/indexes/{index}/rules/clear."""
    room.algolia.known(room.index_name)
    room.algolia.operations["clearRules"] += 1
    return _changed(room, lambda _: {})


def search_rules(room: Room) -> Any:
    """POST /1/indexes/{index}/rules/search: by text, context, anchoring and state, a page at a time."""
    index = room.algolia.index(room.index_name)
    body = _rule_search(room)
    found = [rule for _, rule in sorted(index.rules.items()) if _rule_fits(rule, body)]
    page = _whole(body, "page", (0, PAGE_MAX), 0)
    size = _whole(body, "hitsPerPage", (1, RULES_PER_PAGE_MAX), RULES_PER_PAGE)
    return {
        "hits": found[page * size : (page + 1) * size],
        "nbHits": len(found),
        "page": page,
        "nbPages": -(-len(found) // size),
    }


def _rule_search(room: Room) -> dict[str, Any]:
    given = room.call.json_object()
    encoded = given.pop("params", None)
    body = (dict(parse_qsl(encoded)) if isinstance(encoded, str) else {}) | given
    if unknown := sorted(body.keys() - _SEARCHED):
        raise AlgoliaError(f"Unknown parameter: {unknown[0]}", status=400)
    for name in ("query", "context", "anchoring"):
        if not isinstance(body.get(name), str | None):
            raise _wrong(name, "string")
    if body.get("anchoring") and body["anchoring"] not in ANCHORINGS:
        raise _wrong("anchoring", f"one of {', '.join(ANCHORINGS)}")
    return body | {"enabled": _enabled(body)}


def _enabled(body: Mapping[str, Any]) -> bool | None:
    value = body.get("enabled")
    value = _FLAGS.get(value, value) if isinstance(value, str) else value
    if not isinstance(value, bool | None):
        raise _wrong("enabled", "boolean or null")
    return value


def _whole(body: Mapping[str, Any], name: str, allowed: tuple[int, int], default: int) -> int:
    value = body.get(name)
    value = int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not allowed[0] <= value <= allowed[1]:
        raise _wrong(name, f"integer between {allowed[0]} and {allowed[1]}")
    return value


def _wrong(name: str, expected: str) -> AlgoliaError:
    return AlgoliaError(f'Invalid value for "{name}" parameter, expected {expected}', status=400)


def _rule_fits(rule: Rule, body: Mapping[str, Any]) -> bool:
    """Whether a rule has the words (or beginnings of words) in its objectID, description or patterns, and the rest."""
    given = conditions(rule)
    patterns = " ".join(str(condition.get("pattern", "")) for condition in given)
    words = split(f"{rule['objectID']} {rule.get('description') or ''} {patterns}")
    return (
        all(any(word.startswith(asked) for word in words) for asked in split(body.get("query") or ""))
        and body["enabled"] in {None, rule.get("enabled") is not False}
        and _any_condition(given, "context", body.get("context"))
        and _any_condition(given, "anchoring", body.get("anchoring"))
    )


def _any_condition(given: list[dict[str, Any]], name: str, wanted: str | None) -> bool:
    return not wanted or any(condition.get(name) == wanted for condition in given)


def _changed(room: Room, change: Callable[[dict[str, Rule]], dict[str, Rule]]) -> dict[str, Any]:
    def apply(index: Index) -> None:
        index.rules = change(index.rules)

    return room.updated(room.algolia.write(room.index_name, apply))


ROUTES = (
    route("POST /1/indexes/{index}/rules/batch", "saveRules", "editSettings", save_rules),
    route("POST /1/indexes/{index}/rules/search", "searchRules", "settings", search_rules),
    route("POST /1/indexes/{index}/rules/clear", "clearRules", "editSettings", clear_rules),
    route("GET /1/indexes/{index}/rules/{rule}", "getRule", "settings", get_rule),
    route("PUT /1/indexes/{index}/rules/{rule}", "saveRule", "editSettings", put_rule),
    route("DELETE /1/indexes/{index}/rules/{rule}", "deleteRule", "editSettings", delete_rule),
)
