from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.errors import ConfigError
from algosync.profiles.affinity import AffinityRules, landmark_of
from algosync.profiles.batch_affinity import arithmetic, scores, sums, top_scores
from algosync.profiles.identity import identify
from algosync.profiles.moments import month_start

WEIGHTS = {"view": 1, "click": 3, "add_to_cart": 10, "purchase": 30}
FACETS = ("brand", "colour")
CATALOG = {
    1: {"brand": ["Apple"], "colour": ["black", "white"]},
    2: {"brand": ["Sony"], "colour": ["black"]},
    3: {"brand": ["Acme"], "size": ["L"]},
}
AS_OF = datetime(2026, 4, 20, 12, tzinfo=UTC)
MONTH = landmark_of(AS_OF)
RULES = AffinityRules(weights=WEIGHTS, facets=FACETS, half_life_days=30)
few = settings(max_examples=4)

events_lists = st.lists(
    st.fixed_dictionaries(
        {
            "token": st.integers(1, 6),
            "object": st.integers(1, 4),
            "kind": st.sampled_from([*WEIGHTS, "conversion"]),
            "at": st.integers(0, 50 * 86_400).map(lambda s: timedelta(seconds=s)),
        }
    ),
    min_size=1,
    max_size=60,
)


def by_key(rows, table, column="sum"):
    return {key[:-1]: key[-1] for key in rows(table, "person", "facet", "value", column)}


def points(rows, table):
    """What sums that landed at MONTH amount to at AS_OF."""
    halves = (AS_OF.timestamp() - month_start(MONTH)) / (RULES.half_life_days * 86_400)
    return {key: total * 2**-halves for key, total in by_key(rows, table).items()}


def test_sums_of_views_and_purchases_halve_with_age(log, item_values, rows):
    events = identify(
        log(
            {"object": 1, "at": AS_OF},
            {"object": 1, "at": AS_OF - timedelta(days=30), "kind": "purchase"},
            {"object": 2, "at": AS_OF - timedelta(days=60)},
            {"object": 2, "at": AS_OF, "kind": "conversion"},
        )
    )
    found = points(rows, sums(events, item_values(CATALOG), RULES, landmark=MONTH))
    expected = {"Apple": 16.0, "Sony": 0.25, "black": 16.25, "white": 16.0}
    assert {value: total for (_, _, value), total in found.items()} == pytest.approx(expected, rel=1e-12)


def test_scores_are_relative_to_the_largest_and_ties_go_by_value(log, item_values, rows):
    events = identify(log(*({"object": i, "at": AS_OF} for i in (1, 1, 2, 3))))
    found = scores(sums(events, item_values(CATALOG), RULES, landmark=MONTH))
    assert rows(found, "facet", "rank", "value", "score") == [
        ("brand", 1, "Apple", 20.0),
        ("brand", 2, "Acme", 10.0),
        ("brand", 3, "Sony", 10.0),
        ("colour", 1, "black", 20.0),
        ("colour", 2, "white", 13.333333333),
    ]


def test_sensitive_values_are_in_no_sum(log, item_values, rows):
    never = {"category": ("Health/*", "adult?"), "brand": ("a.c",)}
    rules = AffinityRules(weights=WEIGHTS, facets=("category", "brand"), never=never)
    values = item_values(
        {1: {"category": ["health/Pregnancy", "Health", "Adults", "Adult"], "brand": ["abc", "a.c"], "other": ["x"]}}
    )
    events = identify(log({"object": 1}))
    assert rows(sums(events, values, rules, landmark=MONTH), "value") == [("Adult",), ("abc",)]
    assert len(rows(arithmetic(events, values, rules, as_of=AS_OF))) == 2


@pytest.mark.parametrize("days", [0, 0.5, float("nan")])
def test_a_half_life_below_a_day_is_refused(days):
    with pytest.raises(ConfigError, match="half_life_days"):
        AffinityRules(weights=WEIGHTS, facets=FACETS, half_life_days=days)


def test_a_negative_weight_is_refused():
    with pytest.raises(ConfigError, match=r"events\.view"):
        AffinityRules(weights={"view": -1}, facets=FACETS)


@pytest.mark.parametrize("rules", [AffinityRules(weights=WEIGHTS, facets=()), AffinityRules(weights={}, facets=FACETS)])
def test_nothing_to_count_gives_empty_tables_of_the_same_shape(log, item_values, rules):
    events, values = identify(log({"object": 1})), item_values(CATALOG)
    table = sums(events, values, rules, landmark=MONTH)
    whole = sums(events, values, RULES, landmark=MONTH)
    assert table.schema() == whole.schema()
    assert table.count().to_pyarrow().as_py() == 0
    top = top_scores(events, values, rules, landmark=MONTH, top=3)
    assert top.schema() == top_scores(events, values, RULES, landmark=MONTH, top=3).schema()


@few
@given(events_lists, st.integers(0, 60), st.randoms(use_true_random=False))
def test_sums_of_any_parts_in_any_order_are_the_sums_of_the_whole(log, item_values, rows, written, cut, random):
    values, shuffled = item_values(CATALOG), random.sample(written, len(written))
    whole = by_key(rows, sums(identify(log(*written)), values, RULES, landmark=MONTH))
    added = Counter()
    for part in (shuffled[:cut], shuffled[cut:]):
        added.update(by_key(rows, sums(identify(log(*part)), values, RULES, landmark=MONTH)))
    assert dict(added) == pytest.approx(whole, rel=1e-9)


@few
@given(events_lists, st.sampled_from([1.0, 7.5, 30.0]))
def test_what_is_a_half_life_older_counts_half(log, item_values, rows, written, half_life):
    rules = AffinityRules(weights=WEIGHTS, facets=FACETS, half_life_days=half_life)
    earlier = [{**row, "at": row["at"] - timedelta(days=half_life)} for row in written]
    now, then = (
        by_key(rows, sums(identify(log(*events)), item_values(CATALOG), rules, landmark=MONTH))
        for events in (written, earlier)
    )
    assert {key: total * 2 for key, total in then.items()} == pytest.approx(now, rel=1e-9)


@few
@given(events_lists)
def test_scores_stay_within_bounds_and_the_fast_way_agrees(log, item_values, rows, written):
    events, values = identify(log(*written)), item_values(CATALOG)
    columns = ("person", "facet", "value", "score", "rank")
    slow = rows(scores(sums(events, values, RULES, landmark=MONTH), top=2), *columns)
    assert rows(top_scores(events, values, RULES, landmark=MONTH, top=2), *columns) == slow
    assert all(0 < score <= 20 for *_, score, _ in slow)
    assert all(score == 20 for *_, score, rank in slow if rank == 1)
    assert all(rank <= 2 for *_, rank in slow)


@few
@given(events_lists)
def test_the_arithmetic_adds_up_to_what_is_shown(log, item_values, rows, written):
    events, values = identify(log(*written)), item_values(CATALOG)
    shown = points(rows, sums(events, values, RULES, landmark=MONTH))
    behind = arithmetic(events, values, RULES, as_of=AS_OF)
    added = by_key(rows, behind.group_by("person", "facet", "value").agg(points=behind.points.sum()), "points")
    assert added == pytest.approx(shown, rel=1e-9)


@few
@given(events_lists)
def test_stream_sums_add_up_to_person_sums(log, item_values, rows, written):
    logins = [{"token": 1, "auth": 9, "at": timedelta(days=20)}, {"token": 2, "auth": 9, "at": timedelta(days=30)}]
    events, values = identify(log(*written, *logins)), item_values(CATALOG)
    per_stream = sums(events, values, RULES, landmark=MONTH, by=("token", "epoch"))
    people = events.select("token", "epoch", "person").distinct()
    per_person = per_stream.join(people, ["token", "epoch"]).group_by("person", "facet", "value")
    added = per_person.agg(sum=lambda t: t["sum"].sum())
    whole = sums(events, values, RULES, landmark=MONTH)
    assert by_key(rows, added) == pytest.approx(by_key(rows, whole), rel=1e-9)


def test_last_bits_of_parallel_sums_do_not_decide_ranks(rows):
    sums_ = [0.1 + 0.2, 0.3, 0.3 * (1 + 1e-14)]
    table = ibis.memtable(pa.table({"person": [1] * 3, "facet": ["f"] * 3, "value": ["c", "b", "a"], "sum": sums_}))
    assert rows(scores(table), "rank", "value", "score") == [(1, "a", 20.0), (2, "b", 20.0), (3, "c", 20.0)]


def test_ancient_events_neither_overflow_nor_divide_by_nothing(log, item_values, rows):
    rules = AffinityRules(weights=WEIGHTS, facets=("brand",), half_life_days=1)
    long_ago = {"at": datetime(1971, 1, 1, tzinfo=UTC), "object": 1}
    events = identify(log(long_ago, {"object": 2, "at": AS_OF}, {"token": 2, **long_ago}))
    for table in (
        top_scores(events, item_values(CATALOG), rules, landmark=MONTH, top=None),
        scores(sums(events, item_values(CATALOG), rules, landmark=MONTH)),
    ):
        assert rows(table, "person", "value", "score") == [(1, "Sony", 20.0)]


@few
@given(events_lists)
def test_a_login_rewrites_no_stream_sums(log, item_values, rows, written):
    values = item_values(CATALOG)
    login = [{"token": token, "auth": 9, "at": timedelta(days=60)} for token in (1, 2, 3)]

    def per_stream(events):
        table = sums(identify(events), values, RULES, landmark=MONTH, by=("token", "epoch"))
        found = rows(table, "token", "epoch", "facet", "value", "sum")
        return {row[:-1]: row[-1] for row in found}

    assert per_stream(log(*written, *login)) == pytest.approx(per_stream(log(*written)), rel=1e-12)
