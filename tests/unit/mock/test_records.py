"""Batches against a plain dict, and what readers get to see."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import AlgoliaError
from algosync.mock.engine.records import merge, project
from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.server import MockAlgolia

HEADERS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}
ACTIONS = st.sampled_from(
    [
        "addObject",
        "updateObject",
        "partialUpdateObject",
        "partialUpdateObjectNoCreate",
        "deleteObject",
        "clear",
        "delete",
    ]
)
BODIES = st.fixed_dictionaries(
    {"objectID": st.sampled_from(["a", "b", "c"])},
    optional={"n": st.none() | st.integers(0, 5), "m": st.dictionaries(st.sampled_from("xy"), st.integers(0, 3))},
)
STEPS = st.lists(st.tuples(ACTIONS, BODIES), max_size=10)


def model(records, action, body):
    key = body["objectID"]
    if action in {"clear", "delete"}:
        records.clear()
    elif action == "deleteObject":
        records.pop(key, None)
    elif action in {"addObject", "updateObject"}:
        records[key] = body
    elif key in records or action == "partialUpdateObject":
        records[key] = {**records.get(key, {}), **body}


@given(st.lists(STEPS, max_size=4))
def test_batches_do_what_a_dict_does(batches):
    algolia, records, steps = MockAlgolia(), {}, 0
    for batch in batches:
        requests = [{"action": action, "body": body} for action, body in batch]
        call = Call(
            method="POST", path="/1/indexes/p/batch", headers=HEADERS, body=orjson.dumps({"requests": requests})
        )
        answer = handle(algolia, call)
        assert answer.status == 200
        named = [body["objectID"] for action, body in batch if action not in {"clear", "delete"}]
        assert orjson.loads(answer.body)["objectIDs"] == named
        for action, body in batch:
            model(records, action, body)
        steps += len(batch)
        assert algolia.content().get("p", {}).get("records", {}) == records
        assert algolia.operations.total() == steps


@given(st.lists(st.tuples(ACTIONS, BODIES), min_size=1, max_size=6), st.data())
def test_one_bad_request_leaves_everything_as_it_was(batch, data):
    algolia = MockAlgolia(max_record_bytes=60)
    good = [{"action": action, "body": body} for action, body in batch]
    bad = data.draw(
        st.sampled_from(
            [
                {"action": "addObject", "body": {"objectID": "a", "n": "x" * 60}},
                {"action": "bogus", "body": {}},
                {"action": "updateObject", "body": {}},
                {"action": "partialUpdateObject", "body": {"objectID": "a", "n": {"_operation": "Add", "value": None}}},
                {"action": "addObject"},
                "nothing",
            ]
        )
    )
    place = data.draw(st.integers(0, len(good)))
    requests = [*good[:place], bad, *good[place:]]
    body = orjson.dumps({"requests": [{"action": "addObject", "body": {"objectID": "z"}}]})
    handle(algolia, Call(method="POST", path="/1/indexes/p/batch", headers=HEADERS, body=body))
    before = algolia.content()
    call = Call(method="POST", path="/1/indexes/p/batch", headers=HEADERS, body=orjson.dumps({"requests": requests}))
    answer = handle(algolia, call)
    assert (answer.status, orjson.loads(answer.body)["position"]) == (400, place)
    assert algolia.content() == before
    assert algolia.operations.total() == 1


@pytest.mark.parametrize(
    ("old", "operation", "value", "new"),
    [
        (None, "Increment", 2, 2),
        (1.5, "Increment", 2, 3.5),
        (None, "Decrement", 2, -2),
        (None, "Add", "x", ["x"]),
        ([1], "Add", 1, [1, 1]),
        ([1], "AddUnique", 1, [1]),
        (None, "AddUnique", 1, [1]),
        ([1, 2, 1], "Remove", 1, [2]),
        (None, "Remove", 1, []),
        (None, "IncrementFrom", 0, 1),
        (4, "IncrementSet", 9, 9),
    ],
)
def test_operations(old, operation, value, new):
    assert merge(old, {"_operation": operation, "value": value}) == new


@pytest.mark.parametrize(
    ("old", "operation", "value"),
    [
        ("x", "Increment", 1),
        (1, "Increment", "1"),
        (True, "Increment", 1),
        (1, "Add", 1),
        ([], "Add", None),
        (1, [], 1),
    ],
)
def test_operations_that_do_not_fit(old, operation, value):
    with pytest.raises(AlgoliaError):
        merge(old, {"_operation": operation, "value": value})


def test_projection_leaves_the_record_alone():
    record = {"objectID": "a", "b": {"c": 1, "d": [{"e": 1, "f": 2}, {"f": 3}]}, "g.h": 4}
    before = orjson.dumps(record)
    assert project(record, None) is record
    assert project(record, ["b.c", "b.d.e"]) == {"objectID": "a", "b": {"c": 1, "d": [{"e": 1}, {}]}}
    assert project(record, ["g.h", "nothing", "b.nothing"]) == {"objectID": "a", "g.h": 4}
    assert project(record, ["*", "-b.c"], ["g.h"]) == {"objectID": "a", "b": {"d": record["b"]["d"]}}
    assert orjson.dumps(record) == before
