"""Counts requests by address before anything else is done for them, and tells the handlers where one comes from."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from algosync.errors import TooManyRequestsError
from algosync.serve.limits import Limits
from algosync.serve.refusals import of_error

ALIVE: Final = "/healthz"
ADDRESS: Final[ContextVar[str]] = ContextVar("address", default="")
"""Of the request that is being answered; behind a trusted proxy, what the proxy says it is."""


class Metered:
    """A layer that turns away who asks too often.

    Args:
        app: What answers.
        limits: How often.
        clock: Tells the time.
    """

    def __init__(self, app: ASGIApp, limits: Limits, clock: Callable[[], datetime]) -> None:
        self._app = app
        self._limits = limits
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; a look whether the process is alive is not counted."""
        if scope["type"] == "http":
            try:
                self.count(scope)
            except TooManyRequestsError as error:
                await of_error(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def count(self, scope: Scope) -> datetime:
        """Counts one request.

        Returns:
            When it came.

        Raises:
            TooManyRequestsError: Its address has had its share.
        """
        client = scope.get("client")
        address = client[0] if client else ""
        ADDRESS.set(address)
        now = self._clock()
        if scope["path"] != ALIVE:
            self._limits.by_address(address, now.timestamp())
        return now
