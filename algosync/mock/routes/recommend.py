"""Handlers of the Recommend API: recommendations; its rules are not here, and say so.

Two headers besides the answer: `x-algosync-mock-source` names the source of each result, of the first 100 (pushed,
events, likeness or none, with `+fallback`), `x-algosync-mock-warning` what was ignored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

from algosync.errors import AlgoliaError
from algosync.mock.engine.coverage import WARNING_HEADER
from algosync.mock.engine.search import Reading
from algosync.mock.routes.calls import Answer, Room, route
from algosync.mock.services.candidates import Shop
from algosync.mock.services.recommend import Recommended, recommend
from algosync.mock.services.recommend_request import Request, read_request

SOURCE_HEADER = "x-algosync-mock-source"
SOURCES_TOLD = 100
"""Clients refuse long headers, many from 64 KB on."""


def recommendations(room: Room) -> Any:
    """POST /1/indexes/*/recommendations: one result per request; one that is refused refuses all."""
    sent = room.call.json_object().get("requests")
    if not isinstance(sent, list):
        raise AlgoliaError("Invalid body, expected an array of requests", status=400)
    answers = [_answered(room, read_request(given)) for given in sent]
    answer = Answer.of({"results": [each.result for each in answers]})
    headers = {SOURCE_HEADER: ", ".join(each.source for each in answers[:SOURCES_TOLD])}
    notes = dict.fromkeys(each.result["message"] for each in answers if "message" in each.result)
    if notes:
        headers[WARNING_HEADER] = "; ".join(notes)
    return Answer(body=answer.body, headers=headers)


def _answered(room: Room, request: Request) -> Recommended:
    shop = _shop(room, request)
    most = min(request.most, room.key.max_hits_per_query or request.most)
    fallback = None if request.fallback is None else room.restricted(request.fallback)
    return recommend(shop, replace(request, query=room.restricted(request.query), fallback=fallback, most=most))


def _shop(room: Room, request: Request) -> Shop:
    room.require(None, request.index)
    index, wanted = room.algolia.index(request.index), request.about.object_id
    if wanted and wanted not in index.records:
        raise AlgoliaError("ObjectID does not exist", status=404)
    reading = Reading(
        now_s=room.algolia.now_ms() // 1000,
        merging=room.algolia.rules_merge,
        privileged="seeUnretrievableAttributes" in room.key.acl,
        filters=room.key.filters,
    )
    return Shop(index=index, events=room.algolia.events, reading=reading)


def absent(room: Room) -> NoReturn:
    """Recommend's rules and their tasks."""
    raise AlgoliaError(f"Recommend rules are not part of the mock: {room.call.path}", status=404)


_RULES = "/1/indexes/{index}/{model}/recommend/rules"

ROUTES = (
    route("POST /1/indexes/*/recommendations", "getRecommendations", "search", recommendations),
    route(f"GET {_RULES}/{{objectID}}", "getRecommendRule", "settings", absent),
    route(f"DELETE {_RULES}/{{objectID}}", "deleteRecommendRule", "editSettings", absent),
    route(f"POST {_RULES}/search", "searchRecommendRules", "settings", absent),
    route(f"POST {_RULES}/batch", "batchRecommendRules", "editSettings", absent),
    route("GET /1/indexes/{index}/{model}/task/{taskID}", "getRecommendStatus", "editSettings", absent),
)
