"""What `worker`, `status` and `runs` say to people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from algosync.cli import render, service
from algosync.cli.worker import _told
from algosync.runtime.working import Ended

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
JOB: dict[str, Any] = {
    "outcome": "done",
    "failing": False,
    "running": False,
    "started_at": "2026-11-23T12:00:00+00:00",
    "seconds": 3.25,
    "error": None,
    "run": 7,
    "due": "2026-11-23T12:05:00+00:00",
}
REPORT: dict[str, Any] = {
    "jobs": {"push": JOB},
    "paused": None,
    "quiet": None,
    "operations_left": None,
    "pushed_at": None,
    "served": {"as_of": {}, "deferred_since": None, "oldest": None, "ages_s": {}},
    "problems": [],
}
RUN: dict[str, Any] = {
    "number": 7,
    "command": "sync",
    "started_at": "2026-11-23T12:00:00+00:00",
    "seconds": 3.25,
    "as_of": None,
    "outcome": "done",
    "read": 39,
    "operations": 12,
}


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setattr(render, "out", Console(highlight=False, width=200))


def said(capsys, **more):
    service.status({**REPORT, **more})
    return capsys.readouterr().out


def test_jobs_are_shown_with_when_they_are_due(capsys):
    out = said(capsys)
    assert "push" in out
    assert "2026-11-23 12:05:00" in out


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"jobs": {"push": {**JOB, "running": True}}}, "running, or broke off"),
        (
            {"paused": {"at": "2026-11-23T11:00:00+00:00", "reason": "sale [x]"}},
            "paused since 2026-11-23 11:00:00: sale [x]",
        ),
        ({"quiet": "2026-11-23"}, "2026-11-23 is a quiet time"),
        ({"operations_left": 1500}, "1,500 operations are left"),
        ({"problems": ["push failed: x [y]"]}, "push failed: x [y]"),
        ({"served": {**REPORT["served"], "ages_s": {"related": 7300.0}}}, "related at Algolia are of 2 hours ago"),
        ({"served": {**REPORT["served"], "ages_s": {"related": 59.0}}}, "related at Algolia are of 59 seconds ago"),
        (
            {"served": {**REPORT["served"], "deferred_since": "2026-11-23T11:00:00+00:00"}},
            "changes wait to be pushed since 2026-11-23 11:00:00",
        ),
    ],
)
def test_what_else_there_is_to_know_of_the_service(capsys, more, expected):
    assert expected in said(capsys, **more)


def test_erasures_that_are_not_at_their_end_are_shown(capsys):
    service.erasures([{"erasure": "1a-[x]", "status": "pending"}, {"erasure": "2b", "status": "unfinished"}])
    out = capsys.readouterr().out
    assert "erasure 1a-[x]: Algolia still deletes; algosync forget --pending" in out
    assert "erasure 2b: it broke off" in out


def test_runs_in_a_table(capsys):
    service.runs({"runs": [RUN, {**RUN, "number": 6, "outcome": "shop: gone", "seconds": None, "read": None}]})
    out = capsys.readouterr().out
    assert "2026-11-23 12:00:00" in out
    assert "shop: gone" in out
    service.runs({"runs": []})
    assert "no runs yet" in capsys.readouterr().out


def test_a_line_for_each_job(capsys):
    done = Ended(name="push", started_at=NOON, finished_at=NOON + timedelta(seconds=3.2), outcome="done")
    _told(done)
    assert capsys.readouterr().out == "12:00:03  push         3.2 s  done\n"
    failed = Ended(
        name="pull", started_at=NOON, finished_at=NOON, outcome="retrying", error="shop [1]: gone", again_in_s=30.0
    )
    _told(failed)
    assert capsys.readouterr().out == "12:00:00  pull         0.0 s  retrying: shop [1]: gone; again in 30 s\n"
