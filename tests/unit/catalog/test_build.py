"""Records to catalog: what is taken, what is left out and why."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.catalog.build import build
from algosync.catalog.rules import CatalogRules, FacetRule, OnSale, PriceBand
from algosync.errors import ConfigError

RULES = CatalogRules(
    group="parent",
    available="in_stock:true",
    text=("name", "details.material"),
    facets={
        "brand": FacetRule(attribute="brand"),
        "color": FacetRule(attribute="details.color"),
        "price_band": FacetRule(attribute="price", derived=PriceBand(edges=(10, 25))),
    },
)


def _build(*records, rules=RULES):
    return build(iter([list(records)]), rules)


def _facets(catalog, row=0):
    return [(entry["facet"], entry["value"]) for entry in catalog.facets.to_pylist()[row]]


def test_a_record_becomes_a_row():
    catalog = _build(
        {
            "objectID": "1-red",
            "parent": 1,
            "in_stock": True,
            "name": "Shirt",
            "brand": "Acme",
            "price": 12,
            "details": [{"color": "red", "material": "wool"}, {"color": ["blue", "red"]}],
        }
    )
    assert catalog.object_id.to_pylist() == ["1-red"]
    assert catalog.group.to_pylist() == ["1"]
    assert (catalog.available.tolist(), catalog.price.tolist()) == ([True], [12.0])
    assert catalog.text.to_pylist() == ["Shirt wool"]
    assert _facets(catalog) == [
        ("algosync.price_band", "10-25"),
        ("brand", "Acme"),
        ("details.color", "blue"),
        ("details.color", "red"),
    ]
    assert (catalog.dropped, catalog.warnings, catalog.read) == ((), (), 1)


def test_rows_are_sorted_and_groups_numbered_in_order():
    catalog = _build({"objectID": "b", "parent": "z"}, {"objectID": "10"}, {"objectID": "9", "parent": "z"})
    assert catalog.object_id.to_pylist() == ["10", "9", "b"]
    assert catalog.groups.to_pylist() == ["10", "z"]
    assert catalog.group_index.tolist() == [0, 1, 1]
    assert np.isnan(catalog.price).all()


def test_everything_left_out_is_counted_with_its_reason():
    catalog = _build(
        {"name": "nameless"},
        {"objectID": ""},
        {"objectID": 1.5},
        {"objectID": True},
        {"objectID": "a", "price": "cheap", "brand": 7, "details": {"color": {"hex": "#fff"}}},
        {"objectID": "a", "brand": "second"},
        {"objectID": "b", "price": -1, "brand": ["x" * 1001, True, False, "", None, "é" * 501]},
        {"objectID": "c", "price": [1, 2], "brand": 1.5},
    )
    assert {d.reason: (d.count, d.example) for d in catalog.dropped} == {
        "no objectID": (4, "record 1"),
        "objectID seen before": (1, "a"),
        "price: not one number of zero or more": (3, "a"),
        "brand: value is a number, which optionalFilters cannot match": (2, "a"),
        "brand: value longer than 1000 bytes": (2, "b"),
        "details.color: value is a dict": (1, "a"),
    }
    assert _facets(catalog, 1) == [("brand", "false"), ("brand", "true")]
    assert catalog.read == 8


def test_what_no_database_of_ours_keeps_is_left_out_and_counted():
    rules = CatalogRules(group="model", facets={"brand": FacetRule(attribute="brand")})
    catalog = _build(
        {"objectID": "a\0"},
        {"objectID": "a", "brand": ["Ac\0me", "Acme"], "model": "m\0"},
        rules=rules,
    )
    assert {d.reason: (d.count, d.example) for d in catalog.dropped} == {
        "id with the character NUL": (1, "record 1"),
        "brand: value with the character NUL": (1, "a"),
        "model: value with the character NUL": (1, "a"),
    }
    assert catalog.object_id.to_pylist() == catalog.group.to_pylist() == ["a"]
    assert _facets(catalog, 0) == [("brand", "Acme")]


def test_sensitive_values_are_withheld_and_counted():
    rules = CatalogRules(facets={"categories": FacetRule(attribute="categories", never=("Health/*",))})
    catalog = _build(
        {"objectID": "1", "categories": ["Health", "Vitamins"]}, {"objectID": "2", "categories": ["Books"]}, rules=rules
    )
    assert (_facets(catalog, 0), _facets(catalog, 1)) == ([], [("categories", "Books")])
    assert [(d.reason, d.count) for d in catalog.dropped] == [("categories: sensitive value", 2)]


def test_a_facet_that_no_record_has_is_a_warning_with_the_nearest_names():
    rules = CatalogRules(facets={"brand": FacetRule(attribute="brnad")})
    assert _build({"objectID": "1", "brand": "A"}, rules=rules).warnings == (
        'the facet "brnad" is in none of 1 records; attributes with a similar name: brand',
    )
    assert build(iter([]), rules).warnings == ()


def test_prices_out_of_text_and_other_attributes():
    rules = CatalogRules(
        price="offer.now", list_price="offer.was", facets={"sale": FacetRule(attribute="price", derived=OnSale())}
    )
    catalog = _build({"objectID": "1", "offer": {"now": "9.50", "was": 10}}, {"objectID": "2"}, rules=rules)
    assert (catalog.price[0], _facets(catalog, 0), _facets(catalog, 1)) == (9.5, [("algosync.sale", "true")], [])


def test_the_id_attribute_stands_in_for_a_missing_object_id():
    catalog = _build({"sku": 7}, {"sku": "x", "objectID": "o"}, rules=CatalogRules(id="sku"))
    assert (catalog.object_id.to_pylist(), catalog.id.to_pylist()) == (["7", "o"], ["7", "x"])


def test_a_bad_condition_is_an_error_before_anything_is_read():
    with pytest.raises(ConfigError, match="available"):
        build(iter([]), CatalogRules(available="in stock"))


RECORDS = st.lists(
    st.fixed_dictionaries(
        {"objectID": st.sampled_from("abcdefgh")},
        optional={
            "parent": st.sampled_from("xyab"),
            "brand": st.lists(st.sampled_from(["A", "B", "ü"]), max_size=3),
            "price": st.floats(0, 99),
            "in_stock": st.booleans(),
        },
    ),
    max_size=8,
    unique_by=lambda r: r["objectID"],
)


@given(RECORDS, st.randoms())
def test_the_order_and_batches_of_records_do_not_matter(records, random):
    shuffled = [record | ({"brand": record["brand"][::-1]} if "brand" in record else {}) for record in records]
    random.shuffle(shuffled)
    whole, parts = build(iter([records]), RULES), build(iter([[r] for r in shuffled]), RULES)
    assert whole.to_table().equals(parts.to_table())
    assert whole.product_refs().equals(parts.product_refs())


def test_real_products(shared_data):
    """Algolia's onboarding products have no objectID; the image's file number is the shop's own."""
    records = json.loads((shared_data / "bestbuy" / "products.json").read_text())
    named = [r | {"objectID": re.search(r"(\d+)_", r["image"])[1]} for r in records if "image" in r]
    rules = CatalogRules(
        text=("name", "description"),
        facets={
            "brand": FacetRule(attribute="brand"),
            "categories": FacetRule(attribute="categories", never=("Health*/*",)),
            "popularity": FacetRule(attribute="popularity"),
            "price_band": FacetRule(attribute="price", derived=PriceBand(edges=(10, 25, 50, 100, 500, 1000))),
        },
    )
    catalog = build(iter([named]), rules)
    reasons = {d.reason: d.count for d in catalog.dropped}
    assert len(catalog) + reasons.get("objectID seen before", 0) == catalog.read == len(named)
    assert reasons["popularity: value is a number, which optionalFilters cannot match"] == len(catalog)
    flat = catalog.flat
    assert set(flat.facets) >= {"algosync.price_band", "brand", "categories"}
    assert not any(value.startswith("Health") for value in catalog.group_values("categories")["value"].to_pylist())
    assert flat.with_value("brand", ["Apple"]).sum() == sum(
        r.get("brand") == "Apple" for r in {r["objectID"]: r for r in reversed(named)}.values()
    )
    assert (np.bincount(flat.row[flat.facet == 0], minlength=len(catalog)) == ~np.isnan(catalog.price)).all()
