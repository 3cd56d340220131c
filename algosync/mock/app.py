"""The mock as an ASGI application around `routes/table.py`.

Owns what is HTTP alone: reading and inflating bodies within a limit, CORS for browsers, answers that come late, in part
or not at all. Paths are handed on as they came: they have to be split before they are percent-decoded, since an
objectID may hold a slash.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from algosync.errors import AlgoliaError
from algosync.mock.algolia import MockAlgolia
from algosync.mock.routes.calls import Answer, Call
from algosync.mock.routes.table import handle

BODY_MAX = 1 << 30
"""Algolia's limit on a request's body, also on what a compressed one inflates to."""

_GLANCE_S = 0.05

TRANSPORT = "transport"
"""Where a request's scope holds, in `state`, the connection that it came by."""

EXPOSED = (
    "x-algosync-mock-warning",
    "x-algosync-mock-source",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def make_app(
    current: Callable[[], MockAlgolia], *, stopping: Callable[[], bool] = lambda: False, body_max: int = BODY_MAX
) -> ASGIApp:
    """An ASGI application.

    Args:
        current: The mock that answers, asked for at every request.
        stopping: Tells whether the server is about to stop; late answers then come at once.
        body_max: Largest body of a request, in bytes, also inflated.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await Response(headers={"allow": ", ".join(METHODS)})(scope, receive, send)
            return
        try:
            body = _inflated(scope, await _body(receive, body_max), body_max)
        except AlgoliaError as refusal:
            answer = Answer.refusing(refusal)
        except ConnectionError:
            return
        else:
            answer = handle(current(), _call(scope, body))
        if answer.delay_ms:
            transport = scope["state"][TRANSPORT]
            await _wait(answer.delay_ms / 1000, lambda: stopping() or transport.is_closing())
        if answer.ending == "whole":
            await response_of(answer)(scope, receive, send)
        else:
            await _broken(answer, scope, receive, send)

    return CORSMiddleware(
        serve, allow_origins=["*"], allow_methods=METHODS, allow_headers=["*"], expose_headers=EXPOSED, max_age=3600
    )


async def _wait(seconds: float, ended: Callable[[], bool]) -> None:
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    while (left := until - clock()) > 0 and not ended():  # noqa: ASYNC110  # uvicorn tells by a flag alone
        await asyncio.sleep(min(left, _GLANCE_S))


async def _body(receive: Receive, body_max: int) -> bytes:
    """Reads to the end also what is too large: a client that is still sending would not see the answer."""
    chunks, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size <= body_max:
            chunks.append(chunk)
        else:
            chunks.clear()
    if size > body_max:
        raise _too_large(body_max)
    return b"".join(chunks)


def _too_large(body_max: int) -> AlgoliaError:
    return AlgoliaError(f"The request's body is too large, at most {body_max} bytes are taken", status=413)


def _inflated(scope: Scope, body: bytes, body_max: int) -> bytes:
    encoding = _headers(scope).get("content-encoding", "identity").strip().lower()
    if not body or encoding in {"identity", ""}:
        return body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise AlgoliaError(f"Unsupported Content-Encoding: {encoding}", status=415)
    stream = zlib.decompressobj(wbits=15 if encoding == "deflate" else 31)
    try:
        inflated = stream.decompress(body, body_max)
    except zlib.error:
        raise AlgoliaError(f"Invalid {encoding} in the request's body", status=400) from None
    if stream.unconsumed_tail:
        raise _too_large(body_max)
    if not stream.eof:
        raise AlgoliaError(f"Invalid {encoding} in the request's body", status=400)
    return inflated


def _call(scope: Scope, body: bytes) -> Call:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    method: str = scope["method"]
    return Call(
        method="GET" if method == "HEAD" else method,
        path=raw.decode("latin-1"),
        query={name.lower(): value for name, value in query},
        headers=_headers(scope),
        body=body,
        client=scope["client"][0] if scope["client"] else "",
    )


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def response_of(answer: Answer) -> Response:
    """An answer as Starlette sends it."""
    headers = {name: _one_line(value) for name, value in answer.headers.items()}
    if answer.media_type == "application/json":
        headers["content-type"] = "application/json; charset=UTF-8"
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=answer.media_type)


def _one_line(value: str) -> str:
    """A header holds no line breaks and no letters beyond ASCII; a warning may quote what a client sent."""
    return value.encode("ascii", "backslashreplace").decode().replace("\r", " ").replace("\n", " ")


async def _broken(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    transport: Any = scope["state"][TRANSPORT]
    if answer.ending == "truncated":
        whole = response_of(answer)
        await send({"type": "http.response.start", "status": whole.status_code, "headers": whole.raw_headers})
        half = whole.body[: len(whole.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        transport.close()
    else:
        # Closing with a linger of no time makes the kernel send RST instead of FIN.
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
