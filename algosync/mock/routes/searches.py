"""Handlers that search: hits, several searches at once, values of a facet."""

from __future__ import annotations

from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.engine.facet_search import search_facet
from algosync.mock.engine.parameters import KNOWN, from_body
from algosync.mock.engine.search import Reading, search
from algosync.mock.routes.calls import Room, route


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


ROUTES = (
    route("POST /1/indexes/*/queries", "search", "search", queries),
    route("POST /1/indexes/{index}/query", "searchSingleIndex", "search", query),
    route("POST /1/indexes/{index}/facets/{facet}/query", "searchForFacetValues", "search", facet_values),
)
