"""The preview over the stores of a real sync, without a browser: what it reads, and what it says when that lacks."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest

from algosync.runtime.serving import open_api
from algosync.settings.load import load

pytestmark = pytest.mark.e2e

ADMIN = "the shop's own key, of 32 characters"
READER, CALLER = "reader-1", "caller-1"


class Preview:
    """An application, asked without a socket by somebody who holds the admin key."""

    def __init__(self, app: Any, base: str = "https://api.example") -> None:
        self._app = app
        self._base = base
        self.cookies = httpx.Cookies()

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url=self._base, cookies=self.cookies) as client:
                response = await client.request(method, path, **given)
                self.cookies = client.cookies
                return response

        return asyncio.run(asked())

    def page(self, path: str = "/preview") -> httpx.Response:
        return self.ask("GET", path)

    def log_in(self) -> httpx.Response:
        return self.ask("POST", "/preview/login", data={"key": ADMIN})

    def send(self, **fields: str) -> httpx.Response:
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', self.page().text)
        assert found is not None
        return self.ask("POST", "/preview", data={"form_token": found[1], **fields})


@pytest.fixture
def opened() -> Iterator[Callable[..., Preview]]:
    """Opens the API over a shop."""
    with ExitStack() as stack:

        def start(shop: Any, *, base: str = "https://api.example", key: str | None = ADMIN) -> Preview:
            shop.configure(serve={} if key is None else {"admin_key": key})
            app, _ = stack.enter_context(open_api(load(shop.config), shop.folder, clock=lambda: shop.now))
            return Preview(app, base)

        yield start


@pytest.mark.parametrize(("base", "secure"), [("https://api.example", True), ("http://api.example", False)])
def test_the_cookie_stays_on_https_where_it_came_by_it(
    synced: Any, opened: Callable[..., Preview], base: str, secure: bool
) -> None:
    response = opened(synced, base=base).log_in()
    assert response.status_code == 303
    assert ("Secure" in response.headers["set-cookie"]) is secure


def test_without_an_admin_key_there_is_no_preview(synced: Any, opened: Callable[..., Preview]) -> None:
    preview = opened(synced, key=None)
    assert {preview.page(path).status_code for path in ("/preview", "/preview/login", "/preview/overview")} == {404}


def test_a_persona_who_withdraws_is_none_at_once(synced: Any, opened: Callable[..., Preview]) -> None:
    preview = opened(synced)
    preview.log_in()
    personas = re.findall(r'<option value="([^"]+)"', preview.page().text)
    assert {READER, CALLER} <= set(personas)
    choice = {"userToken": READER, "consent": "not_personalized"}
    told = preview.ask("POST", "/v1/consent", json=choice, headers={"authorization": f"Bearer {ADMIN}"})
    assert told.status_code == 200
    personas = re.findall(r'<option value="([^"]+)"', preview.page().text)
    assert READER not in personas
    assert CALLER in personas


def test_somebody_and_her_receipts(synced: Any, opened: Callable[..., Preview]) -> None:
    preview = opened(synced)
    preview.log_in()
    response = preview.send(user=READER, query="novel")
    assert response.status_code == 200
    text = re.sub(r"\s+", " ", response.text)
    assert "up 3, was 4" in text
    assert "boost:cheap-books-first" in text
    assert "They go with this search." in text
    assert "Budget-Conscious Book Readers" in text
    answered = preview.ask(
        "POST",
        "/v1/experience",
        json={"userToken": READER, "where": "search", "query": "novel", "index": "products"},
        headers={"authorization": f"Bearer {ADMIN}"},
    ).json()
    shown = re.search(r'aria-label="Search parameters">(.*?)</pre>', response.text, re.DOTALL)
    assert shown is not None
    parameters = json.loads(shown[1].replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">"))
    assert parameters == answered["search"], "the merchandiser sees what the storefront gets"


def test_a_draft_action_is_laid_over_the_shops_own(synced: Any, opened: Callable[..., Preview]) -> None:
    preview = opened(synced)
    preview.log_in()
    action = {"hello": {"when": {"state": "buyer"}, "where": ["any"], "effect": {"message": {"title": "Hello again"}}}}
    text = preview.send(user=READER, action=json.dumps(action)).text
    assert "hello: Hello again" in text
    assert "Hello again" not in preview.send(user=READER).text
    assert "the draft" in preview.send(user=READER, action=json.dumps({"hello": {"where": ["moon"]}})).text


def test_with_algolia_out_of_reach_the_receipts_are_there(synced: Any, opened: Callable[..., Preview]) -> None:
    gone = "http://127.0.0.1:9"
    synced.configure(algolia={"hosts": [gone]})
    preview = opened(synced)
    preview.log_in()
    response = preview.send(user=READER, query="novel")
    assert response.status_code == 502
    assert "Algolia cannot be searched" in response.text
    assert gone not in response.text
    assert "boost:cheap-books-first" in response.text


def test_before_the_first_sync_it_says_what_to_do(small: Any, opened: Callable[..., Preview]) -> None:
    preview = opened(small)
    preview.log_in()
    for path in ("/preview", "/preview/overview"):
        response = preview.page(path)
        assert response.status_code == 503
        assert "algosync sync" in response.text
        assert "<!doctype html>" in response.text


def test_a_snapshot_taken_away_is_a_page_too(synced: Any, opened: Callable[..., Preview]) -> None:
    preview = opened(synced)
    preview.log_in()
    assert preview.page("/preview/overview").status_code == 200
    shutil.move(synced.state / "snapshot.sqlite", synced.folder / "elsewhere.sqlite")
    assert preview.page("/preview/overview").status_code == 503
    synced.now += timedelta(hours=2)
    assert "The session has ended" in preview.page("/preview/overview").text
