"""Sends events on to Algolia Insights, where the collector has taken its place: behind the answers, never before them.

At least once: what was taken in is sent until Insights has answered for it, over restarts of the server. Insights knows
no event again, so one whose answer was lost counts twice there; nothing else is sent twice. The order is the inbox's,
and the place in it is kept in the inbox itself, where one of several servers at a time holds a lease. Not sent are
events of visitors whose consent is withheld or missing (as `[events] consent_missing` says): they came with the
visitor's token, from which Algolia would make a profile. Waiting is decided here and not by a retrying call, since the
lease must be kept meanwhile, and a server that stops must not be waited for.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any, Final, Literal, Protocol

import orjson
import structlog

from algosync.errors import AlgoliaError, AlgoliaUnavailableError, AlgosyncError
from algosync.events.insights import FIELDS, TYPES, VIA
from algosync.stores.forwarding import Backlog, Fate, Progress, SetAside
from algosync.stores.inbox import Collected, Inbox
from algosync.stores.inbox_visitor import millis

EVENTS_MAX: Final = 1000
"""Events of one request to Insights."""
BYTES_MAX: Final = 1_000_000
"""Bytes of one request's events; Insights takes twice as many."""
AGE_MAX: Final = timedelta(days=30)
"""Insights takes nothing older."""
LEASE: Final = timedelta(minutes=2)
POLL_S: Final = 1.0
"""How long a new event waits at most, where nothing is in the way."""
WAIT_FIRST_S: Final = 1.0
WAIT_MAX_S: Final = 300.0
REFUSED_S: Final = 300.0
"""How long to leave Insights alone that does not take the key."""

GRACE_S: Final = 10.0
"""How long a server that stops waits for the request under way."""

_BREATH_S: Final = 0.01
_STANDBY_S: Final = LEASE.total_seconds() / 4
_LEASE_KEPT_S: Final = LEASE.total_seconds() / 3
_ABOUT_EVENTS: Final = frozenset({400, 413, 422})


class Insights(Protocol):
    """Where events go."""

    def push(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Sends events: all are taken, or none.

        Raises:
            AlgoliaError: They were refused.
            AlgoliaUnavailableError: It is unknown whether they were taken.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardRules:
    """What is forwarded.

    Attributes:
        segment: Whether also what came by Segment's webhook; Segment may well send it to Algolia itself.
        consent_missing: What an event without consent means.
        backlog_max: Events that may wait; beyond, the oldest are given up.
    """

    segment: bool = False
    consent_missing: Literal["deny", "allow"] = "deny"
    backlog_max: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """An event, in the fields of Insights, and what is to become of it."""

    seq: int
    fate: Fate
    event: Mapping[str, Any]


class Forwarder:
    """Does what there is to do, step by step; who calls waits between the steps.

    Args:
        inbox: Where the events are.
        insights: Where they go.
        rules: Which of them.
        clock: Tells the time.
        holder: The name of this server among several.
        jitter: A number from 0 to 1, another at each call, so that servers do not come back all at once.
    """

    def __init__(
        self,
        *,
        inbox: Inbox,
        insights: Insights,
        rules: ForwardRules,
        clock: Callable[[], datetime],
        holder: str,
        jitter: Callable[[], float],
    ) -> None:
        self._inbox = inbox
        self._book = inbox.forwarding
        self._insights = insights
        self._rules = rules
        self._clock = clock
        self._holder = holder
        self._jitter = jitter
        self._failures = 0
        self._rest: tuple[datetime, datetime] | None = None
        self._held: Progress | None = None
        self._known: Progress | None = None
        self._log = structlog.get_logger("algosync.serve")

    def step(self) -> float:
        """Sends what there is, up to the first thing that goes wrong.

        Returns:
            Seconds until the next step.
        """
        try:
            return self._step()
        except AlgosyncError as error:  # the inbox is locked, full or gone; it is asked again
            self._log.error("events cannot be forwarded now", error=str(error))
        except Exception as error:  # noqa: BLE001  # a thread that ends would let the events pile up unseen
            self._log.error("unexpected while forwarding", kind=type(error).__name__)
        return self._backoff()

    def stop(self) -> None:
        """Gives the lease back."""
        try:
            self._book.release(self._holder)
        except AlgosyncError as error:
            self._log.warning("the lease runs out by itself", error=str(error))

    def _step(self) -> float:
        now = self._clock()
        self._held = self._book.take(self._holder, now, LEASE, self._known)
        if self._held is None:
            return _STANDBY_S
        self._known = self._held
        if self._rest is not None and self._rest[0] <= now < self._rest[1]:  # else over, or the clock was set back
            return min((self._rest[1] - now).total_seconds(), _LEASE_KEPT_S)
        self._make_way()
        judged = self._judged(now)
        try:
            for part in parts(judged):
                self._send(part)
        except AlgoliaError as error:
            return self._wait(error)
        self._failures, self._rest = 0, None
        self._tell(None)
        return _BREATH_S if len(judged) == EVENTS_MAX else POLL_S

    def _tell(self, problem: str | None) -> None:
        """Notes why nothing goes out, where every server can tell it."""
        if self._held is None or self._held.problem == problem:
            return
        self._log.error("events are forwarded again" if problem is None else "events are not forwarded", why=problem)
        self._hold(self._book.advance(replace(self._held, problem=problem), self._held.seq, {}))

    def _hold(self, held: Progress | None) -> None:
        self._held = held
        self._known = held or self._known

    def _make_way(self) -> None:
        """Gives up the oldest where too many wait: the inbox must not grow for as long as Insights is down."""
        held = self._sure()
        up_to, gone = self._book.excess(held, self._rules.backlog_max)
        if gone:
            self._log.error("events are given up: too many wait to be forwarded", lost=gone)
        if up_to > held.seq:
            self._hold(self._book.advance(held, up_to, {"lost": gone}))

    def _judged(self, now: datetime) -> list[_Judged]:
        """The next events, each with what is to become of it."""
        if self._held is None:
            return []
        rows = self._inbox.after(self._held.seq, EVENTS_MAX)
        named = (row.event.get(name) for row in rows for name in ("userToken", "authenticatedUserToken"))
        chosen = self._inbox.choices(token for token in named if token)
        withheld = {token for token, choice in chosen.items() if choice.consent == "not_personalized"}
        return [self._judge(row, withheld, now) for row in rows]

    def _judge(self, row: Collected, withheld: set[str], now: datetime) -> _Judged:
        said = row.event
        event = {name: said[name] for name in FIELDS if name in said}
        event.setdefault("timestamp", row.received_ms)
        oldest = (now - AGE_MAX).timestamp() * 1000
        consent = said.get("consent") or {"deny": "not_personalized", "allow": "for_you"}[self._rules.consent_missing]
        fate: Fate = "sent"
        if said.get("eventType") not in TYPES or (VIA in said and not self._rules.segment):
            fate = "left_out"
        elif consent != "for_you" or withheld & {said["userToken"], said.get("authenticatedUserToken")}:
            fate = "withheld"
        elif event["timestamp"] <= oldest:
            fate = "expired"
        return _Judged(seq=row.seq, fate=fate, event=event)

    def _send(self, part: Sequence[_Judged]) -> None:
        """Sends a part, and what Insights refuses of it by halves, until it is known which event is at fault.

        Raises:
            AlgoliaError: Nothing more can be sent now; all before it is noted.
        """
        left = deque([part])
        while left and self._held is not None:
            part = left.popleft()
            events = [one.event for one in part if one.fate == "sent"]
            reason = self._refusal(events) if events else None
            if reason is not None and len(events) > 1:
                left.extendleft(reversed(_halves(part)))
            else:
                self._note(part, reason)

    def _refusal(self, events: Sequence[Mapping[str, Any]]) -> str | None:
        """Why Insights refused events; None where it has taken them."""
        try:
            self._insights.push(events)
        except AlgoliaUnavailableError:
            raise
        except AlgoliaError as error:
            if error.status not in _ABOUT_EVENTS:
                raise
            return error.what
        return None

    def _note(self, part: Sequence[_Judged], reason: str | None) -> None:
        """Notes what became of a part; with a reason, its one event that was to be sent was refused."""
        met = [replace(one, fate="refused") if reason is not None and one.fate == "sent" else one for one in part]
        refused = [SetAside(seq=one.seq, reason=reason or "", event=one.event) for one in met if one.fate == "refused"]
        if refused:
            self._log.error("Insights refused an event, which is kept aside", reason=reason)
        held = replace(self._sure(), until_ms=millis(self._clock() + LEASE))
        self._hold(self._book.advance(held, part[-1].seq, Counter(one.fate for one in met), refused))

    def _wait(self, error: AlgoliaError) -> float:
        """How long to leave Insights alone, by its own word where it gave one."""
        if isinstance(error, AlgoliaUnavailableError):
            seconds = max(self._backoff(), error.retry_after_s or 0.0)
            problem = "Insights does not answer" if error.status is None else f"Insights answers {error.status}"
        else:
            seconds = REFUSED_S
            problem = f"Insights refuses the key (HTTP {error.status}); see serve.forward"
        self._tell(problem)
        now = self._clock()
        self._rest = now, now + timedelta(seconds=seconds)
        return min(seconds, _LEASE_KEPT_S)

    def _backoff(self) -> float:
        """Twice as long after each failure, and somewhere in the second half of that."""
        self._failures += 1
        most = min(WAIT_MAX_S, WAIT_FIRST_S * 2.0 ** min(self._failures, 20))
        return most * (0.5 + self._jitter() / 2)

    def _sure(self) -> Progress:
        assert self._held is not None
        return self._held


@contextmanager
def running(forwarder: Forwarder) -> Iterator[None]:
    """A forwarder at work in a thread of its own; on leaving, it ends after its step, and is not waited for long."""
    over = Event()

    def work() -> None:
        while not over.wait(forwarder.step()):
            pass
        forwarder.stop()

    thread = Thread(target=work, name="forward", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(GRACE_S)


def parts(judged: Sequence[_Judged]) -> Iterator[Sequence[_Judged]]:
    """Events in order, in parts that one request can carry."""
    part: list[_Judged] = []
    size = 0
    for one in judged:
        own = len(orjson.dumps(one.event)) + 1 if one.fate == "sent" else 0
        if part and size + own > BYTES_MAX:
            yield part
            part, size = [], 0
        part.append(one)
        size += own
    if part:
        yield part


def _halves(part: Sequence[_Judged]) -> list[Sequence[_Judged]]:
    """A part in two, each with half of the events that are to be sent."""
    places = [place for place, one in enumerate(part) if one.fate == "sent"]
    middle = places[len(places) // 2]
    return [part[:middle], part[middle:]]


def document(backlog: Backlog | None, now: datetime) -> dict[str, Any] | None:
    """How forwarding is, for /readyz, which everybody may read: no counts of the shop's traffic but what waits.

    None where nothing is forwarded.
    """
    if backlog is None:
        return None
    counts = backlog.progress.counts
    return {
        "waiting": backlog.events,
        "oldest_s": None if backlog.oldest is None else max(0, int((now - backlog.oldest).total_seconds())),
        "refused": counts.get("refused", 0),
        "expired": counts.get("expired", 0),
        "lost": counts.get("lost", 0),
        "problem": backlog.progress.problem,
    }
