"""Reading a request's body: within a size and a time, as JSON, with the place of what is wrong."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
from starlette.requests import ClientDisconnect, Request

from algosync.errors import RequestError

TIMEOUT_S: Final = 10.0


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request.

    Raises:
        RequestError: It is larger than the limit (413), comes too slowly (408), or is compressed (415).
    """
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise RequestError("compressed bodies are not taken", where="content-encoding", status=415)
    if _announced(request) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _read(request, limit)
    except TimeoutError:
        raise RequestError("the body did not come in time", where="body", status=408) from None
    except ClientDisconnect:
        raise RequestError("the client went away", where="body") from None


async def _read(request: Request, limit: int) -> bytes:
    chunks, size = list[bytes](), 0
    async for chunk in request.stream():
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


def _announced(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else 0


def _too_large(limit: int) -> RequestError:
    return RequestError("the body is too large", where="body", hint=f"Send at most {limit:,} bytes", status=413)
