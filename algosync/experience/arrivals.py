"""Events of the inbox as what they count and say, one by one: the same as pulling them into the log makes of them.

Owns that likeness in plain Python, for the few events of one visitor that no run has seen: which rows an event
becomes, which of them are turned away or kept out, their keys, and the order in which the log has them. Products are
as the last run knew them. Reads nothing and no clock.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import translate
from functools import cached_property
from hashlib import md5
from typing import Any, Final, Literal, Protocol
from urllib.parse import unquote

from algosync.events.vocabulary import (
    FOLDED,
    FOR_YOU,
    KINDS_OF_SUBTYPE,
    KINDS_OF_TYPE,
    NOT_PERSONALIZED,
    SESSION_EVENTS,
)
from algosync.experience.session import Arrival
from algosync.profiles.streams import Sign
from algosync.profiles.tally import Step

MICRO: Final = 1_000_000
FUTURE_S: Final = 3600
"""How far clocks of visitors may be ahead: `events.rules.CleanRules.future_tolerance`."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FOLDING: Final = str.maketrans("", "", FOLDED)
_TOKEN_MAX: Final = 128
_INT_MAX: Final = 2**31 - 1
_SPACES: Final = "\t\n\x0b\x0c\r "
_QUOTED: Final = re.compile(r"[\"'(),:=\[\\\]{}]")

Consent = Literal["for_you", "not_personalized"]
_SAID: Final[Mapping[str, Consent]] = {
    **dict.fromkeys(FOR_YOU, "for_you"),
    **dict.fromkeys(NOT_PERSONALIZED, "not_personalized"),
}


class Collected(Protocol):
    """One event of the inbox, as `stores.inbox.Collected`: it passed `events.insights.check`, or is a choice."""

    @property
    def seq(self) -> int:
        """Its sequence number."""

    @property
    def id(self) -> str:
        """What it is known by."""

    @property
    def received_ms(self) -> int:
        """When it arrived, in epoch milliseconds."""

    @property
    def event(self) -> Mapping[str, Any]:
        """The event, in the fields of Insights."""


@dataclass(frozen=True, kw_only=True)
class ArrivalRules:
    """How the collector's events are judged.

    Args:
        source: The collector's name; part of every key.
        consent_missing: What it means that consent was neither given nor refused.
        ignore_tokens: Globs of tokens that count nowhere.
        context: By key, the paths in an event of which the first that is there has the value.
        by_row: Whether each event is one of its own, whatever its id.
        max_age_s: Seconds after which an event is too old; None where that depends on others.
        events_per_hour_max: Of one token in a UTC hour; the hours with more are left out, None for no limit.
    """

    source: str
    consent_missing: Literal["deny", "allow"] = "deny"
    ignore_tokens: tuple[str, ...] = ()
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_row: bool = False
    max_age_s: int | None = None
    events_per_hour_max: int | None = 1000

    @cached_property
    def ignored(self) -> re.Pattern[str] | None:
        """Matches the tokens that count nowhere."""
        return re.compile("|".join(map(translate, self.ignore_tokens))) if self.ignore_tokens else None


def named(rows: Iterable[Collected]) -> set[str]:
    """The ids by which events name products."""
    return {name for row in rows for name in row.event.get("objectIDs", ())}


def read(row: Collected, products: Mapping[str, Mapping[str, Any]], rules: ArrivalRules) -> tuple[Arrival, ...]:
    """The rows of one event that the log would accept, whatever their moment, those of ignored tokens among them.

    A return is there for what it says of who is present; what it takes back is the next run's to find.

    Args:
        row: The event.
        products: `{"facets": {facet: [value]}, "price": number or None}` by id.
        rules: How it is judged.
    """
    event = row.event
    token, login = event["userToken"], event.get("authenticatedUserToken") or None
    kind, is_logout = _kind(event)
    names = event.get("objectIDs") or ()
    filters = _facets(event.get("filters") or ())
    goods, places = event.get("objectData") or (), event.get("positions") or ()
    if (
        kind is None
        or filters is None
        or len(token) > _TOKEN_MAX
        or (login is not None and len(login) > _TOKEN_MAX)
        or (kind == "session" and (names or filters))
        or (goods and len(goods) != len(names))
        or (places and len(places) != len(names))
    ):
        return ()
    micros = _micros(event.get("timestamp", row.received_ms))
    if micros is None:
        return ()
    said = event.get("consent")
    consent = None if said is None else _SAID.get(said.lower())
    counts = consent == "for_you" or (consent is None and rules.consent_missing == "allow")
    about = _About(
        row=row,
        micros=micros,
        kind="view" if kind == "session" else kind,
        counts=counts,
        consent=consent,
        sign=Sign(second=micros // MICRO, login=login, is_logout=is_logout, session_id=event.get("sessionID") or None),
        context=dict(_context(event, rules.context)) if rules.context else {},
        goods=goods,
        places=places,
        ignored=bool(rules.ignored and any(rules.ignored.match(name) for name in (token, login or ""))),
    )
    if names:
        return tuple(_rows(about, names, products, rules))
    return (_arrival(about, _key(row, rules, filters=filters), _step(about, filters)),)


def ordered(
    every: Iterable[Arrival], rules: ArrivalRules, *, now: datetime, known: Iterable[Arrival] = ()
) -> list[Arrival]:
    """Events in the log's order, each once; those of the future wait until their moment has come.

    Args:
        every: In the order of their sequence numbers: of equal ones the first counts.
        rules: How they are judged.
        now: This moment.
        known: Others that the log has already.
    """
    last = (now - _EPOCH) // _MICROSECOND
    first = -math.inf if rules.max_age_s is None else last - rules.max_age_s * MICRO
    taken = {arrival.key for arrival in known}
    fresh: dict[int, Arrival] = {}
    for arrival in every:
        # One that is ahead of its time, as far as the log takes it, keeps a later one of its id out.
        if first <= arrival.micros <= last + FUTURE_S * MICRO and arrival.key not in taken:
            fresh.setdefault(arrival.key, arrival)
    seen = (arrival for arrival in fresh.values() if arrival.micros <= last and not arrival.ignored)
    found = sorted(seen, key=_order)
    limit = rules.events_per_hour_max
    if limit is None or len(found) <= limit:
        return found
    hours = Counter((one.token, one.sign.second // 3600) for one in found)
    return [one for one in found if hours[one.token, one.sign.second // 3600] <= limit]


def _order(arrival: Arrival) -> tuple[int, int]:
    return arrival.micros, arrival.key


@dataclass(slots=True)
class _About:
    """What the rows of one event share."""

    row: Collected
    micros: int
    kind: str
    counts: bool
    consent: Consent | None
    sign: Sign
    context: Mapping[str, str]
    goods: Sequence[Mapping[str, Any]]
    places: Sequence[int]
    ignored: bool


def _rows(
    about: _About, names: Sequence[str], products: Mapping[str, Mapping[str, Any]], rules: ArrivalRules
) -> Iterator[Arrival]:
    goods, places = about.goods, about.places
    repeats = len(set(names)) < len(names)
    for number, name in enumerate(names):
        item = goods[number] if goods else {}
        amounts = _amounts(item, about.kind)
        if amounts is None or (places and places[number] > _INT_MAX):
            continue
        price, discount, quantity = amounts
        product = products.get(name)
        if price is None and product is not None:
            price = product["price"]
        step = None
        if about.counts and (quantity is None or quantity >= 0):
            step = Step(
                at=about.micros / MICRO,
                kind=about.kind,
                object_id=name,
                facets=None if product is None else product["facets"],
                price=price,
                discount=discount,
                quantity=quantity,
                authenticated=about.sign.login is not None,
                context=about.context,
            )
        place = number if repeats else None
        yield _arrival(about, _key(about.row, rules, name=name, place=place, number=number), step)


def _step(about: _About, filters: Mapping[str, tuple[str, ...]]) -> Step | None:
    """Of an event that names no product."""
    if not about.counts:
        return None
    return Step(
        at=about.micros / MICRO,
        kind=about.kind,
        facets=filters or None,
        authenticated=about.sign.login is not None,
        context=about.context,
    )


def _arrival(about: _About, key: int, step: Step | None) -> Arrival:
    return Arrival(
        sign=about.sign,
        step=step,
        token=about.row.event["userToken"],
        consent=about.consent,
        micros=about.micros,
        key=key,
        seq=about.row.seq,
        ignored=about.ignored,
    )


def _kind(event: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The kind, `session` for a moment of a session, or None for a type that is unknown; and whether it is a logout."""
    base = KINDS_OF_TYPE.get(event["eventType"].translate(_FOLDING).lower())
    if base in SESSION_EVENTS:
        return ("session" if not event.get("eventSubtype") else None), base == "logout"
    is_logout = (event.get("eventName") or "").lower() == "logout"
    subtype = event.get("eventSubtype")
    if not subtype or base is None:
        return base, is_logout
    sub = KINDS_OF_SUBTYPE.get(subtype.translate(_FOLDING).lower())
    return (sub if sub is not None and base in ("conversion", sub) else None), is_logout


def _facets(filters: Sequence[str]) -> Mapping[str, tuple[str, ...]] | None:
    """Values by facet, both sorted, each once; None where one is not of the form facet:value."""
    found: dict[str, set[str]] = {}
    for text in filters:
        facet, _, encoded = text.partition(":")
        value = unquote(encoded)
        if not facet or not value:
            return None
        found.setdefault(facet, set()).add(value)
    return {facet: tuple(sorted(values)) for facet, values in sorted(found.items())}


def _amounts(item: Mapping[str, Any], kind: str) -> tuple[float | None, float | None, int | None] | None:
    """Price, discount and quantity; None where one of them turns the row away."""
    if not item:
        return None, None, None
    price, discount, quantity = _number(item.get("price")), _number(item.get("discount")), item.get("quantity")
    if any(amount is not None and not math.isfinite(amount) for amount in (price, discount)):
        return None
    if price is not None and price < 0:
        return None
    if quantity is not None:
        buys = kind == "purchase"
        if abs(quantity) > _INT_MAX or (quantity == 0 and buys) or (quantity < 0 and not buys):
            return None
    return price, discount, quantity


def _number(value: float | str | None) -> float | None:
    return None if value is None or value == "" else float(value)


def _micros(told: int) -> int | None:
    """Microseconds since 1970 of seconds, milliseconds, microseconds or nanoseconds, told apart by their size."""
    size = abs(told)
    if 1e11 <= size < 1e14:
        return told * 1000
    if size < 1e11:
        return told * MICRO
    found = round(float(told) if size < 1e17 else told / 1e3)
    return found if abs(found) < 2**63 else None


def _context(event: Mapping[str, Any], wanted: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for key, paths in wanted.items():
        for path in paths:
            value = _at(event, path)
            if value is not None:
                yield key, value if isinstance(value, str) else str(value)
                break


def _at(event: Mapping[str, Any], path: str) -> Any:
    if path in event:
        return event[path]
    found: Any = event
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _key(
    row: Collected,
    rules: ArrivalRules,
    *,
    name: str | None = None,
    filters: Mapping[str, tuple[str, ...]] | None = None,
    place: int | None = None,
    number: int = 0,
) -> int:
    """The 128 bits by which the log knows a row again: see `events.keys`."""
    if rules.by_row:
        split = "" if place is None else f".{place + 1}"
        told = f"{rules.source}\x1frow\x1f{rules.source}:{row.seq}{split}"
        if name is not None:
            told += f"#{1 if place is not None else number + 1}"
    else:
        told = f"{rules.source}\x1fid\x1f{row.id}" if place is None else f"{rules.source}\x1fid\x1f{row.id}#{place}"
    if name is not None:
        told += f"\x1fobject_id={name}"
    if filters:
        listed = ", ".join(
            f"{{'facet': {_said(facet)}, 'value': {_said(value)}}}" for facet, held in filters.items() for value in held
        )
        told += f"\x1ffacet_filters=[{listed}]"
    return int.from_bytes(md5(told.encode(), usedforsecurity=False).digest(), "little")


def _said(text: str) -> str:
    """A text within a list, as DuckDB writes it."""
    plain = text and text[0] not in _SPACES and text[-1] not in _SPACES and text.lower() != "null"
    if plain and not _QUOTED.search(text):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
