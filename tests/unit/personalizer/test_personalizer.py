"""Both personalizers over the official clients, against the mock and an API stub, over real HTTP."""

import asyncio
import copy
import inspect
import json
from datetime import timedelta

import pytest
from algoliasearch.http.exceptions import RequestException
from algoliasearch.http.hosts import Host, HostsCollection
from algoliasearch.recommend.client import RecommendClient, RecommendClientSync
from algoliasearch.recommend.config import RecommendConfig
from algoliasearch.search.client import SearchClient, SearchClientSync
from algoliasearch.search.config import SearchConfig

import algosync
from algosync import AsyncPersonalizer, Personalizer
from algosync.errors import ConfigError
from algosync.experience import keys
from algosync.personalizer.api import wall_clock

PRODUCTS = [
    {"objectID": "tv-1", "name": "Television", "brand": "LG", "categories": ["TV"], "in_stock": True},
    {"objectID": "tv-2", "name": "Television", "brand": "Sony", "categories": ["TV"], "in_stock": True},
    {"objectID": "tv-3", "name": "Television", "brand": "Acme", "categories": ["TV"], "in_stock": True},
    {"objectID": "tv-4", "name": "Television", "brand": "Acme", "categories": ["TV"], "in_stock": False},
    {"objectID": "radio", "name": "Radio", "brand": "Acme", "categories": ["Audio"], "in_stock": True},
]
SETTINGS = {
    "searchableAttributes": ["name"],
    "attributesForFaceting": ["brand", "categories", "filterOnly(in_stock)"],
}
KINDS = ("sync", "async")
MODELS = {
    "related_products": "related-products",
    "frequently_bought_together": "bought-together",
    "looking_similar": "looking-similar",
}


def config(mock, kind):
    made = kind(mock.app_id, mock.keys.storefront)
    made.hosts = HostsCollection([Host(url=mock.host, scheme="http", port=mock.port)])
    made.proxies = None
    return made


@pytest.fixture
def mock(algolia_mock):
    algolia_mock.load("products", PRODUCTS, settings=SETTINGS)
    return algolia_mock


@pytest.fixture(params=KINDS)
def run(request, mock, api):
    """Calls methods of either personalizer, one after the other, each on a personalizer of its own."""

    def sync(name, *args, options=None, **named):
        search = SearchClientSync.create_with_config(config(mock, SearchConfig))
        recommend = RecommendClientSync.create_with_config(config(mock, RecommendConfig))
        with Personalizer(search, recommend, **made_with(options)) as personalizer:
            try:
                return getattr(personalizer, name)(*args, **named)
            finally:
                search.close()
                recommend.close()

    def awaited(name, *args, options=None, **named):
        async def call():
            async with (
                SearchClient.create_with_config(config(mock, SearchConfig)) as search,
                RecommendClient.create_with_config(config(mock, RecommendConfig)) as recommend,
                AsyncPersonalizer(search, recommend, **made_with(options)) as personalizer,
            ):
                return await getattr(personalizer, name)(*args, **named)

        return asyncio.run(call())

    def made_with(options):
        return {"url": api.url, "key": "admin", "budget_s": 2.0, **(options or {})}

    return sync if request.param == "sync" else awaited


def sent(mock, operation="query"):
    """The last body that the mock got."""
    return json.loads(next(one.body for one in reversed(mock.requests) if one.path.endswith(operation)))


def ids(result):
    return [hit.object_id for hit in result.hits]


def test_a_search_is_personalized_beside_the_callers_own(run, mock, api):
    result = run(
        "search",
        "products",
        "television",
        user_token="u-1",
        context={"country": "DE"},
        optionalFilters=["categories:TV<score=1>"],
        ruleContexts=["shop"],
        analyticsTags=["web"],
        hitsPerPage=4,
    )
    assert ids(result) == ["tv-2", "tv-1", "tv-3", "tv-4"]
    assert result.nb_hits == 4
    assert result.personalization.to_dict() == {
        "applied": True,
        "reason": "ready: 7 of 3 distinct products",
        "strategy": "one-to-one",
        "generation": 7,
        "holdout": False,
    }
    assert sent(mock) == {
        "query": "television",
        "optionalFilters": ["categories:TV<score=1>", ["brand:Sony<score=2000>", "brand:LG<score=1000>"]],
        "ruleContexts": ["shop", "algosync-audio"],
        "analyticsTags": ["web", "algosync-personalized"],
        "userToken": "u-1",
        "enablePersonalization": False,
        "hitsPerPage": 4,
    }
    assert api.asked == [
        {
            "userToken": "u-1",
            "where": "search",
            "query": "television",
            "context": {"country": "DE"},
            "index": "products",
        }
    ]
    assert result.to_dict()["hits"][0]["objectID"] == "tv-2"
    assert result.to_dict()["personalization"]["applied"] is True
    assert json.dumps(result.to_dict(), default=str)


def test_what_the_caller_says_of_token_and_personalization_stands(run, mock):
    run("search", "products", "", user_token="u-1", userToken="mine", enablePersonalization=True)
    assert sent(mock)["userToken"] == "mine"
    assert sent(mock)["enablePersonalization"] is True


@pytest.mark.parametrize("trouble", ["down", "slow", "broken", "refused"])
def test_a_search_never_fails_because_personalization_is_down(run, mock, api, trouble):
    options = {}
    if trouble == "down":
        options = {"url": "http://127.0.0.1:9"}
    elif trouble == "slow":
        api.delay, options = 20.0, {"budget_s": 0.08}
    elif trouble == "broken":
        api.raw = b"\x00"
    else:
        api.status = 401
    result = run("search", "products", "television", user_token="u-1", optionalFilters=["brand:Acme"], options=options)
    assert result.nb_hits == 4
    assert sent(mock) == {"query": "television", "optionalFilters": ["brand:Acme"]}
    said = result.personalization
    assert (said.applied, said.strategy) == (False, None)
    assert said.reason in {
        "no connection to the HTTP API (ConnectError)",
        "no answer in time",
        "the answer is not an experience",
        "the HTTP API answered 401",
    }
    recommended = run("related_products", "products", "tv-1", user_token="u-1", options=options)
    assert recommended.personalization.applied is False


def test_a_holdout_and_a_visitor_without_profile_are_told_apart_from_an_outage(run, mock, api):
    api.answer = {**api.answer, "holdout": True, "strategy": "content", "search": {"analyticsTags": ["holdout"]}}
    result = run("search", "products", "", user_token="u-1")
    assert (result.personalization.applied, result.personalization.holdout) == (False, True)
    assert result.personalization.strategy == "content"
    assert sent(mock) == {"query": "", "analyticsTags": ["holdout"]}
    assert run("search", "products", "", user_token=None).personalization.reason == "no userToken was given"
    assert len(api.asked) == 1


def test_what_algolia_refuses_is_raised_as_the_client_raises_it(run, mock):
    with pytest.raises(RequestException, match="does not exist"):
        run("search", "products-nowhere", "", user_token="u-1")


def test_several_searches_in_one_request(run, mock, api):
    requests = [
        {"indexName": "products", "query": "television", "optionalFilters": ["brand:Acme"], "hitsPerPage": 2},
        {"indexName": "products", "query": "television", "ruleContexts": ["shop"]},
        {"indexName": "products", "params": "query=radio"},
    ]
    before = copy.deepcopy(requests)
    result = run("multi_search", requests, user_token="u-1", strategy="none")
    assert requests == before
    body = sent(mock, "/queries")
    assert body["strategy"] == "none"
    assert body["requests"][0]["optionalFilters"][0] == "brand:Acme"
    assert body["requests"][1]["ruleContexts"] == ["shop", "algosync-audio"]
    assert body["requests"][2] == requests[2]
    assert [part.applied for part in result.parts] == [True, True, False]
    assert result.personalization.applied
    assert "cannot" not in result.personalization.reason
    assert len(result.results) == 3
    assert len([one for one in api.asked if one.get("query")]) == 1


def test_who_chose_not_to_be_personalized_is_not_by_algolia_either_when_the_api_is_down(run, mock):
    down = {"url": "http://127.0.0.1:9"}
    for told in ({"user_token": "u-1"}, {"user_token": None}, {"user_token": "a token that cannot be asked about" * 9}):
        run("search", "products", "tv", consent="not_personalized", options=down, **told)
        assert sent(mock) == {"query": "tv", "enablePersonalization": False}
    requests = [{"indexName": "products", "query": "tv"}]
    run("multi_search", requests, user_token="u-1", consent="not_personalized", options=down)
    assert sent(mock, "/queries")["requests"] == [{**requests[0], "enablePersonalization": False}]
    made = run("recommend_params", "u-1", index="products", object_id="tv-1", consent="not_personalized", options=down)
    assert made["queryParameters"] == {"enablePersonalization": False}
    run("looking_similar", "products", "tv-1", user_token="u-1", consent="not_personalized", options=down)
    assert sent(mock, "/recommendations")["requests"][0]["queryParameters"] == {"enablePersonalization": False}
    assert "enablePersonalization" not in run("search_params", "u-1", consent="for_you", options=down)
    said = run("search_params", "u-1", consent="not_personalized", enablePersonalization=True, options=down)
    assert said["enablePersonalization"] is True  # the caller's own word


def test_the_parameters_of_several_searches(run, mock):
    requests = [{"indexName": "products", "query": "tv", "ruleContexts": ["shop"]}, {"indexName": "products"}]
    made = run("multi_search_params", requests, user_token="u-1")
    assert [one["ruleContexts"] for one in made] == [["shop", "algosync-audio"], ["algosync-audio"]]
    assert all(one.personalization.applied for one in made)
    assert not list(mock.requests)


@pytest.mark.parametrize("kind", KINDS)
def test_whom_to_ask_is_said_once(kind):
    made = Personalizer if kind == "sync" else AsyncPersonalizer
    with pytest.raises(ConfigError, match="not said where"):
        made(Fake(kind, found={}, recommended={}))
    with pytest.raises(ConfigError, match="not from both"):
        made(Fake(kind, found={}, recommended={}), url="http://127.0.0.1:9", experience=lambda _: {})


def test_parameters_alone_for_a_call_of_ones_own(run, mock):
    made = run("search_params", "u-1", query="tv", index="products", ruleContexts=["shop"])
    assert isinstance(made, dict)
    assert made["ruleContexts"] == ["shop", "algosync-audio"]
    assert "query" not in made
    assert made.personalization.applied
    request = run("recommend_params", "u-1", index="products", object_id="tv-1", maxRecommendations=4)
    assert request["model"] == "related-products"
    assert request["queryParameters"] == {
        "filters": "in_stock:true",
        "optionalFilters": [["brand:Sony<score=2000>"]],
    }
    assert json.loads(json.dumps(request)) == request


def test_the_whole_experience(run, api):
    heard = run("experience", "u-1", where="home")
    assert heard.document == api.answer
    api.status = 500
    heard = run("experience", "u-1", where="home")
    assert (heard.document, heard.reason) == ({}, "the HTTP API answered 500")


@pytest.mark.parametrize("method", MODELS)
def test_a_short_recommendation_is_filled_and_each_product_says_where_it_came_from(run, mock, api, method):
    listed = ["tv-1", "tv-4", "radio", "gone", "tv-3", "tv-2"]
    api.answer = {**api.answer, "content": {"related": listed, "bought_together": listed, "similar": listed}}
    bare = run(method, "products", "tv-1", user_token="u-1", maxRecommendations=3, fill=False)
    own = [hit["objectID"] for hit in bare.hits]
    assert {hit["_origin"] for hit in bare.hits} <= {"algolia"}
    assert bare.gap is None
    result = run(method, "products", "tv-1", user_token="u-1", maxRecommendations=3)
    got = [hit["objectID"] for hit in result.hits]
    assert got[: len(own)] == own
    assert sorted(got) == ["radio", "tv-2", "tv-3"]
    assert result.gap is None
    for hit in result.hits[len(own) :]:
        assert hit["_origin"] in {"algosync:related", "algosync:bought_together", "algosync:similar"}
        assert hit["name"]
    request = sent(mock, "/recommendations")["requests"][0]
    assert request["model"] == MODELS[method]
    assert request["queryParameters"]["filters"] == "in_stock:true"
    assert api.asked[-1]["objectID"] == "tv-1"
    assert api.asked[-1]["where"] == "product"
    assert json.dumps(result.to_dict(), default=str)


def test_what_is_not_there_is_not_made_up(run, api):
    api.answer = {**api.answer, "content": {"bought_together": ["tv-2", "gone", "tv-4"]}}
    result = run(
        "frequently_bought_together", "products", "tv-1", user_token="u-1", maxRecommendations=5, threshold=100
    )
    assert [(hit["objectID"], hit["_origin"]) for hit in result.hits] == [("tv-2", "algosync:bought_together")]
    assert result.gap == "4 short: no more products are known that fit"


def test_trending_products_of_a_facets_value(run, mock, api):
    api.answer = {**api.answer, "content": {"trending": ["radio", "tv-2"], "popular": ["tv-3", "tv-1"]}}
    wanted = {"facetName": "categories", "facetValue": "TV", "maxRecommendations": 3, "threshold": 100}
    result = run("trending", "products", user_token="u-1", **wanted)
    assert [hit["objectID"] for hit in result.hits] == ["tv-2", "tv-3", "tv-1"]
    assert [hit["_origin"] for hit in result.hits] == ["algosync:trending", "algosync:popular", "algosync:popular"]
    assert api.asked[-1]["where"] == "home"


def test_facet_filters_are_refused_before_anything_is_asked(run, api):
    with pytest.raises(ConfigError, match='`filters`: categories:"Books"'):
        run(
            "related_products",
            "products",
            "tv-1",
            user_token="u-1",
            queryParameters={"facetFilters": ["categories:Books"]},
        )
    assert api.asked == []


class Fake:
    """Clients of either kind that answer, or raise, what they are told."""

    def __init__(self, kind, *, found, recommended):
        async def awaited(answer):
            return now(answer)

        def now(answer):
            if isinstance(answer, Exception):
                raise answer
            return answer

        async def search_awaited(index, params=None, request_options=None):
            return await awaited(found)

        async def recommend_awaited(params, request_options=None):
            return await awaited(recommended)

        waits = kind == "sync"
        self.search_single_index = (lambda *_: now(found)) if waits else search_awaited
        self.get_recommendations = (lambda *_: now(recommended)) if waits else recommend_awaited


def related(kind, api, **answers):
    """Two products related to `tv-1`."""
    client = Fake(kind, **answers)
    asked = {"user_token": "u-1", "maxRecommendations": 2}
    if kind == "sync":
        with Personalizer(client, client, url=api.url, key="admin") as personalizer:
            return personalizer.related_products("products", "tv-1", **asked)

    async def call():
        async with AsyncPersonalizer(client, client, url=api.url, key="admin") as personalizer:
            return await personalizer.related_products("products", "tv-1", **asked)

    return asyncio.run(call())


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_is_not_trained_yet_leaves_the_shops_own_products(api, kind):
    api.answer = {**api.answer, "content": {"related": ["tv-2"]}}
    untrained = RequestException("Index ai_recommend_products:related-products.indice.bin does not exist", 404)
    result = related(kind, api, found={"hits": [{"objectID": "tv-2"}]}, recommended=untrained)
    assert result.hits == [{"objectID": "tv-2", "_origin": "algosync:related"}]
    assert result.gap == "Recommend has no model for this yet; 1 short: no more products are known that fit"
    assert result.to_dict()["personalization"]["applied"] is True


@pytest.mark.parametrize("kind", KINDS)
def test_what_recommend_refuses_is_raised(api, kind):
    with pytest.raises(RequestException, match="products does not exist"):
        related(kind, api, found={"hits": []}, recommended=RequestException("Index products does not exist", 404))


@pytest.mark.parametrize("kind", KINDS)
def test_products_that_cannot_be_fetched_cost_none_of_algolias(api, kind):
    api.answer = {**api.answer, "content": {"related": ["tv-2"]}}
    came = {"results": [{"hits": [{"objectID": "tv-3", "_score": 80}]}]}
    result = related(kind, api, found=OSError(), recommended=came)
    assert result.hits == [{"objectID": "tv-3", "_score": 80, "_origin": "algolia"}]
    assert result.gap == "the shop's own products could not be fetched (OSError)"


def test_clients_of_the_other_kind_are_refused_at_once(mock):
    waits = SearchClientSync.create_with_config(config(mock, SearchConfig))
    with pytest.raises(ConfigError, match="SearchClientSync does not go with AsyncPersonalizer"):
        AsyncPersonalizer(waits, url="http://127.0.0.1:9")
    with pytest.raises(ConfigError, match="SearchClient does not go with Personalizer"):
        Personalizer(SearchClient("A", "B"), url="http://127.0.0.1:9")
    with (
        pytest.raises(ConfigError, match="no client to ask Recommend with"),
        Personalizer(waits, experience=lambda _: {}) as personalizer,
    ):
        personalizer.trending("products", user_token="u-1")
    waits.close()


def test_a_visitors_key_opens_that_visitor_and_nobody_else(mock):
    waits = SearchClientSync.create_with_config(config(mock, SearchConfig))
    secrets = ["n" * 40, "o" * 40]
    with Personalizer(waits, url="http://127.0.0.1:9", visitor_secrets=secrets) as personalizer:
        key = personalizer.visitor_key("u-1", timedelta(hours=1))
    claims = keys.verify(key, secrets=["n" * 40], now=wall_clock())
    assert claims.user_token == "u-1"
    assert claims.expires - claims.issued == timedelta(hours=1)
    with (
        pytest.raises(ConfigError, match="no secret"),
        Personalizer(waits, url="http://127.0.0.1:9") as personalizer,
    ):
        personalizer.visitor_key("u-1", timedelta(hours=1))
    waits.close()


def test_no_secret_is_shown(mock):
    waits = SearchClientSync.create_with_config(config(mock, SearchConfig))
    secret = "n" * 40
    with Personalizer(waits, url="http://127.0.0.1:9", key="hush", visitor_secrets=[secret]) as personalizer:
        shown = f"{personalizer!r} {personalizer._signing!r} {personalizer._api!r}"
    waits.close()
    assert "hush" not in shown
    assert secret not in shown


def test_the_twins_take_the_same():
    names = [name for name in dir(Personalizer) if not name.startswith("_") and name not in {"close", "from_config"}]
    assert {"search", "multi_search", "search_params", "multi_search_params", "trending", "visitor_key"} <= set(names)
    for name in names:
        one, other = (inspect.signature(getattr(kind, name)) for kind in (Personalizer, AsyncPersonalizer))
        assert one == other, name
    for name in ("__init__", "from_config"):
        one, other = (inspect.signature(getattr(kind, name)) for kind in (Personalizer, AsyncPersonalizer))
        assert list(one.parameters) == list(other.parameters), name


def test_the_public_names():
    assert {"Personalizer", "AsyncPersonalizer", "__version__"} <= set(dir(algosync))
    with pytest.raises(AttributeError, match="no attribute 'Nobody'"):
        _ = algosync.Nobody


def test_a_result_can_be_copied(api):
    class Finds:
        def search_single_index(self, index, params, request_options=None):
            return {"hits": []}

    with Personalizer(Finds(), experience=lambda _: api.answer) as personalizer:
        result = personalizer.search("products", "x", user_token="u-1")
    assert copy.copy(result).to_dict() == result.to_dict()
    assert "personalization=" in repr(result)
    with pytest.raises(AttributeError):
        _ = result.nowhere
