"""Requests never exceed their limits, lose nothing and keep the order."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.sync.batches import Limits, batches, records_body, rules_body, weigh
from algosync.sync.plan import Operation

OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["related", "segments", "rules"]),
        st.sampled_from(["i", "j"]),
        st.booleans(),
        st.integers(0, 60),
    ),
    max_size=30,
)


def operation(n, family, index, deleted, size):
    action = {
        ("related", False): "partialUpdateObjectNoCreate",
        ("related", True): "partialUpdateObjectNoCreate",
        ("segments", False): "updateObject",
        ("segments", True): "deleteObject",
        ("rules", False): "saveRule",
        ("rules", True): "deleteRule",
    }[family, deleted]
    body = orjson.dumps({"objectID": str(n), "x": "y" * size})
    return Operation(
        family=family,
        index=index,
        object_id=str(n),
        action=action,
        kind="delete" if deleted else "add",
        body=None if action in ("deleteObject", "deleteRule") else body,
        hash="h",
        previous=None,
        reason="new",
    )


@given(rows=OPERATIONS, records=st.integers(1, 7), size=st.integers(60, 500))
def test_limits_hold_nothing_is_lost_and_order_is_kept(rows, records, size):
    operations = [operation(n, *row) for n, row in enumerate(sorted(rows))]
    limits = Limits(records=records, bytes=size)

    made = list(batches(operations, limits))

    assert [op for batch in made for op in batch] == operations
    for batch in made:
        body = rules_body(batch) if batch[0].family == "rules" else records_body(batch)
        assert len(batch) <= records
        assert len(body) <= size or len(batch) == 1
        assert len({(op.family, op.index) for op in batch}) == 1
        assert len(batch) == 1 or all(op.action != "deleteRule" for op in batch)


def test_batches_are_as_full_as_they_may_be():
    operations = [operation(n, "related", "i", False, 10) for n in range(1000, 1100)]
    exact = len(records_body(operations[:10])) + 1

    assert [len(batch) for batch in batches(operations, Limits(records=40))] == [40, 40, 20]
    assert {len(batch) for batch in batches(operations, Limits(bytes=exact))} == {10}
    assert len(records_body(operations[:3])) - len(records_body(operations[:2])) == weigh(operations[2])


def test_bodies_are_what_algolia_expects():
    made = [operation(1, "related", "i", False, 1), operation(2, "segments", "i", True, 1)]
    assert orjson.loads(records_body(made)) == {
        "requests": [
            {"action": "partialUpdateObjectNoCreate", "body": {"objectID": "1", "x": "y"}},
            {"action": "deleteObject", "body": {"objectID": "2"}},
        ]
    }
    assert orjson.loads(rules_body([operation(3, "rules", "i", False, 1)])) == [{"objectID": "3", "x": "y"}]


@pytest.mark.parametrize("limits", [Limits(), Limits(records=1)])
def test_nothing_makes_no_request(limits):
    assert list(batches([], limits)) == []
