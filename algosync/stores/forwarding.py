"""How far the inbox's events were sent on to Algolia Insights, by whom, and what became of them.

Owns one record in the inbox's own database, so that it is of this inbox and of no other, and the events that Insights
would not have. One forwarder works at a time: whoever holds the lease, which runs out by itself where its holder is
gone. Nothing here sends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final, Literal

import orjson
from sqlalchemy import Connection, bindparam, delete, func, inspect, or_, select

from algosync.stores.inbox_tables import aside, inbox, meta
from algosync.stores.inbox_visitor import identity_of, millis, moment
from algosync.stores.state import State

ASIDE_MAX: Final = 1000
"""Refused events that are kept; older ones are only counted."""

_KEY: Final = "forwarding"

Fate = Literal["sent", "withheld", "left_out", "expired", "refused", "lost"]
"""What became of an event: `left_out` is of a kind that is not forwarded, `lost` made way for later ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The record.

    Attributes:
        seq: The event up to which all is done.
        counts: How many met which fate.
        inbox: The identity of the inbox that numbers so; empty before its first event.
        holder: Who forwards.
        until_ms: When the lease runs out, in epoch milliseconds.
        problem: Why nothing goes out now; None while it does.
    """

    seq: int
    counts: Mapping[str, int] = field(default_factory=dict)
    inbox: str = ""
    holder: str = ""
    until_ms: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What still waits.

    Attributes:
        progress: The record.
        events: How many events, at most: numbers that were never given count too.
        oldest: When the first of them arrived.
    """

    progress: Progress
    events: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """An event that Insights refused."""

    seq: int
    reason: str
    event: Mapping[str, Any]


class Forwarding:
    """The record of one inbox.

    Args:
        state: The inbox's database.
        turn: The lock that writers of this process wait for.
    """

    def __init__(self, state: State, turn: Lock) -> None:
        self._state = state
        self._turn = turn

    def begin(self) -> Progress:
        """Notes that events are forwarded from now on: those that come, not those that lie there already.

        What lies there came while the storefront sent to Algolia itself. A record that is there stays as it is.
        """
        with self._turn, self._state.write() as connection:
            aside.create(connection, checkfirst=True)
            found = _read(connection)
            if found is None:
                found = Progress(seq=_last(connection), inbox=identity_of(connection) or "")
                _write(connection, found)
            return found

    def end(self, now: datetime) -> None:
        """Notes that nothing is forwarded any more, so that nothing is kept back; not while another server does."""
        with self._state.read() as connection:
            if _read(connection) is None:
                return
        with self._turn, self._state.write() as connection:
            found = _read(connection)
            if found is not None and found.until_ms <= millis(now):
                connection.execute(delete(meta).where(meta.c.key == _KEY))

    def take(self, holder: str, now: datetime, span: timedelta, known: Progress | None = None) -> Progress | None:
        """Takes the lease, or lengthens it.

        Args:
            holder: Who asks.
            now: This moment.
            span: For how long.
            known: What the holder knew last: its place where the record is gone, its problem in any case. In another
                inbox everything is new, and forwarded from the beginning.

        Returns:
            The record; None while another holds the lease.
        """
        with self._turn, self._state.write() as connection:
            aside.create(connection, checkfirst=True)
            found, identity = _read(connection), identity_of(connection) or ""
            if found is None:
                same = known is not None and known.inbox == identity
                found = replace(known, counts={}) if known is not None and same else Progress(seq=0)
            elif found.inbox not in {"", identity}:
                found = Progress(seq=0, counts=found.counts)
            # A lease that ends later than any can is of a clock that was set back since: its holder may be gone.
            left = timedelta(milliseconds=found.until_ms - millis(now))
            if found.holder not in {"", holder} and timedelta() < left <= 2 * span:
                return None
            problem = None if known is None else known.problem
            held = replace(found, inbox=identity, holder=holder, until_ms=millis(now + span), problem=problem)
            _write(connection, held)
            return held

    def release(self, holder: str) -> None:
        """Gives the lease back, so that another need not wait until it runs out."""
        with self._turn, self._state.write() as connection:
            found = _read(connection)
            if found is not None and found.holder == holder:
                _write(connection, replace(found, holder="", until_ms=0))

    def advance(
        self, held: Progress, seq: int, fates: Mapping[Fate, int], refused: Sequence[SetAside] = ()
    ) -> Progress | None:
        """Notes what became of the events up to a number.

        Args:
            held: The record as its holder knows it, with the lease's new end.
            seq: The last event that is done.
            fates: How many met which fate.
            refused: Events to keep aside.

        Returns:
            The record; None where another has taken over, and nothing was noted.
        """
        with self._turn, self._state.write() as connection:
            found = _read(connection)
            if found is None or found.holder != held.holder or found.inbox != held.inbox:
                return None
            counts = {**found.counts}
            for fate, number in fates.items():
                counts[fate] = counts.get(fate, 0) + number
            made = replace(held, seq=max(found.seq, seq), counts=counts)
            _write(connection, made)
            _keep_aside(connection, refused)
            return made

    def excess(self, progress: Progress, most: int) -> tuple[int, int]:
        """What must make way so that no more than `most` wait.

        Returns:
            Up to which number, and how many events these are; none where there is room.
        """
        with self._state.read() as connection:
            up_to = _last(connection) - most
            if up_to <= progress.seq:
                return progress.seq, 0
            gone = select(func.count()).select_from(inbox).where(inbox.c.seq > progress.seq, inbox.c.seq <= up_to)
            return up_to, int(connection.scalar(gone) or 0)

    def backlog(self) -> Backlog | None:
        """What still waits; None where nothing is forwarded."""
        with self._state.read() as connection:
            found = _read(connection)
            if found is None:
                return None
            first = select(inbox.c.received_ms).where(inbox.c.seq > found.seq).order_by(inbox.c.seq).limit(1)
            oldest = connection.scalar(first)
            return Backlog(
                progress=found,
                events=0 if oldest is None else max(0, _last(connection) - found.seq),
                oldest=None if oldest is None else moment(oldest),
            )

    def set_aside(self) -> list[SetAside]:
        """The events that Insights refused, in order."""
        with self._state.read() as connection:
            rows = connection.execute(select(aside).order_by(aside.c.seq)).mappings()
            return [SetAside(seq=row["seq"], reason=row["reason"], event=orjson.loads(row["event"])) for row in rows]


def not_forwarded(connection: Connection) -> int | None:
    """The number after which no event may be dropped yet; None where nothing is forwarded."""
    found = _read(connection)
    return None if found is None else found.seq


def forget_aside(connection: Connection, tokens: Sequence[str], also: Sequence[Mapping[str, int]]) -> None:
    """Takes away the refused events of a visitor, and those of some numbers."""
    if inspect(connection).has_table(aside.name):
        connection.execute(delete(aside).where(or_(aside.c.token.in_(tokens), aside.c.auth.in_(tokens))))
        if also:
            connection.execute(delete(aside).where(aside.c.seq == bindparam("number")), list(also))


def _read(connection: Connection) -> Progress | None:
    text = connection.scalar(select(meta.c.value).where(meta.c.key == _KEY))
    return None if text is None else Progress(**orjson.loads(text))


def _write(connection: Connection, progress: Progress) -> None:
    connection.execute(delete(meta).where(meta.c.key == _KEY))
    connection.execute(meta.insert().values(key=_KEY, value=orjson.dumps(progress).decode()))


def _last(connection: Connection) -> int:
    return int(connection.scalar(select(func.max(inbox.c.seq))) or 0)


def _keep_aside(connection: Connection, refused: Sequence[SetAside]) -> None:
    if not refused:
        return
    rows = [
        {
            "seq": one.seq,
            "token": one.event["userToken"],
            "auth": one.event.get("authenticatedUserToken"),
            "reason": one.reason,
            "event": orjson.dumps(one.event).decode(),
        }
        for one in refused
    ]
    connection.execute(delete(aside).where(aside.c.seq.in_([one.seq for one in refused])))
    connection.execute(aside.insert(), rows)
    oldest = connection.scalar(select(aside.c.seq).order_by(aside.c.seq.desc()).offset(ASIDE_MAX).limit(1))
    if oldest is not None:
        connection.execute(delete(aside).where(aside.c.seq <= oldest))
