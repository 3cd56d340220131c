"""What becomes of a job: done, tried again with growing pauses, skipped or left; noted, logged and told each time."""

from __future__ import annotations

import json
import logging
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
import structlog
from sqlalchemy import text
from structlog.contextvars import bound_contextvars
from structlog.testing import capture_logs

from algosync import scheduler
from algosync.errors import (
    AlgoliaUnavailableError,
    BrakeError,
    BusyError,
    ConfigError,
    SourceError,
    StoppedError,
    StoreError,
)
from algosync.runtime import working
from algosync.runtime.clock import system_clock
from algosync.runtime.metrics import Metrics
from algosync.runtime.stopping import Stopping
from algosync.runtime.watching import Watch
from algosync.runtime.working import Worker
from algosync.settings.models import Settings
from algosync.stores.jobs import LastRun, note_job
from algosync.stores.leader import leadership

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Jobs:
    """The worker's jobs, replaced by what a test has them do."""

    def __init__(self):
        self.now = NOON
        self.ended = []
        self.do = {}

    def of(self, name):
        def job():
            self.now += timedelta(seconds=2)
            self.opening.run = 7
            error = self.do.get(name)
            if callable(error):
                with bound_contextvars(run=7):
                    return error()
            if error is not None:
                raise error
            return {"seconds": {"pull": 1.5}}

        return job


@pytest.fixture
def jobs(monkeypatch):
    made = Jobs()

    def replaced(opening):
        made.opening = opening
        return {name: made.of(name) for name in ("pull", "push")}

    monkeypatch.setattr(working, "jobs", replaced)
    return made


@pytest.fixture
def worker(jobs, tmp_path, state_url):
    settings = Settings(
        algolia={"app_id": "APP", "indices": [{"name": "products"}]},
        state={"directory": "state", "url": state_url},
        worker={"retry_seconds": 30, "retry_max_seconds": 100},
    )
    stopping = Stopping(60)
    with Worker(settings, tmp_path, stopping, told=[jobs.ended.append], clock=lambda: jobs.now) as made:
        yield made


def test_a_job_that_is_done_is_noted_and_told(worker, jobs):
    with worker.leading(0):
        ended = worker.run("pull")
    assert jobs.ended == [ended]
    assert (ended.outcome, ended.error, ended.again_in_s, ended.seconds, ended.run) == ("done", None, None, 2.0, 7)
    assert worker.last() == {
        "pull": LastRun(name="pull", started_at=NOON, finished_at=NOON + timedelta(seconds=2), outcome="done", run=7)
    }


def test_while_it_runs_the_outcome_of_the_run_before_stays(worker, jobs):
    seen = []
    jobs.do["pull"] = lambda: seen.append(worker.last()["pull"]) or {}
    note_job(worker.state, LastRun(name="pull", started_at=NOON, finished_at=NOON, outcome="failed", error="why"))
    with worker.leading(0):
        worker.run("pull")
    assert seen == [LastRun(name="pull", started_at=NOON, outcome="failed", error="why")]


def test_pauses_grow_to_a_limit_until_it_goes_well(worker, jobs):
    jobs.do["pull"] = SourceError("gone", where="shop")
    with worker.leading(0):
        assert [worker.run("pull").again_in_s for _ in range(4)] == [30, 60, 100, 100]
        assert worker.last()["pull"].outcome == "retrying"
        assert worker.last()["pull"].error == "shop: gone"
        jobs.do.clear()
        assert worker.run("pull").again_in_s is None
        jobs.do["pull"] = SourceError("gone again")
        assert worker.run("pull").again_in_s == 30


def test_no_pause_is_shorter_than_the_other_side_asked_for(worker, jobs):
    jobs.do["push"] = AlgoliaUnavailableError("too many requests", retry_after_s=3600)
    with worker.leading(0):
        assert worker.run("push").again_in_s == 3600


@pytest.mark.parametrize("told", [1e15, float("inf")])
def test_nobody_makes_it_wait_longer_than_a_day(worker, jobs, told):
    jobs.do["pull"] = SourceError("not now", retry_after_s=told)
    with worker.leading(0):
        assert worker.run("pull").again_in_s == 86_400


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ConfigError("wrong"), "failed"),
        (BrakeError("too much", hash="1f"), "failed"),
        (StoreError("broken"), "failed"),
        (BusyError("another process is writing"), "retrying"),
        (StoppedError("told to end"), "stopped"),
    ],
)
def test_the_error_itself_says_what_to_do(worker, jobs, error, outcome):
    jobs.do["push"] = error
    with worker.leading(0), capture_logs() as lines:
        ended = worker.run("push")
    assert (ended.outcome, ended.error) == (outcome, str(error))
    assert (ended.again_in_s is None) == (outcome != "retrying")
    (line,) = lines
    assert (line["log_level"], line["outcome"], line["error"]) == ("warning", outcome, str(error))


def test_what_nobody_expected_is_told_without_what_it_says(worker, jobs):
    jobs.do["push"] = KeyError("ada@example.com")
    with worker.leading(0), capture_logs() as lines:
        ended = worker.run("push")
        other = worker.run("pull")
    assert ended.outcome == "failed"
    assert ended.error.startswith("KeyError at test_working.py:")
    assert "ada@example.com" not in json.dumps(lines, default=str)
    assert other.outcome == "done"


def test_log_lines_of_a_job_bear_its_name_and_the_number_of_its_run(worker, jobs, capsys, monkeypatch):
    from algosync.cli.run_worker import log_json

    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    jobs.do["pull"] = lambda: structlog.get_logger("x").warning("within") or {}
    structlog.reset_defaults()
    try:
        log_json(verbose=False)
        with worker.leading(0):
            worker.run("pull")
        structlog.get_logger("x").warning("outside")
        logging.getLogger("some.library").warning("of a %s", "library")
    finally:
        structlog.reset_defaults()
    within, ended, outside, library = map(json.loads, capsys.readouterr().err.splitlines())
    assert (within["event"], within["job"], within["run"]) == ("within", "pull", 7)
    assert (ended["event"], ended["job"], ended["run"], ended["outcome"]) == ("job ended", "pull", 7, "done")
    assert not {"job", "run"} & outside.keys()
    assert (library["event"], library["level"]) == ("of a library", "warning")


def test_a_push_that_was_cut_short_goes_on_when_it_can(worker, jobs):
    def cut(minutes, stopped=None):
        return lambda: {"pushed": {"again": (jobs.now + minutes * MINUTE).isoformat(), "stopped": stopped}}

    with worker.leading(0):
        jobs.do["push"] = cut(10, "too many requests")
        asked = worker.run("push")
        assert (asked.again_in_s, asked.waits) == (600, True)
        jobs.do["push"] = cut(10)  # a budget is spent, and profiles are made all the same
        bounded = worker.run("push")
        assert (bounded.again_in_s, bounded.waits) == (600, False)
        jobs.do["push"] = cut(0)
        assert worker.run("push").again_in_s is None  # the schedule says when


def test_one_that_was_told_to_end_begins_nothing(worker, jobs):
    worker.stopping.asked.set()
    with worker.leading(0):
        assert worker.run("pull").outcome == "stopped"
    assert jobs.now == NOON


def test_only_one_leads(worker, tmp_path):
    with (
        worker.leading(0),
        pytest.raises(BusyError, match="another worker leads"),
        leadership(worker.state, tmp_path / "state", name="worker"),
    ):
        pytest.fail("both lead")
    assert not worker.leads


def test_a_job_breaks_off_at_its_next_step_when_leadership_is_lost(worker, jobs):
    reached = []

    def two_steps():
        steps = working._Steps(worker._go_on, worker.stopping)
        with steps.stage("first") as advance:
            reached.append("first")
            worker._lead.lost.set()
            advance(1)
        return {}

    jobs.do["push"] = two_steps
    with worker.leading(0):
        ended = worker.run("push")
    assert reached == ["first"]
    assert (ended.outcome, ended.again_in_s) == ("stopped", None)
    assert "leads no longer" in ended.error


def test_a_job_breaks_off_at_its_next_step_when_it_is_told_to_end(worker, jobs):
    def two_steps():
        steps = working._Steps(worker._go_on, worker.stopping)
        with steps.stage("first"):
            worker.stopping.asked.set()
        with steps.stage("second"):
            raise AssertionError("begun")

    jobs.do["push"] = two_steps
    with worker.leading(0):
        assert worker.run("push").outcome == "stopped"


def test_a_step_that_is_rolled_back_has_not_failed_whatever_a_library_says(worker, jobs):
    def query():
        with working._Steps(worker._go_on, worker.stopping).stage("first"):
            with suppress(StoppedError):
                signal.raise_signal(signal.SIGALRM)  # what the timer sends
            raise RuntimeError("Query interrupted")  # what DuckDB makes of it

    jobs.do["push"] = query
    with worker.stopping.heeding(), worker.leading(0):
        ended = worker.run("push")
    assert (ended.outcome, ended.again_in_s) == ("stopped", None)
    assert "rolled back" in ended.error


def test_once_does_what_is_due_or_what_is_named_and_nothing_while_another_leads(worker, jobs, tmp_path):
    assert [ended.name for ended in scheduler.once(worker, ("pull",))] == ["pull"]
    note_job(worker.state, LastRun(name="push", started_at=NOON, finished_at=NOON, outcome="done"))
    for name in ("catalog", "related", "verify", "retention"):
        note_job(worker.state, LastRun(name=name, started_at=NOON, finished_at=NOON, outcome="done"))
    assert scheduler.once(worker, ()) == []
    jobs.now = NOON + 4.5 * MINUTE  # cron is a little early
    assert [ended.name for ended in scheduler.once(worker, ())] == ["pull", "push"]
    with leadership(worker.state, tmp_path / "state", name="worker"), pytest.raises(BusyError):
        scheduler.once(worker, ("pull",))


def test_it_works_until_told_to_end(worker, jobs):
    def last():
        worker.stopping.asked.set()
        return {}

    jobs.now = system_clock()  # the one that APScheduler reads
    for name in ("catalog", "related", "verify", "retention"):
        note_job(worker.state, LastRun(name=name, started_at=jobs.now, finished_at=jobs.now, outcome="done"))
    jobs.do["push"] = last
    begun = Event()
    scheduler.work(worker, begun.set)
    assert begun.is_set()
    assert [ended.name for ended in jobs.ended] == ["pull", "push"]


def test_one_that_lost_its_lead_or_its_database_tries_to_lead_again(worker, monkeypatch):
    monkeypatch.setattr(scheduler, "_LOOKS_EVERY_S", 0)
    lost = [BusyError("this worker leads no longer"), StoreError("the state database refused")]
    led = []

    def due(_worker, _lead):
        if lost:
            raise lost.pop(0)
        led.append(worker.leads)
        worker.stopping.asked.set()

    monkeypatch.setattr(scheduler, "_do_what_is_due", due)
    with capture_logs() as lines:
        scheduler.work(worker, lambda: None)
    assert led == [True]
    told = [line["event"] for line in lines]
    assert told == ["leads", "leads no longer", "leads", "the state cannot be used", "leads"]


def test_what_it_holds_it_knows_until_the_database_ends_its_session(jobs, tmp_path, postgresql_url):
    settings = Settings(
        algolia={"app_id": "APP", "indices": [{"name": "products"}]}, state={"directory": "s", "url": postgresql_url}
    )
    with Worker(settings, tmp_path, Stopping(60), clock=lambda: jobs.now) as made, made.leading(0) as lead:
        ours = text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'algosync worker' AND datname = current_database()"
        )
        with made.state.write() as connection:
            assert connection.execute(ours).rowcount == 1
        assert lead.lost.wait(60)
        assert not made.leads
        jobs.do["push"] = lambda: made._go_on(thorough=False) or {}
        ended = made.run("push")
    assert (ended.outcome, "leads no longer" in ended.error) == ("stopped", True)


def test_one_that_has_nothing_to_do_waits(jobs, tmp_path, monkeypatch):
    off = dict.fromkeys(("catalog", "pull", "related", "push", "verify", "retention"), "off")
    settings = Settings(algolia={"app_id": "APP", "indices": [{"name": "products"}]}, schedule=off)
    waits = []
    with Worker(settings, tmp_path, Stopping(60)) as made:
        monkeypatch.setattr(made.stopping.asked, "wait", lambda s: waits.append(s) or made.stopping.asked.set())
        scheduler.work(made, lambda: None)
    assert waits == [1.0]
    assert jobs.ended == []


def test_once_what_is_not_begun_when_it_is_told_to_end_counts_as_not_done(worker, jobs):
    jobs.do["pull"] = lambda: worker.stopping.asked.set() or {}
    assert [ended.outcome for ended in scheduler.once(worker, ("pull", "push"))] == ["done", "stopped"]


def test_a_schedule_that_makes_no_sense_ends_it_before_it_begins(jobs, tmp_path):
    settings = Settings(algolia={"app_id": "APP", "indices": [{"name": "products"}]}, schedule={"verify": "99 * * * *"})
    with Worker(settings, tmp_path, Stopping(1)) as made, pytest.raises(ConfigError, match=r"schedule\.verify"):
        scheduler.work(made, pytest.fail)


def test_readiness_and_metrics_tell_of_jobs(worker, jobs):
    metrics = Metrics()
    watch = Watch(worker, metrics, scheduler.due_at)
    assert watch.ready()["problems"] == ["nothing has been pushed yet"]
    jobs.do["pull"] = SourceError("gone")
    with worker.leading(0):
        metrics.ended(worker.run("pull"))
        told = watch.ready()
        page = watch.metrics().decode()
    assert told["leads"]
    assert not told["ready"]
    assert "pull failed: gone" in told["problems"]
    assert told["jobs"]["pull"]["failing"]
    assert "algosync_leader 1.0" in page
    assert 'algosync_job_runs_total{job="pull",outcome="retrying"} 1.0' in page
    assert 'algosync_job_last_outcome{job="pull",outcome="retrying"} 1.0' in page
    assert 'algosync_job_last_outcome{job="pull",outcome="done"} 0.0' in page
    jobs.now += timedelta(hours=2)
    assert any("no worker leads" in problem for problem in watch.ready()["problems"])
