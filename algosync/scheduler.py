"""The schedule: which job is due. The only module that imports APScheduler.

Jobs run one after the other in the thread that asks for them, never two at once: they share one state. Runs that were
missed, while another job took long or nobody led, are made up for by one.
"""

from __future__ import annotations

import gc
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from apscheduler.executors.base import BaseExecutor
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from algosync.errors import BusyError, ConfigError, StoreError
from algosync.runtime.working import Ended, Worker
from algosync.settings.service import OFF, ScheduleSettings, every
from algosync.stores.jobs import JOBS, LastRun
from algosync.stores.leader import Leadership

_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LOOKS_EVERY_S: Final = 1.0
"""How soon a worker that waits for the next job notices that it leads no longer."""
_SOON: Final = timedelta(minutes=1)
"""A run that cron starts a little before a job is due does it."""
_OVER: Final = ("done", "skipped", "failed")
_logger = structlog.get_logger("algosync.worker")


def work(worker: Worker, ready: Callable[[], None]) -> None:
    """Leads whenever no other worker does, and then does what is due, until it is told to end.

    Args:
        worker: Does the jobs.
        ready: Called once the schedule is known to be good.

    Raises:
        ConfigError: The schedule makes no sense.
    """
    stop = worker.stopping.asked
    due_at(worker.settings.schedule, {}, worker.clock())
    ready()
    while not stop.is_set():
        try:
            with worker.leading(math.inf) as lead:
                _logger.info("leads")
                _do_what_is_due(worker, lead)
        except BusyError as error:
            if not stop.is_set():
                _logger.warning("leads no longer", error=str(error))
        except StoreError as error:
            _logger.warning("the state cannot be used", error=str(error))
            stop.wait(_LOOKS_EVERY_S)


def _do_what_is_due(worker: Worker, lead: Leadership) -> None:
    stop = worker.stopping.asked
    schedule = worker.settings.schedule
    timetable = Timetable(schedule, worker.last(), worker.clock(), worker.run)
    while not stop.is_set():
        lead.check()
        if timetable.is_outdated:
            _logger.warning("the clock was put back; what is due is found anew")
            timetable = Timetable(schedule, worker.last(), worker.clock(), worker.run)
        if timetable.run_next():
            # A job leaves much in cycles, and Python by itself looks for them 100 MB and dozens of jobs later.
            gc.collect()
            continue
        seconds = timetable.look()
        worker.due = timetable.due()
        if not timetable.waiting:
            stop.wait(_LOOKS_EVERY_S if seconds is None else min(seconds, _LOOKS_EVERY_S))


def once(worker: Worker, names: Sequence[str]) -> list[Ended]:
    """Does jobs one after the other: those named, or those that are due now or within a minute.

    Raises:
        BusyError: Another worker leads.
        ConfigError: The schedule makes no sense.
    """
    with worker.leading(0):
        now = worker.clock()
        due = due_at(worker.settings.schedule, worker.last(), now)
        todo = names or [name for name, moment in due.items() if moment <= now + _SOON]
        ended = [worker.run(name) for name in todo]
        worker.send()
    return ended


class Timetable:
    """When each job is due, and the jobs that are.

    Nothing runs by itself: `look` puts what is due in turn, `run_next` runs the first of it.

    Args:
        schedule: When the shop wants what.
        last: The last run of each job.
        now: This moment.
        run: Runs a job by its name; says when it is to run again if not as scheduled.
    """

    def __init__(
        self,
        schedule: ScheduleSettings,
        last: Mapping[str, LastRun],
        now: datetime,
        run: Callable[[str], Ended],
    ) -> None:
        self._turns = _InTurn()
        self._seen = _now()
        self._scheduler: Any = _Driven(
            timezone=UTC,
            executors={"default": self._turns},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for name, due in due_at(schedule, last, now).items():
            trigger = _trigger(schedule, name, max(due, now))
            self._scheduler.add_job(run, trigger, args=[name], id=name, next_run_time=max(due, now))
        self._scheduler.start()

    def look(self) -> float | None:
        """Puts in turn what is due.

        Returns:
            Seconds until something else will be; None where nothing ever will.
        """
        seconds: float | None = self._scheduler._process_jobs()  # noqa: SLF001  # how APScheduler's own loops drive it
        return seconds

    def run_next(self) -> bool:
        """Runs the first job in turn, if there is one."""
        job = self._turns.first()
        if job is None:
            return False
        self._settle(job)
        try:
            ended: Ended = job.func(*job.args)
        finally:
            self._turns.ended(job)
        if ended.again_in_s is not None:
            again = _now() + timedelta(seconds=ended.again_in_s)
            planned = job.next_run_time
            self._scheduler.modify_job(job.id, next_run_time=again if ended.waits else min(again, planned or again))
        return True

    def _settle(self, job: Any) -> None:
        """This run is for all the moments that passed while the job waited for its turn."""
        now, moment = _now(), job.next_run_time
        while moment is not None and moment <= now:
            moment = job.trigger.get_next_fire_time(moment, now)
        if moment != job.next_run_time:
            self._scheduler.modify_job(job.id, next_run_time=moment)

    @property
    def is_outdated(self) -> bool:
        """Whether the clock was put back: what was planned by it may be any time from now."""
        now = _now()
        self._seen = max(self._seen, now)
        return now < self._seen - _SOON

    @property
    def waiting(self) -> bool:
        """Whether a job is in turn."""
        return bool(self._turns.waiting)

    def due(self) -> dict[str, datetime]:
        """When each job will run next."""
        return {job.id: job.next_run_time for job in self._scheduler.get_jobs()}


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  # the clock that APScheduler reads


def due_at(schedule: ScheduleSettings, last: Mapping[str, LastRun], now: datetime) -> dict[str, datetime]:
    """When each job of a schedule is or was due that is not off: by its last run, which counts unless it broke off.

    Raises:
        ConfigError: A cron line makes no sense.
    """
    due = {}
    for name in JOBS:
        trigger = _trigger(schedule, name, now, jitter=0)
        if trigger is not None:
            due[name] = _first(schedule.of(name), trigger, last.get(name), now)
    return due


def _first(times: str, trigger: BaseTrigger, last: LastRun | None, now: datetime) -> datetime:
    if last is not None and last.started_at > now:  # by a clock that was wrong: nobody knows when it was
        return now
    if last is not None and (last.finished_at is None or last.outcome not in _OVER):
        return last.finished_at or last.started_at
    span = every(times)
    if span is not None:
        return now if last is None else last.started_at + _interval(span)
    after = now if last is None else last.started_at + timedelta(microseconds=1)
    found: datetime | None = trigger.get_next_fire_time(None, after)
    return found or datetime.max.replace(tzinfo=now.tzinfo)


def _trigger(schedule: ScheduleSettings, name: str, start: datetime, jitter: int | None = None) -> BaseTrigger | None:
    times, zone = schedule.of(name), ZoneInfo(schedule.timezone)
    late = (schedule.jitter_seconds if jitter is None else jitter) or None
    if times == OFF:
        return None
    span = every(times)
    if span is not None:
        return IntervalTrigger(seconds=_interval(span).total_seconds(), start_date=start, timezone=UTC, jitter=late)
    try:
        return _cron(times, zone, late)
    except ValueError as error:
        hint = "Write minute, hour, day of month, month, day of week, such as '30 3 * * 1-5'"
        raise ConfigError(f"'{times}' is no cron line: {error}", where=f"schedule.{name}", hint=hint) from None


def _interval(span: tuple[int, str]) -> timedelta:
    number, unit = span
    return timedelta(**{f"{unit}s": number})


def _cron(line: str, zone: ZoneInfo, jitter: int | None) -> BaseTrigger:
    minute, hour, day, month, weekday = line.split()
    time = {"minute": minute, "hour": hour, "month": month, "timezone": zone, "jitter": jitter}
    days = _weekdays(weekday)
    if "*" not in (day, weekday):  # cron means either of them, APScheduler both
        return OrTrigger([_Cron(day=day, **time), _Cron(day_of_week=days, **time)])
    return _Cron(day=day, day_of_week=days, **time)


def _weekdays(field: str) -> str:
    """Cron's numbers as names: APScheduler counts from Monday, cron from Sunday, which is 7 too."""
    return ",".join(map(_weekday, field.split(",")))


def _weekday(part: str) -> str:
    span, _, step = part.partition("/")
    if not any(sign.isdigit() for sign in span) and not (span == "*" and step):
        return part
    first, _, last = ("0-7" if span == "*" else span).partition("-")
    end = last or (first if not step else "7")
    if not (first.isdigit() and end.isdigit() and (step or "1").isdigit() and 0 <= int(first) <= int(end) <= 7):
        raise ValueError(f"'{part}' is no day of the week")
    return ",".join(_DAYS[number % 7] for number in range(int(first), int(end) + 1, max(int(step or "1"), 1)))


class _Cron(CronTrigger):  # type: ignore[misc]
    """Its moments are told in UTC: on a wall clock jitter and comparisons err while an hour comes twice, for ever."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        after = now if previous_fire_time is None else previous_fire_time + timedelta(microseconds=1)
        found: datetime | None = super().get_next_fire_time(None, after)
        return found

    def _apply_jitter(self, next_fire_time: datetime, jitter: int | None, now: datetime) -> datetime:
        moment: datetime = super()._apply_jitter(next_fire_time.astimezone(UTC), jitter, now)
        return moment


class _Driven(BaseScheduler):  # type: ignore[misc]
    """APScheduler's scheduler without a loop of its own."""

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002  # as it is declared
        super().shutdown(wait)

    def wakeup(self) -> None:
        """Whoever drives it looks again anyway."""


class _InTurn(BaseExecutor):  # type: ignore[misc]
    """Keeps what is due in order."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: deque[Any] = deque()

    def _do_submit_job(self, job: Any, _run_times: list[datetime]) -> None:
        self.waiting.append(job)

    def first(self) -> Any | None:
        return self.waiting.popleft() if self.waiting else None

    def ended(self, job: Any) -> None:
        self._run_job_success(job.id, [])
