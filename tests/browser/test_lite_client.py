"""The official JavaScript client's part for storefronts (`algoliasearch/lite` 5)."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def test_search(run, catalog) -> None:
    saw = run("lite.search")
    kettles, tents = saw["results"]
    assert [hit["objectID"] for hit in kettles["hits"]] == _by_popularity(catalog, "Kettle")[:5]
    assert sum(kettles["facets"]["brand"].values()) == 10
    assert [hit["objectID"] for hit in tents["hits"]] == _by_popularity(catalog, "Tent")[:2]
    assert saw["old"] == [10]


def test_search_for_facets(run, catalog) -> None:
    [answer] = run("lite.facets")["results"]
    counted = sum(product["brand"] == "Halden" for product in catalog.values())
    assert answer["facetHits"] == [{"value": "Halden", "highlighted": "<em>Ha</em>lden", "count": counted}]
    assert answer["exhaustiveFacetsCount"] is True


def test_recommendations(run, catalog) -> None:
    [answer] = run("lite.recommend")["results"]
    assert [hit["objectID"] for hit in answer["hits"]] == catalog["p-01"]["algosync"]["related"]


def _by_popularity(catalog, noun: str) -> list[str]:
    found = [key for key, product in catalog.items() if noun in product["name"]]
    return sorted(found, key=lambda key: -catalog[key]["popularity"])
