"""Tags mean exactly what their boost says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import AlgosyncError
from algosync.payloads.boosts import Boost
from algosync.payloads.tags import boost_tags

FACETS = pa.list_(pa.struct([("facet", pa.string()), ("value", pa.string())]))


def products(rows) -> pa.Table:
    return pa.table(
        {
            "object_id": pa.array([f"p{i}" for i in range(len(rows))], pa.string()),
            "facets": pa.array([[{"facet": f, "value": v} for f, v in facets] for facets, _ in rows], FACETS),
            "price": pa.array([price for _, price in rows], pa.float64()),
        }
    )


def tags_of(table, boosts, popular=None) -> list[list[str]]:
    made = boost_tags(table, {b.slug: b for b in boosts}, popular or {})
    return [
        [made.names[code] for code in made.codes[start:end]]
        for start, end in zip(made.offsets[:-1], made.offsets[1:], strict=True)
    ]


def test_books_of_10_to_25() -> None:
    books = Boost(slug="cheap-books", conditions={"categories": ("Books",)}, price=(10, 25), score=20)
    rows = [
        ([("categories", "Books")], 10.0),
        ([("categories", "Books"), ("brand", "x")], 25.0),
        ([("categories", "Books")], 25.01),
        ([("categories", "Books")], None),
        ([("brand", "Books")], 12.0),
        ([], 12.0),
    ]
    assert tags_of(products(rows), [books]) == [["cheap-books"], ["cheap-books"], [], [], [], []]


def test_popular_takes_the_first_that_match() -> None:
    top = Boost(slug="top", conditions={"c": ("x",)}, popular=2, score=5)
    rows = [([("c", "x")], 1.0), ([("c", "y")], 1.0), ([("c", "x")], 1.0), ([("c", "x")], 1.0)]
    order = {"top": ["p1", "gone", "p3", "p0", "p2"]}
    assert tags_of(products(rows), [top], order) == [["top"], [], [], ["top"]]
    with pytest.raises(AlgosyncError, match="popularity is missing"):
        tags_of(products(rows), [top])


facets = st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=4).map(sorted)
prices = st.none() | st.sampled_from([0.0, 9.99, 10.0, 17.5, 25.0, 25.01])
conditions = st.dictionaries(st.sampled_from("ab"), st.sets(st.sampled_from("xyz"), min_size=1).map(tuple))
boosts = st.builds(
    Boost,
    slug=st.sampled_from(["one", "two"]),
    conditions=conditions,
    price=st.none() | st.just((10.0, 25.0)),
    score=st.just(1),
)


@given(st.lists(st.tuples(facets, prices), max_size=6), st.lists(boosts, unique_by=lambda b: b.slug))
def test_one_by_one_says_the_same(rows, wanted) -> None:
    def meets(boost, row) -> bool:
        own, price = row
        in_range = boost.price is None or (price is not None and boost.price[0] <= price <= boost.price[1])
        return in_range and all(any((f, v) in own for v in vs) for f, vs in boost.conditions.items())

    expected = [sorted(b.slug for b in wanted if meets(b, row)) for row in rows]
    assert tags_of(products(rows), wanted) == expected


def test_chunked_and_sliced_columns() -> None:
    rows = [([("a", "x")], 1.0), ([("a", "y")], 2.0), ([("a", "x")], 3.0)]
    table = pa.concat_tables([products(rows).slice(1), products(rows)])
    any_x = Boost(slug="x", conditions={"a": ("x",), "b": ("z",)}, score=1)
    only_x = Boost(slug="y", conditions={"a": ("x",)}, price=(0, 2), score=1)
    assert tags_of(table, [any_x, only_x]) == [[], [], ["y"], [], []]
    assert np.all(np.diff(boost_tags(table, {}, {}).offsets) == 0)
