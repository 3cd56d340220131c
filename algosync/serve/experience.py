"""POST /v1/experience: who asks, what is asked, the answer, and the ETag that spares sending it twice."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from algosync.errors import RequestError
from algosync.experience.answer_memory import Told
from algosync.experience.question import Question
from algosync.serve.asked import question
from algosync.serve.auth import Gate, Visitor
from algosync.serve.bodies import Heads, body_of, heads, json_object
from algosync.serve.desk import Desk
from algosync.serve.limits import Limits
from algosync.serve.meter import ADDRESS
from algosync.serve.refusals import JSON
from algosync.serve.whole import whole_of

BODY_MAX: Final = 64 * 1024
_BODY_KEPT_MAX: Final = 512
_EVENTS_PER_REQUEST: Final = 50
"""A batch with more events counts for as many requests as it could have been."""
_TOKENS_MAX: Final = 20
_HEAD: Final = (
    b"cache-control: private, no-cache\r\nvary: Authorization, X-Algosync-Key, X-Algolia-API-Key\r\netag: %b\r\n"
)
_HEAD_OF_BODY: Final = b"content-type: " + JSON.encode() + b"\r\ncontent-length: %d\r\n"


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
        return self.let_in(request.scope, heads(request.scope))

    def let_in(self, scope: Scope, told: Heads) -> tuple[Visitor, datetime]:
        """Who asks, and when; see `enter`.

        Args:
            scope: The request.
            told: Its headers.
        """
        now = self.clock()
        if scope["query_string"]:
            raise RequestError("takes no query string", where="url", hint="Keys and tokens do not belong into URLs")
        return self.gate.opens(_key_in(told), now=now, address=ADDRESS.get()), now

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
    return _key_in(heads(request.scope))


def _key_in(told: Heads) -> str | None:
    scheme, _, key = told.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and (borne := key.decode("latin-1").strip()):
        return borne
    other = told.get(b"x-algosync-key") or told.get(b"x-algolia-api-key")
    return None if other is None else other.decode("latin-1")


class Reply:
    """An answer as bytes, which goes out as it is: nobody needs to take its headers apart again.

    Args:
        body: JSON.
        tag: Its ETag; made of it where none is given.
        status_code: Of HTTP.
    """

    __slots__ = ("_body", "_head", "_tag", "status_code")

    def __init__(self, body: bytes, tag: bytes | None = None, status_code: int = 200) -> None:
        self.status_code = status_code
        self._body = body
        self._tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'.encode() if tag is None else tag
        self._head = _HEAD % self._tag
        if status_code == 200:
            self._head += _HEAD_OF_BODY % len(body)

    def unless_held(self, tags: bytes) -> Reply:
        """The answer without its body, where the client has it.

        Args:
            tags: What the client says that it has: the header If-None-Match.
        """
        held = self._tag in {text.strip().removeprefix(b"W/") for text in tags.split(b",")}
        return Reply(b"", self._tag, 304) if held else self

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Sends it."""
        whole = whole_of(scope)
        if whole is not None and whole.is_behind(send) and whole.send(self.status_code, self._head, self._body):
            return
        headers = [tuple(line.split(b": ", 1)) for line in self._head.splitlines()]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


def reply_of(told: Told) -> Reply:
    """The reply that sends an answer, made once."""
    if told.reply is None:
        told.reply = Reply(told.json)
    reply: Reply = told.reply
    return reply


class Questions:
    """Questions by the bytes that ask them, for pages that ask the same again.

    Args:
        gate: Says for whom somebody may ask.
        kept: Questions kept at most, none of them long; the oldest goes first.
    """

    def __init__(self, gate: Gate, *, kept: int = 4_000) -> None:
        self._gate = gate
        self._kept = kept
        self._held: OrderedDict[tuple[str | None, str, bytes], Question] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def of(self, visitor: Visitor, body: bytes) -> Question:
        """What a body asks.

        Raises:
            RequestError: It is no question.
            AccessError: It is about another than the visitor.
        """
        key = (visitor.user_token, visitor.way, body)
        asked = self._held.get(key)
        if asked is None:
            asked = question(json_object(body), partial(self._gate.token_for, visitor))
            if len(body) <= _BODY_KEPT_MAX:
                if len(self._held) >= self._kept:
                    self._held.popitem(last=False)
                self._held[key] = asked
        return asked


Answering = Callable[[Scope, Receive], Awaitable[Reply]]


def experience(door: Door, desk: Desk) -> Answering:
    """The handler."""
    questions = Questions(door.gate)

    async def answer(scope: Scope, receive: Receive) -> Reply:
        told = heads(scope)
        visitor, now = door.let_in(scope, told)
        asked = questions.of(visitor, await body_of(told, receive, BODY_MAX, whole_of(scope)))
        if visitor.way != "admin":
            door.limits.by_caller(f"ask:{asked.user_token}", now.timestamp())
        work = partial(desk.told, asked, partial(door.gate.allow, visitor, asked.user_token), now=now)
        reply = reply_of(await run_in_threadpool(work) if desk.waits else work())
        held = told.get(b"if-none-match")
        return reply if held is None else reply.unless_held(held)

    return answer
