"""The events of a request as JSON Schema, for `schemas.py`. Data alone; who judges events is `events.insights.check`.

Insights' rules about the number of things cannot be said in JSON Schema (as many positions as objectIDs), so that those
kinds are described with one product each. Fields that are not described are left behind; null is as good as absent.
"""

from __future__ import annotations

from typing import Any, Final

TOKEN_PATTERN: Final = "^[a-zA-Z0-9_=/+-]{1,129}$"  # noqa: S105  # of what a token is made

_TOKEN: Final[dict[str, Any]] = {"type": "string", "pattern": TOKEN_PATTERN}
_ABSENT: Final[dict[str, Any]] = {"type": "null"}
_SUBJECTS: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "maxItems": 20,
    "items": {"type": "string", "pattern": "^[^\\u0000]{1,600}$"},
}
_ONE: Final[dict[str, Any]] = {**_SUBJECTS, "maxItems": 1}
_CURRENCY: Final[dict[str, Any]] = {"type": "string", "pattern": "^[A-Za-z]{3}$"}
_CURRENCY_OR_NONE: Final[dict[str, Any]] = {"type": ["string", "null"], "pattern": "^([A-Za-z]{3})?$"}
_QUERY_ID: Final[dict[str, Any]] = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_AMOUNT: Final[dict[str, Any]] = {
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": "^-?[0-9]{1,8}(\\.[0-9]{1,6})?$"}, _ABSENT]
}
_COMMON: Final[dict[str, Any]] = {
    "eventName": {"type": "string", "pattern": "^[ -~]{1,64}$"},
    "index": {"type": "string", "minLength": 1},
    "userToken": _TOKEN,
    "authenticatedUserToken": {"anyOf": [_TOKEN, _ABSENT]},
    "timestamp": {
        "type": ["integer", "null"],
        "description": "Epoch milliseconds, of the last 30 days; without it, the moment of arrival.",
    },
    "eventID": {"description": "Yours: by it and its userToken an event is known when it is sent again."},
    "sessionID": {"description": "Yours, where you tell sessions apart yourself."},
    "orderID": {"description": "Of a purchase."},
    "consent": {"description": "for_you or not_personalized: what the visitor has said of it."},
    "context": {"description": "Declared keys with short texts: country, device."},
}


def _event(kinds: list[str], fields: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"eventType": {"type": "string", "enum": kinds}, **_COMMON, **fields},
        "required": ["eventType", "eventName", "index", "userToken", *required],
    }


def _trade(fields: dict[str, Any], good: dict[str, Any], *required: str) -> dict[str, Any]:
    """A conversion with its subtype: what is known of each product, beside what is known of the whole."""
    more = {
        "quantity": {"type": ["integer", "null"], "minimum": -1_000_000_000, "maximum": 1_000_000_000},
        "queryID": {"anyOf": [_QUERY_ID, _ABSENT]},
    }
    item = {"type": "object", "properties": {**good, **more}}
    goods = {"anyOf": [{"type": "array", "minItems": 1, "maxItems": 1, "items": item}, _ABSENT]}
    kept = {
        "eventSubtype": {"anyOf": [{"type": "string", "enum": ["addToCart", "purchase"]}, _ABSENT]},
        "objectIDs": _ONE,
        "filters": _ABSENT,
        "positions": _ABSENT,
        "queryID": {"anyOf": [_QUERY_ID, _ABSENT]},
        "objectData": goods,
    }
    return _event(["conversion"], {**kept, **fields}, "objectIDs", *required)


_UNTRADED: Final = {
    "currency": _CURRENCY_OR_NONE,
    "positions": _ABSENT,
    "eventSubtype": _ABSENT,
    "objectData": _ABSENT,
    "value": _ABSENT,
}

EVENT: Final[dict[str, Any]] = {
    "anyOf": [
        _event(
            ["view", "click", "conversion"],
            {**_UNTRADED, "objectIDs": _SUBJECTS, "filters": _ABSENT, "queryID": {"anyOf": [_QUERY_ID, _ABSENT]}},
            "objectIDs",
        ),
        _event(["view", "click", "conversion"], {**_UNTRADED, "objectIDs": _ABSENT, "filters": _SUBJECTS}, "filters"),
        {
            **_event(
                ["click"],
                {
                    **_UNTRADED,
                    "objectIDs": _ONE,
                    "filters": _ABSENT,
                    "queryID": _QUERY_ID,
                    "positions": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 1,
                        "items": {"type": "integer", "minimum": 1, "maximum": 1_000_000_000},
                    },
                },
                "objectIDs",
                "queryID",
                "positions",
            ),
            "description": "A click in search results; as many positions as objectIDs.",
        },
        {
            **_trade({"value": _ABSENT, "currency": _CURRENCY_OR_NONE}, {"price": _ABSENT, "discount": _ABSENT}),
            "description": "A product put into the cart or bought; as many objectData as objectIDs.",
        },
        {
            **_trade({"value": _AMOUNT, "currency": _CURRENCY}, {"price": _AMOUNT, "discount": _AMOUNT}, "currency"),
            "description": "The same with what it cost, in a currency.",
        },
    ]
}
