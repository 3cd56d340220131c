"""What Algolia should hold: whose boosts count, which products are spoken of, and for which families."""

from __future__ import annotations

import numpy as np
import orjson
import pyarrow as pa
import pytest

from algosync.catalog.build import build
from algosync.catalog.rules import CatalogRules, FacetRule, OnSale, PriceBand
from algosync.errors import ConfigError
from algosync.payloads.encode import OpaqueIds, Target
from algosync.payloads.filters import FilterPolicy
from algosync.payloads.records import Profile
from algosync.profiles.actions import parse_actions
from algosync.profiles.definitions import parse_segments
from algosync.related.topk import from_rows
from algosync.sync.boosts import loose_boosts, segment_payloads
from algosync.sync.payloads import Terms, desired, product_columns
from algosync.sync.related import RelatedItems

RULES = CatalogRules(
    group="parent",
    list_price="was",
    facets={
        "categories": FacetRule(attribute="categories"),
        "price_band": FacetRule(attribute="price", derived=PriceBand(edges=(10, 25))),
        "on_sale": FacetRule(attribute="on_sale", derived=OnSale()),
    },
)
CATALOG = build(
    [
        [
            {"objectID": "a-1", "parent": "a", "categories": "Books", "price": 10, "was": 12},
            {"objectID": "a-2", "parent": "a", "categories": "Books", "price": 30, "was": 30},
            {"objectID": "b", "categories": "Books", "price": 25},
            {"objectID": "c", "categories": "Toys", "price": 20},
        ]
    ],
    RULES,
)
SEGMENTS = parse_segments(
    {
        "readers": {
            "priority": 7,
            "when": {"affinity": {"value": "Books"}},
            "boost": [{"categories": "Books", "price": [10, 25], "score": 20}],
        },
        "fans": {"when": {"affinity": {"value": "Toys"}}, "boost": [{"popular": 1}, {"categories": "Toys"}]},
    },
    affinity_facet="categories",
    facets=["categories"],
)
ACTIONS = parse_actions(
    {
        "toys-too": {"when": {"segments": ["readers"]}, "effect": {"boost": {"categories": "Toys", "score": 3}}},
        "for-buyers": {
            "when": {"segments": ["readers"], "state": "buyer"},
            "effect": {"boost": {"categories": "Toys", "score": 9}},
        },
    },
    segments=SEGMENTS,
)
POLICY = FilterPolicy(weights={"categories": 60}, declared=frozenset({"categories", "algosync.boosts"}))


def _found():
    """Groups a, b, c: a goes with b and c; b is the most popular among fans."""
    tops = pa.table(
        {
            "scope": ["popular:segment", "popular:segment", "popular:everywhere"],
            "bucket": ["fans", "readers", ""],
            "item": pa.array([1, 0, 2], pa.int32()),
            "score": [2.0, 5.0, 9.0],
            "rank": pa.array([1, 1, 1], pa.int64()),
        }
    )
    return RelatedItems(
        inputs="",
        lists={"similar": from_rows([[1, 2], [0], []])},
        popular=np.array([1.0, 2.0, 0.0]),
        popularity=np.array([5, 10, 0], dtype=np.int8),
        trending=np.zeros(3, dtype=np.int8),
        tops=tops,
    )


def _desired(observed, families=("related", "segments", "profiles", "rules"), profiles=()):
    segments = segment_payloads(SEGMENTS, ACTIONS)
    columns = product_columns(CATALOG, _found(), segments, {segment.slug: segment.id for segment in SEGMENTS.items})
    terms = Terms(
        families=frozenset(families),
        payload_index="ours",
        max_record_bytes=10_000,
        policies=dict.fromkeys(observed, POLICY),
        policy=POLICY,
        ids=OpaqueIds(key=b"0123456789abcdef"),
    )
    return desired(columns, observed, segments, profiles, terms)


def _said(found, family, index=None):
    return {
        p.object_id: orjson.loads(p.body)
        for p in found.payloads
        if p.family == family and index in (None, p.index)
    }  # fmt: skip


def test_a_segment_has_its_own_boosts_and_those_of_actions_that_membership_alone_sets_off():
    by_slug = {segment.slug: segment for segment in segment_payloads(SEGMENTS, ACTIONS)}
    assert [boost.slug for boost in by_slug["readers"].boosts] == ["readers", "toys-too"]
    assert [boost.slug for boost in by_slug["fans"].boosts] == ["fans-1", "fans-2"]
    assert by_slug["readers"].priority == 7


def test_an_action_on_several_segments_lifts_what_is_popular_in_each():
    actions = parse_actions(
        {"hits": {"when": {"segments": ["readers", "fans"]}, "effect": {"boost": {"popular": 1}}}}, segments=SEGMENTS
    )
    segments = segment_payloads(SEGMENTS, actions)
    slugs = {segment.slug: [boost.slug for boost in segment.boosts] for segment in segments}
    assert slugs == {"readers": ["readers", "hits-readers"], "fans": ["fans-1", "fans-2", "hits-fans"]}
    columns = product_columns(CATALOG, _found(), segments, {segment.slug: segment.id for segment in SEGMENTS.items})
    made, _ = columns.records(dict.fromkeys(["a-1", "a-2", "b", "c"]), Target(index="products"))
    tags = {p.object_id: orjson.loads(p.body)["algosync"].get("boosts", []) for p in made}
    assert "hits-readers" in tags["a-1"]
    assert "hits-fans" in tags["b"]


def test_boosts_of_actions_that_ask_for_more_than_a_segment_have_tags_and_no_rule():
    actions = parse_actions(
        {
            "new-books": {"when": {"visit": "new"}, "effect": {"boost": {"categories": "Books", "price": [25, 25]}}},
            "hits": {"effect": {"boost": {"popular": 1}}},
            "fan-hits": {"when": {"segments": ["fans"], "state": "buyer"}, "effect": {"boost": {"popular": 1}}},
        },
        segments=SEGMENTS,
    )
    segments = segment_payloads(SEGMENTS, actions)
    assert {boost.slug for segment in segments for boost in segment.boosts} == {"readers", "fans-1", "fans-2"}
    ids = {segment.slug: segment.id for segment in SEGMENTS.items}
    columns = product_columns(CATALOG, _found(), segments, ids, loose_boosts(SEGMENTS, actions))
    made, _ = columns.records(dict.fromkeys(["a-1", "a-2", "b", "c"]), Target(index="products"))
    tags = {p.object_id: set(orjson.loads(p.body)["algosync"].get("boosts", [])) for p in made}
    named = {"new-books", "hits", "fan-hits"}
    assert {name: found & named for name, found in tags.items()} == {
        "a-1": set(),
        "a-2": set(),
        "b": {"new-books", "fan-hits"},
        "c": {"hits"},
    }


def test_two_different_boosts_of_one_name_are_refused_with_both_owners():
    actions = parse_actions(
        {"fans-1": {"when": {"segments": ["readers"]}, "effect": {"boost": {"categories": "Books"}}}},
        segments=SEGMENTS,
    )
    with pytest.raises(ConfigError, match="would share the name 'fans-1'"):
        segment_payloads(SEGMENTS, actions)


def test_products_carry_lists_numbers_derived_facets_and_tags():
    found = _desired({"products": dict.fromkeys(["a-1", "a-2", "b", "c"])}, families=["related"])
    said = {name: record["algosync"] for name, record in _said(found, "related").items()}
    assert said["a-1"] == {
        "v": said["a-1"]["v"],
        "similar": ["b", "c"],
        "boosts": ["readers"],
        "popularity": 5,
        "price_band": "10-25",
        "on_sale": True,
    }
    assert said["a-2"]["similar"] == ["b", "c"]  # shared by the variants
    assert "boosts" not in said["a-2"]  # of another price
    assert said["a-2"]["on_sale"] is False
    assert said["b"]["boosts"] == ["fans-1", "readers"]  # 25 is still within, and b is popular among fans
    assert said["b"]["similar"] == ["a-1"]  # the variant that stands for its group
    assert said["c"] == {"v": said["c"]["v"], "price_band": "10-25", "on_sale": False}


def test_only_what_an_index_holds_is_spoken_of_and_the_rest_counted():
    found = _desired({"de": {"a-1": None, "a-2": "old", "c": None}, "fr": {"b": None, "stranger": None}}, ["related"])
    german = _said(found, "related", "de")
    assert set(german) == {"a-1", "a-2", "c"}
    assert german["a-1"]["algosync"]["similar"] == ["c"]
    french = _said(found, "related", "fr")
    assert set(french) == {"b"}
    assert "similar" not in french["b"]["algosync"]
    assert found.absent == {"de": 1, "fr": 3}


def test_each_family_is_made_where_it_is_switched_on_and_nowhere_else():
    observed = {"products": dict.fromkeys(["a-1", "a-2", "b", "c"])}
    profile = Profile(tokens=("anna",), optional_filters=(("categories:Books<score=9>",),), contexts=(), segments=())
    found = _desired(observed, profiles=[profile])
    assert {p.family for p in found.payloads} == {"related", "segments", "profiles", "rules"}
    assert {p.index for p in found.payloads if p.family in ("segments", "profiles")} == {"ours"}
    assert set(_said(found, "segments")) == {"segment-fans", "segment-readers"}
    assert _said(found, "segments")["segment-readers"]["optionalFilters"] == [
        ["algosync.boosts:readers<score=2000>"],
        ["categories:Toys<score=300>"],
    ]
    assert len(_said(found, "profiles")) == 1
    only = _desired(observed, families=["rules"], profiles=[profile])
    assert {p.family for p in only.payloads} == {"rules"}
    assert only.absent == {}
