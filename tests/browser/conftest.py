"""A mock Algolia that holds a small shop, a server for the storefront's pages, and the node process that plays the back
end and the visitor (`driver.mjs`). Skips where node, the packages or the browser are missing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.server import MockAlgolia, MockServer

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
