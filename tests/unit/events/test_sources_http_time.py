"""A server that is never silent and never ends: a request has a limit as a whole, wherever it stands."""

from __future__ import annotations

import socketserver
import threading
from contextlib import suppress
from select import select

import pytest
import stamina

from algosync.errors import SourceError
from algosync.events.sources import http_asking
from algosync.events.sources.http import HttpSource
from algosync.events.sources.http_asking import Manner


class Dripping(socketserver.BaseRequestHandler):
    """Begins an answer, and goes on with a byte a millisecond until nobody listens any more."""

    begun = b""

    def handle(self):
        self.request.recv(1 << 16)
        with suppress(ConnectionError):
            self.request.sendall(self.begun)
            # Not for ever, so that who waits for the end fails instead.
            for _ in range(3000):
                self.request.sendall(b"a")
                if select([self.request], [], [], 0.001)[0] and not self.request.recv(1 << 16):
                    return


@pytest.fixture
def dripping(monkeypatch):
    """Begins the answers of a server like this; gives its address."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def begun(content):
            monkeypatch.setattr(Dripping, "begun", content)
            return f"http://127.0.0.1:{server.server_address[1]}/events"

        with stamina.set_testing(True, attempts=2, cap=True):
            yield begun
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nx: ", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="body-until-closed"),
    ],
)
def test_an_answer_that_drips_is_given_up(dripping, begun, monkeypatch):
    monkeypatch.setattr(http_asking, "_SLOWEST", 0.001)
    source = HttpSource(name="shop", url=dripping(begun), manner=Manner(timeout_s=30))
    with pytest.raises(SourceError, match=r"the answer did not end within 0\.03 s") as caught:
        list(source.batches(None))
    assert caught.value.action == "retry"
