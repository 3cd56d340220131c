"""What a run reads of Algolia: the whole index only when it has changed since, and then what is really there."""

from __future__ import annotations

import orjson
import pytest

from algosync.mock.server import Key

pytestmark = pytest.mark.e2e


def browses(shop) -> int:
    return sum(request.path.endswith("/browse") for request in shop.algolia.requests)


def test_an_unchanged_index_is_not_read_again(synced):
    synced.sync()  # our own push has changed the index, so this one reads
    before = browses(synced)
    quiet = synced.sync()
    assert browses(synced) == before
    assert quiet["plan"]["operations"] == 0
    assert quiet["plan"]["unchanged"] > 0
    assert quiet["catalog"]["products"] == len(synced.records())


def test_any_change_of_the_index_is_seen(synced):
    synced.sync()
    synced.sync()
    content, records = synced.content(), synced.records()
    lost = next(iter(records))
    synced.feed([{name: value for name, value in records[lost].items() if name != "algosync"}])
    before = browses(synced)
    mended = synced.sync()
    assert browses(synced) > before
    assert mended["pushed"]["operations"] == 1
    assert synced.content() == content


def test_other_rules_for_the_catalog_read_it_anew(synced):
    synced.sync()
    before = browses(synced)
    synced.configure(catalog={"text": ["name", "brand"]})
    synced.sync()
    assert browses(synced) > before


def test_a_key_that_may_not_list_indices_reads_every_time(synced):
    synced.sync()
    narrow = synced.algolia.keys.add(Key(value="", acl=frozenset({"browse", "search", "settings"})), "127.0.0.1")
    synced.configure(algolia={"read_api_key": narrow.value})
    before = browses(synced)
    assert synced.sync()["plan"]["operations"] == 0
    assert synced.sync()["plan"]["operations"] == 0
    assert browses(synced) >= before + 2


def test_a_rule_that_is_gone_is_put_back_and_one_of_ours_that_is_stale_goes(synced):
    content = synced.content()
    ours = [name for name in content["products"]["rules"] if name.startswith("algosync-")]
    with synced.client("mock-admin") as client:
        client.wait("products", client.delete_rule("products", ours[0]))
        like = content["products"]["rules"][ours[0]]
        stale = {**like, "objectID": "algosync-9-gone", "conditions": [{"context": "algosync-gone"}]}
        client.wait("products", client.save_rules("products", orjson.dumps([stale]), 1))
    mended = synced.sync()
    assert mended["pushed"]["families"] == {"rules": 2}
    assert synced.content() == content
