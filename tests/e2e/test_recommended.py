"""What a sync pushed is what Recommend answers, to the official client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from algoliasearch.http.hosts import Host, HostsCollection
from algoliasearch.recommend.client import RecommendClientSync
from algoliasearch.recommend.config import RecommendConfig

from .conftest import Shop

Ask = Callable[..., list[str]]

MODELS = {"related-products": "related", "bought-together": "bought_together", "looking-similar": "similar"}


@pytest.fixture
def ask(synced: Shop) -> Iterator[Ask]:
    config = RecommendConfig("MOCKAPP", "mock-storefront")
    config.hosts = HostsCollection([Host(url="127.0.0.1", scheme="http", port=synced.server.port)])
    config.proxies = None
    client = RecommendClientSync.create_with_config(config)

    def names(model: str, **more: Any) -> list[str]:
        request = {"indexName": "products", "model": model, "threshold": 0, **more}
        [found] = client.get_recommendations({"requests": [request]}).results
        return [hit.actual_instance.object_id for hit in found.hits]

    yield names
    client.close()


@pytest.mark.parametrize("model", MODELS)
def test_the_lists_of_every_product_are_recommended(synced: Shop, ask: Ask, model: str) -> None:
    pushed = {name: (synced.ours(name) or {}).get(MODELS[model], []) for name in synced.records()}
    assert any(pushed.values())
    assert {name: ask(model, objectID=name) for name in pushed} == pushed


def test_what_sells_trends(synced: Shop, ask: Ask) -> None:
    counts = {name: (synced.ours(name) or {}).get("popularity", 0) for name in synced.records()}
    found = ask("trending-items")
    assert [counts[name] for name in found] == sorted((n for n in counts.values() if n), reverse=True)
    phones = ask("trending-items", facetName="categories", facetValue="Phones")
    assert phones == [name for name in found if "Phones" in synced.records()[name]["categories"]] != []


def test_only_what_is_on_a_shelf_is_recommended(synced: Shop, ask: Ask) -> None:
    [first, *others] = ask("related-products", objectID="book-4")
    body = orjson.dumps({"requests": [{"action": "deleteObject", "body": {"objectID": first}}]})
    with synced.client("mock-admin") as client:
        client.batch("products", body, 1)
    assert ask("related-products", objectID="book-4") == others
