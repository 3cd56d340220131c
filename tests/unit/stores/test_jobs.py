"""The last run of each job, and how far sources have got."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from algosync.stores import tables
from algosync.stores.jobs import LastRun, last_jobs, note_job
from algosync.stores.lags import newest_by_source
from algosync.stores.state import open_state

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def state(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True) as opened:
        yield opened


def test_a_job_has_one_row_which_says_how_it_ended(state):
    assert last_jobs(state) == {}
    begun = LastRun(name="push", started_at=NOON)
    note_job(state, begun)
    note_job(state, LastRun(name="pull", started_at=NOON, finished_at=NOON, outcome="done", run=3))
    assert last_jobs(state)["push"] == begun
    ended = LastRun(
        name="push",
        started_at=NOON,
        finished_at=NOON + timedelta(seconds=3),
        outcome="failed",
        error="shop: gone",
        run=4,
    )
    note_job(state, ended)
    assert list(last_jobs(state)) == ["pull", "push"]
    assert last_jobs(state)["push"] == ended


def test_a_source_has_got_as_far_as_its_newest_event(state):
    def segment(number, source, last, kind="events"):
        row = {"id": number, "kind": kind, "path": f"{number}", "source": source, "rows": 1, "bytes": 1}
        return {**row, "last_ts": None if last is None else (NOON + timedelta(hours=last)).isoformat()}

    rows = [
        segment(1, "shop", 1),
        segment(2, "shop", 3),
        segment(3, "shop", 2),
        segment(4, "pages", 0),
        segment(5, None, 9),
        segment(6, "empty", None),
        segment(7, "pages", 9, kind="items"),
    ]
    with state.write() as connection:
        connection.execute(insert(tables.segments), rows)
    assert newest_by_source(state) == {"pages": NOON, "shop": NOON + timedelta(hours=3)}
