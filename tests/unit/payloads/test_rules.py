"""One Rule per segment, within Algolia's limits."""

from __future__ import annotations

import orjson
import pytest

from algosync.payloads.boosts import Boost
from algosync.payloads.contexts import Segment
from algosync.payloads.encode import Target
from algosync.payloads.filters import FilterPolicy
from algosync.payloads.rules import rule_problem, segment_rules

TARGET = Target(index="products")
POLICY = FilterPolicy(weights={}, declared=frozenset({"brand"}))
APPLE = Boost(slug="apple", conditions={"brand": ("Apple",)}, score=20)


def segment(**changes) -> Segment:
    return Segment(**{"slug": "vip", "name": "Best customers", "priority": 20, "boosts": (APPLE,), **changes})


def test_the_rule_of_a_segment() -> None:
    made = segment_rules([segment(user_data={"banner": "gold", "level": 2})], POLICY, TARGET)
    assert orjson.loads(made.payloads[0].body) == {
        "objectID": "algosync-20-vip",
        "conditions": [{"context": "algosync-vip"}],
        "consequence": {
            "params": {"optionalFilters": [["brand:Apple<score=2000>"]]},
            "userData": {"banner": "gold", "level": 2},
        },
        "description": "algosync: Best customers",
        "enabled": True,
        "tags": ["algosync"],
    }
    assert made.payloads[0].family == "rules"
    assert made.payloads[0].index == "products"


def test_another_content_is_another_hash() -> None:
    variants = [segment(), segment(enabled=False), segment(name="x"), segment(user_data={"a": 1})]
    assert len({segment_rules([s], POLICY, TARGET).payloads[0].hash for s in variants}) == len(variants)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"boosts": ()}, "nothing for a Rule to do"),
        ({"priority": -1}, "priority"),
        ({"priority": 1_000_000}, "priority"),
        ({"user_data": {"a": "x" * 993}}, "1001 bytes of user data"),
    ],
)
def test_what_is_no_rule_is_said(changes, why: str) -> None:
    made = segment_rules([segment(**changes)], POLICY, TARGET)
    assert not made.payloads
    assert why in made.unsent[0].reason


def test_user_data_up_to_the_limit() -> None:
    assert segment_rules([segment(user_data={"a": "x" * 992})], POLICY, TARGET).payloads


def test_refused_boosts_come_with_their_segment() -> None:
    colour = Boost(slug="red", conditions={"colour": ("red",)}, score=2)
    made = segment_rules([segment(boosts=(APPLE, colour))], POLICY, TARGET)
    assert [(slug, r.facet, r.value) for slug, r in made.refused] == [("vip", "colour", "red")]


def test_limits_of_conditions() -> None:
    fine = {"conditions": [{"context": "a-b_C9"}] * 25, "consequence": {"params": {}}}
    assert rule_problem(fine) is None
    assert "26 conditions" in str(rule_problem({**fine, "conditions": [{"context": "a"}] * 26}))
    assert "holds more than" in str(rule_problem({**fine, "conditions": [{"context": "a b"}]}))
