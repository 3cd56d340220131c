"""A real catalog, and Insights events that refer to it: from the index and from a file."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from algosync.events.log import EventLog
from algosync.stores.state import open_state

pytestmark = pytest.mark.e2e

START_MS = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000
NEWCOMER = "99999999"
CHEAP = "Cell Phones"


def _products(shared_data) -> list[dict[str, Any]]:
    with (shared_data / "bestbuy" / "products.json").open(encoding="utf-8") as file:
        records = json.load(file)
    return [{"objectID": re.search(r"/(\d+)_", record["image"])[1], **record} for record in records]


def _insights(products: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A month of forty visitors: views, clicks from searches, carts, purchases and filter events."""
    draw = random.Random(20)
    by_category: dict[str, list[dict[str, Any]]] = {}
    for product in products:
        by_category.setdefault(product["categories"][0], []).append(product)
    tastes = sorted(name for name, held in by_category.items() if len(held) > 30)
    events: list[dict[str, Any]] = []

    def said(user: int, minute: int, event: dict[str, Any], consent: str | None = "for_you") -> None:
        at = START_MS + (user % 20) * DAY_MS + minute * 60_000 + user
        whole = {"index": "products", "userToken": f"visitor-{user:02d}", "timestamp": at, "consent": consent, **event}
        events.append(whole)

    for user in range(40):
        consent = {38: "not_personalized", 39: None}.get(user, "for_you")
        liked = draw.sample(by_category[tastes[user % len(tastes)]], 12)
        names = [product["objectID"] for product in liked]
        for minute, name in enumerate(names):
            viewed = {"eventType": "view", "eventName": "Product viewed", "objectIDs": [name]}
            said(user, minute, viewed, consent)
        clicked = {"eventType": "click", "eventName": "Clicked", "objectIDs": names[:2], "positions": [1, 4]}
        said(user, 20, {**clicked, "queryID": f"{user:032x}"}, consent)
        carted = {"eventType": "conversion", "eventSubtype": "addToCart", "eventName": "Carted", "currency": "USD"}
        carted |= {"objectIDs": names[:1], "objectData": [{"price": liked[0]["price"], "quantity": 1}]}
        said(user, 30, carted, consent)
        brand = liked[0]["brand"].replace("%", "%25").replace(" ", "%20").replace("&", "%26")
        said(user, 31, {"eventType": "view", "eventName": "Filtered", "filters": [f"brand:{brand}"]}, consent)
    order = {"eventType": "conversion", "eventSubtype": "purchase", "eventName": "Bought", "currency": "USD"}
    for user, size in ((3, 25), (4, 2), (24, 2)):
        bought = products[:25] if size == 25 else products[100:102]
        lines = [{"price": product["price"], "quantity": 1 + n % 3} for n, product in enumerate(bought)]
        names = [product["objectID"] for product in bought]
        said(user, 40, {**order, "objectIDs": names, "objectData": lines})
    said(5, 50, {"eventType": "view", "eventName": "Product viewed", "objectIDs": [NEWCOMER]})
    return events


def _log(shop, query: str) -> list[tuple[Any, ...]]:
    """Rows of the event log."""
    with open_state("sqlite", shop.state, create=False) as state, duckdb.connect() as con:
        EventLog(state).view(con)
        return con.execute(query).fetchall()


def test_insights_events_on_a_catalog_from_the_index_and_from_a_file(shop, shared_data):
    products = _products(shared_data)
    assert len({product["objectID"] for product in products}) == len(products) == 3291
    events = _insights(products)
    lines = [json.dumps(event) for event in events]
    (shop.folder / "insights.jsonl").write_text("\n".join([*lines, *lines[:3]]) + "\n", encoding="utf-8")
    facets = ["brand", "categories"]
    shop.feed(products, settings={"searchableAttributes": ["name"], "attributesForFaceting": facets})
    shop.configure(
        events={"consent_missing": "deny"},
        related={"trending": True},
        catalog={"type": "index", "text": ["name", "description"]},
        sources=[
            {
                "name": "insights",
                "type": "files",
                "path": "insights.jsonl",
                "preset": "insights",
                "columns": {"consent": "consent"},
            }
        ],
    )
    shop.segments(
        {
            "cheap": {
                "name": "Viewers of cheap things",
                "when": {"events": {"type": "view", "price": [10, 25], "count_min": 3}},
                "boost": [{"categories": CHEAP, "price": [10, 25], "score": 20}],
            }
        }
    )
    shop.setup()

    first = shop.sync()

    counted = first["events"]
    rows = sum(max(1, len(event.get("objectIDs", ()))) for event in events)
    again = sum(max(1, len(event.get("objectIDs", ()))) for event in events[:3])
    assert (counted["read"], counted["accepted"], counted["duplicates"]) == (rows + again, rows, again)
    assert (counted["rejected"], counted["waiting"], counted["ignored"]) == (0, 1, 0)
    silent = [event for event in events if event["consent"] != "for_you"]
    assert counted["no_consent"] == sum(max(1, len(event.get("objectIDs", ()))) for event in silent) > 20
    assert first["people"] == 38
    assert not {"visitor-38", "visitor-39"} & set(_people(shop))

    ((lines_, orders, units),) = _log(
        shop,
        "SELECT count(*), count(DISTINCT order_id), sum(quantity) FROM events WHERE kind = 'purchase' "
        f"AND ts = TIMESTAMPTZ '{_at(events, 25)}'",
    )
    assert (lines_, orders, units) == (25, 1, sum(1 + n % 3 for n in range(25)))
    assert _log(shop, "SELECT DISTINCT position FROM events WHERE kind = 'click' ORDER BY 1") == [(1,), (4,)]
    assert _log(shop, "SELECT count(DISTINCT query_id) FROM events WHERE kind = 'click'") == [(40,)]
    assert _log(shop, "SELECT count(*) FROM events WHERE object IS NULL AND item IS NOT NULL") == [(40,)]
    assert first["related"]["bought_together"] >= 2
    bought = shop.ours(products[100]["objectID"])["bought_together"]
    assert products[101]["objectID"] in bought
    tagged = {name for name, record in shop.records().items() if record["algosync"].get("boosts")}
    cheap = {p["objectID"] for p in products if CHEAP in p["categories"] and 10 <= p["price"] <= 25}
    assert tagged == cheap
    assert tagged

    full = shop.content()
    second = shop.sync()
    assert second["pushed"]["operations"] == second["plan"]["operations"] == 0

    # The product that one event waited for arrives, with a nightly feed of everything else.
    newcomer = {**products[0], "objectID": NEWCOMER, "name": "Zeppelin kit", "categories": ["Airships"]}
    newcomer |= {"description": "Unlike anything", "brand": "Zeppelin"}
    shop.feed([*products, newcomer])
    third = shop.sync()
    assert third["events"]["resolved"] == 1
    operations = third["plan"]["samples"]["related"]
    assert {sample["reason"] for sample in operations} >= {"new", "lost: the shop's feed replaced the record"}
    assert third["plan"]["families"]["related"]["operations"] == len(products) + 1
    waited = "SELECT count(*) FROM events e JOIN item_values v USING (item) WHERE v.value = 'Zeppelin'"
    assert _log(shop, waited) == [(1,)]
    there = shop.content()
    assert there["products"]["settings"] == full["products"]["settings"]

    # The same products from a file, with one that the index does not hold.
    absent = {
        "objectID": "nowhere",
        "name": "Gyrocopter",
        "brand": "Autogiro",
        "categories": ["Rotorcraft"],
        "price": 5,
    }
    shop.write("products.json", [*products, newcomer, absent])
    shop.configure(catalog={"type": "files", "path": "products.json"})
    shop.feed([products[5]])
    fourth = shop.sync()
    assert fourth["events"]["resolved"] == 0
    assert fourth["plan"]["absent"] == {"products": 1}
    assert fourth["plan"]["operations"] == 1
    assert "nowhere" not in shop.records()
    assert shop.content() == there
    assert shop.sync()["plan"]["operations"] == 0


def _people(shop) -> list[str]:
    from algosync.stores.snapshot import SNAPSHOT, people

    with open_state("sqlite", shop.state, create=False, book=SNAPSHOT) as state, state.read() as connection:
        return [row.person for row in connection.execute(people.select())]


def _at(events: list[dict[str, Any]], size: int) -> str:
    (moment,) = [event["timestamp"] for event in events if len(event.get("objectIDs", ())) == size]
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat()
