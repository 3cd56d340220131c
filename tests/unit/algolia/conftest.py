"""A server on loopback that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest
import stamina

from algosync.algolia.client import Target


@dataclass
class Asked:
    verb: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """Answers in turn; the last one is repeated. None closes the connection without an answer."""

    server: ThreadingHTTPServer
    answers: deque = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def target(self) -> Target:
        return Target(app_id="APP", hosts=(self.url,))

    def will(self, *answers) -> None:
        """Each answer is a JSON value (200), None, or (status, body, headers)."""
        self.answers = deque(answers)

    def next(self):
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if answer is None or isinstance(answer, tuple):
            return answer
        return 200, orjson.dumps(answer), {}


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # otherwise each answer waits 40 ms for an acknowledgement

        def log_message(self, *args) -> None:
            pass

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            scripted.asked.append(Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            answer = scripted.next()
            if answer is None:
                self.close_connection = True
                return
            status, content, headers = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "content-type" not in headers:
                self.send_header("content-type", "application/json; charset=UTF-8")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    scripted = Scripted(httpd)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield scripted
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture(autouse=True)
def _no_pauses():
    with stamina.set_testing(True, attempts=4, cap=True):
        yield
