"""The table of routes, and the way of a request through it: credentials, rights, handler, answer, log."""

from __future__ import annotations

from typing import Any

import orjson

from algosync.errors import AlgoliaError
from algosync.mock import record_routes as records
from algosync.mock import search_routes as searches
from algosync.mock.algolia import MockAlgolia, RecordedRequest
from algosync.mock.calls import Call, Handler, Room, Route, find_route
from algosync.mock.keys import Key, require


def _route(line: str, acl: str | None, handler: Handler) -> Route:
    method, path = line.split()
    return Route(method=method, parts=tuple(path.strip("/").split("/")), acl=acl, handler=handler)


ROUTES: tuple[Route, ...] = (
    _route("GET /1/indexes", "listIndexes", records.list_indices),
    _route("POST /1/indexes/*/batch", None, records.multiple_batch),
    _route("POST /1/indexes/*/objects", "search", records.get_many),
    _route("POST /1/indexes/*/queries", "search", searches.queries),
    _route("POST /1/indexes/{index}/batch", None, records.batch),
    _route("POST /1/indexes/{index}/query", "search", searches.query),
    _route("POST /1/indexes/{index}/browse", "browse", records.browse),
    _route("POST /1/indexes/{index}/clear", "deleteIndex", records.clear),
    _route("POST /1/indexes/{index}/deleteByQuery", "deleteIndex", records.delete_by),
    _route("POST /1/indexes/{index}/facets/{facet}/query", "search", searches.facet_values),
    _route("GET /1/indexes/{index}/settings", "settings", searches.get_settings),
    _route("PUT /1/indexes/{index}/settings", "editSettings", searches.set_settings),
    _route("POST /1/indexes/{index}/rules/batch", "editSettings", searches.save_rules),
    _route("POST /1/indexes/{index}/rules/search", "settings", searches.search_rules),
    _route("POST /1/indexes/{index}/rules/clear", "editSettings", searches.clear_rules),
    _route("GET /1/indexes/{index}/rules/{rule}", "settings", searches.get_rule),
    _route("PUT /1/indexes/{index}/rules/{rule}", "editSettings", searches.put_rule),
    _route("DELETE /1/indexes/{index}/rules/{rule}", "editSettings", searches.delete_rule),
    _route("GET /1/indexes/{index}/task/{task}", "addObject", searches.task),
    _route("POST /1/indexes/{index}/{object}/partial", "addObject", records.partial),
    _route("POST /1/indexes/{index}", "addObject", records.add),
    _route("DELETE /1/indexes/{index}", "deleteIndex", records.delete_index),
    _route("GET /1/indexes/{index}/{object}", "search", records.get),
    _route("PUT /1/indexes/{index}/{object}", "addObject", records.put),
    _route("DELETE /1/indexes/{index}/{object}", "deleteObject", records.delete),
    _route("GET /1/keys/{key}", None, searches.get_key),
)


def handle(algolia: MockAlgolia, call: Call) -> tuple[int, bytes]:
    """Answer one request: the status and the JSON body. Never raises for what a client sends."""
    with algolia.lock:
        key: Key | None = None
        try:
            if (call.method, call.path) == ("GET", "/1/isalive"):
                answer: Any = {"message": "server is alive"}
            else:
                key = algolia.keys.authenticate(
                    call.credential("x-algolia-application-id"), call.credential("x-algolia-api-key")
                )
                answer = _answer(algolia, call, key)
            status = 201 if call.method == "POST" and _is_index(call.path) else 200
        except AlgoliaError as refusal:
            status, answer = refusal.status or 400, _refusal(refusal)
        recorded = RecordedRequest(method=call.method, path=call.path, key=key.value if key else None, status=status)
        algolia.requests.append(recorded)
        return status, orjson.dumps(answer)


def _answer(algolia: MockAlgolia, call: Call, key: Key) -> Any:
    route, parts = find_route(ROUTES, call)
    indexes = [parts["index"]] if "index" in parts else []
    require(key, route.acl, indexes)
    return route.handler(Room(algolia=algolia, call=call, key=key, parts=parts))


def _is_index(path: str) -> bool:
    return path.startswith("/1/indexes/") and path.strip("/").count("/") == 2


def _refusal(refusal: AlgoliaError) -> dict[str, Any]:
    body: dict[str, Any] = {"message": refusal.what}
    if refusal.position is not None:
        body["position"] = refusal.position
    if refusal.object_id is not None:
        body["objectID"] = refusal.object_id
    return body | {"status": refusal.status or 400}
