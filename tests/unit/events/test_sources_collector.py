"""The inbox as a source: every event reaches the log once, wherever a run breaks off."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.errors import SourceError
from algosync.events.mapping import apply
from algosync.events.sources.collector import MAPPING, CollectorSource
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.state import open_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VIEW = {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": "u1", "objectIDs": ["a"]}


@pytest.fixture
def inbox(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True, book=INBOX) as state:
        yield Inbox(state)


@pytest.fixture
def source(state_url, tmp_path):
    return CollectorSource(name="web", url=state_url, directory=tmp_path)


def canonical(source, cursor=None):
    [batch] = source.batches(cursor)
    return apply(batch, MAPPING)


def test_its_fields(source, inbox):
    more = {"eventID": "e", "sessionID": "s", "orderID": "o", "consent": "for_you", "queryID": "q", "timestamp": 5}
    inbox.append([VIEW | more, VIEW | {"authenticatedUserToken": "me", "objectIDs": ["b", "c"]}], NOW)
    made = canonical(source)
    first, second, third = made.table.to_pylist()
    assert {name: value for name, value in first.items() if value is not None} == {
        "event_id": "id:u1:e",
        "timestamp": 5,
        "user_token": "u1",
        "session_id": "s",
        "event_type": "view",
        "event_name": "Seen",
        "object_id": "a",
        "order_id": "o",
        "query_id": "q",
        "index": "products",
        "consent": "for_you",
    }
    assert second["event_id"] == third["event_id"] == f"seq:{inbox.identity()}:2"
    assert (second["object_id"], third["object_id"]) == ("b", "c")
    assert second["timestamp"] == int(NOW.timestamp() * 1000)
    assert made.positions.to_pylist() == ["web:1#1", "web:2#1", "web:2#2"]
    assert made.unmapped == ()


def test_a_product_named_twice_is_two_rows_with_ids_of_their_own(source, inbox):
    goods = [{"price": 1, "quantity": 1}, {"price": 2, "quantity": 2}]
    inbox.append([VIEW | {"objectIDs": ["a", "a"], "objectData": goods}], NOW)
    made = canonical(source)
    rows = made.table.to_pylist()
    assert len({row["event_id"] for row in rows}) == len(set(made.positions.to_pylist())) == 2
    assert [(row["price"], row["quantity"]) for row in rows] == [(1, 1), (2, 2)]


def test_events_of_one_batch_may_be_of_all_kinds(source, inbox):
    filters = {name: value for name, value in VIEW.items() if name != "objectIDs"} | {"filters": ["brand:a%20b"]}
    choice = {"eventType": "pageview", "userToken": "u1", "consent": "for_you", "timestamp": 2**63 + 5}
    inbox.append([VIEW, filters, choice, VIEW | {"context": {"country": "DE"}}], NOW)
    rows = canonical(source).table.to_pylist()
    assert [row["facet_filters"] for row in rows] == [None, ["brand:a b"], None, None]
    assert [row["event_type"] for row in rows] == ["view", "view", "pageview", "view"]


def test_the_inbox_is_read_in_batches(state_url, tmp_path, inbox):
    inbox.append([VIEW] * 7, NOW)
    source = CollectorSource(name="web", url=state_url, directory=tmp_path, batch_rows=3)
    batches = list(source.batches(None))
    assert [batch.table.num_rows for batch in batches] == [3, 3, 1]
    assert list(source.batches(batches[-1].cursor)) == []
    assert [batch.table.num_rows for batch in source.batches(batches[0].cursor)] == [3, 1]


def test_no_inbox_is_nothing_to_read_and_leaves_no_file(source, tmp_path):
    assert list(source.batches(None)) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cursor", ["{}", "5", "x", '{"inbox":"a","seq":"b"}', '{"files":{}}'])
def test_a_cursor_of_another_kind_of_source(source, cursor):
    with pytest.raises(SourceError, match="not one of a collector"):
        list(source.batches(cursor))
    with pytest.raises(SourceError, match="not one of a collector"):
        source.drop(cursor)


def test_a_cursor_of_another_inbox_drops_nothing(source, inbox):
    inbox.append([VIEW] * 3, NOW)
    assert source.drop('{"inbox":"another","seq":3}') == 0
    assert inbox.size() == 3


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["pull", "pull cut", "pull lost", "publish", "drop"]), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, rows=st.integers(1, 4))
def test_log_and_inbox_hold_every_event_whatever_is_interrupted(steps, rows):
    """At every moment: the log has each event once; snapshot and what lies above it in the inbox are all there is."""
    with TemporaryDirectory() as place, open_state("sqlite", Path(place), create=True, book=INBOX) as state:
        inbox, sent = Inbox(state), 0
        source = CollectorSource(name="web", url="sqlite", directory=Path(place), batch_rows=rows)
        log, cursor = [], None
        snapshot, live = [], None  # what a snapshot contains, and the cursor that it names
        for step, number in steps:
            if step == "append":
                inbox.append([VIEW | {"eventID": f"e{sent + n}"} for n in range(number)], NOW)
                sent += number
            elif step.startswith("pull"):
                for batch in source.batches(cursor):
                    if step == "pull lost":
                        break  # killed before the transaction that takes rows and cursor
                    log += batch.table.column("eventID").to_pylist()
                    cursor = batch.cursor
                    if step == "pull cut":
                        break
            elif step == "publish":
                snapshot, live = list(log), cursor
            elif live is not None:
                source.drop(live)
            above = inbox.after(0 if live is None else int(live.split('"seq":')[1].rstrip("}")), 999)
            assert log == [f"id:u1:e{n}" for n in range(len(log))]
            assert [*snapshot, *(one.id for one in above)] == [f"id:u1:e{n}" for n in range(sent)]
        for batch in source.batches(cursor):
            log += batch.table.column("eventID").to_pylist()
        assert log == [f"id:u1:e{n}" for n in range(sent)]
