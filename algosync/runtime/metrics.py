"""The worker's metrics, in Prometheus' text format; the only import of prometheus_client.

Labels are names from the settings and words of ours, never an id of anybody or anything: their number is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from threading import Lock
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from algosync.runtime.vitals import Vitals
from algosync.runtime.working import Ended
from algosync.stores.jobs import JOBS, OUTCOMES

REASONS: Final = 20
"""Reasons of rejection that have a label of their own, the most frequent ones; the rest is `other`."""
_RESULTS: Final = ("accepted", "rejected", "duplicates", "waiting", "ignored", "no_consent")
_SECONDS: Final = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)


class Metrics:
    """What the worker counts while it runs, and what its stores say when somebody looks."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._one_at_a_time = Lock()

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"algosync_{name}", what, labels, registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"algosync_{name}", what, labels, registry=registry)

        self._runs = counter("job_runs", "Runs of jobs that this process has ended", "job", "outcome")
        self._took = Histogram(
            "algosync_job_seconds", "How long they took", ("job",), registry=registry, buckets=_SECONDS
        )
        self._stages = counter("stage_seconds", "Time spent in each stage of runs", "stage")
        self._events = counter("events", "Events read, by what became of them", "source", "result")
        self._operations = counter("operations", "Operations, by family and what became of them", "kind", "outcome")
        self._requests = counter("algolia_read_requests", "Requests made to read Algolia")
        self._throttled = counter("throttled", "How often Algolia said that there were too many requests")
        self._leader = gauge("leader", "Whether this worker does the jobs")
        self._outcome = gauge("job_last_outcome", "1 for the outcome of a job's last run", "job", "outcome")
        self._ended = gauge("job_last_end_timestamp_seconds", "When a job last ended", "job")
        self._lag = gauge("source_lag_seconds", "Age of the newest event of a source", "source")
        self._rejected = gauge("quarantine_rows", "Rows that were turned away", "source", "reason")
        self._refused = gauge("refused_payloads", "Payloads that Algolia refused to hold")
        self._ledger = gauge("ledger_objects", "Objects of ours at Algolia", "kind", "status")
        self._age = gauge("served_age_seconds", "Age of what is served, by family", "kind")
        self._waits = gauge("deferred_since_timestamp_seconds", "Since when something waits to be pushed; 0: nothing")
        self._snapshot = gauge("snapshot_age_seconds", "Age of the snapshot that answers are made from")
        self._generation = gauge("snapshot_generation", "Its number")
        self._left = gauge("operations_left", "Operations that the budgets leave; NaN for no limit")
        self._paused = gauge("paused", "Whether pushing is paused")
        self._quiet = gauge("quiet", "Whether now is a quiet time")
        self._drift = gauge("drift_objects", "What the last verify found", "finding")
        self._drift_most = gauge("drift_share_at_most", "Of all that is published, missing or changed at most (95 %)")
        self._verified = gauge("verified_timestamp_seconds", "When the last verify looked; 0: never")
        for job in JOBS:
            for outcome in OUTCOMES:
                self._runs.labels(job, outcome)

    def ended(self, run: Ended) -> None:
        """Counts a run."""
        self._runs.labels(run.name, run.outcome).inc()
        self._took.labels(run.name).observe(run.seconds)
        report = run.report
        for stage, seconds in report.get("seconds", {}).items():
            self._stages.labels(stage).inc(seconds)
        for source, counts in report.get("sources", {}).items():
            for result in _RESULTS:
                self._events.labels(source, result).inc(counts.get(result, 0))
        self._requests.inc(report.get("requests", 0))
        self._pushed(report.get("pushed", {}))

    def _pushed(self, pushed: Mapping[str, Any]) -> None:
        for family, number in pushed.get("families", {}).items():
            self._operations.labels(family, "published").inc(number)
        for failure in pushed.get("failed", ()):
            self._operations.labels(failure["family"], "refused").inc()
        for outcome in ("deferred", "waiting"):
            if pushed.get(outcome):
                self._operations.labels("all", outcome).inc(pushed[outcome])
        self._throttled.inc(pushed.get("throttled", 0))

    def page(self, found: Vitals, *, leads: bool, generation: int | None, age_s: float | None) -> bytes:
        """The page.

        Args:
            found: How the service is.
            leads: Whether this worker does the jobs.
            generation: Of the snapshot.
            age_s: Its age in seconds.
        """
        with self._one_at_a_time:
            self._leader.set(leads)
            self._jobs(found)
            self._log(found)
            self._refused.set(found.refused)
            self._served(found)
            self._snapshot.set(float("nan") if age_s is None else age_s)
            self._generation.set(generation or 0)
            self._left.set(float("nan") if found.operations_left is None else found.operations_left)
            self._paused.set(found.paused is not None)
            self._quiet.set(found.quiet is not None)
            self._certified(found.certificate)
            page: bytes = generate_latest(self._registry)
            return page

    def _jobs(self, found: Vitals) -> None:
        for name, job in found.jobs.items():
            for outcome in OUTCOMES:
                self._outcome.labels(name, outcome).set(job.outcome == outcome)
            if job.finished_at is not None:
                self._ended.labels(name).set(job.finished_at.timestamp())

    def _certified(self, certificate: Mapping[str, Any] | None) -> None:
        if certificate is None:
            self._drift_most.set(float("nan"))
            return
        self._verified.set(datetime.fromisoformat(certificate["at"]).timestamp())
        self._drift_most.set(certificate["wrong_share_at_most"])
        for finding, number in certificate["found"].items():
            self._drift.labels(finding).set(number)

    def _log(self, found: Vitals) -> None:
        for source, newest in found.newest.items():
            self._lag.labels(source).set((found.at - newest).total_seconds())
        self._rejected.clear()
        named = {reason: None for _, reason, _ in found.rejected}
        bounded = set(list(named)[:REASONS])
        for source, reason, rows in found.rejected:
            self._rejected.labels(source, reason if reason in bounded else "other").inc(rows)

    def _served(self, found: Vitals) -> None:
        self._ledger.clear()
        for family, counts in found.ledger.items():
            for status, number in counts.items():
                self._ledger.labels(family, status).set(number)
        for family, age in found.ages_s.items():
            self._age.labels(family).set(age)
        self._waits.set(found.waits_since.timestamp() if found.waits_since else 0)
