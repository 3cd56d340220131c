"""Real events of a multi-category shop: every row accounted for, and nothing sent twice."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

pytestmark = pytest.mark.e2e


def _products(path: Path) -> list[dict[str, Any]]:
    """The products that the events tell of, as the shop would have put them into its index."""
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["price"]]
    found = {row["product_id"]: row for row in rows}
    return [
        {"objectID": name, **{key: row[key] for key in ("category_code", "brand")}, "price": float(row["price"])}
        for name, row in found.items()
    ]


def test_every_row_is_accounted_for_and_nothing_is_sent_twice(shop, shared_data):
    events = shared_data / "rees46" / "events.csv"
    products = _products(events)
    products[0]["badge"] = "chosen by hand"
    shop.feed(products, settings={"attributesForFaceting": ["brand", "category_code"]})
    shop.configure(
        related={"trending": True},
        catalog={"type": "events", "text": ["category_code", "brand"]},
        facets={"categories": None, "category_code": 60},
        segments={"affinity_facet": "category_code"},
        sources=[{"name": "shop", "type": "files", "path": str(events), "preset": "rees46"}],
    )
    shop.segments(
        {
            "phones": {
                "name": "Phone fans",
                "when": {"affinity": {"value": "electronics.smartphone", "score_min": 10}},
                "boost": [{"category_code": "electronics.smartphone", "price": [500, 1500], "score": 20}],
            }
        }
    )
    shop.setup()
    with shop.client("mock-admin") as merchandiser:
        rule = {
            "objectID": "summer",
            "conditions": [{"pattern": "sale", "anchoring": "is"}],
            "consequence": {"params": {"filters": "price < 100"}},
        }
        merchandiser.wait("products", merchandiser.save_rules("products", orjson.dumps([rule]), 1))
    shop.feed([{"objectID": "banner", "text": "of somebody else"}], index="algosync_payloads")
    before = shop.content()

    first = shop.sync()

    counted = first["events"]
    assert counted["read"] == 17_435
    assert counted["read"] == counted["accepted"] + counted["rejected"] + counted["duplicates"]
    assert (counted["rejected"], counted["duplicates"], counted["waiting"]) == (1, 5, 0)
    held = shop.runtime().quarantine_list(source=None, limit=10)
    assert held["total"] == 1
    (row,) = held["rows"]
    assert row["position"].endswith(":17436")
    assert "8 columns, the header has 9" in row["reason"]
    assert json.loads(row["row"]).startswith("2019-10-01 02:50:00 UTC,view,10900305")

    related = first["plan"]["families"]["related"]["operations"]
    assert first["plan"]["absent"] == {}
    assert related == len({record["objectID"] for record in products})
    assert first["pushed"]["operations"] == first["plan"]["operations"] > related
    assert first["pushed"]["families"]["profiles"] == first["ready"] > 1000
    full = shop.content()
    for index in before:  # what is not algosync's own is as it was
        assert full[index]["settings"] == before[index]["settings"]
        assert before[index]["rules"].items() <= full[index]["rules"].items()
        for name, record in before[index]["records"].items():
            theirs = {key: value for key, value in full[index]["records"][name].items() if key != "algosync"}
            assert json.dumps(theirs, sort_keys=True) == json.dumps(record, sort_keys=True)

    second = shop.sync()
    assert second["events"]["read"] == 0
    assert second["plan"]["operations"] == second["pushed"]["operations"] == 0
    assert second["plan"]["unchanged"] == first["plan"]["operations"]
    assert shop.content() == full

    shop.feed(products)  # the nightly feed: whole records, without algosync's attribute
    assert all("algosync" not in record for record in shop.records().values())
    third = shop.sync()
    assert third["plan"]["operations"] == third["pushed"]["operations"] == related
    assert set(third["pushed"]["families"]) == {"related"}
    assert third["plan"]["samples"]["related"][0]["reason"] == "lost: the shop's feed replaced the record"
    assert shop.content() == full

    shop.feed([products[17]])
    fourth = shop.sync()
    assert fourth["plan"]["operations"] == fourth["pushed"]["operations"] == 1
    assert fourth["plan"]["samples"]["related"][0]["objectID"] == products[17]["objectID"]
    assert shop.content() == full
