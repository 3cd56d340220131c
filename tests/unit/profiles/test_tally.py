from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.profiles.affinity import AffinityRules, landmark_of
from algosync.profiles.attributes import attributes
from algosync.profiles.batch_affinity import scores as batch_scores
from algosync.profiles.batch_affinity import sums
from algosync.profiles.batch_facts import facts
from algosync.profiles.batch_segments import Known, memberships
from algosync.profiles.batch_visitors import visitors
from algosync.profiles.definitions import parse_segments
from algosync.profiles.identity import known
from algosync.profiles.returns import net_of_returns
from algosync.profiles.tally import Step, Tally, add, evidence, person, scores, state, tally, visit
from algosync.profiles.verdicts import evaluate

RULES = AffinityRules(
    weights={"view": 1, "click": 3, "purchase": 30, "conversion": 0},
    facets=("categories", "brand"),
    half_life_days=7,
    never={"categories": ("Health/*",)},
)
VALUES = {
    1: {"categories": ["Books", "Novels"], "brand": ["Acme"]},
    2: {"categories": ["Phones"], "brand": ["Apple"]},
    3: {"categories": ["Health", "Books"]},
    4: {},
}
SEGMENTS = parse_segments(
    {
        "readers": {"when": {"affinity": {"value": "Books", "score_min": 10}}},
        "spenders": {"when": {"events": {"type": "purchase", "sum_price_min": 20, "within_days": 2}}},
        "callers": {"when": {"events": {"categories": "Phones", "count_min": 2, "price": [5, 20]}}},
        "savers": {"when": {"events": {"discount": [1, 3], "discount_share_min": 0.1}}},
        "newcomers": {"when": {"all": [{"visitor": {"visit": "new"}}, {"not": {"segment": "readers"}}]}},
        "twenties": {"when": {"attribute": {"age": {"min": 20, "max": 29}}}},
    },
    facets=("categories", "brand"),
    affinity_facet="categories",
)

moments = st.sampled_from([0, 0.01, 0.021, 0.05, 0.4, 0.6, 1, 1.5, 3, 3.6, 9, 33]).map(lambda n: timedelta(days=n))
events = st.lists(
    st.fixed_dictionaries(
        {"at": moments, "kind": st.sampled_from(["view", "click", "purchase", "conversion"])},
        optional={
            "object": st.integers(1, 4),
            "price": st.sampled_from([1, 5, 9.99, 20, 40]),
            "discount": st.sampled_from([0.0, 1.0, 2.5]),
            "quantity": st.sampled_from([0, 1, 3]),
            "context": st.sampled_from([[("age", "20")], [("age", "19-24"), ("city", "Ulm")], [("age", "31")]]),
        },
    ),
    max_size=20,
)


def step_of(row: dict, start) -> Step:
    object_ = row.get("object")
    return Step(
        at=(start + row["at"]).timestamp(),
        kind=row["kind"],
        object_id=None if object_ is None else str(object_),
        facets=None if object_ is None else {facet: tuple(v) for facet, v in VALUES[object_].items()},
        price=row.get("price"),
        discount=row.get("discount"),
        quantity=row.get("quantity"),
        context=dict(row.get("context", [])),
    )


def counted(rows: list[dict], start, landmark: int) -> Tally:
    return tally([step_of(row, start) for row in rows], RULES, SEGMENTS, landmark=landmark)


def flat(sums) -> dict[tuple[str, str], float]:
    """Sums by (facet, value): what `approx` compares."""
    return {(facet, value): total for facet, held in sums.items() for value, total in held.items()}


def alike(one: Tally, other: Tally) -> None:
    assert flat(one.sums) == pytest.approx(flat(other.sums), rel=1e-11)
    for name in ("landmark", "facts", "spans", "seen", "events", "products", "authenticated", "purchased", "context"):
        assert getattr(one, name) == getattr(other, name), name


def by_person(table, key: list[str], value: list[str]) -> dict[int, dict]:
    found: dict[int, dict] = {}
    for row in table.to_pyarrow().to_pylist():
        held = tuple(row[name] for name in value)
        found.setdefault(row["person"], {})[tuple(row[name] for name in key)] = held[0] if len(held) == 1 else held
    return found


@settings(max_examples=4)
@given(people=st.lists(events.filter(bool), min_size=15, max_size=25), later=st.sampled_from([0, 0.02, 0.5, 3]))
def test_one_person_counted_alone_is_as_in_the_batch(log, item_values, stored, start, people, later):
    as_of = start + max(row["at"] for rows in people for row in rows) + timedelta(days=later)
    landmark = landmark_of(as_of)
    everybody = log(*[{"token": token, **row} for token, rows in enumerate(people) for row in rows])
    identified, values = stored(known(everybody, as_of=as_of)), item_values(VALUES)
    net = stored(net_of_returns(identified))
    table = stored(sums(net, values, RULES, landmark=landmark))
    scored, written = stored(batch_scores(table)), stored(facts(net, values, SEGMENTS, as_of=as_of))
    seen = stored(visitors(identified, as_of=as_of, values=scored))
    told = Known(facts=written, scores=scored, attributes=attributes(identified), visitors=seen)

    batch_sums = by_person(table, ["facet", "value"], ["sum"])
    found = by_person(scored, ["facet", "value"], ["score"])
    windows = by_person(written, ["leaf", "day"], ["count", "sum_price", "sum_discount"])
    judged = {row["person"]: row for row in seen.to_pyarrow().to_pylist()}
    members = by_person(memberships(told, SEGMENTS, as_of=as_of), ["segment"], ["segment"])
    for token, rows in enumerate(people):
        alone = counted(rows, start, landmark)
        assert flat(alone.sums) == pytest.approx(batch_sums.get(token, {}), rel=1e-11)
        assert scores(alone) == pytest.approx(found.get(token, {}), abs=2e-9)
        # The tally keeps days that have left every window, too.
        assert windows.get(token, {}).items() <= dict(alone.facts).items()
        weighed = evidence(alone, values_kept=1000)
        for name in ("active_seconds", "sessions", "events", "products", "values"):
            assert getattr(weighed, name) == judged[token][name], name
        assert (visit(alone, as_of=as_of), state(alone)) == (judged[token]["visit"], judged[token]["state"])
        verdicts = evaluate(person(alone, as_of=as_of), SEGMENTS, as_of=as_of)
        assert {(name,) for name, holds in verdicts.items() if holds} == set(members.get(token, {}))


@settings(max_examples=100)
@given(
    rows=events,
    cut=st.lists(st.booleans(), min_size=20, max_size=20),
    landmarks=st.tuples(*[st.integers(670, 680)] * 2),
)
def test_parts_add_up_to_the_whole_in_any_order(start, rows, cut, landmarks):
    some = [row for row, mine in zip(rows, cut, strict=False) if mine]
    rest = [row for row, mine in zip(rows, cut, strict=False) if not mine]
    one, other = counted(some, start, landmarks[0]), counted(rest, start, landmarks[1])
    whole = counted(rows, start, max(landmarks))
    alike(add(one, other, RULES), whole)
    alike(add(other, one, RULES), whole)


def test_nothing_adds_nothing(start):
    nothing = counted([], start, 675)
    something = counted([{"at": timedelta(0), "kind": "view", "object": 1}], start, 675)
    alike(add(nothing, something, RULES), something)
    assert (nothing.seen, evidence(nothing, values_kept=10).events) == (None, 0)


def test_sessions_of_two_devices_that_overlap_are_one(start):
    def seen(*minutes: int) -> Tally:
        rows = [{"at": timedelta(minutes=minute), "kind": "view"} for minute in minutes]
        return counted(rows, start, 675)

    assert len(seen(0, 30, 60).spans) == 1
    assert len(seen(0, 31).spans) == 2
    assert len(add(seen(0, 31), seen(15, 20), RULES).spans) == 1


def test_sensitive_values_are_in_no_sum(start):
    found = counted([{"at": timedelta(0), "kind": "view", "object": 3}], start, 675)
    assert flat(found.sums).keys() == {("categories", "Books")}
