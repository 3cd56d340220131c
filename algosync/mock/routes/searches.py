"""Handlers that search: hits, several searches at once, values of a facet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.engine.answer import Answered
from algosync.mock.engine.coverage import WARNING_HEADER, not_acted_on, warning
from algosync.mock.engine.facet_search import search_facet
from algosync.mock.engine.parameters import KNOWN, from_body
from algosync.mock.engine.search import Reading, answer
from algosync.mock.routes.calls import Answer, Room, route

QUERIES_MAX = 50
FACET_KNOWN = KNOWN | {"facetQuery"}


def query(room: Room) -> Any:
    """POST /1/indexes/{index}/query."""
    params = room.restricted(from_body(room.call.json()))
    found = answer(room.algolia.index(room.index_name), params, _reading(room))
    return _warned(found.body, found.ignored)


def queries(room: Room) -> Any:
    """POST /1/indexes/*/queries: up to 50 searches, of hits or of facet values; one refusal refuses all.

    With strategy `stopIfEnoughMatches`, those after the first one that has `hitsPerPage` hits are not processed; what
    they get is known from the tests of Algolia's own clients.
    """
    body = room.call.json_object()
    requests = body.get("requests")
    if not isinstance(requests, list) or not all(isinstance(request, dict) for request in requests):
        raise AlgoliaError("Invalid body, expected an array of requests", status=400)
    if len(requests) > QUERIES_MAX:
        raise AlgoliaError("Too many queries in multi query request", status=400)
    strategy = body.get("strategy", "none")
    if strategy not in ("none", "stopIfEnoughMatches"):
        raise AlgoliaError("Invalid strategy, expected none or stopIfEnoughMatches", status=400)
    results: list[dict[str, Any]] = []
    ignored: set[str] = set()
    enough = False
    for request in requests:
        if enough:
            results.append({"hits": [], "nbHits": 0, "processed": False, "index": request.get("indexName")})
            continue
        found = _searched(room, request)
        results.append(found.body)
        ignored.update(found.ignored)
        enough = strategy != "none" and found.enough
    return _warned({"results": results}, sorted(ignored))


def _searched(room: Room, request: dict[str, Any]) -> Answered:
    name = request.get("indexName")
    if not isinstance(name, str):
        raise AlgoliaError("indexName is missing", status=400)
    room.require(None, name)
    index = room.algolia.index(name)
    kind = request.get("type") or "default"
    given = {key: value for key, value in request.items() if key not in {"indexName", "type", "facet"}}
    if kind == "facet":
        if not isinstance(request.get("facet"), str):
            raise AlgoliaError("facet is missing", status=400)
        params = room.restricted(from_body(given, FACET_KNOWN))
        values = search_facet(index, request["facet"], params, _reading(room))
        return Answered(body=values, ignored=not_acted_on(params, index.settings), enough=False)
    if kind != "default":
        raise AlgoliaError("Invalid type, expected default or facet", status=400)
    found = answer(index, room.restricted(from_body(given)), _reading(room))
    return replace(found, body=found.body | {"index": name})


def facet_values(room: Room) -> Any:
    """POST /1/indexes/{index}/facets/{facet}/query."""
    params = room.restricted(from_body(room.call.json(), FACET_KNOWN))
    index = room.algolia.index(room.index_name)
    found = search_facet(index, room.parts["facet"], params, _reading(room))
    return _warned(found, not_acted_on(params, index.settings))


def _warned(content: Any, ignored: Iterable[str]) -> Answer:
    names = list(ignored)
    plain = Answer.of(content)
    return Answer(body=plain.body, headers={WARNING_HEADER: warning(names)}) if names else plain


def _reading(room: Room) -> Reading:
    return Reading(
        now_s=room.algolia.now_ms() // 1000,
        merging=room.algolia.rules_merge,
        privileged="seeUnretrievableAttributes" in room.key.acl,
        filters=room.key.filters,
        hits_max=room.key.max_hits_per_query,
    )


ROUTES = (
    route("POST /1/indexes/*/queries", "search", "search", queries),
    route("POST /1/indexes/{index}/query", "searchSingleIndex", "search", query),
    route("POST /1/indexes/{index}/facets/{facet}/query", "searchForFacetValues", "search", facet_values),
)
