"""One laying of recent events over what is stored: reads what is needed of both, and keeps it for the next time.

Owns which rows of the inbox the snapshot contains, and what the shop's orders leave of events. Who asks, and for how
long a result holds, is `visitors`'s; what both amount to is worked out by `experience.overlay`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from algosync.experience.arrivals import FUTURE_S, named, ordered, read
from algosync.experience.overlay import EVENTS_MAX, Overlaid, OverlayRules, Recent, Stored, overlaid, placed
from algosync.experience.session import Arrival, Share
from algosync.profiles.streams import Standing
from algosync.profiles.tally import Tally
from algosync.profiles.tally_document import load, load_standing
from algosync.serve.desk import Person
from algosync.stores.inbox import SEQ_MAX, Collected, Inbox
from algosync.stores.orders import Order
from algosync.stores.view import OPEN, SETTLED, View

_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)

Said = tuple[dict[str, str], bool]
"""Attributes from users sources, and whether she refused."""
Moment = tuple[int, str, tuple[str, int]]
"""What tells one snapshot from another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Who is at a token, as far as is stored.

    Attributes:
        name: An authenticated token, or the token itself.
        document: Her stored document.
        tokens: Hers, the asked one among them.
        gone: Those of them that she is not at any more: somebody else may be.
    """

    name: str
    document: Person | None
    tokens: frozenset[str]
    gone: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class Laid:
    """What was worked out of one token, and what from.

    Attributes:
        moment: The snapshot's.
        inbox: Whose numbers the events have.
        tokens: All that were looked at.
        mark: Of their events.
        orders: What the shop ordered of them.
        home: Who is there now.
        over: What is known of her.
        made_at: From when on that holds; until when, `over` says.
        read: The arrivals of each event that was read, by its number.
        shares: What came to each token, and whose it is.
        tallies: Those that were looked for, by kind and name.
        said: What was read of what persons said of themselves.
        left: Whether some events were too many.
    """

    moment: Moment
    inbox: str | None
    tokens: frozenset[str]
    mark: tuple[int, int]
    orders: tuple[Order, ...]
    home: Home
    over: Overlaid
    made_at: datetime
    read: dict[int, tuple[Arrival, ...]] = field(default_factory=dict)
    shares: dict[str, tuple[Recent, Share]] = field(default_factory=dict)
    tallies: dict[tuple[str, str], Tally | None] = field(default_factory=dict)
    said: dict[str, Said] = field(default_factory=dict)
    left: bool = False


class Work:
    """One laying over: what is read for it, kept for the next."""

    def __init__(
        self, view: View, inbox: str | None, rules: OverlayRules, *, now: datetime, before: Laid | None
    ) -> None:
        self._view = view
        self._rules = rules
        self._now = now
        identity, seq = view.inbox()
        self._contained = seq if identity == (inbox or "") else 0  # another inbox's numbers say nothing of this one
        by_clock = rules.by_clock and bool(view.as_of)
        self._as_of = _micros(datetime.fromisoformat(view.as_of)) if by_clock else None
        self._before = before
        self.read: dict[int, tuple[Arrival, ...]] = {}
        self.tallies: dict[tuple[str, str], Tally | None] = {} if before is None else dict(before.tallies)
        self.said: dict[str, Said] = {} if before is None else dict(before.said)
        self.left = False

    def take(self, inbox: Inbox, tokens: frozenset[str], mark: tuple[int, int]) -> set[str]:
        """Reads what came to some tokens, as far as it was not read for the answer before; names all theirs.

        Args:
            inbox: Where it lies.
            tokens: The tokens.
            mark: Of their events, taken before this.
        """
        before, known, after = self._before, dict[int, tuple[Arrival, ...]](), 0
        if before is not None:
            known, after = before.read, before.mark[1] if before.tokens == tokens else 0
        rows, used = self._come(inbox, tokens, after, known)
        if before is not None and after:
            came = sum([row.seq <= mark[1] for row in rows])
            if self.left or len(rows) >= EVENTS_MAX:
                came = inbox.visitor(tokens, after).mark[0]
            if before.mark[0] + came != mark[0]:  # some are gone
                after = 0
                rows, used = self._come(inbox, tokens, after, known)
        products = self._view.products(named(row for row in used if row.seq not in known))
        rules = self._rules.arrivals
        self.read = dict(known) if after else {}
        self.read.update((row.seq, known.get(row.seq) or read(row, products, rules)) for row in used)
        return {row.event["userToken"] for row in rows}

    def _come(
        self, inbox: Inbox, tokens: frozenset[str], after: int, known: Iterable[int]
    ) -> tuple[list[Collected], list[Collected]]:
        """What came after a number, and what of it is laid over."""
        # Bounded where they are read: a stranger may have sent a million under her own token.
        old, room = list[Collected](), EVENTS_MAX
        if after:
            room -= sum([seq > self._contained for seq in known])
        if after < self._contained:
            old = inbox.stretch(tokens, after, self._contained, EVENTS_MAX, newest=True)
        fresh = inbox.stretch(tokens, max(after, self._contained), SEQ_MAX, room + 1, newest=False)
        self.left = len(fresh) > room
        return [*old, *fresh], [*old, *fresh[:room]]

    def shares(self, always: Iterable[str], orders: Mapping[str, Order]) -> dict[str, tuple[Recent, Share]]:
        """What came to each token, and whose it is."""
        rules = self._rules.arrivals
        contained: list[Arrival] = []
        fresh: list[Arrival] = []
        for arrivals in self.read.values():
            for arrival in arrivals:
                (contained if self._is_contained(arrival) else fresh).append(arrival)
        old = _by_token(ordered(contained, rules, now=self._now)) if contained else {}
        new = _by_token(ordered(fresh, rules, now=self._now, known=contained))
        names = sorted({*always, *old, *new})
        self._load((), names)
        counting = self._rules.counting(self._now)
        found = {}
        for name in names:
            heeded = _heeding(orders.get(name))
            recent = Recent(
                token=name,
                standing=_standing(self._view.standing(name)),
                open=None if unheeded(self._view, filter(None, [orders.get(name)])) else self.tallies[OPEN, name],
                contained=[heeded(arrival) for arrival in old.get(name, ())],
                fresh=[heeded(arrival) for arrival in new.get(name, ())],
            )
            before = None if self._before is None else self._before.shares.get(name)
            found[name] = recent, placed(recent, counting, before)
        return found

    def overlaid(self, home: Home, shares: Mapping[str, tuple[Recent, Share]], orders: Mapping[str, Order]) -> Overlaid:
        """What is known of whoever is there."""
        order = orders.get(home.name)
        stale = unheeded(self._view, filter(None, [order]))
        heeded, counting = _heeding(order), self._rules.counting(self._now)
        mine = []
        for recent, shared in shares.values():
            some = recent
            if order is not None and order.reset_at is not None:
                some = replace(
                    recent,
                    open=None if stale else recent.open,
                    contained=[heeded(arrival) for arrival in recent.contained],
                    fresh=[heeded(arrival) for arrival in recent.fresh],
                )
            mine.append((some, shared if some is recent else placed(some, counting)))
        if home.name not in self.said:
            self.said[home.name] = self._view.entered(home.name), self._view.has_refused(home.name)
        entered, refused = self.said[home.name]
        stored = Stored(
            person=home.name,
            settled=None if stale else self._settled(home.name),
            entered=entered,
            document=None if stale else home.document,
            refused=refused,
        )
        over = overlaid(stored, mine, self._rules, now=self._now)
        if self.left and over.document is not None:
            told = f"{over.document['reason']}; events after the first {EVENTS_MAX:,} wait for the next sync"
            over = replace(over, document={**over.document, "reason": told})
        return replace(over, until=min(over.until, self._next()))

    def _is_contained(self, arrival: Arrival) -> bool:
        """Whether the snapshot counts it: not one that was still to come when the log had taken it already."""
        if arrival.seq > self._contained:
            return False
        return self._as_of is None or not 0 < arrival.micros - self._as_of <= FUTURE_S * 1_000_000

    def _next(self) -> datetime:
        """When the next event's moment comes, of those that are ahead of their time."""
        edge = _micros(self._now)
        ahead = [arrival.micros for arrivals in self.read.values() for arrival in arrivals if arrival.micros > edge]
        return min((_EPOCH + min(at, 253_402_300_799_000_000) * _MICROSECOND for at in ahead), default=_LATEST)

    def _settled(self, name: str) -> Tally | None:
        self._load((name,), ())
        return self.tallies[SETTLED, name]

    def _load(self, settled: Iterable[str], opened: Iterable[str]) -> None:
        wanted = [[name for name in settled if (SETTLED, name) not in self.tallies]]
        wanted.append([name for name in opened if (OPEN, name) not in self.tallies])
        if not any(wanted):
            return
        docs = self._view.tallies(*wanted)
        for key in ((kind, name) for kind, names in zip((SETTLED, OPEN), wanted, strict=True) for name in names):
            self.tallies[key] = load(docs[key]) if key in docs else None


def unheeded(view: View, orders: Iterable[Order]) -> bool:
    """Whether a profile was to start anew after the run that made the snapshot."""
    return any(order.reset_seq > view.heeded for order in orders)


def _heeding(order: Order | None) -> Callable[[Arrival], Arrival]:
    """What an order leaves of an event: who is present it says in any case."""
    if order is None or not (order.suppressed or order.reset_at is not None):
        return lambda arrival: arrival
    until = None if order.reset_at is None else _micros(order.reset_at)

    def heeded(arrival: Arrival) -> Arrival:
        kept = not order.suppressed and (until is None or arrival.micros > until)
        return arrival if kept else replace(arrival, step=None)

    return heeded


def _by_token(arrivals: Iterable[Arrival]) -> dict[str, list[Arrival]]:
    found: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        found.setdefault(arrival.token, []).append(arrival)
    return found


def _standing(doc: str | None) -> Standing | None:
    return None if doc is None else load_standing(doc)


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
