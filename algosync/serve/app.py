"""The HTTP API as an ASGI application: its routes, its errors, who may call it from a browser.

Owns no answer: handlers do. Everything a request can go wrong with ends in `refusals`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from algosync.errors import AlgosyncError
from algosync.serve import openapi, refusals
from algosync.serve.desk import Desk
from algosync.serve.experience import Door, experience
from algosync.serve.health import alive, ready
from algosync.serve.meter import ALIVE, Metered

HEADERS_TAKEN: Final = (
    "authorization",
    "content-type",
    "if-none-match",
    "x-algosync-key",
    "x-algolia-api-key",
    "x-algolia-application-id",
    "x-algolia-agent",
)
_EXPERIENCE: Final = "/v1/experience"
HEADERS_SHOWN: Final = ("etag", "retry-after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the application is put together from.

    Attributes:
        door: Who may ask, and how often.
        desk: Who answers.
        routes: Further routes: the collector's.
        origins: Whose pages may call, such as `https://shop.example`.
    """

    door: Door
    desk: Desk
    routes: Sequence[BaseRoute] = ()
    origins: Sequence[str] = ()


class _Direct:
    """Hands the question asked most to its handler, past the framework's layers; all else goes through them.

    Args:
        app: The framework's application, which has the same route for whatever is no POST.
        answer: The handler.
    """

    def __init__(self, app: ASGIApp, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; what nobody expected is left to the outermost layer."""
        if scope["type"] != "http" or scope["path"] != _EXPERIENCE or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            response = await self._answer(Request(scope, receive, send))
        except AlgosyncError as error:
            response = refusals.of_error(error)
        await response(scope, receive, send)


def make_app(parts: Parts) -> ASGIApp:
    """The application."""
    answer = experience(parts.door, parts.desk)
    routes: list[BaseRoute] = [
        Route(_EXPERIENCE, answer, methods=["POST"]),
        Route(ALIVE, alive, methods=["GET"]),
        Route("/readyz", ready(parts.desk, parts.door.clock), methods=["GET"]),
        Route("/openapi.json", openapi.answer, methods=["GET"]),
        *parts.routes,
    ]
    app = Starlette(
        routes=routes, exception_handlers={AlgosyncError: _ours, HTTPException: _theirs, Exception: _nobodys}
    )
    app.router.redirect_slashes = False
    guarded = refusals.Guarded(Metered(_Direct(app, answer), parts.door.limits, parts.door.clock))
    if not parts.origins:
        return guarded
    return CORSMiddleware(
        guarded,
        allow_origins=parts.origins,
        allow_methods=["GET", "POST"],
        allow_headers=HEADERS_TAKEN,
        expose_headers=HEADERS_SHOWN,
        max_age=3600,
    )


def _ours(_request: Request, error: Exception) -> Response:
    return refusals.of_error(cast("AlgosyncError", error))


def _theirs(request: Request, error: Exception) -> Response:
    return refusals.of_http(cast("HTTPException", error), request.url.path)


def _nobodys(_request: Request, _error: Exception) -> Response:
    return refusals.unexpected()
