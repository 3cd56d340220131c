"""The plan's laws: it leads from there to desired, it is empty once there, and it always says why."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import ConfigError
from algosync.sync.plan import FAMILIES, UNSURE, Operation, Plan, Prices, There, plan

IDS = [f"p{n}" for n in range(6)]
FAMILY = st.sampled_from(FAMILIES)


def name(family, n):
    return f"algosync-{n}" if family == "rules" else n


def turn(op):
    """Erasures first, related items last; what is worth more before what is worth less."""
    families = ["profiles", "segments", "rules", "related"]
    erasure = op.family == "profiles" and op.kind == "delete"
    return (not erasure, families.index(op.family), op.index, op.kind != "delete", -op.rank, op.object_id)


@st.composite
def worlds(draw, make):
    """Some desired payloads, and something else there."""
    keys = draw(st.sets(st.tuples(FAMILY, st.sampled_from(IDS)), max_size=14))
    content = st.sampled_from(["a", "b", None])
    desired = []
    for family, n in sorted(keys):
        said = draw(content)
        desired.append(make(family, name(family, n), said if family == "related" or said else "c"))
    hashes = st.sampled_from([p.hash for p in desired if p.hash] + ["other"])
    observed = draw(st.dictionaries(st.sampled_from(IDS), st.none() | hashes))
    ledger = {}
    for family in FAMILIES:
        index = "products" if family in ("related", "rules") else "payloads"
        held = draw(st.dictionaries(st.sampled_from([name(family, n) for n in IDS]), hashes, max_size=6))
        ledger[index, family] = held
    return desired, There(observed={"products": observed}, ledger=ledger)


def applied(done: Plan, there: There) -> There:
    """What is there once the operations are published."""
    observed = {index: dict(products) for index, products in there.observed.items()}
    ledger = {key: dict(hashes) for key, hashes in there.ledger.items()}
    for op in done.operations:
        if op.family == "related" and op.object_id in observed[op.index]:
            observed[op.index][op.object_id] = (orjson.loads(op.body)["algosync"] or {}).get("v")
        held = ledger.setdefault((op.index, op.family), {})
        if op.hash is None:
            held.pop(op.object_id, None)
        else:
            held[op.object_id] = op.hash
    return There(observed=observed, ledger=ledger)


@given(data=st.data())
def test_applying_the_plan_leads_to_what_is_desired_and_then_there_is_nothing_to_do(data, make):
    desired, there = data.draw(worlds(make))

    first = plan(desired, there)
    after = applied(first, there)

    wanted = {(p.index, p.family, p.object_id): p.hash for p in desired if p.hash is not None}
    products = after.observed["products"]
    on_products = {k: h for (_, f, k), h in wanted.items() if f == "related" and k in products}
    assert {k: v for k, v in products.items() if v is not None} == on_products
    for family in ("segments", "profiles", "rules"):
        index = "products" if family == "rules" else "payloads"
        held = after.ledger[index, family]
        assert held == {k: h for (_, f, k), h in wanted.items() if f == family}
    again = plan(desired, after)
    assert again.operations == ()
    assert sum(again.unchanged.values()) == len(on_products) + sum(k[1] != "related" for k in wanted)


@given(data=st.data())
def test_every_payload_is_accounted_for_and_order_of_input_is_of_no_account(data, make):
    desired, there = data.draw(worlds(make))
    shuffled = data.draw(st.permutations(desired))

    one, two = plan(desired, there), plan(shuffled, there)

    assert one == two
    keys = [(op.family, op.index, op.object_id) for op in one.operations]
    assert len(keys) == len(set(keys))
    turns = [turn(op) for op in one.operations]
    assert turns == sorted(turns)
    asking_nothing = sum(p.hash is None and there.observed["products"].get(p.object_id) is None for p in desired)
    writes = sum(op.kind != "delete" for op in one.operations)
    asked_away = sum(p.hash is None and there.observed["products"].get(p.object_id) is not None for p in desired)
    absent = sum(one.absent.values())
    assert writes + asked_away + asking_nothing + absent + sum(one.unchanged.values()) == len(desired)


@given(data=st.data(), off=FAMILY)
def test_a_family_that_is_switched_off_is_let_alone_and_said_so(data, make, off):
    desired, there = data.draw(worlds(make))
    on = [family for family in FAMILIES if family != off]

    done = plan(desired, there, families=on)

    assert done.off == (off,)
    assert off not in done.unchanged
    every = plan(desired, there).operations
    assert done.operations == tuple(op for op in every if op.family != off)


@pytest.mark.parametrize(
    ("observed", "published", "kind", "reason"),
    [
        (None, None, "add", "new"),
        (None, "old", "update", "lost: the shop's feed replaced the record"),
        ("old", "old", "update", "changed"),
        ("old", None, "update", "changed"),
        ("old", "same", "update", "lost: the index holds another version than was published"),
        (None, UNSURE, "update", "sent again: a run broke off while it was under way"),
    ],
)
def test_each_operation_on_a_product_says_why(make, observed, published, kind, reason):
    payload = make("related", "1", "x")
    published = payload.hash if published == "same" else published
    ledger = {} if published is None else {("products", "related"): {"1": published}}

    done = plan([payload], There(observed={"products": {"1": observed}}, ledger=ledger))

    (op,) = done.operations
    assert (op.kind, op.reason, op.previous, op.hash) == (kind, reason, observed, payload.hash)
    assert (op.action, op.body) == ("partialUpdateObjectNoCreate", payload.body)


def test_what_the_ledger_is_unsure_of_is_sent_again_whatever_version_it_bears(make):
    payload = make("related", "1", "x")
    held = There(observed={"products": {"1": payload.hash}}, ledger={("products", "related"): {"1": UNSURE}})

    (op,) = plan([payload], held).operations

    assert (op.kind, op.reason, op.hash) == (
        "update",
        "sent again: a run broke off while it was under way",
        payload.hash,
    )


def test_what_is_no_longer_desired_is_taken_away_in_each_familys_way(make):
    there = There(
        observed={"products": {"1": "v1", "2": None}},
        ledger={
            ("payloads", "segments"): {"segment-a": "h"},
            ("payloads", "profiles"): {"token": "h"},
            ("products", "rules"): {"algosync-1-a": "h", "merchandiser": "h"},
        },
    )

    done = plan([make("related", "2", None)], there)

    assert [(op.family, op.object_id, op.action, op.body) for op in done.operations] == [
        ("profiles", "token", "deleteObject", None),
        ("segments", "segment-a", "deleteObject", None),
        ("rules", "algosync-1-a", "deleteRule", None),
        ("related", "1", "partialUpdateObjectNoCreate", b'{"objectID":"1","algosync":null}'),
    ]
    assert {op.kind for op in done.operations} == {"delete"}
    assert all(op.reason and op.hash is None for op in done.operations)
    assert done.summary()["records_added"] == -2


def test_absent_products_are_counted_and_never_desired(make):
    done = plan(
        [make("related", "gone"), make("related", "2", index="other")], There(observed={"products": {"1": None}})
    )

    assert done.operations == ()
    assert done.absent == {"other": 1, "products": 1}


def test_what_is_refused_is_told_with_its_reason(make):
    twice, unnamed = make("segments", "a"), make("segments", "")
    foreign = make("rules", "merchandiser")

    done = plan([twice, twice, unnamed, foreign], There(observed={"products": {}}))

    assert [(r.family, r.object_id, r.reason) for r in done.refused] == [
        ("rules", "merchandiser", "rules of ours have an objectID that begins with 'algosync-'"),
        ("segments", "", "it has no objectID"),
        ("segments", "a", "given twice"),
    ]
    assert len(done.operations) == 1


def test_payload_records_never_go_into_a_product_index(make):
    with pytest.raises(ConfigError, match="is a product index"):
        plan([make("profiles", "a", index="products")], There(observed={"products": {}}))


def test_the_summary_adds_up_and_is_priced(make):
    there = There(observed={"products": {"1": None, "2": "old", "3": make("related", "3").hash}})
    desired = [make("related", n) for n in "123"] + [make("segments", "s")]

    summary = plan(desired, there, prices=Prices(per_1000_records=400.0, per_1000_operations=10.0)).summary()

    totals = {k: summary[k] for k in ("add", "update", "delete", "unchanged", "operations", "records_added")}
    assert totals == {"add": 2, "update": 1, "delete": 0, "unchanged": 1, "operations": 3, "records_added": 1}
    assert summary["bytes"] == sum(len(p.body) for p in desired if p.object_id != "3")
    assert summary["money"] == {"operations": 0.03, "records": 0.4}
    assert summary["families"]["related"]["operations"] == 2
    assert orjson.dumps(summary)


def test_the_hash_changes_with_what_is_done_and_with_nothing_else(make):
    there = There(observed={"products": {"1": None}})
    one, other = (plan([make("related", "1", said)], there) for said in "ab")

    assert one.hash == plan([make("related", "1", "a")], there, prices=Prices(per_1000_records=1)).hash
    assert one.hash != other.hash


def test_a_plan_is_frozen():
    assert all(cls.__dataclass_params__.frozen for cls in (Plan, Operation))
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan([], There(observed={})).hash = "x"


def test_a_payload_that_asks_for_nothing_is_not_absent(make):
    done = plan([make("related", "gone", None)], There(observed={"products": {"1": None}}))

    assert (done.operations, done.absent) == ((), {})


def test_what_is_worth_most_comes_first_and_the_hash_stays(make):
    there = There(observed={"products": dict.fromkeys("abc")})
    ranked = [replace(make("related", name), rank=rank) for name, rank in (("a", 1), ("b", 3), ("c", 2))]

    done = plan(ranked, there)

    assert [op.object_id for op in done.operations] == ["b", "c", "a"]
    assert done.hash == plan([replace(p, rank=0) for p in ranked], there).hash


def test_what_algolia_refused_is_left_out_until_it_changes_and_what_is_there_stays(make):
    large, other = make("related", "1", "large"), make("related", "1", "small")
    there = There(
        observed={"products": {"1": "old"}}, refused={("products", "related"): {"1": (large.hash, "is too big")}}
    )

    out = plan([large], there)
    assert (out.operations, [r.object_id for r in out.refused]) == ((), ["1"])
    assert "is too big" in out.refused[0].reason
    assert "quarantine retry" in out.refused[0].reason
    assert [op.hash for op in plan([other], there).operations] == [other.hash]
    assert [op.kind for op in plan([], there).operations] == ["delete"]


def test_what_is_too_large_to_be_made_does_not_take_away_what_is_there():
    there = There(observed={"products": {"1": "old", "2": "old"}})

    done = plan([], there, oversize=[("related", "products", "1")])

    assert [op.object_id for op in done.operations] == ["2"]


def test_what_is_under_way_is_not_sent_again_unless_it_changed_meanwhile(make):
    new = make("related", "1", "new")
    sent = {("products", "related"): {"1": new.hash, "2": None, "3": "other"}}
    there = There(observed={"products": {"1": "old", "2": "old", "3": "old"}}, under_way=sent)

    done = plan([new, make("related", "3", "newer")], there)

    assert ([op.object_id for op in done.operations], done.under_way) == (["3"], 2)
    assert done.summary()["under_way"] == 2
