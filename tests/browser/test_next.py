"""A shop on Next.js: the first HTML is the visitor's own, no shared cache may keep it, the browser finds it as it is; a
page that is the same for everybody is made hers in the browser alone. Built and run as a shop does it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from algosync.mock.server import MockAlgolia, MockServer

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent / "next"
MODULE = Path(__file__).parents[2] / "algosync" / "serve" / "assets" / "algosync.js"
FAN = "6f0b1c9e-52d4-4c3a-9b7e-2d8f4a6c1e05"
PUBLIC_KEY = "public-storefront"
SECRET = "a secret of the shop's, long enough"
PER_PAGE = 8
HERS = {"consent": "for_you", "visitor": FAN}

Catalog = dict[str, dict[str, Any]]


@pytest.fixture
def algolia(synced_algolia: MockAlgolia) -> MockAlgolia:
    """Of the synced shop, for `run` and `visit`."""
    return synced_algolia


@pytest.fixture(scope="session")
def _built() -> Path:
    """The program, built once for all processes of a test run and until something of it changes."""
    node = shutil.which("node")
    program = HERE / "node_modules" / "next" / "dist" / "bin" / "next"
    if node is None or not program.is_file():
        pytest.skip("Next.js is missing: npm ci --prefix tests/browser/next")
    with (HERE / ".next-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.copyfile(MODULE, HERE / "lib" / "algosync.js")
        sources = [path for part in ("app", "lib") for path in sorted((HERE / part).rglob("*.js*"))]
        digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in (*sources, HERE / "package-lock.json")))
        built = HERE / ".next" / "built"
        if not built.is_file() or built.read_text() != digest.hexdigest():
            env = {**os.environ, "NEXT_TELEMETRY_DISABLED": "1"}
            command = [node, program, "build"]
            done = subprocess.run(command, cwd=HERE, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            built.write_text(digest.hexdigest())
    return program


class Shop:
    """A running `next start`, and the API it asks."""

    def __init__(self, url: str, api: Any) -> None:
        self.url = url
        self.api = api

    def get(self, path: str = "/", cookies: dict[str, str] | None = None) -> httpx.Response:
        with httpx.Client(cookies=cookies, trust_env=False, timeout=20) as client:
            response = client.get(self.url + path)
        assert response.status_code == 200, response.text
        return response


@pytest.fixture
def shop(_built: Path, serving: Callable[..., Any], run: Any, _server: MockServer) -> Iterator[Shop]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    with serving(allow_origins=[url]) as api:
        env = {
            **os.environ,
            "NEXT_TELEMETRY_DISABLED": "1",
            "ALGOSYNC_URL": api.url,
            "ALGOSYNC_VISITOR_SECRET": SECRET,
            "ALGOLIA_HOST": f"127.0.0.1:{_server.port}",
            "ALGOLIA_APP": _server.algolia.app_id,
            "ALGOLIA_KEY": "mock-storefront-wide",
            "SHOP_WAIT": "20000",
        }
        command = ["node", str(_built), "start", "-H", "127.0.0.1", "-p", port]
        with subprocess.Popen(command, cwd=HERE, env=env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = next((line for line in process.stdout if "Ready" in line), None)
            assert said is not None, "Next.js did not start"
            yield Shop(url, api)
            process.terminate()
            process.stdout.close()


def _ids(html: str) -> list[str]:
    return re.findall(r'<article data-id="([^"]+)"', html)


def _searches(algolia: MockAlgolia) -> list[dict[str, Any]]:
    return [made.json()["requests"][0] for made in algolia.requests if made.path.endswith("/queries")]


def _plain(catalog: Catalog) -> list[str]:
    return sorted(catalog, key=lambda key: -catalog[key]["popularity"])


def test_the_first_html_is_hers_and_in_no_shared_cache(shop: Shop, algolia: MockAlgolia, catalog: Catalog) -> None:
    hers, nobodys = shop.get(cookies=HERS), shop.get()
    assert {catalog[key]["brand"] for key in _ids(hers.text)} == {"Vireo"}
    assert len(_ids(hers.text)) == PER_PAGE
    assert _ids(nobodys.text) == _plain(catalog)[:PER_PAGE]
    for page in (hers, nobodys):
        told = {part.strip() for part in page.headers["cache-control"].split(",")}
        assert {"private", "no-store"} <= told
        assert SECRET not in page.text
    own, plain = _searches(algolia)
    assert own["optionalFilters"]
    assert "optionalFilters" not in plain
    assert len(shop.api.questions()) == 1, "about somebody without a choice nobody is asked"


def test_the_browser_finds_the_page_as_it_is(visit, shop: Shop, algolia, catalog: Catalog, tmp_path) -> None:
    picture = tmp_path / "next.png"
    saw = visit("next.shopping", shop=shop.url, visitor=FAN, word="tent", picture=str(picture))
    assert saw["checked"] is True
    assert {catalog[key]["brand"] for key in saw["first"]} == {"Vireo"}
    assert saw["orders"] == [" ".join(saw["first"])], "nothing has moved since the HTML came"
    assert not set(saw["first"]) & set(saw["second"])
    first, second, typed = _searches(algolia)
    assert first["optionalFilters"] == second["optionalFilters"]
    assert (second["page"], typed["query"]) == (1, "tent")
    assert typed["optionalFilters"]
    assert [question.get("query") for question in shop.api.questions()] == [None, "tent"]
    assert picture.stat().st_size > 10_000


def test_the_toggle_is_heeded_by_server_and_browser(visit, shop: Shop, catalog: Catalog) -> None:
    saw = visit("next.toggling", ("ERR_ABORTED",), shop=shop.url, visitor=FAN)
    assert saw["off"] == saw["reloaded"] == _plain(catalog)[:PER_PAGE]
    assert saw["without"] == {"consent": "not_personalized"}
    assert saw["back"]["consent"] == "for_you"
    assert saw["back"]["visitor"] != FAN
    choices = [(body["userToken"], body["consent"]) for path, body in shop.api.asked if path == "/v1/consent"]
    assert choices == [(FAN, "not_personalized"), (saw["back"]["visitor"], "for_you")]


def test_pages_come_as_ever_while_the_api_fails(visit, shop: Shop, catalog: Catalog) -> None:
    shop.api.status = 503
    assert _ids(shop.get(cookies=HERS).text) == _plain(catalog)[:PER_PAGE]
    saw = visit("next.shopping", ("503", "algosync:"), shop=shop.url, visitor=FAN, word=None)
    assert saw["second"] == _plain(catalog)[PER_PAGE : 2 * PER_PAGE]


def test_a_page_from_a_shared_cache_is_made_hers_in_the_browser(visit, shop, algolia, catalog, tmp_path) -> None:
    picture = tmp_path / "static.png"
    one, other = shop.get("/static", HERS), shop.get("/static")
    assert one.content == other.content
    assert "s-maxage" in one.headers["cache-control"]
    assert _ids(one.text) == []
    assert _searches(algolia) == []
    query = {"api": shop.api.url, "public": PUBLIC_KEY, "wait": 20_000}
    known = {"token": FAN, "choice": "for_you"}
    saw = visit("next.still", shop=shop.url, known=known, query=query, picture=str(picture))
    assert saw["title"] == "Our products"
    assert {catalog[key]["brand"] for key in saw["ids"]} == {"Vireo"}
    assert len(_searches(algolia)) == 1
    assert picture.stat().st_size > 5_000
