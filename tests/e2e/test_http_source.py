"""Events from the shop's own API: the same content at Algolia as from files, whatever the API does on the way."""

from __future__ import annotations

import json

import orjson
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

pytestmark = pytest.mark.e2e

KEY = "the-key-of-the-api"


class Api:
    """Events by token, ten a page, to whoever has the key; faults come in their order, one a request."""

    def __init__(self, rows):
        self.rows = rows
        self.faults = []
        self.app = Starlette(routes=[Route("/events", self.answer)])

    def answer(self, request):
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"message": f"{request.headers['authorization']} is unknown"}, 401)
        if fault := self.faults.pop(0) if self.faults else None:
            return fault
        start = int(request.query_params.get("cursor", 0))
        end = start + 10
        token = str(end) if end < len(self.rows) else None
        return Response(orjson.dumps({"events": self.rows[start:end], "next": token}), media_type="application/json")


@pytest.fixture
def api(small, on_loopback, monkeypatch):
    """The API of the small shop, which is its only source now."""
    made = Api([orjson.loads(line) for line in (small.folder / "events.jsonl").read_bytes().splitlines()])
    monkeypatch.setenv("ALGOSYNC_SOURCE_KEYS__SHOP", KEY)
    with on_loopback(made.app) as port:
        columns = small.settings["sources"][0]["columns"]
        url = f"http://127.0.0.1:{port}/events"
        following = {"by": "token", "field": "next", "parameter": "cursor"}
        small.configure(
            sources=[
                {"name": "shop", "type": "http", "url": url, "rows": "events", "next": following, "columns": columns}
            ]
        )
        yield made


def test_the_content_is_the_same_as_from_files(small, api, synced_content):
    api.faults = [Response(status_code=503), HTMLResponse("<html>"), None, Response(b'{"events": [{"at')]
    with pytest.raises(Exception, match="a page for people"):
        small.sync()
    report = small.sync()
    assert small.content() == synced_content
    assert report["sources"]["shop"]["duplicates"] == 0
    assert small.sync()["plan"]["operations"] == 0


def test_pull_goes_on_where_it_stopped(small, api):
    every = api.rows
    api.rows = every[:15]
    first = small.runtime().pull()
    assert first["sources"]["shop"]["accepted"] == 15
    assert small.runtime().pull()["sources"]["shop"]["read"] == 0
    api.rows = every
    api.faults = [None, None, *[Response(status_code=500)] * 2]
    with pytest.raises(Exception, match="page 3 of this run: the API answers HTTP 500"):
        small.runtime().pull()
    rest = small.runtime().pull()
    assert rest["sources"]["shop"]["duplicates"] == 0
    assert small.runtime().pull()["sources"]["shop"]["read"] == 0
    status = json.loads(small.command("status", "--json").stdout)
    assert status["log"]["events"] == len(every)


def test_a_wrong_key_is_told_and_not_shown(small, api):
    wrong = "a-key-that-is-wrong"
    done = small.command("pull", env={"ALGOSYNC_SOURCE_KEYS__SHOP": wrong})
    assert done.returncode == 1
    assert "the API does not accept the key (HTTP 401 Unauthorized)" in done.stderr
    assert "Check the key in ALGOSYNC_SOURCE_KEYS__SHOP" in done.stderr
    assert wrong not in done.stderr + done.stdout
    state = b"".join(path.read_bytes() for path in small.state.rglob("*") if path.is_file())
    assert wrong.encode() not in state
