"""Handlers for API keys: all but one need the admin key. A change holds at once; no task stands between."""

from __future__ import annotations

from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.algolia import rfc3339
from algosync.mock.keys import ADMIN, ALL_ACLS, Key
from algosync.mock.routes.calls import Room, route
from algosync.mock.secured import parse_restrictions

_NUMBERS = ("validity", "maxHitsPerQuery", "maxQueriesPerIPPerHour")
_LISTS = ("acl", "indexes", "referers")
_TEXTS = ("description", "queryParameters")
_READ_ONLY = frozenset({"value", "createdAt"})
_NUMBER_MAX = 2**31 - 1


def list_keys(room: Room) -> Any:
    """GET /1/keys."""
    now_ms = room.algolia.now_ms()
    return {"keys": [key.describe(now_ms) for key in room.algolia.keys.listed()]}


def add_key(room: Room) -> Any:
    """POST /1/keys."""
    added = room.algolia.keys.add(_key(room), room.call.client)
    return {"key": added.value, "createdAt": _now(room)}


def get_key(room: Room) -> Any:
    """GET /1/keys/{key}: a key sees itself, an admin key every key."""
    return room.algolia.keys.look_up(room.parts["key"], room.key).describe(room.algolia.now_ms())


def update_key(room: Room) -> Any:
    """PUT /1/keys/{key}: what the body does not name goes back to its default."""
    room.algolia.keys.change(room.parts["key"], _key(room))
    return {"key": room.parts["key"], "updatedAt": _now(room)}


def delete_key(room: Room) -> Any:
    """DELETE /1/keys/{key}."""
    room.algolia.keys.delete(room.parts["key"])
    return {"deletedAt": _now(room)}


def restore_key(room: Room) -> Any:
    """POST /1/keys/{key}/restore: a deleted or expired key; it is valid for ever then."""
    restored = room.algolia.keys.restore(room.parts["key"])
    return {"key": restored.value, "createdAt": rfc3339(restored.created_ms)}


def _now(room: Room) -> str:
    return rfc3339(room.algolia.now_ms())


def _key(room: Room) -> Key:
    body = {name: value for name, value in room.call.json_object().items() if name not in _READ_ONLY}
    if unknown := sorted(body.keys() - {*_NUMBERS, *_LISTS, *_TEXTS}):
        raise AlgoliaError(f"Unknown attribute of an API key: {unknown[0]}", status=400)
    lists = {name: _strings(body, name) for name in _LISTS}
    numbers = {name: _number(body, name) for name in _NUMBERS}
    texts = {name: _text(body, name) for name in _TEXTS}
    if wrong := sorted({*lists["acl"]} - ALL_ACLS):
        raise AlgoliaError(f"Unknown ACL: {wrong[0]}", status=400)
    parse_restrictions(texts["queryParameters"])
    return Key(
        value="",
        acl=frozenset(lists["acl"]),
        acl_order=tuple(lists["acl"]),
        indexes=lists["indexes"],
        description=texts["description"],
        validity=numbers["validity"],
        max_hits_per_query=numbers["maxHitsPerQuery"],
        max_queries_per_ip_per_hour=numbers["maxQueriesPerIPPerHour"],
        referers=lists["referers"],
        query_parameters=texts["queryParameters"],
    )


def _strings(body: dict[str, Any], name: str) -> tuple[str, ...]:
    value = body.get(name)
    if value is None and name != "acl":
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise AlgoliaError(f'Invalid value for "{name}" attribute, expected array of strings', status=400)
    return tuple(value)


def _number(body: dict[str, Any], name: str) -> int:
    value = 0 if body.get(name) is None else body[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _NUMBER_MAX:
        raise AlgoliaError(f'Invalid value for "{name}" attribute, expected positive integer', status=400)
    return value


def _text(body: dict[str, Any], name: str) -> str:
    value = "" if body.get(name) is None else body[name]
    if not isinstance(value, str):
        raise AlgoliaError(f'Invalid value for "{name}" attribute, expected string', status=400)
    return value


ROUTES = (
    route("GET /1/keys", "listApiKeys", ADMIN, list_keys),
    route("POST /1/keys", "addApiKey", ADMIN, add_key),
    route("GET /1/keys/{key}", "getApiKey", None, get_key),
    route("PUT /1/keys/{key}", "updateApiKey", ADMIN, update_key),
    route("DELETE /1/keys/{key}", "deleteApiKey", ADMIN, delete_key),
    route("POST /1/keys/{key}/restore", "restoreApiKey", ADMIN, restore_key),
)
