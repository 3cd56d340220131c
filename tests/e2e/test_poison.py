"""Events that a page may send and nobody would: taken or refused, they harm no answer and stop no sync.

Whoever holds a public key can send these; one that broke a pull would break every later one.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from algosync.runtime.serving import open_api
from algosync.settings.load import load

pytestmark = pytest.mark.e2e

ADMIN = "the key of the shop's own servers"
BIG = 2**63 - 1
VIEW = {"eventType": "view", "eventName": "Seen", "index": "products", "objectIDs": ["book-1"]}
BUY = {**VIEW, "eventType": "conversion", "eventSubtype": "purchase", "currency": "EUR"}
POISON: dict[str, dict[str, Any]] = {
    "a moment beyond 64 bits": VIEW | {"timestamp": 2**64 - 1},
    "a moment at their end": VIEW | {"timestamp": BIG},
    "a moment at the end of years": VIEW | {"timestamp": 253402300800000},
    "such a moment with consent": VIEW | {"timestamp": BIG, "consent": "not_personalized"},
    "a quantity at their end": BUY | {"objectData": [{"quantity": BIG}]},
    "a quantity beyond": BUY | {"objectData": [{"quantity": 2**64 - 1}]},
    "a quantity taken back": BUY | {"objectData": [{"quantity": -BIG}]},
    "a price without end": BUY | {"objectData": [{"price": 1.7e308, "quantity": 2_000_000_000}], "value": 1.7e308},
    "a price of a text": BUY | {"objectData": [{"price": "9" * 16}], "value": "-0.000000000001"},
    "a price as an integer": BUY | {"objectData": [{"price": 2**64 - 1, "discount": -BIG}]},
    "a NUL in ids": VIEW | {"objectIDs": ["book\0-1"]},
    "a NUL in every text": BUY | {"index": "\0", "eventID": "\0", "sessionID": "\0", "orderID": "\0"},
    "a NUL in the context": VIEW | {"context": {"country": "\0", "\0": "DE"}},
    "texts beyond the plane": VIEW | {"objectIDs": ["\U0010ffff\u202e\ufeff"], "context": {"country": "\ufffe"}},
    "a very long id": VIEW | {"objectIDs": ["x" * 300_000]},
    "many ids": VIEW | {"objectIDs": ["y" * n for n in range(1, 21)]},
    "filters of nothing": {**VIEW, "filters": [":", "a:", ":b", "%", "%00:%00", "categories:%ff", "a" * 9000]},
    "positions at their end": {
        **VIEW, "eventType": "click", "queryID": "0" * 32, "positions": [BIG]
    },
    "positions beyond": {**VIEW, "eventType": "click", "queryID": "0" * 32, "positions": [2**64 - 1]},
}  # fmt: skip
del POISON["filters of nothing"]["objectIDs"]


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(small, request):
    url = "sqlite" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    web = {"name": "web", "type": "collector"}
    state = {"as_of": "clock", "url": url}
    small.configure(sources=[web], state=state, serve={"admin_key": ADMIN}, events={"rejected_share_max": 1.0})
    small.lighten()
    return small


def test_nothing_that_is_sent_breaks_what_comes_after(shop):
    failed: dict[str, str] = {}
    with open_api(load(shop.config), shop.folder, clock=lambda: shop.now) as (app, _):

        def post(path: str, body: Any) -> httpx.Response:
            async def send() -> httpx.Response:
                async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as client:
                    headers = {"authorization": f"Bearer {ADMIN}"}
                    return await client.post(path, content=orjson.dumps(body), headers=headers)

            return asyncio.run(send())

        shop.sync()
        taken = 0
        for name, event in POISON.items():
            token = str(uuid4())
            status = post("/1/events", {"events": [event | {"userToken": token}]}).status_code
            taken += status == 200
            asked = post("/v1/experience", {"userToken": token, "where": "home"})
            if status not in {200, 400, 422} or asked.status_code != 200:
                failed[name] = f"{status}, then {asked.status_code}"
        assert failed == {}
        shop.now += timedelta(minutes=5)
        good = {**VIEW, "userToken": "reader-9", "timestamp": int(shop.now.timestamp() * 1000) - 1000}
        assert post("/1/events", {"events": [good]}).status_code == 200
        report = shop.sync()
        counts = report["events"]
        assert counts["read"] >= taken
        assert counts["read"] == counts["accepted"] + counts["rejected"] + counts["duplicates"]
        shop.now += timedelta(minutes=5)
        assert shop.sync()["events"]["read"] == 0
        for name in POISON:
            assert post("/v1/experience", {"userToken": str(uuid4()), "where": "home"}).status_code == 200, name


def test_products_that_no_database_of_ours_keeps_stop_no_sync(shop):
    first, second, *rest = shop.records().values()
    first |= {"categories": ["Bo\0oks", "Books"]}
    shop.feed([first, second, *rest, {**second, "objectID": "book\0-9"}])
    dropped = {reason["reason"]: reason["count"] for reason in shop.sync()["catalog"]["dropped"]}
    assert dropped["id with the character NUL"] == 1
    assert dropped["categories: value with the character NUL"] == 1
