"""The mock as an ASGI application: Starlette around `routes/table.py`.

Owns what is HTTP alone: reading and inflating bodies, CORS for browsers, one catch-all route, because paths have to be
split before they are percent-decoded (an objectID may hold a slash).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from algosync.mock.algolia import MockAlgolia
from algosync.mock.routes.calls import Answer, Call
from algosync.mock.routes.table import handle

BODY_MAX = 1 << 30
"""Algolia's limit on a request's body, also on what a compressed one inflates to."""


def make_app(current: Callable[[], MockAlgolia]) -> Starlette:
    """An ASGI application that answers for whichever mock is current when a request comes."""

    async def answer(request: Request) -> Response:
        body = await request.body()
        if request.headers.get("content-encoding", "").lower() == "gzip":
            inflated = _inflate(body)
            if inflated is None:
                return _response(
                    Answer.of({"message": "Invalid gzip in the request's body", "status": 400}, status=400)
                )
            body = inflated
        raw = request.scope.get("raw_path") or request.url.path.encode()
        call = Call(
            method=request.method,
            path=raw.split(b"?")[0].decode("latin-1"),
            query={name.lower(): value for name, value in request.query_params.items()},
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        return _response(handle(current(), call))

    cors = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
    methods = ["GET", "POST", "PUT", "DELETE", "PATCH"]
    return Starlette(routes=[Route("/{path:path}", answer, methods=methods)], middleware=[cors])


def _response(answer: Answer) -> Response:
    headers = dict(answer.headers)
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=answer.media_type)


def _inflate(body: bytes) -> bytes | None:
    stream = zlib.decompressobj(wbits=31)
    try:
        inflated = stream.decompress(body, BODY_MAX)
    except zlib.error:
        return None
    return inflated if stream.eof else None
