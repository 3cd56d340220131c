"""Records of the payload index: what is in them, and what must not be."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import ConfigError
from algosync.payloads.boosts import Boost
from algosync.payloads.contexts import Segment
from algosync.payloads.encode import OpaqueIds, Target, canonical, content_hash
from algosync.payloads.filters import FilterPolicy
from algosync.payloads.records import Profile, profile_records, segment_records

IDS = OpaqueIds(key=b"a key of the shop's own")
TARGET = Target(index="algosync_payloads")
POLICY = FilterPolicy(weights={"brand": 100}, declared=frozenset({"brand", "algosync.boosts"}))
FILTERS = (("brand:Apple<score=2000>",),)


def segment(slug: str = "cheap-books", **changes) -> Segment:
    cheap = Boost(slug="cheap-books", conditions={"categories": ("Books",)}, price=(10, 25), score=20)
    return Segment(**{"slug": slug, "name": "Book readers", "priority": 20, "boosts": (cheap,), **changes})


def test_a_segment_is_its_filters_and_its_context() -> None:
    bad = Boost(slug="bad", conditions={"colour": ("red",)}, score=1)
    made = segment_records([segment("z", boosts=()), segment(boosts=(*segment().boosts, bad))], POLICY, TARGET)
    assert [orjson.loads(p.body) for p in made.payloads] == [
        {
            "objectID": "segment-cheap-books",
            "optionalFilters": [["algosync.boosts:cheap-books<score=2000>"]],
            "ruleContext": "algosync-cheap-books",
        },
        {"objectID": "segment-z", "optionalFilters": [], "ruleContext": "algosync-z"},
    ]
    assert all(p.hash == content_hash(p.body) and p.index == "algosync_payloads" for p in made.payloads)
    assert [(slug, r.facet) for slug, r in made.refused] == [("cheap-books", "colour")]


def test_segments_of_one_name_are_an_error() -> None:
    with pytest.raises(ConfigError, match="2 segments"):
        segment_records([segment(), segment(priority=1)], POLICY, TARGET)


def test_a_profile_is_one_record_per_token_and_names_nobody() -> None:
    person = Profile(
        tokens=("anna@example.com", "device-77"),
        optional_filters=FILTERS,
        contexts=("algosync-cheap-books",),
        segments=("staff", "cheap-books"),
    )
    made = profile_records([person], IDS, TARGET)
    assert [p.object_id for p in made.payloads] == sorted(map(IDS.token, person.tokens))
    for payload in made.payloads:
        assert orjson.loads(payload.body) == {
            "objectID": payload.object_id,
            "optionalFilters": [["brand:Apple<score=2000>"]],
            "ruleContexts": ["algosync-cheap-books"],
            "segments": sorted(map(IDS.segment, person.segments)),
        }
        assert payload.body == canonical(orjson.loads(payload.body))
        assert not any(word in payload.body + payload.summary.encode() for word in (b"anna", b"device-77", b"staff"))


def test_nothing_to_say_and_tokens_of_two_people_have_no_record() -> None:
    people = [
        Profile(tokens=("a", "shared"), optional_filters=FILTERS),
        Profile(tokens=("shared", "shared"), optional_filters=()),
        Profile(tokens=("empty",), optional_filters=()),
        Profile(tokens=("context",), optional_filters=(), segments=("vip",)),
    ]
    made = profile_records(people, IDS, TARGET)
    assert [p.object_id for p in made.payloads] == sorted([IDS.token("a"), IDS.token("context")])
    why = {u.object_id: u.reason for u in made.unsent}
    assert len(made.unsent) == 2
    assert "more than one person" in why[IDS.token("shared")]
    assert "no filters" in why[IDS.token("empty")]


def test_too_large_is_never_sent() -> None:
    limit = Target(index="algosync_payloads", max_record_bytes=50)
    made = profile_records([Profile(tokens=("a",), optional_filters=FILTERS)], IDS, limit)
    assert not made.payloads
    assert "more than the 50" in made.unsent[0].reason


tokens = st.sampled_from("abcdef")


@given(st.lists(st.frozensets(tokens, min_size=1, max_size=2), max_size=5), st.randoms())
def test_order_is_nothing_and_nobody_is_lost(owners, random) -> None:
    people = [Profile(tokens=tuple(sorted(own)), optional_filters=FILTERS) for own in owners]
    made = profile_records(people, IDS, TARGET)
    assert made == profile_records(random.sample(people, len(people)), IDS, TARGET)
    known = [p.object_id for p in made.payloads] + [u.object_id for u in made.unsent]
    assert sorted(known) == sorted({IDS.token(t) for own in owners for t in own})
