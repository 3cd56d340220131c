"""Scenarios: records, whole indices, tasks, and the helpers around them."""

from __future__ import annotations

from itertools import chain

import pytest
from algoliasearch.http.exceptions import RequestException
from algoliasearch.search.models import Action, BatchRequest, BatchWriteParams, BrowseParamsObject

from .clients import Story

PRODUCTS = [{"objectID": str(number), "n": number, "brand": "acme" if number % 2 else "bolt"} for number in range(7)]


async def seed(story: Story, name: str = "products") -> None:
    """Seven records, and settings and a rule of their own."""
    await story.done(name, await story.search.set_settings(name, {"attributesForFaceting": ["searchable(brand)", "n"]}))
    rule = {"objectID": "r", "conditions": [{"context": "vip"}], "consequence": {"params": {"filters": "brand:acme"}}}
    await story.done(name, await story.search.save_rule(name, "r", rule))
    await story.search.save_objects(name, PRODUCTS, wait_for_tasks=True)


async def objects_in_chunks(story: Story) -> None:
    search, algolia = story.search, story.algolia
    made = await search.save_objects("products", iter(PRODUCTS), wait_for_tasks=True, batch_size=3)
    assert [answer.object_ids for answer in made] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert list(story.records("products").values()) == PRODUCTS
    assert [len(request.json()["requests"]) for request in algolia.requests.of("batch")] == [3, 3, 1]

    changes = [{"objectID": "0", "n": 70}, {"objectID": "new", "n": 71}]
    await search.partial_update_objects("products", changes, wait_for_tasks=True)
    assert story.records("products")["0"] == PRODUCTS[0] | {"n": 70}
    assert "new" not in story.records("products")
    await search.partial_update_objects("products", changes, create_if_not_exists=True, wait_for_tasks=True)
    assert story.records("products")["new"] == {"objectID": "new", "n": 71}

    counted = [{"objectID": name, "n": {"_operation": "Increment", "value": 5}} for name in ("0", "new")]
    await search.chunked_batch("products", counted, Action.PARTIALUPDATEOBJECT, wait_for_tasks=True, batch_size=1)
    assert [story.records("products")[name]["n"] for name in ("0", "new")] == [75, 76]

    gone = await search.delete_objects("products", ["1", "2", "nobody"], wait_for_tasks=True, batch_size=2)
    assert [answer.object_ids for answer in gone] == [["1", "2"], ["nobody"]]
    assert list(story.records("products")) == ["0", "3", "4", "5", "6", "new"]


async def one_object_at_a_time(story: Story) -> None:
    search = story.search
    made = await story.done("products", await search.save_object("products", {"t": "unnamed"}))
    assert story.records("products") == {made.object_id: {"t": "unnamed", "objectID": made.object_id}}
    name = "a/b c?ü"
    put = await story.done("products", await search.add_or_update_object("products", name, {"n": 1, "tags": ["x"]}))
    assert put.object_id == name
    change = {"tags": {"_operation": "AddUnique", "value": "y"}}
    await story.done("products", await search.partial_update_object("products", name, change))
    assert await search.get_object("products", name) == {"objectID": name, "n": 1, "tags": ["x", "y"]}
    assert await search.get_object("products", name, ["n"]) == {"objectID": name, "n": 1}
    never = await search.partial_update_object("products", "gone", {"n": 2}, create_if_not_exists=False)
    await story.done("products", never)
    await story.refused(search.get_object("products", "gone"), "ObjectID does not exist", 404)
    await story.done("products", await search.delete_object("products", name))
    assert list(story.records("products")) == [made.object_id]


async def objects_away(story: Story) -> None:
    await seed(story)
    search = story.search
    await story.done("products", await search.delete_by("products", {"filters": "brand:acme AND n > 2"}))
    assert list(story.records("products")) == ["0", "1", "2", "4", "6"]
    await story.refused(search.delete_by("products", {}), "DeleteByQuery endpoint only supports")
    before = story.algolia.content()["products"]
    await story.done("products", await search.clear_objects("products"))
    assert story.algolia.content()["products"] == before | {"records": {}}


async def batches(story: Story) -> None:
    search = story.search
    requests = [
        {"action": "addObject", "body": {"objectID": "a", "n": 1}},
        {"action": "updateObject", "body": {"objectID": "b", "n": 2, "m": 2}},
        {"action": "partialUpdateObject", "body": {"objectID": "b", "n": 3}},
        {"action": "partialUpdateObject", "body": {"objectID": "c"}},
        {"action": "partialUpdateObjectNoCreate", "body": {"objectID": "d"}},
        {"action": "deleteObject", "body": {"objectID": "a"}},
    ]
    await story.done("one", await search.batch("one", {"requests": requests}))
    assert story.records("one") == {"b": {"objectID": "b", "n": 3, "m": 2}, "c": {"objectID": "c"}}
    typed = BatchWriteParams(requests=[BatchRequest(action=Action.CLEAR, body={})])
    await story.done("one", await search.batch("one", typed))
    assert story.records("one") == {}
    bad = [{"action": "addObject", "body": {"objectID": "z"}}, {"action": "updateObject", "body": {"n": 1}}]
    await story.refused(search.batch("one", {"requests": bad}), "objectID")

    several = [{"indexName": name, "action": "addObject", "body": {"objectID": name}} for name in ("one", "two", "one")]
    answer = await search.multiple_batch({"requests": several})
    assert answer.object_ids == ["one", "two", "one"]
    for name, task in answer.task_id.items():
        await search.wait_for_task(name, task)
    assert {name: list(story.records(name)) for name in ("one", "two")} == {"one": ["one"], "two": ["two"]}
    asked = [{"indexName": "two", "objectID": "two"}, {"indexName": "one", "objectID": "nobody"}]
    assert (await search.get_objects({"requests": asked})).results == [{"objectID": "two"}, None]
    dropped = {"indexName": "two", "action": "delete", "body": {}}
    answer = await search.multiple_batch({"requests": [dropped]})
    await search.wait_for_task("two", answer.task_id["two"])
    assert list(story.algolia.content()) == ["one"]


async def all_objects_replaced(story: Story) -> None:
    await seed(story)
    before = story.algolia.content()["products"]
    fresh = [{"objectID": f"x{number}"} for number in range(3)]
    answer = await story.search.replace_all_objects("products", fresh, batch_size=2)
    assert [batch.object_ids for batch in answer.batch_responses] == [["x0", "x1"], ["x2"]]
    after = before | {"records": {each["objectID"]: each for each in fresh}}
    assert story.algolia.content() == {"products": after}
    with pytest.raises(RequestException, match="objectID"):
        await story.search.replace_all_objects("products", [{"objectID": "y"}, {"objectID": ["no"]}])
    story.algolia.tasks.holds = lambda _: False
    assert story.algolia.content() == {"products": after}, "a failed one leaves neither harm nor a temporary index"


async def browsing(story: Story) -> None:
    await seed(story)
    search = story.search
    pages: list[list[str]] = []

    def keep(page) -> None:
        pages.append([hit.object_id for hit in page.hits])

    await search.browse_objects("products", keep, BrowseParamsObject(hits_per_page=3))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(chain(*pages)) == [each["objectID"] for each in PRODUCTS]
    pages.clear()
    chosen = {"filters": "brand:bolt", "hitsPerPage": 2, "attributesToRetrieve": ["n"]}
    last = await search.browse_objects("products", keep, chosen)
    assert sorted(chain(*pages)) == ["0", "2", "4", "6"]
    assert last.cursor is None
    first = await search.browse("products", chosen)
    assert (first.nb_hits, len(first.hits)) == (4, 2)
    second = await search.browse("products", {"cursor": first.cursor})
    assert {hit.to_dict()["n"] for hit in [*first.hits, *second.hits]} == {0, 2, 4, 6}
    assert (second.cursor, set(second.hits[0].to_dict())) == (None, {"objectID", "n"})


async def whole_indices(story: Story) -> None:
    await seed(story)
    search = story.search
    assert (await search.index_exists("products"), await search.index_exists("copied")) == (True, False)
    asked = {"operation": "copy", "destination": "copied", "scope": ["rules"]}
    await story.done("copied", await search.operation_index("products", asked))
    content = story.algolia.content()
    assert (content["copied"]["records"], content["copied"]["rules"]) == ({}, content["products"]["rules"])
    assert content["copied"]["settings"] != content["products"]["settings"]
    moved = await search.operation_index("products", {"operation": "move", "destination": "moved"})
    await story.done("moved", moved)
    assert story.algolia.content() == {"copied": content["copied"], "moved": content["products"]}
    listed = await search.list_indices()
    assert [(item.name, item.entries) for item in listed.items] == [("copied", 0), ("moved", 7)]
    page = await search.list_indices(page=1, hits_per_page=1)
    assert ([item.name for item in page.items], page.nb_pages) == (["moved"], 2)
    gone = await story.done("moved", await search.delete_index("moved"))
    assert gone.deleted_at.endswith("Z")
    assert (await search.index_exists("moved"), list(story.algolia.content())) == (False, ["copied"])


async def tasks(story: Story) -> None:
    search = story.search
    written = await search.save_object("products", {"objectID": "a"})
    assert (await search.wait_for_task("products", written.task_id)).status == "published"
    assert (await search.get_task("products", written.task_id)).status == "published"
    gone = await search.delete_index("products")
    assert (await search.wait_for_app_task(gone.task_id)).status == "published"
    assert (await search.get_app_task(gone.task_id)).status == "published"
    with pytest.raises(Exception, match="Stopped waiting for the task after 2 retries"):
        await search.wait_for_task("products", 999, max_retries=2)
    with pytest.raises(Exception, match="Stopped waiting for the task after 2 retries"):
        await search.wait_for_app_task(999, max_retries=2)
