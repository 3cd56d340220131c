"""Which job is due when: cron as cron means it, intervals by the last run, one at a time, by a clock that is moved."""

from __future__ import annotations

import gc
import weakref
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Event
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync import scheduler
from algosync.errors import ConfigError
from algosync.runtime.working import Ended
from algosync.scheduler import Timetable, due_at
from algosync.settings.service import ScheduleSettings
from algosync.stores.jobs import LastRun

MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OFF = dict.fromkeys(("catalog", "pull", "related", "push", "verify", "retention"), "off")


def schedule(**times):
    return ScheduleSettings(**{**OFF, "jitter_seconds": 0, **times})


def ended(name, at, outcome="done", **more):
    return {name: LastRun(name=name, started_at=at, finished_at=at, outcome=outcome, **more)}


class Clock(datetime):
    """The clock that APScheduler reads."""

    moment = MONDAY

    @classmethod
    def now(cls, tz=None):
        return Clock.moment.astimezone(tz)


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(Clock, "moment", MONDAY)
    monkeypatch.setattr("apscheduler.schedulers.base.datetime", Clock)
    monkeypatch.setattr(scheduler, "datetime", Clock)
    return Clock


class Table:
    """A timetable, and what it ran at which minute of the clock."""

    def __init__(self, clock, plan, last=None, answers=None):
        self.ran = []
        self.clock = clock
        self.answers = answers or {}
        self.made = Timetable(plan, last or {}, clock.moment, self.run)

    def run(self, name):
        self.ran.append((name, round((self.clock.moment - MONDAY) / MINUTE)))
        answer = self.answers.get(name)
        again_in_s, waits = (answer and answer()) or (None, True)
        times = {"started_at": MONDAY, "finished_at": MONDAY}
        return Ended(name=name, **times, outcome="done", again_in_s=again_in_s, waits=waits)

    def until(self, moment):
        """Drives it as the worker does, with a clock that jumps to the next moment at which something is due."""
        while True:
            if self.made.run_next():
                continue
            seconds = self.made.look()
            if self.made.waiting:
                continue
            if seconds is None or self.clock.moment + timedelta(seconds=seconds) > moment:
                self.clock.moment = moment
                return self.ran
            self.clock.moment += timedelta(seconds=seconds)


def test_jobs_come_at_their_intervals_and_cron_lines(clock):
    table = Table(clock, schedule(pull="every 5 minutes", related="7 * * * *", push="every 1 hour"))
    assert table.until(MONDAY + 12 * MINUTE) == [("pull", 0), ("push", 0), ("pull", 5), ("related", 7), ("pull", 10)]


def test_what_was_missed_while_a_job_took_long_is_made_up_for_by_one_run(clock):
    def long():
        clock.moment += 17 * MINUTE

    table = Table(clock, schedule(pull="every 5 minutes", related="2 * * * *"), answers={"related": long})
    assert table.until(MONDAY + 26 * MINUTE) == [("pull", 0), ("related", 2), ("pull", 19), ("pull", 20), ("pull", 25)]


def test_a_job_that_asks_for_it_is_run_again_sooner_or_later_than_planned(clock):
    pauses = iter([(30.0, True), None, (3600.0, True)])
    table = Table(clock, schedule(pull="every 5 minutes"), answers={"pull": lambda: next(pauses, None)})
    table.until(MONDAY + 70 * MINUTE)
    assert [minute for _, minute in table.ran] == [0, 0, 6, 66]


def test_one_that_may_go_on_is_run_when_it_is_due_if_that_is_sooner(clock):
    pauses = iter([(120.0, False), (3600.0, False)])
    table = Table(clock, schedule(push="every 5 minutes"), answers={"push": lambda: next(pauses, None)})
    table.until(MONDAY + 12 * MINUTE)
    assert [minute for _, minute in table.ran] == [0, 2, 7, 12]


AUTUMN = datetime(2026, 10, 25, tzinfo=UTC)
"""In Berlin 02:00 the first time; an hour later it is 02:00 again."""


@pytest.mark.parametrize("times", ["every 5 minutes", "*/5 * * * *"])
@pytest.mark.parametrize("jitter", [0, 10])
def test_an_hour_that_comes_twice_holds_nothing_up(clock, times, jitter):
    clock.moment = AUTUMN - 10 * MINUTE
    table = Table(clock, schedule(push=times, timezone="Europe/Berlin", jitter_seconds=jitter))
    at = [
        AUTUMN + (minute - round((AUTUMN - MONDAY) / MINUTE)) * MINUTE for _, minute in table.until(AUTUMN + 3 * HOUR)
    ]
    assert at[-1] > AUTUMN + 3 * HOUR - 6 * MINUTE
    assert all(3 * MINUTE < later - earlier < 7 * MINUTE for earlier, later in pairwise(at))


@pytest.mark.parametrize(("day", "runs"), [(datetime(2026, 3, 29, tzinfo=UTC), 1), (AUTUMN, 2)])
def test_a_time_of_day_that_the_clock_skips_or_repeats_comes_all_the_same(clock, day, runs):
    clock.moment = day - 12 * HOUR
    ran = Table(clock, schedule(related="30 2 * * *", timezone="Europe/Berlin")).until(day + 12 * HOUR)
    assert len(ran) == runs


def test_a_clock_that_is_put_back_is_noticed(clock):
    table = Table(clock, schedule(pull="every 5 minutes"))
    table.until(MONDAY + HOUR)
    clock.moment -= MINUTE / 2  # as it is set right now and then
    assert not table.made.is_outdated
    clock.moment -= HOUR
    assert table.made.is_outdated


@pytest.mark.parametrize("times", ["every 5 minutes", "30 3 * * *"])
def test_a_run_of_the_future_was_told_by_a_wrong_clock_and_is_made_up_for_at_once(times):
    assert due_at(schedule(pull=times), ended("pull", MONDAY + 400 * DAY), MONDAY) == {"pull": MONDAY}


def test_one_that_raises_does_not_stay_in_turn(clock):
    def broken():
        raise RuntimeError("unexpected")

    table = Table(clock, schedule(pull="every 5 minutes"), answers={"pull": broken})
    table.made.look()
    with pytest.raises(RuntimeError):
        table.made.run_next()
    table.answers.clear()
    table.until(MONDAY + 5 * MINUTE)
    assert [minute for _, minute in table.ran] == [0, 5]


def test_runs_begin_up_to_the_jitter_later_and_never_earlier(clock):
    plan = schedule(pull="every 5 minutes", push="*/5 * * * *").model_copy(update={"jitter_seconds": 60})
    table = Table(clock, plan)
    table.until(MONDAY + 6 * HOUR)
    pulls = [minute for name, minute in table.ran if name == "pull"]
    assert all(5 <= later - earlier <= 7 for earlier, later in pairwise(pulls))
    assert len({minute % 5 for _, minute in table.ran}) > 1


@pytest.mark.parametrize(
    ("times", "last", "due"),
    [
        ("every 5 minutes", None, MONDAY),
        ("every 2 hours", -1 * HOUR, MONDAY + HOUR),
        ("every 2 days", -30 * DAY, MONDAY - 28 * DAY),
        ("30 3 * * *", None, MONDAY + timedelta(hours=15.5)),
        ("30 3 * * *", -1 * HOUR, MONDAY + timedelta(hours=15.5)),
        ("30 3 * * *", -1 * DAY, MONDAY - timedelta(hours=8.5)),  # it was missed
    ],
)
def test_when_a_job_is_due_after_its_last_run(times, last, due):
    before = {} if last is None else ended("pull", MONDAY + last)
    assert due_at(schedule(pull=times), before, MONDAY) == {"pull": due}


@pytest.mark.parametrize(
    ("outcome", "now"), [("retrying", True), ("stopped", True), ("failed", False), ("skipped", False)]
)
def test_a_run_that_did_not_come_to_its_end_is_done_again_at_once(outcome, now):
    found = due_at(schedule(related="30 3 * * *"), ended("related", MONDAY - HOUR, outcome, error="why"), MONDAY)
    assert (found["related"] <= MONDAY) == now


def test_one_that_broke_off_is_done_again_at_once_whatever_the_run_before_it_was():
    last = {"related": LastRun(name="related", started_at=MONDAY - HOUR, outcome="done")}
    assert due_at(schedule(related="30 3 * * *"), last, MONDAY) == {"related": MONDAY - HOUR}


def test_what_is_off_is_never_due(clock):
    assert due_at(schedule(), {}, MONDAY) == {}
    assert Table(clock, schedule()).made.look() is None


def days(line, n=7, **more):
    """The next days on which a cron line is due."""
    plan, at, found = schedule(verify=line, **more), MONDAY, []
    for _ in range(n):
        at = due_at(plan, ended("verify", at), at)["verify"]
        found.append(f"{at:%a}")
    return found


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("0", ["Sun", "Sun"]),
        ("7", ["Sun", "Sun"]),
        ("1", ["Mon", "Mon"]),
        ("1-5", ["Tue", "Wed", "Thu", "Fri", "Mon"]),
        ("5-7", ["Fri", "Sat", "Sun", "Fri"]),
        ("0,3", ["Wed", "Sun", "Wed"]),
        ("*/2", ["Tue", "Thu", "Sat", "Sun", "Tue"]),
        ("2/2", ["Tue", "Thu", "Sat", "Tue"]),
        ("sat,sun", ["Sat", "Sun", "Sat"]),
        ("mon-wed", ["Tue", "Wed", "Mon"]),
    ],
)
def test_days_of_the_week_are_crons_with_sunday_as_0_and_7(field, expected):
    assert days(f"0 4 * * {field}", len(expected)) == expected


NUMBERS = st.integers(0, 7)
SPANS = st.tuples(NUMBERS, NUMBERS).map(lambda ends: f"{min(ends)}-{max(ends)}")
STEPS = st.tuples(SPANS | st.just("*") | NUMBERS.map(str), st.integers(1, 7)).map("{0[0]}/{0[1]}".format)
FIELDS = st.lists(NUMBERS.map(str) | SPANS | STEPS, min_size=1, max_size=3).map(",".join)


def as_cron_means_it(field):
    """The days of the week of a cron field, Sunday is 0."""
    found = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("0-7" if span == "*" else span).partition("-")
        end = int(last) if last else 7 if step else int(first)
        found |= {day % 7 for day in range(int(first), end + 1, int(step or 1))}
    return found


@given(FIELDS)
def test_every_days_of_the_week_field_means_what_cron_means(field):
    plan, at, found = schedule(verify=f"0 12 * * {field}"), MONDAY - timedelta(minutes=1), set()
    expected = as_cron_means_it(field)
    for _ in expected:
        at = due_at(plan, ended("verify", at), at)["verify"]
        found.add(at.isoweekday() % 7)
    assert found == expected


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30))
def test_whatever_jobs_take_each_comes_once_for_all_its_moments_that_passed(minutes):
    """One run follows every due moment, and no moment has two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clock, "moment", MONDAY)
        patch.setattr("apscheduler.schedulers.base.datetime", Clock)
        patch.setattr(scheduler, "datetime", Clock)
        left = list(minutes)

        def long():
            Clock.moment += (left.pop() if left else 0) * MINUTE

        table = Table(Clock, schedule(pull="every 5 minutes", push="*/7 * * * *"), answers={"pull": long, "push": long})
        table.until(MONDAY + 5 * HOUR)
        began = [minute for name, minute in table.ran if name == "pull"]
        for earlier, later in pairwise(began):
            moments = [moment for moment in range(0, 2000, 5) if earlier < moment <= later]
            assert moments, "one moment had two runs"
        assert began[-1] > 300 - 5 - 30 - 30


def test_a_day_of_the_month_and_one_of_the_week_mean_either():
    plan = schedule(verify="0 4 25 * 0")
    first = due_at(plan, ended("verify", MONDAY), MONDAY)["verify"]
    assert first.date().isoformat() == "2026-11-25"
    assert due_at(plan, ended("verify", first), first)["verify"].date().isoformat() == "2026-11-29"


def test_cron_lines_are_told_in_the_shops_own_time():
    found = due_at(schedule(related="30 3 * * *", timezone="Europe/Berlin"), {}, MONDAY)
    assert found["related"].astimezone(UTC) == datetime(2026, 11, 24, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize("line", ["61 3 * * *", "0 4 * * 8", "0 4 * * 5-2", "0 4 x * *", "*/0 * * * *"])
def test_a_cron_line_that_makes_no_sense_is_named(line):
    with pytest.raises(ConfigError, match=r"^schedule\.verify: .*cron line"):
        due_at(schedule(verify=line), {}, MONDAY)


class Left:
    """What a job leaves behind, in a cycle."""

    def __init__(self):
        self.itself = self


def test_what_a_job_leaves_in_cycles_is_gone_when_the_next_begins():
    stop, left, found = Event(), [], []

    def run(name):
        found.append([there() for there in left])
        left.append(weakref.ref(Left()))
        if name == "push":
            stop.set()
        return Ended(name=name, started_at=MONDAY, finished_at=MONDAY, outcome="done")

    worker = SimpleNamespace(
        settings=SimpleNamespace(schedule=schedule(pull="every 1 day", push="every 1 day")),
        stopping=SimpleNamespace(asked=stop),
        leading=lambda _: nullcontext(SimpleNamespace(check=lambda: None)),
        last=dict,
        clock=lambda: datetime.now(UTC),
        run=run,
    )
    gc.disable()  # or it might be gone by luck
    try:
        scheduler.work(worker, lambda: None)
    finally:
        gc.enable()
    assert found == [[], [None]]
