"""Sensitive values reach no profile, filter or record, whichever way they came in and however they are written."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.e2e


def test_a_sensitive_value_goes_nowhere(shop):
    books = {"objectID": "b", "name": "Novel", "brand": "House", "categories": ["Books"], "price": 12}
    pills = {"objectID": "h", "name": "Vitamins", "brand": "Lab", "categories": ["Health", "Vitamins"], "price": 9}
    shop.feed([books, pills], settings={"attributesForFaceting": ["brand", "categories"]})
    shop.configure(facets={"categories": {"weight": 60, "never": ["Health/*"]}})
    seen = {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": "reader"}
    asked = ["categories:Health%20%3E%20Vitamins", "categories:health", "categories:Books"]
    events = [{**seen, "timestamp": 1795000000000 + n, "filters": [value]} for n, value in enumerate(asked)]
    events += [{**seen, "timestamp": 1795000100000 + n, "objectIDs": [name]} for n, name in enumerate("bh")]
    (shop.folder / "insights.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    shop.source("insights.jsonl", preset="insights", columns=None, timezone=None)
    shop.configure(profiles={"ready": {"min_seconds": 0, "min_products": 1}})
    shop.setup()
    shop.sync()

    found = shop.runtime().explain("reader")
    assert {value["value"] for value in found["affinities"] if value["facet"] == "categories"} == {"Books"}
    held = json.dumps([found, shop.content()["algosync_payloads"]]).lower()
    assert "books" in held
    assert "health" not in held
    assert "vitamins" not in held
