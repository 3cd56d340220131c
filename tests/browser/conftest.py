"""A mock Algolia that holds a small shop, a server for the storefront's pages, and the node process that plays the back
end and the visitor (`driver.mjs`). Skips where node, the packages or the browser are missing.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.server import MockAlgolia, MockServer
from algosync.runtime.commands import Runtime
from algosync.runtime.serving import open_api
from algosync.settings.load import load
from algosync.stores.inbox import INBOX
from algosync.sync.stages import Silent

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BRANDS = ("Kestrel", "Halden", "Pomona", "Vireo", "Oakline", "Nordlys", "Brasa")
LINES = ("Compact", "Classic", "Aero", "Duo", "Studio", "Trail", "Evening", "Harbour", "Linden", "Solo")
SHELVES = (
    ("Kitchen", "Kettles", "Kettle"),
    ("Kitchen", "Toasters", "Toaster"),
    ("Lighting", "Desk Lamps", "Desk Lamp"),
    ("Lighting", "Floor Lamps", "Floor Lamp"),
    ("Outdoor", "Tents", "Tent"),
    ("Outdoor", "Backpacks", "Backpack"),
)
SETTINGS = {
    "searchableAttributes": ["name", "brand"],
    "attributesForFaceting": [
        "searchable(brand)",
        "categories.lvl0",
        "categories.lvl1",
        "in_stock",
        "price",
    ],
    "customRanking": ["desc(popularity)"],
}
CAMPER_RULE = {
    "objectID": "seg_camper",
    "conditions": [{"context": "seg_camper"}],
    "consequence": {
        "params": {"optionalFilters": ["categories.lvl1:Outdoor > Tents<score=5>"]},
        "promote": [{"objectID": "p-60", "position": 0}],
        "userData": {"banner": "Ready for the season"},
    },
}

Record = dict[str, Any]
Catalog = dict[str, Record]
Run = Callable[..., Any]


def _product(number: int) -> Record:
    shelf, place = divmod(number - 1, len(LINES))
    top, sub, noun = SHELVES[shelf]
    others = [f"p-{(number - 1 + step) % 60 + 1:02}" for step in (1, 2, 3, 10, 20, 30)]
    return {
        "objectID": f"p-{number:02}",
        "name": f"{LINES[place]} {noun}",
        "brand": BRANDS[(number * 3 + shelf) % len(BRANDS)],
        "categories": {"lvl0": top, "lvl1": f"{top} > {sub}"},
        "price": 15 + number * 7 % 90,
        "in_stock": number % 5 != 0,
        "popularity": number * 37 % 101,
        "algosync": {
            "related": others,
            "similar": others[2:],
            "bought_together": others[3:],
            "popularity": number % 10,
            "trending": number // 10,
        },
    }


@pytest.fixture(scope="session")
def catalog() -> dict[str, Record]:
    """Sixty products by objectID."""
    return {product["objectID"]: product for product in map(_product, range(1, 61))}


class Shop:
    """What the owner of an application does to it, without HTTP."""

    def __init__(self) -> None:
        self.algolia = MockAlgolia()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request with the admin key; `path` is below `/1/`."""
        headers = {"x-algolia-application-id": self.algolia.app_id, "x-algolia-api-key": "mock-admin"}
        call = Call(method=method, path=f"/1/{path}", headers=headers, body=json.dumps(body or {}).encode())
        answer = handle(self.algolia, call)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def fill(self, index: str, records: Iterable[Record], settings: dict[str, Any]) -> None:
        self.ask("PUT", f"indexes/{index}/settings", settings)
        self.ask(
            "POST", f"indexes/{index}/batch", {"requests": [{"action": "addObject", "body": made} for made in records]}
        )


@pytest.fixture
def shop(catalog: dict[str, Record]) -> Shop:
    """An application whose index `products` holds the catalog and one rule."""
    shop = Shop()
    shop.fill("products", catalog.values(), SETTINGS)
    shop.ask("POST", "indexes/products/rules/batch", [CAMPER_RULE])
    return shop


@pytest.fixture
def algolia(shop: Shop) -> MockAlgolia:
    """The shop's application; no request is recorded yet."""
    shop.algolia.requests.clear()
    return shop.algolia


class _Pages(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # unbuffered small writes wait for acknowledgements

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def _pages() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Pages, directory=str(HERE))) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def _server() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@pytest.fixture(scope="session")
def _driver() -> Iterator[subprocess.Popen[str]]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing: install Node.js 20 or newer")
    if not (HERE / "node_modules" / "algoliasearch").is_dir():
        pytest.skip("node_modules is missing: npm ci --prefix tests/browser")
    with subprocess.Popen(
        [node, HERE / "driver.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=20) == 0


@pytest.fixture
def run(_driver: subprocess.Popen[str], _server: MockServer, algolia: MockAlgolia) -> Run:
    """Runs a step of `driver.mjs` against the mock; returns what its client saw."""
    _server.algolia = algolia
    at = {
        "host": "127.0.0.1",
        "port": _server.port,
        "appId": algolia.app_id,
        "adminKey": "mock-admin",
        "searchKey": "mock-storefront-wide",
    }

    def step(name: str, at_more: dict[str, Any] | None = None, **given: Any) -> Any:
        assert _driver.stdin is not None
        assert _driver.stdout is not None
        _driver.stdin.write(json.dumps({"step": name, "at": at | (at_more or {}), "given": given}) + "\n")
        _driver.stdin.flush()
        answer = json.loads(_driver.stdout.readline())
        assert "failed" not in answer, answer["failed"]
        return answer["saw"]

    return step


@pytest.fixture
def visit(run: Run, _pages: str) -> Run:
    """Runs a visit to the storefront; returns what was on the screen, and fails on anything a browser complains of."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("chromium is missing: apt-get install chromium")

    def step(name: str, expected_trouble: tuple[str, ...] = (), **given: Any) -> Any:
        saw = run(name, {"page": _pages, "browser": browser}, **given)
        trouble = [line for line in saw.pop("trouble") if not any(part in line for part in expected_trouble)]
        assert trouble == []
        return saw

    return step


FAN, NEWCOMER = "6f0b1c9e-52d4-4c3a-9b7e-2d8f4a6c1e05", "b81f7c3d-0e64-4f2b-8a95-7c1d3e5f9a20"
LINKED, CUSTOMER = "3a9d5e71-8c02-4b6f-9e14-0d7b2c8f6a53", "customer-1"
PUBLIC_KEY = "public-storefront"
SECRET = "a secret of the shop's, long enough"


class Api:
    """The HTTP API over a shop's stores, which answers about experiences when and as the test wants."""

    def __init__(self, app: Any, inbox: Path) -> None:
        self.url = ""
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.status = 0
        self._app = app
        self._inbox = inbox
        self._held: asyncio.Event | None = None

    def hold(self) -> None:
        """From now on no question is answered before /test/release was asked for."""
        self._held = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if path.startswith("/test/"):
            if path == "/test/release" and self._held is not None:
                self._held.set()
            posted = [{"path": path, "body": body} for path, body in self.asked]
            await Response(json.dumps(posted))(scope, receive, send)
        elif scope["method"] == "POST":
            body = await Request(scope, receive).body()
            self.asked.append((path, json.loads(body)))
            if path == "/v1/experience" and self._held is not None:
                await self._held.wait()
            if self.status:
                await Response(b"{}", self.status, {"access-control-allow-origin": "*"})(scope, receive, send)
                return
            await self._app(scope, _again(body), send)
        else:
            await self._app(scope, receive, send)

    def questions(self) -> list[dict[str, Any]]:
        return [body for path, body in self.asked if path == "/v1/experience"]

    def events(self) -> list[dict[str, Any]]:
        """What lies in the inbox."""
        with closing(sqlite3.connect(self._inbox)) as connection:
            told = [json.loads(row[0]) for row in connection.execute("SELECT event FROM inbox ORDER BY seq")]
        return [event for event in told if "eventName" in event]  # the others are choices


def _again(body: bytes) -> Callable[[], Any]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _history(now: datetime) -> list[dict[str, Any]]:
    """What the fan of Vireo and a customer who likes Halden did on the last days."""
    rows = []
    for who, brand, customer in ((FAN, "Vireo", None), (LINKED, "Halden", CUSTOMER)):
        liked = [product["objectID"] for product in map(_product, range(1, 61)) if product["brand"] == brand]
        for day in (1, 2, 3):
            for minute, product in enumerate((*liked[:5], "p-01", "p-11")):
                at = now - timedelta(days=day, minutes=minute)
                rows.append(
                    {"at": at.isoformat(), "who": who, "customer": customer, "what": "click", "product": product}
                )
    return rows


@pytest.fixture(scope="session")
def _synced(_server: MockServer, tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> tuple[Path, Any]:
    """A shop after its first sync: its folder, and what its Algolia then holds."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "events.jsonl").write_text("\n".join(map(json.dumps, _history(datetime.now(UTC)))), encoding="utf-8")
    columns = {"timestamp": "at", "user_token": "who", "authenticated_user_token": "customer"}
    files = {"name": "shop", "type": "files", "path": "events.jsonl", "timezone": "UTC"}
    files["columns"] = {**columns, "event_type": "what", "object_id": "product"}
    welcome = {"when": {"visit": "returning"}, "where": ["home"], "effect": {"message": {"title": "Welcome back"}}}
    (folder / "actions.json").write_text(
        json.dumps({"welcome": {**welcome, "cap": {"per_visitor": 1, "within_days": 1}}})
    )
    shop, before = Shop(), _server.algolia
    plain = [{name: value for name, value in made.items() if name != "algosync"} for made in catalog.values()]
    shop.fill("products", plain, SETTINGS)
    shop.fill("articles", [{"objectID": "a-1", "title": "Tents for beginners"}], {})
    settings = {
        "algolia": {
            "app_id": shop.algolia.app_id,
            "hosts": [_server.url],
            "read_api_key": "mock-read",
            "write_api_key": "mock-write",
            "indices": [{"name": "products"}],
        },
        "catalog": {"type": "index", "text": ["name"]},
        "facets": {"brand": 100},
        "events": {"consent_missing": "allow"},
        "actions": {"file": "actions.json"},
        "related": {"kinds": []},
        "sources": [files, {"name": "pages", "type": "collector"}],
    }
    _server.algolia = shop.algolia
    (folder / "algosync.toml").write_text("\n".join(f"{key} = {_toml(value)}" for key, value in settings.items()))
    Runtime.open(folder / "algosync.toml", progress=Silent(), clock=lambda: datetime.now(UTC)).sync()
    _server.algolia = before
    related = {"objectID": "p-01", "algosync": {"related": [f"p-{number}" for number in range(20, 60)]}}
    change = {"action": "partialUpdateObject", "body": related}
    shop.ask("POST", "indexes/products/batch", {"requests": [change]})
    return folder, shop.algolia.snapshot()


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return "[" + ", ".join(map(_toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


@pytest.fixture
def serving(
    _synced: tuple[Path, Any], _pages: str, on_loopback: Callable[[Any], AbstractContextManager[int]], tmp_path: Path
) -> Callable[..., AbstractContextManager[Api]]:
    """Serves the API over a copy of the synced shop's stores; settings of [serve] may be given."""

    @contextmanager
    def start(**serve: Any) -> Iterator[Api]:
        folder = Path(shutil.copytree(_synced[0], tmp_path / f"shop-{len(list(tmp_path.iterdir()))}"))
        given = {"public_keys": [PUBLIC_KEY], "visitor_secrets": [SECRET], "allow_origins": [_pages], **serve}
        with (folder / "algosync.toml").open("a", encoding="utf-8") as config:
            config.write(f"\nserve = {_toml(given)}\n")
        with open_api(load(folder / "algosync.toml"), folder) as (app, _):
            api = Api(app, folder / "state" / INBOX.file)
            with on_loopback(api) as port:
                api.url = f"http://127.0.0.1:{port}"
                yield api

    return start


@pytest.fixture
def synced_algolia(_synced: tuple[Path, Any]) -> MockAlgolia:
    """The synced shop's Algolia; no request is recorded yet."""
    algolia = MockAlgolia()
    algolia.restore(_synced[1])
    algolia.requests.clear()
    return algolia
