"""The first of many, and one word against many: each against the plain way."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.mock.engine import order
from algosync.mock.engine.edits import typos_of_many
from algosync.mock.engine.order import first
from algosync.mock.engine.words import typos

WORD = st.text("abcé", min_size=1, max_size=7)


@given(word=WORD, others=st.lists(WORD, max_size=12), most=st.integers(1, 2), prefix=st.booleans())
@settings(max_examples=60, deadline=None)
def test_many_distances_are_those_of_each(word, others, most, prefix):
    expected = [typos(word, other, most, prefix=prefix) for other in others]
    found = typos_of_many(word, others, most, prefix=prefix).tolist()
    assert found == [-1 if count is None else count for count in expected]


@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.5, 1.5, float("inf")])), min_size=1, max_size=60),
    most=st.integers(0, 60),
)
@settings(max_examples=60, deadline=None)
def test_the_first_of_many_are_those_of_a_sort(rows, most):
    keys = [np.array(column) for column in zip(*rows, strict=True)] + [np.arange(len(rows))[::-1]]
    sorted_ = np.lexsort(keys[::-1]).tolist()
    small, order._SMALL = order._SMALL, 2
    try:
        found = first(keys, most).tolist()
    finally:
        order._SMALL = small
    assert found[:most] == sorted_[:most]
    assert sorted(found) == list(range(len(rows)))
