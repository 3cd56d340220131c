"""A small Algolia on loopback whose answers can be lost, and makers of logs, payloads, plans and ledgers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

import ibis
import orjson
import pyarrow as pa
import pytest
import stamina
from sqlalchemy import StaticPool, create_engine

from algosync.algolia.target import Target
from algosync.events.schema import LOG
from algosync.payloads.encode import Payload, canonical, content_hash
from algosync.stores import tables
from algosync.sync.ledger import Ledger

LIMIT = 10_000
ITEM_VALUES = pa.schema([("item", pa.int32()), ("facet", pa.string()), ("value", pa.string())])


@dataclass
class Algolia:
    """Records and rules of every index; `before` and `after` may raise to lose a request or its answer."""

    url: str = ""
    indices: dict[str, dict[str, dict]] = field(default_factory=dict)
    rules: dict[str, dict[str, dict]] = field(default_factory=dict)
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    tasks: int = 0
    unknown_tasks: bool = False
    unpublished: bool = False
    polls: int = 0
    before: Callable[[str, str], None] = lambda verb, path: None
    after: Callable[[str, str], None] = lambda verb, path: None

    @property
    def target(self) -> Target:
        return Target(app_id="APP", hosts=(self.url,))

    def tell(self, verb: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes, dict] | None:
        try:
            status, document = self.answer(verb, urlsplit(path).path, body)
        except LostError:
            return None
        return status, orjson.dumps(document), {}

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
                status = "notPublished" if self.unpublished else "published"
                return (404, {"message": "no such task"}) if self.unknown_tasks else (200, {"status": status})
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
def algolia(answering):
    fake = Algolia()
    fake.Lost = LostError
    with answering(fake.tell) as fake.url:
        yield fake


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


@pytest.fixture
def log_of():
    """log_of(rows, values) makes a backend that holds these events and their products' (item, facet, value)."""
    made = []

    def opened(rows, values):
        backend = ibis.duckdb.connect()
        made.append(backend)
        columns = dict(zip(ITEM_VALUES.names, zip(*values, strict=True), strict=True))
        backend.con.register("events", pa.Table.from_pylist(rows, schema=LOG))
        backend.con.register("item_values", pa.Table.from_pydict(columns, schema=ITEM_VALUES))
        return backend

    yield opened
    for backend in made:
        backend.disconnect()
