"""The server's life: start, stop, ports, credentials, what browsers need, garbage."""

from __future__ import annotations

import base64
import gzip
import os
import signal
import socket
import subprocess
import sys
import zlib
from http.client import HTTPConnection

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import AlgosyncError
from algosync.mock.app import response_of
from algosync.mock.routes.calls import Answer, Call
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_left_to_do_is_not_broken_off_by_a_second_signal(number):
    done = []

    def last():
        os.kill(os.getpid(), number)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/1/isalive", trust_env=False)
        done.append("saved")

    server = MockServer()
    server.serve_forever(lambda: os.kill(os.getpid(), number), last)
    assert done == ["saved"]


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


@pytest.fixture
def http(server):
    with httpx.Client(base_url=server.url, headers=HEADERS, trust_env=False) as opened:
        yield opened


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_browsers_may_call(http, method):
    asked = {"origin": "https://shop.example", "access-control-request-method": method}
    asked["access-control-request-headers"] = "x-algolia-api-key,content-type,x-anything-else"
    answer = http.options("/1/indexes/*/queries", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert method in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == asked["access-control-request-headers"]


@pytest.mark.parametrize("path", ["/1/indexes", "/1/nothing", "/1/isalive"])
def test_browsers_may_read_answers_errors_and_warnings(http, path):
    answer = http.get(path, headers={"origin": "https://shop.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-algosync-mock-warning" in answer.headers["access-control-expose-headers"]
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"


def test_options_without_an_origin_and_head(http):
    allowed = http.options("/1/indexes")
    assert (allowed.status_code, allowed.content) == (200, b"")
    assert "DELETE" in allowed.headers["allow"]
    head = http.head("/1/indexes")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(http.get("/1/indexes").content))


@pytest.mark.parametrize("method", ["GET", "PATCH", "TRACE", "PURGE"])
def test_unknown_routes_and_methods(http, method):
    unknown = http.request(method, "/1/nothing/here")
    assert (unknown.status_code, unknown.json()["status"]) == (404, 404)
    if method != "GET":
        assert http.request(method, "/1/indexes").status_code == 404


BATCH = orjson.dumps({"requests": [{"action": "addObject", "body": {"objectID": "a"}}]})
DEFLATED, GZIPPED = zlib.compress(BATCH), gzip.compress(BATCH, mtime=0)


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", GZIPPED, 200),
        ("GZIP", GZIPPED, 200),
        ("deflate", DEFLATED, 200),
        ("identity", BATCH, 200),
        ("gzip", b"no gzip", 400),
        ("gzip", GZIPPED[:-4], 400),
        ("deflate", DEFLATED[:-1], 400),
        ("br", BATCH, 415),
    ],
)
def test_bodies_that_are_packed(http, encoding, body, status):
    answer = http.post("/1/indexes/p/batch", content=body, headers={"content-encoding": encoding})
    assert answer.status_code == status
    assert status == 200 or set(answer.json()) == {"message", "status"}


def test_a_body_in_chunks_and_one_that_is_no_json(http, algolia):
    half = len(BATCH) // 2
    assert http.post("/1/indexes/p/batch", content=iter([BATCH[:half], BATCH[half:]])).status_code == 200
    assert algolia.requests[-1].body == BATCH
    assert http.post("/1/indexes/p/batch", content=b"{").status_code == 400


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize(("size", "status"), [(20_000, 200), (20_001, 413), (500_000, 413)])
def test_a_body_over_the_limit(algolia, size, status, packed):
    """1 GB at Algolia: algolia.com/doc/guides/scaling/algolia-service-limits."""
    server = MockServer(algolia, body_max=20_000)
    body = BATCH + b" " * (size - len(BATCH))
    headers = HEADERS | ({"content-encoding": "gzip"} if packed else {})
    with server, httpx.Client(base_url=server.url, headers=headers, trust_env=False) as http:
        answer = http.post("/1/indexes/p/batch", content=gzip.compress(body) if packed else body)
        assert (answer.status_code, answer.json().get("status", 200)) == (status, status)
        assert http.get("/1/isalive").status_code == 200, "the connection is of use still"


@pytest.mark.parametrize(
    "target",
    [
        "/1/indexes/%FF%FE/query",
        "/1/indexes/%/query",
        "/1/indexes/%zz/a%00b",
        "/1/indexes/%ED%A0%80/%2F%2e%2E",
        "/1/indexes/p/x?attributesToRetrieve=%FF&%FF=%&&=;",
        "/1/indexes/p/x?" + "a=1&" * 2000,
        "//1//indexes//",
        "/",
        "*",
        "/1/indexes/" + "p" * 30_000,
        "/mock/%FF",
    ],
    ids=lambda target: target[:30],
)
def test_strange_paths_are_no_error_of_the_mock(server, target):
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    for method in ("GET", "POST"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
            raw.sendall(f"{method} {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n{head}\r\n".encode())
            status = int(raw.recv(200).split()[1])
        assert status in {200, 201, 400, 404}, method


def test_what_is_no_http_is_refused(server):
    for sent in (b"\x16\x03\x01\r\n\r\n", b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
            raw.sendall(sent)
            assert b" 400 " in raw.recv(200)


def test_a_client_that_dies_while_it_sends(server, capfd):
    head = b"POST /1/indexes/p/batch HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(head)
    assert httpx.get(f"{server.url}/1/isalive", trust_env=False).status_code == 200
    assert capfd.readouterr().err == ""


def test_connections_are_kept(server):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.connect()
    own = connection.sock.getsockname()
    for path in ("/1/isalive", "/1/nothing", "/1/isalive"):
        connection.request("GET", path)
        connection.getresponse().read()
        assert connection.sock.getsockname() == own
    connection.close()


def test_a_warning_may_quote_anything():
    answer = Answer(headers={"x-algosync-mock-warning": "ignored: größe\r\nset-cookie: a"})
    assert response_of(answer).headers["x-algosync-mock-warning"] == "ignored: gr\\xf6\\xdfe  set-cookie: a"


def test_what_the_log_knows_of_a_request(server, algolia):
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        keys = {"x-algolia-application-id": "MOCKAPP", "X-Algolia-API-Key": "mock-read"}
        http.get("/1/indexes/a%2Fb/settings", params={**keys, "getVersion": "2"})
        http.post("/1/indexes/p/query", json={"query": "x"}, headers=HEADERS)
        http.get("/nowhere", headers=HEADERS)
    seen = [(r.operation, r.path, r.query, r.key, r.status, r.json()) for r in algolia.requests]
    assert seen == [
        ("getSettings", "/1/indexes/a%2Fb/settings", {"getversion": "2"}, "mock-read", 404, None),
        ("searchSingleIndex", "/1/indexes/p/query", {}, "mock-admin", 404, {"query": "x"}),
        ("", "/nowhere", {}, "mock-admin", 404, None),
    ]


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
    ("POST", "indexes/*/objects", {"requests": [{"indexName": "p", "objectID": "x", "attributesToRetrieve": ["n"]}]}),
    ("POST", "indexes/p/deleteByQuery", {"filters": "tags:none"}),
    ("POST", "indexes/p/facets/name/query", {"facetQuery": "a", "maxFacetHits": 3}),
    ("POST", "indexes/p/x/partial", {"n": {"_operation": "Increment", "value": 1}, "tags": None}),
)
CURSOR = ("POST", "indexes/p/browse", {"cursor": base64.urlsafe_b64encode(b'[[3],"a",{"query":"a"}]').decode()})
REFUSALS = {400, 401, 403, 404, 405, 413, 422}


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


@given(data=st.data(), request_=st.sampled_from((*REQUESTS, CURSOR)), new=JSON | TEXTS)
def test_garbage_is_refused_and_nothing_breaks(data, request_, new):
    method, path, body = request_
    algolia = filled()
    send(algolia, method, path, replaced(body, data.draw(st.sampled_from(list(places(body)))), new))
    for followed in REQUESTS[3:5]:
        send(algolia, *followed)


@given(route=st.sampled_from(ROUTES), body=JSON, query=st.dictionaries(st.sampled_from(["createifnotexists"]), TEXTS))
def test_any_json_to_any_route(route, body, query):
    named = {"{index}": "p"}
    path = "/" + "/".join(named.get(part, "x") if part.startswith("{") else part for part in route.parts)
    call = Call(method=route.method, path=path, headers=HEADERS, query=query, body=orjson.dumps(body))
    answer = handle(filled(), call)
    assert answer.status in {200, 201, 204, *REFUSALS}
    assert answer.status == 204 or orjson.loads(answer.body) is not None


@given(body=st.binary(max_size=60))
def test_bytes_that_are_no_json(body):
    for path in ("batch", "query", "rules/batch", "browse"):
        call = Call(method="POST", path=f"/1/indexes/p/{path}", headers=HEADERS, body=body)
        assert handle(MockAlgolia(), call).status in {200, 400, 404}


@pytest.mark.parametrize("depth", [100, 200, 250, 300, 1000, 20_000])
def test_deep_nesting(depth):
    algolia = filled()
    deep = b'{"name":' * depth + b'"a"' + b"}" * depth
    requests = [
        ("PUT", "indexes/p/y", deep),
        ("POST", "indexes/p/query", b'{"query":"a","facets":["*"],"attributesToHighlight":["*"]}'),
        ("POST", "indexes/p/browse", b"{}"),
        ("POST", "indexes/p/query", b'{"filters":"' + b"(" * depth + b"tags:x" + b")" * depth + b'"}'),
        ("POST", "indexes/p/query", b'{"optionalFilters":' + b"[" * depth + b"]" * depth + b"}"),
        ("PUT", "indexes/p/rules/r", b'{"objectID":"r","consequence":{"userData":' + deep + b"}}"),
        ("PUT", "indexes/p/settings", b'{"renderingContent":' + deep + b"}"),
        ("GET", "indexes/p/settings", b""),
        ("POST", "events", b'{"events":' + b"[" * depth + b"]" * depth + b"}"),
    ]
    for method, path, body in requests:
        answer = handle(algolia, Call(method=method, path=f"/1/{path}", headers=HEADERS, body=body))
        assert answer.status in {200, *REFUSALS}, path


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


@pytest.mark.parametrize(("host", "reached"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.2", "127.0.0.2")])
def test_it_listens_where_it_is_told(host, reached):
    with MockServer(host=host) as server:
        assert server.url == f"http://{reached}:{server.port}"
        assert httpx.get(f"{server.url}/1/isalive", trust_env=False).status_code == 200
