"""How the inbox is, told without standing in its way: can it be written, is there space, do too many events wait.

/readyz is asked again and again, by several. So the inbox is tried at most every few seconds, however often somebody
asks; that it can be written then is the same truth as a moment before.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final

import structlog

from algosync.errors import RequestError, StoreError
from algosync.stores.inbox import Inbox
from algosync.stores.state import State

TRIED_S: Final = 5.0
"""How long a look at the inbox holds good."""
SPARE_BYTES: Final = 16 * 1024 * 1024
"""Less than this left on the disk, and the inbox is as good as full."""
RETRY_S: Final = 60
"""When to come back to a full inbox: the worker is at a standstill, and somebody must look after it."""
_LOOKED_S: Final = 1.0


class InboxWatch:
    """Whether the inbox takes anything.

    Args:
        state: The inbox.
        directory: Where its file is; None for a database on another machine.
        clock: Seconds that never run backwards.
    """

    def __init__(self, state: State, directory: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._directory = directory
        self._clock = clock
        self._lock = Lock()
        self._tried: float | None = None
        self._found: tuple[str, ...] = ()

    def problems(self) -> tuple[str, ...]:
        """What is wrong, in sentences that name nobody and no path."""
        with self._lock:
            now = self._clock()
            if self._tried is None or now - self._tried >= TRIED_S:
                self._tried, self._found = now, tuple(self._look())
            return self._found

    def _look(self) -> Iterator[str]:
        try:
            with self._state.write():
                pass
        except StoreError as error:
            structlog.get_logger("algosync.serve").error("the inbox cannot be written", error=str(error))
            yield "the inbox cannot be written; see the server's log"
            return
        if self._directory is not None and shutil.disk_usage(self._directory).free < SPARE_BYTES:
            yield "the disk of the inbox is full"


class Room:
    """Whether the inbox has room for more events; looked at once a second, so that it may be overshot by so much.

    Choices of consent are always taken: they are few, and must not be lost.

    Args:
        inbox: The inbox.
        events_max: How many events may lie there.
        bytes_max: How large it may be.
    """

    def __init__(self, inbox: Inbox, *, events_max: int, bytes_max: int) -> None:
        self._inbox = inbox
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._looked: datetime | None = None
        self._full = False
        self.refused = 0

    def need(self, events: int, now: datetime) -> None:
        """Asks for room.

        Raises:
            RequestError: There is none (503); the events are counted as refused.
            StoreError: The inbox cannot be read.
        """
        if self._looked is None or not 0 <= (now - self._looked).total_seconds() < _LOOKED_S:
            self._looked = now
            lying, size = self._inbox.extent()
            self._full = lying >= self._events_max or size >= self._bytes_max
        if self._full:
            self.refused += events
            what = "No more events are taken now: too many wait to be read"
            raise RequestError(what, where="inbox", hint="Send them again later", status=503, retry_after_s=RETRY_S)

    def problems(self) -> tuple[str, ...]:
        """What is wrong, for /readyz."""
        if not self._full:
            return ()
        return ("the inbox is full and takes no events; run `algosync sync`, or see serve.inbox_max_events",)
