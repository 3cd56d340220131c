"""Sends a plan, as far as budgets and Algolia let it, and says what became of it.

How operations are sent is sending.py's. Where Algolia will not go on, the run ends with what was done, and the rest is
left to another. Must not decide what to send.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from algosync.algolia.access import StorefrontAccess
from algosync.algolia.client import WriteClient
from algosync.errors import PushRefusedError
from algosync.payloads.encode import Family
from algosync.sync.brake import bounded
from algosync.sync.ledger import Ledger
from algosync.sync.plan import Operation, Plan
from algosync.sync.sending import Failure, Manner, Sender, Stopped

EARLIER: Final = "earlier writes are not published"
"""Why operations are left to another run that would have to wait behind writes of an earlier one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What became of a plan: operations, afoot, deferred and failed are the plan's operations.

    Attributes:
        operations: Published.
        families: Of these, how many per family.
        batches: Requests that Algolia took.
        bytes: Bytes of the published operations' bodies.
        deferred: Left for another run.
        deferred_for: Of these, how many for which reason.
        failed: Refused one by one.
        stopped: Why the run ended early; None if it did not.
        throttled: How often Algolia said that there were too many requests.
        left: The operations that are left for another run.
        afoot: The operations that wait to be published.
        again: When another run can do more; None where there is nothing to wait for but its turn.
        budget: The setting that bounded the run, where one does.
        earlier: Operations of earlier runs that wait to be published.
    """

    operations: int
    families: dict[Family, int]
    batches: int
    bytes: int
    deferred: int
    deferred_for: dict[str, int] = field(default_factory=dict)
    failed: tuple[Failure, ...]
    stopped: Stopped | None = None
    throttled: int = 0
    left: tuple[Operation, ...] = field(default=(), repr=False)
    afoot: tuple[Operation, ...] = field(default=(), repr=False)
    again: datetime | None = None
    budget: str = ""
    earlier: int = 0

    @property
    def waiting(self) -> int:
        """Operations that Algolia has taken and not published yet; the next run asks again."""
        return len(self.afoot) + self.earlier

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "operations": self.operations,
            "families": self.families,
            "batches": self.batches,
            "bytes": self.bytes,
            "waiting": self.waiting,
            "deferred": self.deferred,
            "deferred_for": self.deferred_for,
            "failed": [asdict(failure) for failure in self.failed],
            "stopped": None if self.stopped is None else self.stopped.reason,
            "throttled": self.throttled,
            "again": None if self.again is None else self.again.isoformat(timespec="seconds"),
            "budget": self.budget,
        }


def push(
    plan: Plan,
    client: WriteClient,
    ledger: Ledger,
    *,
    now: Callable[[], datetime],
    progress: Callable[[int], None] | None = None,
    manner: Manner | None = None,
) -> Pushed:
    """Send a plan's operations in order and wait until they are published.

    Args:
        plan: What to send.
        client: Where to.
        ledger: Rows of the same application and hosts as the client's.
        now: The clock, for the ledger's rows.
        progress: Called with the number of operations that are done with.
        manner: What may be sent, and how; without it everything, at full speed.

    Raises:
        AlgoliaError: Algolia refuses the key or the index, and took nothing of the batch; or its answer made no sense.
        StoreError: The ledger failed.
    """
    manner = manner or Manner()
    todo, put_off = admitted(plan.operations, manner)
    run = Sender(client=client, ledger=ledger, now=now, progress=progress, manner=manner)
    run.through(todo)
    gone = {id(op) for op in run.settled}
    left = tuple(op for op in plan.operations if id(op) not in gone)
    if early := len(left) - sum(put_off.values()):
        put_off["broke off"] = early
    return Pushed(
        operations=sum(run.done.values()),
        families=dict(sorted(run.done.items())),
        batches=run.taken,
        bytes=run.bytes,
        afoot=tuple(op for _, batch in run.open for op in batch),
        deferred=len(left),
        deferred_for=dict(sorted(put_off.items())),
        failed=tuple(run.failed),
        stopped=run.stopped,
        throttled=client.throttled,
        left=left,
    )


def admitted(operations: Iterable[Operation], manner: Manner) -> tuple[tuple[Operation, ...], Counter[str]]:
    """The operations that one run may send, in order, and how many of the others wait for which reason."""
    every = tuple(operations)
    free = [op for op in every if op.index not in manner.busy]
    some = bounded(free, manner.adds)
    todo = some[: manner.limits.operations]
    why = {
        EARLIER: len(every) - len(free),
        "adds_per_run": len(free) - len(some),
        "budget": len(some) - len(todo),
    }
    return todo, Counter({reason: count for reason, count in why.items() if count})


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
