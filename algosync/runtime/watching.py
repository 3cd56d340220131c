"""What a running worker says of itself: its readiness and its metrics, read from its stores when somebody asks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from algosync.runtime.metrics import Metrics
from algosync.runtime.vitals import Due, problems, service_document
from algosync.runtime.working import Worker
from algosync.stores.snapshot import Snapshot


class Watch:
    """Tells how a worker is.

    Args:
        worker: The worker, whose state is open.
        metrics: What it has counted.
        due: When each job is due.
    """

    def __init__(self, worker: Worker, metrics: Metrics, due: Due) -> None:
        self._worker = worker
        self._metrics = metrics
        self._due = due

    def ready(self) -> dict[str, Any]:
        """The document of /readyz.

        Raises:
            StoreError: The state cannot be read.
        """
        found = self._worker.vitals()
        settings = self._worker.settings
        due = {**self._due(settings.schedule, found.jobs, found.at), **self._worker.due}
        told = problems(found, settings, due)
        return {
            "ready": not told,
            "leads": self._worker.leads,
            "problems": told,
            **service_document(found, due),
        }

    def metrics(self) -> bytes:
        """The page of /metrics.

        Raises:
            StoreError: The state cannot be read.
        """
        with self._worker.snapshot() as opened:
            about = Snapshot(opened).about()
        found = self._worker.vitals()
        made = about.get("as_of")
        age_s = None if not made else (found.present - datetime.fromisoformat(made)).total_seconds()
        return self._metrics.page(
            found, leads=self._worker.leads, generation=int(about.get("generation", 0)), age_s=age_s
        )
