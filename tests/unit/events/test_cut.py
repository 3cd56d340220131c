"""Taking events out of the log for good, whatever breaks and whoever reads."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest
from sqlalchemy import select

from algosync.errors import StoreError
from algosync.events import cut as cutting
from algosync.events.clean import clean
from algosync.events.cut import KEYS, all_of, cut, keys_of, sweep
from algosync.events.log import EventLog
from algosync.events.reading import reading
from algosync.events.rules import CleanRules
from algosync.events.schema import PRODUCT_REFS
from algosync.events.writer import CommittingWriter, ScratchWriter
from algosync.stores import tables

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
RULES = CleanRules(source="shop", now=NOW, as_of=NOW, consent_missing="allow")


def view(user, minute, **more):
    at = f"2026-05-01T10:{minute:02d}:00Z"
    return {"timestamp": at, "user_token": user, "event_type": "view", "object_id": "p1", **more}


@pytest.fixture
def log(state, con, batch):
    """Three segments: the second is anna's alone."""
    with CommittingWriter(state) as writer:
        for number, rows in enumerate(
            (
                [view("anna", 1), view("ben", 2)],
                [view("anna", 3, price="7", order_id="o", context=[("device", "tv")]), view("anna", 4)],
                [view("ben", 5), view("carla", 6)],
            )
        ):
            judged = clean(con, batch(rows), RULES)
            writer.append(judged, cursor=str(number), source="shop", products=PRODUCT_REFS.empty_table())
    return EventLog(state)


def of(log, con, name):
    numbers = dict(zip(*(log.ids("token")[column].to_pylist() for column in ("value", "id")), strict=True))
    log.view(con)
    return keys_of(con.sql(f"SELECT key_hi, key_lo FROM events WHERE token = {numbers[name]}").to_arrow_table())


def told(log, con):
    log.view(con)
    con.register("tokens", log.ids("token"))
    rows = con.sql("SELECT value, minute(ts) FROM events JOIN tokens ON id = token ORDER BY ts").fetchall()
    con.unregister("tokens")
    return rows


def files(state):
    return sorted(path.name for path in (state.directory / "log" / "events").iterdir())


OTHERS = [("ben", 2), ("ben", 5), ("carla", 6)]


def test_what_is_taken_out_is_gone_and_the_rest_stays_as_it_was(state, log, con):
    before = {path: path.read_bytes() for path in log.paths()["events"]}
    made = cut(state, con, of(log, con, "anna"), ["anna"])
    assert (made.events, made.segments, made.names, made.removed, made.unread) == (3, 2, 1, 2, True)
    assert told(log, con) == OTHERS
    assert log.ids("token")["value"].to_pylist() == ["ben", "carla"]
    kept = log.paths()["events"]
    assert sum(path in before and path.read_bytes() == before[path] for path in kept) == 1
    assert files(state) == sorted(path.name for path in kept)
    again = cut(state, con, KEYS.empty_table(), ["anna"])
    assert (again.events, again.segments, again.names, again.removed) == (0, 0, 0, 0)


def test_the_log_goes_on_as_before(state, log, con, batch):
    cut(state, con, of(log, con, "anna"), ["anna"])
    with CommittingWriter(state) as writer:
        judged = clean(con, batch([view("ben", 2), view("dora", 9)]), RULES)
        counts = writer.append(judged, cursor="9", source="shop", products=PRODUCT_REFS.empty_table())
    assert (counts.accepted, counts.duplicates) == (1, 1)
    assert told(log, con) == [*OTHERS, ("dora", 9)]


def test_a_segments_number_is_never_given_twice(state, log, con, batch):
    gone = all_of(of(log, con, "ben"), of(log, con, "carla"))
    cut(state, con, gone, ["ben", "carla"])
    with state.read() as connection:
        numbers = connection.scalars(select(tables.segments.c.id)).all()
    assert max(numbers) > 3
    assert told(log, con) == [("anna", 1), ("anna", 3), ("anna", 4)]


@pytest.mark.parametrize("place", ["write_segment", "swap_segments"])
def test_broken_off_before_the_manifest_nothing_has_changed(state, log, con, monkeypatch, place):
    doomed = of(log, con, "anna")

    def broken(*args):
        raise OSError("the plug was pulled")

    monkeypatch.setattr(cutting, place, broken)
    with pytest.raises(OSError, match="plug"):
        cut(state, con, doomed, ["anna"])
    monkeypatch.undo()
    assert len(told(log, con)) == 6
    assert cut(state, con, doomed, ["anna"]).events == 3
    assert told(log, con) == OTHERS
    assert files(state) == sorted(path.name for path in log.paths()["events"])


def test_broken_off_after_it_old_files_go_the_next_time(state, log, con, monkeypatch):
    doomed = of(log, con, "anna")

    def broken(*args, **kwargs):
        raise OSError("the plug was pulled")

    monkeypatch.setattr(cutting, "sweep", broken)
    with pytest.raises(OSError, match="plug"):
        cut(state, con, doomed, ["anna"])
    monkeypatch.undo()
    assert told(log, con) == OTHERS
    assert len(files(state)) == 4
    assert sweep(state) == (2, True)
    assert len(files(state)) == 2


def test_files_stay_as_long_as_somebody_reads_them(state, log, con):
    doomed = of(log, con, "anna")
    with reading(state.directory):
        with duckdb.connect() as other:
            log.view(other)
            made = cut(state, con, doomed, ["anna"], wait_s=0)
            assert (made.events, made.removed, made.unread) == (3, 0, False)
            assert other.sql("SELECT count(*) FROM events").fetchall() == [(6,)]  # the manifest of before
        with CommittingWriter(state) as writer:
            assert writer.removed == []
        assert told(log, con) == OTHERS
    assert sweep(state, wait_s=0) == (2, True)


def test_a_dry_run_is_such_a_reader(state, log, con):
    doomed = of(log, con, "anna")
    scratch = ScratchWriter(state)
    assert not cut(state, con, doomed, ["anna"], wait_s=0).unread
    scratch.close()
    assert sweep(state, wait_s=0) == (2, True)


def test_stripped_events_stay_and_say_nothing_but_who_and_when(state, log, con):
    doomed = of(log, con, "ben")
    cut(state, con, doomed, [], stripped=of(log, con, "anna"))
    log.view(con)
    rows = con.sql(
        'SELECT minute(ts), kind, "object", item, price, order_id, context FROM events ORDER BY ts'
    ).fetchall()
    assert rows[:3] == [(minute, "view", None, None, None, None, None) for minute in (1, 3, 4)]
    assert rows[3][2] is not None


def test_a_damaged_segment_is_told_and_nothing_changes(state, log, con):
    doomed = of(log, con, "anna")
    path = log.paths()["events"][1]
    path.write_bytes(b"no parquet")
    with pytest.raises(StoreError):
        cut(state, con, doomed, ["anna"])
    assert "anna" in log.ids("token")["value"].to_pylist()


def test_keys_are_counted_once():
    twice = pa.table({"key_hi": [1, 1], "key_lo": [2, 2]}, schema=KEYS)
    assert keys_of(twice).num_rows == 1
