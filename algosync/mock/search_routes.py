"""Handlers for search, settings, rules, tasks and keys."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from algosync.errors import AlgoliaError
from algosync.mock.calls import Room
from algosync.mock.facet_search import search_facet
from algosync.mock.parameters import KNOWN, from_body
from algosync.mock.rules import Rule, check_rule
from algosync.mock.search import Reading, search
from algosync.mock.settings import check_settings

RULES_PER_PAGE = 20


def query(room: Room) -> Any:
    """POST /1/indexes/{index}/query."""
    params = from_body(room.call.json())
    return search(room.algolia.index(room.index_name), params, _reading(room))


def queries(room: Room) -> Any:
    """POST /1/indexes/*/queries: several searches, of hits or of facet values."""
    body = room.call.json_object()
    requests = body.get("requests")
    if not isinstance(requests, list):
        raise AlgoliaError("Invalid body, expected an array of requests", status=400)
    results: list[Any] = []
    for request in requests:
        results.append(_searched(room, request))
        if body.get("strategy") == "stopIfEnoughMatches" and results[-1].get("nbHits", 0) >= results[-1].get(
            "hitsPerPage", 0
        ):
            break
    return {"results": results}


def _searched(room: Room, request: Any) -> dict[str, Any]:
    name = request.get("indexName") if isinstance(request, dict) else None
    if not isinstance(name, str):
        raise AlgoliaError("indexName is missing", status=400)
    room.require(None, name)
    index = room.algolia.index(name)
    given = {key: value for key, value in request.items() if key not in {"indexName", "type", "facet"}}
    if request.get("type") == "facet":
        params = from_body(given, KNOWN | {"facetQuery"})
        return search_facet(index, str(request.get("facet")), params, _reading(room)) | {"indexUsed": name}
    return search(index, from_body(given), _reading(room)) | {"index": name}


def facet_values(room: Room) -> Any:
    """POST /1/indexes/{index}/facets/{facet}/query."""
    params = from_body(room.call.json(), KNOWN | {"facetQuery"})
    return search_facet(room.algolia.index(room.index_name), room.parts["facet"], params, _reading(room))


def _reading(room: Room) -> Reading:
    return Reading(
        now_s=room.algolia.now_ms() // 1000,
        merging=room.algolia.rules_merge,
        privileged="seeUnretrievableAttributes" in room.key.acl,
    )


def get_settings(room: Room) -> Any:
    """GET /1/indexes/{index}/settings."""
    return room.algolia.index(room.index_name).all_settings | {"version": 2}


def set_settings(room: Room) -> Any:
    """PUT /1/indexes/{index}/settings: the settings named change, null puts a default back."""
    given = check_settings(room.call.json())
    with room.algolia.writing(room.index_name) as index:
        index.set_settings({name: value for name, value in given.items() if name != "version"})
    return room.updated()


def save_rules(room: Room) -> Any:
    """POST /1/indexes/{index}/rules/batch?clearExistingRules=."""
    given = room.call.json()
    if not isinstance(given, list):
        raise AlgoliaError("Invalid body, expected an array of rules", status=400)
    rules = {rule["objectID"]: rule for rule in map(check_rule, given)}
    keep = not room.call.flag("clearExistingRules", default=False)
    with room.algolia.writing(room.index_name) as index:
        index.rules = (index.rules if keep else {}) | rules
    room.algolia.operations["saveRule"] += len(given)
    return room.updated()


def put_rule(room: Room) -> Any:
    """PUT /1/indexes/{index}/rules/{rule}."""
    rule = check_rule(room.call.json(), room.parts["rule"])
    with room.algolia.writing(room.index_name) as index:
        index.rules = index.rules | {rule["objectID"]: rule}
    room.algolia.operations["saveRule"] += 1
    return room.updated() | {"id": rule["objectID"]}


def get_rule(room: Room) -> Any:
    """GET /1/indexes/{index}/rules/{rule}."""
    rule = room.algolia.index(room.index_name).rules.get(room.parts["rule"])
    if rule is None:
        raise AlgoliaError("ObjectID does not exist", status=404)
    return rule


def delete_rule(room: Room) -> Any:
    """DELETE /1/indexes/{index}/rules/{rule}."""
    room.algolia.index(room.index_name)
    with room.algolia.writing(room.index_name) as index:
        index.rules = {name: rule for name, rule in index.rules.items() if name != room.parts["rule"]}
    room.algolia.operations["deleteRule"] += 1
    return room.updated()


def clear_rules(room: Room) -> Any:
    """POST /1/indexes/{index}/rules/clear."""
    room.algolia.index(room.index_name)
    with room.algolia.writing(room.index_name) as index:
        index.rules = {}
    room.algolia.operations["clearRules"] += 1
    return room.updated()


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


def task(room: Room) -> Any:
    """GET /1/indexes/{index}/task/{task}."""
    number = room.parts["task"]
    known = number.isdecimal() and len(number) < 19 and room.algolia.knows_task(int(number))
    published = known and room.algolia.is_published(int(number))
    return {"status": "published" if published else "notPublished", "pendingTask": not published}


def get_key(room: Room) -> Any:
    """GET /1/keys/{key}: a key sees itself, an admin key every key."""
    return room.algolia.keys.look_up(room.parts["key"], room.key).describe()
