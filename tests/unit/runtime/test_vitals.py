"""What is wrong with a service, and its metrics: bounded labels, nothing personal."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from algosync.operate.drift import KINDS
from algosync.runtime.metrics import REASONS, Metrics
from algosync.runtime.vitals import Vitals, problems, service_document
from algosync.runtime.working import Ended
from algosync.settings.models import Settings
from algosync.stores.jobs import LastRun
from algosync.sync.served import Served

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHOP = {"algolia": {"app_id": "APP", "indices": [{"name": "products"}]}}
WELL = Vitals(
    at=NOON,
    present=NOON,
    jobs={"push": LastRun(name="push", started_at=NOON - HOUR / 4, finished_at=NOON - HOUR / 5, outcome="done")},
    newest={"shop": NOON - HOUR},
    rejected=(),
    refused=0,
    ledger={"related": {"published": 3}},
    served=Served(as_of={"related": (NOON - HOUR / 2).isoformat()}),
    pushed_at=NOON - HOUR / 5,
    paused=None,
    quiet=None,
    operations_left=None,
    certificate=None,
    tombstones=None,
)
LATE = {"pushed_at": NOON - 3 * HOUR}


def told(due=(), settings=None, **more):
    return problems(replace(WELL, **more), Settings(**SHOP, **(settings or {})), dict(due))


def test_one_that_does_its_work_has_none():
    assert told() == []
    assert told(due={"push": NOON - HOUR / 2, "verify": NOON + HOUR}) == []
    assert told(due={"push": NOON + 9 * HOUR}, pushed_at=NOON - 15 * HOUR) == []  # it is pushed once a day


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"pushed_at": None}, "nothing has been pushed yet"),
        ({"tombstones": "tombstones: they are lost. Restore them"}, "tombstones: they are lost. Restore them"),
        (LATE, "nothing has been pushed since 2026-11-23T09:00:00+00:00"),
        (
            {"served": Served(deferred_since=(NOON - 2 * HOUR).isoformat())},
            "changes have been waiting to be pushed since 2026-11-23T10:00:00+00:00",
        ),
        (
            {"due": {"pull": NOON - 2 * HOUR}},
            "pull has been due since 2026-11-23T10:00:00+00:00: no worker leads, or it does not keep up",
        ),
    ],
)
def test_what_is_late_is_told(more, says):
    assert told(**more) == [says]


@pytest.mark.parametrize(("outcome", "wrong"), [("failed", True), ("retrying", True), ("skipped", False)])
def test_a_job_that_failed_is_told_also_while_it_runs_again(outcome, wrong):
    job = LastRun(name="push", started_at=NOON, outcome=outcome, error="Algolia refused")
    assert told(jobs={"push": job}) == (["push failed: Algolia refused"] if wrong else [])


def test_what_the_shop_wants_is_no_problem():
    assert told(**LATE, paused={"at": "x", "reason": "sale"}) == []
    assert told(**LATE, quiet="2026-11-23") == []
    assert told(**LATE, settings={"schedule": {"push": "off"}}) == []
    assert told(**LATE, settings={"worker": {"stale_minutes": 240}}) == []


def test_the_document_of_a_job():
    found = service_document(WELL, {"push": NOON, "verify": NOON + HOUR})
    assert found["jobs"]["push"] == {
        "outcome": "done",
        "failing": False,
        "running": False,
        "started_at": "2026-11-23T11:45:00+00:00",
        "seconds": 180.0,
        "error": None,
        "run": None,
        "due": "2026-11-23T12:00:00+00:00",
    }
    assert found["jobs"]["verify"]["outcome"] is None
    assert found["served"]["ages_s"] == {"related": 1800.0}
    past = service_document(replace(WELL, present=NOON - HOUR / 4), {})
    assert past["served"]["ages_s"] == {"related": 900.0}


def page(metrics, **more):
    lines = metrics.page(replace(WELL, **more), leads=True, generation=4, age_s=60.0).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def ended(**report):
    return Ended(name="push", started_at=NOON, finished_at=NOON + timedelta(seconds=4), outcome="done", report=report)


def test_what_runs_did_adds_up():
    metrics = Metrics()
    counts = {"read": 10, "accepted": 7, "rejected": 2, "duplicates": 1, "waiting": 1, "ignored": 0, "no_consent": 3}
    pushed = {"families": {"related": 5}, "failed": [{"family": "rules"}], "deferred": 2, "waiting": 1, "throttled": 4}
    for _ in range(2):
        metrics.ended(ended(sources={"shop": counts}, pushed=pushed, seconds={"push": 1.5}, requests=3))
    found = page(metrics)
    assert found['algosync_job_runs_total{job="push",outcome="done"}'] == 2
    assert found['algosync_job_runs_total{job="verify",outcome="failed"}'] == 0
    assert found['algosync_job_seconds_sum{job="push"}'] == 8
    assert found['algosync_stage_seconds_total{stage="push"}'] == 3
    assert found['algosync_events_total{result="accepted",source="shop"}'] == 14
    assert found['algosync_operations_total{kind="related",outcome="published"}'] == 10
    assert found['algosync_operations_total{kind="rules",outcome="refused"}'] == 2
    assert found['algosync_operations_total{kind="all",outcome="deferred"}'] == 4
    assert found["algosync_throttled_total"] == 8
    assert found["algosync_algolia_read_requests_total"] == 6


def test_how_the_service_is_shows_in_its_metrics():
    found = page(
        Metrics(),
        paused={"at": "x"},
        operations_left=7,
        refused=2,
        served=Served(as_of={"related": NOON.isoformat()}, deferred_since=NOON.isoformat()),
        certificate={"found": {"missing": 3}, "wrong_share_at_most": 0.25, "at": NOON.isoformat()},
    )
    assert found["algosync_leader"] == 1
    assert found["algosync_paused"] == 1
    assert found["algosync_quiet"] == 0
    assert found["algosync_operations_left"] == 7
    assert found["algosync_refused_payloads"] == 2
    assert found['algosync_source_lag_seconds{source="shop"}'] == 3600
    assert found["algosync_deferred_since_timestamp_seconds"] == NOON.timestamp()
    assert found['algosync_ledger_objects{kind="related",status="published"}'] == 3
    assert found['algosync_job_last_outcome{job="push",outcome="done"}'] == 1
    assert found['algosync_drift_objects{finding="missing"}'] == 3
    assert found["algosync_drift_share_at_most"] == 0.25
    assert found["algosync_snapshot_generation"] == 4


def certificate(at, share, **found):
    return {"at": at.isoformat(), "wrong_share_at_most": share, "found": {**dict.fromkeys(KINDS, 0), **found}}


def drift(found):
    return {name: value for name, value in found.items() if "drift" in name or "verified" in name}


def test_what_the_last_certificate_says_is_a_metric_and_what_one_before_it_said_is_not():
    metrics = Metrics()
    before = drift(page(metrics))
    assert before.keys() == {"algosync_drift_share_at_most", "algosync_verified_timestamp_seconds"}
    assert math.isnan(before["algosync_drift_share_at_most"])  # nobody has looked: that is not 0
    assert before["algosync_verified_timestamp_seconds"] == 0
    page(metrics, certificate=certificate(NOON - HOUR, 0.25, missing=3, changed=1, foreign=2))
    assert drift(page(metrics, certificate=certificate(NOON, 0.0, unrecorded=5))) == {
        'algosync_drift_objects{finding="missing"}': 0,
        'algosync_drift_objects{finding="changed"}': 0,
        'algosync_drift_objects{finding="stale"}': 0,
        'algosync_drift_objects{finding="unrecorded"}': 5,
        'algosync_drift_objects{finding="foreign"}': 0,
        "algosync_drift_share_at_most": 0,
        "algosync_verified_timestamp_seconds": NOON.timestamp(),
    }


def test_reasons_of_rejection_are_bounded_and_go_when_they_are_gone():
    metrics = Metrics()
    many = [("shop", f"reason {number}", 2) for number in range(REASONS + 5)]
    rows = {name: value for name, value in page(metrics, rejected=many).items() if "quarantine" in name}
    assert len(rows) == REASONS + 1
    assert rows['algosync_quarantine_rows{reason="other",source="shop"}'] == 10
    assert not [name for name in page(metrics) if "quarantine" in name]
