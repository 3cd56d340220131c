"""Sends operations, request by request, and follows each until it is published.

Each batch is intended in the ledger before it is sent, sent before it is waited for, and published last, so that a
crash anywhere is mended by `recover` and another plan. A write whose answer was lost is looked for before it is sent
again. Must not decide what to send.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from algosync.algolia.client import ReadClient, WriteClient
from algosync.errors import AlgoliaError, AlgoliaUnavailableError, NotPublishedError
from algosync.payloads.encode import Family
from algosync.sync.batches import Limits, batches, records_body, rules_body, weigh
from algosync.sync.ledger import Ledger
from algosync.sync.pace import Pace
from algosync.sync.plan import Operation
from algosync.sync.recover import read_back
from algosync.sync.refusals import Refusal

OPEN_TASKS: Final = 50
"""Writes that may be under way at once: Algolia begins to throttle at 100 pending requests."""

_SLOW_S: Final = 5.0
"""A write that takes longer to be published says that there is a queue."""
_LOOKS_S: Final = (0.5, 2.0, 5.0)
"""Pauses before each look for a write whose answer was lost: it may be taken and not be published yet."""
_TRIES: Final = 3
"""How often a batch is sent whose answers are lost."""
_SEARCHED_MAX: Final = 20
"""Operations refused in a row of which none is named; as many more elsewhere in the batch, and it is not about them."""
_AGAIN_S: Final = 300.0

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
class Stopped:
    """Why a push ended before its plan did.

    Attributes:
        reason: For people.
        come_again_s: Seconds after which another try is worth it.
    """

    reason: str
    come_again_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to push.

    Attributes:
        limits: Sizes of requests, and the run's budget.
        adds: Objects that may be there for the first time; None for no limit.
        busy: Indices at which writes of an earlier run wait to be published: nothing is sent behind them.
        halt: Asked before each request; a reason ends the run.
        patience_s: Seconds to wait for one write to be published.
        reader: Looks for writes whose answer was lost (search, settings); the writing client if None.
    """

    limits: Limits = field(default_factory=Limits)
    adds: int | None = None
    busy: Collection[str] = ()
    halt: Callable[[], str | None] = lambda: None
    patience_s: float = 600.0
    reader: ReadClient | None = None


class _EnoughError(Exception):
    """The run ends here, by its own will."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Operations to send, and how often the answer to them was lost."""

    batch: tuple[Operation, ...]
    losses: int = 0


@dataclass(slots=True, kw_only=True)
class Sender:
    """One run's way through its operations.

    Attributes:
        open: Writes that Algolia has taken and that are not published, with their tasks.
        settled: Operations that Algolia has taken, or that are put aside.
        done: Published operations by family.
        failed: Operations that were put aside.
        stopped: Why the run ended early.
        taken: Requests that Algolia took.
        bytes: Bytes of the published operations' bodies.
    """

    client: WriteClient
    ledger: Ledger
    now: Callable[[], datetime]
    progress: Callable[[int], None] | None
    manner: Manner
    pace: Pace = field(init=False)
    open: deque[tuple[int, tuple[Operation, ...]]] = field(default_factory=deque)
    settled: list[Operation] = field(default_factory=list)
    doubtful: list[tuple[Operation, str]] = field(default_factory=list)
    done: Counter[Family] = field(default_factory=Counter)
    failed: list[Failure] = field(default_factory=list)
    stopped: Stopped | None = None
    taken: int = 0
    bytes: int = 0

    def __post_init__(self) -> None:
        self.pace = Pace.full(self.manner.limits.records, OPEN_TASKS)

    def through(self, operations: Iterable[Operation]) -> None:
        """Send all, as far as that is possible, and wait for what was sent."""
        try:
            for batch in batches(operations, self.manner.limits):
                self._send(self._fitting(batch))
            self._finish(leave=0)
        except AlgoliaUnavailableError as error:
            self.stopped = Stopped(reason=str(error), come_again_s=error.retry_after_s or _AGAIN_S)
            self._settle_rest()
        except _EnoughError as reason:
            self.stopped = Stopped(reason=str(reason), come_again_s=_AGAIN_S)
            self._settle_rest()
        else:
            self._believe()  # not of a run that broke off: who knows whether their neighbours would have been taken

    def _settle_rest(self) -> None:
        """Ask once about each write that is under way."""
        for _ in range(len(self.open)):
            try:
                self._finish(leave=len(self.open) - 1, patience_s=0.0)
            except NotPublishedError:
                self.open.rotate(-1)
            except AlgoliaUnavailableError:
                return

    def _fitting(self, batch: tuple[Operation, ...]) -> tuple[Operation, ...]:
        if len(batch) == 1 and weigh(batch[0]) > self.manner.limits.bytes:
            self._put_aside(batch[0], f"its {weigh(batch[0]):,} bytes are more than one request may have")
            return ()
        return batch

    def _send(self, batch: tuple[Operation, ...]) -> None:
        """Send a batch; the record that causes a refusal, named or searched for, is put aside, the rest sent again."""
        parts, before = deque([_Part(batch)]), self.taken
        while parts:
            part = parts.popleft()
            if len(part.batch) > self.pace.records:
                parts.appendleft(_Part(part.batch[self.pace.records :], part.losses))
                part = _Part(part.batch[: self.pace.records], part.losses)
            if part.batch:
                self._keep_pace()
                doubts = len(self.doubtful)
                parts.extendleft(reversed(self._attempt(part)))
                if self.taken > before:
                    self._believe()
                elif doubts < _SEARCHED_MAX <= len(self.doubtful):
                    parts.rotate(1)
                self._finish(leave=self.pace.tasks)

    def _keep_pace(self) -> None:
        if reason := self.manner.halt():
            raise _EnoughError(reason)
        if self.pace.pause_s and not self.client.pause(self.pace.pause_s):
            raise _EnoughError("Algolia asked for more patience than push.patience_s gives a run")

    def _attempt(self, part: _Part) -> list[_Part]:
        batch, before = part.batch, self.client.throttled
        self.ledger.intend(batch, self.now())
        try:
            task_id = self._request(batch)
        except AlgoliaUnavailableError as error:
            if error.undone:
                self.ledger.abandon(batch, self.now())
                raise
            return self._look_for(part, error)
        except AlgoliaError as error:
            if error.status is None:  # no refusal: the batch may have been taken
                raise
            self.ledger.abandon(batch, self.now())
            return [_Part(rest, part.losses) for rest in self._without_cause(batch, error)]
        self.ledger.sent(batch, task_id, self.now())
        self.open.append((task_id, batch))
        self._take(batch)
        self.pace = self.pace.slower() if self.client.throttled > before else self.pace.faster()
        return []

    def _take(self, batch: Sequence[Operation]) -> None:
        self.settled += batch
        self.taken += 1
        self._believe()

    def _look_for(self, part: _Part, error: AlgoliaUnavailableError) -> list[_Part]:
        """What of a batch whose answer was lost must be sent again: what cannot be found at Algolia."""
        self._finish(leave=0)  # it would be published after these
        missing = part.batch
        for pause_s in (max(_LOOKS_S[0], error.retry_after_s or 0.0), *_LOOKS_S[1:]):
            if not self.client.pause(pause_s):
                raise error
            missing = self._missing(missing, error)
            if not missing:
                self._take(())
                return []
        if part.losses + 1 >= _TRIES:
            raise error
        return [_Part(missing, part.losses + 1)]

    def _missing(self, batch: tuple[Operation, ...], error: AlgoliaUnavailableError) -> tuple[Operation, ...]:
        try:
            held = read_back(self.manner.reader or self.client, batch)
        except AlgoliaError:
            raise error from None
        there = [op for op, found in zip(batch, held, strict=True) if found == op.hash]
        self.ledger.found(there, self.now(), uncounted=len(there))
        self.settled += there
        self._publish(there)
        return tuple(op for op, found in zip(batch, held, strict=True) if found != op.hash)

    def _finish(self, *, leave: int, patience_s: float | None = None) -> None:
        """Wait for the oldest writes until no more than `leave` are under way."""
        while len(self.open) > leave:
            task_id, batch = self.open[0]
            most = self.manner.patience_s if patience_s is None else patience_s
            waited = self.client.wait(batch[0].index, task_id, timeout_s=most)
            self.ledger.published(batch, self.now())
            self.open.popleft()
            self._publish(batch)
            if waited > _SLOW_S:
                self.pace = self.pace.slower()

    def _publish(self, batch: Sequence[Operation]) -> None:
        for op in batch:
            self.done[op.family] += 1
            self.bytes += op.size
        if batch:
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
        if error.object_id is None and error.position is None:
            self._doubt(batch[cause], error)
        else:
            self._put_aside(batch[cause], error.what)
        return [batch[:cause] + batch[cause + 1 :]]

    def _doubt(self, op: Operation, error: AlgoliaError) -> None:
        """Put an operation aside where one of its batch is taken: else the refusal is about none of them."""
        self.doubtful.append((op, error.what))
        if len(self.doubtful) >= 2 * _SEARCHED_MAX:
            raise error

    def _believe(self) -> None:
        for op, reason in self.doubtful:
            self._put_aside(op, reason)
        self.doubtful.clear()

    def _put_aside(self, op: Operation, reason: str) -> None:
        if op.hash is not None:
            refusal = Refusal(
                index=op.index, family=op.family, object_id=op.object_id, hash=op.hash, reason=reason, at=self.now()
            )
            self.ledger.refusals.keep([refusal])
        self.settled.append(op)
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
