"""The clients against every fault of the mock, over real HTTP: what is tried again, what is not, and what is said."""

from __future__ import annotations

import orjson
import pytest

from algosync.algolia.client import ReadClient, WriteClient
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError, AlgoliaUnavailableError
from algosync.mock.server import MockAlgolia, MockServer


@pytest.fixture(scope="module")
def server():
    with MockServer() as running:
        yield running


@pytest.fixture
def mock(server):
    server.algolia = MockAlgolia()
    return server.algolia


@pytest.fixture
def target(server, mock):
    return Target(app_id=mock.app_id, hosts=(server.url,))


@pytest.fixture
def writer(target):
    with WriteClient(target, "mock-write", sleep=lambda seconds: None) as client:
        yield client


@pytest.fixture
def reader(target):
    with ReadClient(target, "mock-read", sleep=lambda seconds: None) as client:
        yield client


def write(writer, *ids):
    body = orjson.dumps({"requests": [{"action": "updateObject", "body": {"objectID": name}} for name in ids]})
    return writer.batch("products", body, len(ids))


LOSSES = ["500", "503", "reset", "truncated", "lost"]


@pytest.mark.parametrize("fault", [*LOSSES, "429=1"])
def test_reads_are_tried_again_until_they_come(mock, writer, reader, fault):
    writer.wait("products", write(writer, "a"))
    mock.faults.add(f"read:x2:{fault}")

    assert reader.get_objects("products", ["a"]) == [{"objectID": "a"}]
    assert reader.requests == 3


@pytest.mark.parametrize("fault", LOSSES)
def test_a_write_that_may_have_been_taken_is_not_sent_again_by_the_wire(mock, writer, fault):
    mock.faults.add(f"batch:{fault}")

    with pytest.raises(AlgoliaUnavailableError) as caught:
        write(writer, "a")

    assert (writer.requests, writer.operations, caught.value.undone) == (1, 0, False)
    assert len(mock.faults.strikes) == 1


@pytest.mark.parametrize("fault", LOSSES)
def test_a_host_that_failed_is_asked_again_at_once_by_reads_and_writes(mock, writer, fault):
    mock.faults.add(f"batch:x1:{fault}")
    with pytest.raises(AlgoliaUnavailableError):
        write(writer, "a")

    writer.wait("products", write(writer, "b"))

    assert writer.get_objects("products", ["b"]) == [{"objectID": "b"}]


def test_a_write_that_was_turned_away_at_the_door_is_sent_again(mock, writer):
    mock.faults.add("batch:x2:429=1")

    writer.wait("products", write(writer, "a", "b"))

    assert (writer.throttled, writer.operations, mock.operations.total()) == (2, 2, 2)


def test_a_server_that_turns_away_for_longer_than_there_is_patience_is_not_waited_for(mock, target):
    mock.faults.add("batch:429=100")
    with WriteClient(target, "mock-write", patience_s=250.0) as client:
        with pytest.raises(AlgoliaUnavailableError, match="Too many requests") as caught:
            write(client, "a")
        assert 2 <= client.throttled <= 3
        assert (caught.value.undone, caught.value.retry_after_s) == (True, 100.0)
        with pytest.raises(AlgoliaUnavailableError):
            write(client, "a")
        assert client.throttled <= 4  # what was spent is spent
        assert not client.pause(200.0)


def test_a_balancer_that_answers_in_html_is_quoted_without_its_markup(mock, reader):
    mock.faults.add("read:503")

    with pytest.raises(AlgoliaUnavailableError, match="503 Service Temporarily Unavailable") as caught:
        reader.get_settings("products")

    assert "<" not in str(caught.value)
    assert (caught.value.status, reader.requests) == (503, 4)


def test_more_pages_are_browsed_than_the_official_helper_can(mock, writer, reader):
    writer.wait("products", write(writer, *(f"p{n:04d}" for n in range(1000))))

    pages = list(reader.browse("products", page_size=1))

    assert len(pages) >= 1000 > 971
    assert len({record["objectID"] for page in pages for record in page}) == 1000


def test_browsing_goes_on_after_a_page_that_was_lost(mock, writer, reader):
    writer.wait("products", write(writer, *(f"p{n:02d}" for n in range(50))))
    mock.faults.add("browse:every3:truncated")

    found = [record["objectID"] for page in reader.browse("products", page_size=10) for record in page]

    assert found == sorted(set(found))
    assert len(found) == 50


def test_a_task_that_is_not_published_is_waited_for_and_then_named(mock, target):
    naps = []
    mock.faults.add("batch:x1:unpublished")
    with WriteClient(target, "mock-write", sleep=naps.append) as client:
        task = write(client, "a")
        with pytest.raises(AlgoliaUnavailableError, match=f"task {task} is not published"):
            client.wait("products", task, timeout_s=30)
        assert 30 <= sum(naps) < 36
        mock.faults.clear()
        assert client.wait("products", task) == 0.0


def test_a_refusal_keeps_its_status_and_names_the_record(mock, writer):
    mock.faults.add("batch:oversize=b")

    with pytest.raises(AlgoliaError, match="too big") as caught:
        write(writer, "a", "b")

    assert (caught.value.status, caught.value.object_id, caught.value.position) == (400, "b", 1)
    assert writer.requests == 1
