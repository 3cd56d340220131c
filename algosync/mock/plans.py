"""What an Algolia plan allows, and the refusals beyond it.

Sizes and counts are those of algolia.com/doc/guides/scaling/algolia-service-limits. How many indexing requests a
minute are taken is published nowhere: those numbers are the mock's own, so that a client meets a limit at all.
Knows no route and no index.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from algosync.errors import AlgoliaError, ConfigError

_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The limits of a plan; None for no limit.

    Attributes:
        name: As Algolia sells it.
        record_bytes: Largest record, in bytes of minified JSON; a KB is 1,000 bytes here.
        indices: Indices of an application.
        rules: Rules of an index.
        waiting_tasks: Writes that are not published yet.
        search_bytes: Largest body of a request that reads.
        writes_per_minute: Indexing requests; as many may come at once after a minute of quiet.
    """

    name: str
    record_bytes: int = 100_000
    indices: int | None = None
    rules: int | None = None
    waiting_tasks: int | None = None
    search_bytes: int | None = None
    writes_per_minute: int | None = None


PLANS: Final[dict[str, Plan]] = {
    plan.name: plan
    for plan in (
        Plan(name="unlimited"),
        Plan(
            name="build",
            record_bytes=10_000,
            indices=10,
            rules=10_000,
            waiting_tasks=5_000,
            search_bytes=50_000_000,
            writes_per_minute=500,
        ),
        Plan(
            name="grow",
            indices=50,
            rules=10_000,
            waiting_tasks=5_000,
            search_bytes=50_000_000,
            writes_per_minute=2_000,
        ),
        Plan(
            name="premium",
            indices=1_000,
            rules=10_000,
            waiting_tasks=5_000,
            search_bytes=50_000_000,
            writes_per_minute=10_000,
        ),
    )
}
"""By name. Grow and Premium stand at the upper end of the documented 10 to 100 KB per record."""


def plan_of(name: str) -> Plan:
    """The plan of that name.

    Raises:
        ConfigError: There is none.
    """
    plan = PLANS.get(name)
    if plan is None:
        raise ConfigError(f"there is no plan '{name}'", where="plan", hint=f"Choose one of {', '.join(PLANS)}")
    return plan


class Limits:
    """Keeps an application within its plan.

    Args:
        plan: Its limits.
        now_ms: Tells the time, in epoch milliseconds.
    """

    def __init__(self, plan: Plan, now_ms: Callable[[], int]) -> None:
        self.plan = plan
        self._now_ms = now_ms
        self._left = float(plan.writes_per_minute or 0)
        self._at_ms: int | None = None

    def admit_write(self, waiting: Callable[[], int]) -> None:
        """Take an indexing request, or refuse it (429).

        Args:
            waiting: Tells how many tasks are not published yet.
        """
        most = self.plan.waiting_tasks
        if most is not None and waiting() >= most:
            raise AlgoliaError("Too many jobs", status=429, retry_after_s=1)
        wait_ms = self._take()
        if wait_ms:
            message = f"Too many requests: {self.plan.writes_per_minute} indexing requests per minute per application"
            raise AlgoliaError(message, status=429, retry_after_s=-(-wait_ms // 1000))

    def admit_search(self, body_bytes: int) -> None:
        """Refuse (413) the body of a search that is too large."""
        most = self.plan.search_bytes
        if most is not None and body_bytes > most:
            raise AlgoliaError(f"The request's body is too large: {body_bytes}/{most} bytes", status=413)

    def admit_indices(self, there: Collection[str], wanted: Collection[str]) -> None:
        """Refuse (403) to make more indices than the plan has."""
        most = self.plan.indices
        if most is not None and len({*there, *wanted}) > max(most, len(there)):
            raise AlgoliaError(f"Index quota exceeded: this plan has {most} indices", status=403)

    def admit_rules(self, count: int) -> None:
        """Refuse (403) that an index comes to have more rules than the plan allows."""
        most = self.plan.rules
        if most is not None and count > most:
            raise AlgoliaError("Rules quota exceeded. Please contact us if you need an extended quota.", status=403)

    def _take(self) -> int:
        """Milliseconds to wait for the next request; 0 where one was taken."""
        most = self.plan.writes_per_minute
        if most is None:
            return 0
        now_ms = self._now_ms()
        gone_ms = 0 if self._at_ms is None else max(now_ms - self._at_ms, 0)
        self._at_ms = now_ms
        self._left = min(self._left + gone_ms * most / _MINUTE_MS, float(most))
        if self._left >= 1:
            self._left -= 1
            return 0
        return max(round((1 - self._left) * _MINUTE_MS / most), 1)
