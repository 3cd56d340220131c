"""The inbox: what storefronts sent and no published snapshot contains yet, and what visitors chose and were shown.

Its own SQLite file, so that taking an event never waits for the worker's long transactions. Those who serve append,
the worker reads onwards and drops. Writers follow each other, so that a sequence number that can be read has no
smaller one still to come. What an event means is not decided here.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from threading import Lock
from typing import Any, Final, Literal
from uuid import uuid4

import orjson
from sqlalchemy import Connection, RowMapping, Select, String, Table, and_, bindparam, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from algosync.stores.inbox_tables import choices, impressions, inbox, meta, metadata
from algosync.stores.plain import Asked, Plain
from algosync.stores.state import Book, State

Consent = Literal["for_you", "not_personalized"]

IMPRESSIONS_KEPT: Final = 1000
"""Of one action and visitor; older ones are forgotten."""

_BY_EVENT: Final = "event"
_CHOICE: Final = "pageview"  # Insights has no such type, so that no event from outside is taken for a choice
_DROP_AT_ONCE: Final = 5000  # a longer transaction would make those who append wait
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Made once: building a statement costs more than running it. Nearly everybody has one token, or two.
_TWO: Final = (bindparam("one", type_=String), bindparam("other", type_=String))
_CHOSEN: Final = Asked(
    select(choices.c.consent, choices.c.at_ms, choices.c.source).where(or_(*(choices.c.token == t for t in _TWO)))
)
_SHOWN: Final = Asked(
    select(impressions.c.at_ms, impressions.c.seq, impressions.c.action).where(
        or_(*(impressions.c.token == t for t in _TWO))
    )
)

INBOX = Book(file="inbox.sqlite", metadata=metadata, meta=meta, version=1, lock=7_411_020_532)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """One event of the inbox.

    Attributes:
        seq: Its sequence number; later events have greater ones.
        id: What it is known by whenever it is read or sent again: see `Inbox.after`.
        received_ms: When it arrived, in epoch milliseconds.
        event: The event, in the fields of Insights.
    """

    seq: int
    id: str
    received_ms: int
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a visitor chose, when, and where she was asked."""

    consent: Consent
    at: datetime
    source: str


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
    """

    def __init__(self, state: State, plain: Plain | None = None) -> None:
        self._state = state
        self._moment: Callable[[], AbstractContextManager[Connection | sqlite3.Connection]] = (
            state.read if plain is None else plain.moment
        )
        self._turn = Lock()
        self._waiting: SimpleQueue[_Parcel] = SimpleQueue()

    def identity(self) -> str | None:
        """What tells this inbox from one that stood in its place before; None before the first event."""
        with self._state.read() as connection:
            return _identity(connection)

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
        parcel = _Parcel(events, received_at)
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
        known = sorted(set(tokens))
        hers = or_(inbox.c.token.in_(known), inbox.c.auth.in_(known))
        return self._collected(select(inbox).where(inbox.c.seq > after, hers).order_by(inbox.c.seq))

    def drop(self, up_to: int) -> int:
        """Forgets the events up to and including a sequence number, in short transactions.

        Returns:
            How many there were.
        """
        dropped = 0
        while True:
            with self._state.write() as connection:
                oldest = select(inbox.c.seq).where(inbox.c.seq <= up_to).order_by(inbox.c.seq).limit(_DROP_AT_ONCE)
                last = connection.scalar(select(func.max(oldest.subquery().c.seq)))
                if last is None:
                    return dropped
                dropped += connection.execute(delete(inbox).where(inbox.c.seq <= last)).rowcount

    def size(self) -> int:
        """How many events wait."""
        with self._state.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(inbox)) or 0)

    def put_choice(self, token: str, choice: Choice, also: Iterable[str] = ()) -> int:
        """Keeps a visitor's choice, and tells it to the log as an event of her session.

        Args:
            token: By which she chose.
            choice: What she chose.
            also: Her other tokens, whose older choices no longer hold.

        Returns:
            The sequence number of that event.
        """
        event = {
            "eventType": _CHOICE,
            "userToken": token,
            "consent": choice.consent,
            "timestamp": _millis(choice.at),
        }
        with self._turn, self._state.write() as connection:
            _choose(connection, dict.fromkeys(sorted({token, *also}), choice))
            return _append(connection, [event], choice.at)

    def choice(self, tokens: Iterable[str]) -> Choice | None:
        """The latest choice of a visitor, by any of her tokens."""
        found: list[Choice] = []
        with self._moment() as connection:
            for one, other in _pairs(tokens):
                rows = _CHOSEN.rows(connection, {"one": one, "other": other})
                found += (Choice(consent=consent, at=_moment(at), source=source) for consent, at, source in rows)
        return max(found, key=lambda choice: (choice.at, choice.consent), default=None)

    def put_impression(self, token: str, action: str, at: datetime) -> None:
        """Keeps that a visitor was shown an action's message."""
        same = and_(impressions.c.token == token, impressions.c.action == action)
        numbers = select(impressions.c.seq).where(same).order_by(impressions.c.seq.desc())
        with self._turn, self._state.write() as connection:
            connection.execute(impressions.insert().values(token=token, action=action, at_ms=_millis(at)))
            oldest = connection.scalar(numbers.offset(IMPRESSIONS_KEPT).limit(1))
            if oldest is not None:
                connection.execute(delete(impressions).where(same, impressions.c.seq <= oldest))

    def impressions(self, tokens: Iterable[str]) -> dict[str, list[datetime]]:
        """When a visitor was shown which action's message, by action, in order."""
        rows: list[tuple[int, int, str]] = []
        with self._moment() as connection:
            for one, other in _pairs(tokens):
                rows += map(tuple, _SHOWN.rows(connection, {"one": one, "other": other}))
        shown: dict[str, list[datetime]] = {}
        for at, _, action in sorted(rows):
            shown.setdefault(action, []).append(_moment(at))
        return shown

    def forget(self, tokens: Iterable[str]) -> int:
        """Takes away everything of a visitor: her events, choice and impressions.

        Returns:
            How many events there were.
        """
        known = sorted(set(tokens))
        with self._state.write() as connection:
            hers = or_(inbox.c.token.in_(known), inbox.c.auth.in_(known))
            gone = connection.execute(delete(inbox).where(hers)).rowcount
            for table in (choices, impressions):
                connection.execute(delete(table).where(table.c.token.in_(known)))
        return gone

    def _collected(self, query: Select[Any]) -> list[Collected]:
        with self._state.read() as connection:
            identity = _identity(connection) or ""
            return [_row(row, identity) for row in connection.execute(query).mappings()]


def _identity(connection: Connection) -> str | None:
    return connection.scalar(select(meta.c.value).where(meta.c.key == "identity"))


def _append(connection: Connection, events: Sequence[Mapping[str, Any]], received_at: datetime) -> int:
    if not events:
        return int(connection.scalar(select(func.max(inbox.c.seq))) or 0)
    if _identity(connection) is None:
        connection.execute(meta.insert().values(key="identity", value=uuid4().hex))
    named = (event.get(name) for event in events for name in ("userToken", "authenticatedUserToken"))
    chosen = _choices(connection, sorted({token for token in named if token}))
    received = _millis(received_at)
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
        if consent is None or event["eventType"] == _CHOICE:
            continue
        at = _moment(min(event.get("timestamp", _millis(received_at)), _millis(received_at)))
        before = said.get(token) or chosen.get(token)
        refuses = consent == "not_personalized" and (before is None or before.consent != consent)
        takes_back = consent == "for_you" and before is not None and before.source == _BY_EVENT
        if (refuses or takes_back) and (before is None or before.at <= at):
            said[token] = Choice(consent=consent, at=at, source=_BY_EVENT)
    return said


def _choose(connection: Connection, made: Mapping[str, Choice]) -> None:
    rows = [
        {"token": token, "consent": choice.consent, "at_ms": _millis(choice.at), "source": choice.source}
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
            found[row["token"]] = Choice(consent=row["consent"], at=_moment(row["at_ms"]), source=row["source"])
    return found


def _pairs(tokens: Iterable[str]) -> Iterator[tuple[str, str]]:
    known = sorted(set(tokens))
    for place in range(0, len(known), 2):
        yield known[place], known[min(place + 1, len(known) - 1)]


def _row(row: RowMapping, identity: str) -> Collected:
    event = orjson.loads(row["event"])
    if "eventID" in event:
        known_by = f"id:{row['token']}:{event['eventID']}"
    elif "timestamp" in event:
        known_by = f"sent:{_digest(event)}"
    else:
        known_by = f"seq:{identity}:{row['seq']}"
    return Collected(seq=row["seq"], id=known_by, received_ms=row["received_ms"], event=event)


def _digest(event: Mapping[str, Any]) -> str:
    """Of what was sent: consent may have been added here, and be another when the event is sent again."""
    sent = event
    if event["eventType"] != _CHOICE:
        sent = {name: value for name, value in event.items() if name != "consent"}
    return hashlib.blake2b(orjson.dumps(sent, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def _insert(connection: Connection) -> Callable[[Table], Any]:
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert


def _millis(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def _moment(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)
