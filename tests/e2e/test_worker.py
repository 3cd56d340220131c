"""The worker: what its jobs do to a shop, and real processes that are told to end, killed, and take over."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import threading
from contextlib import contextmanager

import httpx
import pytest
from structlog.contextvars import get_contextvars

from algosync.mock.faults import Faults
from algosync.runtime.clock import system_clock
from algosync.runtime.metrics import Metrics
from algosync.runtime.pushing import sync
from algosync.runtime.reading import catalog_read, pulled, rebuilt
from algosync.runtime.serving import open_api
from algosync.runtime.stopping import Stopping
from algosync.runtime.watching import Watch
from algosync.runtime.working import Worker, jobs
from algosync.scheduler import due_at
from algosync.settings.load import load
from algosync.stores.certificates import last_certificate
from algosync.stores.jobs import JOBS as JOBS_ALL
from algosync.stores.runs import last_runs
from algosync.sync.cycle import Fresh

from .conftest import ALGOSYNC, PRODUCTS

pytestmark = pytest.mark.e2e

LAST = Fresh(catalog=False, related=False)
JOBS = ("catalog", "pull", "push")
QUIETLY = {"verify": "off", "retention": "off", "related": "off", "jitter_seconds": 0}


class Gate:
    """Holds requests to the mock of one operation until it is opened."""

    def __init__(self, monkeypatch, operation):
        self.reached, self.opened = threading.Event(), threading.Event()
        strike = Faults.strike

        def held(faults, asked):
            if asked.operation == operation:
                self.reached.set()
                assert self.opened.wait(120)
            return strike(faults, asked)

        monkeypatch.setattr(Faults, "strike", held)


@pytest.fixture
def gate(monkeypatch):
    made = Gate(monkeypatch, "batch")
    yield made
    made.opened.set()


class Process:
    """`algosync worker` as a process of its own."""

    def __init__(self, shop, *arguments):
        self.process = subprocess.Popen(
            [str(ALGOSYNC), "worker", "--config", str(shop.config), "--json", "--port", "0", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("ALGOSYNC_")},
        )

    def document(self):
        """The document on stdout."""
        lines = []
        while not lines or lines[-1] != "}\n":
            lines.append(self.process.stdout.readline())
            assert lines[-1], self.process.stderr.read()
        return json.loads("".join(lines))

    def said(self, event):
        """Reads the log up to a line."""
        for line in self.process.stderr:
            found = json.loads(line)
            if found["event"] == event:
                return found
        raise AssertionError(f"it never said {event!r}")

    def end(self):
        """Told to end; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


@contextmanager
def worker(shop, *arguments):
    made = Process(shop, *arguments)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


@pytest.fixture
def quiet(small):
    """The small shop, nothing synced yet."""
    small.configure(schedule=QUIETLY)
    return small


@pytest.fixture
def fresh(quiet, state_url):
    """The same on either database."""
    quiet.configure(state={"url": state_url})
    return quiet


def opening(shop):
    return shop.runtime()._opening


def metered(watch):
    """The page of metrics."""
    lines = (line.rpartition(" ") for line in watch.metrics().decode().splitlines() if line[0] != "#")
    return {name: float(value) for name, _, value in lines}


def asked(shop, *operations):
    return [r.path for r in shop.algolia.requests if r.path.rsplit("/", 1)[-1] in operations]


def test_the_jobs_together_do_what_a_sync_does_and_then_nothing(fresh, synced_content):
    first = json.loads(fresh.command("worker", "--once", "--json").stdout)
    assert [(job["job"], job["outcome"], job["run"]) for job in first["jobs"]] == [
        ("catalog", "done", 1),
        ("pull", "done", 2),
        ("push", "done", 3),
    ]
    assert fresh.content() == synced_content
    again = fresh.command("worker", "--once", *JOBS)
    assert again.returncode == 0, again.stderr
    assert len(again.stdout.splitlines()) == 3
    runs = fresh.runtime().runs(3)["runs"]
    assert [(run["command"], run["outcome"], run["operations"]) for run in runs[:3]] == [
        ("sync", "done", 0),
        ("pull", "done", None),
        ("catalog", "done", None),
    ]
    assert fresh.content() == synced_content
    fresh.now = system_clock()
    status = fresh.runtime().status(due_at)["service"]
    assert status["problems"] == []
    assert set(status["served"]["ages_s"].values()) == {0.0}  # of data of the past the last event is the present
    assert {name: job["outcome"] for name, job in status["jobs"].items()} == dict.fromkeys(JOBS, "done")
    assert all(job["due"] > job["started_at"] for job in status["jobs"].values())
    told = fresh.command("runs", "--limit", "1")
    assert "sync" in told.stdout
    assert "catalog" not in told.stdout


def test_a_push_reads_no_index_and_keeps_the_lists(synced):
    before = synced.ours("book-1")
    synced.algolia.requests.clear()
    synced.feed([{**PRODUCTS[0], "objectID": "book-new"}])
    synced.events([{"at": "2026-11-19T10:00:00Z", "who": "looker", "what": "view", "product": "book-1"}])
    report = sync(opening(synced), (), fresh=LAST).document()
    assert report["pushed"]["operations"] == 0 or report["plan"]["families"]["related"]["operations"] == 0
    assert not asked(synced, "browse")
    assert synced.ours("book-new") is None
    assert synced.ours("book-1") == before
    assert catalog_read(opening(synced))["products"] == len(PRODUCTS) + 1
    assert not catalog_read(opening(synced))["changed"]
    sync(opening(synced), (), fresh=LAST)
    rebuilt(opening(synced), fresh=Fresh(catalog=False))
    sync(opening(synced), (), fresh=LAST)
    assert synced.ours("book-new")["similar"]


def test_what_a_push_sent_is_known_to_the_next_one_without_another_read(small):
    catalog_read(opening(small))
    first = sync(opening(small), (), fresh=LAST).document()
    assert first["plan"]["families"]["related"]["add"] == len(PRODUCTS)
    assert sync(opening(small), (), fresh=LAST).document()["plan"]["operations"] == 0
    small.segments({})
    small.actions({})
    small.configure(related={"kinds": [], "popularity": False}, facets={"price_band": None})
    rebuilt(opening(small))
    small.configure(push={"brake": {"at_least": 1000}})
    taken = sync(opening(small), (), fresh=LAST).document()
    assert taken["plan"]["families"]["related"]["operations"] > 0
    assert sync(opening(small), (), fresh=LAST).document()["plan"]["operations"] == 0


def test_what_the_shops_feed_removed_is_put_back_after_the_next_read(synced):
    synced.now = system_clock()
    catalog_read(opening(synced))
    synced.feed([PRODUCTS[0]])
    assert synced.ours("book-1") is None
    synced.now = system_clock()
    assert sync(opening(synced), (), fresh=LAST).document()["plan"]["operations"] == 0
    assert catalog_read(opening(synced))["changed"]
    assert sync(opening(synced), (), fresh=LAST).document()["plan"]["operations"] == 1
    assert synced.ours("book-1") is not None


def test_what_was_put_back_unseen_is_not_put_back_again_before_the_next_read(synced):
    synced.now = system_clock()
    synced.feed([PRODUCTS[0]])
    catalog_read(opening(synced))
    synced.algolia.faults.add("batch@products:1:lost")
    synced.now = system_clock()
    assert sync(opening(synced), (), fresh=LAST).document()["pushed"]["operations"] == 1
    assert synced.ours("book-1") is not None
    assert sync(opening(synced), (), fresh=LAST).document()["plan"]["operations"] == 0


def test_events_are_pulled_while_algolia_is_down(synced):
    synced.events([{"at": "2026-11-19T10:00:00Z", "who": "looker", "what": "view", "product": "book-1"}])
    synced.algolia.faults.add("*:500")
    assert pulled(opening(synced), Fresh(catalog=False))["events"]["accepted"] == 1
    assert "run" not in get_contextvars()  # what is logged from now on is no run's


def test_every_job_of_the_schedule_is_done(synced):
    done = jobs(opening(synced))
    assert tuple(done) == JOBS_ALL
    reports = {name: done[name]() for name in ("verify", "retention")}
    assert not any(reports["verify"]["found"].values())
    assert reports["retention"]["gone"] == {}


def test_readiness_and_metrics_of_a_running_worker(quiet):
    with worker(quiet) as running:
        url = running.document()["url"]
        for job in JOBS:
            assert running.said("job ended")["job"] == job
        with httpx.Client(base_url=url) as client:
            assert client.get("/healthz").json() == {"alive": True}
            ready = client.get("/readyz")
            page = client.get("/metrics").text
        assert (ready.status_code, ready.json()["leads"], ready.json()["problems"]) == (200, True, [])
        assert 'algosync_events_total{result="accepted",source="shop"} 39.0' in page
        assert 'algosync_operations_total{kind="related",outcome="published"} 18.0' in page
        assert 'algosync_source_lag_seconds{source="shop"}' in page
        assert "algosync_snapshot_generation 1.0" in page
        assert "reader-1" not in page
        assert running.end() == 0


def test_the_verify_job_leaves_a_certificate_and_metrics_that_agree_with_it(fresh):
    fresh.sync()
    with fresh.client("mock-admin") as client:
        lost = [{"action": "deleteObject", "body": {"objectID": f"segment-{name}"}} for name in ("phones", "segment2")]
        edit = {"objectID": "book-1", "algosync": {**fresh.ours("book-1"), "related": []}}  # its `v` as it was
        requests = [{"action": "partialUpdateObjectNoCreate", "body": edit}]
        client.wait("algosync_payloads", client.batch("algosync_payloads", json.dumps({"requests": lost}).encode(), 2))
        client.wait("products", client.batch("products", json.dumps({"requests": requests}).encode(), 1))
    before = fresh.content()

    metrics = Metrics()
    settings = load(fresh.config)
    with Worker(settings, fresh.folder, Stopping(1), told=[metrics.ended], clock=lambda: fresh.now) as made:
        watch = Watch(made, metrics, due_at)
        assert math.isnan(metered(watch)["algosync_drift_share_at_most"])
        with made.leading(0):
            ended = made.run("verify")
        page = metered(watch)
        kept = last_certificate(made.state)
        (run,) = last_runs(made.state, 1)

    assert (ended.outcome, ended.run, run.command) == ("done", run.number, "verify")
    assert fresh.content() == before  # a job looks, and repairs nothing
    assert kept == ended.report
    assert kept["found"] == {"missing": 2, "changed": 1, "stale": 0, "unrecorded": 0, "foreign": 0}
    assert (kept["known"], kept["looked"], kept["wrong"], kept["wrong_share_at_most"]) == (27, 27, 3, round(3 / 27, 6))
    assert (kept["mode"], kept["repair"]["operations"], kept["repaired"]) == ("full", 3, False)
    assert {finding: page[f'algosync_drift_objects{{finding="{finding}"}}'] for finding in kept["found"]} == kept[
        "found"
    ]
    assert page["algosync_drift_share_at_most"] == kept["wrong_share_at_most"]
    assert page["algosync_verified_timestamp_seconds"] == fresh.now.timestamp()
    assert page['algosync_job_runs_total{job="verify",outcome="done"}'] == 1


def test_one_that_is_killed_in_the_middle_of_a_push_is_followed_by_another(fresh, gate, synced_content):
    with worker(fresh) as first:
        first.document()
        assert gate.reached.wait(120)
        with worker(fresh) as second:
            url = second.document()["url"]
            with httpx.Client(base_url=url) as client:
                assert client.get("/readyz").json()["leads"] is False
            first.process.kill()
            first.process.wait()
            gate.opened.set()  # the write was taken; nobody heard the answer
            second.said("leads")
            assert second.said("job ended")["job"] == "push"
            assert second.end() == 0
    assert fresh.content() == synced_content
    outcomes = [run["outcome"] for run in fresh.runtime().runs(2)["runs"]]
    assert outcomes[:2] == ["done", "broke off: the process ended"]


def test_one_that_is_told_to_end_in_the_middle_of_a_push_rolls_back_and_loses_nothing(quiet, gate, synced_content):
    quiet.configure(worker={"grace_seconds": 2})
    with worker(quiet) as running:
        running.document()
        assert gate.reached.wait(120)
        assert running.end() == 0
        assert running.said("job ended")["outcome"] == "done"  # catalog
    gate.opened.set()
    sync(opening(quiet), ())
    assert quiet.content() == synced_content


def test_while_a_worker_writes_others_are_told_so(quiet, gate):
    with worker(quiet) as running:
        running.document()
        assert gate.reached.wait(120)
        refused = quiet.command("sync")
        assert refused.returncode == 1
        assert f"another process is writing to the event log ({running.process.pid})" in refused.stderr
        once = quiet.command("worker", "--once")
        assert once.returncode == 4
        assert "another worker leads" in once.stderr


def test_a_job_that_fails_is_told_and_ends_with_1(quiet):
    quiet.algolia.faults.add("getSettings:500")
    failed = quiet.command("worker", "--once", "catalog")
    assert failed.returncode == 1
    assert "catalog" in failed.stdout
    assert "retrying" in failed.stdout
    line = json.loads(failed.stderr.splitlines()[-1])
    assert (line["job"], line["outcome"], line["again_in_s"]) == ("catalog", "retrying", 30.0)


def test_several_servers_answer_from_the_snapshot_that_the_worker_makes(small, postgresql_url, on_loopback):
    small.configure(state={"url": postgresql_url}, serve={"admin_key": "a" * 32})
    sync(opening(small), ())
    settings = load(small.config)
    with (
        open_api(settings, small.folder) as (one, _),
        open_api(settings, small.folder) as (other, _),
        on_loopback(one) as first,
        on_loopback(other) as second,
    ):
        before = [httpx.get(f"http://127.0.0.1:{port}/readyz").json() for port in (first, second)]
        small.events([{"at": "2026-11-19T10:00:00Z", "who": "looker", "what": "view", "product": "book-1"}])
        sync(opening(small), ())
        after = [httpx.get(f"http://127.0.0.1:{port}/readyz").json() for port in (first, second)]
    assert [told["generation"] for told in (*before, *after)] == [1, 1, 2, 2]


@pytest.mark.parametrize("arguments", [("push",), ("--once", "tidy")])
def test_wrong_usage_is_refused(small, arguments):
    assert small.command("worker", *arguments).returncode == 2
