from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from algosync.errors import StoreError
from algosync.events.clean import clean
from algosync.events.quarantine import Which, counts, held, listed, shown
from algosync.events.rules import CleanRules
from algosync.events.schema import PRODUCT_REFS
from algosync.events.writer import CommittingWriter

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
RULES = CleanRules(source="shop", now=NOW, as_of=NOW)
GOOD = {"timestamp": "2026-05-01T10:00:00Z", "user_token": "u1", "event_type": "view", "object_id": "p1"}
NO_PRICE, NO_USER = {**GOOD, "price": "x"}, {**GOOD, "user_token": ""}


@pytest.fixture
def take_in(con, state, batch):
    def run(rows, **more):
        with CommittingWriter(state) as writer:
            cleaned = clean(con, batch(rows, **more), RULES)
            return writer.append(cleaned, cursor=None, source="shop", products=PRODUCT_REFS.empty_table())

    return run


def test_rows_are_listed_counted_and_shown(state, take_in, bad_row):
    cut = bad_row("f:9", "2026-05", "fewer columns than the header", incomplete=True)
    take_in([GOOD, NO_PRICE, NO_USER, NO_PRICE], bad=[cut])
    rows = listed(state, Which())
    assert [(row.position, row.field) for row in rows] == [
        ("f:1", "price"),
        ("f:2", "user_token"),
        ("f:3", "price"),
        ("f:9", None),
    ]
    assert json.loads(rows[0].row) == NO_PRICE
    assert rows[0].seen_at == NOW.isoformat()
    assert shown(state, rows[1].id) == rows[1]
    assert counts(state, Which())[0] == ("shop", "price is not a number", 2)
    assert [row.position for row in listed(state, Which(reason="user_token is empty"))] == ["f:2"]
    assert listed(state, Which(source="other")) == []
    page = listed(state, Which(), limit=2)
    assert [row.position for row in listed(state, Which(), limit=2, after=page[-1].id)] == ["f:3", "f:9"]
    with pytest.raises(StoreError, match="no row 99"):
        shown(state, 99)


def test_a_replay_doubles_nothing(state, take_in):
    for _ in range(2):
        take_in([NO_PRICE, NO_USER, NO_USER], positions=["a", "b", "b"])
    assert [row.position for row in listed(state, Which(status=None))] == ["a", "b"]


def test_reading_a_position_again_settles_it(state, take_in):
    take_in([NO_PRICE, NO_USER, NO_USER], positions=["a", "b", "c"])
    take_in([GOOD, NO_PRICE], positions=["a", "b"])
    found = {(row.position, row.reason): row.status for row in listed(state, Which(status=None))}
    assert found == {
        ("a", "price is not a number"): "resolved",
        ("b", "user_token is empty"): "resolved",
        ("b", "price is not a number"): "open",
        ("c", "user_token is empty"): "open",
    }


def test_a_position_with_several_events_is_settled_as_a_whole(state, take_in):
    take_in([GOOD, NO_PRICE], positions=["order", "order"])
    assert [row.status for row in listed(state, Which(status=None))] == ["open"]


def test_rows_to_try_again(state, take_in, bad_row):
    take_in([NO_PRICE, NO_USER], positions=["a", "b"], bad=[bad_row("c", "cut", "cut")])
    found = held(state, "shop")
    assert (found.positions, found.unreadable) == (("a", "b"), 1)
    assert [json.loads(row) for row in found.rows] == [NO_PRICE, NO_USER]
    assert held(state, "other").rows == ()


def test_rows_that_were_taken_apart_are_tried_as_one(state, take_in):
    order = {**NO_PRICE, "order_id": "o1"}
    take_in([order, order, NO_USER], positions=["a#1", "a#2", "b#1#12"])
    assert held(state, "shop").positions == ("a#1", "a#2", "b#1#12")
    assert held(state, "shop", steps=1).positions == ("a", "b#1")
    assert held(state, "shop", steps=2).positions == ("a", "b")


def test_a_refused_batch_leaves_its_rejected_rows_and_nothing_else(con, state, batch):
    with CommittingWriter(state) as writer:
        writer.set_aside(clean(con, batch([GOOD, NO_PRICE]), RULES), source="shop")
        assert writer.log.size().events == 0
    assert [row.reason for row in listed(state, Which())] == ["price is not a number"]


def test_a_row_that_is_turned_away_again_is_open_again(state, take_in):
    for rows in ([NO_PRICE], [GOOD], [NO_PRICE]):
        take_in(rows, positions=["a"])
    assert [(row.position, row.status) for row in listed(state, Which(status=None))] == [("a", "open")]
    assert listed(state, Which(status="resolved")) == []


def test_events_of_a_row_settle_what_was_said_of_the_row_and_of_no_other(state, take_in, bad_row):
    bad = [bad_row(place, place, "uneven") for place in ("f:1", "f:2", "shop:id=5#1", "shop:id=5#2")]
    take_in([], bad=bad, steps=1)
    take_in([GOOD, NO_PRICE, GOOD], positions=["f:1#1", "f:1#2", "shop:id=5#1#1"], steps=1)
    found = {(row.position, row.reason): row.status for row in listed(state, Which(status=None))}
    assert found == {
        ("f:1", "uneven"): "resolved",
        ("f:1#2", "price is not a number"): "open",
        ("f:2", "uneven"): "open",
        ("shop:id=5#1", "uneven"): "resolved",
        ("shop:id=5#2", "uneven"): "open",
    }
    take_in([GOOD], positions=["f:1#1"], steps=1)
    assert [row.position for row in listed(state, Which())] == ["f:2", "shop:id=5#2"]
