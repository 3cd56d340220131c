"""What lies in the inbox without a name, of a device that several people use, is whose it would be after a pull."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.events.rules import CleanRules
from algosync.events.sources.collector import MAPPING, CollectorSource
from algosync.events.writer import CommittingWriter
from algosync.stores.inbox import Inbox
from algosync.stores.tombstones import Tombstones
from algosync.sync.pull import EventSource, Intake
from algosync.sync.pull import pull as pull_all
from tests.unit.operate.test_laws import KEY, NOW, PEOPLE, PRODUCTS, SOURCE, events, forget, pull, shop, told

PAD = "family-pad"


@contextmanager
def collecting(folder):
    """A shop with a collector beside its other source."""
    rules = CleanRules(source="web", now=NOW, as_of=NOW, consent_missing="allow")
    source = CollectorSource(name="web", url="sqlite", directory=Path(folder))
    web = EventSource(source=source, mapping=MAPPING, rules=rules, max_share=1.0)
    with shop(Path(folder)) as held:
        yield replace(held, sources=(SOURCE, web))


def pull_inbox(held):
    with CommittingWriter(held.state) as writer, duckdb.connect() as con:
        gone = Tombstones(held.tombstones, KEY).forgotten()
        intake = Intake(con=con, writer=writer, products=PRODUCTS, advance=lambda _: None, forgotten=gone)
        return pull_all(held.sources[1:], intake).total


def seen(at, customer=None, name=None, who=PAD):
    """As a source has it."""
    at = f"2026-11-20T10:{at:02d}:00+00:00"
    return {"at": at, "who": who, "customer": customer, "what": "view", "name": name, "product": "book"}


def sent(row):
    """The same as a storefront sends it."""
    event = {
        "eventType": row["what"],
        "eventName": row["name"] or "Seen",
        "index": "products",
        "objectIDs": [row["product"]],
        "userToken": row["who"],
        "timestamp": int(datetime.fromisoformat(row["at"]).timestamp() * 1000),
    }
    return event if row["customer"] is None else {**event, "authenticatedUserToken": row["customer"]}


def lying(held):
    """Minutes and names of what lies in the inbox."""
    lies = [one.event for one in Inbox(held.inbox).after(0, 99)]
    return [(one["timestamp"] // 60_000 % 60, one.get("authenticatedUserToken")) for one in lies]


BEN = seen(1, "ben-22")


@pytest.mark.parametrize("pulled", [False, True])
@pytest.mark.parametrize(
    ("log", "inbox", "stays"),
    [
        pytest.param([BEN, seen(5, "anna-1")], [seen(6), seen(7)], [], id="after-her-login-in-the-log"),
        pytest.param([BEN], [seen(5, "anna-1"), seen(6)], [], id="after-her-login-in-the-inbox"),
        pytest.param([BEN, seen(2, name="logout")], [seen(5), seen(6, "anna-1")], [], id="before-her-login"),
        pytest.param(
            [BEN, seen(5, "anna-1")],
            [seen(6), seen(7, "ben-22"), seen(8)],
            [(7, "ben-22"), (8, None)],
            id="after-his-login",
        ),
        pytest.param(
            [BEN, seen(5, "anna-1")], [seen(6), seen(7, name="logout"), seen(59)], [(59, None)], id="after-a-logout"
        ),
    ],
)
def test_what_is_hers_goes_and_what_is_anothers_stays(tmp_path, log, inbox, stays, pulled):
    with collecting(tmp_path) as held:
        pull(held, log, 0)
        Inbox(held.inbox).append([sent(row) for row in inbox], NOW)
        if pulled:
            pull_inbox(held)
        receipt = forget(held, "anna-1")
        assert (receipt["status"], receipt["shared"]) == ("done", [PAD])
        assert lying(held) == stays
        pull_inbox(held)
        Inbox(held.inbox).append([sent(row) for row in inbox if row["customer"] != "anna-1"], NOW)  # sent once more
        pull_inbox(held)
        assert len(told(held)) == len(stays) + 1 + (log[1:] == [seen(2, name="logout")])


@given(st.lists(events(), max_size=8), st.lists(events(), max_size=6), st.sampled_from(PEOPLE))
@settings(max_examples=settings.default.max_examples // 5)
def test_it_is_all_the_same_whether_she_is_forgotten_before_a_pull_or_after_it(log, arrived, who):
    arrived = [row for row in arrived if row["at"] != "never"]
    found = []
    for first in (forget, None):
        with TemporaryDirectory() as folder, collecting(folder) as held:
            if log:
                pull(held, log, 0)
            if arrived:
                Inbox(held.inbox).append([sent(row) for row in arrived], NOW)
            if first is None:
                pull_inbox(held)
                forget(held, who)
            else:
                forget(held, who)
                pull_inbox(held)
            found.append((told(held), lying(held)))
    assert found[0] == found[1]
