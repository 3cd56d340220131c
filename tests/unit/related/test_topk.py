"""Exact top lists with a total order, against a slow and obvious reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from algosync.related import topk
from algosync.related.topk import best, from_rows, keep, preference

VALUES = st.sampled_from([0.0, 0.0, 0.25, 0.5, 0.5, 1.0, 3.0])


@st.composite
def products(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rows, inner, columns = draw(st.integers(1, 9)), draw(st.integers(1, 5)), draw(st.integers(1, 40))
    left = draw(st.lists(VALUES, min_size=rows * inner, max_size=rows * inner))
    right = draw(st.lists(VALUES, min_size=inner * columns, max_size=inner * columns))
    return np.array(left).reshape(rows, inner), np.array(right).reshape(inner, columns)


@given(products(), st.integers(1, 6), st.integers(1, 2))
def test_best_is_the_head_of_the_fully_sorted_row(matrices, n, threads):
    left, right = matrices
    row, column, score = best(csr_matrix(left), csr_matrix(right), n, threads=threads)
    got: dict[int, list[tuple[float, int]]] = {i: [] for i in range(len(left))}
    for r, c, s in zip(row.tolist(), column.tolist(), score.tolist(), strict=True):
        got[r].append((s, c))
    full = np.round(left @ right, 9)
    want = {
        i: sorted(((s, c) for c, s in enumerate(line.tolist()) if s > 0), key=lambda p: (-p[0], p[1]))[:n]
        for i, line in enumerate(full)
    }
    assert got == want


def test_many_equal_scores_at_the_cut_are_resolved_by_column_in_blocks(monkeypatch):
    monkeypatch.setattr(topk.blocks, "__defaults__", (100,))
    left, right = csr_matrix(np.ones((7, 1))), csr_matrix(np.ones((1, 90)))
    row, column, _ = best(left, right, 3, threads=2)
    assert row.tolist() == [i for i in range(7) for _ in range(3)]
    assert column.tolist() == [0, 1, 2] * 7


def test_products_that_vanish_are_multiplied_without_reading_foreign_memory():
    left = csr_matrix(np.array([[1e-200, 1.0], [1e-200, 0.0]]))
    product = topk.multiply(left, left.T.tocsr(), threads=2)
    assert np.allclose(product.toarray(), [[1.0, 0.0], [0.0, 0.0]])


def test_preference_is_popularity_then_index_of_what_is_available():
    available = np.array([True, True, False, True])
    assert preference(available, np.array([1.0, 5.0, 9.0, 1.0])).tolist() == [1, 0, 3]


def _lists(rows: list[list[tuple[int, float]]]) -> topk.Lists:
    plain = from_rows([[item for item, _ in row] for row in rows])
    scores = np.array([score for row in rows for _, score in row])
    return topk.Lists(indptr=plain.indptr, related=plain.related, score=scores)


EVERYTHING = np.ones(8, dtype=bool)


@pytest.mark.parametrize(
    ("old", "new", "margin", "kept"),
    [
        pytest.param([1, 2], [(1, 1.0), (3, 0.52), (2, 0.5)], 0.05, True, id="a small gain"),
        pytest.param([1, 2], [(1, 1.0), (3, 0.9), (2, 0.5)], 0.05, False, id="a large gain"),
        pytest.param([2, 1], [(1, 1.0), (2, 0.5)], 0.05, True, id="only another order"),
        pytest.param([1, 2], [(3, 1.0), (4, 0.5)], 0.05, False, id="no old item is a candidate"),
        pytest.param([1, 2], [], 0.05, False, id="no evidence is left"),
        pytest.param([1, -1], [(1, 1.0), (3, 0.01)], 0.5, False, id="an item has left"),
        pytest.param([], [(1, 0.1)], 0.5, False, id="there was no list"),
        pytest.param([1], [(1, 1.0), (2, 0.05)], 0.1, False, id="there is room for more"),
        pytest.param([1, 2, 3], [(1, 1.0), (2, 0.9), (3, 0.8)], 0.5, False, id="the old one is too long"),
    ],
)
def test_a_published_list_stays_until_a_new_one_gains_enough(old, new, margin, kept):
    previous, candidates = from_rows([old]), _lists([new])
    got = keep(previous, candidates, n=2, margin=margin, available=EVERYTHING)
    assert got.related.tolist() == (old if kept else [item for item, _ in new[:2]])


def test_a_list_with_something_unavailable_is_replaced():
    available = EVERYTHING.copy()
    available[2] = False
    got = keep(from_rows([[1, 2]]), _lists([[(1, 1.0)]]), n=2, margin=0.99, available=available)
    assert got.of(0) == [(1, 1.0)]


def test_kept_lists_carry_todays_scores():
    got = keep(from_rows([[2, 1]]), _lists([[(1, 1.0), (2, 0.5)]]), n=2, margin=0.0, available=EVERYTHING)
    assert got.of(0) == [(2, 0.5), (1, 1.0)]


def test_head_shortens_every_list():
    assert [x.related.tolist() for x in (_lists([[(1, 1.0), (2, 0.5)], [(0, 0.1)]]).head(1),)] == [[1, 0]]


@given(
    st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 2**20), st.integers(1, 10**9)), min_size=0, max_size=60),
    st.sampled_from([1.0, 1e-9, 1 / 3, 1e9]),
)
def test_packed_and_plain_sorting_agree(entries, scale):
    row, column = (np.array([entry[n] for entry in entries], dtype=np.int64) for n in (0, 1))
    score = np.array([entry[2] for entry in entries], dtype=np.float64) / 10**9 * scale
    plain = np.lexsort((column, -score, row))
    found = topk._order(row, column, score)
    for part in (row, column, score):
        assert part[found].tolist() == part[plain].tolist()
