"""Laws of the comparison: it finds all that differs and nothing else, and what it plans leaves nothing to find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from algosync.operate.drift import (
    KINDS,
    WRONG,
    Evidence,
    Thing,
    compare,
    corrections,
    intruders,
    looked_at,
    repairing,
)
from algosync.payloads.encode import Payload
from algosync.sync.brake import BrakeLimits, judge
from algosync.sync.plan import FAMILIES, UNSURE, Prices, There

PLACES = [("products", "related"), ("payloads", "segments"), ("payloads", "profiles"), ("products", "rules")]
HASHES = ["a", "b", "c"]
EAGER = BrakeLimits(change_share=0, delete_share=0, at_least=1)


def name(place, n):
    return f"{'algosync-' if place[1] == 'rules' else ''}{place[1]}-{n}"


@st.composite
def worlds(draw):
    """Evidence of everything, what is desired, and what a plan is made from."""
    present = {name(PLACES[0], n) for n in draw(st.sets(st.integers(0, 4)))}
    published, wanted, seen, payloads = {}, {}, {}, []
    for place in PLACES:
        names = st.sampled_from([name(place, n) for n in range(5)])
        here = sorted(present) if place[1] == "related" else [name(place, n) for n in range(5)]
        there = st.sampled_from(here) if here else st.nothing()
        things = st.builds(Thing, st.sampled_from(HASHES), st.sampled_from(["ours", "altered", "foreign"]))
        published[place] = draw(st.dictionaries(names, st.sampled_from([*HASHES, UNSURE])))
        seen[place] = draw(st.dictionaries(there, things))
        wanted[place] = draw(st.dictionaries(there, st.sampled_from(HASHES)))
        payloads += [
            Payload(family=place[1], index=place[0], object_id=key, hash=digest, body=b"{}", summary="")
            for key, digest in wanted[place].items()
        ]
    observed = {n: seen[PLACES[0]][n].hash if n in seen[PLACES[0]] else None for n in present}
    return Evidence(published=published, wanted=wanted, seen=seen), payloads, There(observed={"products": observed})


def repaired(evidence, payloads, held):
    """What the evidence is once the ledger was told, and the plan is published."""
    found = compare(evidence)
    plan = repairing(found, payloads, held, prices=Prices())
    published = {place: dict(rows) for place, rows in evidence.published.items()}
    seen = {place: dict(things) for place, things in evidence.seen.items()}
    for row in corrections(found, sending=True):
        rows = published[row.index, row.family]
        rows[row.object_id] = row.hash
        if row.hash is None:
            del rows[row.object_id]
    for op in plan.operations:
        place = (op.index, op.family)
        if op.hash is None:
            seen[place].pop(op.object_id)
            published[place].pop(op.object_id, None)
        else:
            seen[place][op.object_id] = Thing(op.hash, "ours")
            published[place][op.object_id] = op.hash
    return Evidence(published=published, wanted=evidence.wanted, seen=seen)


@given(world=worlds())
def test_a_finding_is_a_difference_and_every_difference_is_one(world):
    evidence, _, _ = world

    found = {(one.index, one.family, one.object_id): one for one in compare(evidence)}

    for place in PLACES:
        for key in evidence.published[place].keys() | evidence.seen[place].keys():
            row, thing = evidence.published[place].get(key), evidence.seen[place].get(key)
            one = found.pop((*place, key), None)
            if row == UNSURE and thing is None and evidence.wanted[place].get(key) is None:
                assert one is None  # its write may still arrive
            else:
                assert (one is None) == (thing is not None and thing.hash == row)
            if one is not None:
                assert one.kind in KINDS
                assert one.there == (None if thing is None else thing.hash)
                assert (one.kind in ("missing", "stale")) == (thing is None)
                assert one.kind != "foreign" or (row is None and thing.standing == "foreign")
    assert not found


@given(world=worlds())
def test_a_repair_leaves_nothing_to_find_but_what_is_foreign(world):
    evidence, payloads, held = world

    after = repaired(evidence, payloads, held)

    left = compare(after)
    assert {one.kind for one in left} <= {"foreign"}
    assert not intruders(left)
    assert not repairing(left, payloads, held, prices=Prices()).operations


@given(world=worlds())
def test_a_repair_has_one_operation_for_each_object_that_needs_one(world):
    evidence, payloads, held = world
    found = compare(evidence)
    chosen = [one for one in found if one.kind != "foreign" or one in intruders(found)]

    plan = repairing(chosen, payloads, held, prices=Prices())

    needed = {one.key for one in chosen if one.kind == "foreign" or (one.kind in WRONG and one.there != one.wanted)}
    assert len(plan.operations) == len(needed)
    assert {(op.family, op.index, op.object_id) for op in plan.operations} == needed
    assert all(op.reason for op in plan.operations)


@given(world=worlds())
def test_to_put_right_is_no_change_that_a_brake_would_stop(world):
    evidence, payloads, held = world
    plan = repairing(compare(evidence), payloads, held, prices=Prices())

    assert {stop.kind for stop in judge(plan, held, EAGER)} <= {"delete"}
    assert all(op.kind != "add" for op in plan.operations)


@given(world=worlds(), data=st.data())
def test_a_sample_finds_what_a_whole_look_finds_of_it(world, data):
    whole, _, _ = world
    chosen = {
        place: data.draw(st.sets(st.sampled_from(sorted(rows)))) if rows else set()
        for place, rows in whole.published.items()
    }
    sample = Evidence(published=whole.published, wanted=whole.wanted, seen=whole.seen, looked=chosen)

    found = compare(sample)

    assert set(found) == {one for one in compare(whole) if one.object_id in chosen[one.index, one.family]}
    for part, every in zip(looked_at(sample, found, FAMILIES), looked_at(whole, compare(whole), FAMILIES), strict=True):
        assert part.wrong <= part.looked <= part.known == every.known == every.looked
        assert part.wrong <= every.wrong <= every.looked


@given(world=worlds(), data=st.data())
def test_nothing_is_said_of_what_is_under_way(world, data):
    whole, _, _ = world
    hidden = {place: data.draw(st.sets(st.sampled_from([name(place, n) for n in range(5)]))) for place in PLACES}
    evidence = Evidence(published=whole.published, wanted=whole.wanted, seen=whole.seen, under_way=hidden)

    assert set(compare(evidence)) == {
        one for one in compare(whole) if one.object_id not in hidden[one.index, one.family]
    }


@given(world=worlds())
def test_a_repair_that_is_not_sent_tells_the_ledger_of_no_edit(world):
    evidence, _, _ = world
    found = compare(evidence)

    told = {(row.index, row.family, row.object_id): row.hash for row in corrections(found, sending=False)}

    for one in found:
        key = (one.index, one.family, one.object_id)
        if one.kind in ("stale", "unrecorded") or (one.kind == "changed" and one.there == one.wanted):
            assert told.pop(key) == one.there
    assert not told
