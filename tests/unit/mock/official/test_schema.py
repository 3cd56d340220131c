"""Every route's real answers, held strictly against the models of the official clients."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from algoliasearch.search.models import ErrorBase, Hit, RankingInfo, SearchResponse, TaskStatus

from algosync.mock.algolia import MockAlgolia
from algosync.mock.routes import control
from algosync.mock.routes.calls import Answer
from algosync.mock.routes.table import ROUTES, handle

from .calls import CASES, TABLE, Case, filled
from .schema import faults
from .shop import RECORDS

ALL_ROUTES = (*ROUTES, *control.ROUTES)
ABSENT = {route.operation for route in ROUTES if "Recommend" in route.operation} - {"getRecommendations"}
"""Operations that the mock knows by name and refuses."""

named = pytest.mark.parametrize(("operation", "case"), CASES, ids=[f"{name}-{case.line}" for name, case in CASES])


def test_every_route_has_a_case() -> None:
    assert {route.operation for route in ALL_ROUTES} - ABSENT == set(TABLE)
    for _, case in CASES:
        assert (case.model is None) == bool(case.why)


@named
def test_an_answer_fits_its_model(operation: str, case: Case) -> None:
    algolia = filled()
    answer = handle(algolia, case.call())
    assert answer.status == case.status, answer.body
    if not case.path.startswith(control.PREFIX):
        assert algolia.requests[-1].operation == operation
    if case.status == 204:
        assert answer.body == b""
        return
    content = orjson.loads(answer.body)
    assert answer.media_type == "application/json"
    if case.model is not None:
        assert list(faults(content, case.model)) == []
        assert case.model.from_json(answer.body.decode()) is not None
    elif operation == "getObject":
        asked = case.query.get("attributesToRetrieve", "").split(",")
        assert content.items() <= RECORDS[0].items()
        assert content.keys() >= {"objectID", *filter(None, asked)}
    else:
        assert isinstance(content, dict)


def refusal(answer: Answer) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(answer.body)
    assert list(faults(content, ErrorBase)) == []
    assert isinstance(content["message"], str)
    assert content["message"]
    assert content["status"] == answer.status >= 400
    return content


@named
def test_refusals_fit_the_model_of_errors(operation: str, case: Case) -> None:
    algolia = filled()
    before = algolia.content()
    insights = operation in {"pushEvents", "deleteUserToken"}
    for headers in ({}, {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "wrong"}):
        assert refusal(handle(algolia, case.call(headers=headers)))["status"] == (401 if insights else 403)
    weak = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "spare"}
    allowed = handle(algolia, case.call(headers=weak))
    if allowed.status >= 400:
        refusal(allowed)
    elif case.method in {"PUT", "DELETE"}:
        pytest.fail(f"a key with `search` alone may {operation}")
    if case.body is not None:
        broken = handle(algolia, case.call(body=b'{"a": [1, }'))
        if operation == "pushEvents":
            assert (broken.status, broken.media_type) == (400, "text/html")
        else:
            assert "JSON" in refusal(broken)["message"]
    assert algolia.content() == before


@pytest.mark.parametrize("operation", sorted(ABSENT))
def test_what_is_known_by_name_only_is_refused(operation: str, algolia: MockAlgolia) -> None:
    [route] = [route for route in ROUTES if route.operation == operation]
    path = "/".join(part if part[0] != "{" else "x" for part in route.parts)
    assert refusal(handle(algolia, Case(f"{route.method} /{path}").call()))["status"] == 404


HIT = {"objectID": "a", "_rankingInfo": None, "anything": 1}
RANKED = {"nbTypos": 0, "firstMatchedWord": 0, "geoDistance": 0, "nbExactWords": 0, "userScore": 1}


@pytest.mark.parametrize(
    ("value", "model", "fault"),
    [
        (HIT, Hit, None),
        ({}, Hit, "$.objectID: missing"),
        ({"objectID": 1}, Hit, "$.objectID: 1 is no str"),
        ({"hits": [HIT], "page": True}, SearchResponse, "$.page: True is no int"),
        ({"hits": [HIT], "pages": 1}, SearchResponse, "$.pages: unknown to SearchResponse"),
        ({"hits": [HIT | {"_rankingInfo": RANKED}]}, SearchResponse, None),
        (RANKED | {"nbTypos": 1.5}, RankingInfo, "$.nbTypos: 1.5 is no int"),
        ({"facets": {"a": {"b": "1"}}, "hits": []}, SearchResponse, "$.facets.a.b: '1' is no int"),
        ("done", TaskStatus, "$: 'done' is no TaskStatus"),
        (None, RankingInfo, "$: None is no RankingInfo"),
        (
            {"objectID": "a", "_highlightResult": {"t": [{"value": "x", "matchLevel": "some", "matchedWords": []}]}},
            Hit,
            "$._highlightResult.t[0].matchLevel: 'some' is no MatchLevel",
        ),
    ],
)
def test_the_strict_reading_itself(value: Any, model: Any, fault: str | None) -> None:
    assert list(faults(value, model)) == ([] if fault is None else [fault])
