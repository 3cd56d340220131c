"""The process around the application, on a real socket: what uvicorn itself must not let through."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from algosync.errors import AlgosyncError
from algosync.serve import server
from algosync.serve.server import Address, run


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": scope["client"][0].encode()[:2].ljust(2)})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server in a thread, impatient."""
    monkeypatch.setattr(server, "HEADERS_S", 0.2)
    running: list[Any] = []
    urls: list[str] = []
    made = server._Server.__init__

    def keep(self: Any, *given: Any) -> None:
        made(self, *given)
        running.append(self)

    monkeypatch.setattr(server._Server, "__init__", keep)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    listens = threading.Event()

    def ready(url: str) -> None:
        urls.append(url)
        listens.set()

    thread = threading.Thread(target=run, args=(app, Address(host="127.0.0.1", port=0, proxies=["127.0.0.1"]), ready))
    thread.start()
    assert listens.wait(10)
    yield int(urls[0].rpartition(":")[2])
    running[0].should_exit = True
    thread.join(10)


def _until_closed(connection: socket.socket) -> bytes:
    connection.settimeout(10)
    text = b""
    while chunk := connection.recv(4096):
        text += chunk
    return text


def test_half_a_head_is_not_waited_for(port: int) -> None:
    for sent in (b"", b"POST /v1/experience HTTP/1.1\r\nHost: sh"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(sent)
            assert _until_closed(connection) == b""


def test_a_connection_is_kept_between_requests(port: int) -> None:
    head = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(10)
        for _ in range(3):
            connection.sendall(head)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_trusted_proxy_tells_the_address(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\nX-Forwarded-For: 77.0.2.9\r\n\r\n")
        assert _until_closed(connection).endswith(b"77")


def test_what_is_no_http_is_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\r\n\r\n")
        assert _until_closed(connection).startswith(b"HTTP/1.1 400")


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(AlgosyncError, match=f"port {number} cannot be used"):
            run(app, Address(host="127.0.0.1", port=number), lambda _: None)
    with pytest.raises(AlgosyncError):
        run(app, Address(host="no such host", port=0), lambda _: None)


@pytest.mark.parametrize("name", [b"X-Long: ", b"GET /"], ids=["header", "URL"])
def test_a_head_that_does_not_end_is_cut_off(port: int, name: bytes) -> None:
    start = name if name.startswith(b"GET") else b"GET / HTTP/1.1\r\n" + name
    with socket.create_connection(("127.0.0.1", port)) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(start + b"x" * 1_000_000)
        assert _until_closed(connection).startswith(b"HTTP/1.1 431 ")


def test_a_body_is_no_part_of_the_head(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(10)
        for _ in range(2):
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
