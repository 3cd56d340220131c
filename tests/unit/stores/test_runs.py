"""The record of runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from algosync.stores import runs as module
from algosync.stores.runs import BROKE_OFF, RUNNING, Run, begin_run, last_runs, note_run
from algosync.stores.state import open_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def state(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True) as opened:
        yield opened


def _run(minutes_ago, operations=None, outcome="done"):
    report = {} if operations is None else {"pushed": {"operations": operations}, "events": {"read": 3}}
    started = NOW - timedelta(minutes=minutes_ago)
    return Run(command="sync", started_at=started, as_of=None, outcome=outcome, report=report)


def test_the_latest_come_first_and_whole(state):
    made = [_run(30, 5), _run(20, outcome="shop: gone"), _run(10, 7)]
    for run in made:
        note_run(state, run)
    assert last_runs(state) == made[::-1]
    assert last_runs(state, 1) == [made[2]]


def test_a_run_has_its_row_from_the_beginning_and_one_that_broke_off_shows(state):
    first = begin_run(state, "sync", NOW)
    assert last_runs(state)[0].outcome == RUNNING
    second = begin_run(state, "pull", NOW)
    note_run(state, replace(_run(0, 4), number=second))
    found = last_runs(state)
    assert [(run.number, run.outcome) for run in found] == [(second, "done"), (first, BROKE_OFF)]
    assert found[0].report["pushed"] == {"operations": 4}


def test_old_runs_are_forgotten(state, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 3)
    for minutes in range(5, 0, -1):
        note_run(state, _run(minutes, minutes))
    assert [run.report["pushed"]["operations"] for run in last_runs(state, 10)] == [1, 2, 3]


def test_when_a_run_ended_is_kept(state):
    made = [replace(_run(180, 100), finished_at=NOW - timedelta(minutes=m)) for m in (61, 30)]
    for run in made:
        note_run(state, run)
    assert last_runs(state) == made[::-1]
