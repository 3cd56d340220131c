"""The record of runs: what was done, when, with what outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select

from algosync.stores.state import State
from algosync.stores.tables import runs

_FINISHED = "finished_at"  # kept within the report, so that the table stays as it is
KEPT = 1000
"""Older runs are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        command: pull, rebuild or sync.
        started_at: When it began.
        as_of: The moment that its results describe, or None.
        outcome: "done", or the error's text.
        report: What it said.
        finished_at: When it ended, or None where that is not known.
    """

    command: str
    started_at: datetime
    as_of: str | None
    outcome: str
    report: Mapping[str, Any]
    finished_at: datetime | None = None


def note_run(state: State, run: Run) -> None:
    """Keeps a run."""
    ended = {} if run.finished_at is None else {_FINISHED: run.finished_at.isoformat()}
    with state.write() as connection:
        values = {
            "command": run.command,
            "started_at": run.started_at.isoformat(),
            "as_of": run.as_of,
            "outcome": run.outcome,
            "report": json.dumps({**run.report, **ended}, sort_keys=True, default=str),
        }
        number = connection.scalar(insert(runs).values(**values).returning(runs.c.id)) or 0
        connection.execute(delete(runs).where(runs.c.id <= number - KEPT))


def last_runs(state: State, limit: int = 5) -> list[Run]:
    """The latest runs, newest first."""
    with state.read() as connection:
        found = connection.execute(select(runs).order_by(runs.c.id.desc()).limit(limit)).mappings().all()
    return [_run(row) for row in found]


def run_at(state: State, moment: datetime) -> Run | None:
    """The last run that had made a snapshot by a moment; None where that one is forgotten, or none had."""
    made = (run for run in last_runs(state, KEPT) if run.as_of is not None and run.outcome == "done")
    return next((run for run in made if (run.finished_at or run.started_at) <= moment), None)


def operations_since(state: State, now: datetime, span: timedelta) -> int:
    """How many operations runs have pushed that ended within the last span, or began in it where no end is known."""
    return sum(
        run.report.get("pushed", {}).get("operations", 0)
        for run in last_runs(state, KEPT)
        if (run.finished_at or run.started_at) > now - span
    )


def _run(row: Mapping[Any, Any]) -> Run:
    report = json.loads(row["report"])
    ended = report.pop(_FINISHED, None)
    return Run(
        command=row["command"],
        started_at=datetime.fromisoformat(row["started_at"]),
        as_of=row["as_of"],
        outcome=row["outcome"],
        report=report,
        finished_at=None if ended is None else datetime.fromisoformat(ended),
    )
