"""The mock as a real HTTP server on loopback: in a thread for tests and the demo, or in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Generator
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from algosync.errors import AlgosyncError
from algosync.mock.algolia import MockAlgolia
from algosync.mock.app import BODY_MAX, TRANSPORT, make_app
from algosync.mock.keys import DEFAULT_KEYS, Key

HOST = "127.0.0.1"
ANYWHERE = "0.0.0.0"  # noqa: S104  # compared with, and listened on by whoever asks for it
BACKLOG = 128
START_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 2
KEEP_ALIVE_S = 75
"""Longer than tests pause: a client that sends just as its connection is closed sees an error it does not try again."""


class _Uvicorn(uvicorn.Server):
    """uvicorn that leaves signals to its owner and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class _Http(H11Protocol):
    """uvicorn's protocol, which tells each request by which connection it came, for faults that break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, TRANSPORT: transport}
        super().connection_made(transport)


class MockServer:
    """A mock Algolia that listens on 127.0.0.1, unless told otherwise.

    Args:
        algolia: What it serves; a new, empty application by default.
        port: Where it listens; 0 for any free port.
        host: The address it listens on; 0.0.0.0 inside a container, which nothing else can reach otherwise.
        body_max: Largest body of a request, in bytes, also inflated.

    Attributes:
        algolia: What it serves; may be exchanged while it runs.
        port: Where it listens, right once it was started; kept for the next start.
    """

    def __init__(
        self, algolia: MockAlgolia | None = None, *, port: int = 0, host: str = HOST, body_max: int = BODY_MAX
    ) -> None:
        self.algolia = algolia if algolia is not None else MockAlgolia()
        self.port = port
        self._host = host
        self._body_max = body_max
        self._server: _Uvicorn | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is reached from this machine, as `http://127.0.0.1:PORT`."""
        return f"http://{HOST if self._host == ANYWHERE else self._host}:{self.port}"

    def start(self) -> Self:
        """Listen, from a daemon thread; answers requests when this returns.

        Raises:
            AlgosyncError: The port is taken.
        """
        listener, server = self._listen()
        self._server = server
        self._thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name=f"mock-algolia-{self.port}", daemon=True
        )
        self._thread.start()
        if not server.ready.wait(START_TIMEOUT_S):
            self.stop()
            raise AlgosyncError("The mock Algolia did not start", where=self.url)
        return self

    def stop(self) -> None:
        """Answer what is under way, then close every socket. Does nothing when it is not running."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def serve_forever(
        self, ready: Callable[[], None] = lambda: None, stopped: Callable[[], None] = lambda: None
    ) -> None:
        """Serve until SIGINT or SIGTERM; called in the main thread.

        Args:
            ready: Called once it answers.
            stopped: Called once it answers no more; a further signal does not break it off.

        Raises:
            AlgosyncError: The port is taken.
        """
        # Not an event: whoever begins to wait for one holds its lock, on which a handler that sets it would wait.
        told: SimpleQueue[None] = SimpleQueue()
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, lambda *_: told.put(None)) for number in numbers}
        try:
            with self:
                ready()
                told.get()
            stopped()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _is_stopping(self) -> bool:
        return self._server is not None and self._server.should_exit

    def _listen(self) -> tuple[socket.socket, _Uvicorn]:
        if self._server is not None:
            raise AlgosyncError("The mock Algolia is already running", where=self.url)
        # asyncio sets TCP_NODELAY only where the protocol is named; without it every answer takes 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self.port))
            listener.listen(BACKLOG)
        except (OSError, OverflowError) as error:
            listener.close()
            raise AlgosyncError(
                f"Port {self.port} cannot be used: {error}",
                where=self._host,
                hint="Choose another port, or 0 for a free one",
            ) from error
        self.port = int(listener.getsockname()[1])
        config = uvicorn.Config(
            make_app(lambda: self.algolia, stopping=self._is_stopping, body_max=self._body_max),
            loop="asyncio",
            http=_Http,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=CLOSE_TIMEOUT_S,
        )
        return listener, _Uvicorn(config)


__all__ = ["DEFAULT_KEYS", "Key", "MockAlgolia", "MockServer"]
