"""The less common widgets of InstantSearch.js in a real browser: several indices, facets in a stated order, hits
without pages, rule contexts from refinements, records like a given one, recommendations that fall back.
"""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser
PER_PAGE = 8
ARTICLES = [
    {"objectID": f"a-{n}", "title": f"{what} for beginners"} for n, what in enumerate(("Tents", "Lamps", "Tea"))
]
ORDER = {
    "facetOrdering": {
        "facets": {"order": ["categories.lvl0", "brand"]},
        "values": {"brand": {"order": ["Vireo"], "sortRemainingBy": "alpha"}},
    }
}
BRAND_RULE = {
    "objectID": "kestrel-page",
    "conditions": [{"context": "ais-brand-Kestrel"}],
    "consequence": {"userData": {"banner": "All of Kestrel"}},
}

Catalog = dict[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def _articles(shop) -> None:
    shop.fill("articles", ARTICLES, {"searchableAttributes": ["title"]})
    shop.ask("PUT", "indexes/products/settings", {"attributesToSnippet": ["name:1"], "renderingContent": ORDER})


def _by(found: Catalog, *, price: bool = False) -> list[str]:
    return sorted(found, key=lambda key: found[key]["price"] if price else -found[key]["popularity"])


def test_infinite_hits_over_two_indices(visit, catalog: Catalog) -> None:
    saw = visit("collection.more", word="tent")
    assert saw["first"] == _by(catalog)[:PER_PAGE]
    assert saw["second"] == _by(catalog)[: 2 * PER_PAGE]
    tents = {key: product for key, product in catalog.items() if "Tent" in product["name"]}
    assert saw["both"]["products"] == _by(tents)[:PER_PAGE]
    assert saw["both"]["articles"] == ["a-0"]
    assert set(saw["snippets"]) == {"Tent"}


def test_dynamic_facets_and_rule_contexts_from_refinements(visit, shop, catalog: Catalog, tmp_path) -> None:
    shop.ask("POST", "indexes/products/rules/batch", [BRAND_RULE])
    picture = tmp_path / "facets.png"
    saw = visit("collection.facets", picture=str(picture))
    assert saw["headers"] == ["Category", "Brand"]
    brands = sorted({product["brand"] for product in catalog.values()})
    assert saw["brands"] == ["Vireo", *(brand for brand in brands if brand != "Vireo")]
    assert len(saw["trending"]) == 3
    assert set(saw["trending"]) <= set(brands)
    assert saw["refined"]["notice"] == ["All of Kestrel"]
    tents = {
        key: product for key, product in catalog.items() if "Tent" in product["name"] and product["brand"] == "Kestrel"
    }
    assert tents
    assert saw["refined"]["ids"] == _by(tents)
    assert [crumb.strip("> \n") for crumb in saw["crumbs"]] == ["Home", "Outdoor", "Tents"]
    assert "Kestrel" in saw["current"]
    assert picture.stat().st_size > 10_000


def test_another_index_for_another_order(visit, shop, catalog: Catalog) -> None:
    settings = {"attributesForFaceting": ["brand", "price", "in_stock"], "ranking": ["asc(price)"]}
    shop.fill("products_by_price", catalog.values(), settings)
    saw = visit("collection.sorted")
    assert saw["popular"] == _by(catalog)[:PER_PAGE]
    prices = [catalog[key]["price"] for key in saw["cheapest"]]
    assert prices == sorted(product["price"] for product in catalog.values())[:PER_PAGE]
    dear = [catalog[key]["price"] for key in saw["from"]]
    assert dear == sorted(product["price"] for product in catalog.values() if product["price"] >= 40)[:PER_PAGE]


def test_records_like_a_given_one_and_fallbacks(visit, shop, catalog: Catalog, tmp_path) -> None:
    newcomer = {name: value for name, value in catalog["p-01"].items() if name != "algosync"} | {"objectID": "new"}
    shop.ask("POST", "indexes/products/batch", {"requests": [{"action": "addObject", "body": newcomer}]})
    picture = tmp_path / "like.png"
    saw = visit("collection.like", hit=newcomer, picture=str(picture))

    def alike(key: str) -> tuple[int, int]:
        product = catalog[key]
        shelf = product["categories"]["lvl1"] == newcomer["categories"]["lvl1"]
        return -(3 * (product["brand"] == newcomer["brand"]) + 2 * shelf), -product["popularity"]

    assert saw["like"] == sorted(catalog, key=alike)[:4]
    pomona = {key: product for key, product in catalog.items() if product["brand"] == "Pomona"}
    assert saw["related"] == _by(pomona)[:3]
    assert picture.stat().st_size > 10_000
