"""The way in and the way out: who asks by which key, and how often; an answer, and the ETag that spares sending it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from algosync.errors import RequestError
from algosync.serve.auth import Gate, Visitor
from algosync.serve.bodies import Heads, heads
from algosync.serve.limits import Limits
from algosync.serve.meter import ADDRESS
from algosync.serve.refusals import JSON
from algosync.serve.whole import whole_of

_EVENTS_PER_REQUEST: Final = 50
"""A batch with more events counts for as many requests as it could have been."""
_TOKENS_MAX: Final = 20
_HEAD: Final = (
    b'cache-control: private, no-cache\r\nvary: Authorization, X-Algosync-Key, X-Algolia-API-Key\r\netag: "%b"\r\n'
)
_HEAD_OF_BODY: Final = _HEAD + b"content-type: " + JSON.encode() + b"\r\ncontent-length: %d\r\n"


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
        return self.let_in(request.scope, heads(request.scope), now), now

    def let_in(self, scope: Scope, told: Heads, now: datetime) -> Visitor:
        """Who asks; see `enter`.

        Args:
            scope: The request.
            told: Its headers.
            now: When it came.
        """
        if scope["query_string"]:
            raise RequestError("takes no query string", where="url", hint="Keys and tokens do not belong into URLs")
        return self.gate.opens(_key_in(told), now=now, address=ADDRESS.get())

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
        tag: What tells it from others.
        status_code: Of HTTP.
    """

    __slots__ = ("_body", "_head", "_tag", "status_code")

    def __init__(self, body: bytes, tag: bytes, status_code: int = 200) -> None:
        self.status_code = status_code
        self._body = body
        self._tag = tag
        self._head = _HEAD_OF_BODY % (tag, len(body)) if status_code == 200 else _HEAD % tag

    def unless_held(self, tags: bytes) -> Reply:
        """The answer without its body, where the client has it.

        Args:
            tags: What the client says that it has: the header If-None-Match.
        """
        held = b'"%b"' % self._tag in {text.strip().removeprefix(b"W/") for text in tags.split(b",")}
        return Reply(b"", self._tag, 304) if held else self

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Sends it."""
        whole = whole_of(scope)
        if whole is not None and whole.send(send, self.status_code, self._head, self._body):
            return
        headers = [tuple(line.split(b": ", 1)) for line in self._head.splitlines()]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})
