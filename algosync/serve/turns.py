"""Turns of the event loop: what was looked at in one of them holds until it ends.

All requests that a turn answers were read from their connections before the turn began. Whatever was acknowledged
before one of them was sent is thus seen by the first look of that turn, and the others need no look of their own: many
at once cost one. What a client sends after that is read, and answered, in a later turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import get_ident


class Turns:
    """The turns of the one loop that answers."""

    def __init__(self) -> None:
        self._now: object | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._endings: list[Callable[[], None]] = []

    def now(self) -> object:
        """What stands for this turn, the same object throughout; one of its own for every call from a thread."""
        # The running loop itself is not asked for where that can be told without: it asks the system each time.
        if self._now is not None and get_ident() == self._thread and self._loop is not None and self._loop.is_running():
            return self._now
        return self._begun() or object()

    def at_end(self, ending: Callable[[], None]) -> bool:
        """Has something done when this turn ends, which raises nothing; False where no loop runs, as in a thread."""
        if self._begun() is None:
            return False
        self._endings.append(ending)
        return True

    def _begun(self) -> object | None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        if loop is not self._loop:
            self._end()  # of a loop that was left in the midst of it
            self._loop, self._thread = loop, get_ident()
        if self._now is None:
            self._now = object()
            loop.call_soon(self._end)  # before anything that is still to be read
        return self._now

    def _end(self) -> None:
        endings, self._endings = self._endings, []
        self._now = None
        for ending in endings:
            ending()
