"""Many small segments become one, and nobody sees a difference."""

from __future__ import annotations

import duckdb
import pytest
from sqlalchemy import select

from algosync.errors import StoreError
from algosync.events import merging
from algosync.events.log import EventLog
from algosync.events.merging import merge
from algosync.events.reading import reading
from algosync.events.rules import CleanRules
from algosync.events.writer import CommittingWriter
from algosync.stores import tables

from .test_cut import NOW, RULES, clean, view


def append(state, con, batch, catalog, rows, number, source="shop"):
    rules = CleanRules(source=source, now=NOW, as_of=NOW, consent_missing="allow")
    with CommittingWriter(state) as writer:
        judged = clean(con, batch(rows), rules if source != "shop" else RULES)
        return writer.append(judged, cursor=str(number), source=source, products=catalog(p1={"brand": f"b{number}"}))


@pytest.fixture
def log(state, con, batch, catalog):
    """Four segments of events of one source and two of another, each event with a product version of its own."""
    for number in range(4):
        append(state, con, batch, catalog, [view("anna", number), view("ben", 10 + number)], number)
    for number in range(2):
        append(state, con, batch, catalog, [view("carla", 30 + number)], 9 + number, source="app")
    return EventLog(state)


def content(log):
    with duckdb.connect() as con:
        log.view(con)
        events, items = (
            con.sql(f"SELECT * FROM {name} ORDER BY ALL").to_arrow_table().to_pylist() for name in ("events", "items")
        )
        return events, items, log.products(con).to_pylist()


def listed(state, kind="events"):
    segments = tables.segments.c
    with state.read() as connection:
        query = select(segments.source, segments.rows, segments.first_ts, segments.last_ts)
        return connection.execute(query.where(segments.kind == kind).order_by(segments.id)).all()


def files(state):
    return sorted(path.name for path in (state.directory / "log" / "events").iterdir())


def test_nobody_sees_a_difference(state, log):
    before, version = content(log), log.version()
    assert merge(state, most=3) == 3 + 3
    assert content(log) == before
    assert log.version() != version
    assert [row[:2] for row in listed(state)] == [("app", 1), ("app", 1), ("shop", 8)]
    assert listed(state)[-1][2:] == ("2026-05-01T10:00:00.000000+00:00", "2026-05-01T10:13:00.000000+00:00")
    assert [row[:2] for row in listed(state, "items")] == [("app", 1), ("app", 1), ("shop", 4)]
    assert merge(state, most=3) == 0


def test_what_is_full_stays(state, log):
    before = content(log)
    assert merge(state, most=3, full=2) == 2
    assert [row.rows for row in listed(state)] == [2, 2, 2, 2, 1, 1]
    assert [row.rows for row in listed(state, "items")] == [1, 1, 2, 2]
    assert merge(state, most=1, full=5) == 2 + 1 + 1 + 1
    assert sorted(row.rows for row in listed(state)) == [2, 2, 6]
    assert content(log) == before


def test_broken_off_it_has_not_happened(state, log, monkeypatch, con, batch, catalog):
    before, there = content(log), files(state)

    def breaks(*_):
        raise StoreError("the disk is gone")

    monkeypatch.setattr(merging, "swap_segments", breaks)
    with pytest.raises(StoreError, match="the disk is gone"):
        merge(state, most=3)
    assert content(log) == before
    assert set(there) < set(files(state))
    with CommittingWriter(state):
        assert files(state) == there


def test_files_stay_while_somebody_reads(state, log):
    before, paths = content(log), log.paths()["events"]
    with reading(state.directory):
        merge(state, most=1)
        with CommittingWriter(state):
            assert all(path.is_file() for path in paths)
    with CommittingWriter(state):
        assert not any(path.is_file() for path in paths)
    assert content(log) == before


def test_a_writer_that_opens_merges_and_still_knows_every_event(state, con, batch, catalog, monkeypatch):
    monkeypatch.setattr(merging.merge, "__kwdefaults__", {"most": 3, "full": 1000})
    for number in range(4):
        append(state, con, batch, catalog, [view("anna", number)], number)
    again = append(state, con, batch, catalog, [view("anna", n) for n in range(5)], 5)
    assert (again.duplicates, again.accepted) == (4, 1)
    assert [row.rows for row in listed(state)] == [4, 1]


def test_one_that_cannot_be_read_is_named(state, log):
    log.paths()["events"][0].write_bytes(b"torn")
    with pytest.raises(StoreError, match=r"00000\d+\.parquet"):
        merge(state, most=3)
