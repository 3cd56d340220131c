"""The compiler of optionalFilters: its example, its limits and its laws."""

from __future__ import annotations

from itertools import product

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import ConfigError
from algosync.payloads.boosts import Boost
from algosync.payloads.filters import (
    FILTERS_MAX,
    GROUPS_MAX,
    Compiled,
    FilterPolicy,
    compile_boosts,
    compile_profile,
    count_sums,
)
from algosync.payloads.syntax import SCORE_MAX, parse

WEIGHTS = {"brand": 100, "categories": 60}
GROUP_SCORE_MAX = 20 * 100
names = st.sampled_from(["brand", "categories", "colour", "size", "season"])
values = st.sampled_from(["Apple", "Sony", "-x", "a:b", "Phones", "é", "N/A", "x<score=1>", "10", "true", "Zed"])
profiles = st.dictionaries(names, st.dictionaries(values, st.integers(1, 20), max_size=8), max_size=5)
policies = st.builds(
    FilterPolicy,
    weights=st.dictionaries(names, st.integers(1, 100)),
    values_per_facet=st.integers(1, 5),
    levels=st.integers(1, 6),
    max=st.integers(1, 12),
    declared=st.none() | st.frozensets(names),
)
boosts = st.lists(
    st.builds(
        Boost,
        slug=st.sampled_from(["one", "two", "three"]),
        conditions=st.dictionaries(names, st.tuples(values) | st.tuples(values, values), max_size=2),
        price=st.none() | st.just((10.0, 25.0)),
        score=st.integers(1, 20),
    ),
    max_size=4,
)


def policy(**changes: object) -> FilterPolicy:
    return FilterPolicy(**{"weights": WEIGHTS, "declared": frozenset({*WEIGHTS, "algosync.boosts"}), **changes})


def largest_sum(compiled: Compiled) -> int:
    """The most that a record can get: the best of every group, which comes first."""
    return sum(parse(group[0]).score for group in compiled.optional_filters)


def reasons(compiled: Compiled) -> dict[tuple[str, str], str]:
    return {(r.facet, r.value): r.reason for r in compiled.refused}


def test_the_example_of_the_design() -> None:
    compiled = compile_profile({"categories": {"Phones": 12}, "brand": {"Sony": 5, "Apple": 20}}, policy())
    assert orjson.dumps(compiled.optional_filters) == (
        b'[["brand:Apple<score=2000>","brand:Sony<score=667>"],["categories:Phones<score=720>"]]'
    )
    assert compiled.refused == compiled.notes == ()
    assert compiled.distinct_sums == 6
    assert largest_sum(compiled) == 2720
    sony = compiled.receipts[1]
    assert (sony.score, sony.weight, sony.product, sony.level, sony.emitted) == (5, 100, 500, 1, 667)


@pytest.mark.parametrize(("score", "emitted"), [(1, 667), (6, 667), (7, 1333), (13, 1333), (14, 2000), (20, 2000)])
def test_levels_are_equal_steps_of_the_largest(score: int, emitted: int) -> None:
    compiled = compile_profile({"brand": {"Apple": 20, "Sony": score}}, policy())
    assert [r.emitted for r in compiled.receipts if r.value == "Sony"] == [emitted]


def test_the_best_of_a_facet_then_the_best_of_all() -> None:
    scores = {"brand": {"a": 9, "b": 9, "c": 20, "d": 1}, "categories": {"x": 20, "y": 1}}
    compiled = compile_profile(scores, policy(values_per_facet=2, max=3))
    assert compiled.optional_filters == (
        ("brand:c<score=2000>", "brand:a<score=1333>"),
        ("categories:x<score=1200>",),
    )
    assert reasons(compiled) == {
        ("brand", "b"): "cut: more than 2 values of brand",
        ("brand", "d"): "cut: more than 2 values of brand",
        ("categories", "y"): "cut: more than 3 filters in all",
    }


def test_every_refusal_has_its_reason() -> None:
    scores = {
        "brand": {"Unknown": 3, "": 3, "x<score=2>": 3, "ok": 3, "zero": 0, "high": 21, "half": 1.5, "yes": True},
        "colour": {"red": 4},
        "size": {"XL": 4},
        "a:b": {"c": 4},
        "categories": {"Health/Pills": 20, "Healthy": 3},
    }
    weights = {**WEIGHTS, "colour": 10, "a:b": 10}
    compiled = compile_profile(scores, policy(weights=weights, never={"categories": ("Health/*",)}))
    assert compiled.optional_filters == (("brand:ok<score=300>",), ("categories:Healthy<score=180>",))
    why = reasons(compiled)
    assert "stands for no value" in why["brand", "Unknown"]
    assert "empty" in why["brand", ""]
    assert "<score=" in why["brand", "x<score=2>"]
    assert all("1 to 20" in why["brand", value] for value in ("zero", "high", "half", "yes"))
    assert "algosync setup" in why["colour", "red"]
    assert "no weight" in why["size", "XL"]
    assert "colon" in why["a:b", "c"]
    assert "sensitive" in why["categories", "Health/Pills"]
    assert len(why) == 11


def test_unknown_declarations_are_noted_not_refused() -> None:
    compiled = compile_profile({"brand": {"Apple": 1}}, policy(declared=None))
    assert compiled.optional_filters
    assert "not known" in compiled.notes[0]


def test_a_derived_facet_goes_by_its_full_name() -> None:
    mapped = policy(weights={"algosync.price_band": 40}, declared=frozenset({"algosync.price_band"}))
    assert compile_profile({"algosync.price_band": {"10-25": 20}}, mapped).optional_filters == (
        ("algosync.price_band:10-25<score=800>",),
    )
    direct = Boost(slug="cheap", conditions={"algosync.price_band": ("10-25",)}, score=2)
    assert compile_boosts([direct], mapped).optional_filters == (("algosync.price_band:10-25<score=200>",),)


def test_boosts_join_the_group_of_their_facet_or_name_a_tag() -> None:
    apple = Boost(slug="apple", conditions={"brand": ("Apple",)}, score=20)
    cheap = Boost(slug="cheap-books", conditions={"categories": ("Books",)}, price=(10, 25), score=18)
    compiled = compile_profile({"brand": {"Apple": 7, "Sony": 20}}, policy(), [cheap, apple])
    assert compiled.optional_filters == (
        ("brand:Apple<score=2000>", "brand:Sony<score=2000>"),
        ("algosync.boosts:cheap-books<score=1800>",),
    )
    assert {r.source for r in compiled.receipts} == {"profile", "boost:apple", "boost:cheap-books"}
    assert reasons(compiled)["brand", "Apple"].startswith("merged")


def test_a_boost_on_a_sensitive_value_is_in_no_filter() -> None:
    pills = Boost(slug="pills", conditions={"categories": ("Books", "Health/Pills")}, price=(1, 2), score=5)
    compiled = compile_boosts([pills], policy(never={"categories": ("Health/*",)}))
    assert compiled.optional_filters == ()
    assert "sensitive" in compiled.refused[0].reason


def test_tags_need_their_declaration() -> None:
    cheap = Boost(slug="cheap", conditions={}, price=(10, 25), score=18)
    compiled = compile_boosts([cheap], policy(declared=frozenset({"brand"})))
    assert compiled.optional_filters == ()
    assert "`algosync setup` adds filterOnly(algosync.boosts)" in compiled.refused[0].reason


def test_no_more_groups_than_a_sum_can_bear() -> None:
    weights = {f"f{i:02d}": 100 for i in range(40)}
    compiled = compile_profile({facet: {"x": 20} for facet in weights}, FilterPolicy(weights=weights, max=FILTERS_MAX))
    assert largest_sum(compiled) == GROUPS_MAX * GROUP_SCORE_MAX <= SCORE_MAX
    assert len(compiled.refused) == 40 - GROUPS_MAX


@pytest.mark.parametrize(
    "wrong",
    [{"levels": 0}, {"levels": 21}, {"max": 51}, {"values_per_facet": 0}, {"weights": {"brand": 101}}, {"max": 2.0}],
)
def test_policies_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="integer of 1 to"):
        policy(**wrong)


@given(profiles, policies, boosts, st.randoms())
def test_the_order_of_the_input_is_nothing(scores, rules, wanted, random) -> None:
    def shuffled(mapping):
        items = list(mapping.items())
        random.shuffle(items)
        return dict(items)

    again = shuffled({facet: shuffled(inner) for facet, inner in scores.items()})
    other = random.sample(wanted, len(wanted))
    assert compile_profile(scores, rules, wanted) == compile_profile(again, rules, other)


@given(profiles, policies, boosts)
def test_limits_hold_and_nothing_is_lost(scores, rules, wanted) -> None:
    compiled = compile_profile(scores, rules, wanted)
    emitted = [parse(text) for group in compiled.optional_filters for text in group]
    assert len(emitted) <= rules.max
    assert len(emitted) == len({(f.facet, f.value) for f in emitted})
    for group in compiled.optional_filters:
        parts = [parse(text) for text in group]
        assert 1 <= len(parts) <= rules.values_per_facet
        assert len({f.facet for f in parts}) == 1
        assert len({f.score for f in parts}) <= rules.levels
        assert all(1 <= f.score <= GROUP_SCORE_MAX for f in parts)
        assert [(-f.score, f.value) for f in parts] == sorted((-f.score, f.value) for f in parts)
    assert largest_sum(compiled) <= len(compiled.optional_filters) * GROUP_SCORE_MAX <= SCORE_MAX
    assert [(f.facet, f.value, f.score) for f in emitted] == [(r.facet, r.value, r.emitted) for r in compiled.receipts]
    said = {(r.facet, r.value) for r in (*compiled.receipts, *compiled.refused)}
    assert {(facet, value) for facet, inner in scores.items() for value in inner} <= said


@given(profiles, policies)
def test_a_larger_score_never_gets_less(scores, rules) -> None:
    receipts = compile_profile(scores, rules).receipts
    for one, other in product(receipts, receipts):
        if one.facet == other.facet and one.score > other.score:
            assert one.level >= other.level
            assert one.emitted >= other.emitted
        assert one.emitted >= one.product


@given(profiles, policies)
def test_compiling_what_was_kept_changes_nothing(scores, rules) -> None:
    compiled = compile_profile(scores, rules)
    kept: dict[str, dict[str, int]] = {}
    for receipt in compiled.receipts:
        kept.setdefault(receipt.facet, {})[receipt.value] = receipt.score
    assert compile_profile(kept, rules).optional_filters == compiled.optional_filters


@given(st.lists(st.lists(st.integers(1, 60), max_size=4), max_size=5))
def test_sums_are_counted_exactly(groups) -> None:
    every = {sum(choice) for choice in product(*([0, *group] for group in groups))}
    assert count_sums(groups) == len(every)


@given(profiles, policies, boosts)
def test_the_receipt_counts_the_sums_of_real_records(scores, rules, wanted) -> None:
    compiled = compile_profile(scores, rules, wanted)
    choices = [[0, *(parse(text).score for text in group)] for group in compiled.optional_filters]
    assert compiled.distinct_sums == len({sum(choice) for choice in product(*choices)})
