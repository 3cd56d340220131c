"""The ledger keeps what was published apart from what is under way, per server, fast enough for 92,000 rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, select

from algosync.algolia.target import Target
from algosync.errors import StoreError
from algosync.payloads.encode import Unsent
from algosync.stores import tables
from algosync.stores.state import open_state
from algosync.sync.ledger import Ledger, Unfinished
from algosync.sync.plan import UNSURE
from algosync.sync.refusals import Refusal

AT = datetime(2026, 11, 23, tzinfo=UTC)


@dataclass
class Entry:
    object_id: str
    hash: str | None
    index: str = "i"
    family: str = "related"


@pytest.fixture
def engine(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True) as state:
        yield state.engine


def rows(engine):
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(tables.ledger)).mappings()]


def publish(ledger, *entries):
    ledger.intend(entries, AT)
    ledger.sent(entries, 1, AT)
    ledger.published(entries, AT)


def test_a_row_goes_from_intended_to_sent_to_published(engine, ledger):
    entry = Entry("1", "new")
    publish(ledger, Entry("1", "old"))

    ledger.intend([entry], AT)
    assert ledger.hashes("i", "related") == {"1": "old"}
    begun = {"index": "i", "family": "related", "object_id": "1", "hash": "new", "task_id": None, "since": AT}
    assert ledger.unfinished() == [Unfinished(**begun)]
    ledger.sent([entry], 2**40, AT)
    assert ledger.unfinished()[0].task_id == 2**40
    ledger.published([entry], AT)

    assert ledger.hashes("i", "related") == {"1": "new"}
    assert ledger.unfinished() == []
    (row,) = rows(engine)
    assert (row["status"], row["wanted"], row["task_id"]) == ("published", None, None)


def test_a_deleted_object_leaves_no_row(engine, ledger):
    publish(ledger, Entry("1", "a", family="profiles"), Entry("2", "b", family="profiles"))
    publish(ledger, Entry("1", None, family="profiles"))

    assert ledger.hashes("i", "profiles") == {"2": "b"}
    assert len(rows(engine)) == 1


def test_what_was_taken_from_a_product_is_known_until_its_index_is_read_again(ledger):
    before, after = AT - timedelta(seconds=1), AT + timedelta(seconds=1)
    publish(ledger, Entry("1", "a"), Entry("2", "b"), Entry("3", "c", index="j"), Entry("4", "d", family="rules"))
    publish(ledger, Entry("1", None))
    ledger.intend([Entry("5", "e")], AT)

    assert ledger.hashes("i", "related") == {"2": "b"}
    assert ledger.counts() == {"related": {"intended": 1, "published": 2}, "rules": {"published": 1}}
    assert ledger.written_since("i", before) == {"1": None, "2": "b"}
    assert ledger.written_since("i", AT) == {"1": None, "2": "b"}
    assert ledger.written_since("i", after) == {}


def test_what_is_found_to_have_arrived_is_news_to_an_earlier_read(ledger):
    """And what was there all along is none."""
    began, read, later = (AT + timedelta(minutes=minutes) for minutes in (1, 2, 3))
    publish(ledger, *(Entry(key, "old") for key in "123"))
    ledger.intend([Entry("1", "a")], began)
    ledger.sent([Entry("2", "b")], 2, began)

    ledger.found([Entry("1", "a"), Entry("2", "b"), Entry("3", "c")], later, uncounted=1)

    assert ledger.written_since("i", read) == {"1": "a", "2": "b"}
    assert ledger.last_taken("i", "related") == {"1": later, "2": later, "3": AT}


def test_what_algolia_refused_is_as_it_was_before(engine, ledger):
    publish(ledger, Entry("1", "old"))
    refused = [Entry("1", "new"), Entry("2", "never", family="rules")]
    ledger.intend(refused, AT)

    ledger.abandon(refused, AT)

    assert ledger.hashes("i", "related") == {"1": "old"}
    assert ledger.unfinished() == []
    assert len(rows(engine)) == 1


def test_what_was_taken_from_a_product_is_still_known_when_algolia_refuses_to_put_it_back(ledger):
    publish(ledger, Entry("1", "old"))
    later = AT + timedelta(hours=1)
    ledger.intend([Entry("1", None)], later)
    ledger.sent([Entry("1", None)], 2, later)
    ledger.published([Entry("1", None)], later)
    again = [Entry("1", "old")]
    ledger.intend(again, later + timedelta(hours=1))

    ledger.abandon(again, later + timedelta(hours=1))

    assert ledger.written_since("i", later) == {"1": None}
    assert (ledger.hashes("i", "related"), ledger.unfinished(), ledger.taken_since(later)) == ({}, [], 0)


def test_what_nobody_knows_is_marked(ledger):
    entries = [Entry("1", "new"), Entry("2", None)]
    ledger.intend(entries, AT)

    ledger.unsure(entries, AT)

    assert ledger.hashes("i", "related") == {"1": UNSURE, "2": UNSURE}


def test_families_indices_and_servers_do_not_mix(engine, ledger):
    publish(ledger, Entry("1", "a"), Entry("1", "b", family="rules"), Entry("1", "c", index="j"))
    other = Ledger(engine, Target(app_id="APP", hosts=("http://127.0.0.1:2",)))
    publish(other, Entry("1", "d"))
    ledger.intend([Entry("2", "x")], AT)

    assert ledger.hashes("i", "related") == {"1": "a"}
    assert other.hashes("i", "related") == {"1": "d"}
    assert other.unfinished() == []
    other.published([Entry("2", "x")], AT)
    assert len(ledger.unfinished()) == 1
    assert ledger.hashes("j", "related") == {"1": "c"}
    assert other.hashes("i", "related") == {"1": "d", "2": "x"}


def test_nothing_is_nothing(ledger):
    for step in (ledger.abandon, ledger.published, ledger.unsure, ledger.intend):
        step([], AT)
    ledger.sent([], 1, AT)
    assert ledger.hashes("i", "related") == {}


def test_a_broken_database_is_a_store_error(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/empty.db")
    ledger = Ledger(engine, Target(app_id="APP"))
    with pytest.raises(StoreError, match="ledger"):
        ledger.hashes("i", "related")
    with pytest.raises(StoreError, match="ledger"):
        ledger.intend([Entry("1", "a")], AT)
    engine.dispose()


def test_only_what_algolia_took_counts_as_taken(ledger):
    publish(ledger, *(Entry(key, "old") for key in "12345"))
    later, entries = AT + timedelta(hours=1), [Entry("1", "a"), Entry("2", "b"), Entry("3", "c"), Entry("4", "d")]
    ledger.intend(entries[:2] + entries[3:], later)
    ledger.abandon(entries[:1], later)
    ledger.unsure(entries[1:2], later)
    ledger.found(entries[2:3], later)
    assert ledger.taken_since(later) == 0

    ledger.sent(entries[3:], 2, later)
    assert ledger.taken_since(later) == 1
    ledger.published(entries[3:], later + timedelta(minutes=1))
    assert ledger.taken_since(later) == 1
    assert ledger.hashes("i", "related") == {"1": "old", "2": UNSURE, "3": "c", "4": "d", "5": "old"}


def test_operations_are_counted_once_when_algolia_takes_them(engine, ledger):
    target, soon, later = Target(app_id="APP", hosts=("http://127.0.0.1:2",)), AT + timedelta(seconds=40), AT
    later += timedelta(hours=1)
    publish(ledger, Entry("1", "a"), Entry("2", None))
    ledger.intend([Entry("3", "c"), Entry("4", "d")], soon)
    ledger.found([Entry("3", "c"), Entry("4", "d")], soon, uncounted=1)
    ledger.sent([Entry("5", "e")], 2, later)
    Ledger(engine, target).sent([Entry("6", "f")], 3, later)

    assert [(s.minute, s.operations) for s in ledger.spent_since(AT + timedelta(seconds=59))] == [(AT, 3), (later, 1)]
    assert [s.operations for s in ledger.spent_since(AT + timedelta(minutes=1))] == [1]
    ledger.sent([Entry("7", "g")], 4, AT + timedelta(days=5))
    assert [s.operations for s in ledger.spent_since(AT)] == [1]


def test_what_is_under_way_is_what_nobody_saw_arrive(ledger):
    publish(ledger, Entry("1", "old"))
    ledger.sent([Entry("1", "new"), Entry("2", None)], 7, AT)
    ledger.intend([Entry("3", "c")], AT)

    assert ledger.under_way() == {("i", "related"): {"1": "new", "2": None, "3": "c"}}
    assert ledger.last_taken("i", "related") == {"1": AT}


def test_refusals_are_kept_by_content_and_server(engine, ledger):
    one = Refusal(index="i", family="related", object_id="1", hash="a", reason="too big", at=AT)
    ledger.refusals.keep([one, replace(one, object_id="2")])
    ledger.refusals.keep([replace(one, hash="b", reason="still too big")])
    ledger.refusals.keep([])

    assert Ledger(engine, Target(app_id="OTHER")).refusals.listed() == []
    assert ledger.refusals.known() == {("i", "related"): {"1": ("b", "still too big"), "2": ("a", "too big")}}
    assert [known.name for known in ledger.refusals.listed()] == ["related/i/1", "related/i/2"]
    assert ledger.refusals.drop([one]) == 0
    assert ledger.refusals.drop(ledger.refusals.listed()) == 2
    assert ledger.refusals.listed() == []


def test_refusals_go_when_the_payload_changes_fits_or_is_not_wanted_any_more(ledger, make):
    one, other, third = make("related", "1"), make("segments", "2"), make("related", "3")
    said = {"index": "products", "family": "related", "object_id": "1"}
    ledger.refusals.keep(
        [
            Refusal(**said, hash=one.hash, reason="too big", at=AT),
            Refusal(
                **said | {"index": "payloads", "family": "segments", "object_id": "2"}, hash="x", reason="odd", at=AT
            ),
        ]
    )
    large = Unsent(family="related", index="products", object_id="3", reason="9 bytes, more", hash=third.hash)
    nobody = Unsent(family="related", index="products", object_id="4", reason="used by two")

    def settled(families, payloads, unsent=()):
        ledger.refusals.settle(families, payloads, unsent, AT)
        return [known.object_id for known in ledger.refusals.listed()]

    assert settled({"related"}, [one], [large, nobody]) == ["2", "1", "3"]
    assert ledger.refusals.known().keys() == {("products", "related"), ("payloads", "segments")}
    assert settled({"related", "segments"}, [one, other], [large]) == ["1", "3"]
    assert settled({"related"}, [one, third]) == ["1"]
    assert settled({"related"}, []) == []
