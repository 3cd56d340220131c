"""An HTTP API that answers as a test tells it, over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

EXPERIENCE: dict[str, Any] = {
    "strategy": "one-to-one",
    "reason": "ready: 7 of 3 distinct products",
    "search": {
        "optionalFilters": [["brand:Sony<score=2000>", "brand:LG<score=1000>"]],
        "ruleContexts": ["algosync-audio"],
        "userToken": "u-1",
        "enablePersonalization": False,
        "analyticsTags": ["algosync-personalized"],
    },
    "recommend": {
        "queryParameters": {"filters": "in_stock:true", "optionalFilters": [["brand:Sony<score=2000>"]]},
        "fallbackParameters": {"filters": "in_stock:true"},
    },
    "visitor": {"visit": "returning", "state": "buyer"},
    "segments": [],
    "actions": [],
    "content": {},
    "generation": 7,
    "holdout": False,
}


class StubApi:
    """What it got, and what it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.answer: Any = EXPERIENCE
        self.raw: bytes | None = None
        self.delay = 0.0
        self.drip = 0.0
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.released = threading.Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                stub.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                stub.keys.append(self.headers["authorization"])
                if stub.delay:
                    stub.released.wait(stub.delay)
                text = json.dumps(stub.answer).encode() if stub.raw is None else stub.raw
                try:
                    self.send_response(stub.status)
                    self.send_header("content-length", str(len(text)))
                    self.end_headers()
                    for byte in [text] if not stub.drip else [text[n : n + 1] for n in range(len(text))]:
                        self.wfile.write(byte)
                        self.wfile.flush()
                        if stub.drip and stub.released.wait(stub.drip):
                            return
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None: ...

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def api() -> Iterator[StubApi]:
    stub = StubApi()
    thread = threading.Thread(target=stub.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield stub
    stub.released.set()
    stub.server.shutdown()
    stub.server.server_close()
    thread.join()
