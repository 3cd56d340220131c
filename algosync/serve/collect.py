"""What storefronts send: events in Algolia's Insights schema, choices of consent, impressions of messages.

An answer of 200 means that it is on the disk. `/1/events` answers as Insights does, so that its clients need not know
whom they talk to. Who may send for whom is asked of the gate; no token and no key is part of an error or a log line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, cast

import orjson
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from algosync.errors import (
    AccessError,
    AlgosyncError,
    ForbiddenError,
    RequestError,
    StoreError,
    TooManyRequestsError,
)
from algosync.events.insights import BODY_MAX, CONSENTS, TELEMETRY, Event, Refusal, check, is_token
from algosync.serve import bodies, door
from algosync.stores.inbox import Choice, Consent, Inbox

_SMALL_BODY_MAX: Final = 10_000
_NAME_MAX: Final = 128
_RETRY_S: Final = 1
_INSIGHTS_SAYS: Final = {408: "Request Timeout", 413: "Request Entity Too Large"}
_BAD_REQUEST: Final = (
    "<!DOCTYPE html><html><head><title>400 Bad Request</title></head><body>400 Bad Request</body></html>"
)
_logger = structlog.get_logger(__name__)


class Sending(Protocol):
    """Who may send what."""

    def may_send(self, key: str | None, events: Sequence[Mapping[str, Any]]) -> None:
        """Lets the holder of a key leave events under the tokens that they name.

        Raises:
            AccessError: There is no key, or it is not good.
            ForbiddenError: It does not open these tokens.
            RequestError: A token will not do.
            TooManyRequestsError: So often is not allowed.
        """
        ...


def unbounded(_events: int, _now: datetime) -> None:
    """There is always room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """What the handlers work with.

    Attributes:
        inbox: Where everything goes.
        gate: Who may send what.
        now: The clock.
        actions: The ids of the shop's actions; impressions of others are refused. None takes any.
        tokens_of: All tokens of the visitor whom one belongs to, as far as they are known; a choice is made for all.
        room: Asks for room for so many events at a moment; raises RequestError where there is none.
    """

    inbox: Inbox
    gate: Sending
    now: Callable[[], datetime]
    actions: frozenset[str] | None = None
    tokens_of: Callable[[str], Collection[str]] = lambda token: (token,)
    room: Callable[[int, datetime], None] = unbounded


def routes(collector: Collector) -> list[Route]:
    """The routes of the collector."""
    events, consent, impressions = (
        _handler(collector, handle) for handle in (post_events, post_consent, post_impressions)
    )
    return [
        Route("/1/events", events, methods=["POST"]),
        Route("/v1/events", events, methods=["POST"]),
        Route("/v1/consent", consent, methods=["POST"]),
        Route("/v1/impressions", impressions, methods=["POST"]),
    ]


def _handler(
    collector: Collector, handle: Callable[[Collector, Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        return await handle(collector, request)

    return serve


async def post_events(collector: Collector, request: Request) -> Response:
    """POST /1/events: Insights' schema and answers."""
    try:
        body = await read_body(request, BODY_MAX)
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            return Response(_BAD_REQUEST, status_code=400, media_type="text/html")
        now = collector.now()
        events = check(content, int(now.timestamp() * 1000))
        if isinstance(events, Refusal):
            return insights_answer(422, events.message)
        await run_in_threadpool(_take, collector, key_of(request), events, now)
    except AlgosyncError as error:
        return refusal_of(error)
    return insights_answer(200, "OK")


async def post_consent(collector: Collector, request: Request) -> Response:
    """POST /v1/consent: {userToken, consent, source?}.

    Raises:
        RequestError: It is ill-formed.
        AccessError: The key does not allow it.
    """
    content = await _read_small(request, required=("userToken", "consent"), optional=("source",))
    if content["consent"] not in CONSENTS:
        raise RequestError("is unknown", where="consent", hint=f"Allowed: {', '.join(CONSENTS)}")
    choice = Choice(
        consent=cast("Consent", content["consent"]), at=collector.now(), source=content.get("source", "storefront")
    )

    def keep() -> int:
        collector.gate.may_send(key_of(request), [{"userToken": content["userToken"]}])
        return collector.inbox.put_choice(content["userToken"], choice, also=collector.tokens_of(content["userToken"]))

    kept = await run_in_threadpool(keep)
    holds = choice.consent if kept else "not_personalized"  # of one who was forgotten nothing is kept, nor is a choice
    return _json(200, {"consent": holds, "at": choice.at.isoformat()})


async def post_impressions(collector: Collector, request: Request) -> Response:
    """POST /v1/impressions: {userToken, action}.

    Raises:
        RequestError: It is ill-formed.
        AccessError: The key does not allow it.
    """
    content = await _read_small(request, required=("userToken", "action"))
    now = collector.now()

    def keep() -> None:
        # Which actions there are is not told to whoever comes without a key.
        collector.gate.may_send(key_of(request), [{"userToken": content["userToken"]}])
        if collector.actions is not None and content["action"] not in collector.actions:
            hint = "Send the `id` that an answer's action has"
            raise RequestError("is unknown", where="action", hint=hint, status=404)
        collector.inbox.put_impression(content["userToken"], content["action"], now)

    await run_in_threadpool(keep)
    return _json(200, {"action": content["action"], "at": now.isoformat()})


def key_of(request: Request) -> str | None:
    """The key of a request, from wherever ours and Algolia's clients put it; the latter also into the query."""
    return door.key_of(request) or _lowered(request.query_params).get("x-algolia-api-key")


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request; what is wrong with it is said in the words of Insights, where it has any.

    Raises:
        RequestError: It is too large (413), comes too slowly (408), or is compressed (415).
    """
    try:
        return await bodies.read_body(request, limit)
    except RequestError as error:
        what = _INSIGHTS_SAYS.get(error.status, error.what)
        raise RequestError(what, where=error.where, hint=error.hint, status=error.status) from None


def refusal_of(error: AlgosyncError) -> Response:
    """An error in the form of Insights; what happened inside is logged, not told."""
    if isinstance(error, AccessError):
        if isinstance(error, ForbiddenError):
            return insights_answer(403, error.what)
        return insights_answer(401, "Invalid credentials")
    if isinstance(error, TooManyRequestsError):
        wait = max(1, round(error.retry_after_s or _RETRY_S))
        return insights_answer(429, "Too Many Requests", {"retry-after": str(wait)})
    if isinstance(error, RequestError):
        headers = {"connection": "close"} if error.status == 408 else {}
        if error.retry_after_s is not None:
            headers["retry-after"] = str(max(1, round(error.retry_after_s)))
        return insights_answer(error.status, error.what, headers)
    if isinstance(error, StoreError):
        _logger.error("events were not taken in", error=str(error))
        return insights_answer(503, "Service Unavailable", {"retry-after": str(_RETRY_S)})
    raise error


def insights_answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer as Insights gives it."""
    return _json(status, {"status": status, "message": message}, headers)


def _take(collector: Collector, key: str | None, events: Sequence[Event], now: datetime) -> None:
    collector.gate.may_send(key, events)
    told = [event for event in events if event["eventType"] != TELEMETRY]
    if told:
        collector.room(len(told), now)
        collector.inbox.append(told, now)


async def _read_small(request: Request, *, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, str]:
    """A body of a few short texts."""
    try:
        content = orjson.loads(await read_body(request, _SMALL_BODY_MAX))
    except orjson.JSONDecodeError as error:
        raise RequestError("is no JSON", where=f"body, character {error.pos}", hint="Send a JSON object") from None
    if not isinstance(content, dict):
        raise RequestError("is no JSON object", where="body", hint=f"Send {', '.join(required)}")
    unknown = sorted(content.keys() - {*required, *optional})
    if unknown:
        hint = f"Allowed: {', '.join((*required, *optional))}"
        raise RequestError("is unknown", where=unknown[0][:_NAME_MAX], hint=hint)
    for name in (*required, *optional):
        if name not in content and name in optional:
            continue
        value = content.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= _NAME_MAX or "\0" in value:
            raise RequestError(f"is no text of 1 to {_NAME_MAX} characters", where=name)
    if not is_token(content["userToken"]):
        raise RequestError("has characters other than a-z A-Z 0-9 _ = / + -", where="userToken")
    return content


def _lowered(query: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in query.items()}


def _json(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    given = {"cache-control": "no-store", **(headers or {})}
    return Response(orjson.dumps(content), status_code=status, headers=given, media_type="application/json")
