"""The shapes of requests and answers, as JSON Schema with examples, for `openapi.py`. Data alone."""

from __future__ import annotations

from typing import Any, Final

from algosync.serve.event_schemas import EVENT, TOKEN_PATTERN

TOKEN: Final = "0f8fad5b-d9cb-469f-a165-70867728950e"  # noqa: S105  # an example
PLACE: Final = "any, home, category, category:VALUE, product, search, cart, checkout or account"

_TEXT: Final[dict[str, Any]] = {"type": "string", "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,1000}$"}
_PLACE: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": "^(any|home|category|product|search|cart|checkout|account|"
    "category:[^\\u0000-\\u001f\\u007f-\\u009f]{1,900})$",
    "description": PLACE,
}
_CONTEXTS: Final[dict[str, Any]] = {
    "type": "array",
    "maxItems": 10,
    "items": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
}
_TEXTS: Final[dict[str, Any]] = {"type": "array", "items": {"type": "string"}}
_FILTERS: Final[dict[str, Any]] = {
    "type": "array",
    "items": {
        "anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": _TEXT}],
    },
}
_USER_TOKEN: Final[dict[str, Any]] = {"type": "string", "pattern": TOKEN_PATTERN}
_CONSENT: Final[dict[str, Any]] = {"type": "string", "enum": ["for_you", "not_personalized"]}


def _object(properties: dict[str, Any], *, required: tuple[str, ...] = (), closed: bool = True) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        made["required"] = list(required)
    return {**made, "additionalProperties": False} if closed else made


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


QUESTION: Final = _object(
    {
        "userToken": _nullable({**_USER_TOKEN, "description": "Whom it is about; a visitor key names it by itself."}),
        "where": _nullable(_PLACE),
        "query": _nullable({"type": "string", "maxLength": 512, "description": "What was typed."}),
        "objectID": _nullable({**_TEXT, "description": "The product that the page shows."}),
        "context": _nullable(
            {"type": "object", "maxProperties": 10, "propertyNames": _TEXT, "additionalProperties": _TEXT}
        ),
        "consent": _nullable({**_CONSENT, "description": "What this request says of it; else what is stored."}),
        "ruleContexts": _nullable({**_CONTEXTS, "description": "Your own; they come first."}),
        "optionalFilters": _nullable({**_FILTERS, "description": "Your own; they come first."}),
        "index": _nullable({**_TEXT, "description": "The index that will be searched."}),
    }
)

_RECOMMEND: Final = _object(
    {
        "filters": {"type": "string"},
        "optionalFilters": _FILTERS,
        "ruleContexts": _TEXTS,
        "userToken": _USER_TOKEN,
        "enablePersonalization": {"type": "boolean"},
        "analyticsTags": _TEXTS,
        "sumOrFiltersScores": {"type": "boolean"},
    }
)

EXPERIENCE: Final = _object(
    {
        "strategy": {"type": "string", "enum": ["content", "segment", "one-to-one"]},
        "reason": {"type": "string", "description": "Why this strategy, in numbers."},
        "search": _object(
            {
                "optionalFilters": _FILTERS,
                "ruleContexts": {**_TEXTS, "maxItems": 10},
                "userToken": _USER_TOKEN,
                "sumOrFiltersScores": {"type": "boolean"},
                "enablePersonalization": {"type": "boolean"},
                "analyticsTags": _TEXTS,
            }
        ),
        "recommend": _object(
            {"queryParameters": _RECOMMEND, "fallbackParameters": _RECOMMEND},
            required=("queryParameters", "fallbackParameters"),
        ),
        "visitor": _object(
            {
                "visit": _nullable({"type": "string", "enum": ["new", "returning"]}),
                "state": _nullable({"type": "string", "enum": ["visitor", "user", "buyer"]}),
            }
        ),
        "segments": {**_TEXTS, "description": "Opaque ids."},
        "actions": {
            "type": "array",
            "items": _object(
                {
                    "id": {"type": "string"},
                    "effect": {"type": "string", "enum": ["message", "data", "boost"]},
                    "message": {"type": "object"},
                    "data": {"type": "object"},
                },
                required=("id", "effect"),
            ),
        },
        "content": {"type": "object", "additionalProperties": _TEXTS, "description": "Lists of objectIDs."},
        "generation": {"type": "integer", "minimum": 0},
        "holdout": {"type": "boolean"},
    },
    required=(
        "strategy",
        "reason",
        "search",
        "recommend",
        "visitor",
        "segments",
        "actions",
        "content",
        "generation",
        "holdout",
    ),
)

ERROR: Final = _object(
    {
        "error": _object(
            {
                "what": {"type": "string"},
                "where": _nullable({"type": "string"}),
                "hint": _nullable({"type": "string"}),
            },
            required=("what", "where", "hint"),
        )
    },
    required=("error",),
)

_COUNT: Final[dict[str, Any]] = {"type": "integer", "minimum": 0}
_FORWARDING: Final[dict[str, Any]] = {
    **_object(
        {
            "waiting": _COUNT,
            "oldest_s": _nullable(_COUNT),
            "refused": _COUNT,
            "expired": _COUNT,
            "lost": _COUNT,
            "problem": _nullable({"type": "string"}),
        },
        required=("waiting", "oldest_s", "refused", "expired", "lost", "problem"),
    ),
    "description": "Of events on to Algolia Insights, where that is switched on; it makes nobody unready.",
}
READY: Final = _object(
    {
        "ready": {"type": "boolean"},
        "generation": _nullable({"type": "integer"}),
        "as_of": _nullable({"type": "string"}),
        "age_s": _nullable({"type": "integer"}),
        "problems": _TEXTS,
        "forwarding": _FORWARDING,
    },
    required=("ready", "generation", "as_of", "age_s", "problems"),
)

ALIVE: Final = _object({"alive": {"type": "boolean"}}, required=("alive",))

EVENTS: Final = _object(
    {"events": {"type": "array", "minItems": 1, "maxItems": 1000, "items": EVENT}}, required=("events",), closed=False
)
TAKEN: Final = _object({"status": {"type": "integer"}, "message": {"type": "string"}}, required=("status", "message"))
_SHORT: Final[dict[str, Any]] = {"type": "string", "pattern": "^[^\\u0000]{1,128}$"}
CHOICE: Final = _object(
    {"userToken": _USER_TOKEN, "consent": _CONSENT, "source": _SHORT},
    required=("userToken", "consent"),
)
CHOSEN: Final = _object({"consent": _CONSENT, "at": {"type": "string"}}, required=("consent", "at"))
IMPRESSION: Final = _object(
    {"userToken": _USER_TOKEN, "action": {**_SHORT, "description": "The `id` of an answer's action."}},
    required=("userToken", "action"),
)
SHOWN: Final = _object({"action": {"type": "string"}, "at": {"type": "string"}}, required=("action", "at"))

SEGMENT: Final[dict[str, Any]] = {
    "anyOf": [
        _object({"type": {"type": "string"}, "event": {}, "properties": {}}, closed=False),
        {"type": "array", "items": {}},
    ],
    "description": "A call, a list of them, or `{batch: [...]}`; what says nothing of products is left out.",
}

_DEFINITIONS: Final[dict[str, Any]] = {"type": "object", "additionalProperties": {"type": "object"}}
EXPLAINING: Final = _object(
    {
        **QUESTION["properties"],
        "userToken": {**_USER_TOKEN, "description": "A customer id, or any token."},
        "at": _nullable({"type": "string", "description": "A moment of ISO 8601 with its zone, or a day of UTC."}),
        "draft": _nullable(
            {
                **_object({"segments": _nullable(_DEFINITIONS), "actions": _nullable(_DEFINITIONS)}),
                "description": "Segments and actions by id, laid over the shop's own for this explanation alone.",
            }
        ),
    },
    required=("userToken",),
)

_ROWS: Final[dict[str, Any]] = {"type": "array", "items": {"type": "object"}}
EXPLAINED: Final = _object(
    {
        "person": {"type": "string"},
        "tokens": _TEXTS,
        "as_of": {"type": "string", "description": "The moment that the profile describes."},
        "ready": {"type": "boolean"},
        "reason": {"type": "string"},
        "affinities": {**_ROWS, "description": "Each value with its events, whose points add up to its own."},
        "segments": {**_ROWS, "description": "Each with the conditions that held or not."},
        "actions": {**_ROWS, "description": "Each with why it fires or not."},
        "answer": EXPERIENCE,
        "receipts": {"type": "object", "description": "Where each filter of the answer comes from."},
        "recent": {"type": "object", "description": "What has come since the last run."},
        "orders": {**_ROWS, "description": "What the shop ordered: reset, suppress, lift."},
        "settings": _nullable({"type": "object"}),
        "inexact": {**_TEXTS, "description": "What of a moment in the past is not known any more."},
    },
    required=("person", "tokens", "affinities", "segments", "actions", "answer", "receipts", "recent"),
    closed=False,
)

EXAMPLES: Final[dict[str, Any]] = {
    "Question": {"userToken": TOKEN, "where": "category:Books", "context": {"device": "phone"}},
    "Experience": {
        "strategy": "one-to-one",
        "reason": "ready: 2 sessions, 14 events, 5 products, 4 values",
        "search": {
            "optionalFilters": [["brand:Apple<score=2000>", "brand:Sony<score=667>"], ["categories:Phones<score=720>"]],
            "userToken": TOKEN,
            "enablePersonalization": False,
            "analyticsTags": ["algosync", "algosync-one-to-one"],
        },
        "recommend": {
            "queryParameters": {"optionalFilters": [["brand:Apple<score=2000>"]], "userToken": TOKEN},
            "fallbackParameters": {},
        },
        "visitor": {"visit": "returning", "state": "visitor"},
        "segments": [],
        "actions": [{"id": "free-shipping", "effect": "message", "message": {"title": "Free shipping today"}}],
        "content": {},
        "generation": 12,
        "holdout": False,
    },
    "Error": {
        "error": {
            "what": "the visitor key has expired",
            "where": "authorization",
            "hint": "Ask the shop's backend for a new one",
        }
    },
    "Ready": {"ready": True, "generation": 12, "as_of": "2026-11-23T12:00:00+00:00", "age_s": 240, "problems": []},
    "Alive": {"alive": True},
    "Events": {
        "events": [
            {
                "eventType": "view",
                "eventName": "Product viewed",
                "index": "products",
                "userToken": TOKEN,
                "objectIDs": ["book-1"],
            }
        ]
    },
    "Segment": {
        "type": "track",
        "event": "Product Viewed",
        "anonymousId": TOKEN,
        "messageId": "ajs-1",
        "timestamp": "2026-11-23T11:59:00.000Z",
        "properties": {"product_id": "book-1"},
    },
    "Taken": {"status": 200, "message": "OK"},
    "Choice": {"userToken": TOKEN, "consent": "not_personalized"},
    "Chosen": {"consent": "not_personalized", "at": "2026-11-23T12:00:00+00:00"},
    "Impression": {"userToken": TOKEN, "action": "free-shipping"},
    "Shown": {"action": "free-shipping", "at": "2026-11-23T12:00:00+00:00"},
}

EXAMPLES["Explaining"] = {"userToken": "customer-17", "where": "search", "query": "novel", "at": "2026-11-21"}
EXAMPLES["Explained"] = {
    "person": "customer-17",
    "tokens": ["customer-17", TOKEN],
    "affinities": [],
    "segments": [],
    "actions": [],
    "answer": EXAMPLES["Experience"],
    "receipts": {"filters": []},
    "recent": {"events": 0},
}

SCHEMAS: Final[dict[str, Any]] = {
    "Explaining": EXPLAINING,
    "Explained": EXPLAINED,
    "Question": QUESTION,
    "Experience": EXPERIENCE,
    "Error": ERROR,
    "Ready": READY,
    "Alive": ALIVE,
    "Events": EVENTS,
    "Segment": SEGMENT,
    "Taken": TAKEN,
    "Choice": CHOICE,
    "Chosen": CHOSEN,
    "Impression": IMPRESSION,
    "Shown": SHOWN,
}
