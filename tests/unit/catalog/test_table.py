"""Names, groups and representatives; and the catalog kept as Parquet."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.catalog.build import build
from algosync.catalog.flat import Flat
from algosync.catalog.rules import CatalogRules, FacetRule
from algosync.catalog.table import Catalog

RULES = CatalogRules(
    id="sku", group="parent", available="ok:true", text=("name",), facets={"color": FacetRule(attribute="color")}
)
RECORDS = [
    {"objectID": "p1-red", "sku": "s1", "parent": "p1", "color": "red", "price": 20, "ok": True, "name": "Shirt"},
    {"objectID": "p1-blue", "sku": "s2", "parent": "p1", "color": "blue", "price": 15},
    {"objectID": "p2", "sku": "p1", "parent": "p9", "color": "green", "brand": "x"},
    {"objectID": "s2", "color": "black", "price": 1, "ok": True},
]


@pytest.fixture
def catalog() -> Catalog:
    return build(iter([RECORDS]), RULES)


def test_every_name_by_which_an_event_may_mean_a_product(catalog):
    refs = {row["id"]: row for row in catalog.product_refs().to_pylist()}
    colors = {name: [f["value"] for f in row["facets"]] for name, row in refs.items()}
    assert list(refs) == sorted(refs)
    assert colors == {
        "p1": ["green"],  # an id beats a group
        "p1-blue": ["blue"],
        "p1-red": ["red"],
        "p2": ["green"],
        "p9": ["green"],
        "s1": ["red"],
        "s2": ["black"],  # an objectID beats an id
    }
    assert (refs["p2"]["price"], refs["s2"]["price"]) == (None, 1.0)
    assert refs["p1-red"]["digest"] == refs["s1"]["digest"] != refs["p2"]["digest"]


def test_a_groups_name_has_all_facets_and_the_lowest_price():
    rules = CatalogRules(group="parent", facets={"color": FacetRule(attribute="color")})
    catalog = build(iter([RECORDS]), rules)
    (row,) = (r for r in catalog.product_refs().to_pylist() if r["id"] == "p1")
    assert row["price"] == 15.0
    assert row["facets"] == [{"facet": "color", "value": "blue"}, {"facet": "color", "value": "red"}]


def test_names_lead_to_groups(catalog):
    assert catalog.groups.to_pylist() == ["p1", "p9", "s2"]
    assert catalog.group_of(["p1-red", "s1", "p1", "s2", "p9", "nothing", None]).tolist() == [0, 0, 1, 2, 1, -1, -1]


def test_representatives_are_available_then_popular_then_first(catalog):
    def names(popularity=None):
        return catalog.object_id.take(catalog.representatives(popularity)).to_pylist()

    assert catalog.object_id.to_pylist() == ["p1-blue", "p1-red", "p2", "s2"]
    assert names() == ["p1-red", "p2", "s2"]
    assert names(np.array([9.0, 0, 0, 0])) == ["p1-red", "p2", "s2"]
    everywhere = build(iter([[r | {"ok": True} for r in RECORDS]]), RULES)
    assert everywhere.representatives().tolist() == [0, 2, 3]
    assert everywhere.representatives(np.array([0.0, 1.0, 0, 0])).tolist() == [1, 2, 3]


def test_groups_share_what_their_variants_have(catalog):
    assert catalog.groups_available().tolist() == [True, False, True]
    assert catalog.group_values("color").to_pylist() == [
        {"group": 0, "value": "blue"},
        {"group": 0, "value": "red"},
        {"group": 1, "value": "green"},
        {"group": 2, "value": "black"},
    ]
    assert catalog.group_values("absent").num_rows == 0
    assert catalog.group_facets().tokens(["color"]) == [["color:blue", "color:red"], ["color:green"], ["color:black"]]


def test_the_catalog_survives_a_parquet_file(catalog, tmp_path):
    pq.write_table(catalog.to_table(), tmp_path / "catalog.parquet")
    back = Catalog.from_table(pq.read_table(tmp_path / "catalog.parquet"))
    assert back.to_table().equals(catalog.to_table(), check_metadata=True)
    assert back.product_refs().equals(catalog.product_refs())
    assert (back.dropped, back.warnings, back.read) == (catalog.dropped, catalog.warnings, 4)
    assert (back.group_index == catalog.group_index).all()


def test_an_empty_catalog_is_a_catalog():
    empty = build(iter([]), RULES)
    back = Catalog.from_table(empty.to_table())
    assert (len(back), back.product_refs().num_rows, back.group_of(["a"]).tolist()) == (0, 0, [-1])
    assert (back.representatives().tolist(), back.groups_available().tolist()) == ([], [])


VALUES = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.text(max_size=3)), max_size=6)


@given(VALUES, VALUES, st.randoms())
def test_a_digest_depends_on_the_set_of_values_alone(mine, others, random):
    again = mine + mine[:2]
    random.shuffle(again)

    def digests(*rows):
        entries = [(i, facet, value) for i, row in enumerate(rows) for facet, value in row]
        row = np.array([i for i, _, _ in entries], dtype=np.int64)
        return Flat.of(row, [f for _, f, _ in entries], [v for _, _, v in entries], len(rows)).digests()

    alone, beside = digests(mine), digests(others, again)
    assert alone[0] == beside[1]
    assert (beside[0] == beside[1]) == (set(mine) == set(others))
