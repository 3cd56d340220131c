"""A small Algolia on loopback whose answers can be lost, and makers of payloads, plans and ledgers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import orjson
import pytest
import stamina
from sqlalchemy import StaticPool, create_engine

from algosync.algolia.client import Target
from algosync.payloads.encode import Payload, canonical, content_hash
from algosync.stores import tables
from algosync.sync.ledger import Ledger

LIMIT = 10_000


@dataclass
class Algolia:
    """Records and rules of every index; `before` and `after` may raise to lose a request or its answer."""

    server: ThreadingHTTPServer
    indices: dict[str, dict[str, dict]] = field(default_factory=dict)
    rules: dict[str, dict[str, dict]] = field(default_factory=dict)
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    tasks: int = 0
    unknown_tasks: bool = False
    polls: int = 0
    before: Callable[[str, str], None] = lambda verb, path: None
    after: Callable[[str, str], None] = lambda verb, path: None

    @property
    def target(self) -> Target:
        return Target(app_id="APP", hosts=(f"http://127.0.0.1:{self.server.server_address[1]}",))

    def answer(self, verb: str, path: str, body: bytes) -> tuple[int, dict]:
        self.requests.append((verb, path, len(body)))
        self.before(verb, path)
        parts = [unquote(part) for part in path.split("/")[3:]]
        found = self.route(verb, parts, body)
        self.after(verb, path)
        return found

    def route(self, verb: str, parts: list[str], body: bytes) -> tuple[int, dict]:
        match verb, parts:
            case "POST", ["*", "objects"]:
                asked = orjson.loads(body)["requests"]
                return 200, {"results": [self.read(r["indexName"], r) for r in asked]}
            case "POST", [index, "batch"]:
                return self.batch(index, orjson.loads(body)["requests"])
            case "POST", [index, "rules", "batch"]:
                self.rules.setdefault(index, {}).update({r["objectID"]: r for r in orjson.loads(body)})
            case "DELETE", [index, "rules", object_id]:
                self.rules.get(index, {}).pop(object_id, None)
            case "GET", [index, "rules", object_id]:
                rule = self.rules.get(index, {}).get(object_id)
                return (404, {"message": "no such rule"}) if rule is None else (200, {**rule, "_metadata": {"x": 1}})
            case "GET", [_, "task", _]:
                self.polls += 1
                return (404, {"message": "no such task"}) if self.unknown_tasks else (200, {"status": "published"})
            case _:
                return 404, {"message": f"{verb} {parts}"}
        return self.task()

    def read(self, index: str, asked: dict) -> dict | None:
        record = self.indices.get(index, {}).get(asked["objectID"])
        wanted = asked.get("attributesToRetrieve")
        if record is None or wanted is None:
            return record
        return {name: value for name, value in record.items() if name in {*wanted, "objectID"}}

    def batch(self, index: str, requests: list[dict]) -> tuple[int, dict]:
        records = self.indices.setdefault(index, {})
        for position, request in enumerate(requests):
            object_id, size = request["body"]["objectID"], len(orjson.dumps(request["body"]))
            if size > LIMIT:
                message = (
                    f"Record at the position {position} objectID={object_id} is too big size={size}/{LIMIT} bytes."
                )
                return 400, {"message": message, "position": position, "objectID": object_id, "status": 400}
        for request in requests:
            body, object_id = request["body"], request["body"]["objectID"]
            match request["action"]:
                case "updateObject":
                    records[object_id] = body
                case "partialUpdateObjectNoCreate":
                    if object_id in records:
                        records[object_id] = records[object_id] | body
                case "deleteObject":
                    records.pop(object_id, None)
        return self.task()

    def task(self) -> tuple[int, dict]:
        self.tasks += 1
        return 200, {"taskID": self.tasks}

    def observed(self, index: str) -> dict[str, str | None]:
        return {key: (record.get("algosync") or {}).get("v") for key, record in self.indices.get(index, {}).items()}


class LostError(Exception):
    """Raised in `before` or `after`: the connection closes without an answer."""


@pytest.fixture
def algolia():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # otherwise each answer waits 40 ms for an acknowledgement

        def log_message(self, *args) -> None:
            pass

        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            try:
                status, document = fake.answer(self.command, urlsplit(self.path).path, body)
            except LostError:
                self.close_connection = True
                return
            content = orjson.dumps(document)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = reply  # noqa: N815

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    fake = Algolia(httpd)
    fake.Lost = LostError
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture(autouse=True)
def _no_pauses():
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


@pytest.fixture
def engine():
    engine = create_engine("sqlite://", poolclass=StaticPool)
    tables.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(engine):
    return Ledger(engine, Target(app_id="APP", hosts=("http://127.0.0.1:1",)))


@pytest.fixture
def now():
    return lambda: datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.fixture(scope="session")
def make():
    """make(family, object_id, content=…) -> Payload; content None takes our attribute away."""

    def payload(family, object_id, content="x", index=None):
        index = index or ("products" if family in ("related", "rules") else "payloads")
        if family == "related":
            digest = None if content is None else content_hash(canonical(content))
            ours = None if content is None else {"v": digest, "related": content}
            body = canonical({"objectID": object_id, "algosync": ours})
        else:
            said = {"optionalFilters": [[f"brand:{content}<score=3>"]]}
            record = {"consequence": {"params": said}} if family == "rules" else said
            body = canonical({"objectID": object_id, **record})
            digest = content_hash(body)
        return Payload(
            family=family, index=index, object_id=object_id, hash=digest, body=body, summary=f"says {content}"[:80]
        )

    return payload
