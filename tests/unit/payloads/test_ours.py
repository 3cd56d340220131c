"""Our own records are known again by hash and shape, other people's never."""

from __future__ import annotations

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.payloads.boosts import Boost
from algosync.payloads.contexts import Segment
from algosync.payloads.encode import OpaqueIds, Target
from algosync.payloads.filters import FilterPolicy
from algosync.payloads.ours import (
    attribute_hash,
    attribute_standing,
    document_hash,
    is_our_rule,
    named_family,
    record_family,
)
from algosync.payloads.products import Values, product_records
from algosync.payloads.records import Profile, profile_records, segment_records
from algosync.payloads.rules import segment_rules

TARGET = Target(index="i", max_record_bytes=10_000)
POLICY = FilterPolicy(weights={"brand": 100})
IDS = OpaqueIds(key=b"sixteen bytes and more")
SLUG = st.text("abcXYZ019_-", min_size=1, max_size=40)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def segment(slug, priority=3):
    boost = Boost(slug="apple", conditions={"brand": ("Apple",)}, score=20)
    return Segment(slug=slug, name="Anybody", priority=priority, boosts=(boost,))


def made(records):
    return [(payload, orjson.loads(payload.body)) for payload in records.payloads]


@given(slug=SLUG)
def test_segments_and_rules_are_known_again(slug):
    ((payload, record),) = made(segment_records([segment(slug)], POLICY, TARGET))
    as_read = {**record, "_highlightResult": {"ruleContext": {"value": slug}}}
    assert record_family(as_read) == named_family(record["objectID"]) == "segments"
    assert document_hash(as_read) == payload.hash

    ((payload, rule),) = made(segment_rules([segment(slug, priority=17)], POLICY, TARGET))
    as_read = {**rule, "_metadata": {"lastUpdate": 1}}
    assert is_our_rule(as_read)
    assert document_hash(as_read) == payload.hash


@given(tokens=st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=3), segments=st.sets(SLUG, max_size=2))
def test_profiles_are_known_again(tokens, segments):
    person = Profile(
        tokens=tuple(tokens), optional_filters=(("brand:Apple<score=20>",),), segments=tuple(sorted(segments))
    )
    for payload, record in made(profile_records([person], IDS, TARGET)):
        assert record_family(record) == named_family(record["objectID"]) == "profiles"
        assert document_hash(record) == payload.hash


SEGMENT = {"objectID": "segment-gold", "optionalFilters": [], "ruleContext": "algosync-gold"}
PROFILE = {"objectID": "A" * 43, "optionalFilters": [], "ruleContexts": [], "segments": ["0" * 12]}
RULE = {
    "objectID": "algosync-5-gold",
    "conditions": [{"context": "algosync-gold"}],
    "consequence": {"userData": {}},
    "description": "algosync: Gold",
    "enabled": True,
    "tags": ["algosync"],
}


@pytest.mark.parametrize(
    "record",
    [
        {**SEGMENT, "objectID": "segment-silver"},
        {**SEGMENT, "objectID": "segments-gold"},
        {**SEGMENT, "objectID": "segment-"},
        {**SEGMENT, "ruleContext": ["algosync-gold"]},
        {**SEGMENT, "optionalFilters": None},
        {**SEGMENT, "more": 1},
        {**SEGMENT, "_tags": ["edited"]},
        {**PROFILE, "objectID": "A" * 42},
        {**PROFILE, "objectID": "A" * 42 + "/"},
        {**PROFILE, "segments": ["gold"]},
        {**PROFILE, "segments": [7]},
        {**PROFILE, "segments": None},
        {"objectID": "A" * 43},
    ],
)
def test_other_records_are_not_ours(record):
    assert record_family(SEGMENT) == "segments"
    assert record_family(PROFILE) == "profiles"
    assert record_family(record) is None


@pytest.mark.parametrize(
    "rule",
    [
        {**RULE, "objectID": "algosync-gold"},
        {**RULE, "objectID": "algosync-5-silver"},
        {**RULE, "objectID": "xalgosync-5-gold"},
        {**RULE, "objectID": "algosync-5-"},
        {**RULE, "tags": []},
        {**RULE, "conditions": []},
        {**RULE, "conditions": [{"context": "algosync-gold", "pattern": "x"}]},
        {**RULE, "validity": []},
        {"objectID": "algosync-5-gold", "consequence": {}},
    ],
)
def test_other_rules_are_not_ours(rule):
    assert is_our_rule(RULE)
    assert not is_our_rule(rule)


@given(words=st.lists(st.text(), min_size=1, max_size=3, unique=True), edit=JSON)
def test_an_attribute_is_what_we_wrote_or_it_is_not(words, edit):
    names = [f"p{n}" for n in range(len(words))]
    written = product_records(names, {"price_band": Values(column=pa.array(words))}, TARGET)

    for payload, record in made(written):
        attribute = record["algosync"]
        assert attribute_hash(attribute) == attribute["v"] == payload.hash
        assert attribute_standing(attribute) == "ours"

        for other in ({**attribute, "related": edit}, {**attribute, "v": "0" * 12}, {**attribute, "price_band": edit}):
            if other != attribute:
                assert attribute_hash(other) not in (payload.hash, other["v"])
                assert attribute_standing(other) == "altered"
        assert attribute_standing({"price_band": edit}) == attribute_standing(edit) == "foreign"
