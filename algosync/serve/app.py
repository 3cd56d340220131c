"""The HTTP API as an ASGI application: its routes, its errors, who may call it from a browser.

Owns no answer: handlers do. Everything a request can go wrong with ends in `refusals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from algosync.errors import AlgosyncError
from algosync.serve import browser, openapi, refusals
from algosync.serve.desk import Desk
from algosync.serve.door import Door, Reply
from algosync.serve.experience import Answering, experience
from algosync.serve.health import NOTHING_ELSE, Also, alive, ready
from algosync.serve.meter import ALIVE, Metered
from algosync.serve.parent_key import ParentKeyLook

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
        also: What /readyz tells besides how the desk is.
    """

    door: Door
    desk: Desk
    routes: Sequence[BaseRoute] = ()
    origins: Sequence[str] = ()
    also: Also = NOTHING_ELSE


class _Direct:
    """Hands the question asked most to its handler, past all layers; all else goes through them.

    It does for that question what they do, in their order: counts it, and says no as they say it.

    Args:
        app: The layers, and the framework's application with the same route for whatever is no POST.
        ours: Says no.
        metered: The layer that counts.
        look: The layer that looks for a key that nobody should hold; None where there is no such key.
        answer: The handler.
    """

    def __init__(
        self,
        app: refusals.Guarded,
        ours: refusals.Refusals,
        metered: Metered,
        look: ParentKeyLook | None,
        answer: Answering,
    ) -> None:
        self._app = app
        self._ours = ours
        self._metered = metered
        self._look = look
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["path"] != _EXPERIENCE or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        response: Reply | Response
        try:
            now = self._metered.count(scope)
            if self._look is not None:
                self._look.look(scope)
            response = await self._answer(scope, receive, now)
        except AlgosyncError as error:
            response = self._ours.answer(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not reach the client
            self._app.wonder(error, scope)
            response = refusals.unexpected()
        await response(scope, receive, send)
        self._app.note(scope, response.status_code)


def make_app(parts: Parts) -> ASGIApp:
    """The application."""
    answer = experience(parts.door, parts.desk)
    ours = refusals.Refusals()

    async def asked(request: Request) -> Any:
        return await answer(request.scope, request.receive, parts.door.clock())

    def refused(_request: Request, error: Exception) -> Response:
        return ours.answer(cast("AlgosyncError", error))

    routes: list[BaseRoute] = [
        Route(_EXPERIENCE, asked, methods=["POST"]),
        Route(ALIVE, alive, methods=["GET"]),
        Route("/readyz", ready(parts.desk, parts.door.clock, parts.also), methods=["GET"]),
        Route("/openapi.json", openapi.answer, methods=["GET"]),
        browser.route(),
        *parts.routes,
    ]
    app = Starlette(
        routes=routes, exception_handlers={AlgosyncError: refused, HTTPException: _theirs, Exception: _nobodys}
    )
    app.router.redirect_slashes = False
    look = ParentKeyLook(app, parts.door.gate.secured) if parts.door.gate.secured.on else None
    metered = Metered(look or app, parts.door.limits, parts.door.clock)
    direct = _Direct(refusals.Guarded(metered), ours, metered, look, answer)
    if not parts.origins:
        return direct
    return CORSMiddleware(
        direct,
        allow_origins=parts.origins,
        allow_methods=["GET", "POST"],
        allow_headers=HEADERS_TAKEN,
        expose_headers=HEADERS_SHOWN,
        max_age=3600,
    )


def _theirs(request: Request, error: Exception) -> Response:
    return refusals.of_http(cast("HTTPException", error), request.url.path)


def _nobodys(_request: Request, _error: Exception) -> Response:
    return refusals.unexpected()
