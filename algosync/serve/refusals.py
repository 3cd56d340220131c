"""How the API says no: every error as `{"error": {"what", "where", "hint"}}`, with the status that fits.

Nothing of the inside is told: no traceback, no path, no text of a foreign exception. The log gets the kind of an
unexpected error and the route, never what was sent.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from algosync.errors import AccessError, AlgosyncError, ForbiddenError, RequestError, StoreError

JSON = "application/json"
PRIVATE = {"cache-control": "private, no-store"}
"""Of what no cache may keep."""

_SAID_FOR_S = 60.0
_TOLD = {
    404: ("there is no such route", "See /openapi.json"),
    405: ("the route does not take this method", "See /openapi.json"),
}


def refusal(status: int, what: str, *, where: str | None = None, hint: str | None = None) -> Response:
    """An error as the API says it."""
    body = orjson.dumps({"error": {"what": what, "where": where, "hint": hint}})
    return Response(body, status, PRIVATE, JSON)


def unexpected() -> Response:
    """An error that nobody thought of."""
    return refusal(500, "something went wrong here", hint="Try again; if it stays, tell the shop")


def of_error(error: AlgosyncError) -> Response:
    """One of our own errors."""
    if isinstance(error, StoreError):
        hint = "Try again in a moment; the server's log says why"
        response = refusal(503, "what is known cannot be read or written now", where="state", hint=hint)
        response.headers["retry-after"] = "1"
        return response
    response = refusal(_status(error), error.what, where=error.where, hint=error.hint)
    if error.retry_after_s is not None:
        response.headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    if response.status_code == 401:
        response.headers["www-authenticate"] = "Bearer"
    if response.status_code == 408:
        response.headers["connection"] = "close"
    return response


class Refusals:
    """Our own errors, as they are answered and logged: a state that cannot be used fails all requests alike.

    Args:
        ticks: Seconds that pass.
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._said: dict[str, float] = {}

    def answer(self, error: AlgosyncError) -> Response:
        """The answer to the request that raised it; the same trouble of the state is logged once a minute at most."""
        if isinstance(error, StoreError):
            what, now = str(error), self._ticks()
            self._said = {text: at for text, at in self._said.items() if now - at < _SAID_FOR_S}
            if what not in self._said:
                self._said[what] = now
                structlog.get_logger("algosync.serve").error("the stored state cannot be used", error=what)
        return of_error(error)


def _status(error: AlgosyncError) -> int:
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, AccessError):
        return 403 if isinstance(error, ForbiddenError) else 401
    return 500


def of_http(error: HTTPException, path: str) -> Response:
    """An error of the framework's: no such route, no such method."""
    what, hint = _TOLD.get(error.status_code, ("the request cannot be understood", "See /openapi.json"))
    response = refusal(error.status_code, what, where=path, hint=hint)
    response.headers.update(_safe(error.headers))
    return response


def _safe(headers: Mapping[str, str] | None) -> dict[str, str]:
    return dict(headers or {})


class Guarded:
    """The outermost layer: what nobody expected becomes a 500 that tells nothing.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # Bound once: binding costs more than the line that is not logged.
        self._log = structlog.get_logger("algosync.serve").bind()
        self._notes = self._log.is_enabled_for(logging.DEBUG)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not reach the client
            self.wonder(error, scope)
            if not status:
                await unexpected()(scope, receive, send)
        if scope["type"] == "http":
            self.note(scope, status)

    def wonder(self, error: Exception, scope: Scope) -> None:
        """Logs an error that nobody expected."""
        # Its text may hold what was sent, so its name has to do; --verbose does not change that.
        self._log.error("unexpected", kind=type(error).__name__, place=_place(error), route=scope.get("path"))

    def note(self, scope: Scope, status: int) -> None:
        """Logs that a request was answered."""
        if not self._notes:
            return
        # A path that is no route of ours may be anything, also somebody's token.
        route = scope["path"] if status != 404 else "unknown"
        self._log.debug("answered", route=route, method=scope["method"], status=status)


def _place(error: BaseException) -> str:
    """The innermost line of code, which holds nobody's data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
