"""The server's life: start, stop, ports, credentials, what browsers need, garbage."""

from __future__ import annotations

import base64
import gzip
import os
import signal
import subprocess
import sys

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import AlgosyncError
from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import ROUTES, handle
from algosync.mock.server import MockAlgolia, MockServer

HEADERS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}


def test_starts_and_stops_again_and_again():
    server = MockServer()
    ports = set()
    for _ in range(3):
        with server, httpx.Client(trust_env=False) as http:
            ports.add(server.port)
            assert http.get(f"{server.url}/1/isalive").json() == {"message": "server is alive"}
        with httpx.Client(trust_env=False) as http, pytest.raises(httpx.ConnectError):
            http.get(f"{server.url}/1/isalive")
    assert len(ports) == 1, "a port once found is kept"
    server.stop()


def test_a_used_port_is_refused(server):
    with pytest.raises(AlgosyncError, match=f"Port {server.port} cannot be used"):
        MockServer(port=server.port).start()
    with pytest.raises(AlgosyncError, match="already running"):
        server.start()
    with pytest.raises(AlgosyncError, match="Port 99999 cannot be used"):
        MockServer(port=99999).start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_in_the_foreground_until_a_signal(number):
    code = (
        "from algosync.mock.server import MockServer\n"
        "server = MockServer()\n"
        "server.serve_forever(ready=lambda: print(server.port, flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    port = int(process.stdout.readline())
    with httpx.Client(trust_env=False) as http:
        assert http.get(f"http://127.0.0.1:{port}/1/isalive").status_code == 200
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-algolia-application-id": "MOCKAPP"},
        {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "wrong"},
        {"x-algolia-application-id": "OTHER", "x-algolia-api-key": "mock-admin"},
    ],
)
def test_bad_credentials(server, headers):
    answer = httpx.get(f"{server.url}/1/indexes", headers=headers, trust_env=False)
    assert answer.status_code == 403
    assert answer.json() == {"message": "Invalid Application-ID or API key", "status": 403}


def test_credentials_in_the_query_string_and_any_content_type(server, algolia):
    url = f"{server.url}/1/indexes/products/batch?x-algolia-application-id=MOCKAPP&X-Algolia-API-Key=mock-write"
    body = orjson.dumps({"requests": [{"action": "addObject", "body": {"objectID": "a"}}]})
    answer = httpx.post(url, content=body, headers={"content-type": "text/plain"}, trust_env=False)
    assert answer.json() == {"taskID": 1, "objectIDs": ["a"]}
    assert [(r.method, r.path, r.key, r.status) for r in algolia.requests] == [
        ("POST", "/1/indexes/products/batch", "mock-write", 200)
    ]


def test_browsers_may_call(server):
    asked = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    asked["access-control-request-headers"] = "x-algolia-api-key"
    answer = httpx.options(f"{server.url}/1/indexes/*/queries", headers=asked, trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"


def test_unknown_routes_and_bad_bodies(server):
    with httpx.Client(base_url=server.url, headers=HEADERS, trust_env=False) as http:
        unknown = http.get("/1/nothing/here")
        assert (unknown.status_code, unknown.json()["status"]) == (404, 404)
        assert http.post("/1/indexes/p/batch", content=b"{").status_code == 400
        packed = {"content-encoding": "gzip"}
        assert http.post("/1/indexes/p/batch", content=b"no gzip", headers=packed).status_code == 400
        assert http.post("/1/indexes/p/batch", content=gzip.compress(b"{}")[:-4], headers=packed).status_code == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
TEXTS = st.sampled_from(["addObject", "p", "a:b<score=3>", "a:-b", "x > 3", "a:1 TO 2", "(a:b OR", "desc(x)", "*", ""])
RULE = {
    "objectID": "r",
    "conditions": [{"context": "c", "pattern": "a", "anchoring": "contains", "filters": "tags:x"}],
    "consequence": {
        "params": {"query": {"remove": ["a"], "edits": [{"type": "replace", "delete": "a", "insert": "b"}]}},
        "promote": [{"objectID": "x", "position": 0}, {"objectIDs": ["y"], "position": 1}],
        "hide": [{"objectID": "z"}],
        "filterPromotes": True,
        "userData": {"a": 1},
    },
    "enabled": True,
    "validity": [{"from": 0, "until": 9999999999}],
}
SEARCH = {
    "query": "a b",
    "params": "hitsPerPage=3&facets=%5B%22tags%22%5D",
    "filters": "tags:x OR tags:y",
    "facetFilters": [["tags:x"], "name:-q"],
    "optionalFilters": [["tags:x<score=3>", "name:-a"], "n:3"],
    "numericFilters": ["n > 1", ["n:1 TO 3"]],
    "tagFilters": ["a"],
    "ruleContexts": ["c"],
    "facets": ["*"],
    "attributesToRetrieve": ["name", "deep.a"],
    "attributesToHighlight": ["*"],
    "responseFields": ["*"],
    "page": 0,
    "hitsPerPage": 5,
    "distinct": 1,
    "typoTolerance": "min",
    "optionalWords": ["a"],
    "ranking": ["typo", "desc(n)"],
    "getRankingInfo": True,
}
BROAD = {"query": "", "facets": ["*"], "attributesToHighlight": ["*"], "ruleContexts": ["c"], "getRankingInfo": True}
SETTINGS = {
    "attributesForFaceting": ["searchable(name)", "tags", "n"],
    "searchableAttributes": ["name,tags", "unordered(deep.a)"],
    "attributeForDistinct": "tags",
    "customRanking": ["desc(n)", "asc(name)", "desc(objectID)"],
    "unretrievableAttributes": ["secret"],
    "hitsPerPage": 3,
    "typoTolerance": True,
    "distinct": False,
}
RECORD = {"objectID": "x", "name": "a b", "tags": [1, "2", None, True], "n": 3, "deep": [{"a": "c"}, 4]}
ADD = {"action": "addObject", "indexName": "p", "body": RECORD}
CHANGE = {"action": "partialUpdateObject", "body": {"objectID": "x", "n": {"_operation": "Increment", "value": 1}}}
REQUESTS = (
    ("POST", "indexes/p/batch", {"requests": [ADD]}),
    ("PUT", "indexes/p/settings", SETTINGS),
    ("POST", "indexes/p/rules/batch", [RULE]),
    ("POST", "indexes/p/query", SEARCH),
    ("POST", "indexes/p/query", BROAD),
    ("POST", "indexes/p/batch", {"requests": [CHANGE, {"action": "clear", "body": {}}]}),
    ("POST", "indexes/*/batch", {"requests": [ADD]}),
    ("PUT", "indexes/p/rules/r", RULE),
    ("POST", "indexes/p/rules/search", {"query": "r", "context": "c", "anchoring": "is", "enabled": True, "page": 0}),
    ("POST", "indexes/*/queries", {"requests": [{"indexName": "p", **SEARCH}], "strategy": "none"}),
    ("POST", "indexes/*/queries", {"requests": [{"indexName": "p", "type": "facet", "facet": "name"}]}),
    ("POST", "indexes/p/browse", {"hitsPerPage": 1, "attributesToRetrieve": ["n"], "filters": "tags:2"}),
    ("POST", "indexes/p/browse", {"cursor": base64.urlsafe_b64encode(b'["a",{"query":"a"}]').decode()}),
    ("POST", "indexes/*/objects", {"requests": [{"indexName": "p", "objectID": "x", "attributesToRetrieve": ["n"]}]}),
    ("POST", "indexes/p/deleteByQuery", {"filters": "tags:none"}),
    ("POST", "indexes/p/facets/name/query", {"facetQuery": "a", "maxFacetHits": 3}),
    ("POST", "indexes/p/x/partial", {"n": {"_operation": "Increment", "value": 1}, "tags": None}),
)


def send(algolia, method, path, body):
    call = Call(method=method, path=f"/1/{path}", headers=HEADERS, body=orjson.dumps(body))
    answer = handle(algolia, call)
    assert 200 <= answer.status < 500
    return answer.status, orjson.loads(answer.body)


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in inner:
        yield from places(child, (*path, name))


def replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def filled():
    algolia = MockAlgolia()
    for request in REQUESTS[:3]:
        assert send(algolia, *request)[0] == 200
    return algolia


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: each[1])
def test_the_requests_that_are_then_spoilt_are_good(request_):
    status, answer = send(filled(), *request_)
    assert status == 200, answer


@given(data=st.data(), request_=st.sampled_from(REQUESTS), new=JSON | TEXTS)
def test_garbage_is_refused_and_nothing_breaks(data, request_, new):
    method, path, body = request_
    algolia = filled()
    send(algolia, method, path, replaced(body, data.draw(st.sampled_from(list(places(body)))), new))
    for followed in REQUESTS[3:5]:
        send(algolia, *followed)


@given(route=st.sampled_from(ROUTES), body=JSON, query=st.dictionaries(st.sampled_from(["createifnotexists"]), TEXTS))
def test_any_json_to_any_route(route, body, query):
    path = "/" + "/".join({"{index}": "p", "{object}": "x"}.get(part, part) for part in route.parts)
    call = Call(method=route.method, path=path, headers=HEADERS, query=query, body=orjson.dumps(body))
    answer = handle(filled(), call)
    assert answer.status in {200, 201, 400, 404}
    orjson.loads(answer.body)


@given(body=st.binary(max_size=60))
def test_bytes_that_are_no_json(body):
    for path in ("batch", "query", "rules/batch", "browse"):
        call = Call(method="POST", path=f"/1/indexes/p/{path}", headers=HEADERS, body=body)
        assert handle(MockAlgolia(), call).status in {200, 400, 404}


def test_snapshot_and_restore(client, algolia):
    client.save_object("products", {"objectID": "a", "v": 1})
    client.set_settings("products", {"hitsPerPage": 3})
    before, listed = algolia.content(), client.list_indices().to_dict()
    kept = algolia.snapshot()
    client.save_object("products", {"objectID": "a", "v": 2})
    client.save_rules("products", [{"objectID": "r", "consequence": {"params": {"query": "x"}}}])
    client.save_object("other", {"objectID": "b"})
    assert algolia.content() != before
    algolia.restore(kept)
    assert algolia.content() == before
    assert client.list_indices().to_dict() == listed
    assert client.search_single_index("products", {"query": ""}).hits[0].to_dict()["v"] == 1
