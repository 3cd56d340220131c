"""Limits by plan, after algolia.com/doc/guides/scaling/algolia-service-limits."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from algoliasearch.http.exceptions import RequestException
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import AlgoliaError, ConfigError
from algosync.mock.plans import PLANS, Limits, plan_of
from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.server import MockAlgolia

from .clock import Clock

HEADERS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}
ROOMY = replace(PLANS["build"], writes_per_minute=None)
RULE = {"objectID": "r", "consequence": {"params": {"query": "x"}}}


@pytest.fixture
def clock():
    return Clock()


def send(algolia, method, path, body=None):
    content = b"" if body is None else orjson.dumps(body)
    answer = handle(algolia, Call(method=method, path=f"/1/{path}", headers=HEADERS, body=content))
    return answer, orjson.loads(answer.body)


def put(algolia, index="p", object_id="a", **record):
    return send(algolia, "PUT", f"indexes/{index}/{object_id}", record)[0]


def sized(size, object_id="a"):
    """A record of so many bytes of minified JSON."""
    empty = len(orjson.dumps({"objectID": object_id, "text": ""}))
    return {"objectID": object_id, "text": "x" * (size - empty)}


@pytest.mark.parametrize(("plan", "limit"), [("build", 10_000), ("grow", 100_000), ("premium", 100_000)])
def test_record_sizes(server, connect, plan, limit):
    """A KB is 1,000 bytes, as in the message "size=14072/10000 bytes" (saleor/apps#926)."""
    server.algolia = MockAlgolia(plan=plan)
    client = connect()
    client.save_object("products", sized(limit))
    with pytest.raises(RequestException) as refused:
        client.save_objects("products", [{"objectID": "b"}, sized(limit + 1)])
    assert f"Record at the position 1 objectID=a is too big size={limit + 1}/{limit} bytes." in str(refused.value)
    assert server.algolia.content()["products"]["records"].keys() == {"a"}


def test_a_record_size_of_ones_own():
    assert MockAlgolia(plan="build", max_record_bytes=60).max_record_bytes == 60
    assert MockAlgolia(plan=replace(ROOMY, record_bytes=50)).max_record_bytes == 50


def test_an_unknown_plan():
    with pytest.raises(ConfigError, match=r"there is no plan 'gold'\. Choose one of unlimited, build"):
        MockAlgolia(plan="gold")


@pytest.mark.parametrize(("plan", "indices"), [("build", 10), ("grow", 50), ("premium", 1000)])
def test_how_many_indices(plan, indices):
    assert plan_of(plan).indices == indices
    algolia = MockAlgolia(plan=replace(plan_of(plan), indices=2, writes_per_minute=None))
    put(algolia, "a")
    put(algolia, "b")
    puts = [{"action": "addObject", "indexName": name, "body": {"objectID": "x"}} for name in ("a", "c")]
    copy = {"operation": "copy", "destination": "c"}
    for method, path, body in (
        ("PUT", "indexes/c/x", {}),
        ("POST", "indexes/*/batch", {"requests": puts}),
        ("PUT", "indexes/c/settings", {"hitsPerPage": 3}),
        ("POST", "indexes/c/rules/batch", [RULE]),
        ("POST", "indexes/a/operation", copy),
    ):
        answer, refusal = send(algolia, method, path, body)
        assert (answer.status, refusal["message"]) == (403, "Index quota exceeded: this plan has 2 indices"), path
    assert set(algolia.content()) == {"a", "b"}
    assert algolia.content()["a"]["records"].keys() == {"a"}
    assert send(algolia, "POST", "indexes/a/operation", {"operation": "move", "destination": "c"})[0].status == 200
    assert set(algolia.content()) == {"b", "c"}


def test_replace_all_objects_needs_room_for_a_third_index(server, connect):
    server.algolia = MockAlgolia(plan=replace(ROOMY, indices=2))
    client = connect()
    client.save_objects("products", [{"objectID": "a"}])
    client.replace_all_objects("products", [{"objectID": "b"}])
    assert set(server.algolia.content()) == {"products"}
    client.save_objects("other", [{"objectID": "a"}])
    with pytest.raises(RequestException, match="Index quota exceeded"):
        client.replace_all_objects("products", [{"objectID": "c"}])


def test_how_many_rules():
    algolia = MockAlgolia(plan=replace(ROOMY, rules=2))
    put(algolia)
    rules = [RULE | {"objectID": name} for name in "abc"]
    assert send(algolia, "POST", "indexes/p/rules/batch", rules[:2])[0].status == 200
    assert send(algolia, "POST", "indexes/p/rules/batch", rules[:1])[0].status == 200, "the same rules again"
    answer, refusal = send(algolia, "POST", "indexes/p/rules/batch", rules[2:])
    assert (answer.status, refusal["message"][:20]) == (403, "Rules quota exceeded")
    assert send(algolia, "PUT", "indexes/p/rules/c", rules[2])[0].status == 403
    assert send(algolia, "PUT", "indexes/p/rules/b", rules[1])[0].status == 200
    call = Call(
        method="POST",
        path="/1/indexes/p/rules/batch",
        query={"clearexistingrules": "true"},
        headers=HEADERS,
        body=orjson.dumps(rules[1:]),
    )
    assert handle(algolia, call).status == 200
    assert algolia.content()["p"]["rules"].keys() == {"b", "c"}


def test_how_many_tasks_may_wait(clock):
    algolia = MockAlgolia(plan=replace(ROOMY, waiting_tasks=3), clock_ms=clock, publish_after_ms=1000)
    assert [put(algolia, object_id=name).status for name in "abcd"] == [200, 200, 200, 429]
    clock.now_ms = 1000
    assert put(algolia, object_id="d").status == 200


def test_large_searches():
    algolia = MockAlgolia(plan=replace(ROOMY, search_bytes=100))
    put(algolia)
    assert send(algolia, "POST", "indexes/p/query", {"query": "x"})[0].status == 200
    assert send(algolia, "POST", "indexes/p/query", {"query": "x" * 200})[0].status == 413
    assert put(algolia, text="x" * 200).status == 200


def test_indexing_requests_by_the_minute(clock):
    algolia = MockAlgolia(plan="build", clock_ms=clock)
    statuses = [put(algolia).status for _ in range(501)]
    assert statuses == [200] * 500 + [429]
    refused = put(algolia)
    assert dict(refused.headers) == {"retry-after": "1"}
    assert orjson.loads(refused.body) == {
        "message": "Too many requests: 500 indexing requests per minute per application",
        "status": 429,
    }
    assert send(algolia, "POST", "indexes/p/query", {})[0].status == 200, "search is never slowed"
    clock.now_ms += 120
    assert [put(algolia).status for _ in range(2)] == [200, 429]
    clock.now_ms += 3_600_000
    assert [put(algolia).status for _ in range(501)].count(200) == 500


def test_the_official_client_comes_again_after_a_429(server, connect):
    algolia = server.algolia = MockAlgolia(plan=replace(PLANS["build"], writes_per_minute=1), clock_ms=Clock())
    client = connect(max_rate_limit_retries=0)
    client.save_objects("p", [{"objectID": "a"}])
    with pytest.raises(RequestException) as refused:
        client.save_objects("p", [{"objectID": "b"}])
    assert refused.value.status_code == 429
    assert [r.status for r in algolia.requests.of("batch")] == [200, 429]


def admitted(limits):
    try:
        limits.admit_write(lambda: 0)
    except AlgoliaError:
        return False
    return True


@given(per_minute=st.integers(1, 600), gaps=st.lists(st.integers(0, 30_000), max_size=60))
def test_no_minute_sees_more_than_a_bucket_and_what_flows_in(per_minute, gaps):
    clock = Clock()
    limits = Limits(replace(ROOMY, writes_per_minute=per_minute), clock)
    taken = []
    for gap in gaps:
        clock.now_ms += gap
        if admitted(limits):
            taken.append(clock.now_ms)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            flowed = (taken[last] - taken[first]) * per_minute / 60_000
            assert last - first + 1 <= per_minute + flowed + 1e-6
    # Whoever comes at the pace of the plan, is always served.
    steady = Limits(replace(ROOMY, writes_per_minute=per_minute), clock)
    for _ in range(20):
        clock.now_ms += -(-60_000 // per_minute)
        assert admitted(steady)


def test_without_a_plan_nothing_is_refused():
    algolia = MockAlgolia()
    assert {put(algolia, f"i{number}").status for number in range(1100)} == {200}
