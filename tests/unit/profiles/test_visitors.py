from __future__ import annotations

from datetime import timedelta

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.profiles.batch_visitors import visitors
from algosync.profiles.identity import identify


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_counts_and_state(log, rows, start):
    events = identify(
        log(
            {"at": minutes(0), "object": 1},
            {"at": minutes(10), "object": 1},
            {"at": minutes(50), "object": 2, "kind": "purchase"},
            {"at": minutes(60), "object": 2, "kind": "purchase", "quantity": -1},
            {"token": 2, "auth": 9, "at": minutes(5)},
            {"token": 3, "at": minutes(5)},
        )
    )
    table = visitors(events, as_of=start + minutes(70))
    columns = ("person", "events", "sessions", "active_seconds", "products", "purchased", "visit", "state")
    assert rows(table, *columns) == [
        (1, 3, 2, 3000, 2, True, "returning", "buyer"),
        (3, 1, 1, 0, 0, False, "returning", "visitor"),
        (9, 1, 1, 0, 0, False, "returning", "user"),
    ]
    assert rows(table, "person", "first_purchase", "first_seen")[0] == (1, start + minutes(50), start)


@pytest.mark.parametrize(("wait", "visit"), [(0, "new"), (30, "new"), (30.1, "returning")])
def test_a_visit_is_new_until_its_silence_ends_it(log, rows, start, wait, visit):
    events = identify(log({"at": minutes(0)}, {"at": minutes(29)}))
    assert rows(visitors(events, as_of=start + minutes(29 + wait)), "visit") == [(visit,)]


def test_values_are_counted_from_sums(log, rows, start):
    sums = ibis.memtable(pa.table({"person": [1, 1], "facet": ["a", "a"], "value": ["x", "y"], "sum": [1.0, 2.0]}))
    events = identify(log({"token": 1}, {"token": 2}))
    assert rows(visitors(events, as_of=start, values=sums), "person", "values") == [(1, 2), (2, 0)]
    assert rows(visitors(events, as_of=start), "values") == [(None,), (None,)]


@settings(max_examples=4)
@given(st.lists(st.lists(st.integers(1, 4000), max_size=12), min_size=1, max_size=30))
def test_sessions_are_those_of_a_walk_through_the_gaps(log, rows, start, gaps):
    written, expected = [], []
    for token, steps in enumerate(gaps):
        clock = 0
        written.append({"token": token, "at": timedelta(0)})
        for step in steps:
            clock += step
            written.append({"token": token, "at": timedelta(seconds=clock)})
        expected.append((token, 1 + sum(step > 1800 for step in steps), clock))
    table = visitors(identify(log(*written)), as_of=start + timedelta(days=9))
    assert rows(table.order_by("person"), "person", "sessions", "active_seconds") == sorted(expected, key=repr)
