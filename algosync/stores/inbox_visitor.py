"""What the inbox holds of one visitor: her choice, what she was shown, her events; by statements made once.

Whoever answers asks this for every answer, so that it is one statement for all but the events themselves; those are
read where `Lately.mark` says that they are others than before.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import orjson
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    union,
)
from sqlalchemy import union_all as one_after_another

from algosync.stores.inbox_tables import choices, impressions, inbox, meta
from algosync.stores.plain import Asked

Consent = Literal["for_you", "not_personalized"]

CHOICE: Final = "pageview"
"""The event type by which a choice is told to the log. Insights has no such type, so that no event from outside is
taken for one."""

COUNTED_MAX: Final = 5_000
"""Events of one name that are counted for a mark: whoever sends a million must not keep everybody waiting."""

SEQ_MAX: Final = 2**63 - 1
"""No event has a greater sequence number."""

_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """What the inbox holds of a visitor.

    Attributes:
        choice: Her latest choice, by any of her tokens.
        impressions: When she was shown which action's message, by action, in order.
        mark: Tells her events from those of any other moment: it moves when one comes and when one goes, and two
            zeros say that there is none. Of one name the first number counts COUNTED_MAX at most.
        inbox: What tells this inbox from one that stood in its place before, where marks may be the same.
    """

    choice: Choice | None = None
    impressions: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    mark: tuple[int, int] = (0, 0)
    inbox: str | None = None


# Nearly everybody has one token, or two.
_TWO: Final = (bindparam("one", type_=String), bindparam("other", type_=String))
_AFTER: Final = bindparam("after", type_=BigInteger)
_NOTHING: Final = literal_column("''", String)
_ZERO: Final = literal_column("0", Integer)


def _hers(*columns: Column[Any]) -> Any:
    return or_(*(column == token for column in columns for token in _TWO))


def _marked(column: Column[Any], token: BindParameter[str], *also: ColumnElement[bool]) -> Select[Any]:
    """How many rows name her in a column, and the last of them: an index by itself answers that."""
    newest = select(inbox.c.seq).where(column == token, inbox.c.seq > _AFTER, *also)
    some = newest.order_by(inbox.c.seq.desc()).limit(literal_column(str(COUNTED_MAX))).subquery()
    numbers = (func.count(), func.coalesce(func.max(some.c.seq), 0))
    return select(literal_column("2"), _NOTHING, _NOTHING, *numbers).select_from(some)


_CHOSEN: Final = select(_ZERO, choices.c.consent, choices.c.source, choices.c.at_ms, _ZERO).where(
    _hers(choices.c.token)
)
_SHOWN: Final = select(
    literal_column("1"), impressions.c.action, _NOTHING, impressions.c.at_ms, impressions.c.seq
).where(_hers(impressions.c.token))
_MARKS: Final = tuple(
    _marked(column, token, *also)
    for token, also in ((_TWO[0], ()), (_TWO[1], (_TWO[0] != _TWO[1],)))
    for column in (inbox.c.token, inbox.c.auth)
)
_WHERE: Final = select(literal_column("3"), meta.c.value, _NOTHING, _ZERO, _ZERO).where(meta.c.key == "identity")
LATELY: Final = {
    True: Asked(one_after_another(_CHOSEN, _SHOWN, *_MARKS, _WHERE)),
    False: Asked(one_after_another(_CHOSEN, *_MARKS, _WHERE)),
}
"""With impressions, or without; rows for `lately`."""

_IDENTITY: Final = Asked(select(meta.c.value).where(meta.c.key == "identity"))
_EVENTS: Final = Asked(select(inbox).where(inbox.c.seq > _AFTER, _hers(inbox.c.token, inbox.c.auth)))
_UP_TO: Final = bindparam("up_to", type_=BigInteger)
_MOST: Final = bindparam("most", type_=Integer)


def _numbers(column: Column[Any], token: BindParameter[str], *, newest: bool) -> Select[Any]:
    """The first rows of a stretch, or the last, that name somebody in a column: an index by itself tells which."""
    stretch = select(inbox.c.seq).where(column == token, inbox.c.seq > _AFTER, inbox.c.seq <= _UP_TO)
    some = stretch.order_by(inbox.c.seq.desc() if newest else inbox.c.seq).limit(_MOST).subquery()
    return select(some.c.seq)


_STRETCH: Final = {
    newest: Asked(
        select(inbox).where(
            inbox.c.seq.in_(
                union(*(_numbers(name, one, newest=newest) for name in (inbox.c.token, inbox.c.auth) for one in _TWO))
            )
        )
    )
    for newest in (False, True)
}
"""A bounded part of a visitor's events: the oldest of a stretch, or the newest."""


def pairs(tokens: Iterable[str]) -> Iterator[dict[str, str]]:
    """The tokens of a visitor as the statements take them, two at a time."""
    known = sorted(set(tokens))
    for place in range(0, len(known), 2):
        yield {"one": known[place], "other": known[min(place + 1, len(known) - 1)]}


def lately(rows: Iterable[Sequence[Any]]) -> Lately:
    """The rows of LATELY as one value."""
    choice: Choice | None = None
    shown: list[tuple[int, int, str]] = []
    count = last = 0
    identity: str | None = None
    for kind, name, source, at, number in rows:
        if kind == 2:
            count, last = count + at, max(last, number)
        elif kind == 3:
            identity = name
        elif kind == 1:
            shown.append((at, number, name))
        else:
            found = Choice(consent=name, at=moment(at), source=source)
            choice = found if choice is None else max(choice, found, key=lambda one: (one.at, one.consent))
    return Lately(choice=choice, impressions=_by_action(shown), mark=(count, last), inbox=identity)


def _by_action(rows: list[tuple[int, int, str]]) -> dict[str, list[datetime]]:
    shown: dict[str, list[datetime]] = {}
    for at, _, action in sorted(rows):
        shown.setdefault(action, []).append(moment(at))
    return shown


def identity_of(connection: Connection | sqlite3.Connection) -> str | None:
    """What tells an inbox from one that stood in its place before; None before the first event."""
    found: str | None = _IDENTITY.first(connection, {})
    return found


def events(connection: Connection | sqlite3.Connection, tokens: Iterable[str], after: int) -> list[Collected]:
    """The events of a visitor's tokens that follow a sequence number, in order."""
    identity = identity_of(connection) or ""
    found: dict[int, Collected] = {}
    for pair in pairs(tokens):
        for row in _EVENTS.rows(connection, {**pair, "after": after}):
            found[row[0]] = collected(row, identity)
    return [found[seq] for seq in sorted(found)]


def stretch(
    connection: Connection | sqlite3.Connection,
    tokens: Iterable[str],
    ends: tuple[int, int],
    most: int,
    *,
    newest: bool,
) -> list[Collected]:
    """Some events of a visitor's tokens, in order.

    Args:
        connection: Of the inbox.
        tokens: Hers.
        ends: The sequence number that they follow, and the last one that counts.
        most: How many at most.
        newest: Whether the last ones are wanted where there are more, and not the first.
    """
    identity = identity_of(connection) or ""
    found: dict[int, Collected] = {}
    for pair in pairs(tokens):
        given = {**pair, "after": ends[0], "up_to": ends[1], "most": most}
        for row in _STRETCH[newest].rows(connection, given):
            found[row[0]] = collected(row, identity)
    numbers = sorted(found)
    return [found[seq] for seq in (numbers[-most:] if newest else numbers[:most])] if most > 0 else []


def collected(row: Sequence[Any], identity: str) -> Collected:
    """A row of the inbox as an event, known by what nobody else's event is known by."""
    seq, received_ms, token, _, text = row
    event = orjson.loads(text)
    if "eventID" in event:
        known_by = f"id:{token}:{event['eventID']}"
    elif "timestamp" in event:
        known_by = f"sent:{_digest(event)}"
    else:
        known_by = f"seq:{identity}:{seq}"
    return Collected(seq=seq, id=known_by, received_ms=received_ms, event=event)


def _digest(event: Mapping[str, Any]) -> str:
    """Of what was sent: consent may have been added here, and be another when the event is sent again."""
    sent = event
    if event["eventType"] != CHOICE:
        sent = {name: value for name, value in event.items() if name != "consent"}
    return hashlib.blake2b(orjson.dumps(sent, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def millis(at: datetime) -> int:
    """A moment in epoch milliseconds."""
    return (at - _EPOCH) // _MILLISECOND


def moment(at_ms: int) -> datetime:
    """The moment of so many epoch milliseconds."""
    return _EPOCH + timedelta(milliseconds=at_ms)
