"""POST /v1/experience: who asks, what is asked, the answer, and the ETag that spares sending it twice."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from algosync.errors import RequestError
from algosync.experience.question import Question
from algosync.serve.asked import question
from algosync.serve.auth import Gate, Visitor
from algosync.serve.bodies import json_object, read_body
from algosync.serve.desk import Desk
from algosync.serve.limits import Limits
from algosync.serve.meter import ADDRESS
from algosync.serve.refusals import JSON

BODY_MAX: Final = 64 * 1024
_EVENTS_PER_REQUEST: Final = 50
"""A batch with more events counts for as many requests as it could have been."""
_TOKENS_MAX: Final = 20
HEADERS: Final = {"cache-control": "private, no-cache", "vary": "Authorization, X-Algosync-Key, X-Algolia-API-Key"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What every handler that opens something goes through.

    Attributes:
        gate: Who may ask for what.
        limits: How often.
        clock: Tells the time.
    """

    gate: Gate
    limits: Limits
    clock: Callable[[], datetime]

    def enter(self, request: Request) -> tuple[Visitor, datetime]:
        """Who asks, by the key that the request carries, and when.

        Raises:
            AccessError: There is no key, or a bad one.
            RequestError: The key is in the URL.
        """
        now = self.clock()
        self._watch(request)
        if request.scope["query_string"]:
            raise RequestError("takes no query string", where="url", hint="Keys and tokens do not belong into URLs")
        return self.gate.opens(key_of(request), now=now, address=ADDRESS.get()), now

    def _watch(self, request: Request) -> None:
        """Looks at every place where somebody may show a key that nobody should hold."""
        told = request.query_params.values() if request.scope["query_string"] else ()
        for key in (*told, request.headers.get("x-algolia-api-key", "")):
            self.gate.secured.watch(key)

    def may_send(self, key: str | None, events: Sequence[Mapping[str, Any]]) -> None:
        """Lets the holder of a key leave events under the tokens that they name.

        Raises:
            AccessError: There is no key, a bad one, or one that does not open these tokens.
            RequestError: A token could be guessed, or too many requests come by this key.
        """
        now = self.clock()
        visitor = self.gate.opens(key, now=now, address=ADDRESS.get())
        claims = {(event["userToken"], event.get("authenticatedUserToken")) for event in events}
        self.gate.may_write(visitor, claims)
        if visitor.way != "admin":
            self._weigh(len(events), len(claims), now)
            for token in sorted({token for token, _ in claims}):
                self.limits.by_caller(f"send:{token}", now.timestamp())

    def _weigh(self, events: int, claims: int, now: datetime) -> None:
        """One address must not fill the inbox by few requests, nor the limits' memory with names of its own making."""
        if claims > _TOKENS_MAX:
            raise RequestError(f"a browser's events name at most {_TOKENS_MAX} tokens", where="userToken", status=422)
        if events > _EVENTS_PER_REQUEST:
            self.limits.by_address(ADDRESS.get(), now.timestamp(), (events - 1) // _EVENTS_PER_REQUEST)


def key_of(request: Request) -> str | None:
    """The key of a request, from its headers."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return request.headers.get("x-algosync-key") or request.headers.get("x-algolia-api-key")


def experience(door: Door, desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """The handler."""

    async def answer(request: Request) -> Response:
        visitor, now = door.enter(request)
        document = json_object(await read_body(request, BODY_MAX))
        asked = question(document, partial(door.gate.token_for, visitor))
        if visitor.way != "admin":
            door.limits.by_caller(f"ask:{asked.user_token}", now.timestamp())
        work = partial(_answered, door.gate, desk, visitor, asked, now)
        body = await run_in_threadpool(work) if desk.waits else work()
        return tagged(request, body)

    return answer


def _answered(gate: Gate, desk: Desk, visitor: Visitor, asked: Question, now: datetime) -> bytes:
    allow = partial(gate.allow, visitor, asked.user_token)
    return orjson.dumps(desk.answer(asked, allow, now=now))


def tagged(request: Request, body: bytes) -> Response:
    """An answer with its ETag; without its body where the client has it."""
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {**HEADERS, "etag": tag}
    held = request.headers.get("if-none-match", "")
    if held and tag in {text.strip().removeprefix("W/") for text in held.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, JSON)
