"""Sends a plan, and settles what a broken-off run left open.

Each batch is intended in the ledger before it is sent, sent before it is waited for, and published last, so that a
crash anywhere is mended by `recover` and another plan. Must not decide what to send.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from algosync.algolia.access import StorefrontAccess
from algosync.algolia.client import WriteClient
from algosync.errors import AlgoliaError, AlgoliaUnavailableError, PushRefusedError
from algosync.payloads.encode import Family
from algosync.sync.batches import Limits, batches, records_body, rules_body, weigh
from algosync.sync.ledger import Ledger
from algosync.sync.plan import Operation, Plan

OPEN_TASKS: Final = 50
"""Writes that may be under way at once: Algolia begins to throttle at 100 pending requests."""

_OF_THE_BODY: Final = (400, 413)
"""Refusals of what was sent; all others are of the key, the index or the application."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One operation that Algolia refused; all others of its batch were sent without it."""

    family: Family
    index: str
    object_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What became of a plan: operations + deferred + failed are the plan's operations.

    Attributes:
        operations: Published.
        families: Of these, how many per family.
        batches: Requests that Algolia took.
        bytes: Bytes of the published operations' bodies.
        deferred: Left for another run, since the budget was spent.
        failed: Refused one by one.
    """

    operations: int
    families: dict[Family, int]
    batches: int
    bytes: int
    deferred: int
    failed: tuple[Failure, ...]


def push(
    plan: Plan,
    client: WriteClient,
    ledger: Ledger,
    *,
    now: Callable[[], datetime],
    progress: Callable[[int], None] | None = None,
    limits: Limits | None = None,
) -> Pushed:
    """Send a plan's operations in order and wait until they are published.

    Args:
        plan: What to send.
        client: Where to.
        ledger: Rows of the same application and hosts as the client's.
        now: The clock, for the ledger's rows.
        progress: Called with the number of operations that are done with.
        limits: Sizes of requests, and the run's budget; operations beyond it are deferred.

    Raises:
        AlgoliaUnavailableError: Algolia stopped answering; `recover` and the next plan go on from there.
        AlgoliaError: Algolia refuses the key or the index, and took nothing of the batch; or its answer made no sense.
        StoreError: The ledger failed.
    """
    limits = limits or Limits()
    todo = plan.operations[: limits.operations]
    run = _Run(client=client, ledger=ledger, now=now, progress=progress)
    for batch in batches(todo, limits):
        run.send(run.fitting(batch, limits))
        run.finish(leave=OPEN_TASKS)
    run.finish(leave=0)
    return Pushed(
        operations=sum(run.done.values()),
        families=dict(sorted(run.done.items())),
        batches=run.taken,
        bytes=run.bytes,
        deferred=len(plan.operations) - len(todo),
        failed=tuple(run.failed),
    )


def refuse_unless_private(plan: Plan, access: StorefrontAccess | None) -> None:
    """Stop a plan that would put profiles where the storefront's key can list them.

    Args:
        plan: What is to be pushed.
        access: What the storefront's key may do on the payload index; None if that key is not set.

    Raises:
        PushRefusedError: Profiles are to be written, and it is not proven that visitors cannot read them.
    """
    indices = sorted({op.index for op in plan.operations if op.family == "profiles" and op.kind != "delete"})
    if not indices or (access is not None and access.verdict == "denied"):
        return
    reason = "the storefront's key is not set, so nobody knows what it can read" if access is None else access.reason
    raise PushRefusedError(
        f"profiles are not pushed: {reason}",
        where=f"index {', '.join(map(repr, indices))}",
        hint="Restrict the storefront's key to the product indices and set it as ALGOSYNC_ALGOLIA__STOREFRONT_API_KEY,"
        " or switch push.profiles off",
    )


@dataclass(slots=True, kw_only=True)
class _Run:
    client: WriteClient
    ledger: Ledger
    now: Callable[[], datetime]
    progress: Callable[[int], None] | None
    open: deque[tuple[int, tuple[Operation, ...]]] = field(default_factory=deque)
    done: Counter[Family] = field(default_factory=Counter)
    failed: list[Failure] = field(default_factory=list)
    taken: int = 0
    bytes: int = 0

    def fitting(self, batch: tuple[Operation, ...], limits: Limits) -> tuple[Operation, ...]:
        if len(batch) == 1 and weigh(batch[0]) > limits.bytes:
            self._put_aside(batch[0], f"its {weigh(batch[0])} bytes are more than one request may have")
            return ()
        return batch

    def send(self, batch: tuple[Operation, ...]) -> None:
        """Send a batch; the record that causes a refusal, named or searched for, is put aside, the rest sent again."""
        parts = deque([batch])
        while parts:
            part = parts.popleft()
            if part:
                parts.extendleft(reversed(self._attempt(part)))

    def _attempt(self, batch: tuple[Operation, ...]) -> list[tuple[Operation, ...]]:
        self.ledger.intend(batch, self.now())
        try:
            task_id = self._request(batch)
        except AlgoliaUnavailableError:
            raise
        except AlgoliaError as error:
            if error.status is None:  # no refusal: the batch may have been taken
                raise
            self.ledger.abandon(batch, self.now())
            return self._without_cause(batch, error)
        self.ledger.sent(batch, task_id, self.now())
        self.open.append((task_id, batch))
        self.taken += 1
        return []

    def finish(self, *, leave: int) -> None:
        """Wait for the oldest writes until no more than `leave` are under way."""
        while len(self.open) > leave:
            task_id, batch = self.open[0]
            self.client.wait(batch[0].index, task_id)
            self.ledger.published(batch, self.now())
            self.open.popleft()
            self.done[batch[0].family] += len(batch)
            self.bytes += sum(op.size for op in batch)
            self._report()

    def _request(self, batch: tuple[Operation, ...]) -> int:
        first = batch[0]
        if first.action == "deleteRule":
            return self.client.delete_rule(first.index, first.object_id)
        if first.action == "saveRule":
            return self.client.save_rules(first.index, rules_body(batch), len(batch))
        return self.client.batch(first.index, records_body(batch), len(batch))

    def _without_cause(self, batch: tuple[Operation, ...], error: AlgoliaError) -> list[tuple[Operation, ...]]:
        cause = None if error.status == 413 and len(batch) > 1 else _cause(batch, error)
        if cause is None:
            if error.status not in _OF_THE_BODY:
                raise error
            middle = len(batch) // 2
            return [batch[:middle], batch[middle:]]
        self._put_aside(batch[cause], error.what)
        return [batch[:cause] + batch[cause + 1 :]]

    def _put_aside(self, op: Operation, reason: str) -> None:
        self.failed.append(Failure(family=op.family, index=op.index, object_id=op.object_id, reason=reason))
        self._report()

    def _report(self) -> None:
        if self.progress is not None:
            self.progress(sum(self.done.values()) + len(self.failed))


def _cause(batch: Sequence[Operation], error: AlgoliaError) -> int | None:
    """Place in the batch of the record that Algolia names; its objectID is surer than its position."""
    if error.status not in _OF_THE_BODY:
        return None
    if len(batch) == 1:
        return 0
    for place, op in enumerate(batch):
        if op.object_id == error.object_id:
            return place
    if error.object_id is None and error.position is not None and 0 <= error.position < len(batch):
        return error.position
    return None
