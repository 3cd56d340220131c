"""Popular and trending items, per bucket, and the integers that products carry."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.related.trending import (
    PopularRules,
    TrendingRules,
    buckets,
    everywhere,
    in_category,
    in_context,
    in_segment,
    popular,
    spread,
    top,
    trending,
)

# ibis 12 still calls what duckdb 2 has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

AS_OF = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)


def _scores(table) -> dict[tuple[str, int], float]:
    return {(row["bucket"], row["item"]): row["score"] for row in table.to_pyarrow().to_pylist()}


def test_popularity_counts_different_people_once_each(events):
    log = events(
        *({"token": 1, "group": 0} for _ in range(50)),
        {"token": 2, "group": 1},
        {"token": 3, "group": 1},
        {"token": 3, "group": 1, "kind": "click", "days": 30},
        {"token": 4, "group": 1, "excluded": "ignored:rate"},
        {"token": 5, "group": None},
        {"token": 6, "group": 2, "kind": "purchase", "quantity": -1},
    )
    assert _scores(popular(everywhere(log), PopularRules(as_of=AS_OF))) == {("", 0): 1.0, ("", 1): 2.5}


def test_buckets_by_category_segment_and_place(events, table):
    log = events(
        {"token": 1, "group": 0, "context": [("country", "PL")]},
        {"token": 2, "group": 1, "context": [("country", "DE"), ("device", "phone")]},
        {"token": 2, "group": 0, "context": []},
    )
    rules = PopularRules(as_of=AS_OF)
    values = table({"group": [0, 0, 1], "value": ["Books", "Gifts", "Books"]})
    assert set(_scores(popular(in_category(log, values), rules))) == {("Books", 0), ("Gifts", 0), ("Books", 1)}
    members = table({"person": [2, 2], "segment": ["young", "rich"]})
    assert set(_scores(popular(in_segment(log, members), rules))) == {
        (segment, item) for segment in ("young", "rich") for item in (0, 1)
    }
    assert set(_scores(popular(in_context(log, "country"), rules))) == {("PL", 0), ("DE", 1)}


def test_a_trend_is_more_people_than_before_and_few_make_none(events):
    steady = [{"token": t, "group": 0, "days": d} for t in range(20) for d in (1, 10)]
    rising = [{"token": t, "group": 1, "days": 2} for t in range(12)] + [{"token": 99, "group": 1, "days": 9}]
    rare = [{"token": 1, "group": 2, "days": 1}]
    ancient = [{"token": t, "group": 3, "days": 90} for t in range(30)]
    got = _scores(trending(everywhere(events(*steady, *rising, *rare, *ancient)), TrendingRules(as_of=AS_OF)))
    before = (1 + 1) / (21 + 3)
    assert got == {("", 1): pytest.approx((12 + 10) / (33 * before + 10), abs=1e-9)}


def test_top_lists_by_score_popularity_and_id_without_what_is_unavailable():
    scores = pa.table(
        {"bucket": ["b", "b", "b", "a", "b"], "item": [0, 1, 2, 1, 3], "score": [1.0, 1.0, 1.0, 2.0, 9.0]}
    )
    popularity = np.array([1.0, 5.0, 1.0, 0.0])
    got = top(scores, n=2, available=np.array([True, True, True, False]), popularity=popularity).to_pylist()
    assert [(row["bucket"], row["item"], row["rank"]) for row in got] == [("a", 1, 1), ("b", 1, 1), ("b", 0, 2)]


def test_top_of_nothing_is_nothing():
    empty = pa.table(
        {"bucket": pa.array([], pa.string()), "item": pa.array([], pa.int32()), "score": pa.array([], pa.float64())}
    )
    assert top(empty, n=2, available=np.ones(1, bool), popularity=np.zeros(1)).num_rows == 0
    assert spread(empty, 2).tolist() == [0.0, 0.0]


SCORES = st.lists(st.sampled_from([0.0]) | st.floats(1e-6, 1e6), min_size=1, max_size=50).map(np.array)


@given(SCORES, st.sampled_from(["log", "quantile"]))
def test_buckets_rise_with_the_score(scores, by):
    got = buckets(scores, by=by)
    order = np.argsort(scores, kind="stable")
    assert (np.diff(got[order].astype(int)) >= 0).all()
    assert ((got == 0) == (scores == 0)).all()
    assert got.max() in (0, 10)


@given(SCORES, st.sampled_from(["log", "quantile"]))
def test_buckets_are_at_rest_when_nothing_moves(scores, by):
    first = buckets(scores, by=by)
    assert (buckets(scores, first, by=by) == first).all()


@pytest.mark.parametrize(
    ("scale", "before", "after"), [(1.45, 2, 2), (1.38, 2, 1), (1.55, 1, 1), (1.65, 1, 2), (1.45, -1, 1), (1.65, 0, 2)]
)
def test_a_bucket_stays_until_its_item_has_moved_far_enough(scale, before, after):
    median, largest = 5.0, 1000.0
    score = median * ((1 + largest / median) ** (scale / 10) - 1)
    scores = np.array(
        [1.0, median, median, median, score, largest] if score > median else [1.0, score, 5, 5, 5, largest]
    )
    place = scores.tolist().index(score)
    previous = np.full(6, -1)
    previous[place] = before
    assert buckets(scores, previous)[place] == after


def test_what_has_no_score_left_has_no_bucket():
    assert buckets(np.array([0.0, 1.0]), np.array([7, 10])).tolist() == [0, 10]


def test_unknown_previous_buckets_are_new():
    scores = np.array([1.0, 2.0])
    assert (buckets(scores, np.array([-1, -1])) == buckets(scores)).all()
