"""Records and indices through the official client."""

from __future__ import annotations

import pytest
from algoliasearch.http.exceptions import RequestException

from algosync.mock.keys import Key
from algosync.mock.server import MockAlgolia


def records(algolia: MockAlgolia, index: str = "products"):
    return algolia.content().get(index, {}).get("records", {})


def test_save_objects_and_wait(client, algolia):
    answers = client.save_objects("products", [{"objectID": str(i), "n": i} for i in range(2500)], wait_for_tasks=True)
    assert [len(answer.object_ids) for answer in answers] == [1000, 1000, 500]
    assert len(records(algolia)) == 2500
    assert algolia.operations == {"addObject": 2500}
    assert [r.path for r in algolia.requests][:3] == ["/1/indexes/products/batch"] * 3


def test_batch_of_all_actions_in_order(client, algolia):
    requests = [
        {"action": "addObject", "body": {"objectID": "gone"}},
        {"action": "clear", "body": {}},
        {"action": "addObject", "body": {"a": 1}},
        {"action": "updateObject", "body": {"objectID": "x", "a": 1, "b": 2}},
        {"action": "partialUpdateObject", "body": {"objectID": "x", "b": {"c": 3}}},
        {"action": "partialUpdateObject", "body": {"objectID": "made", "z": None}},
        {"action": "partialUpdateObjectNoCreate", "body": {"objectID": "absent", "a": 1}},
        {"action": "addObject", "body": {"objectID": "d"}},
        {"action": "deleteObject", "body": {"objectID": "d"}},
    ]
    answer = client.batch("products", {"requests": requests})
    generated = answer.object_ids[1]
    assert answer.object_ids == ["gone", generated, "x", "x", "made", "absent", "d", "d"]
    assert records(algolia) == {
        generated: {"objectID": generated, "a": 1},
        "x": {"objectID": "x", "a": 1, "b": {"c": 3}},
        "made": {"objectID": "made", "z": None},
    }
    client.batch("products", {"requests": [{"action": "delete", "body": {}}]})
    assert algolia.content() == {}
    assert algolia.operations.total() == 10


def test_a_record_too_big_refuses_the_whole_batch(client, algolia):
    algolia.max_record_bytes = 10_000
    client.save_objects("products", [{"objectID": "a", "v": 1}])
    before = algolia.content()
    with pytest.raises(RequestException) as refused:
        client.save_objects("products", [{"objectID": "a", "v": 2}, {"objectID": "big", "t": "x" * 10_000}])
    assert refused.value.status_code == 400
    assert "Record at the position 1 objectID=big is too big size=10025/10000 bytes." in str(refused.value)
    assert algolia.content() == before
    status = client.search_single_index("products", {}).nb_hits
    assert status == 1


def test_record_at_the_limit_is_accepted(client, algolia):
    algolia.max_record_bytes = 10_000
    client.save_objects("products", [{"objectID": "big", "t": "x" * 9975}])
    assert set(records(algolia)) == {"big"}


def test_partial_update_with_and_without_creation(client, algolia):
    client.save_object("products", {"objectID": "a", "keep": 1, "nested": {"x": 1, "y": 2}})
    client.partial_update_object("products", "a", {"nested": {"x": 9}, "none": None})
    client.partial_update_object("products", "b", {"v": 1}, create_if_not_exists=False)
    client.partial_update_object("products", "c", {"v": 1})
    client.partial_update_objects("products", [{"objectID": "d", "v": 1}])
    assert records(algolia) == {
        "a": {"objectID": "a", "keep": 1, "nested": {"x": 9}, "none": None},
        "c": {"objectID": "c", "v": 1},
    }


def test_built_in_operations(client, algolia):
    def change(**operations):
        body = {name: {"_operation": kind, "value": value} for name, (kind, value) in operations.items()}
        client.partial_update_object("products", "a", body)
        return records(algolia)["a"]

    client.save_object("products", {"objectID": "a", "n": 5, "tags": ["x", "y", "x"], "version": 2})
    assert change(n=("Increment", 3), fresh=("Decrement", 2))["n"] == 8
    assert records(algolia)["a"]["fresh"] == -2
    assert change(tags=("Remove", "x"))["tags"] == ["y"]
    assert change(tags=("Add", "y"))["tags"] == ["y", "y"]
    assert change(tags=("AddUnique", "y"))["tags"] == ["y", "y"]
    assert change(version=("IncrementFrom", 1), n=("Increment", 1)) == records(algolia)["a"]
    assert records(algolia)["a"]["n"] == 8, "a stale version ignores the whole update"
    assert change(version=("IncrementFrom", 2), n=("Increment", 1))["version"] == 3
    assert change(version=("IncrementSet", 3))["version"] == 3
    assert change(version=("IncrementSet", 10))["version"] == 10
    with pytest.raises(RequestException, match="Increment needs numbers"):
        change(tags=("Increment", 1))
    with pytest.raises(RequestException, match="Invalid _operation"):
        change(n=("Multiply", 2))


def test_versioned_update_creates_only_from_zero(client, algolia):
    version = {"_operation": "IncrementFrom", "value": 1}
    client.partial_update_object("products", "a", {"version": version})
    client.partial_update_object("products", "b", {"version": version | {"value": 0}})
    assert records(algolia) == {"b": {"objectID": "b", "version": 1}}


def test_single_record_routes(client, algolia):
    made = client.save_object("products", {"name": "no id"})
    assert made.object_id in records(algolia)
    assert made.created_at.endswith("Z")
    put = client.add_or_update_object("products", "a/b ü?", {"name": "odd id"})
    assert put.object_id == "a/b ü?"
    assert client.get_object("products", "a/b ü?") == {"objectID": "a/b ü?", "name": "odd id"}
    client.delete_object("products", "a/b ü?")
    with pytest.raises(RequestException) as missing:
        client.get_object("products", "a/b ü?")
    assert (missing.value.status_code, "ObjectID does not exist" in str(missing.value)) == (404, True)


def test_get_objects_keeps_order_and_nulls(client):
    record = {"objectID": "a", "algosync": {"v": "h", "similar": ["b"]}, "list": [{"k": 1, "l": 2}, {"k": 3}]}
    client.save_objects("products", [record, {"objectID": "b"}])
    wanted = [
        {"indexName": "products", "objectID": "b"},
        {"indexName": "products", "objectID": "missing"},
        {"indexName": "products", "objectID": "a", "attributesToRetrieve": ["algosync.v", "list.k"]},
    ]
    results = client.get_objects({"requests": wanted}).results
    shown = {"objectID": "a", "algosync": {"v": "h"}, "list": [{"k": 1}, {"k": 3}]}
    assert results == [{"objectID": "b"}, None, shown]


@pytest.mark.parametrize("wanted", ["n,m", '["n","m"]', ["n", "m"]])
def test_attributes_asked_for_in_a_query_string(client, server, wanted):
    client.save_object("products", {"objectID": "a", "n": 1, "m": 2, "o": 3})
    options = {"query_parameters": {"attributesToRetrieve": wanted}}
    assert client.get_object("products", "a", request_options=options) == {"objectID": "a", "n": 1, "m": 2}


@pytest.mark.parametrize(
    "request_body",
    [
        {},
        {"indexName": "products"},
        {"indexName": "products", "objectID": None},
        {"indexName": "products", "objectID": True},
        {"indexName": 3, "objectID": "a"},
        {"indexName": "products", "objectID": "a", "attributesToRetrieve": [1]},
        {"indexName": "products", "objectID": "a", "attributesToRetrieve": {}},
        "text",
    ],
)
def test_get_objects_that_do_not_fit(client, request_body):
    client.save_object("products", {"objectID": "a"})
    with pytest.raises(RequestException) as refused:
        client.get_objects({"requests": [{"indexName": "products", "objectID": "a"}, request_body]})
    assert refused.value.status_code == 400


def test_get_objects_of_several_indices(client):
    client.save_object("one", {"objectID": "7"})
    client.save_object("two", {"objectID": "b"})
    wanted = [{"indexName": "two", "objectID": "b"}, {"indexName": "one", "objectID": 7}]
    assert client.get_objects({"requests": wanted}).results == [{"objectID": "b"}, {"objectID": "7"}]
    with pytest.raises(RequestException, match="Index absent does not exist") as missing:
        client.get_objects({"requests": [*wanted, {"indexName": "absent", "objectID": "x"}]})
    assert missing.value.status_code == 404


def test_writes_to_what_is_not_there(client, algolia):
    client.delete_object("absent", "a")
    client.clear_objects("absent")
    client.batch("absent", {"requests": []})
    client.partial_update_object("absent", "a", {"n": 1}, create_if_not_exists=False)
    assert algolia.content() == {}
    with pytest.raises(RequestException, match="Index absent does not exist") as missing:
        client.get_object("absent", "a")
    assert missing.value.status_code == 404
    client.partial_update_object("made", "a", {"n": 1})
    assert records(algolia, "made") == {"a": {"objectID": "a", "n": 1}}


def test_the_path_names_the_record(client, algolia):
    client.add_or_update_object("products", "path", {"objectID": "body", "n": 1})
    client.partial_update_object("products", "path", {"objectID": "body", "m": 2})
    assert records(algolia) == {"path": {"objectID": "path", "n": 1, "m": 2}}


def test_indices_and_their_times(client, algolia):
    with pytest.raises(RequestException, match="Index products does not exist"):
        client.browse("products", {})
    assert not client.index_exists("products")
    client.save_object("products", {"objectID": "a"})
    client.set_settings("empty", {"hitsPerPage": 5})
    first = {item.name: item for item in client.list_indices().items}
    assert {name: item.entries for name, item in first.items()} == {"products": 1, "empty": 0}
    assert first["products"].data_size == len('{"objectID":"a"}')
    stamps = {first["products"].updated_at}
    for _ in range(20):
        client.partial_update_object("products", "a", {"n": 1})
        stamps.add(next(item.updated_at for item in client.list_indices().items if item.name == "products"))
    assert len(stamps) == 21, "every write moves updatedAt on"
    assert all(stamp[10] == "T" and stamp[19] == "." and len(stamp) == 24 for stamp in stamps)
    client.clear_objects("products")
    assert records(algolia) == {}
    assert client.index_exists("products")
    client.delete_index("products")
    assert not client.index_exists("products")


def test_delete_by(client, algolia):
    client.set_settings("products", {"attributesForFaceting": ["filterOnly(color)", "_tags"]})
    made = [{"objectID": str(i), "color": "red" if i % 2 else "blue", "n": i, "_tags": [f"t{i}"]} for i in range(12)]
    client.save_objects("products", made)
    left = set(map(str, range(12)))
    for params, gone in [
        ({"filters": "color:red AND n<4"}, {"1", "3"}),
        ({"facetFilters": [["color:blue"]], "numericFilters": ["n<=2"]}, {"0", "2"}),
        ({"tagFilters": ["t4"]}, {"4"}),
        ({"filters": "color:green"}, set()),
        ({"params": "filters=n%3D5"}, {"5"}),
    ]:
        client.delete_by("products", params)
        left -= gone
        assert set(records(algolia)) == left


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "DeleteByQuery endpoint only supports tagFilters, facetFilters, numericFilters and geoQuery condition"),
        ({"filters": ""}, "DeleteByQuery endpoint only supports"),
        ({"query": "x"}, "DeleteByQuery endpoint only supports"),
        ({"query": "x", "filters": "n=1"}, "DeleteByQuery endpoint only supports"),
        ({"optionalFilters": ["n:1"]}, "DeleteByQuery endpoint only supports"),
        ({"aroundLatLng": "1,2", "aroundRadius": 3}, "cannot delete by place: aroundLatLng, aroundRadius"),
        ({"filters": "n=1", "insideBoundingBox": [[1, 2, 3, 4]]}, "cannot delete by place: insideBoundingBox"),
        ({"nope": 1}, "Unknown parameter: nope"),
    ],
)
def test_delete_by_takes_filters_alone(client, algolia, params, message):
    """algolia.com/doc/rest-api/search/delete-by; algolia/algoliasearch-client-javascript#640 and #697."""
    client.save_object("products", {"objectID": "a", "n": 1})
    with pytest.raises(RequestException, match=message) as refused:
        client.delete_by("products", params)
    assert refused.value.status_code == 400
    assert set(records(algolia)) == {"a"}


def test_multiple_batch(client, algolia):
    requests = [
        {"action": "addObject", "indexName": "one", "body": {"objectID": "a"}},
        {"action": "addObject", "indexName": "two", "body": {"objectID": "b"}},
    ]
    answer = client.multiple_batch({"requests": requests})
    assert set(answer.task_id) == {"one", "two"}
    assert {name: list(content["records"]) for name, content in algolia.content().items()} == {
        "one": ["a"],
        "two": ["b"],
    }


def test_a_batch_of_several_indices_is_all_or_nothing(connect, server):
    acl = frozenset({"addObject", "deleteObject"})
    server.algolia = algolia = MockAlgolia(keys=[Key(value="k", acl=acl, indexes=("mine*",))])
    client = connect("k")
    good = {"action": "addObject", "indexName": "mine", "body": {"objectID": "a"}}
    client.multiple_batch({"requests": [good, good | {"indexName": "mine2"}, good | {"body": {"n": 1}}]})
    before = algolia.content()
    assert set(before) == {"mine", "mine2"}
    assert len(before["mine"]["records"]) == 2
    for bad, status, message in [
        (good | {"indexName": "yours"}, 403, "Index not allowed"),
        (good | {"indexName": ""}, 400, "indexName is missing"),
        ({"action": "addObject", "body": {}}, 400, "indexName is missing"),
        (good | {"action": "clear"}, 403, "Method not allowed"),
        (good | {"action": "updateObject", "body": {"n": 1}}, 400, "'objectID' attribute is required"),
        (good | {"body": None}, 400, "expected a JSON object"),
        (3, 400, "indexName is missing"),
    ]:
        with pytest.raises(RequestException, match=message) as refused:
            client.multiple_batch({"requests": [good | {"body": {"objectID": "new"}}, bad]})
        assert refused.value.status_code == status
        assert algolia.content() == before


def test_a_batch_is_an_array_of_requests(client):
    for body in ({}, {"requests": None}, {"requests": {}}, []):
        with pytest.raises(RequestException) as refused:
            client.custom_post("1/indexes/products/batch", body=body)
        assert refused.value.status_code == 400


def test_a_write_can_be_read_once_its_task_is_published(client, algolia):
    first = client.save_object("products", {"objectID": "a", "n": 1}).task_id
    assert client.get_task("products", first).status == "published"
    held = {first + 1}
    algolia.tasks.holds = held.__contains__
    second = client.partial_update_object("products", "a", {"n": {"_operation": "Increment", "value": 1}}).task_id
    third = client.partial_update_object("products", "a", {"n": {"_operation": "Increment", "value": 1}}).task_id
    other = client.save_object("others", {"objectID": "b"}).task_id
    assert client.get_object("products", "a")["n"] == 1
    assert [client.get_task("products", task).status for task in (second, third)] == ["notPublished"] * 2
    assert client.get_task("others", other).status == "published"
    listed = {item.name: item.number_of_pending_tasks for item in client.list_indices().items}
    assert listed == {"others": 0, "products": 2}
    held.clear()
    assert [client.get_task("products", task).status for task in (second, third)] == ["published"] * 2
    assert client.get_object("products", "a")["n"] == 3
    assert client.get_task("products", 999).status == "notPublished"


def test_gzip_bodies(connect, algolia):
    client = connect(compression_type="gzip")
    client.save_objects("products", [{"objectID": str(i), "text": "x" * 100} for i in range(100)])
    assert len(records(algolia)) == 100


def test_unretrievable_attributes_are_for_admin_keys(client, connect):
    client.set_settings("products", {"unretrievableAttributes": ["cost"]})
    client.save_object("products", {"objectID": "a", "cost": 1, "price": 2})
    reader = connect("mock-read")
    assert reader.get_object("products", "a") == {"objectID": "a", "price": 2}
    assert [hit.to_dict() for hit in reader.browse("products", {}).hits] == [{"objectID": "a", "price": 2}]
    assert client.get_object("products", "a") == {"objectID": "a", "cost": 1, "price": 2}
    shown = reader.search_single_index("products", {"query": ""}).hits[0].to_dict()
    assert "cost" not in shown
