"""What Insights takes for an event, judged without any input or output, with Algolia's own words for a refusal.

All or nothing: one bad event refuses its whole request. Indices and objectIDs are not looked up. Beyond Algolia's
fields an event may carry `eventID`, `sessionID`, `orderID`, `consent` and `context`; anything else is left behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

EVENTS_MAX: Final = 1000
BODY_MAX: Final = 2_000_000
"""Bytes of a request's body."""

TELEMETRY: Final = "instantsearch"
"""The type of events that say something of the widgets and nothing of the visitor."""

TYPES: Final = frozenset({"click", "conversion", "view"})
"""The types of events that say something of a visitor."""

SUBJECT_CHARACTERS_MAX: Final = 600
"""Of an objectID or a filter: as long as every database can index, however many bytes a character takes."""

VIA: Final = "via"
"""Where an event has come from, if not from a storefront; never taken from outside."""

CONSENTS: Final = ("for_you", "not_personalized")

_AGE_MAX_MS: Final = 30 * 24 * 3600 * 1000
_SUBJECTS_MAX: Final = 20
_EXTRA_MAX: Final = 128  # characters of a name, a context's key or value
_CONTEXT_MAX: Final = 20
_ALPHABET: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=+/_-")
_QUERY_ID: Final = re.compile(r"(?:[0-9a-f]{32}|message_[\x21-\x7e]+)\Z")
_AMOUNT: Final = re.compile(r"-?\d+(?:\.\d+)?\Z")

_TEXTS: Final = (
    *("eventType", "eventSubtype", "eventName", "index", "queryID", "currency"),
    *("userToken", "authenticatedUserToken"),
)
FIELDS: Final = (*_TEXTS, "objectIDs", "filters", "timestamp", "positions", "objectData", "value")
"""What Insights knows of an event."""
_NAMES: Final = ("eventID", "sessionID", "orderID")
_GOODS: Final = ("price", "discount", "quantity", "queryID")

Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not taken: the message of a 422."""

    message: str


def check(body: Any, now_ms: int) -> list[Event] | Refusal:
    """The events of a request's body.

    Args:
        body: The body's JSON.
        now_ms: The time, in epoch milliseconds.

    Returns:
        The events with the fields that are known, without nulls; or the refusal of the first bad event.
    """
    if not isinstance(body, dict):
        return Refusal(message="Invalid payload")
    events = body.get("events")
    if events is None or events == []:
        return Refusal(message="No events to process")
    if not isinstance(events, list) or not all(map(_is_shaped, events)):
        return Refusal(message="Invalid payload")
    if len(events) > EVENTS_MAX:
        return Refusal(message=f"Cannot process more than {EVENTS_MAX} events in a batch")
    made = []
    for event in events:
        known = {name: event[name] for name in FIELDS if event.get(name) is not None}
        fault = next(_faults(known, now_ms), None)
        if fault is not None:
            return Refusal(message=fault)
        made.append({**known, **_goods(known), **_extras(event)})
    return made


def is_token(text: Any) -> bool:
    """Whether a value can be a userToken."""
    return isinstance(text, str) and 1 <= len(text) <= 129 and _ALPHABET.issuperset(text)


def _is_shaped(event: Any) -> bool:
    """Whether an event's fields, where there are any, are of the right types."""
    if not isinstance(event, dict):
        return False
    return (
        all(isinstance(event.get(name), str | None) for name in _TEXTS)
        and all(_is_list(event.get(name), str) for name in ("objectIDs", "filters"))
        and _is_list(event.get("positions"), int)
        and _is_whole(event.get("timestamp"))
        and _is_amount(event.get("value"))
        and _is_list(event.get("objectData"), dict)
        and all(map(_is_good, event.get("objectData") or ()))
    )


def _is_good(item: Mapping[str, Any]) -> bool:
    amounts = all(_is_amount(item.get(name)) for name in ("price", "discount"))
    return amounts and _is_whole(item.get("quantity")) and isinstance(item.get("queryID"), str | None)


def _is_list(value: Any, kind: type) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and all(isinstance(item, kind) and not isinstance(item, bool) for item in value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | None) and not isinstance(value, bool)


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float | str | None) and not isinstance(value, bool)


def _faults(event: Event, now_ms: int) -> Iterator[str]:
    """What is wrong with an event, in the order in which Algolia looks."""
    yield from _name_and_type(event)
    telemetry = event["eventType"] == TELEMETRY
    if not telemetry and not event.get("index"):
        yield "The index field is required"
    yield from _tokens(event)
    if not telemetry:
        yield from _subjects(event)
        yield from _positions(event)
        yield from _query_ids(event)
        yield from _money(event)
    if event.get("timestamp", now_ms) < now_ms - _AGE_MAX_MS:
        yield "The timestamp is too far in the past"


def _name_and_type(event: Event) -> Iterator[str]:
    name, kind = event.get("eventName"), event.get("eventType")
    if not name:
        yield "EventName is required"
    elif len(name) > 64 or not all(" " <= letter <= "~" for letter in name):
        yield "EventName must contain only visible ASCII characters, and be between 1 and 64 characters long"
    if not kind:
        yield "EventType is required"
    elif kind not in {*TYPES, TELEMETRY}:
        yield 'EventType must be one of "click", "conversion", "view" or "instantsearch"'
    if "eventSubtype" in event:
        if kind != "conversion":
            yield "Only event of type conversion should specify the eventSubtype attribute"
        if event["eventSubtype"] not in {"addToCart", "purchase"}:
            yield 'EventSubtype must be one of "addToCart" or "purchase"'


def _tokens(event: Event) -> Iterator[str]:
    if not event.get("userToken"):
        yield "The userToken field is required"
    for field, called in (("userToken", "UserToken"), ("authenticatedUserToken", "AuthenticatedUserToken")):
        if field in event and not is_token(event[field]):
            yield (
                f"{called} must contain only alphanumeric, equal, plus, slash, hyphen, or underscore characters, "
                "and be between 1 and 128 characters long"
            )


def _subjects(event: Event) -> Iterator[str]:
    objects, filters = event.get("objectIDs") or [], event.get("filters") or []
    if not (objects or filters):
        yield "Event should specify either some ObjectIDs or some Filters"
    if objects and filters:
        yield "Event should specify either some ObjectIDs or some Filters, but not both"
    for called, subjects in (("ObjectIDs", objects), ("Filters", filters)):
        if len(subjects) > _SUBJECTS_MAX:
            yield f"Event should specify at most {_SUBJECTS_MAX} {called}"
        if "" in subjects:
            yield f"Event should specify no empty {called}"
        if any("\0" in subject for subject in subjects):
            yield f"{called} must not contain the character NUL"
        if any(len(subject) > SUBJECT_CHARACTERS_MAX for subject in subjects):
            yield f"{called} must be at most {SUBJECT_CHARACTERS_MAX} characters long"


def _positions(event: Event) -> Iterator[str]:
    positions = event.get("positions")
    if positions is None:
        return
    if event["eventType"] != "click":
        yield "Only event of type click should specify the positions attribute"
    if not event.get("queryID"):
        yield "Event of type click with positions should specify a queryID"
    if min(positions, default=1) < 1:
        yield "Event of type click should specify strictly positive positions"
    if len(positions) != len(event.get("objectIDs", ())):
        yield "Event of type click should specify the same number of ObjectIDs and Positions"


def _query_ids(event: Event) -> Iterator[str]:
    for one in (event, *event.get("objectData", ())):
        if one.get("queryID") is not None and not _QUERY_ID.match(one["queryID"]):
            yield "Query ID must be a search query ID (32 characters hexadecimal string)"


def _money(event: Event) -> Iterator[str]:
    goods = event.get("objectData")
    if goods and event["eventType"] != "conversion":
        yield "Only event of type conversion should specify the objectData attribute"
    if goods is not None and len(goods) != len(event.get("objectIDs", ())):
        yield "Event should specify the same number of ObjectIDs and ObjectData"
    amounts = [event.get("value"), *(item.get(name) for item in goods or () for name in ("price", "discount"))]
    given = [amount for amount in amounts if amount is not None]
    if any(isinstance(amount, str) and (len(amount) > 16 or not _AMOUNT.match(amount)) for amount in given):
        yield "Amounts must be numbers, or strings of at most 16 characters that hold one"
    currency = event.get("currency")
    if given and not currency:
        yield "The currency field is required for events with a price, a discount or a value"
    if currency and not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        yield "Currency must be an ISO 4217 code (3 letters)"


def _goods(event: Event) -> Event:
    """The objectData of an event, with the fields that are known."""
    if "objectData" not in event:
        return {}
    items = event["objectData"]
    return {"objectData": [{name: item[name] for name in _GOODS if item.get(name) is not None} for item in items]}


def _extras(event: Mapping[str, Any]) -> Event:
    """What an event may carry beyond Algolia's fields, as far as it can be used."""
    made: Event = {name: event[name] for name in _NAMES if _is_short(event.get(name))}
    if event.get("consent") in CONSENTS:
        made["consent"] = event["consent"]
    context = event.get("context")
    if isinstance(context, dict):
        said = {key: value for key, value in context.items() if _is_short(key) and _is_short(value)}
        made["context"] = dict(sorted(said.items())[:_CONTEXT_MAX])
    return made


def _is_short(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= _EXTRA_MAX and "\0" not in value
