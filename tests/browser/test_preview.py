"""The preview of a real `algosync serve` over a synced shop, in headless Chromium: what a merchandiser sees and can do.

Every page is looked at by axe-core, wide and on a phone, light and dark.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from algosync.mock.server import MockServer

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ADMIN = "the shop's own key, of 32 characters"
SHOPS = importlib.util.spec_from_file_location("shops", HERE.parent / "e2e" / "conftest.py")
READER, CALLER = "reader-1", "caller-1"
PLURAL = {
    "objectID": "phone-7",
    "name": "Smart phone models 7 and 8",
    "brand": "Apple",
    "categories": ["Phones", "Electronics"],
    "price": 899,
}
"""Holds a word of the others only as the beginning of one of its own."""
DRAFT = {"lamps": {"when": {"affinity": {"facet": "categories", "value": "Home"}}, "boost": [{"brand": "Lumen"}]}}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A running API over a shop of eighteen products and six visitors."""
    assert SHOPS is not None
    assert SHOPS.loader is not None
    shops = importlib.util.module_from_spec(SHOPS)
    SHOPS.loader.exec_module(shops)
    with MockServer() as server:
        shop = shops.Shop(tmp_path_factory.mktemp("shop"), server)
        shop.configure()
        shops._furnish(shop)
        shop.feed([PLURAL])
        shop.configure(sources=[*shop.settings["sources"], {"name": "web", "type": "collector"}])
        shop.sync()
        environment = {**os.environ, "ALGOSYNC_SERVE__ADMIN_KEY": ADMIN, "ALGOSYNC_CONFIG": str(shop.config)}
        command = [str(Path(sys.executable).with_name("algosync")), "serve", "--json", "--port", "0"]
        with (
            (shop.folder / "serve.log").open("wb") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment) as process,
        ):
            try:
                yield {"api": _url(process), "key": ADMIN, "elsewhere": server.url}
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
        assert "Traceback" not in (shop.folder / "serve.log").read_text()
        assert ADMIN not in (shop.folder / "serve.log").read_text()


def _url(process: subprocess.Popen[bytes]) -> str:
    text, out = b"", process.stdout
    assert out is not None
    while line := out.readline():
        text += line
        if line.rstrip() == b"}":
            return str(json.loads(text)["url"])
    raise AssertionError("it did not start")


@pytest.fixture
def preview(run: Any, api: dict[str, str]) -> Any:
    """Runs a step of `preview.mjs`; fails on anything a browser complains of but the statuses that are expected."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    if not (HERE / "node_modules" / "axe-core").is_dir():
        pytest.skip("node_modules is missing: npm ci --prefix tests/browser")

    def step(name: str, statuses: tuple[int, ...] = (), expected: tuple[str, ...] = (), **given: Any) -> Any:
        saw = run(f"preview.{name}", {"browser": browser}, **api, **given)
        # A page that is left gives up what it was asking for.
        expected += ("/preview/events net::ERR_ABORTED",)
        expected += tuple(text.format(status) for status in statuses for text in ("{}: ", "status of {} "))
        assert [line for line in saw.pop("trouble") if not any(part in line for part in expected)] == []
        return saw

    return step


@pytest.mark.parametrize("look", ["desktop", "phone", "dark", "dark phone"])
def test_every_page_is_accessible_and_fits(preview: Any, look: str, tmp_path: Path) -> None:
    wish = {"user": READER, "query": "novel"}
    saw = preview("everywhere", statuses=(400, 422), look=look, wish=wish, pictures=str(tmp_path))
    assert [page["name"] for page in saw["pages"]] == ["login", "form", "preview", "mistake", "overview", "problem"]
    assert {page["name"]: page["axe"] for page in saw["pages"] if page["axe"]} == {}
    assert {page["name"]: page["overflow"] for page in saw["pages"] if page["overflow"] > 0} == {}
    assert all(picture.stat().st_size > 5_000 for picture in tmp_path.glob("*.png"))
    assert len(list(tmp_path.glob("*.png"))) == len(saw["pages"])


@pytest.mark.parametrize("scripts", [True, False], ids=["with script", "without script"])
def test_results_side_by_side(preview: Any, scripts: bool) -> None:
    saw = preview("look", scripts=scripts, wishes=[{"user": READER, "query": "novel"}, {"query": "novel number 1"}])[
        "saw"
    ]
    first, exact = saw
    assert all(seen["url"].endswith("/preview") for seen in saw), "nobody is named in a URL"
    plain, personal = ([hit["id"] for hit in first[side]] for side in ("plain", "personal"))
    assert sorted(plain) == sorted(personal)
    assert plain != personal
    for rank, hit in enumerate(first["personal"], 1):
        was = plain.index(hit["id"]) + 1
        told = f"up {was - rank}, was {was}" if was > rank else f"down {rank - was}, was {was}"
        assert (told if was != rank else "same place") in hit["text"]
    assert "brand: House 1 +2,000" in next(hit["text"] for hit in first["personal"] if hit["id"] == "book-4")
    assert first["facts"][:3] == ["one-to-one", "returning", "buyer"]
    assert any("House 1" in row and "2,000" in row for row in first["receipts"])
    assert any("member" in card and "holds" in card for card in first["segments"])
    assert any("fires" in line and "cheap-books-first" in line for line in first["actions"])
    assert "0 exact matches pushed down" in exact["difference"], "three words are no search to boost in"


def test_an_exact_match_that_is_pushed_down_is_counted(preview: Any) -> None:
    seen = preview("look", wishes=[{"user": CALLER, "query": "phone model"}])["saw"][0]
    plain, personal = ([hit["id"] for hit in seen[side]] for side in ("plain", "personal"))
    assert plain[-1] == "phone-7"
    assert ["exact match" in hit["text"] for hit in seen["plain"]] == [True] * 6 + [False]
    passed = len(personal) - 1 - personal.index("phone-7")
    assert passed > 0
    assert f"{passed} exact match" in seen["difference"]


def test_personas_and_drafts(preview: Any) -> None:
    text = json.dumps(DRAFT)
    wishes = [
        {"persona": "segment:phones", "where": "category", "category": "Phones"},
        {"persona": "", "segment": text, "where": "home"},
        {"user": READER, "segment": text},
        {"user": "somebody-unknown", "segment": ""},
    ]
    member, drafted, laid_over, unknown = preview("look", wishes=wishes)["saw"]
    assert {READER, CALLER} & set(member["personas"])
    assert "looker" not in member["personas"], "who is not ready is no persona"
    assert "brand: Apple" in member["personal"][0]["text"]
    assert {hit["id"].split("-")[0] for hit in member["personal"]} == {"phone"}
    assert drafted["title"].startswith("As anybody in the draft segment")
    assert [hit["id"] for hit in drafted["personal"]][:4] == ["lamp-1", "lamp-2", "lamp-3", "lamp-4"]
    assert any("lamps" in card and "not a member" not in card for card in laid_over["segments"])
    assert unknown["facts"][0] == "content"
    assert unknown["plain"] == [
        {**hit, "text": hit["text"].replace(" = same place", "")} for hit in unknown["personal"]
    ]


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"segment": '{"a": {"when": {"affinity": {"facet": "colour", "value": "x"}}}}'}, "a.when.affinity.facet"),
        ({"segment": "{"}, "segment draft, line 1 column 2"),
        ({"user": READER, "action": '{"a": {"when": {"segments": ["nobody"]}}}'}, "a.when.segments"),
        ({"user": "not a token"}, "userToken"),
        ({}, "nobody is chosen"),
    ],
    ids=["facet", "json", "action", "token", "nobody"],
)
def test_a_mistake_is_told_beside_what_was_typed(preview: Any, wish: dict[str, str], told: str) -> None:
    seen = preview("look", statuses=(422, 400), wishes=[wish])["saw"][0]
    assert told in seen["alerts"][0]
    assert seen["personal"] == []


def test_by_keyboard_alone(preview: Any) -> None:
    saw = preview("keyboard", user=READER, query="novel")
    assert saw["order"] == [
        *("Skip to the content", "main", "key"),
        *("Skip to the content", "main", "user", "query", "category", "object_id"),
        *("Try a draft segment or action", "Show results"),
    ]
    assert saw["title"].startswith(f"As {READER}")
    assert saw["personal"]


def test_events_are_shown_as_they_arrive(preview: Any) -> None:
    event = {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": "looker"}
    saw = preview("arriving", user="looker", events=[{**event, "objectIDs": ["lamp-3"]}])
    assert saw["status"] == 200
    assert saw["before"] == []
    assert len(saw["after"]) == 1
    assert "lamp-3" in saw["after"][0]
    assert saw["again"] == saw["after"]


def test_another_site_can_do_nothing(preview: Any) -> None:
    refused = ("ERR_BLOCKED_BY_RESPONSE", "frame-ancestors 'none'")
    saw = preview("foreign", statuses=(403,), expected=refused)
    assert "Log in" not in (saw["framed"] or "")
    assert "sent by another site" in saw["said"][0]
    assert saw["stillIn"]
