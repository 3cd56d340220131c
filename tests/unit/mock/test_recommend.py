"""Recommend: five models from what was pushed or from events, filters, fallback, and what is refused or ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from algoliasearch.http.exceptions import RequestException
from algoliasearch.recommend.client import RecommendClientSync
from algoliasearch.recommend.config import RecommendConfig
from algoliasearch.recommend.models import (
    GetRecommendationsParams,
    GetRecommendationsResponse,
    RecommendationsRequest,
    RecommendHit,
    TrendingFacetHit,
)
from algoliasearch.search.client import SearchClientSync
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.mock.algolia import MockAlgolia
from algosync.mock.engine.records import Stage
from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.services.candidates import POOL_MAX, place_score
from algosync.mock.services.insights import read_events

from .clock import Clock

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
CREDENTIALS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}
FACETS = ["brand", "colour", "filterOnly(stock)"]

Ask = Callable[..., dict[str, Any]]


def record(name: str, brand: str = "acme", **more: Any) -> dict[str, Any]:
    return {"objectID": name, "brand": brand, "title": f"thing {name}", "price": len(name), **more}


# a has lists of its own; b to f are ordinary, b and d of another brand
PUSHED: dict[str, Any] = {
    "similar": ["e", "c", "b"],
    "bought_together": ["d", "a", "gone", "b"],
    "viewed_together": ["f", "e"],
    "related": ["c", "b", "f", "d"],
}
RECORDS = [
    record("a", algosync=PUSHED),
    record("b", "bolt"),
    record("c"),
    record("d", "bolt"),
    record("e"),
    record("f"),
]


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW_MS)


@pytest.fixture
def algolia(clock: Clock) -> MockAlgolia:
    made = MockAlgolia(clock_ms=clock)
    fill(made, RECORDS)
    return made


def fill(algolia: MockAlgolia, records: list[dict[str, Any]], **more: Any) -> None:
    stage: Stage = algolia.stage("products")
    for position, each in enumerate(records):
        stage.apply("addObject", each, position)
    algolia.commit("products", stage)
    algolia.write("products", lambda index: index.set_settings({"attributesForFaceting": FACETS, **more}))


@pytest.fixture
def recommend(reach: Callable[..., Any]) -> Callable[..., RecommendClientSync]:
    return lambda key="mock-storefront": reach(RecommendClientSync, RecommendConfig("MOCKAPP", key))


@pytest.fixture
def ask(algolia: MockAlgolia) -> Ask:
    return lambda model="related-products", **more: result(algolia, model, **more)


def request(model: str, **more: Any) -> dict[str, Any]:
    needed = {} if model.startswith("trending") else {"objectID": "a"}
    return {"indexName": "products", "model": model, "threshold": 0} | needed | more


def send(algolia: MockAlgolia, body: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    call = Call(method="POST", path="/1/indexes/*/recommendations", headers=CREDENTIALS, body=orjson.dumps(body))
    answer = handle(algolia, call)
    return answer.status, orjson.loads(answer.body), dict(answer.headers)


def result(algolia: MockAlgolia, model: str, **more: Any) -> dict[str, Any]:
    status, body, headers = send(algolia, {"requests": [request(model, **more)]})
    assert status == 200, body
    [found] = body["results"]
    return found | {"source": headers["x-algosync-mock-source"], "warning": headers.get("x-algosync-mock-warning")}


def ids(found: dict[str, Any]) -> list[str]:
    return [hit["objectID"] for hit in found["hits"]]


def happen(algolia: MockAlgolia, token: str, kind: str, *object_ids: str, days_ago: float = 0, **more: Any) -> None:
    event = {
        "eventType": kind,
        "eventName": "Something",
        "index": "products",
        "userToken": token,
        "objectIDs": list(object_ids),
        "timestamp": int(NOW_MS - days_ago * DAY_MS),
        **more,
    }
    if not object_ids:
        del event["objectIDs"]
    for read in read_events({"events": [event]}, NOW_MS):
        algolia.events.append(read)


# The shapes of the client


def test_the_client_asks_several_models_at_once(recommend: Callable[..., RecommendClientSync]) -> None:
    requests = [request("related-products", maxRecommendations=2), request("trending-facets", facetName="brand")]
    sent = GetRecommendationsParams(requests=[RecommendationsRequest.from_dict(each) for each in requests])
    answer = recommend().get_recommendations(sent)
    first, second = answer.results
    hits = [hit.actual_instance for hit in first.hits]
    assert all(isinstance(hit, RecommendHit) for hit in hits)
    assert [(hit.object_id, hit.to_dict()["_score"]) for hit in hits] == [("c", 100.0), ("b", 90.91)]
    assert hits[1].to_dict()["brand"] == "bolt"
    assert (first.index, first.nb_hits, first.page, first.nb_pages, first.hits_per_page) == ("products", 2, 0, 1, 2)
    assert second.hits == []


@pytest.mark.parametrize("model", ["bought-together", "related-products", "looking-similar", "trending-items"])
def test_answers_fit_the_strict_models(algolia: MockAlgolia, model: str) -> None:
    happen(algolia, "u", "click", "b", "c")
    query = {"getRankingInfo": True, "facets": ["brand"], "attributesToHighlight": ["*"], "query": "thing"}
    status, body, _ = send(algolia, {"requests": [request(model, queryParameters=query)]})
    assert status == 200
    answer = GetRecommendationsResponse.from_dict(body)
    assert answer is not None
    assert answer.results[0].hits
    assert all(isinstance(hit.actual_instance, RecommendHit) for hit in answer.results[0].hits)


# What was pushed


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("related-products", ["c", "b", "f", "d"]),
        ("looking-similar", ["e", "c", "b"]),
        ("bought-together", ["d", "b"]),
    ],
)
def test_pushed_lists_keep_their_order(ask: Ask, model: str, expected: list[str]) -> None:
    found = ask(model)
    assert ids(found) == expected
    assert found["source"] == "pushed"
    scores = [hit["_score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[-1] <= scores[0] <= 100


@pytest.mark.parametrize(
    ("left", "expected"), [(["similar", "viewed_together"], ["f", "e"]), (["similar"], ["e", "c", "b"])]
)
def test_related_products_make_do_with_other_lists(
    algolia: MockAlgolia, ask: Ask, left: list[str], expected: list[str]
) -> None:
    fill(algolia, [record("a", algosync={"related": []} | {kind: PUSHED[kind] for kind in left})])
    assert ids(ask()) == expected


def test_trending_items_by_trend_then_popularity(algolia: MockAlgolia, ask: Ask) -> None:
    counts = {"b": {"trending": 3, "popularity": 1}, "c": {"popularity": 9}, "d": {"trending": 3, "popularity": 2}}
    fill(algolia, [record(name, "bolt" if name != "c" else "acme", algosync=held) for name, held in counts.items()])
    assert ids(ask("trending-items")) == ["d", "b", "c"]
    assert ids(ask("trending-items", facetName="brand", facetValue="bolt")) == ["d", "b"]
    assert ids(ask("trending-items", queryParameters={"filters": "brand:acme"})) == ["c"]


def test_neither_rules_nor_distinct_thin_out_what_trends(client: SearchClientSync, ask: Ask) -> None:
    records = [record(name, group="1", algosync={"trending": 2}) for name in ("b", "c")]
    client.save_objects("products", records, wait_for_tasks=True)
    shape = {"attributesForFaceting": FACETS, "attributeForDistinct": "group", "distinct": True}
    client.set_settings("products", shape)
    client.save_rule("products", "hide", {"objectID": "hide", "consequence": {"hide": [{"objectID": "b"}]}})
    assert ids(ask("trending-items")) == ["c"]
    assert ids(ask("trending-items", queryParameters={"enableRules": False})) == ["b"]
    assert ids(ask("trending-items", queryParameters={"enableRules": False, "distinct": False})) == ["b", "c"]


def test_a_rule_brings_in_nothing_that_is_not_recommended(client: SearchClientSync, ask: Ask) -> None:
    promote = [{"objectID": "e", "position": 0}]
    client.save_rule("products", "pin", {"objectID": "pin", "consequence": {"promote": promote}})
    assert ids(ask()) == ["c", "b", "f", "d"]


def test_trending_facets_by_what_was_pushed(algolia: MockAlgolia, ask: Ask) -> None:
    fill(algolia, [record("b", "bolt", algosync={"trending": 4}), record("c", algosync={"popularity": 1})])
    assert ask("trending-facets", facetName="brand")["hits"] == [
        {"facetName": "brand", "facetValue": "bolt", "_score": 100.0},
        {"facetName": "brand", "facetValue": "acme", "_score": 25.0},
    ]


# What happened


def test_bought_together_by_one_person_on_one_day(algolia: MockAlgolia, ask: Ask) -> None:
    for each in ("b", "c"):
        happen(algolia, "u", "conversion", each)
    happen(algolia, "u", "conversion", "d", days_ago=1)
    happen(algolia, "v", "click", "b", "e")
    found = ask("bought-together", objectID="b")
    assert (ids(found), found["source"]) == (["c"], "events")
    assert found["hits"][0]["_score"] == 100.0


def test_related_products_by_the_same_people(algolia: MockAlgolia, ask: Ask) -> None:
    for token in ("u", "v"):
        happen(algolia, token, "view", "b")
        happen(algolia, token, "click", "c", days_ago=5)
    happen(algolia, "v", "conversion", "d")
    found = ask(objectID="b")
    assert ids(found) == ["c", "d"]
    assert [hit["_score"] for hit in found["hits"]] == [100.0, round(100 / 2**0.5, 2)]


def test_trends_decay_and_conversions_weigh_more(algolia: MockAlgolia, ask: Ask) -> None:
    happen(algolia, "u", "click", "b", "c")
    happen(algolia, "u", "conversion", "c")
    happen(algolia, "u", "click", "d", days_ago=7)
    happen(algolia, "u", "view", "e")
    found = ask("trending-items")
    assert [(hit["objectID"], hit["_score"]) for hit in found["hits"]] == [
        ("c", 100.0),
        ("b", round(100 / 6, 2)),
        ("d", round(50 / 6, 2)),
    ]
    assert ids(ask("trending-items", facetName="brand", facetValue="bolt")) == ["b", "d"]


def test_trending_facets_by_events_on_records_and_on_filters(algolia: MockAlgolia, ask: Ask) -> None:
    happen(algolia, "u", "conversion", "b", "d")
    happen(algolia, "u", "click", "c")
    happen(algolia, "u", "click", filters=["brand:zed%20co"])
    hits = ask("trending-facets", facetName="brand", maxRecommendations=2)["hits"]
    assert [(hit["facetValue"], hit["_score"]) for hit in hits] == [("bolt", 100.0), ("acme", 20.0)]
    assert TrendingFacetHit.from_dict(hits[0]) is not None
    assert len(ask("trending-facets", facetName="brand")["hits"]) == 3


def test_facet_values_that_trend_alike_are_in_alphabetical_order(algolia: MockAlgolia, ask: Ask) -> None:
    happen(algolia, "u", "click", "b")
    happen(algolia, "u", "click", "c", days_ago=-3)  # a clock ahead: as if it were now
    hits = ask("trending-facets", facetName="brand")["hits"]
    assert [(hit["facetValue"], hit["_score"]) for hit in hits] == [("acme", 100.0), ("bolt", 100.0)]


@pytest.mark.parametrize("model", ["trending-facets", "trending-items"])
def test_nothing_trends_of_a_facet_that_is_not_declared(algolia: MockAlgolia, ask: Ask, model: str) -> None:
    happen(algolia, "u", "click", "b", "c")
    more = {"facetName": "title"} | ({"facetValue": "thing b"} if model == "trending-items" else {})
    found = ask(model, **more)
    assert (found["hits"], found["source"]) == ([], "none")


def test_a_popular_facet_value_fills_its_own_list(algolia: MockAlgolia, ask: Ask) -> None:
    """However many records of other values trend more."""
    fill(algolia, [record(f"n{number}") for number in range(POOL_MAX + 1)])
    for number in range(POOL_MAX + 1):
        happen(algolia, "u", "conversion", f"n{number}")
    happen(algolia, "u", "click", "b")
    found = ask("trending-items", facetName="brand", facetValue="bolt")
    assert [(hit["objectID"], hit["_score"]) for hit in found["hits"]] == [("b", 100.0)]


def test_baskets_with_the_item_or_the_other_lower_the_score(algolia: MockAlgolia, ask: Ask) -> None:
    """One basket of four holds both; b is in two, c in three."""
    for token, items in {"u": "bc", "v": "b", "w": "c", "x": "c"}.items():
        happen(algolia, token, "conversion", *items)
    for asked, other in (("b", "c"), ("c", "b")):
        [hit] = ask("bought-together", objectID=asked)["hits"]
        assert (hit["objectID"], hit["_score"]) == (other, round(100 / (2 * 3) ** 0.5, 2))


def test_events_age(algolia: MockAlgolia, clock: Clock, ask: Ask) -> None:
    happen(algolia, "u", "conversion", "b", "c")
    clock.now_ms += 30 * DAY_MS
    assert ids(ask("bought-together", objectID="b")) == ["c"]
    clock.now_ms += 1000
    assert ids(ask("bought-together", objectID="b")) == []


def test_events_of_other_indices_and_of_long_ago_count_for_nothing(algolia: MockAlgolia, ask: Ask) -> None:
    happen(algolia, "u", "conversion", "b", "c", index="other")
    assert ask("bought-together", objectID="b")["hits"] == []
    assert ask("trending-items")["source"] == "none"


def test_looking_similar_by_shared_values_and_words(algolia: MockAlgolia, client: SearchClientSync, ask: Ask) -> None:
    fill(
        algolia,
        [
            record("x", "zed", title="red wool coat", colour="red"),
            record("y", "zed", title="blue wool coat", colour="blue"),
            record("z", "other", title="red pen", colour="red"),
        ],
        searchableAttributes=["title"],
    )
    found = ask("looking-similar", objectID="x")
    assert (ids(found), found["source"]) == (["y", "z"], "likeness")
    assert [hit["_score"] for hit in found["hits"]] == [round(50 / 2 + 50 * 2 / 3, 2), round(50 / 2 + 50 / 3, 2)]
    hide = {"objectID": "hide", "consequence": {"hide": [{"objectID": "y"}]}}
    client.save_rule("products", "hide", hide)
    client.set_settings("products", {"attributeForDistinct": "price", "distinct": True})
    all_of_them = {"enableRules": False, "distinct": False}
    assert ids(ask("looking-similar", objectID="x", queryParameters=all_of_them)) == ["y", "z"]


# Threshold, number, filters


def test_threshold_and_number(ask: Ask) -> None:
    assert ids(ask(threshold=place_score(2))) == ["c", "b", "f"]
    assert ids(ask(threshold=100)) == ["c"]
    assert ids(ask(maxRecommendations=1)) == ["c"]
    assert ids(ask(maxRecommendations=30)) == ["c", "b", "f", "d"]


def test_filters_are_hard_and_optional_filters_re_rank(ask: Ask) -> None:
    assert ids(ask(queryParameters={"filters": "brand:bolt"})) == ["b", "d"]
    assert ids(ask(queryParameters={"numericFilters": ["price > 1"]})) == []
    found = ask(queryParameters={"optionalFilters": ["brand:bolt<score=5>"], "getRankingInfo": True})
    assert ids(found) == ["b", "d", "c", "f"]
    assert [hit["_rankingInfo"]["filters"] for hit in found["hits"]] == [5, 5, 0, 0]
    assert found["hits"][0]["_score"] < found["hits"][2]["_score"]


def test_what_hits_show_is_chosen_as_in_a_search(ask: Ask) -> None:
    shown = {"attributesToRetrieve": ["brand"], "attributesToHighlight": [], "facets": ["brand"]}
    found = ask(maxRecommendations=1, queryParameters=shown)
    assert found["hits"] == [{"objectID": "c", "brand": "acme", "_score": 100.0}]
    assert found["facets"] == {"brand": {"acme": 2, "bolt": 2}}


def test_response_fields_are_chosen_but_hits_stay(algolia: MockAlgolia, ask: Ask) -> None:
    found = ask(maxRecommendations=1, queryParameters={"responseFields": ["nbHits"], "facetFilters": []})
    assert found.keys() == {"hits", "nbHits", "message", "index", "source", "warning"}
    algolia.write("products", lambda index: index.set_settings({"responseFields": ["query"]}))
    found = ask(maxRecommendations=5, fallbackParameters={"filters": ""})
    assert ids(found) == ["c", "b", "f", "d", "e"]
    assert "nbHits" not in found


def test_attributes_that_cannot_be_retrieved_stay_hidden(
    client: SearchClientSync, recommend: Callable[..., RecommendClientSync]
) -> None:
    client.set_settings("products", {"unretrievableAttributes": ["price", "algosync"]})
    sent = {"requests": [request("related-products", maxRecommendations=1)]}
    for key, shown in (("mock-storefront", False), ("mock-admin", True)):
        [hit] = recommend(key).get_recommendations(sent).results[0].hits
        assert ("price" in hit.actual_instance.to_dict()) is shown


def test_settings_that_are_no_search_parameters_are_ignored_and_said_so(ask: Ask) -> None:
    found = ask(queryParameters={"customRanking": ["asc(price)"], "searchableAttributes": ["title"]})
    assert "queryParameters.customRanking, queryParameters.searchableAttributes" in found["warning"]


def test_the_ranking_info_is_shown_on_demand_alone(ask: Ask) -> None:
    plain, told = ask(), ask(queryParameters={"getRankingInfo": True})
    assert not any("_rankingInfo" in hit for hit in plain["hits"])
    assert all(hit["_rankingInfo"]["filters"] == 0 for hit in told["hits"])
    assert "serverUsed" not in plain


def test_what_a_fallback_does_not_heed_is_named(ask: Ask) -> None:
    fallback = {"enablePersonalization": True, "userToken": "u", "enableRules": True}
    found = ask("bought-together", maxRecommendations=5, fallbackParameters=fallback)
    assert "enablePersonalization" in found["warning"]
    assert "fallbackParameters.enableRules" in found["warning"]


def test_facet_filters_are_ignored_and_said_so(recommend: Callable[..., RecommendClientSync], ask: Ask) -> None:
    query = {"facetFilters": ["brand:bolt"], "hitsPerPage": 1, "ranking": ["asc(price)"]}
    found = ask(queryParameters=query)
    assert ids(found) == ["c", "b", "f", "d"]
    names = ("facetFilters", "hitsPerPage", "ranking")
    assert found["message"] == found["warning"]
    assert all(f"queryParameters.{name}" in found["warning"] for name in names)
    sent = {"requests": [request("related-products", queryParameters=query)]}
    answer = recommend().get_recommendations_with_http_info(sent)
    assert "queryParameters.facetFilters" in answer.headers["x-algosync-mock-warning"]


def test_personalization_is_ignored_and_said_so(ask: Ask) -> None:
    assert "enablePersonalization" in ask(queryParameters={"enablePersonalization": True, "userToken": "u"})["message"]


def test_distinct_shows_one_of_a_group_and_none_of_the_item_itself(algolia: MockAlgolia, ask: Ask) -> None:
    groups = {"a": "1", "b": "1", "c": "2", "d": "3", "f": "2"}
    variants = [each | {"group": groups[each["objectID"]]} for each in RECORDS if each["objectID"] in groups]
    fill(algolia, variants, attributeForDistinct="group", distinct=True)
    assert ids(ask()) == ["c", "d"]
    assert ids(ask(queryParameters={"distinct": 2})) == ["c", "f", "d"]
    assert ids(ask(queryParameters={"distinct": False})) == ["c", "b", "f", "d"]


# Fallback


def test_a_fallback_fills_up_without_scores(ask: Ask) -> None:
    found = ask(
        "bought-together",
        maxRecommendations=4,
        fallbackParameters={"facetFilters": [["brand:acme", "brand:bolt"]], "optionalFilters": ["objectID:f"]},
    )
    assert ids(found) == ["d", "b", "f", "c"]
    assert ["_score" in hit for hit in found["hits"]] == [True, True, False, False]
    assert found["source"] == "pushed+fallback"
    assert found["warning"] is None


def test_a_fallback_alone(ask: Ask) -> None:
    found = ask("trending-items", maxRecommendations=2, fallbackParameters={"filters": "brand:bolt"})
    assert (ids(found), found["source"]) == (["b", "d"], "none+fallback")


@pytest.mark.parametrize("number", [{}, {"maxRecommendations": 0}])
def test_without_a_number_no_fallback_is_made(ask: Ask, number: dict[str, int]) -> None:
    """algolia.com/doc/rest-api/recommend/get-recommendations: by default all are returned, and there is no fallback."""
    assert ids(ask("bought-together", fallbackParameters={"filters": ""}, **number)) == ["d", "b"]


def test_trending_facets_know_no_fallback(ask: Ask) -> None:
    filters = {"filters": "brand:bolt"}
    sent = {"maxRecommendations": 3, "fallbackParameters": filters, "queryParameters": filters}
    found = ask("trending-facets", facetName="brand", **sent)
    assert found["hits"] == []
    assert found["warning"] == "Ignored by Recommend: fallbackParameters, queryParameters.filters"


# Refusals


@pytest.mark.parametrize(
    ("message", "model", "change"),
    [
        ("threshold is missing", "trending-items", {"threshold": None}),
        ("indexName is missing", "trending-items", {"indexName": None}),
        ("model is missing", "trending-items", {"model": None}),
        ("objectID is missing", "related-products", {"objectID": None}),
        ("facetName is missing", "trending-facets", {}),
        ("facetName and facetValue are used in combination", "trending-items", {"facetName": "brand"}),
        ("Invalid objectID, expected a string", "looking-similar", {"objectID": 7}),
        ("Unknown parameter: limit", "trending-items", {"limit": 3}),
        ("Unknown parameter: nonsense", "trending-items", {"queryParameters": {"nonsense": 1}}),
        ("Invalid fallbackParameters, expected a JSON object", "trending-items", {"fallbackParameters": []}),
        *(
            ("Invalid threshold, expected a number between 0 and 100", "bought-together", {"threshold": value})
            for value in (-0.1, 100.1, "50", True)
        ),
        *(
            ("Invalid maxRecommendations, expected an integer between 0 and 30", "trending-items", change)
            for change in ({"maxRecommendations": value} for value in (-1, 31, 1.5, True))
        ),
    ],
)
def test_bad_requests_are_refused(algolia: MockAlgolia, message: str, model: str, change: dict[str, Any]) -> None:
    sent = {"requests": [request("related-products"), request(model) | change]}
    assert send(algolia, sent)[:2] == (400, {"message": message, "status": 400})


def test_a_body_without_requests_is_refused(algolia: MockAlgolia) -> None:
    for body in ({}, {"requests": {}}, {"requests": [1]}, []):
        assert send(algolia, body)[0] == 400


def test_the_sources_of_many_requests_fit_a_header(algolia: MockAlgolia) -> None:
    """http.client refuses lines of more than 64 KB."""
    _, body, headers = send(algolia, {"requests": [request("related-products", maxRecommendations=1)] * 150})
    assert len(body["results"]) == 150
    assert headers["x-algosync-mock-source"].split(", ") == ["pushed"] * 100


def test_an_unknown_model_is_refused_by_name(algolia: MockAlgolia) -> None:
    status, body, _ = send(algolia, {"requests": [request("recommended-for-you")]})
    assert (status, "recommended-for-you" in body["message"]) == (400, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"indexName": "nowhere"}, "Index nowhere does not exist"), ({"objectID": "gone"}, "ObjectID does not exist")],
)
def test_what_is_not_there_is_404(algolia: MockAlgolia, change: dict[str, str], message: str) -> None:
    assert send(algolia, {"requests": [request("related-products", **change)]})[:2] == (
        404,
        {"message": message, "status": 404},
    )


def test_a_key_must_reach_each_index(recommend: Callable[..., RecommendClientSync], client: SearchClientSync) -> None:
    client.save_objects("secret", [record("a")], wait_for_tasks=True)
    requests = [request("trending-items"), request("trending-items", indexName="secret")]
    with pytest.raises(RequestException) as caught:
        recommend().get_recommendations({"requests": requests})
    assert caught.value.status_code == 403
    assert len(recommend("mock-storefront-wide").get_recommendations({"requests": requests}).results) == 2


def test_a_secured_key_restricts_recommendations_and_fallback(
    recommend: Callable[..., RecommendClientSync], client: SearchClientSync
) -> None:
    key = client.generate_secured_api_key("mock-storefront-wide", {"filters": "brand:bolt"})
    more = {"maxRecommendations": 5, "fallbackParameters": {"filters": "price > 0"}}
    [found] = recommend(key).get_recommendations({"requests": [request("related-products", **more)]}).results
    assert [hit.actual_instance.object_id for hit in found.hits] == ["b", "d"]


@pytest.mark.parametrize("pushed", [True, False])
@pytest.mark.parametrize("restrictions", [{"facetFilters": ["brand:bolt"]}, {"filters": "brand:bolt"}])
def test_a_secured_key_restricts_what_trends(
    recommend: Callable[..., RecommendClientSync],
    client: SearchClientSync,
    algolia: MockAlgolia,
    restrictions: dict[str, Any],
    *,
    pushed: bool,
) -> None:
    if pushed:
        fill(algolia, [record(name, brand, algosync={"trending": 1}) for name, brand in (("b", "bolt"), ("c", "acme"))])
    happen(algolia, "u", "click", "b", "c")
    happen(algolia, "u", "click", filters=["brand:secret"])
    key = client.generate_secured_api_key("mock-storefront-wide", restrictions)
    requests = [request("trending-items"), request("trending-facets", facetName="brand"), request("related-products")]
    items, facets, related = recommend(key).get_recommendations({"requests": requests}).results
    assert [hit.actual_instance.object_id for hit in items.hits] == ["b"]
    assert [hit.actual_instance.facet_value for hit in facets.hits] == ["bolt"]
    assert [hit.actual_instance.object_id for hit in related.hits] == ["b", "d"]


def test_a_key_forces_parameters_and_a_number_of_hits(
    recommend: Callable[..., RecommendClientSync], client: SearchClientSync
) -> None:
    forced = {"queryParameters": "attributesToRetrieve=brand&attributesToHighlight=", "maxHitsPerQuery": 3}
    key = client.add_api_key({"acl": ["search"], **forced}).key
    more = {"fallbackParameters": {"attributesToRetrieve": ["price"]}, "maxRecommendations": 9}
    [found] = recommend(key).get_recommendations({"requests": [request("bought-together", **more)]}).results
    shown = [hit.actual_instance.to_dict() for hit in found.hits]
    assert [each["objectID"] for each in shown] == ["d", "b", "c"]
    assert [each.keys() - {"objectID", "_score"} for each in shown] == [{"brand"}] * 3


@pytest.mark.parametrize("paging", ["page=1&hitsPerPage=1", "offset=1&length=1"])
def test_no_limit_of_pages_cuts_recommendations(
    recommend: Callable[..., RecommendClientSync], client: SearchClientSync, paging: str
) -> None:
    client.set_settings("products", {"paginationLimitedTo": 1, "hitsPerPage": 1})
    key = client.add_api_key({"acl": ["search"], "queryParameters": paging}).key
    more = {"fallbackParameters": {"filters": ""}, "maxRecommendations": 9}
    [found] = recommend(key).get_recommendations({"requests": [request("related-products", **more)]}).results
    assert [hit.actual_instance.object_id for hit in found.hits] == ["c", "b", "f", "d", "e"]


@pytest.mark.parametrize("model", ["looking-similar", "trending-items"])
def test_no_limit_of_pages_cuts_candidates(algolia: MockAlgolia, ask: Ask, model: str) -> None:
    fill(algolia, [record(name, algosync={"trending": 1}) for name in "abc"], paginationLimitedTo=1)
    assert ids(ask(model, queryParameters={"filters": "objectID:c"})) == ["c"]


def test_recommend_rules_are_absent_and_say_so(recommend: Callable[..., RecommendClientSync]) -> None:
    admin = recommend("mock-admin")
    for call in (
        lambda: admin.search_recommend_rules("products", "related-products"),
        lambda: admin.get_recommend_rule("products", "related-products", "r"),
        lambda: admin.delete_recommend_rule("products", "related-products", "r"),
        lambda: admin.batch_recommend_rules("products", "related-products", []),
        lambda: admin.get_recommend_status("products", "related-products", 1),
    ):
        with pytest.raises(RequestException, match="not part of the mock") as caught:
            call()
        assert caught.value.status_code == 404


# Laws

_NAMES = ["a", "b", "c", "d", "-e", "\\-f", " g h ", "é:<score=2>"]
_LISTED = st.lists(st.sampled_from([*_NAMES, "gone"]), max_size=9)


@settings(max_examples=40, deadline=None)
@given(
    pushed=_LISTED,
    threshold=st.integers(0, 100),
    most=st.integers(1, 8),
    brand=st.sampled_from(["acme", "bolt", None]),
    fallback=st.booleans(),
)
def test_pushed_lists_come_back_as_they_are_but_for_what_is_asked(
    pushed: list[str], threshold: int, most: int, brand: str | None, fallback: bool
) -> None:
    algolia = MockAlgolia()
    brands = {name: ["acme", "bolt"][place % 2] for place, name in enumerate(_NAMES)}
    fill(algolia, [record(n, brands[n], algosync={"similar": pushed} if n == "a" else {}) for n in _NAMES])
    allowed = {name for name in _NAMES if brand in {None, brands[name]}} - {"a"}
    places = [name for place, name in enumerate(dict.fromkeys(pushed)) if place_score(place) >= threshold]
    expected = [name for name in places if name in allowed][:most]
    more: dict[str, Any] = {"fallbackParameters": {"filters": f"brand:{brand}" if brand else ""}} if fallback else {}
    query = {"filters": f"brand:{brand}"} if brand else {}
    asked = {"threshold": threshold, "maxRecommendations": most, "queryParameters": query, **more}
    found = result(algolia, "looking-similar" if pushed else "bought-together", **asked)
    got = ids(found)
    assert got[: len(expected)] == expected
    assert len(got) == len(set(got)) <= most
    assert set(got) <= allowed
    assert [hit for hit in found["hits"] if "_score" not in hit] == found["hits"][len(expected) :]
    assert len(got) == (min(most, len(allowed)) if fallback else len(expected))


_ANY = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=6) | st.lists(st.text(max_size=3))
_FIELDS = ["indexName", "model", "threshold", "maxRecommendations", "objectID", "facetName", "facetValue"]
_PARAMETERS = st.dictionaries(
    st.sampled_from(["filters", "optionalFilters", "query", "distinct", "facets", "page", "attributesToRetrieve"]), _ANY
)


@settings(max_examples=60, deadline=None)
@given(
    model=st.sampled_from(["related-products", "bought-together", "trending-items", "trending-facets"]),
    change=st.dictionaries(st.sampled_from(_FIELDS), _ANY, max_size=3),
    query=_PARAMETERS | _ANY,
    fallback=_PARAMETERS | _ANY,
)
def test_nothing_sent_makes_it_fail(model: str, change: dict[str, Any], query: Any, fallback: Any) -> None:
    algolia = MockAlgolia()
    fill(algolia, RECORDS)
    sent = request(model, facetName="brand", queryParameters=query, fallbackParameters=fallback) | change
    assert send(algolia, {"requests": [sent]})[0] in {200, 400, 404}


@settings(max_examples=30, deadline=None)
@given(
    held=st.dictionaries(
        st.sampled_from([*PUSHED, "trending", "popularity"]), _ANY | st.lists(_ANY, max_size=3), max_size=6
    )
    | _ANY
)
def test_whatever_was_pushed_can_be_read(held: Any) -> None:
    algolia = MockAlgolia()
    fill(algolia, [*RECORDS[1:], record("a", algosync=held)])
    for model in ("related-products", "bought-together", "looking-similar", "trending-items"):
        result(algolia, model)
    result(algolia, "trending-facets", facetName="brand")
