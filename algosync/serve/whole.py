"""A request's body as far as it is there, and an answer's head and body in one write: an extension of ASGI's messages.

The messages make two writes of an answer, and a wait of a body that came with its head. Whoever finds the extension in
a request's scope may use it as long as nobody in between looks at the messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final
from weakref import ref

from starlette.types import Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

WHOLE: Final = "algosync.whole"
"""The name of the extension."""

_STATUS: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}

Headers = Sequence[tuple[bytes, bytes]]


class Whole(ref[RequestResponseCycle]):
    """One request of uvicorn's and its answer: refers to what uvicorn keeps of them, and does not hold it.

    That holds the scope, so that nothing in a scope may hold it: each request would leave a ring of objects to Python's
    garbage collector.
    """

    __slots__ = ()

    def body(self) -> bytes | None:
        """The body, where all of it is there and the client waits for nothing before it sends it; else None."""
        cycle = self()
        if (
            cycle is None
            or cycle.more_body
            or cycle.disconnected
            or cycle.response_complete
            or cycle.waiting_for_100_continue
        ):
            return None
        body = bytes(cycle.body)
        cycle.body = bytearray()
        return body

    def send(self, send: Send, status: int, head: bytes, body: bytes) -> bool:
        """Sends an answer; False where it has to go by messages, and nothing was sent.

        Args:
            send: Where the messages would go; if not straight to uvicorn, somebody in between looks at them.
            status: Of HTTP.
            head: Its headers as they go over the wire, with the body's length among them.
            body: What follows.
        """
        cycle = self()
        if (
            cycle is None
            or send != cycle.send
            or cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or cycle.flow.write_paused
        ):
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join((_STATUS[status], _lines(cycle.default_headers), head, b"\r\n", body)))
        cycle.message_event.set()
        cycle.on_response()
        return True


class _Lines:
    """Headers as they go over the wire, made once of those that the server gives to all answers of a second."""

    def __init__(self) -> None:
        self._made: tuple[Headers | None, bytes] = (None, b"")

    def __call__(self, headers: Headers) -> bytes:
        if self._made[0] is not headers:
            self._made = headers, b"".join([name + b": " + value + b"\r\n" for name, value in headers])
        return self._made[1]


_lines: Final = _Lines()


def whole_of(scope: Scope) -> Whole | None:
    """The extension, where the server of a request has it."""
    extensions: dict[str, Any] | None = scope.get("extensions")
    return None if extensions is None else extensions.get(WHOLE)
