"""Facets: counts, statistics, hierarchies, and the search for values, through the official client."""

from __future__ import annotations

import json

import pytest
from algoliasearch.http.exceptions import RequestException


def raw(client, **params):
    return json.loads(client.search_single_index_with_http_info("p", params).raw_data)


def load(client, rows, **wanted):
    client.set_settings("p", wanted)
    client.save_objects("p", [{"objectID": f"{number:03}", **row} for number, row in enumerate(rows)])


def values(client, facet, asked="", **body):
    found = client.search_for_facet_values("p", facet, {"facetQuery": asked, **body})
    return [(hit.value, hit.highlighted, hit.count) for hit in found.facet_hits]


def test_facets_and_their_counts(client):
    rows = [{"brand": "AB"[i % 2], "price": i, "hidden": "h"} for i in range(5)]
    load(client, rows, attributesForFaceting=["searchable(brand)", "price", "filterOnly(hidden)", "objectID", "_tags"])
    answer = raw(client, facets=["brand", "price", "hidden", "unknown", "objectID"], filters="price < 4")
    assert answer["facets"] == {"brand": {"A": 2, "B": 2}, "price": {"0": 1, "1": 1, "2": 1, "3": 1}}
    assert answer["facets_stats"] == {"price": {"min": 0, "max": 3, "avg": 1.5, "sum": 6}}
    everything = raw(client, facets=["*"], maxValuesPerFacet=1)
    assert everything["facets"] == {"brand": {"A": 3}, "price": {"0": 1}}
    assert everything["exhaustive"]["facetValues"] is False
    assert raw(client, facets=[])["facets"] == {}
    assert raw(client, facets="brand,price", filters="price:1")["facets"] == {"brand": {"B": 1}, "price": {"1": 1}}


def test_values_by_count_or_by_name(client):
    """algolia.com/doc/api-reference/api-parameters/sortFacetValuesBy."""
    load(client, [{"c": c} for c in ("b", "c", "c", "a", "a", "a")], attributesForFaceting=["searchable(c)"])
    assert list(raw(client, facets=["c"])["facets"]["c"].items()) == [("a", 3), ("c", 2), ("b", 1)]
    assert list(raw(client, facets=["c"], sortFacetValuesBy="alpha", maxValuesPerFacet=2)["facets"]["c"]) == ["a", "b"]
    client.set_settings("p", {"sortFacetValuesBy": "alpha", "maxValuesPerFacet": 1})
    assert raw(client, facets=["*"])["facets"] == {"c": {"a": 3}}
    assert [value for value, *_ in values(client, "c")] == ["a", "b", "c"]


def test_a_hierarchy_is_a_facet_for_each_level(client):
    """algolia.com/doc/guides/managing-results/refine-results/faceting, hierarchical facets."""
    shoes = {"lvl0": "Clothes", "lvl1": "Clothes > Shoes"}
    rows = [
        {"categories": shoes},
        {"categories": {"lvl0": ["Clothes", "Sale"], "lvl1": ["Clothes > Hats", "Sale > Hats"]}},
        {"categories": {"lvl0": "Books"}},
    ]
    load(client, rows, attributesForFaceting=["categories.lvl0", "categories.lvl1"])
    answer = raw(client, facets=["categories.lvl0", "categories.lvl1"])
    assert answer["facets"] == {
        "categories.lvl0": {"Clothes": 2, "Books": 1, "Sale": 1},
        "categories.lvl1": {"Clothes > Hats": 1, "Clothes > Shoes": 1, "Sale > Hats": 1},
    }
    under = raw(client, facets=["categories.lvl1"], facetFilters=[["categories.lvl0:Clothes"]])
    assert under["nbHits"] == 2
    assert under["facets"]["categories.lvl1"]["Clothes > Shoes"] == 1


def test_counts_before_and_after_distinct(client):
    """algolia.com/doc/api-reference/api-parameters/facetingAfterDistinct and attributesForFaceting."""
    rows = [{"design": d, "color": c, "size": s} for d, c, s in (("t1", "red", 1), ("t1", "blue", 2), ("t2", "red", 3))]
    load(client, rows, attributesForFaceting=["color", "size"], attributeForDistinct="design", distinct=True)
    plain = raw(client, facets=["*"])
    assert (plain["nbHits"], plain["facets"]["color"]) == (2, {"red": 2, "blue": 1})
    after = raw(client, facets=["*"], facetingAfterDistinct=True)
    assert after["facets"] == {"color": {"red": 2}, "size": {"1": 1, "3": 1}}
    assert after["facets_stats"]["size"]["sum"] == 4
    assert raw(client, facets=["*"], facetingAfterDistinct=True, typoTolerance="min")["facets"] == plain["facets"]
    client.set_settings("p", {"attributesForFaceting": ["afterDistinct(searchable(color))", "size"]})
    mixed = raw(client, facets=["*"])
    assert mixed["facets"] == {"color": {"red": 2}, "size": {"1": 1, "2": 1, "3": 1}}
    assert values(client, "color") == [("red", "red", 2)]


def test_a_number_and_the_same_as_text_are_one_facet_value(client):
    load(client, [{"n": "3"}, {"n": 3}, {"n": ["3", 3]}], attributesForFaceting=["n"])
    assert raw(client, facets=["n"])["facets"] == {"n": {"3": 3}}


def test_search_for_values(client):
    """algolia.com/doc/rest-api/search/search-for-facet-values."""
    rows = [{"brand": brand, "price": i} for i, brand in enumerate(["Black & Decker", "Blåkläder", "Bosch", "Bosch"])]
    load(client, rows, attributesForFaceting=["searchable(brand)", "price"])
    assert values(client, "brand", "b") == [
        ("Bosch", "<em>B</em>osch", 2),
        ("Black & Decker", "<em>B</em>lack & Decker", 1),
        ("Blåkläder", "<em>B</em>låkläder", 1),
    ]
    assert values(client, "brand", "decker BL", highlightPreTag="[", highlightPostTag="]") == [
        ("Black & Decker", "[Bl]ack & [Decker]", 1)
    ]
    assert values(client, "brand", "blakl") == [("Blåkläder", "<em>Blåkl</em>äder", 1)]
    assert [value for value, *_ in values(client, "brand", "bocsh")] == ["Bosch"]
    assert values(client, "brand", "bocsh", params="typoTolerance=false") == []
    assert values(client, "brand", "bosch black") == []
    assert values(client, "brand", "b", params="filters=price%20%3C%202", maxFacetHits=1) == [
        ("Black & Decker", "<em>B</em>lack & Decker", 1)
    ]
    assert values(client, "brand", "b", query="bosch") == [("Bosch", "<em>B</em>osch", 2)]
    assert len(values(client, "brand")) == 3
    found = client.search_for_facet_values("p", "brand", {})
    assert found.exhaustive_facets_count is True
    client.save_rule(
        "p", "r", {"objectID": "r", "conditions": [], "consequence": {"params": {"facets": ["x"], "maxFacetHits": 1}}}
    )
    assert values(client, "brand", "bosch") == [("Bosch", "<em>Bosch</em>", 2)]


@pytest.mark.parametrize(
    ("facet", "body", "message"),
    [
        (
            "price",
            {},
            "Cannot search in `price` attribute, you need to add `searchable.price.` to attributesForFaceting",
        ),
        ("odd", {}, "Cannot search in `odd` attribute"),
        (
            "brand",
            {"maxFacetHits": 101},
            "outside of the range for .maxFacetHits. parameter, expected integer between 1",
        ),
        ("brand", {"facetQuery": 1}, "expected string"),
        ("brand", {"requests": []}, "Unknown parameter: requests"),
    ],
)
def test_refused_searches_for_values(client, facet, body, message):
    load(client, [{"brand": "x", "price": 1}], attributesForFaceting=["searchable(brand)", "price"])
    with pytest.raises(RequestException, match=message) as refused:
        client.search_for_facet_values("p", facet, body)
    assert refused.value.status_code == 400


def test_ten_values_at_most_unless_more_are_asked_for(client):
    load(client, [{"c": f"v{i}"} for i in range(30)], attributesForFaceting=["searchable(c)"])
    assert (len(values(client, "c", "v")), len(values(client, "c", "v", maxFacetHits=25))) == (10, 25)
    client.set_settings("p", {"maxFacetHits": 7})
    assert len(values(client, "c", "v")) == 7
