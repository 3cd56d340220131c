"""`algosync worker`: what each of its jobs does, and what becomes of one that fails.

Which job is due is the schedule's business. A failed job is dealt with as its error says: tried again with growing
pauses, skipped, or left until it is next due; in each case it is noted, logged and told, never swallowed.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import structlog
from structlog.contextvars import bound_contextvars

from algosync.errors import AlgosyncError, StoppedError, StoreError
from algosync.runtime.clock import system_clock
from algosync.runtime.forgetting import retain
from algosync.runtime.opening import Opening
from algosync.runtime.pushing import sync
from algosync.runtime.reading import catalog_read, pulled, rebuilt
from algosync.runtime.stopping import Stopping
from algosync.runtime.telling import delivered_shortly, sending, tell
from algosync.runtime.verifying import verified
from algosync.runtime.vitals import Vitals, vitals
from algosync.settings.models import Settings
from algosync.settings.service import OFF
from algosync.stores.jobs import LastRun, Outcome, last_jobs, note_job
from algosync.stores.leader import Leadership, leadership
from algosync.stores.snapshot import SNAPSHOT
from algosync.stores.state import State
from algosync.sync.cycle import Fresh
from algosync.sync.ledger import Ledger
from algosync.sync.occurrences import failed, is_failure

WORKER: Final = "worker"
_logger = structlog.get_logger("algosync.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A job's run.

    Attributes:
        name: The job.
        started_at, finished_at: When.
        outcome: How it ended, see LastRun.
        error: Why it was anything but done.
        again_in_s: Seconds until it is tried again, where that is not left to the schedule.
        waits: It is not run before that, even where the schedule would.
        report: What it said; empty where it failed.
        run: Its number in the record of runs.
    """

    name: str
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    error: str | None = None
    again_in_s: float | None = None
    waits: bool = True
    report: Mapping[str, Any] = field(default_factory=dict)
    run: int | None = None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.finished_at - self.started_at).total_seconds()

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "job": self.name,
            "run": self.run,
            "started_at": self.started_at.isoformat(),
            "seconds": self.seconds,
            "outcome": self.outcome,
            "error": self.error,
            "again_in_s": self.again_in_s,
            "report": dict(self.report),
        }

    def as_last(self) -> LastRun:
        """What is kept of it."""
        return LastRun(
            name=self.name,
            started_at=self.started_at,
            finished_at=self.finished_at,
            outcome=self.outcome,
            error=self.error,
            run=self.run,
        )


class Worker:
    """Does the jobs of one shop, one at a time; a context that holds the state open.

    Args:
        settings: The settings.
        base: The folder of the settings file.
        stopping: That it was told to end.
        told: Called with each run that has ended.
        clock: Tells the time.
    """

    def __init__(
        self,
        settings: Settings,
        base: Path,
        stopping: Stopping,
        *,
        told: Sequence[Callable[[Ended], None]] = (),
        clock: Callable[[], datetime] = system_clock,
    ) -> None:
        self.settings = settings
        self.stopping = stopping
        self.clock = clock
        self.due: dict[str, datetime] = {}
        self._opening = Opening(settings, base, progress=_Steps(self._go_on, stopping), clock=clock)
        self._jobs = jobs(self._opening)
        self._told = told
        self._lead: Leadership | None = None
        self._failures: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self.state = self._opening.state(create=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.state.close()

    @property
    def leads(self) -> bool:
        """Whether it is this worker that does the jobs."""
        lead = self._lead
        return lead is not None and not lead.lost.is_set()

    @contextmanager
    def leading(self, wait_s: float) -> Iterator[Leadership]:
        """Leads while this lasts; a job that is under way when leadership is lost breaks off.

        Raises:
            BusyError: Another leads, and did so for as long as there was to wait.
        """
        stop = self.stopping.asked
        with leadership(self.state, self._opening.directory, name=WORKER, wait_s=wait_s, stop=stop) as lead:
            self._lead = lead
            try:
                with sending(self._opening):
                    yield lead
            finally:
                self._lead, self.due = None, {}

    def vitals(self) -> Vitals:
        """How the service is.

        Raises:
            StoreError: The state cannot be read.
        """
        ledger = Ledger(self.state.engine, self._opening.target)
        return vitals(self.settings, self.state, ledger, self.clock())

    def snapshot(self) -> State:
        """The snapshot, for reading; to be closed."""
        return self._opening.state(create=False, book=SNAPSHOT)

    def last(self) -> dict[str, LastRun]:
        """The last run of each job, of whichever worker."""
        return last_jobs(self.state)

    def send(self) -> None:
        """Sends the webhooks that are due, for a short while."""
        for note in delivered_shortly(self._opening):
            _logger.warning("webhooks", note=note)

    def run(self, name: str) -> Ended:
        """Does one job, and says how it ended; only one that leads may."""
        started = self.clock()
        self._begin(name, started)
        self._opening.run = None
        with bound_contextvars(job=name):
            outcome, error, report, pause = self._attempt(name)
            ended = Ended(
                name=name,
                started_at=started,
                finished_at=self.clock(),
                outcome=outcome,
                error=error,
                again_in_s=pause,
                waits=outcome != "done" or report.get("pushed", {}).get("stopped") is not None,
                report=report,
                run=self._opening.run,
            )
            _log(ended)
        with _tolerant():
            note_job(self.state, ended.as_last())
        for listener in self._told:
            listener(ended)
        return ended

    def _attempt(self, name: str) -> tuple[Outcome, str | None, Mapping[str, Any], float | None]:
        try:
            with self.stopping.work():
                report = self._jobs[name]()
        except StoppedError as error:
            return "stopped", str(error), {}, None
        except AlgosyncError as error:
            if not self.leads:
                return "stopped", str(error), {}, None
            self._tell(name, error)
            return self._failed(name, error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the other jobs go on
            self._tell(name, error)
            self._failures[name] += 1
            last = traceback.extract_tb(error.__traceback__)[-1]
            # The text may hold what a log must not.
            return "failed", f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}", {}, None
        self._failures[name] = 0
        return "done", None, report, self._sooner(report)

    def _sooner(self, report: Mapping[str, Any]) -> float | None:
        """Seconds until a push can go on that Algolia or a budget cut short; answers do not wait for a budget."""
        again = report.get("pushed", {}).get("again")
        if again is None:
            return None
        left = (datetime.fromisoformat(again) - self.clock()).total_seconds()
        return max(left, self.settings.worker.retry_seconds) if left > 0 else None

    def _failed(self, name: str, error: AlgosyncError) -> tuple[Outcome, str, Mapping[str, Any], float | None]:
        if error.action == "skip":
            return "skipped", str(error), {}, None
        self._failures[name] += 1
        if error.action == "stop":
            return "failed", str(error), {}, None
        worker = self.settings.worker
        pause = min(worker.retry_seconds * 2.0 ** min(self._failures[name] - 1, 30), worker.retry_max_seconds)
        return "retrying", str(error), {}, max(pause, error.retry_after_s or 0)

    def _tell(self, name: str, error: Exception) -> None:
        """Tells of a failure whoever waits for that; what the run itself told already is the same occurrence."""
        if is_failure(error):
            tell(self._opening, self.state, failed(name, error, self.clock()))

    def _begin(self, name: str, at: datetime) -> None:
        with _tolerant():
            before = self.last().get(name) or LastRun(name=name, started_at=at)
            note_job(self.state, replace(before, started_at=at, finished_at=None))

    def _go_on(self, *, thorough: bool) -> None:
        self.stopping.check()
        lead = self._lead
        if lead is not None and (thorough or lead.lost.is_set()):
            lead.check()


def jobs(opening: Opening) -> dict[str, Callable[[], Mapping[str, Any]]]:
    """What each job does. What no job of its own finds anew, the push finds."""
    schedule = opening.settings.schedule
    known = Fresh(catalog=schedule.catalog == OFF, related=schedule.related == OFF, events=schedule.pull == OFF)
    return {
        "catalog": lambda: catalog_read(opening),
        "pull": lambda: pulled(opening, Fresh(catalog=known.catalog)),
        "related": lambda: rebuilt(opening, fresh=Fresh(catalog=known.catalog)),
        "push": lambda: sync(opening, (), fresh=known).document(),
        "verify": lambda: verified(opening).document(),
        "retention": lambda: retain(opening),
    }


class _Steps:
    """Progress that nobody watches, and that asks at each step whether to go on."""

    def __init__(self, go_on: Callable[..., None], stopping: Stopping) -> None:
        self._go_on = go_on
        self._stopping = stopping

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Goes on, or does not; yields a function that does the same."""
        self._go_on(thorough=True)
        with self._stopping.named():
            yield lambda _: self._go_on(thorough=False)


@contextmanager
def _tolerant() -> Iterator[None]:
    """A database that fails keeps no job from being told how it ended: the job itself fails too, and says so."""
    try:
        yield
    except StoreError as error:
        _logger.warning("the job's outcome could not be kept", error=str(error))


def _log(ended: Ended) -> None:
    what = {"run": ended.run, "outcome": ended.outcome, "seconds": round(ended.seconds, 3)}
    if ended.outcome == "done":
        _logger.info("job ended", **what, **_figures(ended.report))
    else:
        _logger.warning("job ended", **what, error=ended.error, again_in_s=ended.again_in_s)


def _figures(report: Mapping[str, Any]) -> dict[str, Any]:
    """The few numbers of a report that a log line bears."""
    events, pushed = report.get("events", {}), report.get("pushed", {})
    return {
        **{key: events[key] for key in ("read", "accepted", "rejected") if key in events},
        **{key: pushed[key] for key in ("operations", "deferred") if key in pushed},
    }
