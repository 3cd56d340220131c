"""The record of runs: what was done, when, with what outcome.

A run has its row from the beginning, so that its number is in every line that it logs, and so that one that broke off
without a word is seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select, update

from algosync.stores.state import State
from algosync.stores.tables import runs

_FINISHED = "finished_at"  # kept within the report, so that the table stays as it is
KEPT = 5000
"""Older runs are forgotten."""
AUDIENCE = "audience"
"""The command that hands people's tokens out; its runs are not forgotten, so that it is known for ever."""
RUNNING: Final = "running"
BROKE_OFF: Final = "broke off: the process ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        command: pull, rebuild or sync.
        started_at: When it began.
        as_of: The moment that its results describe, or None.
        outcome: "done", RUNNING, or the error's text.
        report: What it said.
        finished_at: When it ended, or None where that is not known.
        number: Of its row; None where it has none yet.
    """

    command: str
    started_at: datetime
    as_of: str | None
    outcome: str
    report: Mapping[str, Any]
    finished_at: datetime | None = None
    number: int | None = field(default=None, compare=False)


def begin_run(state: State, command: str, started_at: datetime) -> int:
    """Gives a run its row; whatever was running before has broken off, since two never run at once.

    Returns:
        Its number.
    """
    with state.write() as connection:
        connection.execute(update(runs).where(runs.c.outcome == RUNNING).values(outcome=BROKE_OFF))
    return note_run(state, Run(command=command, started_at=started_at, as_of=None, outcome=RUNNING, report={}))


def note_run(state: State, run: Run) -> int:
    """Keeps a run: in its row, or in a new one where it has none.

    Returns:
        The row's number.
    """
    ended = {} if run.finished_at is None else {_FINISHED: run.finished_at.isoformat()}
    values = {
        "command": run.command,
        "started_at": run.started_at.isoformat(),
        "as_of": run.as_of,
        "outcome": run.outcome,
        "report": json.dumps({**run.report, **ended}, sort_keys=True, default=str),
    }
    with state.write() as connection:
        if run.number is not None:
            connection.execute(update(runs).where(runs.c.id == run.number).values(**values))
            return run.number
        number = connection.scalar(insert(runs).values(**values).returning(runs.c.id)) or 0
        connection.execute(delete(runs).where(runs.c.id <= number - KEPT, runs.c.command != AUDIENCE))
        return number


def last_runs(state: State, limit: int = 5) -> list[Run]:
    """The latest runs, newest first."""
    with state.read() as connection:
        found = connection.execute(select(runs).order_by(runs.c.id.desc()).limit(limit)).mappings().all()
    return [_run(row) for row in found]


def run_at(state: State, moment: datetime) -> Run | None:
    """The last run that had made a snapshot by a moment; None where that one is forgotten, or none had."""
    c = runs.c
    made = select(runs).where(c.as_of.is_not(None), c.outcome == "done", c.started_at <= moment.isoformat())
    with state.read() as connection:
        rows = map(_run, connection.execute(made.order_by(c.id.desc()).limit(KEPT)).mappings())
        return next((run for run in rows if (run.finished_at or run.started_at) <= moment), None)


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
        number=row["id"],
    )
