from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from algosync.errors import StoreError
from algosync.stores.orders import NO_ORDER, Given, Order, OrdersAtHand, give, given, standing
from algosync.stores.state import STATE, open_state

from .earlier import make, unopened

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_later_orders_rule_earlier_ones_and_the_two_kinds_do_not_touch():
    kinds = ("reset", "suppress", "reset", "lift", "suppress", "lift")
    every = [
        Given(seq=n, person="anna", name="anna", kind=kind, at=NOON + timedelta(hours=n))
        for n, kind in enumerate(kinds, start=1)
    ]
    suppressed = [standing(every[:n])["anna"].suppressed for n in range(1, 7)]
    assert suppressed == [False, True, True, False, True, False]
    assert standing(every)["anna"] == Order(reset_at=NOON + timedelta(hours=3), reset_seq=3)
    assert standing(every[3:], standing(every[:3])) == standing(every)
    assert standing([]) == {}


def test_orders_are_read_as_soon_as_they_are_given(state_url, tmp_path):
    at_hand = OrdersAtHand(state_url, tmp_path)
    assert at_hand.of("anna") == NO_ORDER  # nothing is there yet, and nothing is made
    assert list(tmp_path.iterdir()) == []
    with open_state(state_url, tmp_path, create=True) as state:
        assert at_hand.of("anna") == NO_ORDER
        give(state, "suppress", "anna", ["phone"], NOON)
        assert [at_hand.of(name).suppressed for name in ("anna", "phone", "bert")] == [True, True, False]
        give(state, "reset", "bert", [], NOON + timedelta(hours=1))
        give(state, "lift", "anna", ["phone"], NOON + timedelta(hours=2))
        assert at_hand.of("anna") == Order()
        assert at_hand.of("bert") == Order(reset_at=NOON + timedelta(hours=1), reset_seq=3)
        assert [one.kind for one in given(state, until=NOON + timedelta(hours=1))] == ["suppress", "suppress", "reset"]
        assert [(one.person, one.name) for one in given(state)][:2] == [("anna", "anna"), ("anna", "phone")]
    at_hand.close()


def test_a_state_that_was_put_in_the_place_of_another_is_read_anew(tmp_path):
    at_hand = OrdersAtHand("sqlite", tmp_path)
    with open_state("sqlite", tmp_path, create=True) as state:
        give(state, "suppress", "anna", [], NOON)
        assert at_hand.of("anna").suppressed
    (tmp_path / "state.sqlite").unlink()
    assert not at_hand.of("anna").suppressed
    with open_state("sqlite", tmp_path, create=True) as state:
        give(state, "suppress", "bert", [], NOON)
    assert [at_hand.of(name).suppressed for name in ("anna", "bert")] == [False, True]
    at_hand.close()


def test_threads_that_ask_together_see_each_order_once(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True) as state:
        for n in range(20):
            give(state, "suppress" if n % 2 else "lift", "anna", [f"token-{n}"], NOON)
        at_hand = OrdersAtHand(state_url, tmp_path)
        found = []
        threads = [threading.Thread(target=lambda: found.append(at_hand.of("anna"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        at_hand.close()
    assert found == [Order(suppressed=True)] * 8


def test_an_older_state_gets_the_tables_by_the_next_writer(state_url, tmp_path):
    with unopened(state_url, tmp_path, STATE) as connection:
        make(connection, STATE, 1)
    with pytest.raises(StoreError, match="algosync sync"):
        OrdersAtHand(state_url, tmp_path).of("anna")
    with open_state(state_url, tmp_path, create=True) as state:
        give(state, "suppress", "anna", [], NOON)
    at_hand = OrdersAtHand(state_url, tmp_path)
    assert at_hand.of("anna").suppressed
    at_hand.close()
