"""What a run puts on the shelf: by product and not by group, counted per index, and marked by what it comes from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from algosync.catalog.build import build
from algosync.catalog.rules import CatalogRules, FacetRule
from algosync.related.topk import from_rows
from algosync.stores.shelf import Stocktaking
from algosync.sync.catalog import Observed
from algosync.sync.related import RelatedItems
from algosync.sync.shelf import TOP, stocktaking

PRODUCTS = [
    {"objectID": "a-1", "parent": "a", "categories": ["Books", "Gifts"]},
    {"objectID": "a-2", "parent": "a", "categories": "Books"},
    {"objectID": "b", "categories": "Books"},
    {"objectID": "c", "categories": "Toys"},
]
CATALOG = build(
    [PRODUCTS], CatalogRules(group="parent", facets={"categories": FacetRule(attribute="categories")})
)  # groups: a, b, c
OBSERVED = Observed(
    versions={"shop": dict.fromkeys(["a-1", "a-2", "b", "c", "not in the catalog"]), "outlet": {"c": None}},
    settings={"shop": {"attributesForFaceting": ["filterOnly(categories)", "brand"]}, "outlet": {}},
)


@pytest.fixture
def found():
    tops = pa.table(
        {
            "scope": ["popular:everywhere"] * 2 + ["popular:segment"],
            "bucket": ["", "", "fans"],
            "item": pa.array([2, 0, 1], pa.int32()),
            "score": [2.0, 5.0, 9.0],
            "rank": pa.array([2, 1, 1], pa.int32()),
        }
    )
    return RelatedItems(
        inputs="inputs",
        lists={"similar": from_rows([[1, 2], [0], []]), "related": from_rows([[2], [], []])},
        popular=np.array([1.0, 2.0, 0.0]),
        popularity=np.zeros(3, dtype=np.int8),
        trending=np.zeros(3, dtype=np.int8),
        tops=tops,
    )


def _rows(stock):
    return {(kind, name): json.loads(doc) for kind, name, doc in stock.rows()}


def test_the_shelf_of_a_small_shop(found):
    assert _rows(stocktaking(CATALOG, found, OBSERVED, "categories")) == {
        ("count:shop", ""): 5,
        ("count:shop", "Books"): 3,
        ("count:shop", "Gifts"): 1,
        ("count:shop", "Toys"): 1,
        ("count:outlet", ""): 1,
        ("count:outlet", "Toys"): 1,
        ("declared", "shop"): ["brand", "categories"],
        ("declared", "outlet"): [],
        ("variant", "a-2"): "a-1",
        ("popular:everywhere", ""): ["a-1", "c"],
        ("popular:segment", "fans"): ["b"],
        ("related", "a-1"): {"related": ["c"], "similar": ["b", "c"]},
        ("related", "b"): {"similar": ["a-1"]},
    }


def test_only_the_first_of_a_long_list_are_kept(found):
    many = TOP + 30
    long = pa.table(
        {
            "scope": ["popular:everywhere"] * many,
            "bucket": [""] * many,
            "item": pa.array([0] * many, pa.int32()),
            "score": [1.0] * many,
            "rank": pa.array(range(1, many + 1), pa.int32()),
        }
    )
    rows = _rows(stocktaking(CATALOG, replace(found, tops=long), OBSERVED, None))
    assert len(rows["popular:everywhere", ""]) == TOP
    assert ("count:shop", "Books") not in rows


def test_the_mark_changes_with_whatever_the_rows_come_from(found):
    again = stocktaking(CATALOG, found, OBSERVED, "categories").mark
    assert stocktaking(CATALOG, found, OBSERVED, "categories").mark == again
    fewer = replace(OBSERVED, versions={**OBSERVED.versions, "outlet": {}})
    declares = replace(OBSERVED, settings={**OBSERVED.settings, "outlet": {"attributesForFaceting": ["brand"]}})
    others = [
        stocktaking(CATALOG, replace(found, inputs="others"), OBSERVED, "categories"),
        stocktaking(CATALOG, found, fewer, "categories"),
        stocktaking(CATALOG, found, declares, "categories"),
        stocktaking(CATALOG, found, OBSERVED, None),
    ]
    assert again not in {stock.mark for stock in others}


NOTHING = RelatedItems(
    inputs="", lists={}, popular=np.zeros(0), popularity=np.zeros(0), trending=np.zeros(0), tops=pa.table({})
)


def _products(*records, wanted=("categories",)):
    rules = CatalogRules(
        id="sku",
        group="parent",
        price="price",
        facets={name: FacetRule(attribute=name) for name in ("categories", "brand")},
    )
    catalog = build([list(records)], rules)
    return stocktaking(catalog, NOTHING, OBSERVED, None, wanted=wanted).beside["product"]


SHIRT = {"objectID": "s-1", "sku": "4711", "parent": "s", "categories": ["Tops"], "brand": "Acme", "price": 9.5}
OTHER = {"objectID": "s-2", "sku": "4712", "parent": "s", "categories": ["Sale", "Tops"], "price": 8}


def test_a_product_is_there_by_every_id_that_an_event_may_say():
    rows = _rows(_products(SHIRT, OTHER, {"objectID": "bare"}))
    shirt, other = {"categories": ["Tops"]}, {"categories": ["Sale", "Tops"]}
    assert rows == {
        ("product", "s-1"): {"facets": shirt, "price": 9.5},
        ("product", "4711"): {"facets": shirt, "price": 9.5},
        ("product", "s-2"): {"facets": other, "price": 8},
        ("product", "4712"): {"facets": other, "price": 8},
        ("product", "s"): {"facets": other, "price": 8},  # all variants' facets, the lowest price
        ("product", "bare"): {"facets": {}, "price": None},
    }


@pytest.mark.parametrize(
    ("record", "wanted", "same"),
    [
        (SHIRT, ("categories",), True),
        (SHIRT, ("brand", "categories"), False),
        (SHIRT | {"price": 9}, ("categories",), False),
        (SHIRT | {"categories": []}, ("categories",), False),
        (SHIRT | {"sku": "4713"}, ("categories",), False),
        (SHIRT | {"name": "Shirt"}, ("categories",), True),
    ],
    ids=["nothing", "another facet is wanted", "price", "facets", "id", "what no tally needs"],
)
def test_products_are_made_anew_where_what_they_come_from_changed(record, wanted, same):
    assert (_products(record, wanted=wanted).mark == _products(SHIRT).mark) is same


def test_what_is_made_elsewhere_stands_beside(found):
    overview = Stocktaking(mark="a", rows=lambda: [("overview", "", "{}")])
    stock = stocktaking(CATALOG, found, OBSERVED, "categories", {"overview": overview})
    assert stock.beside["overview"] is overview
    assert {kind: len(list(part.rows())) for kind, part in stock.beside.items()} == {"overview": 1, "product": 5}
    assert stock.mark == stocktaking(CATALOG, found, OBSERVED, "categories").mark
