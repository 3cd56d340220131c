"""How the service is, from its stores alone: for `status`, /readyz and the metrics. Nothing personal is among it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from algosync.errors import AlgosyncError
from algosync.events import quarantine
from algosync.runtime.pushing import allowance, quiet_time
from algosync.settings.models import Settings
from algosync.settings.rules import hash_key
from algosync.settings.service import OFF, ScheduleSettings
from algosync.stores import control
from algosync.stores.certificates import last_certificate
from algosync.stores.jobs import LastRun, last_jobs
from algosync.stores.lags import newest_by_source
from algosync.stores.state import State
from algosync.stores.tombstones import open_history
from algosync.stores.witness import needed, refuse_lost
from algosync.sync.ledger import Ledger
from algosync.sync.served import Served, standing

Due = Callable[[ScheduleSettings, Mapping[str, LastRun], datetime], Mapping[str, datetime]]
"""When each job of a schedule is or was due, by the last runs and the moment it is."""
FAILING: Final = ("failed", "retrying")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """How the service is at one moment.

    Attributes:
        at: The moment.
        present: The moment that now is to those who judge by the newest event, where `state.as_of` says so; else `at`.
        jobs: The last run of each job.
        newest: By source the newest event.
        rejected: (source, reason, rows) in quarantine, most first.
        refused: Payloads that Algolia refused and that wait for a change.
        ledger: Objects by family and status.
        served: What Algolia serves.
        pushed_at: When a run last compared that with what it should; None before the first.
        paused: Since when pushing is paused, and why; None where it is not.
        quiet: The quiet time that now is.
        operations_left: What the budgets leave; None for no limit.
        certificate: What the last `verify` found, with `at`; None before the first.
        tombstones: Why nobody can be kept away who was forgotten, so that nothing is pulled or pushed; None in order.
    """

    at: datetime
    present: datetime
    jobs: Mapping[str, LastRun]
    newest: Mapping[str, datetime]
    rejected: Sequence[tuple[str, str, int]]
    refused: int
    ledger: Mapping[str, Mapping[str, int]]
    served: Served
    pushed_at: datetime | None
    paused: Mapping[str, Any] | None
    quiet: str | None
    operations_left: int | None
    certificate: Mapping[str, Any] | None
    tombstones: str | None

    @property
    def ages_s(self) -> dict[str, float]:
        """By family the age in seconds of the moment that what is served describes."""
        moments = {family: datetime.fromisoformat(moment) for family, moment in self.served.as_of.items()}
        return {family: (self.present - moment).total_seconds() for family, moment in moments.items()}

    @property
    def waits_since(self) -> datetime | None:
        """Since when something waits to be pushed."""
        since = self.served.deferred_since
        return None if since is None else datetime.fromisoformat(since)


def vitals(settings: Settings, state: State, ledger: Ledger, now: datetime) -> Vitals:
    """Reads how the service is.

    Raises:
        StoreError: The state cannot be read.
    """
    last, newest = control.told(state, control.SERVED), newest_by_source(state)
    return Vitals(
        at=now,
        present=now if settings.state.as_of == "clock" else max(newest.values(), default=now),
        jobs=last_jobs(state),
        newest=newest,
        rejected=quarantine.counts(state, quarantine.Which()),
        refused=len(ledger.refusals.listed()),
        ledger=ledger.counts(),
        served=standing(state),
        pushed_at=None if last is None else datetime.fromisoformat(last["at"]),
        paused=control.told(state, control.PAUSED),
        quiet=quiet_time(settings, now),
        operations_left=allowance(settings, ledger, now).operations,
        certificate=last_certificate(state),
        tombstones=_tombstones(settings, state),
    )


def _tombstones(settings: Settings, state: State) -> str | None:
    try:
        need = needed(state)
        refuse_lost(need, open_history(settings.state.url, state.directory, hash_key(settings)))
    except AlgosyncError as error:
        return str(error)
    return None


def problems(found: Vitals, settings: Settings, due: Mapping[str, datetime]) -> list[str]:
    """What is wrong, for people; a pause and a quiet time are not.

    Args:
        found: How the service is.
        settings: Say how late it may be.
        due: When each job is or was due. That no worker leads shows in jobs being left undone, wherever it is asked.
    """
    limit = timedelta(minutes=settings.worker.stale_minutes)
    told = [] if found.tombstones is None else [found.tombstones]
    told += [f"{job.name} failed: {job.error}" for job in found.jobs.values() if job.outcome in FAILING]
    told += [
        f"{name} has been due since {moment.isoformat(timespec='seconds')}: no worker leads, or it does not keep up"
        for name, moment in due.items()
        if found.at - moment > limit
    ]
    if settings.schedule.push == OFF or found.paused is not None or found.quiet is not None:
        return told
    waits = found.waits_since
    if found.pushed_at is None:
        told.append("nothing has been pushed yet")
    elif found.at - max(found.pushed_at, due.get("push", found.pushed_at)) > limit:
        told.append(f"nothing has been pushed since {found.pushed_at.isoformat(timespec='seconds')}")
    elif waits is not None and found.at - waits > limit:
        told.append(f"changes have been waiting to be pushed since {waits.isoformat(timespec='seconds')}")
    return told


def service_document(found: Vitals, due: Mapping[str, datetime]) -> dict[str, Any]:
    """How the service is, as /readyz and `status` say it.

    Args:
        found: How it is.
        due: When each job is due that is.
    """
    names = sorted({*found.jobs, *due})
    return {
        "jobs": {name: _job(found.jobs.get(name), due.get(name)) for name in names},
        "paused": None if found.paused is None else dict(found.paused),
        "quiet": found.quiet,
        "operations_left": found.operations_left,
        "pushed_at": None if found.pushed_at is None else found.pushed_at.isoformat(),
        "served": {**found.served.document(), "ages_s": found.ages_s},
    }


def _job(last: LastRun | None, due: datetime | None) -> dict[str, Any]:
    started, ended = (None, None) if last is None else (last.started_at, last.finished_at)
    return {
        "outcome": None if last is None else last.outcome,
        "failing": last is not None and last.outcome in FAILING,
        "running": started is not None and ended is None,
        "started_at": None if started is None else started.isoformat(),
        "seconds": None if started is None or ended is None else (ended - started).total_seconds(),
        "error": None if last is None else last.error,
        "run": None if last is None else last.run,
        "due": None if due is None else due.isoformat(),
    }
