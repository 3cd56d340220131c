from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from algosync.errors import ConfigError
from algosync.events.mapping import Canonical, apply
from algosync.events.presets.registry import load
from algosync.events.sources.files import FilesSource

VIEW = {"eventType": "view", "eventName": "Viewed", "index": "products", "userToken": "u1", "timestamp": 1700000000000}
ORDER = VIEW | {
    "eventType": "conversion",
    "eventSubtype": "purchase",
    "objectIDs": ["a", "b"],
    "objectData": [{"price": 1.5, "quantity": 2}, {"price": "9.99", "discount": 1, "queryID": "q2"}],
    "currency": "USD",
    "value": 13,
    "queryID": "q1",
}
CLICK = VIEW | {"eventType": "click", "objectIDs": ["c", "d"], "positions": [3, 7], "queryID": "q1"}
FILTER = VIEW | {"filters": ["brand:A%20%26%20B", "size:10%25", "odd:1+1%"]}


def read(path: Path, preset: str) -> list[Canonical]:
    return [apply(batch, load(preset)) for batch in FilesSource(name="s", path=str(path)).batches(None)]


def rows(made: list[Canonical]) -> list[dict]:
    found = [row for canonical in made for row in canonical.table.to_pylist()]
    return [{name: value for name, value in row.items() if value is not None} for row in found]


def test_unknown_presets_are_told_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="insights, rees46"):
        load("rees64")


def test_rees46(shared_data: Path) -> None:
    made = read(shared_data / "rees46" / "events.csv", "rees46")
    found = rows(made)
    assert len(found) == 17_434
    kinds = [row["event_type"] for row in found]
    assert (kinds.count("view"), kinds.count("add_to_cart"), kinds.count("purchase")) == (17_055, 165, 214)
    assert found[1] == {
        "timestamp": "2019-10-01 00:00:00 UTC",
        "user_token": "554748717",
        "session_id": "9333dfbd-b87a-4708-9857-6336556b0fcc",
        "event_type": "view",
        "object_id": "3900821",
        "price": "33.20",
        "currency": "USD",
        "product": '{"brand":"aqua","category_code":"appliances.environment.water_heater",'
        '"category_id":"2053013552326770905","price":33.2}',
    }
    assert {("order_id" in row) for row in found if row["event_type"] == "purchase"} == {True}
    assert not any("order_id" in row for row in found if row["event_type"] != "purchase")
    assert made[0].unmapped == ()


def test_rees46_leaves_removals_to_be_turned_away(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(
        "event_time,event_type,product_id,user_id\n2019-10-01 00:00:00 UTC,remove_from_cart,1,2\n"
    )
    (row,) = rows(read(tmp_path / "e.csv", "rees46"))
    assert row["event_type"] == "remove_from_cart"


@pytest.mark.parametrize(
    "write",
    [
        lambda events: b"".join(orjson.dumps(event) + b"\n" for event in events),
        lambda events: orjson.dumps({"events": events}) + b"\n",
        lambda events: orjson.dumps({"events": events[:1]}) + b"\n" + orjson.dumps({"events": events[1:]}) + b"\n",
        lambda events: (
            orjson.dumps({"events": events[:2]}) + b"\n" + orjson.dumps(events[2]) + b"\n" + orjson.dumps(events[3])
        ),
        lambda events: orjson.dumps(events, option=orjson.OPT_INDENT_2),
        lambda events: orjson.dumps({"events": events}, option=orjson.OPT_INDENT_2),
    ],
)
def test_insights_in_every_form(tmp_path: Path, write) -> None:
    (tmp_path / "e.json").write_bytes(write([ORDER, CLICK, FILTER, VIEW | {"eventName": "Home"}]))
    made = read(tmp_path / "e.json", "insights")
    found = rows(made)
    common = {"timestamp": 1700000000000, "user_token": "u1", "event_name": "Viewed", "index": "products"}
    bought = {
        "event_type": "conversion",
        "event_subtype": "purchase",
        "currency": "USD",
        "order_id": "u1@1700000000000",
    }
    assert found == [
        common | bought | {"object_id": "a", "price": "1.5", "quantity": 2, "query_id": "q1"},
        common | bought | {"object_id": "b", "price": "9.99", "discount": 1, "query_id": "q2"},
        common | {"event_type": "click", "object_id": "c", "position": 3, "query_id": "q1"},
        common | {"event_type": "click", "object_id": "d", "position": 7, "query_id": "q1"},
        common | {"event_type": "view", "facet_filters": ["brand:A & B", "size:10%", "odd:1+1%"]},
        common | {"event_type": "view", "event_name": "Home"},
    ]
    places = [place for canonical in made for place in canonical.positions.to_pylist()]
    assert len(set(places)) == 6
    assert [canonical.bad for canonical in made] == [()] * len(made)
    assert {name for canonical in made for name in canonical.unmapped} == {"value"}


def test_insights_events_whose_lists_differ_are_bad(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_bytes(orjson.dumps(CLICK | {"positions": [3]}) + b"\n" + orjson.dumps(CLICK) + b"\n")
    (made,) = read(tmp_path / "e.jsonl", "insights")
    assert [row.reason for row in made.bad] == ["positions has 1 entries, objectIDs has 2"]
    assert made.table.num_rows == 2


def test_an_insights_order_of_25_products(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(25)]
    order = ORDER | {"objectIDs": names, "objectData": [{"price": n, "quantity": 1} for n in range(25)]}
    (tmp_path / "e.jsonl").write_bytes(orjson.dumps(order) + b"\n")
    found = rows(read(tmp_path / "e.jsonl", "insights"))
    assert [row["object_id"] for row in found] == names
    assert [row["price"] for row in found] == list(range(25))
    assert len({row["order_id"] for row in found}) == 1
