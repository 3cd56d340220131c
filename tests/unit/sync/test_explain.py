"""One person explained: the same as everybody's batch says of her, and every number the sum of what is shown."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from algosync.payloads.filters import FilterPolicy
from algosync.profiles.affinity import AffinityRules
from algosync.profiles.definitions import parse_segments
from algosync.profiles.readiness import ReadinessRules
from algosync.sync.explain import EVENTS_SHOWN, Case, event_id, events_of, explain, tokens_of
from algosync.sync.profiles import PeopleRules, census, documents, people

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
VALUES = {
    1: {"brand": ["Acme"], "colour": ["red", "blue"]},
    2: {"brand": ["Bolt"], "colour": ["red"]},
    3: {"brand": ["Cord"]},
    4: {"brand": ["Acme"], "colour": ["green"]},
}
NAMES = {1: "anna", 2: "bert", 3: "laptop", 4: "tablet", 5: "phone", 6: "till", 7: "shed"}
SEGMENTS = parse_segments(
    {
        "fans": {"when": {"affinity": {"facet": "brand", "value": "Acme", "score_min": 15}}},
        "lookers": {"when": {"events": {"type": "view", "count_min": 3, "within_days": 30}}},
    },
    affinity_facet="brand",
    facets=["brand", "colour"],
)
RULES = PeopleRules(
    affinity=AffinityRules(weights={"view": 1, "purchase": 30}, facets=("brand", "colour"), half_life_days=10),
    readiness=ReadinessRules(min_seconds=60, min_sessions=9, min_events=2, min_products=2),
    segments=SEGMENTS,
    policy=FilterPolicy(weights={"brand": 100, "colour": 30}),
)
ORDERS = pa.Table.from_pylist(
    [
        {"named": 7, "suppressed": True, "reset_at": None},
        {"named": 2, "suppressed": False, "reset_at": AS_OF - timedelta(days=9)},
    ],
    schema=pa.schema([("named", pa.int64()), ("suppressed", pa.bool_()), ("reset_at", pa.timestamp("us", tz="UTC"))]),
)


@pytest.fixture
def backend_of(log_of):
    def opened(events):
        rows = [
            {"key_hi": 7, "key_lo": n, "kind": "view", "source": "web", **event, "item": event.get("object")}
            for n, event in enumerate(events)
        ]
        values = [
            (item, facet, value) for item, facets in VALUES.items() for facet, held in facets.items() for value in held
        ]
        return log_of(rows, values)

    return opened


def _month(seed):
    """A month of two customers on three devices, one of them shared, and of two who never log in."""
    rolled = random.Random(seed)
    events = []
    for n in range(120):
        token = rolled.choice((3, 4, 4, 5, 6, 7))
        ours = {3: (1,), 4: (1, 2), 5: (2,)}.get(token, ())
        row = {"token": token, "ts": AS_OF - timedelta(minutes=rolled.randrange(30 * 24 * 60), seconds=n)}
        match rolled.randrange(10):
            case 0 | 1 if ours:
                row["auth"] = rolled.choice(ours)
            case 2:
                row["event_name"] = "logout"
            case 3:
                row |= {"kind": "purchase", "object": 1, "order_id": f"o{n}", "quantity": rolled.choice((1, 2, -1))}
        events.append({"object": rolled.choice((1, 2, 3, 4, None)), **row})
    return events


def _case(asked, **more):
    objects = pa.table({"id": pa.array([1, 2, 3, 4], pa.int32()), "value": ["book", "lamp", "cord", "desk"]})
    return Case(asked=asked, rules=RULES, as_of=AS_OF, names=NAMES, objects=objects, **more)


@pytest.mark.parametrize("seed", [1, 2])
def test_everybody_is_explained_as_the_batch_judged_her_and_the_points_add_up(backend_of, seed):
    events = _month(seed)
    backend = backend_of(events)
    tables = census(backend, backend.table("events"), RULES, as_of=AS_OF, users=None, orders=ORDERS)
    found = people(backend, tables, RULES, as_of=AS_OF, previous=None, names=NAMES)
    docs = dict(documents(found, RULES))
    assert {"anna", "bert", "till"} <= set(docs)
    assert "shed" not in docs
    shown = set()
    for number, name in NAMES.items():
        if name not in docs:
            continue
        one = explain(backend_of(events), _case(number, orders=ORDERS, collector="web"))
        if one.person != name:  # whoever is logged in there now is explained
            assert one.profile == docs.get(one.person)
            continue
        assert one.profile == docs[name]
        assert one.document is not None
        largest = {}
        for value in one.document["affinities"]:
            shown |= {event["id"] for event in value["events"]}
            assert sum(event["points"] for event in value["events"]) == pytest.approx(value["points"], rel=1e-12)
            largest[value["facet"]] = max(largest.get(value["facet"], 0.0), value["points"])
            assert one.scores[value["facet"], value["value"]] == pytest.approx(value["score"], abs=1e-8)
            assert docs[name]["affinities"][value["facet"]].get(value["value"], 0) == value["integer"]
        for value in one.document["affinities"]:
            assert value["score"] == pytest.approx(20 * value["points"] / largest[value["facet"]], abs=1e-8)
        assert {segment["id"] for segment in one.document["segments"] if segment["member"]} == set(
            docs[name]["segments"]
        )
        assert len(one.steps) <= len(events)
    assert shown <= {event_id(7, n) for n in range(len(events))}
    assert len(shown) > 20


def test_an_order_keeps_events_of_a_person_and_of_a_token_out(backend_of):
    late, early = AS_OF - timedelta(days=1), AS_OF - timedelta(days=20)
    events = [
        {"token": 7, "object": 1, "ts": late},
        {"token": 5, "auth": 2, "object": 1, "ts": early},
        {"token": 5, "auth": 2, "object": 2, "ts": late},
        {"token": 6, "object": 3, "ts": early},
    ]
    backend = backend_of(events)
    tables = census(backend, backend.table("events"), RULES, as_of=AS_OF, users=None, orders=ORDERS)
    found = people(backend, tables, RULES, as_of=AS_OF, previous=None, names=NAMES)
    assert {name: doc["events"] for name, doc in documents(found, RULES)} == {"bert": 1, "till": 1}
    assert found.left_out == {"before a reset by the shop": 1, "suppressed by the shop": 1}
    assert tables.net_identified.count().to_pyarrow().as_py() == 4  # in aggregates they count
    gone = explain(backend_of(events), _case(7, orders=ORDERS))
    assert (gone.person, gone.document, gone.profile) == ("shed", None, None)


def test_a_login_after_an_order_about_the_token_brings_nothing_back(backend_of):
    events = [
        {"token": 7, "object": 1, "ts": AS_OF - timedelta(hours=2)},
        {"token": 7, "auth": 1, "object": 2, "ts": AS_OF - timedelta(hours=1)},
        {"token": 3, "auth": 1, "object": 3, "ts": AS_OF - timedelta(hours=1)},
    ]
    one = explain(backend_of(events), _case(1, orders=ORDERS))
    assert one.document is not None
    assert {value["value"] for value in one.document["affinities"]} == {"Cord"}


def test_what_is_held_and_what_is_too_much_to_show_are_told(backend_of):
    events = [{"token": 6, "object": 1, "ts": AS_OF - timedelta(seconds=n)} for n in range(EVENTS_SHOWN + 7)]
    events += [{"token": 6, "object": 2, "ts": AS_OF - timedelta(seconds=n)} for n in range(391)]
    one = explain(backend_of(events), _case(6, previous={(6, "brand", "Bolt"): 16, (5, "brand", "Acme"): 3}))
    assert one.document is not None
    acme, bolt = (value for value in one.document["affinities"] if value["facet"] == "brand")
    assert (acme["event_count"], len(acme["events"]), acme["rest_events"]) == (EVENTS_SHOWN + 7, EVENTS_SHOWN, 7)
    assert sum(event["points"] for event in acme["events"]) + acme["rest"] == pytest.approx(acme["points"])
    assert acme["rest"] == pytest.approx(7, rel=1e-2)
    assert round(bolt["score"], 1) == 15.4
    assert (bolt["previous"], bolt["integer"], bolt["held"]) == (16, 16, True)
    assert (acme["previous"], acme["integer"], acme["held"]) == (None, 20, False)
    assert {event["objectID"] for event in bolt["events"]} == {"lamp"}


def test_all_tokens_of_a_person_and_of_her_household_are_looked_at(backend_of):
    backend = backend_of(
        [
            {"token": 4, "auth": 1, "object": 1, "ts": AS_OF},
            {"token": 4, "object": 2, "ts": AS_OF},
            {"token": 3, "auth": 1, "object": 3, "ts": AS_OF},
            {"token": 6, "object": 4, "ts": AS_OF},
        ]
    )
    events = backend.table("events")
    for asked in (1, 3, 4):
        assert sorted(events_of(events, asked).to_pyarrow()["object"].to_pylist()) == [1, 2, 3]
    assert tokens_of(events, 1) == [1, 3, 4]
    assert tokens_of(events, 9) == [9]


def test_whoever_left_is_nobody_but_the_token(backend_of):
    events = [
        {"token": 4, "auth": 1, "object": 1, "ts": AS_OF - timedelta(hours=2)},
        {"token": 4, "event_name": "logout", "ts": AS_OF - timedelta(hours=1)},
    ]
    one = explain(backend_of(events), _case(4))
    assert (one.person, one.present, one.tokens) == ("anna", "tablet", ["tablet"])
