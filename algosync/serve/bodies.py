"""Reading a request's body: within a size and a time, as JSON, with the place of what is wrong."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.types import Receive, Scope

from algosync.errors import RequestError
from algosync.serve.whole import Whole

TIMEOUT_S: Final = 10.0
Heads = dict[bytes, bytes]
"""Headers by name in lower case; of one that came twice, the first."""


def heads(scope: Scope) -> Heads:
    """The headers of a request, without the framework's work on each look at one."""
    return dict(reversed(scope["headers"]))


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request.

    Raises:
        RequestError: It is larger than the limit (413), comes too slowly (408), or is compressed (415).
    """
    return await body_of(heads(request.scope), request.receive, limit)


async def body_of(told: Heads, receive: Receive, limit: int, whole: Whole | None = None) -> bytes:
    """The body of a request whose headers are known.

    Args:
        told: Its headers.
        receive: Gives its messages.
        limit: Bytes.
        whole: Gives a body that is there already, for which nobody sets a clock.

    Raises:
        RequestError: See `read_body`.
    """
    encoding = told.get(b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in {b"", b"identity"}:
        raise RequestError("compressed bodies are not taken", where="content-encoding", status=415)
    if whole is not None and (there := whole.body()) is not None:
        if len(there) > limit:
            raise _too_large(limit)
        return there
    if announced(told) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _read(receive, limit)
    except TimeoutError:
        raise RequestError("the body did not come in time", where="body", status=408) from None


async def _read(receive: Receive, limit: int) -> bytes:
    chunks, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError("the client went away", where="body")
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        # What still comes is thrown away by the server, after the answer and within the same connection.
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def json_object(body: bytes) -> dict[str, Any]:
    """A body as a JSON object.

    Raises:
        RequestError: It is none.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"body, line {error.lineno} column {error.colno}"
        raise RequestError(f"invalid JSON: {error.msg}", where=place, hint="Send one JSON object") from None
    if not isinstance(document, dict):
        raise RequestError("must be a JSON object", where="body", hint='Send {"userToken": …}')
    return document


def announced(told: Heads) -> int:
    """The length that a request says its body has; 0 where it says none that can be read."""
    length = told.get(b"content-length", b"")
    return int(length) if length.isdigit() and len(length) < 19 else 0


def _too_large(limit: int) -> RequestError:
    return RequestError("the body is too large", where="body", hint=f"Send at most {limit:,} bytes", status=413)
