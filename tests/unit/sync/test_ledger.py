"""The ledger keeps what was published apart from what is under way, per server, fast enough for 92,000 rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, select

from algosync.algolia.client import Target
from algosync.errors import StoreError
from algosync.stores import tables
from algosync.sync.ledger import Ledger, Unfinished
from algosync.sync.plan import UNSURE

AT = datetime(2026, 11, 23, tzinfo=UTC)


@dataclass
class Entry:
    object_id: str
    hash: str | None
    index: str = "i"
    family: str = "related"


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
    assert ledger.unfinished() == [Unfinished(index="i", family="related", object_id="1", hash="new", task_id=None)]
    ledger.sent([entry], 2**40, AT)
    assert ledger.unfinished()[0].task_id == 2**40
    ledger.published([entry], AT)

    assert ledger.hashes("i", "related") == {"1": "new"}
    assert ledger.unfinished() == []
    (row,) = rows(engine)
    assert (row["status"], row["wanted"], row["task_id"]) == ("published", None, None)


def test_a_deleted_object_leaves_no_row(engine, ledger):
    publish(ledger, Entry("1", "a"), Entry("2", "b"))
    publish(ledger, Entry("1", None))

    assert ledger.hashes("i", "related") == {"2": "b"}
    assert len(rows(engine)) == 1


def test_what_algolia_refused_is_as_it_was_before(engine, ledger):
    publish(ledger, Entry("1", "old"))
    refused = [Entry("1", "new"), Entry("2", "never")]
    ledger.intend(refused, AT)

    ledger.abandon(refused, AT)

    assert ledger.hashes("i", "related") == {"1": "old"}
    assert ledger.unfinished() == []
    assert len(rows(engine)) == 1


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
    assert other.hashes("i", "related") == {"1": "d"}


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
    ledger.intend(entries, later)
    ledger.abandon(entries[:1], later)
    ledger.unsure(entries[1:2], later)
    ledger.found(entries[2:3], later)
    assert ledger.taken_since(later) == 0

    ledger.sent(entries[3:], 2, later)
    assert ledger.taken_since(later) == 1
    ledger.published(entries[3:], later + timedelta(minutes=1))
    assert ledger.taken_since(later) == 1
    assert ledger.hashes("i", "related") == {"1": "old", "2": UNSURE, "3": "c", "4": "d", "5": "old"}
