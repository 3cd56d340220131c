from __future__ import annotations

import ibis
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.profiles.batch_readiness import readiness
from algosync.profiles.readiness import Evidence, ReadinessRules, visitor_readiness

RULES = ReadinessRules()
FIELDS = ("active_seconds", "sessions", "events", "products", "values")


def evidence(*numbers: int) -> Evidence:
    return Evidence(**dict(zip(FIELDS, numbers, strict=True)))


def test_one_click_is_never_enough_and_the_reason_has_numbers():
    assert visitor_readiness(evidence(0, 1, 1, 1, 1), RULES) == (
        False,
        "1 of 3 distinct products, 1 of 2 distinct values, 1 of 5 events, 0 of 60 s and 1 of 2 sessions",
    )


def test_sessions_count_in_place_of_the_span():
    assert visitor_readiness(evidence(8, 1, 9, 4, 4), RULES) == (False, "8 of 60 s and 1 of 2 sessions")
    assert visitor_readiness(evidence(8, 2, 9, 4, 4), RULES)[0]
    assert visitor_readiness(evidence(60, 1, 9, 4, 5), RULES) == (
        True,
        "4 distinct products, 5 distinct values, 9 events, 60 s, 1 sessions",
    )


@settings(max_examples=10)
@given(st.lists(st.tuples(*[st.integers(0, 6)] * 5), min_size=1, max_size=50), st.tuples(*[st.integers(0, 5)] * 5))
def test_a_table_and_a_visitor_get_the_same_answer(rows, people, least):
    seconds, sessions, events, products, values = least
    rules = ReadinessRules(
        min_seconds=seconds, min_sessions=sessions, min_events=events, min_products=products, min_values=values
    )
    columns = {name: [person[i] for person in people] for i, name in enumerate(FIELDS)}
    found = readiness(ibis.memtable(pa.table({"person": list(range(len(people))), **columns})), rules).order_by(
        "person"
    )
    single = [(i, *visitor_readiness(evidence(*person), rules)) for i, person in enumerate(people)]
    assert rows(found) == sorted(single, key=repr)


def test_uncounted_values_are_none(rows):
    table = ibis.memtable(
        pa.table({"person": [1], "active_seconds": [99], "sessions": [1], "events": [9], "products": [9]})
    )
    table = table.mutate(values=ibis.null("int64"))
    assert rows(readiness(table, RULES)) == [(1, False, "0 of 2 distinct values")]
