"""What the Insights API takes for an event, and how it words its refusals (422).

All or nothing: one bad event refuses its whole request. Names of indices and objectIDs are not looked up, as at
Algolia. Where Algolia's words are not known, the sentence follows the pattern of those that are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from algosync.errors import AlgoliaError
from algosync.mock.services.events import Event

EVENTS_MAX = 1000
BODY_BYTES_MAX = 2_000_000
SUBJECTS_MAX = 20
AGE_MAX_MS = 30 * 86_400_000

_TOKEN = re.compile(r"[a-zA-Z0-9_=/+-]{1,129}")
_NAME = re.compile(r"[\x20-\x7E]{1,64}")
_QUERY_ID = re.compile(r"[0-9a-f]{32}|message_[!-~]+")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_TYPES = ("click", "conversion", "view", "instantsearch")
_SUBTYPES = ("addToCart", "purchase")

Sent = Mapping[str, Any]


def read_events(content: Any, now_ms: int) -> list[Event]:
    """The events of a request.

    Args:
        content: The body's JSON.
        now_ms: The time, in epoch milliseconds.

    Raises:
        AlgoliaError: 422 for the first event that is not good (algolia.com/doc/rest-api/insights).
    """
    if not isinstance(content, dict):
        _refuse("Invalid payload")
    sent = content.get("events")
    if sent is None or sent == []:
        _refuse("No events to process")
    if not isinstance(sent, list) or not all(isinstance(event, dict) and _fits(event) for event in sent):
        _refuse("Invalid payload")
    if len(sent) > EVENTS_MAX:
        _refuse(f"Cannot process more than {EVENTS_MAX} events in a batch")
    return [_event({name: value for name, value in event.items() if value is not None}, now_ms) for event in sent]


def check_token(token: str, field: str = "UserToken") -> None:
    """Refuse (422) what cannot be a user token. 129 characters pass, as measured; the message says 128."""
    if not _TOKEN.fullmatch(token):
        _refuse(
            f"{field} must contain only alphanumeric, equal, plus, slash, hyphen, or underscore characters, "
            "and be between 1 and 128 characters long"
        )


def _refuse(message: str) -> NoReturn:
    raise AlgoliaError(message, status=422)


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _amount(value: Any) -> bool:
    return _integer(value) or isinstance(value, float | str)


def _listed(value: Any, of: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, of) and not isinstance(item, bool) for item in value)


def _goods(value: Any) -> bool:
    return _listed(value, dict) and all(
        _as_shaped(item, {"price": _amount, "discount": _amount, "quantity": _integer, "queryID": _text})
        for item in value
    )


def _text(value: Any) -> bool:
    return isinstance(value, str)


_SHAPES: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("eventType", "eventSubtype", "eventName", "index", "queryID", "currency"), _text),
    **dict.fromkeys(("userToken", "authenticatedUserToken"), _text),
    **dict.fromkeys(("objectIDs", "filters"), lambda value: _listed(value, str)),
    "timestamp": _integer,
    "positions": lambda value: _listed(value, int),
    "objectData": _goods,
    "value": _amount,
}


def _fits(event: Sent) -> bool:
    return _as_shaped(event, _SHAPES)


def _as_shaped(given: Sent, shapes: Mapping[str, Callable[[Any], bool]]) -> bool:
    return all(given.get(name) is None or fits(given[name]) for name, fits in shapes.items())


def _event(sent: Sent, now_ms: int) -> Event:
    checks = _TELEMETRY if sent.get("eventType") == "instantsearch" else _CHECKS
    for check in checks:
        check(sent)
    timestamp = sent.get("timestamp", now_ms)
    if timestamp < now_ms - AGE_MAX_MS:
        _refuse("The timestamp is too far in the past")
    return Event(
        type=sent["eventType"],
        subtype=sent.get("eventSubtype"),
        name=sent["eventName"],
        index=sent.get("index", ""),
        user_token=sent["userToken"],
        authenticated_user_token=sent.get("authenticatedUserToken"),
        object_ids=tuple(sent.get("objectIDs", ())),
        filters=tuple(sent.get("filters", ())),
        timestamp_ms=timestamp,
        received_ms=now_ms,
        sent=sent,
    )


def _check_name(sent: Sent) -> None:
    if not sent.get("eventName"):
        _refuse("EventName is required")
    if not _NAME.fullmatch(sent["eventName"]):
        _refuse("EventName must contain only visible ASCII characters, and be between 1 and 64 characters long")


def _check_type(sent: Sent) -> None:
    if not sent.get("eventType"):
        _refuse("EventType is required")
    if sent["eventType"] not in _TYPES:
        _refuse('EventType must be one of "click", "conversion", "view" or "instantsearch"')
    if "eventSubtype" not in sent:
        return
    if sent["eventType"] != "conversion":
        _refuse("Only event of type conversion should specify the eventSubtype attribute")
    if sent["eventSubtype"] not in _SUBTYPES:
        _refuse('EventSubtype must be one of "addToCart" or "purchase"')


def _check_index(sent: Sent) -> None:
    if not sent.get("index"):
        _refuse("The index field is required")


def _check_tokens(sent: Sent) -> None:
    if not sent.get("userToken"):
        _refuse("The userToken field is required")
    check_token(sent["userToken"])
    if "authenticatedUserToken" in sent:
        check_token(sent["authenticatedUserToken"], "AuthenticatedUserToken")


def _check_subjects(sent: Sent) -> None:
    object_ids, filters = sent.get("objectIDs", ()), sent.get("filters", ())
    if not object_ids and not filters:
        _refuse("Event should specify either some ObjectIDs or some Filters")
    if object_ids and filters:
        _refuse("Event should specify either some ObjectIDs or some Filters, but not both")
    for what, subjects in (("ObjectIDs", object_ids), ("Filters", filters)):
        if len(subjects) > SUBJECTS_MAX:
            _refuse(f"Event should specify at most {SUBJECTS_MAX} {what}")
        if not all(subjects):
            _refuse(f"Event should specify no empty {what}")


def _check_positions(sent: Sent) -> None:
    if "positions" not in sent:
        return
    if sent["eventType"] != "click":
        _refuse("Only event of type click should specify the positions attribute")
    if not sent.get("queryID"):
        _refuse("Event of type click with positions should specify a queryID")
    if any(position < 1 for position in sent["positions"]):
        _refuse("Event of type click should specify strictly positive positions")
    _check_same_number(
        sent, "positions", "Event of type click should specify the same number of ObjectIDs and Positions"
    )


def _check_same_number(sent: Sent, name: str, message: str) -> None:
    if len(sent[name]) != len(sent.get("objectIDs", ())):
        _refuse(message)


def _check_query_ids(sent: Sent) -> None:
    given = [sent.get("queryID"), *(item.get("queryID") for item in sent.get("objectData", ()))]
    if not all(query_id is None or _QUERY_ID.fullmatch(query_id) for query_id in given):
        _refuse("Query ID must be a search query ID (32 characters hexadecimal string)")


def _check_money(sent: Sent) -> None:
    goods: Sequence[Sent] = sent.get("objectData", ())
    if goods and sent["eventType"] != "conversion":
        _refuse("Only event of type conversion should specify the objectData attribute")
    if "objectData" in sent:
        _check_same_number(sent, "objectData", "Event should specify the same number of ObjectIDs and ObjectData")
    amounts = [sent.get("value"), *(item.get(name) for item in goods for name in ("price", "discount"))]
    given = [amount for amount in amounts if amount is not None]
    if not all(not isinstance(each, str) or (len(each) <= 16 and _NUMBER.fullmatch(each)) for each in given):
        _refuse("Amounts must be numbers, or strings of at most 16 characters that hold one")
    if given and not sent.get("currency"):
        _refuse("The currency field is required for events with a price, a discount or a value")
    if sent.get("currency") and not _CURRENCY.fullmatch(sent["currency"]):
        _refuse("Currency must be an ISO 4217 code (3 letters)")


_TELEMETRY = (_check_name, _check_type, _check_tokens)
_CHECKS = (
    _check_name,
    _check_type,
    _check_index,
    _check_tokens,
    _check_subjects,
    _check_positions,
    _check_query_ids,
    _check_money,
)
