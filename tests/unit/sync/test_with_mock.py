"""Plan, push, recovery against a whole Algolia, through its real keys."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from algosync.algolia.client import ReadClient, WriteClient
from algosync.algolia.reader import versions
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError
from algosync.mock.server import MockAlgolia, MockServer
from algosync.sync.batches import Limits
from algosync.sync.ledger import Ledger
from algosync.sync.plan import plan
from algosync.sync.push import push
from algosync.sync.recover import recover
from algosync.sync.sending import Manner
from algosync.sync.there import there


@pytest.fixture
def mock():
    with MockServer(MockAlgolia(max_record_bytes=10_000)) as mock:
        yield mock


@pytest.fixture
def client(mock):
    target = Target(app_id=mock.algolia.app_id, hosts=(mock.url,))
    with WriteClient(target, "mock-write", sleep=lambda seconds: None) as client:
        yield client


@pytest.fixture
def ledger(engine, client):
    return Ledger(engine, client.target)


@pytest.fixture
def shop_writes(client):
    """The shop's own feed: whole records."""

    def write(*object_ids):
        requests = [{"action": "updateObject", "body": {"objectID": key, "name": "Product"}} for key in object_ids]
        client.wait("products", client.batch("products", orjson.dumps({"requests": requests}), 0))

    return write


@pytest.fixture
def desired(make):
    alone = [make("segments", "s"), make("profiles", "t"), make("rules", "algosync-10-gold")]
    return [*(make("related", f"p{n}") for n in range(30)), *alone]


def planned(client, ledger, desired):
    return plan(desired, there(client, ledger, {"products": versions(client, "products")}, "payloads"))


def sync(client, ledger, desired, now, limits=None):
    recover(client, ledger, now=now)
    return push(planned(client, ledger, desired), client, ledger, now=now, manner=Manner(limits=limits or Limits()))


def test_the_whole_way_there_and_back(mock, client, ledger, desired, shop_writes, now):
    shop_writes(*(f"p{n}" for n in range(25)))

    assert sync(client, ledger, desired, now, Limits(records=10)).operations == 28
    billed = mock.algolia.operations.total()
    assert sync(client, ledger, desired, now).operations == 0
    assert mock.algolia.operations.total() == billed

    shop_writes("p3")
    assert sync(client, ledger, desired, now).operations == 1
    shop_writes(*(f"p{n}" for n in range(25)))
    assert sync(client, ledger, desired, now).families == {"related": 25}

    assert sync(client, ledger, [], now).operations == 28
    assert set(versions(client, "products").values()) == {None}
    assert client.get_objects("payloads", ["s", "t"]) == [None, None]
    assert client.get_rule("products", "algosync-10-gold") is None


def test_unpublished_writes_are_under_way_and_block_nobody(
    mock, client, ledger, desired, shop_writes, now, monkeypatch
):
    waits = []
    monkeypatch.setattr(client, "_sleep", waits.append)
    shop_writes("p0", "p1")
    mock.algolia.tasks.holds = lambda task: True
    first = sync(client, ledger, desired, now)
    assert (first.operations, first.waiting) == (0, 5)
    assert "not published" in first.stopped.reason
    assert sum(waits) == pytest.approx(600, abs=10)
    waits.clear()
    again = sync(client, ledger, desired, now)
    assert (again.operations, again.waiting, again.deferred) == (0, 0, 0)
    assert planned(client, ledger, desired).under_way == 5
    assert sum(waits) == pytest.approx(30, abs=5)
    mock.algolia.tasks.holds = lambda task: False

    with ReadClient(client.target, "mock-read") as reader:
        assert recover(reader, ledger, now=now, tasks=client).published == 5
    assert sync(client, ledger, desired, now).operations == 0


def test_a_lost_write_behind_one_that_waits_is_not_given_up(mock, client, ledger, make, shop_writes, now):
    shop_writes("p0")
    mock.algolia.tasks.holds = lambda task: True
    mock.algolia.faults.add("batch@payloads:2:lost")
    two = [make("segments", "s1"), make("segments", "s2")]

    first = sync(client, ledger, two, now, Limits(records=1))
    again = sync(client, ledger, two, now)

    assert (first.operations, first.waiting, first.deferred) == (0, 1, 1)
    assert (again.operations, again.waiting, again.deferred) == (0, 0, 0)
    mock.algolia.tasks.holds = lambda task: False
    assert recover(client, ledger, now=now).published == 2
    assert sync(client, ledger, two, now).operations == 0


def test_a_task_that_is_never_published_is_given_up_after_an_hour(mock, client, ledger, desired, shop_writes, now):
    shop_writes("p0", "p1")
    mock.algolia.tasks.holds = lambda task: True
    sync(client, ledger, desired, now)

    soon = recover(client, ledger, now=lambda: now() + timedelta(minutes=59))
    late = recover(client, ledger, now=lambda: now() + timedelta(minutes=61))

    assert (soon.waiting, soon.unsure) == (5, 0)
    assert (late.waiting, late.unsure) == (0, 5)
    mock.algolia.tasks.holds = lambda task: False
    assert sync(client, ledger, desired, now).families == {
        "profiles": 1,
        "related": 2,  # though they bear the version that was sent: what is unsure is sent again
        "rules": 1,
        "segments": 1,
    }


def test_records_that_arrived_unseen_are_recognised(client, ledger, desired, shop_writes, now, monkeypatch):
    """The answers to all writes are lost; records are compared by their content."""
    shop_writes("p0", "p1")
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "sent", lambda *args: None)
        patch.setattr(Ledger, "published", lambda *args: None)
        push(planned(client, ledger, desired), client, ledger, now=now)
    assert len(ledger.unfinished()) == 5

    found = recover(client, ledger, now=now)

    assert (found.published, found.unsure) == (5, 0)
    assert sync(client, ledger, desired, now).operations == 0


def test_a_payload_index_that_is_gone_holds_nothing(mock, client, ledger, desired, shop_writes, now):
    shop_writes("p0")
    sync(client, ledger, desired, now)
    with mock.algolia.lock:
        del mock.algolia.indices["payloads"]

    again = planned(client, ledger, desired)

    assert [(op.family, op.kind) for op in again.operations] == [("profiles", "add"), ("segments", "add")]
    push(again, client, ledger, now=now)
    assert planned(client, ledger, desired).operations == ()


def test_there_asks_for_no_more_than_the_families_need(client, ledger):
    assert there(client, ledger, {"products": {}}, "payloads", ["related"]).ledger == {("products", "related"): {}}
    assert client.requests == 0


@pytest.fixture
def segments(make, shop_writes):
    shop_writes("p0")
    return [make("segments", f"s{n}") for n in range(3)]


def test_a_payload_index_that_came_back_in_part_holds_that_part(mock, client, ledger, segments, now):
    sync(client, ledger, segments, now)
    with mock.algolia.lock:
        del mock.algolia.indices["payloads"]
    assert sync(client, ledger, segments, now, Limits(operations=1)).deferred == 2

    again = planned(client, ledger, segments)

    assert [(op.object_id, op.kind) for op in again.operations] == [("s1", "add"), ("s2", "add")]
    push(again, client, ledger, now=now)
    assert None not in client.get_objects("payloads", ["s0", "s1", "s2"])
    assert planned(client, ledger, segments).operations == ()


def test_foreign_records_of_the_payload_index_are_left_alone(client, ledger, segments, now):
    sync(client, ledger, segments, now)
    body = {"requests": [{"action": "updateObject", "body": {"objectID": "foreign", "a": 1}}]}
    client.wait("payloads", client.batch("payloads", orjson.dumps(body), 0))

    assert [op.object_id for op in planned(client, ledger, []).operations] == ["s0", "s1", "s2"]


def test_a_key_that_may_not_read_leaves_the_word_of_the_ledger(client, ledger, segments, now, monkeypatch):
    sync(client, ledger, segments, now)

    def refused(status):
        def get_objects(*args, **kwargs):
            raise AlgoliaError("refused", status=status)

        return get_objects

    monkeypatch.setattr(WriteClient, "get_objects", refused(403))
    assert there(client, ledger, {}, "payloads", ["segments"]).ledger["payloads", "segments"].keys() == {
        "s0",
        "s1",
        "s2",
    }
    monkeypatch.setattr(WriteClient, "get_objects", refused(400))
    with pytest.raises(AlgoliaError, match="refused"):
        there(client, ledger, {}, "payloads", ["segments"])


def broken_off(client, ledger, desired, now, monkeypatch):
    """Everything was sent, and nothing was seen to be published."""
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "published", lambda *args: None)
        push(planned(client, ledger, desired), client, ledger, now=now)


def test_tasks_that_the_server_forgot_are_settled_by_what_is_there(mock, client, ledger, segments, now, monkeypatch):
    broken_off(client, ledger, segments, now, monkeypatch)
    waits = []
    monkeypatch.setattr(client, "_sleep", waits.append)
    monkeypatch.setattr(mock.algolia.tasks, "is_published", lambda task: False)

    assert recover(client, ledger, now=now).published == 3
    assert sum(waits) == pytest.approx(30, abs=5)


def test_forgotten_tasks_take_the_patience_for_one(mock, client, ledger, desired, shop_writes, now, monkeypatch):
    shop_writes("p0")
    broken_off(client, ledger, desired, now, monkeypatch)
    waits = []
    monkeypatch.setattr(client, "_sleep", waits.append)
    monkeypatch.setattr(mock.algolia.tasks, "is_published", lambda task: False)
    with mock.algolia.lock:
        del mock.algolia.indices["payloads"]

    found = recover(client, ledger, now=now)

    assert (found.published, found.waiting) == (2, 2)
    assert sum(waits) == pytest.approx(30, abs=5)


def test_the_task_of_another_server_proves_nothing(mock, client, ledger, segments, now, monkeypatch):
    broken_off(client, ledger, segments, now, monkeypatch)
    with mock.algolia.lock:
        del mock.algolia.indices["payloads"]

    found = recover(client, ledger, now=now)

    assert (found.published, found.unsure) == (0, 3)
    assert sync(client, ledger, segments, now).operations == 3
    assert None not in client.get_objects("payloads", ["s0", "s1", "s2"])
