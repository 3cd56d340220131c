"""The first of many, against a whole sort."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.mock.engine import sorting
from algosync.mock.engine.sorting import first


@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.5, 1.5, float("inf")])), min_size=1, max_size=60),
    most=st.integers(0, 60),
)
@settings(max_examples=60, deadline=None)
def test_the_first_of_many_are_those_of_a_sort(rows, most):
    keys = [np.array(column) for column in zip(*rows, strict=True)] + [np.arange(len(rows))[::-1]]
    sorted_ = np.lexsort(keys[::-1]).tolist()
    small, sorting._SMALL = sorting._SMALL, 2
    try:
        found = first(keys, most).tolist()
    finally:
        sorting._SMALL = small
    assert found[:most] == sorted_[:most]
    assert sorted(found) == list(range(len(rows)))
