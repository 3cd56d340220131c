"""The helpers in a shop's backend: events, sync, the API as a process, and the official clients in front of the mock.

The article on personalization for new and returning users ends with two calls, a search and a recommendation that carry
a visitor's affinities. They are here as they are written today.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from algoliasearch.http.hosts import Host, HostsCollection
from algoliasearch.recommend.client import RecommendClient, RecommendClientSync
from algoliasearch.recommend.config import RecommendConfig
from algoliasearch.search.client import SearchClient, SearchClientSync
from algoliasearch.search.config import SearchConfig

from algosync import AsyncPersonalizer, Personalizer
from algosync.algolia.target import Target
from algosync.demo.story import INDEX, USER, play
from algosync.errors import ConfigError
from algosync.mock.server import MockServer
from algosync.runtime.serving import open_api
from algosync.settings.load import load
from algosync.sync.stages import Silent

from .conftest import ALGOSYNC

pytestmark = pytest.mark.e2e

ADMIN, SECRET = "an-admin-key-of-the-tests-own-0123456789", "a-visitor-secret-of-the-tests-own-0123456789"


@contextmanager
def api(config):
    """`algosync serve` as a process of its own; where it listens."""
    keys = {"ALGOSYNC_SERVE__ADMIN_KEY": ADMIN, "ALGOSYNC_SERVE__VISITOR_SECRETS": json.dumps([SECRET])}
    process = subprocess.Popen(
        [str(ALGOSYNC), "serve", "--config", str(config), "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **keys},
        text=True,
    )
    try:
        assert select.select([process.stdout], [], [], 30)[0], "the API does not start"
        report = "".join(iter(process.stdout.readline, "}\n"))
        yield json.loads(report + "}")["url"]
    finally:
        process.terminate()
        process.communicate(timeout=20)


def config(url, kind):
    made = kind("MOCKAPP", "mock-storefront")
    made.hosts = HostsCollection([Host(url="127.0.0.1", scheme="http", port=int(url.rpartition(":")[2]))])
    made.proxies = None
    return made


@contextmanager
def blocking(mock_url, **options):
    search = SearchClientSync.create_with_config(config(mock_url, SearchConfig))
    recommend = RecommendClientSync.create_with_config(config(mock_url, RecommendConfig))
    with Personalizer(search, recommend, **{"budget_s": 5.0, **options}) as personalizer:
        yield personalizer
    search.close()
    recommend.close()


def awaited(mock_url, call, **options):
    async def run():
        async with (
            SearchClient.create_with_config(config(mock_url, SearchConfig)) as search,
            RecommendClient.create_with_config(config(mock_url, RecommendConfig)) as recommend,
            AsyncPersonalizer(search, recommend, **{"budget_s": 5.0, **options}) as personalizer,
        ):
            return await call(personalizer)

    return asyncio.run(run())


def ids(result):
    return [hit.object_id for hit in result.hits]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """The article's shop after user123's two visits, and the API that serves it: mock, settings, API."""
    with MockServer() as server:
        folder = tmp_path_factory.mktemp("story")
        play(folder, Target(app_id=server.algolia.app_id, hosts=(server.url,)), Silent(), lambda _: None)
        with api(folder / "algosync.toml") as url:
            yield server, folder / "algosync.toml", url


def test_the_articles_search_with_affinities(story):
    """`index.search("query string", {optionalFilters: affinities.map(...)})`, today."""
    server, _, url = story
    with blocking(server.url, url=url, key=ADMIN) as personalizer:
        result = personalizer.search(INDEX, "", user_token=USER, where="category")
        plain = personalizer.search(INDEX, "", user_token=None)
    said = result.personalization
    assert (said.applied, said.strategy) == (True, "one-to-one"), said
    filters = json.loads(list(server.algolia.requests.of("searchSingleIndex"))[-2].body)["optionalFilters"]
    liked = {text.partition("<")[0] for group in filters for text in group}
    assert "category:Electronics" in liked
    assert sorted(ids(result)) == sorted(ids(plain))
    assert ids(result) != ids(plain)
    with blocking(server.url, experience=lambda _: {}) as personalizer:
        by_hand = personalizer.search(INDEX, "", user_token=None, optionalFilters=filters)
    assert ids(result) == ids(by_hand)


def test_the_articles_recommendation_with_affinities(story):
    """`recommendClient.getRelatedProducts({objectID, maxRecommendations: 5, queryParameters: …})`, today."""
    server, _, url = story
    with blocking(server.url, url=url, key=ADMIN) as personalizer:
        result = personalizer.frequently_bought_together(INDEX, "product567", user_token=USER, maxRecommendations=5)
        with pytest.raises(ConfigError, match=r'`filters`: category:"Electronics" AND category:"Smartphone"'):
            personalizer.frequently_bought_together(
                INDEX,
                "product567",
                user_token=USER,
                queryParameters={"facetFilters": ["category:Electronics", "category:Smartphone"]},
            )
        related = personalizer.related_products(INDEX, "product567", user_token=USER, maxRecommendations=5)
    sent = json.loads(next(iter(server.algolia.requests.of("getRecommendations"))).body)["requests"][0]
    assert sent["model"] == "bought-together"
    assert any(text.startswith("category:") for group in sent["queryParameters"]["optionalFilters"] for text in group)
    assert "facetFilters" not in sent["queryParameters"]
    assert "fallbackParameters" not in sent
    for answered in (result, related):
        got = [hit["objectID"] for hit in answered.hits]
        assert len(got) == len(set(got)) <= 5
        assert "product567" not in got
        assert {hit["_origin"] for hit in answered.hits} <= {"algolia", "algosync:related", "algosync:similar"}


def test_the_twins_and_the_snapshot_say_the_same(story):
    server, path, url = story

    async def ask(personalizer):
        return await personalizer.search_params(USER, query="novel", index=INDEX, ruleContexts=["shop"])

    params = {"query": "novel", "index": INDEX, "ruleContexts": ["shop"]}
    with blocking(server.url, url=url, key=ADMIN) as personalizer:
        over_http = personalizer.search_params(USER, **params)
    with open_api(load(path), path.parent) as (_, desk):

        def lies_there(question):
            return desk.answer(question, lambda _: None, now=datetime.now(UTC))

        with blocking(server.url, experience=lies_there) as personalizer:
            beside = personalizer.search_params(USER, **params)
        assert over_http == beside == awaited(server.url, ask, experience=lies_there)
    assert over_http == awaited(server.url, ask, url=url, key=ADMIN)
    assert over_http.personalization == beside.personalization
    assert over_http["ruleContexts"][0] == "shop"


def test_a_browser_asks_with_the_key_that_the_backend_made(story):
    server, _, url = story
    with blocking(server.url, url=url, visitor_secrets=[SECRET]) as personalizer:
        key = personalizer.visitor_key(USER, timedelta(minutes=5))
        assert personalizer.search(INDEX, "", user_token=USER, where="category").personalization.applied
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}) as browser:
        assert browser.post("/v1/experience", json={"where": "home"}).json()["strategy"] == "one-to-one"
        assert browser.post("/v1/experience", json={"userToken": "user456"}).status_code == 403
    with blocking(server.url, url=url, visitor_secrets=["f" * 40]) as personalizer:
        result = personalizer.search(INDEX, "", user_token=USER)
    assert not result.personalization.applied
    assert result.personalization.reason.startswith("the HTTP API answered 401: the visitor key is refused")
    assert result.nb_hits > 0


def test_a_search_outlives_the_api(synced):
    with blocking(synced.server.url, url="http://127.0.0.1:9", key=ADMIN) as personalizer:
        before = personalizer.search("products", "phone", user_token="caller-1")
    with api(synced.config) as url, blocking(synced.server.url, url=url, key=ADMIN) as personalizer:
        during = personalizer.search("products", "phone", user_token="caller-1")
        unknown = personalizer.search("products", "phone", user_token="nobody-we-know")
    with blocking(synced.server.url, url=url, key=ADMIN) as personalizer:
        after = personalizer.search("products", "phone", user_token="caller-1")
    assert during.personalization.applied, during.personalization
    assert unknown.personalization.strategy == "content"
    assert ids(before) == ids(after) == ids(unknown)
    assert sorted(ids(during)) == sorted(ids(after))
    assert after.personalization.strategy is None
    assert "ConnectError" in after.personalization.reason


def test_short_recommendations_are_filled_from_what_the_shop_knows(synced):
    async def ask(personalizer):
        return await personalizer.frequently_bought_together(
            "products", "book-4", user_token="reader-1", maxRecommendations=4, threshold=100
        )

    with api(synced.config) as url:
        with blocking(synced.server.url, url=url, key=ADMIN) as personalizer:
            document = personalizer.experience("reader-1", where="product", object_id="book-4").document
            result = personalizer.frequently_bought_together(
                "products", "book-4", user_token="reader-1", maxRecommendations=4, threshold=100
            )
            similar = personalizer.looking_similar("products", "book-4", user_token="reader-1", maxRecommendations=6)
        assert awaited(synced.server.url, ask, url=url, key=ADMIN).hits == result.hits
    known = document["content"]["bought_together"]
    assert known
    got = {hit["objectID"]: hit["_origin"] for hit in result.hits}
    assert set(known) <= set(got)
    assert set(got.values()) <= {"algolia", "algosync:bought_together"}
    assert {hit["_origin"] for hit in similar.hits} <= {"algolia", "algosync:similar"}
    assert len(similar.hits) == 6
    assert all(hit["name"] for hit in [*result.hits, *similar.hits])
