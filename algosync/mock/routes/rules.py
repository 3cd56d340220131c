"""Handlers for an index's rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from algosync.errors import AlgoliaError
from algosync.mock.engine.index import Index
from algosync.mock.engine.rules import Rule, check_rule
from algosync.mock.routes.calls import Room, route

RULES_PER_PAGE = 20


def save_rules(room: Room) -> Any:
    """POST /1/indexes/{index}/rules/batch?clearExistingRules=."""
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
    return _changed(room, lambda before: before | {rule["objectID"]: rule}) | {"id": rule["objectID"]}


def get_rule(room: Room) -> Any:
    """GET /1/indexes/{index}/rules/{rule}."""
    rule = room.algolia.index(room.index_name).rules.get(room.parts["rule"])
    if rule is None:
        raise AlgoliaError("ObjectID does not exist", status=404)
    return rule


def delete_rule(room: Room) -> Any:
    """DELETE /1/indexes/{index}/rules/{rule}."""
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
    page, size = _whole(body, "page", 0), _whole(body, "hitsPerPage", RULES_PER_PAGE) or RULES_PER_PAGE
    return {
        "hits": found[page * size : (page + 1) * size],
        "nbHits": len(found),
        "page": page,
        "nbPages": -(-len(found) // size),
    }


def _rule_search(room: Room) -> dict[str, Any]:
    body = room.call.json_object()
    encoded = body.get("params")
    return dict(parse_qsl(encoded)) if isinstance(encoded, str) else body


def _whole(body: dict[str, Any], name: str, default: int) -> int:
    value = body.get(name)
    value = default if value is None else int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
        raise AlgoliaError(f'Invalid value for "{name}" parameter, expected integer between 0 and 1000', status=400)
    return value


def _rule_fits(rule: Rule, body: dict[str, Any]) -> bool:
    conditions = rule.get("conditions") or ([rule["condition"]] if rule.get("condition") else [])
    patterns = " ".join(str(condition.get("pattern", "")) for condition in conditions)
    text = f"{rule['objectID']} {rule.get('description') or ''} {patterns}".lower()
    enabled = body.get("enabled")
    return (
        str(body.get("query") or "").lower() in text
        and (enabled is None or rule.get("enabled", True) is (str(enabled).lower() == "true"))
        and _any_condition(conditions, "context", body.get("context"))
        and _any_condition(conditions, "anchoring", body.get("anchoring"))
    )


def _any_condition(conditions: list[dict[str, Any]], name: str, wanted: Any) -> bool:
    return not wanted or any(condition.get(name) == wanted for condition in conditions)


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
