"""Each method asks for the right thing, page by page, and trusts no answer's shape."""

from __future__ import annotations

import orjson
import pytest

from algosync.algolia.access import storefront_can_read
from algosync.algolia.client import ReadClient, WriteClient
from algosync.algolia.reader import ProductBatch, products, version, versions
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError, AlgoliaUnavailableError

DENIED = (403, b'{"message":"Index not allowed with this API key","status":403}', {})
ABSENT = (404, b'{"message":"Index i does not exist","status":404}', {})


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def client(server, pauses):
    with ReadClient(server.target, "key", sleep=pauses.append) as client:
        yield client


def body(asked):
    return orjson.loads(asked.body)


def test_the_reading_client_has_no_method_that_writes():
    added = {name for name in vars(WriteClient) if not name.startswith("_")}
    assert added == {"batch", "save_rules", "delete_rule", "set_settings"}
    assert not any(hasattr(ReadClient, name) for name in added)


def test_the_ledgers_key_tells_servers_apart():
    assert Target(app_id="A").key == "algolia"
    assert Target(app_id="A", hosts=("http://b:1/", "http://a:1")).key == "http://a:1,http://b:1"


def test_browse_follows_the_cursor(server, client):
    server.will(
        {"hits": [{"objectID": "1"}], "cursor": "c1"}, {"hits": [], "cursor": "c2"}, {"hits": [{"objectID": "2"}]}
    )

    assert list(client.browse("i", ["name"], 1)) == [[{"objectID": "1"}], [], [{"objectID": "2"}]]
    assert [body(asked).get("cursor") for asked in server.asked] == [None, "c1", "c2"]
    assert all(body(asked)["attributesToRetrieve"] == ["name"] for asked in server.asked)


def test_browse_goes_beyond_the_depth_at_which_the_official_helper_breaks(server, client):
    pages = [{"hits": [{"objectID": str(n)}], "cursor": str(n)} for n in range(1100)]
    server.will(*pages, {"hits": []})

    assert sum(len(page) for page in client.browse("i")) == 1100


def test_browse_does_not_turn_in_circles(server, client):
    server.will({"hits": [], "cursor": "same"})

    with pytest.raises(AlgoliaError, match="again and again"):
        list(client.browse("i"))


@pytest.mark.parametrize("answer", [[], {"hits": "many"}, {"message": "fine"}, 5])
def test_an_answer_of_another_shape_is_an_error(server, client, answer):
    server.will(answer)

    with pytest.raises(AlgoliaError, match="'hits'"):
        list(client.browse("i"))


def test_objects_come_in_the_order_asked_for_over_several_requests(server, client):
    ids = [str(n) for n in range(1500)]
    records = [{"objectID": n} if int(n) % 2 else None for n in ids]
    server.will({"results": records[:1000]}, {"results": records[1000:]})

    assert client.get_objects("i", ids, ["a"]) == records
    assert [len(body(asked)["requests"]) for asked in server.asked] == [1000, 500]
    assert client.get_objects("i", []) == []


def test_an_answer_with_too_few_objects_is_an_error(server, client):
    server.will({"results": []})

    with pytest.raises(AlgoliaError, match="1 records asked for, 0 came"):
        client.get_objects("i", ["1"])


def test_indices_and_when_they_changed(server, client):
    server.will(
        {"items": [{"name": "a", "updatedAt": "2026-01-01T00:00:00.000Z"}], "nbPages": 2},
        {"items": [{"name": "b"}], "nbPages": 2},
    )
    assert [item["name"] for item in client.list_indices()] == ["a", "b"]
    assert server.asked[1].path.endswith("page=1&hitsPerPage=100")


def test_existence_is_not_confused_with_refusal(server, client):
    server.will(ABSENT)
    assert client.exists("i") is False
    server.will({})
    assert client.exists("i") is True
    server.will(DENIED)
    with pytest.raises(AlgoliaError, match="'settings'"):
        client.exists("i")


def test_rules_are_paged(server, client):
    server.will({"hits": [{"objectID": "a"}], "nbPages": 2}, {"hits": [{"objectID": "b"}], "nbPages": 2})

    assert [rule["objectID"] for rule in client.browse_rules("i")] == ["a", "b"]
    assert [body(asked)["page"] for asked in server.asked] == [0, 1]
    server.will(ABSENT)
    assert client.get_rule("i", "x") is None


def test_waiting_pauses_longer_and_longer(server, client, pauses):
    server.will(*[{"status": "notPublished"}] * 20, {"status": "published"})

    client.wait("i", 7)

    assert len(pauses) == 20
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.02, 5.0)
    assert server.asked[0].path == "/1/indexes/i/task/7"


def test_waiting_ends_in_an_error_that_can_be_tried_again(server, client, pauses):
    server.will({"status": "notPublished"})

    with pytest.raises(AlgoliaUnavailableError, match="task 7 is not published") as caught:
        client.wait("i", 7, timeout_s=30)

    assert 30 <= sum(pauses) < 40
    assert caught.value.action == "retry"


def test_writes_return_their_task_and_are_counted(server):
    server.will({"taskID": 5, "objectIDs": ["1"]})
    with WriteClient(server.target, "key") as client:
        assert client.batch("i", b'{"requests":[]}', 3) == 5
        assert client.save_rules("i", b"[]", 2) == 5
        assert client.delete_rule("i", "a b") == 5
        assert client.set_settings("i", {"hitsPerPage": 5}) == 5
        assert (client.operations, client.requests) == (6, 4)
    assert [asked.path for asked in server.asked] == [
        "/1/indexes/i/batch",
        "/1/indexes/i/rules/batch?forwardToReplicas=false&clearExistingRules=false",
        "/1/indexes/i/rules/a%20b?forwardToReplicas=false",
        "/1/indexes/i/settings?forwardToReplicas=false",
    ]


def test_a_body_goes_out_as_it_was_made(server):
    record = b'{"action":"partialUpdateObjectNoCreate","body":{"objectID":"%06d","algosync":{"related":"%s"}}}'
    made = b'{"requests":[' + b",".join(record % (n, b"x" * 1220) for n in range(1000)) + b"]}"
    server.will({"taskID": 1})
    with WriteClient(server.target, "key") as client:
        client.batch("i", made, 1000)

    assert server.asked[0].body == made


def test_products_come_with_what_algosync_wrote(server, client):
    seen = []
    server.will(
        {"hits": [{"objectID": "1", "name": "A", "algosync": {"v": "abc"}}, {"objectID": "2"}], "cursor": "c"},
        {"hits": [{"objectID": "3", "algosync": None}]},
    )

    assert list(products(client, "i", ["name", "algosync"], progress=seen.append)) == [
        ProductBatch(records=[{"objectID": "1", "name": "A"}, {"objectID": "2"}], versions={"1": "abc", "2": None}),
        ProductBatch(records=[{"objectID": "3"}], versions={"3": None}),
    ]
    assert body(server.asked[0])["attributesToRetrieve"] == ["name", "algosync.v"]
    assert seen == [2, 3]
    server.will({"hits": [{"objectID": "1", "algosync": {"v": "abc"}}]})
    assert versions(client, "i") == {"1": "abc"}
    list(products(client, "i", None))
    assert "attributesToRetrieve" not in body(server.asked[-1])


@pytest.mark.parametrize("ours", [None, "abc", 5, [], {}, {"v": None}, {"v": 5}])
def test_a_foreign_attribute_of_our_name_is_not_ours(ours):
    assert version({"objectID": "1", "algosync": ours}) is None


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([DENIED, {"hits": []}], "denied"),
        ([{"hits": []}], "allowed"),
        ([ABSENT], "allowed"),
        ([DENIED, ABSENT], "denied"),
        ([DENIED, DENIED], "unknown"),
    ],
)
def test_what_the_storefronts_key_may_read(server, answers, verdict):
    server.will(*answers)

    access = storefront_can_read(server.target, "key", "payloads", "products")

    assert access.verdict == verdict
    assert "key" in access.reason


def test_no_answer_about_the_storefronts_key_is_no_verdict(server):
    server.will((503, b"{}", {}))
    with pytest.raises(AlgoliaUnavailableError):
        storefront_can_read(server.target, "key", "payloads")
