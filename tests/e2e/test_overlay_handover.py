"""At every moment of the hand-over, what is stored and what lies over it are what a run over all events finds.

Many visitors at once go on while a real sync pulls, is broken off, publishes and drops. Before each next sync everybody
is looked at as answers see her; that sync, over the union of all events and of the same moment, must find the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from algosync.serve.stored import Place, Stored, open_inbox
from algosync.settings.answers import shop_answers
from algosync.settings.load import load
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.snapshot import Snapshot
from algosync.stores.state import open_state
from algosync.sync.drain import Drained

pytestmark = pytest.mark.e2e

WEB = {"name": "web", "type": "collector", "context": {"device": "context.device"}}
DEVICES = [f"device-{number}" for number in range(24)]
ACCOUNTS = [f"customer-{number}" for number in range(8)]
PRODUCTS = [f"book-{n}" for n in range(1, 9)] + [f"phone-{n}" for n in range(1, 7)] + ["lamp-1", "gone"]
SEGMENTS = {
    "mobile": {"name": "M", "when": {"attribute": {"device": ["phone"]}}},
    "callers": {"name": "C", "when": {"affinity": {"facet": "categories", "value": "Phones", "score_min": 12}}},
    "eager": {
        "name": "E",
        "when": {"events": {"type": "view", "categories": "Books", "count_min": 2, "within_days": 1}},
    },
    "spenders": {"name": "S", "when": {"events": {"type": "purchase", "sum_price_min": 100}}},
    "known": {"name": "K", "when": {"visitor": {"state": ["user", "buyer"]}}},
}
GAPS = [0.001, 1, 59, 1799, 1801]


class PulledPlugError(BaseException):
    """Nothing of algosync catches this."""


class Visitors:
    """Everybody at once: who goes on, where, and what she does there, as a seed has it."""

    def __init__(self, shop: Any, seed: int) -> None:
        self.shop, self.dice = shop, random.Random(seed)
        self.account: dict[str, str | None] = {}

    def go_on(self, inbox: Inbox, steps: int) -> None:
        """Sends so many events, each at its own moment."""
        for _ in range(steps):
            self.shop.now += timedelta(seconds=self.dice.choice(GAPS) / 8)
            inbox.append(self._some(), self.shop.now)
        self.shop.now += timedelta(seconds=self.dice.choice([1, 1799, 1801, 40_000]))

    def _some(self) -> list[dict[str, Any]]:
        dice, device = self.dice, self.dice.choice(DEVICES)
        drawn = dice.random()
        if drawn < 0.12:
            self.account[device] = dice.choice(ACCOUNTS)
        event: dict[str, Any] = {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": device}
        event["timestamp"] = int(self.shop.now.timestamp() * 1000)
        account = self.account.get(device)
        if account is not None and (drawn < 0.12 or dice.random() < 0.5):
            event["authenticatedUserToken"] = account
        if drawn > 0.93:
            event["eventName"], self.account[device] = "Logout", None
        if dice.random() < 0.3:
            event["context"] = {"device": dice.choice(["phone", "desktop"])}
        if dice.random() < 0.15:
            event["consent"] = "for_you"
        if dice.random() < 0.15:
            event["filters"] = [dice.choice(["brand:Apple", "categories:Phones", "categories:Books", "color:red"])]
            return [event]
        event["objectIDs"] = dice.sample(PRODUCTS, dice.choice([1, 1, 3]))
        if dice.random() < 0.15:
            goods = [{"price": dice.randint(1, 200) / 4, "quantity": dice.randint(1, 3)} for _ in event["objectIDs"]]
            event |= {"eventType": "conversion", "eventSubtype": "purchase", "objectData": goods, "currency": "EUR"}
        return [event] * dice.choice([1, 1, 1, 2])


@contextmanager
def broken_off(shop: Any, where: str) -> Iterator[None]:
    """A sync from which the plug is pulled."""

    def unplugged(*_: Any, **__: Any) -> None:
        raise PulledPlugError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(*((Snapshot, "publish") if where == "publish" else (Drained, "drop")), unplugged)
        with pytest.raises(PulledPlugError):
            shop.sync()
    yield


def looks(shop: Any) -> dict[str, dict[str, Any]]:
    """Everybody's document as answers see it now, by who is asked for."""
    place = Place(url=shop.settings["state"].get("url", "sqlite"), directory=shop.state)
    found: dict[str, dict[str, Any]] = {}
    with open_inbox(place) as inbox:
        desk = Stored(place, shop_answers(load(shop.config), shop.folder), inbox)
        with desk._snapshots.view() as view:
            for name in (*DEVICES, *ACCOUNTS):
                known = desk._visitors.known(view, name, lambda _: None, now=shop.now)
                again = desk._visitors.known(view, name, lambda _: None, now=shop.now)
                assert again.person is known.person or again.person == known.person
                document = dict(known.person or {})
                for left in ("recent", "optionalFilters", "distinct_sums", "ruleContexts"):
                    document.pop(left, None)
                found[name] = document
        desk.close()
    return found


def published(shop: Any, names: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What the run before left of those who are there."""
    place = Place(url=shop.settings["state"].get("url", "sqlite"), directory=shop.state)
    with open_inbox(place) as inbox:
        desk = Stored(place, shop_answers(load(shop.config), shop.folder), inbox)
        found = {}
        with desk._snapshots.view() as view:
            for name, person in names.items():
                document = dict(view.person(person) or {})
                if document and document["person"] != person:
                    document = {}
                for left in ("optionalFilters", "distinct_sums", "ruleContexts"):
                    document.pop(left, None)
                found[name] = document
        desk.close()
    return found


def furnish(shop: Any, url: str) -> None:
    shop.configure(
        sources=[WEB],
        state={"as_of": "clock", "url": url},
        profiles={"session": {"weight": 0}},
        related={"kinds": []},
        push={"related": False, "segments": False, "profiles": False, "rules": False},
        actions=None,
    )
    shop.segments(SEGMENTS)


def handed_over(shop: Any, seed: int, where: str) -> None:
    visitors = Visitors(shop, seed)
    with open_state(shop.settings["state"]["url"], shop.state, create=True, book=INBOX) as state:
        inbox = Inbox(state)
        visitors.go_on(inbox, 60)
        shop.sync()
        visitors.go_on(inbox, 40)
        if where == "log":
            shop.runtime().pull()
        elif where != "nowhere":
            with broken_off(shop, where):
                visitors.go_on(inbox, 10)
        visitors.go_on(inbox, 20)
        before = looks(shop)
        assert sum(1 for document in before.values() if document) > len(before) / 2
        assert before != published(shop, {name: document.get("person", name) for name, document in before.items()})
        shop.sync()
        there = {name: document.get("person", name) for name, document in before.items()}
        batch = published(shop, there)
        for name in before:
            assert before[name] == batch[name], (name, where)
        # And what is stored then, with nothing over it, is the same, whoever asks.
        assert looks(shop) == before


@pytest.mark.parametrize("where", ["nowhere", "log", "publish", "drop"])
@settings(
    max_examples=2,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
def test_stored_and_what_lies_over_it_are_what_a_run_finds(small, where, seed):
    furnish(small, "sqlite")
    handed_over(small, seed, where)


def test_the_same_on_postgresql(small, postgresql_url):
    furnish(small, postgresql_url)
    handed_over(small, 7, "drop")
