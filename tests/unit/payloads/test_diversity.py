"""No single filter holds more than its share of the boost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.errors import ConfigError
from algosync.payloads.filters import FilterPolicy, compile_profile

WEIGHTS = {"brand": 100, "categories": 60}


def _policy(diversity):
    return FilterPolicy(weights=WEIGHTS, diversity=diversity)


def test_the_strongest_is_weakened_to_its_share():
    found = compile_profile({"brand": {"Apple": 20}, "categories": {"Books": 5}}, _policy(0.6))
    assert found.optional_filters == (("brand:Apple<score=450>",), ("categories:Books<score=300>",))
    assert found.receipts[0].product == 2000


def test_what_stands_alone_is_left_out_with_the_reason():
    found = compile_profile({"brand": {"Apple": 20}}, _policy(0.6))
    assert found.optional_filters == ()
    assert "it would hold all of the boost" in found.refused[0].reason


def test_without_a_limit_nothing_changes():
    scores = {"brand": {"Apple": 20, "Sony": 3}}
    assert compile_profile(scores, _policy(1.0)) == compile_profile(scores, FilterPolicy(weights=WEIGHTS))


@pytest.mark.parametrize("share", [0.49, 1.01, -1.0])
def test_a_share_is_from_a_half_to_one(share):
    with pytest.raises(ConfigError, match="diversity"):
        _policy(share)


SCORES = st.dictionaries(
    st.sampled_from(sorted(WEIGHTS)), st.dictionaries(st.sampled_from("abcde"), st.integers(1, 20), min_size=1)
)


@given(SCORES, st.floats(0.5, 1))
@settings(max_examples=60, deadline=None)
def test_nothing_holds_more_than_its_share(scores, share):
    found = compile_profile(scores, _policy(share))
    total = sum(receipt.emitted for receipt in found.receipts)
    for receipt in found.receipts:
        assert 0 < receipt.emitted <= share * total + 1e-6
