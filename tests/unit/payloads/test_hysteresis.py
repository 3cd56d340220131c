"""Integers that stay put, one by one and by column."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from algosync.errors import AlgosyncError
from algosync.payloads.batch_hysteresis import by_person, integer_table
from algosync.payloads.hysteresis import integers

scores = st.floats(0, 20) | st.integers(0, 200).map(lambda tenth: tenth / 10)


@pytest.mark.parametrize(
    ("score", "before", "after"),
    [
        (19.4, 20, 20),
        (19.399999999, 20, 19),
        (19.3999999999, 20, 20),
        (5.6, 5, 5),
        (5.600000001, 5, 6),
        (4.4, 5, 5),
        (0.4, 1, 1),
        (0.39, 1, None),
        (0.5, None, 1),
        (0.4999999999, None, 1),
        (0.499999999, None, None),
        (2.5, None, 3),
        (20.0, None, 20),
        (0.3, 0, None),
        (12.0, 3, 12),
    ],
)
def test_holding_and_moving(score: float, before: int | None, after: int | None) -> None:
    previous = {} if before is None else {"k": before}
    assert integers([("k", score)], previous).get("k") == after


def table(rows) -> pa.Table:
    return pa.table(
        {
            "person": pa.array(range(len(rows)), pa.int32()),
            "facet": ["brand"] * len(rows),
            "value": [f"v{i}" for i in range(len(rows))],
            "score": pa.array([score for score, _ in rows], pa.float64()),
            "previous": pa.array([before for _, before in rows], pa.int8()),
        }
    )


@given(st.lists(st.tuples(scores, st.none() | st.integers(1, 20)), max_size=30))
@example([(19.4, 20), (0.5, None), (0.4, 1), (math.nextafter(0.5, 0), None)])
def test_both_ways_agree(rows) -> None:
    one_by_one = integers(
        ((i, score) for i, (score, _) in enumerate(rows)), {i: b for i, (_, b) in enumerate(rows) if b is not None}
    )
    at_once = integer_table(table(rows))
    assert dict(zip(at_once["person"].to_pylist(), at_once["integer"].to_pylist(), strict=True)) == one_by_one
    assert at_once.column_names == ["person", "facet", "value", "integer"]


@given(st.dictionaries(st.integers(0, 9), scores), st.dictionaries(st.integers(0, 9), st.integers(1, 20)))
def test_laws(unrounded, previous) -> None:
    first = integers(unrounded.items(), previous)
    assert integers(unrounded.items(), first) == first
    assert all(1 <= number <= 20 and abs(number - unrounded[key]) <= 0.6 + 1e-9 for key, number in first.items())


@pytest.mark.parametrize("score", [-0.1, 20.1, math.nan, math.inf])
def test_scores_out_of_range(score: float) -> None:
    with pytest.raises(AlgosyncError, match="must be 0 to 20"):
        integers([("k", score)], {})
    with pytest.raises(AlgosyncError, match="must be 0 to 20"):
        integer_table(table([(1.0, None), (score, None)]))


def test_a_missing_score_is_an_error() -> None:
    with pytest.raises(AlgosyncError, match="row 0"):
        integer_table(table([(None, 3)]))


@given(st.dictionaries(st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.sampled_from("xyz")), st.integers(1, 20)))
def test_rows_are_read_person_by_person(rows) -> None:
    columns = [*zip(*rows, strict=True)] or [(), (), ()]
    scores = pa.table(
        {
            "person": pa.array(columns[0], pa.int32()),
            "facet": pa.array(columns[1], pa.string()),
            "value": pa.array(columns[2], pa.string()).dictionary_encode(),
            "integer": pa.array(rows.values(), pa.int8()),
        }
    )
    people = [*by_person(scores)]
    assert [person for person, _ in people] == sorted({person for person, _, _ in rows})
    flat = {(p, f, v): n for p, facets in people for f, values in facets.items() for v, n in values.items()}
    assert flat == rows
