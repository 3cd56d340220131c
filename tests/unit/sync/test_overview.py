"""The overview's document: everybody in its sums, nobody in its personas who may not be personalized."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import orjson
import pyarrow as pa
import pytest

from algosync.events.schema import LOG
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.affinity import AffinityRules
from algosync.profiles.conditions import Segments
from algosync.profiles.definitions import parse_segments
from algosync.profiles.readiness import ReadinessRules
from algosync.stores.shelf import OVERVIEW
from algosync.sync.overview import DAYS, summed_up
from algosync.sync.profiles import PeopleRules, census

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
SEGMENTS = parse_segments(
    {
        "quiet": {"name": "Nobody is here", "priority": 1, "when": {"attribute": {"age": {"max": 1}}}},
        "all": {"name": "Everybody", "priority": 9, "when": {"visitor": {"visit": ["returning"]}}},
    },
    affinity_facet="brand",
    facets=["brand"],
)
RULES = PeopleRules(
    affinity=AffinityRules(weights={"view": 1}, facets=("brand",), half_life_days=10),
    readiness=ReadinessRules(min_seconds=60, min_sessions=9, min_events=2, min_products=2),
    segments=SEGMENTS,
    policy=FilterPolicy(weights={"brand": 100}),
)


def _document(person: str, events: int, **more: Any) -> dict[str, Any]:
    plain = {"person": person, "events": events, "ready": True, "segments": [], "visit": "returning"}
    return {**plain, "state": "visitor", **more}


DOCUMENTS = {
    "many": _document("many", 9, segments=["all"]),
    "most": _document("most", 99, segments=["all"], ready=False),
    "buys": _document("buys", 5, state="buyer"),
    "more": _document("more", 7, state="buyer", segments=["all"]),
}


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """Three people of whom the last gave no consent."""
    times = {1: [0, 10], 2: [3000], 3: [-40 * 24 * 60, 0, 10]}
    rows = [
        {"token": token, "ts": AS_OF - timedelta(hours=3) + timedelta(minutes=minute)}
        for token, minutes in times.items()
        for minute in minutes
        if minute < 180
    ]
    rows.append({"token": 2, "ts": AS_OF - timedelta(hours=3), "kind": "purchase", "price": 12.5, "quantity": 2})
    plain = {"key_lo": 0, "kind": "view", "source": "web"}
    made = [
        {**plain, "key_hi": n, **row, "excluded": "no_consent:denied" if row["token"] == 3 else None}
        for n, row in enumerate(rows)
    ]
    backend = ibis.duckdb.connect()
    schema = pa.schema([("item", pa.int32()), ("facet", pa.string()), ("value", pa.string())])
    backend.con.register("events", pa.Table.from_pylist(made, schema=LOG))
    backend.con.register("item_values", schema.empty_table())
    tables = census(backend, backend.table("events"), RULES, as_of=AS_OF, users=None)
    made = summed_up(backend, tables, DOCUMENTS, SEGMENTS, inputs="these", as_of=AS_OF)
    assert made.mark == summed_up(backend, tables, {}, SEGMENTS, inputs="these", as_of=AS_OF + timedelta(1)).mark
    assert made.mark != summed_up(backend, tables, DOCUMENTS, SEGMENTS, inputs="others", as_of=AS_OF).mark
    assert made.mark != summed_up(backend, tables, DOCUMENTS, Segments(), inputs="these", as_of=AS_OF).mark
    ((kind, name, document),) = made.rows()
    assert list(made.rows()) == [(kind, name, document)], "asked for twice, made twice"
    backend.disconnect()
    assert (kind, name) == (OVERVIEW, "")
    return orjson.loads(document)


def test_people_without_consent_are_in_the_sums(told: dict[str, Any]) -> None:
    assert told["people"] == [
        {"visit": "returning", "state": "visitor", "people": 2},
        {"visit": "returning", "state": "buyer", "people": 1},
    ]
    assert told["sessions"] == [
        {"visit": "new", "state": "visitor", "sessions": 3, "bounces": 1, "converted": 1, "orders": 1, "paid": 25.0},
        {"visit": "returning", "state": "visitor", "sessions": 1, "bounces": 0, "converted": 0, "orders": 0, "paid": 0},
    ]


def test_the_course_ends_with_the_last_day_that_has_events(told: dict[str, Any]) -> None:
    days = told["days"]
    assert len(days) == DAYS
    assert days[-1] == {"day": "2026-11-20", "new": 2, "returning": 1}
    assert {(day["new"], day["returning"]) for day in days[:-1]} == {(0, 0)}


def test_segments_stand_by_priority(told: dict[str, Any]) -> None:
    assert told["segments"] == [
        {"id": "all", "name": "Everybody", "members": 3},
        {"id": "quiet", "name": "Nobody is here", "members": 0},
    ]


def test_personas_are_ready_people_each_once(told: dict[str, Any]) -> None:
    """The liveliest ready one of each segment, then of each kind of visitor; whoever is not ready is none."""
    assert told["personas"] == [
        {"label": "Everybody", "person": "many"},
        {"label": "returning buyer", "person": "more"},
    ]
