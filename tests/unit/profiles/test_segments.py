from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.profiles.affinity import AffinityRules, landmark_of
from algosync.profiles.attributes import attributes
from algosync.profiles.batch_facts import facts
from algosync.profiles.batch_segments import Known, memberships, person_of, segment_scores
from algosync.profiles.batch_visitors import visitors
from algosync.profiles.definitions import parse_segments
from algosync.profiles.facts import MICRO
from algosync.profiles.identity import usable
from algosync.profiles.returns import net_of_returns
from algosync.profiles.verdicts import evaluate, why

AS_OF = datetime(2026, 4, 20, 12, tzinfo=UTC)
FACETS = ("categories", "brand")
CATALOG = {
    1: {"categories": ["Books", "Novels"], "brand": ["Acme"]},
    2: {"categories": ["Phones"], "brand": ["Apple"]},
    3: {"categories": ["Books"]},
}
RULES = AffinityRules(weights={"view": 1, "purchase": 30}, facets=FACETS)


def days(number: float) -> datetime:
    return AS_OF - timedelta(days=number)


@pytest.fixture(scope="session")
def known(log, item_values, stored):
    def make(segments, *written: dict) -> Known:
        seen, values = stored(usable(log(*written), as_of=AS_OF)), item_values(CATALOG)
        net = stored(net_of_returns(seen))
        return Known(
            facts=stored(facts(net, values, segments, as_of=AS_OF)),
            scores=stored(segment_scores(net, values, RULES, segments, landmark=landmark_of(AS_OF))),
            attributes=stored(attributes(seen)),
            visitors=stored(visitors(seen, as_of=AS_OF)),
        )

    return make


def parse(**conditions):
    document = {name: {"when": condition} for name, condition in conditions.items()}
    return parse_segments(document, affinity_facet="categories", facets=FACETS)


@pytest.fixture(scope="session")
def inside(known, rows):
    """The segments of person 1, after the batch and the single-user way agreed on everybody."""

    def judge(written: list[dict], **conditions) -> set[str]:
        segments = parse(**conditions)
        data = known(segments, *written)
        batch = set(rows(memberships(data, segments, as_of=AS_OF)))
        single = set()
        for (person,) in rows(data.visitors, "person"):
            verdict = evaluate(person_of(data, person), segments, as_of=AS_OF)
            single |= {(person, name) for name, holds in verdict.items() if holds}
        assert batch == single
        return {name for person, name in batch if person == 1}

    return judge


def test_windows_are_whole_utc_days_plus_today(inside):
    written = [{"object": 1, "at": datetime(2026, 4, 18, 0, 0, tzinfo=UTC)}]
    event = {"type": "view"}
    conditions = {f"d{n}": {"events": {**event, "within_days": n}} for n in (0, 1, 2)}
    assert inside(written, **conditions, ever={"events": event}) == {"d2", "ever"}


def test_counts_and_amounts_are_net_of_returns(inside):
    bought = {"kind": "purchase", "object": 1, "at": days(1), "price": 10.1, "discount": 2.0, "order_id": "o"}
    written = [
        {**bought, "quantity": 3},
        {**bought, "quantity": -1},
        {**bought, "object": 2, "quantity": 1, "price": 0.2},
    ]
    conditions = {
        "at_least": {"events": {"type": "purchase", "sum_price_min": 20.4}},
        "more": {"events": {"type": "purchase", "sum_price_min": 20.41}},
        "at_most": {"events": {"type": "purchase", "sum_price_max": 20.4}},
        "saved": {"events": {"type": "purchase", "sum_discount_min": 6}},
        "share": {"events": {"type": "purchase", "discount_share_min": 0.22}},
        "big_share": {"events": {"type": "purchase", "discount_share_min": 0.23}},
        "two": {"events": {"type": "purchase", "count_min": 2, "count_max": 2}},
        "deal": {"events": {"discount": [2, 2]}},
    }
    assert inside(written, **conditions) == {"at_least", "at_most", "saved", "share", "two", "deal"}


def test_none_is_a_count_but_a_missing_value_makes_a_leaf_false(inside):
    written = [{"at": days(1)}]
    conditions = {
        "no_purchases": {"events": {"type": "purchase", "count_max": 0}},
        "nothing_spent": {"events": {"type": "purchase", "sum_price_max": 5}},
        "no_share": {"events": {"type": "purchase", "discount_share_min": 0}},
        "low_score": {"affinity": {"value": "Books", "score_max": 5}},
        "not_books": {"not": {"affinity": {"value": "Books"}}},
        "age": {"attribute": {"age": {"max": 99}}},
        "no_age": {"not": {"attribute": {"age": {"max": 99}}}},
    }
    assert inside(written, **conditions) == {"no_purchases", "nothing_spent", "not_books", "no_age"}


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("25", {"bounds", "low"}),
        ("25.5", {"bounds"}),
        ("19-24", {"band"}),
        ("-3", {"low"}),
        ("", set()),
        ("2٥", set()),
        ("25\n", set()),
        ("1e1", set()),
        (" 25", set()),
    ],
)
def test_attributes_compare_as_numbers_only_where_they_are(inside, value, names):
    conditions = {
        "bounds": {"attribute": {"age": {"min": 18, "max": 29.5}}},
        "low": {"attribute": {"age": {"max": 25}}},
        "band": {"attribute": {"age": ["19-24", "24-29"]}},
    }
    assert inside([{"context": [("age", value)], "at": days(1)}], **conditions) == names


def test_scores_are_compared_unrounded(inside):
    written = [{"object": 1, "at": days(1)}] * 3 + [{"object": 2, "at": days(1)}]
    conditions = {
        "six": {"affinity": {"value": "Phones", "score_min": 6.6666}},
        "seven": {"affinity": {"value": "Phones", "score_min": 6.67}},
        "either": {"affinity": {"value": ["Toys", "Phones"], "score_max": 7}},
    }
    assert inside(written, **conditions) == {"six", "either"}


def test_segments_refer_to_segments(inside):
    conditions = {
        "a": {"not": {"segment": "z"}},
        "b": {"all": [{"segment": ["z", "a"]}, {"visitor": {"visit": "returning"}}]},
        "z": {"events": {"categories": "Phones"}},
    }
    assert inside([{"object": 1, "at": days(1)}], **conditions) == {"a", "b"}


def test_no_segments_means_no_members(inside):
    assert inside([{"object": 1, "at": days(1)}]) == set()


amounts = st.sampled_from([1, 2, 5, 9.99, 20, 40])
event_leaves = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["view", "purchase", ["view", "purchase"]]),
        "categories": st.sampled_from(["Books", "Phones", ["Novels", "Phones"]]),
        "facet": st.just({"brand": ["Apple", "Acme"]}),
        "price": st.sampled_from([[1, 9.99], [5, 20], [0, 40]]),
        "discount": st.just([1, 3]),
        "count_min": st.integers(0, 2),
        "count_max": st.integers(2, 3),
        "sum_price_min": amounts,
        "sum_discount_min": amounts,
        "discount_share_min": st.sampled_from([0, 0.1, 0.25]),
        "within_days": st.sampled_from([0, 1, 3]),
    },
)
affinity_leaves = st.fixed_dictionaries(
    {"value": st.sampled_from(["Books", "Phones", ["Novels", "Toys"]])},
    optional={"score_min": st.integers(0, 20), "score_max": st.just(20)},
)
tree = st.recursive(
    st.one_of(
        event_leaves.map(lambda leaf: {"events": leaf}),
        affinity_leaves.map(lambda leaf: {"affinity": leaf}),
        st.sampled_from(
            [{"age": "20"}, {"age": {"min": 20}}, {"age": {"max": 30}}, {"city": ["Ulm", "Bonn"], "age": 20}]
        ).map(lambda leaf: {"attribute": leaf}),
        st.fixed_dictionaries({"state": st.sampled_from(["visitor", ["user", "buyer"]])}).map(
            lambda leaf: {"visitor": leaf}
        ),
    ),
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=3).map(lambda some: {"all": some}),
        st.lists(parts, min_size=1, max_size=3).map(lambda some: {"any": some}),
        parts.map(lambda part: {"not": part}),
    ),
    max_leaves=5,
)
logs = st.lists(
    st.fixed_dictionaries(
        {
            "token": st.integers(1, 5),
            "at": st.sampled_from([0, 0.4, 0.6, 1, 1.5, 3, 3.6, 9]).map(days),
            "kind": st.sampled_from(["view", "purchase", "purchase"]),
        },
        optional={
            "object": st.integers(1, 4),
            "price": amounts,
            "discount": st.sampled_from([0.0, 1.0, 2.5]),
            "quantity": st.sampled_from([1, 2, -1]),
            "auth": st.just(9),
            "context": st.sampled_from([[("age", "20")], [("age", "19-24"), ("city", "Ulm")], [("age", "31")]]),
        },
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=6)
@given(logs, st.lists(tree, min_size=4, max_size=8))
def test_batch_and_single_user_agree_on_everything(inside, written, conditions):
    named = {f"s{i}": condition for i, condition in enumerate(conditions)}
    chained = {"t": {"any": [{"segment": "s0"}, {"not": {"segment": "s1"}}]}}
    inside(written, **named, **chained)


@settings(max_examples=4)
@given(logs, st.integers(0, 30))
def test_facts_add_up(log, item_values, rows, written, cut):
    segments = parse(a={"events": {"type": "view", "within_days": 3}}, b={"events": {"categories": "Books"}})
    kept = [{**row, "quantity": 1, "auth": None} for row in written]

    def counted(part):
        net = net_of_returns(usable(log(*part), as_of=AS_OF))
        found = rows(facts(net, item_values(CATALOG), segments, as_of=AS_OF))
        return Counter({(*row[:3], place): amount for row in found for place, amount in enumerate(row[3:])})

    added = counted(kept[:cut])
    added.update(counted(kept[cut:]))
    assert added == counted(kept)


def test_facts_are_whole_millionths_by_day_only_for_windows(log, item_values, rows):
    segments = parse(w={"events": {"type": "view", "within_days": 2}}, e={"events": {"type": "view"}})
    written = [{"object": 1, "at": days(n), "price": 0.1} for n in (0, 0, 1, 5)]
    table = facts(net_of_returns(usable(log(*written), as_of=AS_OF)), item_values(CATALOG), segments, as_of=AS_OF)
    today = int(AS_OF.timestamp()) // 86_400
    by_day = {day: (count, paid) for _, _, day, count, paid, _ in rows(table)}
    assert by_day == {None: (4, 4 * MICRO // 10), today: (2, MICRO // 5), today - 1: (1, MICRO // 10)}


def test_why_tells_each_condition_with_the_persons_numbers(known):
    segments = parse(
        fans={
            "all": [
                {"affinity": {"value": "Books", "score_min": 5}},
                {"any": [{"events": {"type": "view", "price": [10, 25], "count_min": 2, "within_days": 90}}]},
                {"events": {"type": "purchase", "sum_price_min": 20}},
                {"attribute": {"age": {"min": 18}}},
                {"visitor": {"visit": "returning", "state": ["user", "buyer"]}},
                {"not": {"segment": "staff"}},
            ]
        },
        staff={"attribute": {"role": "staff"}},
    )
    data = known(
        segments,
        {"object": 1, "price": 14.99, "at": days(1)},
        {"kind": "purchase", "object": 1, "price": 24.5, "at": days(1), "context": [("age", "20")]},
    )
    found = why(person_of(data, 1), "fans", segments, as_of=AS_OF)
    assert [(reason.depth, reason.text, reason.holds) for reason in found] == [
        (0, "all of", False),
        (1, "affinity to categories Books (at least 5): 20 of 20", True),
        (1, "any of", False),
        (2, "view events with price 10 to 25 in the last 90 days and today: 1 (at least 2)", False),
        (1, "purchase events: 24.50 paid (at least 20)", True),
        (1, "attribute age (at least 18): 20", True),
        (1, "visitor returning and user or buyer: returning buyer", True),
        (1, "not", True),
        (2, "in segment staff: in none", False),
    ]
    assert person_of(data, 77) is None
