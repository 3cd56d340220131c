"""GET /algosync.js: the module for the shop's pages, the same for everybody, without a key in it.

Read once, when the application is put together, and served without its comments and indentation.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH: Final = "/algosync.js"
JAVASCRIPT: Final = "text/javascript; charset=utf-8"
_HEADERS: Final = {
    "cache-control": "public, max-age=300, must-revalidate",
    # Pages of other origins load it: which ones, CORS says, whose answer depends on who asks.
    "cross-origin-resource-policy": "cross-origin",
    "vary": "Accept-Encoding, Origin",
    "x-content-type-options": "nosniff",
}


def source() -> str:
    """The module as it was written."""
    return (files("algosync.serve") / "assets" / "algosync.js").read_text(encoding="utf-8")


def squeezed(script: str) -> bytes:
    """The module without lines that hold a comment alone, and without indentation; it has no texts of several lines."""
    lines = (line.strip() for line in script.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")).encode()


def route() -> Route:
    """The route."""
    return Route(PATH, _handler(squeezed(source())), methods=["GET"])


def _handler(plain: bytes) -> Callable[[Request], Awaitable[Response]]:
    packed = gzip.compress(plain, 9, mtime=0)
    digest = hashlib.blake2b(plain, digest_size=16).hexdigest()

    async def answer(request: Request) -> Response:
        squeeze = _takes_gzip(request.headers.get("accept-encoding", ""))
        tag = f'"{digest}{"-gzip" if squeeze else ""}"'
        headers = {**_HEADERS, "etag": tag}
        held = {text.strip().removeprefix("W/") for text in request.headers.get("if-none-match", "").split(",")}
        if held & {tag, "*"}:
            return Response(status_code=304, headers=headers)
        if squeeze:
            headers["content-encoding"] = "gzip"
        return Response(packed if squeeze else plain, 200, headers, JAVASCRIPT)

    return answer


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in {"gzip", "*"}:
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
