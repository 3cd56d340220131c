"""Whole indices through the official client: list, delete, copy, move, replace.

What is documented stands on algolia.com/doc/rest-api/search/operation-index and …/list-indices.
"""

from __future__ import annotations

import pytest
from algoliasearch.http.exceptions import RequestException
from algoliasearch.search.models import FetchedIndex

from algosync.mock.keys import Key
from algosync.mock.server import MockAlgolia

SETTINGS = {"hitsPerPage": 5, "attributesForFaceting": ["color"]}
RULE = {"objectID": "r", "conditions": [{"context": "c"}], "consequence": {"params": {"filters": "color:red"}}}


@pytest.fixture
def filled(client, algolia):
    """Index `from` with everything, index `to` with other things."""
    client.save_objects("from", [{"objectID": "a"}, {"objectID": "b"}])
    client.set_settings("from", SETTINGS)
    client.save_rules("from", [RULE])
    client.save_objects("to", [{"objectID": "z"}])
    client.set_settings("to", {"hitsPerPage": 9, "maxFacetHits": 7})
    client.save_rules("to", [RULE | {"objectID": "old"}])
    return algolia


def content(algolia: MockAlgolia, name):
    held = algolia.index(name)
    return set(held.records), held.settings, set(held.rules)


def operate(client, source, **params):
    return client.operation_index(source, params)


def test_a_copy_overwrites_the_destination_and_leaves_the_source(client, filled):
    before = content(filled, "from")
    assert client.search_single_index("to", {"query": ""}).nb_hits == 1
    answer = operate(client, "from", operation="copy", destination="to")
    assert answer.updated_at.endswith("Z")
    client.wait_for_task("to", answer.task_id)
    assert client.search_single_index("to", {"query": ""}).nb_hits == 2
    assert client.browse("to").nb_hits == 2
    assert content(filled, "from") == content(filled, "to") == before == ({"a", "b"}, SETTINGS, {"r"})
    client.save_object("to", {"objectID": "c"})
    client.clear_rules("to")
    client.set_settings("to", {"hitsPerPage": None})
    assert content(filled, "from") == before


@pytest.mark.parametrize(
    ("scope", "settings", "rules"),
    [
        (["settings"], SETTINGS, {"old"}),
        (["rules"], {"hitsPerPage": 9, "maxFacetHits": 7}, {"r"}),
        (["settings", "rules", "synonyms"], SETTINGS, {"r"}),
        (["synonyms"], {"hitsPerPage": 9, "maxFacetHits": 7}, {"old"}),
        ([], {"hitsPerPage": 9, "maxFacetHits": 7}, {"old"}),
    ],
)
def test_a_scope_is_replaced_whole_and_records_stay(client, filled, scope, settings, rules):
    operate(client, "from", operation="copy", destination="to", scope=scope)
    assert content(filled, "to") == ({"z"}, settings, rules)
    operate(client, "from", operation="copy", destination="new", scope=scope)
    assert content(filled, "new")[0] == set()


def test_some_settings_are_never_copied(client, filled):
    client.set_settings("from", {"mode": "keywordSearch", "enableReRanking": False, "replicas": ["from_asc"]})
    client.set_settings("to", {"enableReRanking": True})
    operate(client, "from", operation="copy", destination="to")
    assert content(filled, "to")[1] == SETTINGS | {"enableReRanking": True}


def test_an_index_with_replicas_is_no_destination_of_a_copy(client, filled):
    client.set_settings("to", {"replicas": ["to_asc"]})
    with pytest.raises(RequestException, match="it has replicas") as refused:
        operate(client, "from", operation="copy", destination="to")
    assert refused.value.status_code == 400
    operate(client, "from", operation="move", destination="to")
    assert content(filled, "to")[0] == {"a", "b"}
    assert client.get_settings("to").replicas == ["to_asc"], "a move goes on to the replicas of its destination"
    client.replace_all_objects("to", [{"objectID": "new"}])
    assert content(filled, "to") == ({"new"}, SETTINGS | {"replicas": ["to_asc"]}, {"r"})


def test_a_move_leaves_nothing_behind(client, filled):
    before = content(filled, "from")
    operate(client, "from", operation="move", destination="to")
    assert content(filled, "to") == before
    assert not client.index_exists("from")
    assert client.search_single_index("to", {"query": ""}).nb_hits == 2
    assert {item.name: item.entries for item in client.list_indices().items} == {"to": 2}


def test_a_source_that_is_not_there(client, filled):
    operate(client, "absent", operation="move", destination="to")
    operate(client, "absent", operation="copy", destination="to")
    assert content(filled, "to")[0] == {"z"}
    operate(client, "absent", operation="copy", destination="new")
    assert content(filled, "new") == (set(), {}, set())
    operate(client, "absent", operation="move", destination="never")
    assert not client.index_exists("never")


@pytest.mark.parametrize(
    "params",
    [
        {"operation": "rename", "destination": "to"},
        {"operation": ["copy"], "destination": "to"},
        {"destination": "to"},
        {"operation": "copy"},
        {"operation": "copy", "destination": ""},
        {"operation": "copy", "destination": 3},
        {"operation": "copy", "destination": "from"},
        {"operation": "copy", "destination": "to", "scope": "settings"},
        {"operation": "copy", "destination": "to", "scope": ["records"]},
        {"operation": "copy", "destination": "to", "scope": [[]]},
        {"operation": "move", "destination": "to", "scope": ["settings"]},
        {"operation": "copy", "destination": "to", "other": 1},
    ],
)
def test_operations_that_do_not_fit(client, filled, params):
    before = filled.content()
    with pytest.raises(RequestException) as refused:
        client.operation_index("from", params)
    assert refused.value.status_code == 400
    assert filled.content() == before


def test_a_key_must_reach_both_indices(connect, server, filled):
    server.algolia = MockAlgolia(keys=[Key(value="k", acl=frozenset({"addObject"}), indexes=("from*",))])
    client = connect("k")
    client.save_object("from", {"objectID": "a"})
    operate(client, "from", operation="copy", destination="from_copy")
    for source, destination in (("from", "to"), ("to", "from")):
        with pytest.raises(RequestException, match="Index not allowed"):
            operate(client, source, operation="move", destination=destination)


@pytest.mark.parametrize("delay_ms", [0, 3])
def test_replace_all_objects(client, server, delay_ms):
    ticks = iter(range(10**6))
    server.algolia = algolia = MockAlgolia(clock_ms=lambda: next(ticks), publish_after_ms=delay_ms)
    client.save_objects("p", [{"objectID": "old", "color": "red"}], wait_for_tasks=True)
    client.wait_for_task("p", client.set_settings("p", SETTINGS).task_id)
    client.wait_for_task("p", client.save_rules("p", [RULE]).task_id)
    made = [{"objectID": str(number), "color": "red"} for number in range(25)]
    answers = client.replace_all_objects("p", made, batch_size=10)
    assert len(answers.batch_responses) == 3
    assert content(algolia, "p") == ({record["objectID"] for record in made}, SETTINGS, {"r"})
    assert [item.name for item in client.list_indices().items] == ["p"]
    client.replace_all_objects("fresh", made)
    assert content(algolia, "fresh") == ({record["objectID"] for record in made}, {}, set())


def test_indices_a_page_at_a_time(client):
    for number in range(7):
        client.save_object(f"i{number}", {"objectID": "a"})
    seen = [client.list_indices(page=page, hits_per_page=3) for page in range(4)]
    assert [[item.name for item in answer.items] for answer in seen] == [
        ["i0", "i1", "i2"],
        ["i3", "i4", "i5"],
        ["i6"],
        [],
    ]
    assert {answer.nb_pages for answer in seen} == {3}
    assert len(client.list_indices(page=0).items) == 7
    assert client.list_indices().nb_pages == 1
    for wrong in ({"page": -1}, {"page": 0, "hits_per_page": 0}, {"page": 0, "hits_per_page": 10**12}):
        with pytest.raises((RequestException, ValueError)):
            client.list_indices(**wrong)


def test_what_the_list_says_of_an_index(client, filled):
    client.set_settings("from", {"replicas": ["from_asc", "virtual(from_virtual)"]})
    for replica in ("from_asc", "from_virtual"):
        client.set_settings(replica, {"hitsPerPage": 3})
    items = {item.name: item.to_dict() for item in client.list_indices().items}
    assert set(items["from"]) - set(FetchedIndex.model_fields) <= {
        "createdAt",
        "updatedAt",
        "dataSize",
        "fileSize",
        "lastBuildTimeS",
        "numberOfPendingTasks",
        "pendingTask",
    }
    assert (items["from"]["entries"], items["from"]["replicas"]) == (2, ["from_asc", "from_virtual"])
    assert items["from"]["dataSize"] == len('{"objectID":"a"}') * 2
    assert items["from_asc"]["primary"] == items["from_virtual"]["primary"] == "from"
    assert (items["from_asc"].get("virtual"), items["from_virtual"]["virtual"]) == (None, True)
    assert items["from_asc"]["createdAt"] == "", "an index without records has no date of creation"
    assert items["from"]["createdAt"].endswith("Z")
    assert not {"primary", "replicas"} & set(items["to"])


def test_the_list_counts_the_writes_that_wait(client, filled):
    def waiting():
        return {item.name: (item.number_of_pending_tasks, item.pending_task) for item in client.list_indices().items}

    assert waiting() == {"from": (0, False), "to": (0, False)}
    filled.faults.add(on="write", index="from", fault="unpublished")
    client.save_object("from", {"objectID": "c"})
    client.clear_objects("from")
    assert waiting() == {"from": (2, True), "to": (0, False)}
    filled.faults.clear()
    assert waiting() == {"from": (0, False), "to": (0, False)}


def test_later_writes_bear_later_stamps_though_the_clock_stands(client, server):
    server.algolia = MockAlgolia(clock_ms=lambda: 1_700_000_000_000)
    stamps = [client.set_settings("p", {"hitsPerPage": size}).updated_at for size in (1, 2, 3)]
    assert stamps == sorted(set(stamps))


def test_a_key_sees_the_indices_that_it_reaches(connect, server):
    server.algolia = MockAlgolia(keys=[Key(value="k", acl=frozenset({"addObject", "listIndexes"}), indexes=("mine*",))])
    server.algolia.write("other", lambda index: None)
    client = connect("k")
    client.save_object("mine", {"objectID": "a"})
    assert [item.name for item in client.list_indices().items] == ["mine"]


def test_deleting_an_index_that_is_not_there(client, algolia):
    answer = client.delete_index("absent")
    assert answer.deleted_at.endswith("Z")
    assert algolia.content() == {}
