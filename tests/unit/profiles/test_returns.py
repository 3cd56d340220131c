from __future__ import annotations

import pytest

from algosync.profiles.identity import identify
from algosync.profiles.returns import net_of_returns, unmatched_returns


def buy(object_id: int, quantity: int | None, order: str | None = "o1", **more) -> dict:
    return {"kind": "purchase", "object": object_id, "quantity": quantity, "order_id": order, **more}


@pytest.fixture
def left(log, rows):
    def read(*events: dict) -> list[tuple]:
        return rows(net_of_returns(identify(log(*events))), "kind", "object", "order_id", "net_quantity")

    return read


def test_a_return_takes_from_its_order(left):
    assert left(buy(7, 2), buy(7, 1, "o2"), buy(7, -2)) == [("purchase", 7, "o2", 1.0)]
    assert left(buy(7, 3), buy(7, -1)) == [("purchase", 7, "o1", 2.0)]


def test_a_return_never_takes_a_view(left):
    assert left({"object": 7}, buy(7, 1), buy(7, -1)) == [("view", 7, None, 1.0)]
    assert left({"object": 7, "quantity": -1}, {"object": 7}) == [("view", 7, None, 1.0)]


def test_a_return_without_order_takes_from_the_product_as_a_whole(left):
    assert left(buy(7, 1), buy(7, 1, None), buy(7, -2, None)) == []
    assert left(buy(7, 3), buy(7, 1, None), buy(7, -2, None)) == [
        ("purchase", 7, "o1", 1.5),
        ("purchase", 7, None, 0.5),
    ]
    assert left(buy(7, 2), buy(7, -2), buy(7, 1, "o2"), buy(7, -1, None)) == []


def test_a_return_that_matches_nothing_counts_nothing(left, log, rows):
    events = (buy(7, 1), buy(7, -1, "o9"), buy(8, -1, None), buy(7, -1, "o1", token=2))
    assert left(*events) == [("purchase", 7, "o1", 1.0)]
    assert rows(unmatched_returns(identify(log(*events)))) == [
        (1, "o9", 7, 1),
        (1, None, 8, 1),
        (2, "o1", 7, 1),
    ]


def test_missing_quantities_are_one_and_purchases_of_none_are_gone(left):
    assert left(buy(7, None), buy(8, 0), buy(9, None), buy(9, -1)) == [("purchase", 7, "o1", 1.0)]


def test_more_may_come_back_than_was_bought(left):
    assert left(buy(7, 1), buy(7, -5), buy(8, 1)) == [("purchase", 8, "o1", 1.0)]
