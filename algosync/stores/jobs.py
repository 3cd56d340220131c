"""The last run of each of the service's jobs: when, with what outcome.

A job has its row from its beginning; one without an end broke off, unless it runs now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import delete, insert, select

from algosync.stores.state import State
from algosync.stores.tables import jobs

JOBS: Final = ("catalog", "pull", "related", "push", "verify", "retention")
"""Every job, in the order in which they are best done."""
Outcome = Literal["done", "skipped", "failed", "retrying", "stopped"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The last run of a job.

    Attributes:
        name: The job.
        started_at: When it began.
        finished_at: When it ended; None while it runs, or where it broke off.
        outcome: How it ended; while it runs, how the run before did. "skipped": it may do nothing now; "failed": it is
            tried again when it is next due; "retrying": sooner; "stopped": the service was told to end.
        error: Why it was anything but done.
        run: The number of the run that it was, in the record of runs.
    """

    name: str
    started_at: datetime
    finished_at: datetime | None = None
    outcome: Outcome | None = None
    error: str | None = None
    run: int | None = None


def note_job(state: State, job: LastRun) -> None:
    """Keeps what is known of a job's run, in place of the one before.

    Raises:
        StoreError: The state cannot be written.
    """
    row = {
        "name": job.name,
        "started_at": job.started_at.isoformat(),
        "finished_at": None if job.finished_at is None else job.finished_at.isoformat(),
        "outcome": job.outcome,
        "error": job.error,
        "run": job.run,
    }
    with state.write() as connection:
        connection.execute(delete(jobs).where(jobs.c.name == job.name))
        connection.execute(insert(jobs).values(**row))


def last_jobs(state: State) -> dict[str, LastRun]:
    """The last run of every job that ever ran.

    Raises:
        StoreError: The state cannot be read.
    """
    with state.read() as connection:
        rows = connection.execute(select(jobs).order_by(jobs.c.name)).mappings().all()
    return {row["name"]: _last_run(row) for row in rows}


def _last_run(row: Mapping[Any, Any]) -> LastRun:
    ended = row["finished_at"]
    return LastRun(
        name=row["name"],
        started_at=datetime.fromisoformat(row["started_at"]),
        finished_at=None if ended is None else datetime.fromisoformat(ended),
        outcome=row["outcome"],
        error=row["error"],
        run=row["run"],
    )
