"""The inbox: what storefronts sent and no published snapshot contains yet, and what visitors chose and were shown.

Its own SQLite file, so that taking an event never waits for the worker's long transactions. Those who serve append,
the worker reads onwards and drops. Writers follow each other, so that a sequence number that can be read has no
smaller one still to come. What an event means is not decided here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import SimpleQueue
from threading import Lock
from typing import Any, Final
from uuid import uuid4

import orjson
from sqlalchemy import Connection, Select, Table, and_, bindparam, delete, func, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite

from algosync.stores.forwarding import Forwarding, forget_aside, not_forwarded
from algosync.stores.inbox_tables import choices, impressions, inbox, meta, metadata
from algosync.stores.inbox_visitor import (
    CHOICE,
    LATELY,
    SEQ_MAX,
    Choice,
    Collected,
    Consent,
    Lately,
    collected,
    events,
    identity_of,
    lately,
    millis,
    moment,
    pairs,
    stretch,
)
from algosync.stores.plain import Plain
from algosync.stores.state import Book, State
from algosync.stores.tombstones import NOBODY, Forgotten

__all__ = ["IMPRESSIONS_KEPT", "INBOX", "KEPT", "SEQ_MAX", "Choice", "Collected", "Consent", "Inbox", "Lately"]

IMPRESSIONS_KEPT: Final = 1000
"""Of one action and visitor; older ones are forgotten."""

KEPT: Final = timedelta(hours=2)
"""How long events stay, though a snapshot contains them: the weight that a session has besides is made of the session's
events one by one, and no snapshot holds these. Of a longer session the last two hours speak."""
KEPT_MAX: Final = 1_000_000
"""Of the events that stay though they may go, for the time they arrived; a busy shop's would fill the inbox."""

_BY_EVENT: Final = "event"
_DROP_AT_ONCE: Final = 5000  # a longer transaction would make those who append wait

INBOX = Book(file="inbox.sqlite", metadata=metadata, meta=meta, version=1, lock=7_411_020_532)


@dataclass(slots=True)
class _Parcel:
    """Events that wait to be taken in; `last` is the number of the last one, or what went wrong."""

    events: Sequence[Mapping[str, Any]]
    received_at: datetime
    last: int | BaseException | None = None


class Inbox:
    """Takes and gives back what storefronts send.

    Args:
        state: A database that was opened with INBOX's tables.
        plain: Reads of one visitor go this way; for those who answer from SQLite.
        forgotten: Says who is forgotten now; nothing of theirs is taken in.
    """

    def __init__(
        self, state: State, plain: Plain | None = None, forgotten: Callable[[], Forgotten] = lambda: NOBODY
    ) -> None:
        self._state = state
        self._forgotten = forgotten
        self._plain = plain
        self._moment: Callable[[], AbstractContextManager[Connection | sqlite3.Connection]] = (
            state.read if plain is None else plain.moment
        )
        self._turn = Lock()
        self._waiting: SimpleQueue[_Parcel] = SimpleQueue()
        self.forwarding = Forwarding(state, self._turn)

    def identity(self) -> str | None:
        """What tells this inbox from one that stood in its place before; None before the first event."""
        with self._moment() as connection:
            return identity_of(connection)

    def append(self, events: Sequence[Mapping[str, Any]], received_at: datetime) -> int:
        """Takes events in, all or none; they are on the disk when this returns.

        An event that says nothing of consent takes with it what its visitor chose before: of her tokens' choices the
        latest. Threads that come while another one writes are served together, by one of them in one transaction:
        SQLite by itself lets some of them wait for seconds.

        Args:
            events: Events that `events.insights.check` passed.
            received_at: Now.

        Returns:
            The sequence number of the last one.

        Raises:
            StoreError: Nothing was taken in.
        """
        parcel = _Parcel(_heeded(events, self._forgotten()), received_at)
        self._waiting.put(parcel)
        with self._turn:
            if parcel.last is None:
                self._take_in([self._waiting.get_nowait() for _ in range(self._waiting.qsize())])
        if isinstance(parcel.last, BaseException):
            raise parcel.last
        assert parcel.last is not None
        return parcel.last

    def _take_in(self, parcels: Sequence[_Parcel]) -> None:
        try:
            with self._state.write() as connection:
                numbers = [_append(connection, parcel.events, parcel.received_at) for parcel in parcels]
        except BaseException as error:
            for parcel in parcels:  # those who wait must not take silence for success
                parcel.last = error
            raise
        for parcel, number in zip(parcels, numbers, strict=True):
            parcel.last = number

    def after(self, seq: int, limit: int) -> list[Collected]:
        """The events that follow a sequence number, in order.

        An event with an `eventID` of its sender's is known by that and its userToken. One without, but with a
        timestamp, is known by what was sent, so that it counts once also when it is sent twice. Any other is known by
        its sequence number.
        """
        query = select(inbox).where(inbox.c.seq > seq).order_by(inbox.c.seq).limit(limit)
        return self._collected(query)

    def of_tokens(self, tokens: Iterable[str], after: int) -> list[Collected]:
        """The events of a visitor's tokens that follow a sequence number, in order."""
        with self._moment() as connection:
            return events(connection, tokens, after)

    def stretch(self, tokens: Iterable[str], after: int, up_to: int, most: int, *, newest: bool) -> list[Collected]:
        """Some events of a visitor's tokens, in order; see `inbox_visitor.stretch`."""
        with self._moment() as connection:
            return stretch(connection, tokens, (after, up_to), most, newest=newest)

    def visitor(self, tokens: Iterable[str], after: int, *, shown: bool = True) -> Lately:
        """What there is of a visitor, but for her events themselves: those are read by `of_tokens`.

        Args:
            tokens: Hers; one or two are looked up by one statement, and more within one transaction.
            after: Of her events those are marked that follow this sequence number.
            shown: Whether impressions are wanted.
        """
        hers = frozenset(tokens)

        def read(connection: Connection | sqlite3.Connection) -> Lately:
            given = [{**pair, "after": after} for pair in pairs(hers)]
            if len(given) > 1 and isinstance(connection, sqlite3.Connection):
                connection.execute("BEGIN")
            return lately([row for pair in given for row in LATELY[shown].rows(connection, pair)])

        if self._plain is not None:
            return self._plain.once((hers, after, shown), read)
        with self._moment() as connection:
            return read(connection)

    def drop(self, up_to: int, received_before: datetime | None = None) -> int:
        """Forgets the events up to and including a sequence number, in short transactions.

        What is to be sent on to Insights stays until it was: see `stores.forwarding`.

        Args:
            up_to: The last number that may go.
            received_before: From the first event on that arrived then or later all stay, but for those more than
                KEPT_MAX below `up_to`; None for none.

        Returns:
            How many there were.
        """
        if received_before is not None:
            up_to = min(up_to, max(self._before(received_before), up_to - KEPT_MAX))
        dropped = 0
        while True:
            with self._state.write() as connection:
                sent_on = not_forwarded(connection)
                up_to = up_to if sent_on is None else min(up_to, sent_on)
                oldest = select(inbox.c.seq).where(inbox.c.seq <= up_to).order_by(inbox.c.seq).limit(_DROP_AT_ONCE)
                last = connection.scalar(select(func.max(oldest.subquery().c.seq)))
                if last is None:
                    return dropped
                dropped += connection.execute(delete(inbox).where(inbox.c.seq <= last)).rowcount

    def _before(self, moment: datetime) -> int:
        """The number before the first event that arrived at a moment or later; that of the last one without any."""
        later = select(inbox.c.seq).where(inbox.c.received_ms >= millis(moment)).order_by(inbox.c.seq).limit(1)
        with self._state.read() as connection:
            first = connection.scalar(later)
            return int(connection.scalar(select(func.max(inbox.c.seq))) or 0) if first is None else first - 1

    def size(self) -> int:
        """How many events wait."""
        with self._state.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(inbox)) or 0)

    def extent(self) -> tuple[int, int]:
        """How many events lie here, at most: numbers that were never given count too; and in how many bytes."""
        sizes = {
            "sqlite": "SELECT (page_count - freelist_count) * page_size FROM"
            " pragma_page_count, pragma_freelist_count, pragma_page_size",
            "postgresql": "SELECT pg_total_relation_size('inbox')",
        }
        with self._state.read() as connection:
            # Each by itself: a statement that asks for both ends walks through all that lies between.
            last = connection.scalar(select(func.max(inbox.c.seq)))
            first = connection.scalar(select(func.min(inbox.c.seq)))
            size = connection.scalar(text(sizes[self._state.dialect]))
        return (0 if last is None else last - first + 1), int(size)

    def put_choice(self, token: str, choice: Choice, also: Iterable[str] = ()) -> int:
        """Keeps a visitor's choice, and tells it to the log as an event of her session.

        Args:
            token: By which she chose.
            choice: What she chose.
            also: Her other tokens, whose older choices no longer hold.

        Returns:
            The sequence number of that event; 0 where she was forgotten, and nothing was kept.
        """
        if self._forgotten().holds(token):
            return 0
        event = {
            "eventType": CHOICE,
            "userToken": token,
            "consent": choice.consent,
            "timestamp": millis(choice.at),
        }
        with self._turn, self._state.write() as connection:
            _choose(connection, dict.fromkeys(sorted({token, *also}), choice))
            return _append(connection, [event], choice.at)

    def choice(self, tokens: Iterable[str]) -> Choice | None:
        """The latest choice of a visitor, by any of her tokens."""
        return self.visitor(tokens, 0, shown=False).choice

    def choices(self, tokens: Iterable[str]) -> dict[str, Choice]:
        """What was chosen by each of some tokens, as far as anything was."""
        with self._state.read() as connection:
            return _choices(connection, sorted(set(tokens)))

    def put_impression(self, token: str, action: str, at: datetime) -> None:
        """Keeps that a visitor was shown an action's message; not of one who was forgotten."""
        if self._forgotten().holds(token):
            return
        same = and_(impressions.c.token == token, impressions.c.action == action)
        numbers = select(impressions.c.seq).where(same).order_by(impressions.c.seq.desc())
        with self._turn, self._state.write() as connection:
            connection.execute(impressions.insert().values(token=token, action=action, at_ms=millis(at)))
            oldest = connection.scalar(numbers.offset(IMPRESSIONS_KEPT).limit(1))
            if oldest is not None:
                connection.execute(delete(impressions).where(same, impressions.c.seq <= oldest))

    def impressions(self, tokens: Iterable[str]) -> Mapping[str, Sequence[datetime]]:
        """When a visitor was shown which action's message, by action, in order."""
        return self.visitor(tokens, 0).impressions

    def forget(self, tokens: Iterable[str], also: Iterable[int] = ()) -> int:
        """Takes away everything of a visitor: her events, choice and impressions.

        Args:
            tokens: Hers.
            also: The numbers of more events, of tokens that others use too.

        Returns:
            How many events there were.
        """
        known = sorted(set(tokens))
        with self._state.write() as connection:
            hers = or_(inbox.c.token.in_(known), inbox.c.auth.in_(known))
            gone = connection.execute(delete(inbox).where(hers)).rowcount
            if numbers := [{"number": number} for number in also]:
                one = inbox.c.seq == bindparam("number")
                gone += connection.execute(delete(inbox).where(one), numbers).rowcount
            for table in (choices, impressions):
                connection.execute(delete(table).where(table.c.token.in_(known)))
            forget_aside(connection, known, numbers)
        return gone

    def _collected(self, query: Select[Any]) -> list[Collected]:
        with self._state.read() as connection:
            identity = identity_of(connection) or ""
            return [collected(tuple(row), identity) for row in connection.execute(query)]


def _heeded(events: Sequence[Mapping[str, Any]], forgotten: Forgotten) -> Sequence[Mapping[str, Any]]:
    if not forgotten:
        return events
    named = {event.get(name) or "" for event in events for name in ("userToken", "authenticatedUserToken")}
    gone = {name for name, lifted in forgotten.among(named).items() if lifted is None}
    return [event for event in events if not gone & {event["userToken"], event.get("authenticatedUserToken")}]


def _append(connection: Connection, events: Sequence[Mapping[str, Any]], received_at: datetime) -> int:
    if not events:
        return int(connection.scalar(select(func.max(inbox.c.seq))) or 0)
    if identity_of(connection) is None:
        connection.execute(meta.insert().values(key="identity", value=uuid4().hex))
    named = (event.get(name) for event in events for name in ("userToken", "authenticatedUserToken"))
    chosen = _choices(connection, sorted({token for token in named if token}))
    received = millis(received_at)
    rows = [
        {
            "received_ms": received,
            "token": event["userToken"],
            "auth": event.get("authenticatedUserToken"),
            "event": orjson.dumps(_consenting(event, chosen)).decode(),
        }
        for event in events
    ]
    connection.execute(inbox.insert(), rows)
    _choose(connection, _said(events, chosen, received_at))
    # Nobody else has written since.
    return int(connection.scalar(select(func.max(inbox.c.seq))) or 0)


def _said(
    events: Sequence[Mapping[str, Any]], chosen: Mapping[str, Choice], received_at: datetime
) -> dict[str, Choice]:
    """Choices that events bring along: a refusal always, a consent only where it takes back such a refusal."""
    said: dict[str, Choice] = {}
    for event in events:
        token, consent = event["userToken"], event.get("consent")
        if consent is None or event["eventType"] == CHOICE:
            continue
        at = moment(min(event.get("timestamp", millis(received_at)), millis(received_at)))
        before = said.get(token) or chosen.get(token)
        refuses = consent == "not_personalized" and (before is None or before.consent != consent)
        takes_back = consent == "for_you" and before is not None and before.source == _BY_EVENT
        if (refuses or takes_back) and (before is None or before.at <= at):
            said[token] = Choice(consent=consent, at=at, source=_BY_EVENT)
    return said


def _choose(connection: Connection, made: Mapping[str, Choice]) -> None:
    rows = [
        {"token": token, "consent": choice.consent, "at_ms": millis(choice.at), "source": choice.source}
        for token, choice in made.items()
    ]
    if rows:
        statement = _insert(connection)(choices)
        changed = {name: statement.excluded[name] for name in ("consent", "at_ms", "source")}
        connection.execute(statement.on_conflict_do_update(index_elements=["token"], set_=changed), rows)


def _consenting(event: Mapping[str, Any], chosen: Mapping[str, Choice]) -> Mapping[str, Any]:
    if not chosen or event.get("consent") is not None:
        return event
    named = (event["userToken"], event.get("authenticatedUserToken", ""))
    hers = [chosen[token] for token in named if token in chosen]
    return {**event, "consent": max(hers, key=lambda choice: choice.at).consent} if hers else event


def _choices(connection: Connection, tokens: Sequence[str]) -> dict[str, Choice]:
    found: dict[str, Choice] = {}
    for start in range(0, len(tokens), 500):  # SQLite counts the parameters of a statement
        query = select(choices).where(choices.c.token.in_(tokens[start : start + 500]))
        for row in connection.execute(query).mappings():
            found[row["token"]] = Choice(consent=row["consent"], at=moment(row["at_ms"]), source=row["source"])
    return found


def _insert(connection: Connection) -> Callable[[Table], Any]:
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
