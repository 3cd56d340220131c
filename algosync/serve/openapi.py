"""GET /openapi.json: the API described by OpenAPI 3.1, written by hand beside the handlers; a test holds it to them."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from algosync import __version__
from algosync.serve.refusals import JSON
from algosync.serve.schemas import EXAMPLES, SCHEMAS

_WHY: Final = {
    "304": "The answer is the one whose ETag was sent",
    "400": "The request is ill-formed",
    "401": "The key is missing, forged or expired",
    "403": "The key does not open this",
    "404": "There is no such action, user or moment",
    "408": "The body came too slowly",
    "413": "The body is too large",
    "415": "The body is compressed",
    "422": "What was sent is not as it must be",
    "429": "Too many requests; see Retry-After",
    "503": "Nothing can be read or written now; see Retry-After",
}
_ASKING: Final = ("400", "401", "403", "408", "413", "415", "429", "503")
_TELLING: Final = ("400", "401", "403", "408", "413", "415", "429", "503")
_EXPLAINING: Final = ("400", "401", "403", "404", "408", "413", "415", "422", "429", "503")
_COLLECTING: Final = ("400", "401", "403", "408", "413", "415", "422", "429", "503")


def document() -> dict[str, Any]:
    """The description of the API."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "algosync",
            "version": __version__,
            "description": "What to search, recommend and show for one visitor, and what she does, collected.",
        },
        "paths": _paths(),
        "security": [{"bearer": []}, {"header": []}, {"algolia": []}],
        "components": {
            "schemas": {name: {**schema, "examples": [EXAMPLES[name]]} for name, schema in SCHEMAS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "Visitor, public or admin key"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Algosync-Key"},
                "algolia": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Algolia-API-Key",
                    "description": "A secured API key that is restricted to one userToken",
                },
            },
        },
    }


def _paths() -> dict[str, Any]:
    events = "Collect events, in Algolia's Insights schema; answered as Insights does"
    segment = {"X-Signature": {"type": "string", "description": "Hexadecimal HMAC-SHA1 of the body"}}
    return {
        "/v1/experience": {
            "post": _post("experience", "The answer for one visitor, here and now", "Question", "Experience")
        },
        "/v1/explain": {
            "post": _post("explain", "Why one person gets her answer", "Explaining", "Explained", _EXPLAINING)
        },
        "/1/events": {"post": _collect("insights", events)},
        "/v1/events": {"post": _collect("events", events)},
        "/v1/consent": {"post": _post("consent", "Keep a visitor's choice", "Choice", "Chosen", _TELLING)},
        "/v1/impressions": {
            "post": _post("impressions", "Tell that an action was shown", "Impression", "Shown", ("404", *_TELLING))
        },
        "/v1/segment": {
            "post": {
                **_collect("segment", "Segment's webhook", asks="Segment"),
                "security": [{}],
                "parameters": [
                    {"name": name, "in": "header", "required": True, "schema": schema}
                    for name, schema in segment.items()
                ],
            }
        },
        "/healthz": {"get": _get("Alive", "The process answers")},
        "/readyz": {"get": _get("Ready", "Whether it can do its work", also_503=True)},
        "/openapi.json": {"get": _get(None, "This description")},
        "/algosync.js": {"get": _module()},
    }


def _post(
    operation: str, summary: str, asks: str | None, answers: str, refusals: tuple[str, ...] = ("304", *_ASKING)
) -> dict[str, Any]:
    return {
        "summary": summary,
        "operationId": operation,
        "requestBody": {"required": True, "content": _content(asks)},
        "responses": {
            "200": {"description": "Done", "content": _content(answers)},
            **{status: _refusal(status, "Error") for status in refusals},
        },
    }


def _collect(operation: str, summary: str, *, asks: str = "Events") -> dict[str, Any]:
    """A route that answers as Insights does, whatever happens."""
    made = _post(operation, summary, asks, "Taken", ())
    told = {status: _refusal(status, "Taken") for status in _COLLECTING}
    if asks == "Events":
        told["400"] = {"description": "The body is no JSON", "content": {"text/html": {"schema": {"type": "string"}}}}
    return {**made, "responses": {**made["responses"], **told}}


def _get(answers: str | None, summary: str, *, also_503: bool = False) -> dict[str, Any]:
    responses = {"200": {"description": "Done", "content": _content(answers)}}
    if also_503:
        responses["503"] = {"description": "Something is missing, see `problems`", "content": _content(answers)}
    return {
        "summary": summary,
        "operationId": (answers or "description").lower(),
        "security": [{}],
        "responses": responses,
    }


def _module() -> dict[str, Any]:
    text = {"text/javascript": {"schema": {"type": "string"}}}
    return {
        "summary": "The module for the shop's pages",
        "operationId": "module",
        "security": [{}],
        "responses": {"200": {"description": "Done", "content": text}, "304": _refusal("304", "Error")},
    }


def _content(name: str | None) -> dict[str, Any]:
    schema = {"type": "object"} if name is None else {"$ref": f"#/components/schemas/{name}"}
    return {JSON: {"schema": schema}}


def _refusal(status: str, shape: str) -> dict[str, Any]:
    told: dict[str, Any] = {"description": _WHY[status]}
    return told if status == "304" else {**told, "content": _content(shape)}


@cache
def _body() -> bytes:
    return orjson.dumps(document())


async def answer(_request: Request) -> Response:
    """Gives the description."""
    return Response(_body(), 200, {"cache-control": "public, max-age=300"}, JSON)
