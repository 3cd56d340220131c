"""The overview against a plain walk through the same events."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.profiles import overview
from algosync.profiles.batch_visitors import visitors
from algosync.profiles.identity import identify

DAY_0 = 20_513  # 1 March 2026

_EVENT = st.fixed_dictionaries(
    {
        "token": st.integers(1, 4),
        "gap": st.sampled_from([0, 1, 900, 1800, 1801, 90_000]),
        "kind": st.sampled_from(["view", "click", "purchase"]),
        "quantity": st.sampled_from([None, 1, 2, 0, -1]),
        "price": st.sampled_from([None, 0.1, 19.99, 250.0]),
        "order_id": st.sampled_from([None, "a", "b"]),
        "auth": st.sampled_from([None, None, None, 9]),
    }
)


def _is_purchase(event: dict[str, Any]) -> bool:
    return event["kind"] == "purchase" and (event["quantity"] is None or event["quantity"] > 0)


def _walk(events: list[dict[str, Any]]) -> tuple[dict[Any, list[int]], dict[Any, int]]:
    """Per (visit, state): sessions, bounces, converted, orders, paid; and sessions by (day, visit)."""
    sums: dict[Any, list[int]] = defaultdict(lambda: [0] * 5)
    days: dict[Any, int] = defaultdict(int)
    by_person: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if (event["quantity"] or 0) >= 0:
            by_person[event["person"]].append(event)
    for mine in by_person.values():
        sessions: list[list[dict[str, Any]]] = []
        for event in mine:
            if not sessions or event["second"] - sessions[-1][-1]["second"] > 1800:
                sessions.append([])
            sessions[-1].append(event)
        state, begun = "visitor", dict[str, tuple[str, str]]()
        for number, session in enumerate(sessions):
            visit = "returning" if number else "new"
            row = sums[visit, state]
            bought = [event for event in session if _is_purchase(event)]
            row[0] += 1
            row[1] += len(session) == 1 and not bought
            row[2] += bool(bought)
            days[DAY_0 + session[0]["second"] // 86_400, visit] += 1
            for line in bought:
                order = line["order_id"] or f"of session {number}"
                if order not in begun:
                    begun[order] = (visit, state)
                    row[3] += 1
                sums[begun[order]][4] += round((line["price"] or 0) * (line["quantity"] or 1) * 1e6)
            if bought:
                state = "buyer"
            elif state == "visitor" and any(event["auth"] for event in session):
                state = "user"
    return dict(sums), dict(days)


@settings(max_examples=4)
@given(st.lists(_EVENT, min_size=1, max_size=120))
def test_sums_are_those_of_a_walk(log, rows, stored, given_events):
    written, clock = [], 0
    for event in given_events:
        clock += event["gap"]
        written.append({**{k: v for k, v in event.items() if k != "gap"}, "at": timedelta(seconds=clock)})
    identified = stored(identify(log(*written)))
    told = identified.to_pyarrow().sort_by([("ts", "ascending"), ("key_hi", "ascending")]).to_pylist()
    start = DAY_0 * 86_400
    events = [{**event, "second": int(event["ts"].timestamp()) - start} for event in told]
    sums, days = _walk(events)
    steps = stored(overview.steps(identified))
    found = stored(overview.sessions(steps))
    assert rows(overview.by_state(found, overview.orders(steps))) == sorted(
        ((*key, *numbers) for key, numbers in sums.items()), key=repr
    )
    assert rows(overview.by_day(found)) == sorted(((*key, number) for key, number in days.items()), key=repr)


@pytest.fixture(scope="module")
def two_orders(log, stored):
    """One person who looks, logs in, and buys twice, once over two sessions under one order id."""
    later = timedelta(hours=1)
    bought = {"kind": "purchase", "price": 10.0, "quantity": 2}
    return stored(
        overview.steps(
            identify(
                log(
                    {},
                    {"at": later, "auth": 1},
                    {"at": 2 * later, "auth": 1, **bought, "order_id": "a"},
                    {"at": 3 * later, "auth": 1, **bought, "order_id": "a"},
                    {"at": 4 * later, "auth": 1, **bought, "price": None, "order_id": None},
                    {"at": 5 * later, "auth": 1, **bought, "quantity": -2, "order_id": "a"},
                )
            )
        )
    )


def test_what_a_visitor_was_when_the_session_began(two_orders, rows):
    assert rows(overview.sessions(two_orders), "session", "visit", "state", "bounced", "converted") == [
        (1, "new", "visitor", True, False),
        (2, "returning", "visitor", True, False),
        (3, "returning", "user", False, True),
        (4, "returning", "buyer", False, True),
        (5, "returning", "buyer", False, True),
    ]


def test_an_order_is_counted_once_where_it_began(two_orders, rows):
    assert rows(overview.orders(two_orders), "session", "paid") == [(3, 40_000_000), (5, 0)]


def test_people_by_what_they_are_now(log, rows, start):
    events = identify(log({"token": 1}, {"token": 2}, {"token": 2, "at": timedelta(hours=2), "kind": "purchase"}))
    counted = overview.visitor_counts(visitors(events, as_of=start + timedelta(hours=2)))
    assert rows(counted) == [("returning", "buyer", 1), ("returning", "visitor", 1)]
