"""The requests that algosync makes of Algolia, as values: verb, path, body, needed permission.

Must not send anything. Each call but `push_events` may be repeated without harm, and those that are `billed` cost once
more then. A contract test compares every call with the one that the official client makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import quote

import orjson

PAGE: Final = 1000
"""Records, objects or rules per request: the most that Algolia gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request.

    Attributes:
        index: The index it is about, for messages; empty where it is about none or several.
        acl: The permission that the key needs.
        read: Whether reading hosts may answer it.
        billed: Algolia bills what it does, each time: repeated only where it is certain that nothing was done.
    """

    verb: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    index: str = ""
    acl: str
    body: bytes | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    read: bool = True
    billed: bool = False


def browse(index: str, attributes: Sequence[str] | None, page_size: int, cursor: str | None) -> Call:
    """One page of all records; `cursor` comes with the page before."""
    params: dict[str, Any] = {"hitsPerPage": page_size}
    if attributes is not None:
        params["attributesToRetrieve"] = list(attributes)
    if cursor is not None:
        params["cursor"] = cursor
    return Call(verb="POST", path=_path(index, "browse"), index=index, acl="browse", body=orjson.dumps(params))


def get_objects(index: str, object_ids: Sequence[str], attributes: Sequence[str] | None) -> Call:
    """Up to PAGE records by objectID."""
    extra = {} if attributes is None else {"attributesToRetrieve": list(attributes)}
    requests = [{"indexName": index, "objectID": object_id, **extra} for object_id in object_ids]
    body = orjson.dumps({"requests": requests})
    return Call(verb="POST", path="/1/indexes/*/objects", index=index, acl="search", body=body)


def search(index: str, params: Mapping[str, Any]) -> Call:
    """One search."""
    body = orjson.dumps(dict(params))
    return Call(verb="POST", path=_path(index, "query"), index=index, acl="search", body=body)


def list_indices(page: int) -> Call:
    """One page of the application's indices, with their `updatedAt`."""
    query = {"page": page, "hitsPerPage": 100}
    return Call(verb="GET", path="/1/indexes", acl="listIndexes", query=query)


def get_settings(index: str) -> Call:
    """An index's settings."""
    return Call(verb="GET", path=_path(index, "settings"), index=index, acl="settings")


def search_rules(index: str, page: int) -> Call:
    """One page of all rules."""
    body = orjson.dumps({"query": "", "page": page, "hitsPerPage": PAGE})
    return Call(verb="POST", path=_path(index, "rules/search"), index=index, acl="settings", body=body)


def get_rule(index: str, object_id: str) -> Call:
    """One rule."""
    return Call(verb="GET", path=_path(index, "rules", object_id), index=index, acl="settings")


def get_task(index: str, task_id: int) -> Call:
    """Whether a write is published."""
    return Call(verb="GET", path=_path(index, "task", str(task_id)), index=index, acl="addObject")


def batch(index: str, body: bytes) -> Call:
    """Operations on records, in order."""
    acl, path = "addObject and deleteObject", _path(index, "batch")
    return Call(verb="POST", path=path, index=index, acl=acl, body=body, read=False, billed=True)


def save_rules(index: str, rules: bytes) -> Call:
    """Create or replace rules; those of others always stay."""
    query = {"forwardToReplicas": False, "clearExistingRules": False}
    path = _path(index, "rules/batch")
    acl = "editSettings"
    return Call(verb="POST", path=path, index=index, acl=acl, body=rules, query=query, read=False, billed=True)


def delete_rule(index: str, object_id: str) -> Call:
    """Delete one rule."""
    path, query = _path(index, "rules", object_id), {"forwardToReplicas": False}
    return Call(verb="DELETE", path=path, index=index, acl="editSettings", query=query, read=False, billed=True)


def set_settings(index: str, settings: Mapping[str, Any]) -> Call:
    """Change the named settings, and no others."""
    path, query = _path(index, "settings"), {"forwardToReplicas": False}
    body = orjson.dumps(dict(settings))
    return Call(verb="PUT", path=path, index=index, acl="editSettings", body=body, query=query, read=False)


def push_events(body: bytes) -> Call:
    """Events for Insights. Not one that may be repeated without harm: Insights counts what comes twice twice."""
    return Call(verb="POST", path="/1/events", acl="search", body=body, read=False)


def delete_user_token(token: str) -> Call:
    """Has Insights forget a user token's events."""
    return Call(verb="DELETE", path=f"/1/usertokens/{quote(token, safe='')}", acl="deleteObject", read=False)


def get_profile(token: str) -> Call:
    """What Personalization knows of a user token."""
    return Call(verb="GET", path=f"/1/profiles/personalization/{quote(token, safe='')}", acl="recommendation")


def delete_profile(token: str) -> Call:
    """Has Personalization begin a user token's profile anew."""
    return Call(verb="DELETE", path=f"/1/profiles/{quote(token, safe='')}", acl="recommendation", read=False)


def _path(index: str, rest: str, last: str | None = None) -> str:
    path = f"/1/indexes/{quote(index, safe='')}/{rest}"
    return path if last is None else f"{path}/{quote(last, safe='')}"
