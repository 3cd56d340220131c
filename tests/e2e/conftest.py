"""A shop in a folder, with an Algolia of its own: the mock over HTTP, reached with the official client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import stamina
import structlog
from typer.testing import CliRunner

from algosync.algolia.client import ReadClient, WriteClient
from algosync.algolia.target import Target
from algosync.cli import render
from algosync.cli.app import app
from algosync.demo.feed import feed
from algosync.mock.algolia import MockAlgolia
from algosync.mock.algolia import Snapshot as MockSnapshot
from algosync.mock.server import MockServer
from algosync.runtime.commands import Runtime
from algosync.sync.stages import Silent

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALGOSYNC = Path(sys.executable).with_name("algosync")

BASE: dict[str, Any] = {
    "algolia": {
        "app_id": "MOCKAPP",
        "read_api_key": "mock-read",
        "write_api_key": "mock-write",
        "storefront_api_key": "mock-storefront",
        "indices": [{"name": "products"}],
    },
    "push": {"related": True, "segments": True, "profiles": True, "rules": True},
    "state": {"directory": "state", "as_of": "last_event"},
    "catalog": {"type": "index", "text": ["name"]},
    "facets": {
        "brand": 100,
        "categories": 60,
        "price_band": {"weight": 40, "from": "price", "edges": [10, 25, 50, 100, 500, 1000]},
    },
    "events": {"consent_missing": "allow"},
    "segments": {"affinity_facet": "categories"},
    "related": {"trending": False},
    "identity": {"hash_key": "a secret of the shop's own"},
}

DECLARED = {"searchableAttributes": ["name", "description"], "attributesForFaceting": ["brand", "categories"]}

COLUMNS = {
    "timestamp": "at",
    "user_token": "who",
    "authenticated_user_token": "customer",
    "event_type": "what",
    "object_id": "product",
    "order_id": "order",
    "price": "price",
    "quantity": "quantity",
    "session_id": "session",
    "consent": "consent",
}


def toml(value: Any) -> str:
    """A value as TOML, tables inline."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables laid over tables; a None takes a key away."""
    made = dict(base)
    for key, value in over.items():
        if value is None:
            made.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(made.get(key), Mapping):
            made[key] = merged(made[key], value)
        else:
            made[key] = value
    return made


class Shop:
    """A shop: its files, settings, Algolia and the commands it runs."""

    program = ALGOSYNC

    def __init__(self, folder: Path, server: MockServer) -> None:
        self.folder = folder
        self.server = server
        self.now = NOW
        self.first: dict[str, Any] = {}
        self.settings = merged(deepcopy(BASE), {"algolia": {"hosts": [server.url]}})

    @property
    def algolia(self) -> MockAlgolia:
        return self.server.algolia

    @property
    def config(self) -> Path:
        return self.folder / "algosync.toml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def configure(self, **over: Any) -> None:
        """Lays settings over those of before and writes the file."""
        self.settings = merged(self.settings, over)
        lines = [f"{json.dumps(key)} = {toml(value)}" for key, value in self.settings.items()]
        self.config.write_text("\n".join(lines), encoding="utf-8")

    def source(self, path: str, **over: Any) -> None:
        """One source of events, in the columns of `events` unless told otherwise."""
        optional = {"name": "shop", "type": "files", "path": path, "columns": COLUMNS, "timezone": "UTC"}
        self.configure(sources=[{key: value for key, value in {**optional, **over}.items() if value is not None}])

    def write(self, name: str, document: Any) -> Path:
        """A JSON file."""
        path = self.folder / name
        path.write_bytes(orjson.dumps(document))
        return path

    def events(self, rows: Sequence[Mapping[str, Any]], name: str = "events.jsonl") -> Path:
        """Appends events, one a line; every line has all columns."""
        path = self.folder / name
        blank = dict.fromkeys(COLUMNS.values())
        with path.open("ab") as file:
            file.writelines(orjson.dumps({**blank, **row}) + b"\n" for row in rows)
        return path

    def lighten(self) -> None:
        """Leaves out related items and segments, where they do not matter."""
        self.configure(related={"kinds": []}, segments={"file": None}, actions=None, push={"related": False})

    def segments(self, document: Any) -> None:
        self.write("segments.json", document)
        self.configure(segments={"file": "segments.json"})

    def actions(self, document: Any) -> None:
        self.write("actions.json", document)
        self.configure(actions={"file": "actions.json"})

    def runtime(self) -> Runtime:
        return Runtime.open(self.config, progress=Silent(), clock=lambda: self.now)

    def setup(self) -> dict[str, Any]:
        return self.runtime().setup(confirm=lambda _: True)

    def sync(self, **options: Any) -> dict[str, Any]:
        return self.runtime().sync(**options).document()

    def feed(self, records: Sequence[Mapping[str, Any]], index: str = "products", settings: Any = None) -> None:
        """Whole records, as the shop's own feed writes them."""
        with self.client("mock-admin") as client:
            feed(client, index, [[dict(record) for record in records]], settings=settings)

    def client(self, key: str = "mock-write") -> WriteClient:
        return WriteClient(Target(app_id="MOCKAPP", hosts=(self.server.url,)), key)

    def search(self, index: str = "products", **params: Any) -> list[str]:
        with ReadClient(Target(app_id="MOCKAPP", hosts=(self.server.url,)), "mock-storefront") as client:
            return [hit["objectID"] for hit in client.search(index, {"hitsPerPage": 1000, **params})["hits"]]

    def content(self) -> dict[str, Any]:
        """Everything the mock holds, byte by byte comparable."""
        return orjson.loads(orjson.dumps(self.algolia.content(), option=orjson.OPT_SORT_KEYS))

    def records(self, index: str = "products") -> dict[str, dict[str, Any]]:
        return self.content().get(index, {"records": {}})["records"]

    def ours(self, object_id: str) -> dict[str, Any] | None:
        return self.records()[object_id].get("algosync")

    def writes(self) -> list[tuple[str, str]]:
        """What was asked of the mock that could write."""
        reading = ("/query", "/queries", "/browse", "/search", "/objects")
        return [
            (request.method, request.path)
            for request in self.algolia.requests
            if request.method != "GET" and not (request.method == "POST" and request.path.endswith(reading))
        ]

    def files(self) -> dict[str, bytes]:
        """Every file of the state, and every folder."""
        found = sorted(self.state.rglob("*"))
        return {str(path.relative_to(self.state)): b"" if path.is_dir() else path.read_bytes() for path in found}

    def command(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """`algosync …` as a process of its own."""
        return subprocess.run(
            [str(ALGOSYNC), *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**os.environ, "ALGOSYNC_CONFIG": str(self.config), "COLUMNS": "200", **(env or {})},
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`algosync …` in this process, where nothing hangs on one of its own: to start that takes seconds."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setenv("ALGOSYNC_CONFIG", str(self.config))
            patch.setenv("COLUMNS", "200")
            patch.setattr(render.out, "width", 200)  # which it keeps from its first use on, by whichever test
            patch.setattr(render.err, "width", 200)
            done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        structlog.reset_defaults()
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def server() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Seconds of every pause that a client would have made."""
    slept: list[float] = []
    monkeypatch.setattr("algosync.algolia.client._sleep", slept.append)
    with stamina.set_testing(True, attempts=2, cap=True):
        yield slept


@pytest.fixture
def shop(tmp_path: Path, server: MockServer) -> Shop:
    """A shop without products or events; its Algolia is empty."""
    server.algolia = MockAlgolia()
    made = Shop(tmp_path, server)
    made.configure()
    return made


def _products() -> list[dict[str, Any]]:
    books = [9.99, 10, 10.01, 17.5, 24.99, 25, 25.01, 40]
    phones = [199, 349, 499, 500, 899, 1199]
    lamps = [12, 18, 25, 60]
    made = [
        {
            "objectID": f"book-{n}",
            "name": f"Novel number {n}",
            "brand": f"House {n % 3}",
            "categories": ["Books"],
            "price": p,
        }
        for n, p in enumerate(books, start=1)
    ]
    made += [
        {"objectID": f"phone-{n}", "name": f"Smart phone model {n}", "brand": ["Apple", "Sony"][n % 2],
         "categories": ["Phones", "Electronics"], "price": p}
        for n, p in enumerate(phones, start=1)
    ]  # fmt: skip
    made += [
        {"objectID": f"lamp-{n}", "name": f"Reading lamp {n}", "brand": "Lumen", "categories": ["Home"], "price": p}
        for n, p in enumerate(lamps, start=1)
    ]
    return made


PRODUCTS = _products()


def _visits() -> list[dict[str, Any]]:
    """Six visitors of a few days: readers of cheap books, buyers of phones, and one who only looks."""
    made: list[dict[str, Any]] = []

    def saw(who: str, day: int, minute: int, what: str, product: str, **more: Any) -> None:
        made.append(
            {"at": f"2026-11-{day:02d}T10:{minute:02d}:00Z", "who": who, "what": what, "product": product, **more}
        )

    for n, who in enumerate(("reader-1", "reader-2", "reader-3")):
        for minute, product in enumerate(("book-2", "book-4", "book-6", "book-7", "lamp-2")):
            saw(who, 10 + n, minute, "view", product)
        saw(who, 12 + n, 7, "add_to_cart", "book-4")
        saw(who, 12 + n, 9, "purchase", "book-4", order=f"order-{who}", price=17.5, quantity=2)
        saw(who, 12 + n, 9, "purchase", "lamp-2", order=f"order-{who}", price=18, quantity=1)
    for n, who in enumerate(("caller-1", "caller-2")):
        for minute, product in enumerate(("phone-1", "phone-3", "phone-5", "phone-6", "phone-3")):
            saw(who, 14 + n, minute, "click" if minute == 4 else "view", product)
        saw(who, 16 + n, 20, "purchase", "phone-5", order=f"order-{who}", price=899, quantity=1)
        saw(who, 16 + n, 20, "purchase", "phone-3", order=f"order-{who}", price=499, quantity=1)
    saw("looker", 18, 0, "view", "lamp-1")
    return made


VISITS = _visits()

SEGMENTS = {
    "segment2": {
        "name": "Budget-Conscious Book Readers",
        "priority": 20,
        "definition": {
            "affinities": ["Books"],
            "activity": {"views": {"price_range": [10, 25]}, "purchases": {"price_range": [10, 25]}},
        },
    },
    "phones": {
        "name": "Phone buyers",
        "priority": 5,
        "when": {"affinity": {"facet": "categories", "value": "Phones", "score_min": 10}},
        "boost": [{"brand": "Apple", "score": 15}],
    },
}

ACTIONS = {
    "cheap-books-first": {
        "when": {"segments": ["segment2"]},
        "where": ["category:Books", "search"],
        "effect": {"boost": {"categories": "Books", "price": [10, 25], "score": 20}},
    }
}


def _furnish(shop: Shop) -> Shop:
    shop.feed(PRODUCTS, settings=DECLARED)
    shop.events(VISITS)
    shop.source("events.jsonl")
    shop.segments(SEGMENTS)
    shop.actions(ACTIONS)
    shop.setup()
    return shop


@pytest.fixture
def small(shop: Shop) -> Shop:
    """A shop of eighteen products and six visitors, its facets declared, nothing synced yet."""
    return _furnish(shop)


@pytest.fixture(scope="session")
def _synced_once(server: MockServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, MockSnapshot, Any]:
    live = tmp_path_factory.mktemp("live")
    before, server.algolia = server.algolia, MockAlgolia()
    shop = _furnish(Shop(live, server))
    report = shop.sync()
    kept = tmp_path_factory.mktemp("kept") / "copy"
    shutil.copytree(live, kept)
    there, server.algolia = server.algolia.snapshot(), before
    return live, kept, there, report


@pytest.fixture
def synced(_synced_once: tuple[Path, Path, MockSnapshot, Any], server: MockServer) -> Shop:
    """The small shop after its first sync, whose report is `first`."""
    live, kept, there, report = _synced_once
    shutil.rmtree(live)
    shutil.copytree(kept, live)
    server.algolia = MockAlgolia()
    server.algolia.restore(there)
    made = Shop(live, server)
    made.segments(SEGMENTS)
    made.actions(ACTIONS)
    made.source("events.jsonl")
    made.first = deepcopy(report)
    return made


@pytest.fixture
def synced_content(_synced_once: tuple[Path, Path, MockSnapshot, Any]) -> Any:
    """What the mock holds after one undisturbed sync of the small shop."""
    scratch = MockAlgolia()
    scratch.restore(_synced_once[2])
    return orjson.loads(orjson.dumps(scratch.content(), option=orjson.OPT_SORT_KEYS))
