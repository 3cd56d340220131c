"""The brake's laws: putting back is neither change nor addition, and a plan stops over its limit and only there."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.sync.brake import BrakeLimits, Verdict, awaited_marks, bounded, judge, mark, shares
from algosync.sync.plan import UNSURE, There, plan

LIMITS = BrakeLimits(at_least=10)


def world(make, *, there, changed=0, gone=0, replaced=0, unsure=0, new=0):
    """A plan over products of which so many are there, change, go, were replaced by the feed, are unsure or are new."""
    kept = [make("related", f"p{n:04d}", "old") for n in range(there)]
    observed = {p.object_id: p.hash for p in kept}
    ledger = dict(observed)
    desired = list(kept)
    for n in range(changed):
        desired[n] = make("related", kept[n].object_id, "new")
    for one in kept[changed : changed + replaced]:
        observed[one.object_id] = None
    for one in kept[changed + replaced : changed + replaced + unsure]:
        ledger[one.object_id] = UNSURE
        observed[one.object_id] = "?"
    desired = desired[: there - gone]
    observed |= {f"n{n}": None for n in range(new)}
    desired += [make("related", f"n{n}", "new") for n in range(new)]
    held = There(observed={"products": observed}, ledger={("products", "related"): ledger})
    return plan(desired, held), held


def test_shares_are_told_family_by_family(make):
    drafted, held = world(make, there=100, changed=7, gone=5, replaced=20, unsure=3, new=11)

    (related,) = [share for share in shares(drafted, held) if share.family == "related"]

    told = (related.there, related.changes, related.deletes, related.restores, related.adds)
    assert told == (100, 7, 5, 23, 11)


@pytest.mark.parametrize(
    ("does", "kinds"),
    [
        ({"there": 100, "changed": 30}, []),
        ({"there": 100, "changed": 31}, ["change"]),
        ({"there": 100, "gone": 10}, []),
        ({"there": 100, "gone": 11}, ["delete"]),
        ({"there": 100, "changed": 40, "gone": 30}, ["change", "delete"]),
        ({"there": 100, "replaced": 100}, []),
        ({"there": 100, "unsure": 100}, []),
        ({"there": 0, "new": 500}, []),
        ({"there": 12, "changed": 9}, []),
    ],
)
def test_a_plan_stops_over_the_limit_and_only_there(make, does, kinds):
    drafted, held = world(make, **does)

    assert [stop.kind for stop in judge(drafted, held, LIMITS)] == kinds


def test_a_stop_says_how_many_of_how_many(make):
    drafted, held = world(make, there=100, changed=40)

    (stop,) = judge(drafted, held, LIMITS)

    assert str(stop) == "40 of 100 (40%) related would change, where 30% may"


def test_what_was_approved_counts_no_more_and_what_came_since_does(make):
    drafted, held = world(make, there=100, changed=40)
    approved = frozenset(map(mark, drafted.operations))
    more, there = world(make, there=100, changed=75)

    assert judge(drafted, held, LIMITS, approved) == ()
    assert [stop.objects for stop in judge(more, there, LIMITS, approved)] == [35]


def test_what_is_under_way_or_was_refused_is_known_by_the_marks_of_its_operations(make):
    held = There(observed={"products": {"p": None, "q": "old"}}, ledger={("payloads", "segments"): {"s": "old"}})
    sent = [make("related", "p"), make("related", "q", None)]
    refused = make("segments", "t")
    drafted = plan([*sent, refused], held)
    assert len(drafted.operations) == 4
    later = There(
        observed=held.observed,
        ledger=held.ledger,
        under_way={
            ("products", "related"): {one.object_id: one.hash for one in sent},
            ("payloads", "segments"): {"s": None},
        },
        refused={("payloads", "segments"): {"t": (refused.hash, "too large")}},
    )

    assert awaited_marks(later) == set(map(mark, drafted.operations))
    assert awaited_marks(held) == set()


def test_a_family_that_is_off_is_not_judged(make):
    drafted, held = world(make, there=100, changed=40)
    only_rules = plan([], held, families=["rules"])

    assert [share.family for share in shares(only_rules, held)] == ["rules"]
    assert drafted.hash != only_rules.hash


def test_products_that_left_the_index_are_not_there(make):
    drafted, held = world(make, there=100, changed=5)
    left = dict(list(held.observed["products"].items())[:50])

    assert shares(drafted, replace(held, observed={"products": left}))[0].there == 50


@given(
    there=st.integers(0, 60),
    parts=st.lists(st.integers(0, 15), min_size=5, max_size=5),
    limits=st.builds(
        BrakeLimits, change_share=st.floats(0, 1), delete_share=st.floats(0, 1), at_least=st.integers(1, 20)
    ),
)
def test_the_counts_are_the_plans_operations_and_stops_are_never_too_few_or_too_many(make, there, parts, limits):
    changed, gone, replaced, unsure, new = parts
    changed, replaced, unsure = min(changed, there), min(replaced, there), min(unsure, there)
    changed, replaced = min(changed, there // 4), min(replaced, there // 4)
    unsure, gone = min(unsure, there // 4), min(gone, there // 4)
    drafted, held = world(make, there=there, changed=changed, gone=gone, replaced=replaced, unsure=unsure, new=new)

    (share,) = [one for one in shares(drafted, held) if one.family == "related"]
    stops = {stop.kind for stop in judge(drafted, held, limits)}

    assert share.changes + share.deletes + share.restores + share.adds == len(drafted.operations)
    assert (share.changes, share.adds) == (changed, new)
    for kind, count, most in (
        ("change", share.changes, limits.change_share),
        ("delete", share.deletes, limits.delete_share),
    ):
        assert (kind in stops) == (count >= limits.at_least and count > most * share.there)


@given(adds=st.none() | st.integers(0, 30), new=st.integers(0, 20), changed=st.integers(0, 20))
def test_additions_are_bounded_in_order_and_nothing_else_is(make, adds, new, changed):
    drafted, _ = world(make, there=20, changed=changed, new=new)

    kept = bounded(drafted.operations, adds)

    added = [op for op in drafted.operations if op.kind == "add"]
    assert [op for op in kept if op.kind == "add"] == (added if adds is None else added[:adds])
    assert [op for op in kept if op.kind != "add"] == [op for op in drafted.operations if op.kind != "add"]
    places = [drafted.operations.index(op) for op in kept]
    assert places == sorted(places)


def test_a_verdict_announces_what_other_settings_move(make):
    drafted, held = world(make, there=100, changed=40, gone=2)
    quiet, same = world(make, there=100)

    def said(one, there, *, changed):
        return Verdict(hash=one.hash, shares=shares(one, there), stops=(), settings_changed=changed)

    assert said(drafted, held, changed=False).announced() == []
    assert said(quiet, same, changed=True).announced() == [
        "the settings have changed since the last run; nothing that is there changes"
    ]
    (line,) = said(drafted, held, changed=True).announced()
    assert line.endswith("40 of 100 (40%) related change and 2 of 100 (2%) go")
    document = Verdict(hash=drafted.hash, shares=shares(drafted, held), stops=judge(drafted, held, LIMITS)).document()
    assert document["families"]["related"]["changes"] == 40
    assert document["stops"][0]["says"].startswith("40 of 100")
    assert orjson.dumps(document)
