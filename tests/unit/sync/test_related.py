"""The related-items stage: which lists are made of which evidence, and when a published one stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import pyarrow as pa
import pytest

from algosync.catalog.build import build
from algosync.catalog.rules import CatalogRules, FacetRule
from algosync.related.topk import from_rows
from algosync.sync.related import Evidence, RelatedItems, RelatedRules, find, over_today

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
CATALOG = build(
    [
        [
            {"objectID": "lamp", "name": "reading lamp with oak stand", "kind": "home"},
            {"objectID": "oak", "name": "oak stand for a lamp", "kind": "home"},
            {"objectID": "pen", "name": "fountain pen", "kind": "paper"},
            {"objectID": "tent", "name": "tent", "kind": "camp"},
        ]
    ],
    CatalogRules(text=("name",), facets={"kind": FacetRule(attribute="kind")}),
)
LAMP, OAK, PEN, TENT = range(4)
RULES = RelatedRules(
    kinds=("similar", "bought_together", "viewed_together", "related"),
    weights={"view": 1, "purchase": 30},
    shrinkage=0.0,
    category="kind",
    place="country",
    device="device",
)
COLUMNS = pa.schema(
    [
        ("ts", pa.timestamp("us", tz="UTC")),
        ("token", pa.int32()),
        ("kind", pa.string()),
        ("order_id", pa.string()),
        ("session_id", pa.string()),
        ("quantity", pa.int32()),
        ("excluded", pa.string()),
        ("context", pa.map_(pa.string(), pa.string())),
        ("group", pa.int32()),
        ("person", pa.int64()),
    ]
)


@pytest.fixture
def evidence():
    """evidence(*events): of persons 1 and 2, of whom 1 is a member of "fans"."""
    backend = ibis.duckdb.connect()

    def made(*events):
        plain = {"kind": "view", "context": [("country", "de"), ("device", "phone")], "session_id": None}
        rows = [
            {**plain, "ts": AS_OF - timedelta(days=event.pop("days", 1)), "person": event["token"], **event}
            for event in map(dict, events)
        ]
        backend.con.register("seen", pa.Table.from_pylist(rows, schema=COLUMNS))
        backend.con.register("fans", pa.table({"person": pa.array([1], pa.int64()), "segment": ["fans"]}))
        backend.con.register("kinds", CATALOG.group_values("kind"))
        seen = backend.table("seen")
        return Evidence(
            events=seen.drop("person"), personal=seen, members=backend.table("fans"), values=backend.table("kinds")
        )

    yield made
    backend.disconnect()


def _bought(token, order, *groups, **more):
    return [{"token": token, "group": g, "kind": "purchase", "order_id": order, "quantity": 1, **more} for g in groups]


def _seen(token, session, *groups, **more):
    return [{"token": token, "group": g, "session_id": session, **more} for g in groups]


def _names(found, kind, row):
    return [CATALOG.groups[item].as_py() for item, _ in found.lists[kind].of(row)]


def _find(evidence, rules=RULES, previous=None):
    return find(evidence, CATALOG, rules, as_of=AS_OF, previous=previous, inputs="x")


EVENTS = [*_bought(1, "o1", LAMP, PEN), *_seen(2, "s1", LAMP, TENT), *_seen(2, "s2", OAK, TENT)]


def test_each_kind_has_its_own_evidence(evidence):
    found = _find(evidence(*EVENTS))
    assert _names(found, "similar", LAMP) == ["oak"]
    assert _names(found, "bought_together", LAMP) == ["pen"]
    assert _names(found, "viewed_together", LAMP) == ["tent"]
    # The hybrid: what was bought together where anything was, else what was viewed together, and similar ones.
    assert set(_names(found, "related", LAMP)) == {"pen", "oak"}
    assert set(_names(found, "related", OAK)) == {"tent", "lamp"}
    assert found.inputs == "x"
    counts = found.counts()
    assert (counts["similar"], counts["bought_together"], counts["viewed_together"], counts["related"]) == (2, 2, 3, 4)
    assert counts["popular:category"] == 3
    assert {counts[f"popular:{scope}"] for scope in ("place", "device", "everywhere", "segment")} == {1}


def test_only_the_kinds_that_are_asked_for_are_made(evidence):
    found = _find(
        evidence(*EVENTS), replace(RULES, kinds=("related",), category=None, place=None, device=None, trending=False)
    )
    assert set(found.lists) == {"related"}
    assert set(found.tops["scope"].to_pylist()) == {"popular:everywhere", "popular:segment"}
    assert found.trending.tolist() == [0, 0, 0, 0]
    off = _find(evidence(*EVENTS), replace(RULES, kinds=(), popularity=False))
    assert off.lists == {}
    assert off.popularity.tolist() == [0, 0, 0, 0]
    assert off.popular[LAMP] > off.popular[OAK] > 0  # still what ties are broken by


def test_what_is_popular_in_a_segment_counts_its_members_alone(evidence):
    found = _find(evidence(*EVENTS))
    rows = [row for row in found.tops.to_pylist() if row["scope"] == "popular:segment"]
    assert {(row["bucket"], row["item"]) for row in rows} == {("fans", LAMP), ("fans", PEN)}


def test_facet_values_count_as_words_where_they_are_named(evidence):
    plain = _find(evidence(*EVENTS), replace(RULES, kinds=("similar",)))
    assert _names(plain, "similar", PEN) == []
    catalog = build(
        [[{"objectID": "pen", "name": "pen", "kind": "paper"}, {"objectID": "ink", "name": "ink", "kind": "paper"}]],
        CatalogRules(text=("name",), facets={"kind": FacetRule(attribute="kind")}),
    )
    rules = replace(RULES, kinds=("similar",), facets=("kind",))
    found = find(evidence(), catalog, rules, as_of=AS_OF, previous=None, inputs="")
    assert [item for item, _ in found.lists["similar"].of(0)] == [1]


def test_a_published_list_stays_while_a_new_one_gains_too_little(evidence):
    first = [*_bought(1, "o1", LAMP, PEN), *_bought(2, "o2", LAMP, PEN), *_bought(3, "o3", LAMP, OAK)]
    rules = replace(RULES, kinds=("bought_together",), per_product=1)
    before = _find(evidence(*first), rules)
    assert _names(before, "bought_together", LAMP) == ["pen"]
    more = [*first, *_bought(4, "o4", LAMP, OAK), *_bought(5, "o5", LAMP, OAK)]
    assert _names(_find(evidence(*more), rules), "bought_together", LAMP) == ["oak"]
    assert _names(_find(evidence(*more), replace(rules, margin=1.0), before), "bought_together", LAMP) == ["pen"]
    assert _names(_find(evidence(*more), replace(rules, margin=0.0), before), "bought_together", LAMP) == ["oak"]


def test_earlier_lists_stand_less_what_has_left_and_what_is_not_to_be_had():
    lists = from_rows([[1, -1, 2], [], [0]])
    kept = RelatedItems(
        inputs="x",
        lists={"similar": lists},
        popular=np.zeros(3),
        popularity=np.array([4, -1, 2], dtype=np.int8),
        trending=np.array([-1, 0, 1], dtype=np.int8),
        tops=pa.table({"item": [0]}),
    )
    found = over_today(kept, np.array([True, False, True]))
    assert [found.lists["similar"].of(item) for item in range(3)] == [[(2, 0)], [], [(0, 0)]]
    assert found.popularity.tolist() == [4, 0, 2]
    assert found.trending.tolist() == [0, 0, 1]
    assert found.inputs == "x"
