"""Answers load no analytics: a server and a backend's helper start small, and the rest comes when it is asked for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from algosync.runtime.serving import open_api
from algosync.settings.answers import shop_answers
from algosync.settings.load import load
from algosync.stores.snapshot import SNAPSHOT, Delta, Snapshot
from algosync.stores.state import open_state
from algosync.stores.tallies import Tallies
from algosync.stores.view import COUNTED_BY

CONFIG = Path(__file__).parents[3] / "config"
HEAVY = ("ibis", "sqlglot", "duckdb", "pandas", "numpy", "pyarrow", "scipy", "sklearn", "sparse_dot_topn")
HEAVY += ("algoliasearch", "requests", "stamina", "jinja2")
PUBLIC, ADMIN, SECRET = (
    "public-storefront",
    "the shop's own key, of 32 characters",
    "a secret of 32 bytes, of the shop's",
)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SETTINGS = f"""
[algolia]
app_id = "SHOP"
indices = [{{ name = "products" }}]
[state]
directory = "state"
[[sources]]
name = "web"
type = "collector"
segment = {{ secret = "{SECRET}" }}
[facets]
brand = 100
categories = 60
price_band = {{ weight = 40, from = "price", edges = [10, 25] }}
[segments]
file = "{CONFIG}/segments.json"
affinity_facet = "categories"
[actions]
file = "{CONFIG}/actions.json"
[consent]
default = "for_you"
[events]
consent_missing = "allow"
[serve]
public_keys = ["{PUBLIC}"]
admin_key = "{ADMIN}"
visitor_secrets = ["{SECRET}"]
"""
SERVED = f"""
import asyncio
from datetime import UTC, datetime
from pathlib import Path
import httpx
from algosync.runtime.serving import open_api
from algosync.settings.load import load

EVENT = {{"eventType": "view", "eventName": "seen", "index": "products", "userToken": "new", "objectIDs": ["1"]}}

async def talk(app):
    of = {{"transport": httpx.ASGITransport(app), "base_url": "http://api", "headers": {{"x-algosync-key": "{ADMIN}"}}}}
    async with httpx.AsyncClient(**of) as api:
        assert (await api.get("/healthz")).status_code == 200
        anna = await api.post("/v1/experience", json={{"userToken": "anna", "where": "category"}})
        assert anna.json()["strategy"] == "one-to-one", anna.text
        taken = await api.post("/1/events", json={{"events": [EVENT]}})
        assert taken.status_code == 200, taken.text
        new = await api.post("/v1/experience", json={{"userToken": "new", "where": "category"}})
        assert "1 of 3 events" in new.json()["reason"], new.text
        assert (await api.get("/readyz")).json()["ready"]

path = Path("algosync.toml")
now = datetime(2026, 11, 23, 12, tzinfo=UTC)
with open_api(load(path), path.absolute().parent, clock=lambda: now) as (app, _):
    asyncio.run(talk(app))
"""
ASKED = """
from datetime import UTC, datetime
from algosync import Personalizer
from algosync.runtime import personalizers

class Finds:
    def search_single_index(self, index, params, request_options=None):
        return {"hits": [], "params": params}

personalizers.system_clock = lambda: datetime(2026, 11, 23, 12, tzinfo=UTC)
with Personalizer.from_config("algosync.toml", Finds(), budget_s=9.0) as personalizer:
    assert personalizer.experience("anna", where="category").document["strategy"] == "one-to-one"
    personalizer.search("products", "lamp", user_token="anna")
"""


@pytest.fixture
def folder(tmp_path, anna):
    (tmp_path / "algosync.toml").write_text(SETTINGS, encoding="utf-8")
    rules = shop_answers(load(tmp_path / "algosync.toml"), tmp_path).overlay
    with open_state("sqlite", tmp_path / "state", create=True, book=SNAPSHOT) as state:
        Snapshot(state).publish(
            Delta(
                people={"anna": anna},
                tokens={},
                as_of="2026-11-23T11:00:00+00:00",
                extra={COUNTED_BY: rules.counted_by},
                counted=Tallies(before="", mark="first"),
            )
        )
    return tmp_path


@pytest.mark.parametrize("work", [SERVED, ASKED], ids=["serve", "personalizer"])
def test_no_answer_loads_what_only_runs_receipts_and_the_preview_need(folder, work):
    code = (
        f"{work}\nimport sys\nloaded = [name for name in {HEAVY!r} if name in sys.modules]\nassert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr


def test_the_preview_opens_with_its_first_page(folder):
    async def look(app):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as api:
            logins = await asyncio.gather(*(api.get("/preview/login") for _ in range(4)))
            others = [await api.get(f"/preview{path}") for path in ("", "/", "/nothing", "/logout", "s")]
            return logins, others

    settings = load(folder / "algosync.toml")
    with open_api(settings, folder, clock=lambda: NOW) as (app, _):
        logins, others = asyncio.run(look(app))
    assert {(page.status_code, page.text) for page in logins} == {(200, logins[0].text)}
    assert "<form" in logins[0].text
    assert (others[0].status_code, others[0].headers["location"]) == (303, "/preview/login")
    assert [(page.status_code, page.headers["content-type"]) for page in others[1:]] == [
        (status, "application/json") for status in (404, 404, 405, 404)
    ]
