"""The API as a process: uvicorn with uvloop and httptools; ends well on SIGTERM and waits for nothing half-sent."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from algosync.errors import AlgosyncError
from algosync.serve.whole import WHOLE, Whole

HEADERS_S: Final = 10.0
"""How long the head of a request may take."""
HEAD_MAX: Final = 512 * 1024
"""Bytes of a head that does not end; above what one read of the socket may hold of a body before it."""
KEEP_ALIVE_S: Final = 75
GRACE_S: Final = 10
BACKLOG: Final = 2048
COLLECT_AFTER: Final = (20_000, 20, 20)
"""Thresholds of Python's garbage collector; its own are (700, 10, 10)."""
_HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen, and whose word on the client's address is believed.

    Attributes:
        host, port: Where; port 0 takes a free one.
        proxies: Addresses and networks whose X-Forwarded-For is believed.
    """

    host: str
    port: int
    proxies: Sequence[str] = ()


class _Http(HttpToolsProtocol):
    """uvicorn's protocol, which closes connections whose request does not come to an end of its head."""

    _patience: asyncio.TimerHandle | None = None
    _unfinished = False
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._unfinished = True
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Nearly every head comes in one piece: no timer is set for it.
        if not self._unfinished:
            self._head = 0
            self._stop_waiting()
            return
        self._head += len(data)
        if self._patience is None and not self.transport.is_closing():
            self._wait()
        if self._head > HEAD_MAX and not self.transport.is_closing():
            self.transport.write(_HEAD_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._unfinished = True
        self._stop_waiting()

    def on_headers_complete(self) -> None:
        self._unfinished = False
        super().on_headers_complete()
        if self.cycle is not None:
            self.scope["extensions"] = {WHOLE: Whole(self.cycle)}  # type: ignore[dict-item]

    def _wait(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(HEADERS_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class _Server(uvicorn.Server):
    """uvicorn that ends with exit code 0 when it is told to, and says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


class Told(logging.Handler):
    """Lines of libraries, in the form of ours; never with a traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        """Passes a line on."""
        structlog.get_logger("algosync.serve").log(record.levelno, record.getMessage().strip())


def run(app: ASGIApp, address: Address, ready: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM; called in the main thread.

    Args:
        app: What answers.
        address: Where.
        ready: Called with the URL, once it answers.

    Raises:
        AlgosyncError: It cannot listen there.
    """
    listener = listen(address)
    logger = logging.getLogger("uvicorn")
    logger.handlers, logger.propagate = [Told()], False
    url = url_of(listener)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=_Http,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        proxy_headers=bool(address.proxies),
        forwarded_allow_ips=list(address.proxies),
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    _collect_seldom()
    try:
        with listener:
            _Server(config, lambda: ready(url)).run([listener])
    finally:
        gc.unfreeze()  # libraries complain at the end of what nobody collected


def _collect_seldom() -> None:
    """Keeps Python from looking through all that answers remember, again and again: a quarter of an answer's time.

    Nearly everything goes without it, when the last reference does.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def url_of(listener: socket.socket) -> str:
    """Where a socket listens, as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def listen(address: Address) -> socket.socket:
    """A socket that listens.

    Raises:
        AlgosyncError: It cannot listen there.
    """
    # asyncio sets TCP_NODELAY only where the protocol is named; without it every answer takes 40 ms.
    family = socket.AF_INET6 if _is_v6(address.host) else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise AlgosyncError(
            f"port {address.port} cannot be used: {error}",
            where=address.host,
            hint="Choose another with --port, or 0 for a free one",
        ) from error
    return listener


def _is_v6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
