"""What a boost becomes, and where boosts apply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.payloads.boosts import ApplyPolicy, Boost, boosts_apply, plan_boosts


def boost(slug: str = "b", score: int = 20, **changes) -> Boost:
    return Boost(**{"slug": slug, "conditions": {"categories": ("Books",)}, "score": score, **changes})


def test_one_value_alone_is_said_directly() -> None:
    plan = plan_boosts([boost()])
    assert [b.slug for b in plan.direct] == ["b"]
    assert not plan.tags
    assert not plan.refused


@pytest.mark.parametrize(
    "changes",
    [
        {"price": (10, 25)},
        {"popular": 20},
        {"conditions": {"categories": ("Books", "Films")}},
        {"conditions": {"categories": ("Books",), "brand": ("Penguin",)}},
        {"conditions": {}, "price": (10, 25)},
        {"conditions": {"brand": ("x<score=1>",)}},
        {"conditions": {"a:b": ("c",)}},
    ],
)
def test_all_else_needs_a_tag(changes) -> None:
    plan = plan_boosts([boost(**changes)])
    assert list(plan.tags) == ["b"]
    assert not plan.direct


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"slug": "a b"}, "letters"),
        ({"slug": ""}, "letters"),
        ({"score": 0}, "1 to 20"),
        ({"score": 21}, "1 to 20"),
        ({"score": 2.0}, "1 to 20"),
        ({"popular": 0}, "number of products"),
        ({"price": (25, 10)}, "lower to a higher"),
        ({"price": (-1, 10)}, "lower to a higher"),
        ({"price": (1, float("inf"))}, "lower to a higher"),
        ({"price": (float("nan"), 1)}, "lower to a higher"),
        ({"conditions": {}}, "without a condition"),
        ({"conditions": {"brand": ()}}, "no value"),
        ({"conditions": {"brand": ("N/A",)}}, "no value"),
        ({"conditions": {"brand": (" ",)}}, "no value"),
    ],
)
def test_what_cannot_be_said_is_refused(changes, why: str) -> None:
    plan = plan_boosts([boost(**changes)])
    assert not plan.direct
    assert not plan.tags
    assert why in plan.refused[0].reason


def test_one_name_one_meaning() -> None:
    assert len(plan_boosts([boost(), boost()]).direct) == 1
    clash = plan_boosts([boost(score=3), boost(score=4), boost("other")])
    assert [b.slug for b in clash.direct] == ["other"]
    assert "2 different boosts" in clash.refused[0].reason


@given(st.permutations([boost("a"), boost("b", price=(1, 2)), boost("c", 0), boost("d", popular=3), boost("a", 3)]))
def test_order_is_nothing(boosts) -> None:
    plan = plan_boosts(boosts)
    assert list(plan.tags) == ["b", "d"]
    assert [r.value for r in plan.refused] == ["a", "c"]


@pytest.mark.parametrize(
    ("place", "words", "hits", "policy", "applies"),
    [
        ("category:Books", 0, 100_000, ApplyPolicy(), True),
        ("category:Books", 0, 100_001, ApplyPolicy(), False),
        ("category:Books", 0, None, ApplyPolicy(), False),
        ("category:Books", 3, None, ApplyPolicy(), True),
        ("home", 0, 10, ApplyPolicy(), True),
        ("home", 0, 10, ApplyPolicy(category=False), False),
        ("search", 0, 10, ApplyPolicy(), True),
        ("search", 0, 200_000, ApplyPolicy(), False),
        ("search", 1, 200_000, ApplyPolicy(), True),
        ("search", 2, None, ApplyPolicy(), True),
        ("search", 3, 10, ApplyPolicy(), False),
        ("search", 1, 10, ApplyPolicy(words_max=0), False),
        ("search", 1, 10, ApplyPolicy(category=False), True),
        ("category", 0, 11, ApplyPolicy(hits_max=10), False),
    ],
)
def test_where_boosts_apply(place, words, hits, policy, applies) -> None:
    decision, reason = boosts_apply(place, words, hits, policy)
    assert decision is applies
    assert reason
