"""People: from a log in DuckDB to documents, links and what is pushed of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend

from algosync.payloads.filters import FilterPolicy
from algosync.profiles.affinity import AffinityRules
from algosync.profiles.definitions import parse_segments
from algosync.profiles.readiness import ReadinessRules
from algosync.sync.history import changes
from algosync.sync.profiles import Census, People, PeopleRules, census, documents, links, people, pushable

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
LATER = AS_OF + timedelta(minutes=10)
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
def backend_of(log_of):
    """backend_of(*events) makes a backend that holds a log of these events."""

    def opened(*events):
        plain = {"key_lo": 0, "kind": "view", "token": 1, "source": "web"}
        rows = [{**plain, "key_hi": n, **event, "item": event.get("object")} for n, event in enumerate(events)]
        rows = [{**row, "ts": AS_OF - timedelta(days=row.pop("days", 0), seconds=-n)} for n, row in enumerate(rows)]
        return log_of(rows, [(item, *value) for item, value in VALUES.items()])

    return opened


@dataclass(frozen=True)
class Judged:
    """Everybody in a log, judged."""

    backend: Backend
    tables: Census
    people: People

    def documents(self, rules=None):
        return dict(documents(self.people, rules or RULES))


@pytest.fixture
def run(backend_of):
    """run(*events, …) judges everybody in a log of these events."""

    def judged(*events, rules=None, previous=None, users=None, as_of=LATER):
        backend, rules = backend_of(*events), rules or RULES
        tables = census(backend, backend.table("events"), rules, as_of=as_of, users=users)
        found = people(backend, tables, rules, as_of=as_of, previous=previous, names=NAMES)
        return Judged(backend, tables, found)

    return judged


def _looks(token, *objects, **more):
    return [{"token": token, "object": number, **more} for number in objects]


def test_a_document_says_who_she_is_what_she_likes_and_why_she_is_ready(run):
    events = _looks(1, 1, 1, 1, 2, days=5) + _looks(1, 1, kind="purchase", days=1) + _looks(3, 2)
    found = run(*events)
    docs = found.documents()
    assert list(docs) == ["anna", "bert"]
    anna = docs["anna"]
    assert (anna["state"], anna["visit"], anna["events"], anna["products"]) == ("buyer", "returning", 5, 2)
    assert anna["affinities"] == {"brand": {"Acme": 20}}  # Bolt's share rounds to nothing
    assert anna["optionalFilters"] == [["brand:Acme<score=2000>"]]
    assert (anna["segments"], anna["ruleContexts"]) == (["fans"], ["algosync-fans"])
    assert anna["ready"] is True
    assert docs["bert"]["ready"] is False
    assert "1 of 2 distinct products" in docs["bert"]["reason"]
    assert found.people.profiles == 2


def test_events_without_consent_count_for_nobody_also_where_nobody_said_anything_of_consent(run):
    found = run(*_looks(1, 1, 2, excluded="no_consent:missing"), *_looks(3, 2))
    assert list(found.documents()) == ["bert"]
    assert found.people.left_out == {"no_consent:missing": 2}


def test_an_integer_stays_until_its_score_has_clearly_moved(run):
    def bolt(found):
        return found.documents()["anna"]["affinities"]["brand"]["Bolt"]

    first = run(*_looks(1, *[1] * 20, *[2] * 11))
    assert bolt(first) == 11
    near = _looks(1, *[1] * 40, *[2] * 21)  # 10.5, which 11 outlasts and 10 too
    far = _looks(1, *[1] * 20, *[2] * 10)  # 10.0, which it does not
    previous = first.people.integers
    assert bolt(run(*near, previous=previous)) == 11
    assert bolt(run(*far, previous=previous)) == 10
    ten = pa.table({**previous.to_pydict(), "integer": pa.array([20, 10], pa.int8())}).cast(previous.schema)
    assert bolt(run(*near, previous=ten)) == 10


def test_attributes_of_users_sources_make_members(run):
    users = pa.table({"token": pa.array([3], pa.int32()), "key": ["age"], "value": ["25"]})
    bert = run(*_looks(3, 1), users=users).documents()["bert"]
    assert bert["segments"] == ["fans", "young"]
    assert bert["ruleContexts"] == ["algosync-fans"]  # one context is allowed: the highest


def test_a_token_is_linked_to_the_one_other_person_that_uses_it(run):
    found = run(
        {"token": 4, "object": 1, "auth": 1},
        {"token": 2, "object": 1, "auth": 1, "session_id": "a"},
        {"token": 2, "object": 2, "auth": 3, "session_id": "a"},
    )
    docs = found.documents()
    assert set(docs) == {"anna", "bert"}
    assert links(found.people, docs) == {"phone": "anna"}


def test_only_ready_and_recently_active_people_are_pushed(run):
    recent = [{"token": 1, "object": 1, "days": 2}, *_looks(1, 1, 2, 1)]
    lapsed = [{"token": 3, "object": 1, "days": 40}, {"token": 3, "object": 2, "days": 31}]
    docs = run(*recent, *lapsed, *_looks(2, 1)).documents()
    assert (docs["anna"]["ready"], docs["bert"]["ready"], docs["tablet"]["ready"]) == (True, True, False)
    (profile,) = pushable(docs, {"phone": "anna"}, RULES, as_of=LATER)
    assert profile.tokens == ("anna", "phone")
    assert profile.optional_filters == tuple(map(tuple, docs["anna"]["optionalFilters"]))
    assert profile.contexts == ("algosync-fans",)
    assert profile.segments == ("fans",)
    both = pushable(docs, {}, replace(RULES, active_days=32), as_of=LATER)
    assert [profile.tokens for profile in both] == [("anna",), ("bert",)]


def test_what_is_left_out_is_counted_by_reason(run):
    fast = [{"token": 4, "object": 1} for _ in range(12)]
    refused = _looks(3, 1, excluded="no_consent:denied", consent="not_personalized")
    rules = replace(RULES, events_per_hour_max=10)
    found = run(*_looks(1, 1), *fast, *refused, rules=rules)
    assert dict(found.people.left_out) == {"ignored:rate": 12, "no_consent:denied": 1}
    assert list(found.documents()) == ["anna"]


def test_changes_of_membership_come_with_their_conditions(run):
    found = run(*_looks(1, 1), *_looks(3, 2, 2, 2, 2, 1))

    def changed(*before):
        return changes(found.backend, before, found.people, found.tables.known, SEGMENTS, LATER)

    entered, left = changed(("bert", "fans"), ("ghost", "fans"), ("anna", "dropped"))
    assert [(c.person, c.segment) for c in entered] == [("anna", "fans")]
    assert entered[0].why.startswith("affinity to brand Acme (at least 15): 20")
    why = {(c.person, c.segment): c.why for c in left}
    assert why["bert", "fans"].startswith("affinity to brand Acme (at least 15): 5")
    assert why["ghost", "fans"].startswith("no longer in profiles")
    assert why["anna", "dropped"] == "the segment is no longer defined"
    assert changed(("anna", "fans")) == ([], [])


def test_many_changes_at_once_share_a_reason(run, monkeypatch):
    monkeypatch.setattr("algosync.sync.history.REASONED_MAX", 1)
    found = run(*_looks(1, 1), *_looks(3, 1))
    entered, _ = changes(found.backend, (), found.people, found.tables.known, SEGMENTS, LATER)
    assert [change.why[:16] for change in entered] == ["with many others"] * 2
