"""Who may do what."""

from __future__ import annotations

import pytest
from algoliasearch.http.exceptions import RequestException

from algosync.mock.keys import DEFAULT_KEYS, Key
from algosync.mock.server import MockAlgolia

FORBIDDEN = "Method not allowed with this API key"
OUTSIDE = "Index not allowed with this API key"


@pytest.fixture
def algolia() -> MockAlgolia:
    scoped = Key(value="scoped", acl=frozenset({"addObject", "search", "listIndexes"}), indexes=("products*",))
    return MockAlgolia(keys=(*DEFAULT_KEYS, scoped))


@pytest.fixture(autouse=True)
def _content(client):
    client.save_object("products", {"objectID": "a"})
    client.save_object("algosync_payloads", {"objectID": "p"})


def refused(call, message):
    with pytest.raises(RequestException) as error:
        call()
    assert error.value.status_code == 403
    assert message in str(error.value)


def test_a_reader_cannot_write(connect, algolia):
    reader = connect("mock-read")
    before = algolia.content()
    for call in (
        lambda: reader.save_object("products", {"objectID": "b"}),
        lambda: reader.save_objects("products", [{"objectID": "b"}]),
        lambda: reader.partial_update_object("products", "a", {"x": 1}),
        lambda: reader.delete_object("products", "a"),
        lambda: reader.set_settings("products", {"hitsPerPage": 1}),
        lambda: reader.save_rules("products", []),
        lambda: reader.clear_objects("products"),
        lambda: reader.delete_index("products"),
    ):
        refused(call, FORBIDDEN)
    assert algolia.content() == before
    assert reader.browse("products", {}).nb_hits == 1
    assert reader.get_settings("products").hits_per_page == 20


def test_a_writer_cannot_drop(connect, algolia):
    writer = connect("mock-write")
    before = algolia.content()
    for action in ("clear", "delete"):
        requests = [{"action": "addObject", "body": {}}, {"action": action, "body": {}}]
        refused(lambda requests=requests: writer.batch("products", {"requests": requests}), FORBIDDEN)
    assert algolia.content() == before
    writer.save_rules("products", [{"objectID": "r", "consequence": {"params": {"query": "x"}}}])
    writer.delete_object("products", "a")


def test_the_storefronts_keys(connect):
    narrow, wide = connect("mock-storefront"), connect("mock-storefront-wide")
    assert narrow.search_single_index("products", {}).nb_hits == 1
    assert wide.search_single_index("algosync_payloads", {}).nb_hits == 1
    assert wide.get_object("algosync_payloads", "p") == {"objectID": "p"}
    refused(lambda: narrow.search_single_index("algosync_payloads", {}), OUTSIDE)
    refused(lambda: narrow.get_object("algosync_payloads", "p"), OUTSIDE)
    several = {"requests": [{"indexName": "products"}, {"indexName": "algosync_payloads"}]}
    refused(lambda: narrow.search(several), OUTSIDE)
    asked = {"requests": [{"indexName": "algosync_payloads", "objectID": "p"}]}
    refused(lambda: narrow.get_objects(asked), OUTSIDE)
    for client in (narrow, wide):
        refused(lambda client=client: client.browse("products", {}), FORBIDDEN)
        refused(client.list_indices, FORBIDDEN)


def test_patterns_hold_for_lists_and_multiple_batches(connect, algolia):
    scoped = connect("scoped")
    assert [item.name for item in scoped.list_indices().items] == ["products"]
    requests = [{"action": "addObject", "indexName": name, "body": {}} for name in ("products_fr", "other")]
    before = algolia.content()
    refused(lambda: scoped.multiple_batch({"requests": requests}), OUTSIDE)
    assert algolia.content() == before
    assert set(scoped.multiple_batch({"requests": requests[:1]}).task_id) == {"products_fr"}


def test_a_key_sees_itself_and_an_admin_all(connect):
    narrow = connect("mock-storefront")
    own = narrow.get_api_key("mock-storefront")
    assert (own.acl, own.indexes) == (["search"], ["products*"])
    refused(lambda: narrow.get_api_key("mock-admin"), FORBIDDEN)
    assert connect().get_api_key("mock-read").indexes is None
    with pytest.raises(RequestException, match="Key does not exist"):
        connect().get_api_key("nothing")


def test_a_wrong_key_is_logged_without_its_value(connect, algolia):
    refused(lambda: connect("s3cret").search_single_index("products", {}), "Invalid Application-ID or API key")
    assert (algolia.requests[-1].key, algolia.requests[-1].status) == (None, 403)


def test_tasks_are_for_keys_that_write(connect):
    task = connect("mock-write").save_object("products", {"objectID": "b"}).task_id
    assert connect("mock-write").get_task("products", task).status == "published"
    refused(lambda: connect("mock-read").get_task("products", task), FORBIDDEN)
