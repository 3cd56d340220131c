"""The clients against a whole Algolia: what is written can be read, and each key may do what it may do."""

from __future__ import annotations

import orjson
import pytest

from algosync.algolia.access import storefront_can_read
from algosync.algolia.client import ReadClient, WriteClient
from algosync.algolia.reader import products, versions
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError
from algosync.mock.server import MockAlgolia, MockServer


@pytest.fixture(scope="module")
def mock():
    with MockServer(MockAlgolia(max_record_bytes=10_000)) as mock:
        yield mock


@pytest.fixture
def target(mock):
    return Target(app_id=mock.algolia.app_id, hosts=(mock.url,))


@pytest.fixture
def writer(target):
    with WriteClient(target, "mock-write", sleep=lambda seconds: None) as client:
        yield client


@pytest.fixture
def reader(target):
    with ReadClient(target, "mock-read") as client:
        yield client


def write(writer, index, action, *bodies):
    requests = [{"action": action, "body": body} for body in bodies]
    writer.wait(index, writer.batch(index, orjson.dumps({"requests": requests}), len(requests)))


def test_2_500_products_are_read_with_what_algosync_wrote_on_them(writer, reader):
    write(writer, "products", "updateObject", *({"objectID": str(n), "name": "x", "n": n} for n in range(2500)))
    ours = {"v": "abc", "similar": ["2"]}
    write(writer, "products", "partialUpdateObjectNoCreate", {"objectID": "7", "algosync": ours}, {"objectID": "no"})

    read = list(products(reader, "products", ["name"]))

    assert [len(batch.records) for batch in read] == [1000, 1000, 500]
    assert all(set(record) == {"objectID", "name"} for batch in read for record in batch.records)
    found = versions(reader, "products")
    assert len(found) == 2500
    assert {key for key, v in found.items() if v} == {"7"}
    assert reader.get_objects("products", ["7", "no"], ["algosync"]) == [{"objectID": "7", "algosync": ours}, None]


def test_settings_rules_and_indices(writer, reader):
    writer.wait("shop", writer.set_settings("shop", {"attributesForFaceting": ["filterOnly(brand)"]}))
    rules = [{"objectID": f"algosync-{n}", "consequence": {"params": {"query": "x"}}} for n in (1, 2)]
    writer.wait("shop", writer.save_rules("shop", orjson.dumps(rules), 2))

    assert reader.get_settings("shop")["attributesForFaceting"] == ["filterOnly(brand)"]
    assert {rule["objectID"] for rule in reader.browse_rules("shop")} == {"algosync-1", "algosync-2"}
    writer.wait("shop", writer.delete_rule("shop", "algosync-1"))
    assert reader.get_rule("shop", "algosync-1") is None
    assert reader.get_rule("shop", "algosync-2")["consequence"] == {"params": {"query": "x"}}
    assert reader.exists("shop")
    assert not reader.exists("nowhere")


def test_an_oversize_record_is_named(writer):
    with pytest.raises(AlgoliaError, match="too big") as caught:
        write(writer, "big", "updateObject", {"objectID": "a"}, {"objectID": "b", "x": "y" * 20_000})
    assert (caught.value.status, caught.value.object_id) == (400, "b")


def test_a_reading_key_may_not_write(target):
    with WriteClient(target, "mock-read") as client, pytest.raises(AlgoliaError, match="addObject") as caught:
        write(client, "products", "updateObject", {"objectID": "a"})
    assert caught.value.status == 403


@pytest.mark.parametrize(
    ("key", "verdict"),
    [("mock-storefront", "denied"), ("mock-storefront-wide", "allowed"), ("mistyped", "unknown")],
)
def test_which_storefront_key_can_list_profiles(target, writer, key, verdict):
    write(writer, "products", "updateObject", {"objectID": "0"})
    assert storefront_can_read(target, key, "algosync_payloads", "products").verdict == verdict
