"""Events over HTTP into the inbox, from there into profiles, and out of the inbox only then, whatever breaks off."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
from datetime import datetime, timedelta

import httpx
import orjson
import pytest

from algosync.errors import ConfigError
from algosync.runtime.serving import open_api
from algosync.settings.load import load
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.stores.state import open_state
from algosync.sync.drain import Drained

pytestmark = pytest.mark.e2e


ADMIN = "the key of the shop's own servers"
SECRET = "what we share with Segment"
WEB = {"name": "web", "type": "collector", "segment": {"secret": SECRET, "list_facet": "categories"}}


class PulledPlugError(BaseException):
    """Nothing of algosync catches this."""


class Storefront:
    """What a shop's pages do: they send."""

    def __init__(self, shop, url):
        self.shop, self.url = shop, url

    def post(self, path, body, **headers):
        headers = headers or {"authorization": f"Bearer {ADMIN}"}
        answer = httpx.post(f"{self.url}{path}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text

    def saw(self, who, *products, **more):
        """Views, a minute apart and before now."""
        start = self.shop.now - timedelta(hours=1)
        events = [
            {
                "eventType": "view",
                "eventName": "Product Viewed",
                "index": "products",
                "userToken": who,
                "objectIDs": [product],
                "timestamp": millis(start + timedelta(minutes=minute)),
                **more,
            }
            for minute, product in enumerate(products)
        ]
        self.post("/1/events", {"events": events})


def millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.fixture
def shop(small):
    small.configure(sources=[WEB], state={"as_of": "clock"}, serve={"admin_key": ADMIN})
    small.lighten()
    return small


@pytest.fixture
def inbox(shop):
    with open_state("sqlite", shop.state, create=True, book=INBOX) as state:
        yield Inbox(state)


@pytest.fixture
def storefront(shop, inbox, on_loopback):
    with open_api(load(shop.config), shop.folder, clock=lambda: shop.now) as (app, _), on_loopback(app) as port:
        yield Storefront(shop, f"http://127.0.0.1:{port}")


def person(shop, token):
    with open_state("sqlite", shop.state, create=False, book=SNAPSHOT) as state:
        return Snapshot(state).person(token)


def about(shop):
    with open_state("sqlite", shop.state, create=False, book=SNAPSHOT) as state:
        return Snapshot(state).about()


def waiting(shop, inbox):
    """Who sent the events that no snapshot contains."""
    return [one.event["userToken"] for one in inbox.after(int(about(shop).get("inbox_seq", 0)), 999)]


BOOKS = ("book-2", "book-4", "book-6", "book-7", "book-4")


def test_from_the_page_into_the_profile(shop, storefront, inbox):
    storefront.saw("reader", *BOOKS)
    assert inbox.size() == 5
    report = shop.sync()
    assert report["events"]["accepted"] == 5
    doc = person(shop, "reader")
    assert (doc["events"], doc["products"]) == (5, 4)
    assert doc["affinities"]["categories"]["Books"] == 20
    assert (waiting(shop, inbox), inbox.size()) == ([], 5)
    assert (about(shop)["inbox"], about(shop)["inbox_seq"]) == (inbox.identity(), "5")

    storefront.saw("reader", "phone-1", timestamp=millis(shop.now))
    assert inbox.after(5, 9)[0].seq == 6
    assert shop.sync()["events"]["read"] == 1
    assert person(shop, "reader")["events"] == 6
    assert (waiting(shop, inbox), about(shop)["inbox_seq"]) == ([], "6")


def test_what_a_snapshot_contains_stays_two_hours_for_the_session_and_is_not_read_again(shop, storefront, inbox):
    storefront.saw("reader", *BOOKS)
    shop.now += timedelta(minutes=90)
    storefront.saw("other", "book-2")
    shop.sync()
    shop.now += timedelta(minutes=30)
    assert shop.sync()["events"]["read"] == 0
    assert inbox.size() == 6
    shop.now += timedelta(seconds=1)
    assert shop.sync()["events"]["read"] == 0
    assert [one.event["userToken"] for one in inbox.after(0, 9)] == ["other"]
    shop.now += timedelta(minutes=90)
    shop.runtime().rebuild()
    assert inbox.size() == 0


def test_nothing_new_is_nothing_to_do(shop, storefront):
    storefront.saw("reader", *BOOKS)
    shop.sync()
    report = shop.sync()
    assert report["events"]["read"] == 0
    assert report["pushed"]["operations"] == 0


def test_a_dry_run_counts_them_and_leaves_them(shop, storefront, inbox):
    storefront.saw("reader", *BOOKS)
    before = inbox.after(0, 99)
    report = shop.sync(dry_run=True)
    assert report["events"]["accepted"] == 5
    assert inbox.after(0, 99) == before
    assert not (shop.state / "snapshot.sqlite").exists()


def test_a_pull_leaves_them_until_a_snapshot_contains_them(shop, storefront, inbox):
    storefront.saw("reader", *BOOKS)
    assert shop.runtime().pull()["events"]["accepted"] == 5
    assert inbox.size() == 5
    assert shop.runtime().pull()["events"]["read"] == 0
    assert waiting(shop, inbox) == ["reader"] * 5
    shop.runtime().rebuild()
    assert waiting(shop, inbox) == []
    assert person(shop, "reader")["events"] == 5


def test_what_came_in_while_a_run_was_under_way_stays(shop, storefront, inbox, monkeypatch):
    storefront.saw("reader", *BOOKS)
    publish = Snapshot.publish

    def busy(snapshot, delta):
        storefront.saw("late", "book-2")
        return publish(snapshot, delta)

    monkeypatch.setattr(Snapshot, "publish", busy)
    shop.sync()
    monkeypatch.undo()
    assert waiting(shop, inbox) == ["late"]
    assert person(shop, "late") is None
    shop.sync()
    assert person(shop, "late")["events"] == 1


@pytest.mark.parametrize("where", ["publish", "drop"])
def test_broken_off_before_the_snapshot_or_after_it(shop, storefront, inbox, monkeypatch, where):
    """Whatever is lost between log, snapshot and inbox, the next run leaves what an undisturbed one would have."""

    def unplugged(*_):
        raise PulledPlugError

    storefront.saw("reader", *BOOKS)
    monkeypatch.setattr(*((Snapshot, "publish") if where == "publish" else (Drained, "drop")), unplugged)
    with pytest.raises(PulledPlugError):
        shop.sync()
    monkeypatch.undo()
    assert inbox.size() == 5
    storefront.saw("reader", "book-8", timestamp=millis(shop.now))
    shop.sync()
    assert person(shop, "reader")["events"] == 6
    assert waiting(shop, inbox) == []


KILLED = """
import os, sys
from datetime import datetime
from pathlib import Path
import algosync.events.writer as writer
from algosync.runtime.commands import Runtime
from algosync.sync.stages import Silent
move = writer.move_cursor
def killed(*arguments):
    if sys.argv[3] == "after":
        move(*arguments)
    os._exit(9)
writer.move_cursor = killed
Runtime.open(Path(sys.argv[1]), progress=Silent(), clock=lambda: datetime.fromisoformat(sys.argv[2])).sync()
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_the_log_takes_them(shop, storefront, inbox, when):
    storefront.saw("reader", *BOOKS)
    command = [sys.executable, "-c", KILLED, str(shop.config), shop.now.isoformat(), when]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert killed.returncode == 9, killed.stderr
    assert inbox.size() == 5
    report = shop.sync()
    assert report["events"]["accepted"] == 5
    assert person(shop, "reader")["events"] == 5
    assert waiting(shop, inbox) == []


def test_sent_twice_counts_once(shop, storefront, inbox):
    """By its content where the page told the time, by its id where it has one; else each arrival is an event."""
    for _ in range(2):
        storefront.saw("timed", "book-2")
        storefront.saw("named", "book-2", eventID="e-1", timestamp=None)
        storefront.saw("other", "book-2", eventID="e-1", timestamp=None)
        storefront.saw("plain", "book-2", timestamp=None)
    shop.sync()
    assert {who: person(shop, who)["events"] for who in ("timed", "named", "other", "plain")} == {
        "timed": 1,
        "named": 1,
        "other": 1,
        "plain": 2,
    }
    storefront.saw("timed", "book-2")
    storefront.saw("named", "book-2", eventID="e-1", timestamp=None)
    assert shop.sync()["events"]["duplicates"] == 2
    assert waiting(shop, inbox) == []


def test_an_order_that_names_a_product_twice(shop, storefront):
    order = {
        "eventType": "conversion",
        "eventSubtype": "purchase",
        "eventName": "Order",
        "index": "products",
        "userToken": "buyer",
        "currency": "USD",
        "objectIDs": ["book-2", "book-2", "lamp-2"],
        "objectData": [{"price": 10, "quantity": 1}, {"price": 9, "quantity": 2}, {"price": 18, "quantity": 1}],
    }
    storefront.post("/1/events", {"events": [order, order | {"userToken": "timed", "timestamp": millis(shop.now)}]})
    report = shop.sync()
    assert report["events"]["accepted"] == 6
    assert {person(shop, who)["state"] for who in ("buyer", "timed")} == {"buyer"}


def test_without_consent_there_is_no_profile_and_with_it_there_is(shop, storefront):
    """A shop that asks first: what came before the choice stays out, what follows it counts."""
    shop.configure(events={"consent_missing": "deny"})
    storefront.saw("asked", "phone-1", "phone-3")
    storefront.saw("silent", *BOOKS)
    storefront.post("/v1/consent", {"userToken": "asked", "consent": "for_you"})
    storefront.saw("asked", *BOOKS)
    report = shop.sync()
    assert report["events"]["accepted"] == 13
    assert person(shop, "silent") is None
    assert set(person(shop, "asked")["affinities"]["categories"]) == {"Books"}


def test_a_choice_against_it_is_heeded_by_the_next_sync(shop, storefront):
    storefront.saw("reader", *BOOKS)
    shop.sync()
    records = [id_ for id_ in shop.records("algosync_payloads") if not id_.startswith("segment-")]
    assert person(shop, "reader") is not None
    assert len(records) == 1
    shop.now += timedelta(minutes=5)
    storefront.post("/v1/consent", {"userToken": "reader", "consent": "not_personalized", "source": "toggle"})
    storefront.saw("reader", "book-1", timestamp=millis(shop.now))
    shop.sync()
    assert person(shop, "reader") is None
    assert not [id_ for id_ in shop.records("algosync_payloads") if id_ in records]

    shop.now += timedelta(minutes=5)
    storefront.post("/v1/consent", {"userToken": "reader", "consent": "for_you", "source": "toggle"})
    shop.sync()
    assert person(shop, "reader")["products"] == 4


def test_bad_events_of_strangers_keep_nobody_else_out(shop, storefront, inbox):
    storefront.saw("stranger", *BOOKS, timestamp=millis(shop.now + timedelta(days=400)))
    storefront.saw("reader", "book-2")
    report = shop.sync()
    assert (report["events"]["accepted"], report["events"]["rejected"]) == (1, 5)
    assert waiting(shop, inbox) == []
    held = shop.runtime().quarantine_list(source="web", limit=9)
    assert [row["reason"] for row in held["reasons"]] == ["timestamp is in the future"]


def test_a_context_can_be_mapped(shop, storefront):
    shop.configure(sources=[WEB | {"context": {"country": "context.country"}}])
    shop.segments({"germans": {"name": "G", "when": {"attribute": {"country": ["DE"]}}}})
    storefront.saw("reader", *BOOKS, context={"country": "DE"})
    shop.sync()
    assert person(shop, "reader")["segments"] == ["germans"]


def test_another_inbox_is_read_from_its_beginning(shop, storefront, inbox):
    storefront.saw("reader", *BOOKS)
    shop.sync()
    with open_state("sqlite", shop.folder / "elsewhere", create=True, book=INBOX) as state:
        Inbox(state).append([{"eventType": "view", "userToken": "reader", "objectIDs": ["book-8"]}], shop.now)
    for path in shop.state.glob("inbox.sqlite*"):
        path.unlink()
    (shop.folder / "elsewhere" / "inbox.sqlite").rename(shop.state / "inbox.sqlite")
    shop.sync()
    assert person(shop, "reader")["events"] == 6


def test_turned_away_and_tried_again(shop, storefront):
    """Sent by a page whose clock is wrong: once its time has come, the events can be used."""
    storefront.saw("early", *BOOKS[:4], timestamp=millis(shop.now + timedelta(days=2)))
    assert shop.sync()["events"]["rejected"] == 4
    shop.now += timedelta(days=3)
    assert shop.runtime().quarantine_retry(source="web")["events"]["accepted"] == 4
    shop.sync()
    assert person(shop, "early")["events"] == 4


def test_an_order_of_segments_becomes_a_purchase_and_a_list_an_affinity(shop, storefront):
    def track(event, number, **properties):
        call = {"type": "track", "event": event, "anonymousId": "visitor-1", "properties": properties}
        call |= {"messageId": f"m-{number}", "timestamp": shop.now.isoformat()}
        body = orjson.dumps(call)
        signature = hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
        answer = httpx.post(f"{storefront.url}/v1/segment", content=body, headers={"x-signature": signature})
        assert answer.status_code == 200, answer.text

    known = shop.records()
    goods = [{"product_id": name, "price": known[name]["price"], "quantity": 2} for name in sorted(known)]
    for _ in range(2):  # Segment sends again what it believes lost
        track("Order Completed", 1, order_id="order-1", currency="USD", products=[*goods, *goods[:4]])
        track("Product List Viewed", 2, category="Home")
        track("Signed Up", 3)
    report = shop.sync()
    assert report["events"]["accepted"] == 23  # 22 lines of the order and a list
    assert report["events"]["duplicates"] == 23
    doc = person(shop, "visitor-1")
    assert (doc["state"], doc["products"]) == ("buyer", 18)


def test_a_choice_is_heeded_wherever_events_come_from(shop, storefront, inbox):
    """A shop that collects nothing: its events lie in files, what visitors choose comes over HTTP all the same."""
    shop.source("events.jsonl")
    shop.sync()
    assert person(shop, "reader-1") is not None
    storefront.post("/v1/consent", {"userToken": "reader-1", "consent": "not_personalized"})
    report = shop.sync()
    assert report["events"]["read"] == 1
    assert person(shop, "reader-1") is None
    assert person(shop, "reader-2") is not None
    assert waiting(shop, inbox) == []
    assert inbox.choice(["reader-1"]).consent == "not_personalized"


def test_on_postgresql(shop, postgresql_url):
    shop.configure(state={"url": postgresql_url})
    with open_state(postgresql_url, shop.state, create=True, book=INBOX) as state:
        inbox = Inbox(state)
        events = [
            {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": "reader", "objectIDs": [name]}
            for name in BOOKS
        ]
        inbox.append(events, shop.now)
        assert shop.sync()["events"]["accepted"] == 5
        assert inbox.size() == 5
        with open_state(postgresql_url, shop.state, create=False, book=SNAPSHOT) as there:
            assert Snapshot(there).person("reader")["products"] == 4
            assert Snapshot(there).about()["inbox_seq"] == "5"
        shop.now += timedelta(hours=3)
        assert shop.sync()["events"]["read"] == 0
        assert inbox.size() == 0


def test_there_is_one_inbox(shop):
    shop.configure(sources=[{"name": name, "type": "collector"} for name in ("a", "b")])
    with pytest.raises(ConfigError, match="only one source can be a collector"):
        shop.sync()


def test_without_an_inbox_there_is_nothing_to_read(shop):
    assert shop.sync()["events"]["read"] == 0
