"""Batches against a plain dict, and what readers get to see."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import AlgoliaError
from algosync.mock.engine.partial import merge
from algosync.mock.engine.records import Stage, project
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


def stage(**held):
    made = iter(f"made{number}" for number in range(1, 10))
    base = {object_id: orjson.dumps({"objectID": object_id, **record}) for object_id, record in held.items()}
    return Stage(base=base, bytes_max=100_000, next_id=lambda: next(made))


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


REQUIRED = "The 'objectID' attribute is required to use action="


@pytest.mark.parametrize(
    "action", ["updateObject", "partialUpdateObject", "partialUpdateObjectNoCreate", "deleteObject"]
)
@pytest.mark.parametrize("body", [{}, {"objectID": None}, {"objectID": ""}])
def test_actions_that_need_an_object_id(action, body):
    """algolia/algoliasearch-client-csharp#558."""
    with pytest.raises(AlgoliaError) as refused:
        stage().apply(action, body, 3)
    assert (refused.value.what, refused.value.status, refused.value.position) == (f"{REQUIRED}{action}", 400, 3)


@pytest.mark.parametrize("object_id", [1.5, True, [], {}, ["a"], {"_operation": "Increment", "value": 1}])
@pytest.mark.parametrize("action", ["addObject", "updateObject", "partialUpdateObject", "deleteObject"])
def test_an_object_id_is_a_string_or_an_integer(action, object_id):
    with pytest.raises(AlgoliaError, match="must be a string or an integer"):
        stage().apply(action, {"objectID": object_id}, 0)


def test_integers_become_strings():
    """algolia.com/doc/guides/sending-and-managing-data/prepare-your-data/in-depth/what-is-in-a-record."""
    staged = stage()
    assert [staged.apply("addObject", {"objectID": number}, 0) for number in (42, -1)] == ["42", "-1"]
    assert staged.apply("deleteObject", {"objectID": 42}, 0) == "42"
    assert staged.changes == {"42": None, "-1": b'{"objectID":"-1"}'}


def test_an_object_id_may_be_long_and_strange():
    for object_id in ("x" * 5000, "a/b c?&%#\n", "ü🎽", "../..", "*"):
        staged = stage()
        assert staged.apply("addObject", {"objectID": object_id}, 0) == object_id
        assert orjson.loads(staged.changes[object_id]) == {"objectID": object_id}


def test_a_record_without_object_id_gets_one():
    staged = stage()
    assert [staged.apply("addObject", body, 0) for body in ({}, {"objectID": None})] == ["made1", "made2"]


@pytest.mark.parametrize("body", [None, 3, "text", [], [{"objectID": "a"}]])
def test_bodies_are_objects(body):
    with pytest.raises(AlgoliaError, match="expected a JSON object"):
        stage().apply("addObject", body, 0)


@pytest.mark.parametrize("action", [None, "", "AddObject", 3, [], "destroy"])
def test_unknown_actions(action):
    with pytest.raises(AlgoliaError, match="Invalid action"):
        stage().apply(action, {"objectID": "a"}, 0)


def test_a_partial_update_replaces_first_level_attributes_whole():
    """algolia.com/doc/rest-api/search/partial-update-object: a nested attribute replaces its first-level ancestor."""
    inner = {"_operation": "Increment", "value": 1}
    staged = stage(a={"nested": {"x": 1, "y": {"z": 2}}, "list": [1, 2], "keep": 0})
    staged.apply("partialUpdateObject", {"objectID": "a", "nested": {"y": {"n": inner}}, "list.0": 9, "list": [3]}, 0)
    assert orjson.loads(staged.changes["a"]) == {
        "objectID": "a",
        "nested": {"y": {"n": inner}},
        "list": [3],
        "list.0": 9,
        "keep": 0,
    }


def test_operations_of_one_batch_build_on_one_another():
    staged = stage(a={"n": 1})
    for body in (
        {"n": 5},
        {"n": {"_operation": "Increment", "value": 2}},
        {"n": {"_operation": "Decrement", "value": 1}},
    ):
        staged.apply("partialUpdateObject", {"objectID": "a", **body}, 0)
    assert orjson.loads(staged.changes["a"])["n"] == 6
    staged.apply("clear", {}, 0)
    staged.apply("partialUpdateObject", {"objectID": "a", "n": {"_operation": "Increment", "value": 2}}, 0)
    assert orjson.loads(staged.changes["a"]) == {"objectID": "a", "n": 2}
    staged.apply("deleteObject", {"objectID": "a"}, 0)
    staged.apply("partialUpdateObjectNoCreate", {"objectID": "a", "n": 1}, 0)
    assert staged.changes["a"] is None


@pytest.mark.parametrize(
    ("old", "operation", "value", "new"),
    [
        (None, "Increment", 2, 2),
        (1.5, "Increment", 2, 3.5),
        (None, "Decrement", 2, -2),
        (3, "Decrement", 0.5, 2.5),
        (None, "Add", "x", ["x"]),
        ([1], "Add", 1, [1, 1]),
        ([1], "AddUnique", 1, [1]),
        ([1], "AddUnique", 1.0, [1]),
        ([True], "AddUnique", 1, [True, 1]),
        ([{"x": 1}], "AddUnique", "x", [{"x": 1}, "x"]),
        (None, "AddUnique", 1, [1]),
        ([1, 2, 1], "Remove", 1, [2]),
        ([True, "1", 1], "Remove", 1, [True, "1"]),
        (None, "Remove", 1, []),
        (None, "IncrementFrom", 0, 1),
        (2, "IncrementFrom", 2, 3),
        (None, "IncrementSet", 1, 1),
        (1, "IncrementSet", 2, 2),
        (4, "IncrementSet", 9, 9),
    ],
)
def test_operations(old, operation, value, new):
    assert merge(old, {"_operation": operation, "value": value}) == new


@pytest.mark.parametrize(
    ("old", "operation", "value"),
    [
        (1, "IncrementFrom", 2),
        (None, "IncrementFrom", 2),
        (3, "IncrementFrom", 2),
        (2, "IncrementSet", 2),
        (3, "IncrementSet", 2),
        (None, "IncrementSet", 0),
    ],
)
def test_a_stale_version_leaves_the_whole_record_alone(old, operation, value):
    """algolia.com/doc/rest-api/search/partial-update-object, the examples of both operations."""
    staged = stage(a={"version": old}) if old is not None else stage()
    body = {"objectID": "a", "version": {"_operation": operation, "value": value}, "other": 1}
    assert staged.apply("partialUpdateObject", body, 0) == "a"
    assert staged.changes == {}


@pytest.mark.parametrize(
    ("old", "operation", "value"),
    [
        ("x", "Increment", 1),
        (1, "Increment", "1"),
        (True, "Increment", 1),
        (1e308, "Increment", 1e308),
        (1, "Add", 1),
        ([], "Add", None),
        ([], "Add", True),
        ([], "Remove", ["a"]),
        (1.5, "IncrementFrom", 1),
        (1, "IncrementSet", 2.5),
        (1, [], 1),
        (1, "Multiply", 1),
        (1, None, 1),
    ],
)
def test_operations_that_do_not_fit(old, operation, value):
    with pytest.raises(AlgoliaError):
        merge(old, {"_operation": operation, "value": value})


def test_a_number_beyond_64_bits_is_refused():
    staged = stage(a={"n": 2**63})
    body = {"objectID": "a", "n": {"_operation": "Increment", "value": 2**63}}
    with pytest.raises(AlgoliaError, match="Number out of range") as refused:
        staged.apply("partialUpdateObject", body, 4)
    assert (refused.value.position, refused.value.object_id) == (4, "a")


def test_a_record_nested_too_deep_is_refused():
    deep = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises(AlgoliaError, match="Invalid record: Recursion limit reached"):
        stage().apply("addObject", {"objectID": "a", "deep": deep}, 0)


def test_hidden_attributes_inside_arrays():
    record = {"objectID": "a", "offers": [{"price": 1, "cost": 2}, 3, {"cost": 4}], "cost": 5}
    shown = project(record, None, ["offers.cost"])
    assert shown == {"objectID": "a", "offers": [{"price": 1}, 3, {}], "cost": 5}
    assert project(record, ["offers"], ["offers.cost"]) == {"objectID": "a", "offers": [{"price": 1}, 3, {}]}


def test_projection_leaves_the_record_alone():
    record = {"objectID": "a", "b": {"c": 1, "d": [{"e": 1, "f": 2}, {"f": 3}]}, "g.h": 4}
    before = orjson.dumps(record)
    assert project(record, None) is record
    assert project(record, ["b.c", "b.d.e"]) == {"objectID": "a", "b": {"c": 1, "d": [{"e": 1}, {}]}}
    assert project(record, ["g.h", "nothing", "b.nothing"]) == {"objectID": "a", "g.h": 4}
    assert project(record, ["*", "-b.c"], ["g.h"]) == {"objectID": "a", "b": {"d": record["b"]["d"]}}
    assert orjson.dumps(record) == before
