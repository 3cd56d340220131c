"""People: from a log in DuckDB to documents, links and what is pushed of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import ibis
import pyarrow as pa
import pytest

from algosync.events.schema import LOG
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.affinity import AffinityRules
from algosync.profiles.definitions import parse_segments
from algosync.profiles.readiness import ReadinessRules
from algosync.sync.explain import Case, events_of, explain
from algosync.sync.history import changes
from algosync.sync.people import PeopleRules, census, documents, links, people, pushable

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
NAMES = {1: "anna", 2: "tablet", 3: "bert", 4: "phone"}
VALUES = {1: ("brand", "Acme"), 2: ("brand", "Bolt"), 3: ("brand", "Cord")}
SEGMENTS = parse_segments(
    {
        "fans": {"priority": 5, "when": {"affinity": {"facet": "brand", "value": "Acme", "score_min": 15}}},
        "young": {"when": {"attribute": {"age": {"max": 29}}}},
    },
    affinity_facet="brand",
    facets=["brand"],
)
RULES = PeopleRules(
    affinity=AffinityRules(weights={"view": 1, "purchase": 30}, facets=("brand",), half_life_days=10),
    readiness=ReadinessRules(min_seconds=60, min_sessions=9, min_events=2, min_products=2),
    segments=SEGMENTS,
    policy=FilterPolicy(weights={"brand": 100}),
    max_contexts=1,
    active_days=30,
)


@pytest.fixture
def backend():
    made = ibis.duckdb.connect()
    yield made
    made.disconnect()


@pytest.fixture
def run(backend):
    """run(*events, …) judges everybody in a log of these events."""

    def judged(*events, rules=RULES, previous=None, users=None, as_of=AS_OF):
        rows = [
            {"key_hi": n, "key_lo": 0, "kind": "view", "token": 1, "source": "web", **event, "item": event.get("object")}
            for n, event in enumerate(events)
        ]
        rows = [{**row, "ts": AS_OF - timedelta(days=row.pop("days", 0), seconds=-n)} for n, row in enumerate(rows)]
        values = [{"item": item, "facet": facet, "value": value} for item, (facet, value) in VALUES.items()]
        backend.con.register("log", pa.Table.from_pylist(rows, schema=LOG))
        backend.con.execute("CREATE OR REPLACE VIEW events AS SELECT * FROM log")
        schema = pa.schema([("item", pa.int32()), ("facet", pa.string()), ("value", pa.string())])
        backend.con.register("item_values", pa.Table.from_pylist(values, schema=schema))
        for name in backend.list_tables():
            if name.startswith("people_"):
                backend.con.execute(f'DROP TABLE IF EXISTS "{name}"') if name not in LENT else backend.con.unregister(name)
        tables = census(backend, backend.table("events"), rules, as_of=as_of, users=users)
        found = people(backend, tables, rules, as_of=as_of, previous=previous, names=NAMES)
        return tables, found

    return judged


LENT = {"people_users", "people_previous", "people_moved", "people_members"}
LATER = AS_OF + timedelta(minutes=10)


def _looks(token, *objects, **more):
    return [{"token": token, "object": number, **more} for number in objects]


def test_a_document_says_who_she_is_what_she_likes_and_why_she_is_ready(run):
    events = _looks(1, 1, 1, 1, 2, days=5) + _looks(1, 1, kind="purchase", days=1) + _looks(3, 2)
    _, found = run(*events)
    docs = dict(documents(found, RULES))
    assert list(docs) == ["anna", "bert"]
    anna = docs["anna"]
    assert (anna["state"], anna["visit"], anna["events"], anna["products"]) == ("buyer", "returning", 5, 2)
    assert anna["affinities"] == {"brand": {"Acme": 20}}  # Bolt's share rounds to nothing
    assert anna["optionalFilters"] == [["brand:Acme<score=2000>"]]
    assert (anna["segments"], anna["ruleContexts"]) == (["fans"], ["algosync-fans"])
    assert anna["ready"] is True
    assert docs["bert"]["ready"] is False
    assert "1 of 2 distinct products" in docs["bert"]["reason"]
    assert found.profiles == 2


def test_an_integer_stays_until_its_score_has_clearly_moved(run):
    events = _looks(1, *[1] * 20, *[2] * 11)
    _, found = run(*events)
    assert dict(documents(found, RULES))["anna"]["affinities"] == {"brand": {"Acme": 20, "Bolt": 11}}
    previous = found.integers
    near = _looks(1, *[1] * 40, *[2] * 21)  # 10.5 rounds to 11 anew, and 11 holds
    far = _looks(1, *[1] * 20, *[2] * 10)  # 10.0 is 0.4 from … no longer within 0.6 of 11
    assert dict(documents(run(*near, previous=previous)[1], RULES))["anna"]["affinities"]["brand"]["Bolt"] == 11
    assert dict(documents(run(*far, previous=previous)[1], RULES))["anna"]["affinities"]["brand"]["Bolt"] == 10
    held = pa.table({**previous.to_pydict(), "integer": pa.array([20, 10], pa.int8())}).cast(previous.schema)
    assert dict(documents(run(*near, previous=held)[1], RULES))["anna"]["affinities"]["brand"]["Bolt"] == 10


def test_attributes_of_users_sources_make_members(run):
    users = pa.table({"token": pa.array([3], pa.int32()), "key": ["age"], "value": ["25"]})
    _, found = run(*_looks(3, 1), users=users)
    assert dict(documents(found, RULES))["bert"]["segments"] == ["fans", "young"]
    assert dict(documents(found, RULES))["bert"]["ruleContexts"] == ["algosync-fans"]  # one context, the highest


def test_a_token_is_linked_to_the_one_other_person_that_uses_it(run):
    events = [
        {"token": 4, "object": 1, "auth": 1},
        {"token": 2, "object": 1, "auth": 1, "session_id": "a"},
        {"token": 2, "object": 2, "auth": 3, "session_id": "a"},
    ]
    _, found = run(*events)
    docs = dict(documents(found, RULES))
    assert set(docs) == {"anna", "bert"}
    assert links(found, docs) == {"phone": "anna"}


def test_only_ready_and_recently_active_people_are_pushed(run):
    recent = [*_looks(1, 1, 2), {"token": 1, "object": 1, "days": 2}]
    lapsed = [{"token": 3, "object": 1, "days": 40}, {"token": 3, "object": 2, "days": 31}]
    unready = _looks(2, 1)
    _, found = run(*recent, *lapsed, *unready, as_of=LATER)
    docs = dict(documents(found, RULES))
    assert docs["bert"]["ready"]
    (profile,) = pushable(docs, {"phone": "anna"}, RULES, as_of=LATER)
    assert profile.tokens == ("anna", "phone")
    assert profile.optional_filters == (("brand:Acme<score=2000>", "brand:Bolt<score=1000>"),)
    assert profile.contexts == ("algosync-fans",)
    assert profile.segments == ("fans",)


def test_what_is_left_out_is_counted_by_reason(run):
    fast = [{"token": 4, "object": 1} for _ in range(12)]
    refused = _looks(3, 1, excluded="no_consent:denied", consent="not_personalized")
    rules = PeopleRules(**{**{f: getattr(RULES, f) for f in RULES.__dataclass_fields__}, "events_per_hour_max": 10})
    _, found = run(*_looks(1, 1), *fast, *refused, rules=rules, as_of=LATER)
    assert dict(found.left_out) == {"ignored:rate": 12, "no_consent:denied": 1}
    assert [name for name, _ in documents(found, rules)] == ["anna"]


def test_changes_of_membership_come_with_their_conditions(run, backend):
    before = {("anna", "fans"), ("bert", "fans"), ("ghost", "fans"), ("anna", "dropped")}
    tables, found = run(*_looks(1, 1), *_looks(3, 2, 2, 2, 2, 1))
    entered, left = changes(backend, before - {("anna", "fans")}, found, tables.known, SEGMENTS, AS_OF)
    assert [(c.person, c.segment) for c in entered] == [("anna", "fans")]
    assert entered[0].why == "affinity to brand Acme (at least 15): 20"
    why = {(c.person, c.segment): c.why for c in left}
    assert why["bert", "fans"] == "affinity to brand Acme (at least 15): 5"
    assert why["ghost", "fans"].startswith("no longer in profiles")
    assert why["anna", "dropped"] == "the segment is no longer defined"
    assert changes(backend, {("anna", "fans")}, found, tables.known, SEGMENTS, AS_OF) == ([], [])


def test_many_changes_at_once_share_a_reason(run, backend, monkeypatch):
    monkeypatch.setattr("algosync.sync.history.REASONED_MAX", 1)
    tables, found = run(*_looks(1, 1), *_looks(3, 1))
    entered, _ = changes(backend, (), found, tables.known, SEGMENTS, AS_OF)
    assert len(entered) == 2
    assert {change.why[:16] for change in entered} == {"with many others"}


def _case(person, **more):
    from algosync.profiles.actions import Actions

    case = {"rules": RULES, "actions": Actions(), "as_of": LATER, "now": LATER, "place": "any", "users": None}
    case |= {"previous": {}, "objects": {1: "book", 2: "lamp"}}
    return Case(person=person, **(case | more))


def test_one_person_is_explained_as_the_batch_judged_her(run, backend):
    events = [*_looks(1, *[1] * 7, 2, days=1), {"token": 4, "auth": 1, "object": 2}, *_looks(3, 2)]
    _, found = run(*events, as_of=LATER)
    document = dict(documents(found, RULES))["anna"]
    for name in ("people_events", "people_net", "people_scores", "people_attributes", "people_visitors"):
        backend.con.execute(f"DROP TABLE IF EXISTS {name}")
    for name in [n for n in backend.list_tables() if n.startswith("people_") and n not in LENT]:
        backend.con.execute(f"DROP TABLE IF EXISTS {name}")
    explained = explain(backend, _case(1))
    assert explained["optionalFilters"] == document["optionalFilters"]
    assert {name for name in ("visit", "state", "events", "ready") if explained[name] != document[name]} == set()
    acme, bolt = explained["affinities"]
    assert (acme["value"], bolt["value"]) == ("Acme", "Bolt")
    assert (acme["event_count"], len(acme["events"])) == (7, 5)
    assert sum(e["points"] for e in acme["events"]) + acme["rest"] == pytest.approx(acme["points"])
    assert acme["points"] == pytest.approx(7 * 2 ** (-1 / 10), rel=1e-3)
    assert bolt["score"] == pytest.approx(20 * bolt["points"] / acme["points"], rel=1e-6)
    assert [event["objectID"] for event in bolt["events"]] == ["lamp", "lamp"]
    held = {("brand", "Acme"): 20, ("brand", "Bolt"): bolt["integer"] + 0}
    assert held["brand", "Bolt"] == document["affinities"]["brand"]["Bolt"]
    assert [segment["member"] for segment in explained["segments"]] == [True, False]


def test_a_stranger_is_not_explained(run, backend):
    run(*_looks(1, 1))
    mine = events_of(backend.table("events"), 2).to_pyarrow()
    assert mine.num_rows == 0


def test_all_tokens_a_person_ever_used_are_looked_at(run, backend):
    run({"token": 4, "auth": 1, "object": 1}, {"token": 4, "object": 2}, {"token": 3, "object": 1})
    mine = events_of(backend.table("events"), 1).to_pyarrow()
    assert sorted(mine["object"].to_pylist()) == [1, 2]
