"""How a service ends: asked once it finishes its step, or rolls it back in time; asked twice it ends at once.

Signals are taken by the kernel's byte in a socket, which a thread of its own reads: it hears them while the main thread
is deep in a query. Nothing is lost in any of these ways; what differs is how tidy the end is.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from algosync.errors import StoppedError

ROLLED_BACK_AFTER: Final = 0.75
"""Share of the time allowed after which the step is rolled back, so that there is time for that."""
_ASKING: Final = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """That a service was told to end.

    Args:
        grace_s: How long it may take then, in seconds.
        code: The exit code of a process whose time is over.

    Attributes:
        asked: Set once it was told.
    """

    def __init__(self, grace_s: float, code: int = 0) -> None:
        self.asked = threading.Event()
        self._grace_s = grace_s
        self._code = code
        self._working = self._over = False
        self._timers: list[threading.Timer] = []

    def check(self) -> None:
        """To be asked at the end of each step.

        Raises:
            StoppedError: The service was told to end.
        """
        if self.asked.is_set():
            raise StoppedError("the service was told to end: the step was finished, the next is left for another time")

    @contextmanager
    def work(self) -> Iterator[None]:
        """While this lasts, the main thread does something that is rolled back when the time is over.

        Raises:
            StoppedError: The time is over.
        """
        self.check()
        self._working = True
        try:
            with self.named():
                yield
        finally:
            self._working = False

    @contextmanager
    def named(self) -> Iterator[None]:
        """What breaks off since the time is over says so, whatever a library made of it: DuckDB an error of its own.

        Raises:
            StoppedError: The time is over.
        """
        try:
            yield
        except Exception as error:
            if self._over and not isinstance(error, StoppedError):
                raise _rolled_back() from error
            raise

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """Heeds SIGTERM and SIGINT; for the main thread.

        The first sets `asked`; after most of the time allowed `work` breaks off with an error, at the end of it the
        process ends. The second signal ends it at once.
        """
        with ExitStack() as stack:
            heard, told = socket.socketpair()
            told.setblocking(False)
            handlers = {**dict.fromkeys(_ASKING, _wait_for_the_step), signal.SIGALRM: self._break_off}
            for number, handler in handlers.items():
                stack.callback(signal.signal, number, signal.signal(number, handler))
            main = threading.get_ident()
            listener = threading.Thread(target=self._listen, args=(heard, main), name="signals", daemon=True)
            before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
            listener.start()
            try:
                yield
            finally:
                signal.set_wakeup_fd(before)
                told.close()
                listener.join()
                heard.close()
                for timer in self._timers:
                    timer.cancel()

    def _listen(self, heard: socket.socket, main: int) -> None:
        while number := heard.recv(1):
            if number[0] not in _ASKING:
                continue
            if self.asked.is_set():
                os._exit(128 + number[0])
            self.asked.set()
            self._after(self._grace_s * ROLLED_BACK_AFTER, signal.pthread_kill, main, signal.SIGALRM)
            self._after(self._grace_s, os._exit, self._code)

    def _after(self, seconds: float, what: Any, *arguments: int) -> None:
        timer = threading.Timer(seconds, what, arguments)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def _break_off(self, *_: object) -> None:
        if self._working:
            self._over = True
            raise _rolled_back()


def _rolled_back() -> StoppedError:
    return StoppedError("the service was told to end, and the step took too long; it was rolled back")


def _wait_for_the_step(*_: object) -> None:
    """The listener has heard it."""
