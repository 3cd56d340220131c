"""Whatever is sent, to whatever route: an answer in JSON, never a 500, and a refusal changes nothing.

Through the ASGI application, in process. What was accepted is then read in every way, since a poisonous setting, rule
or record would break later answers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from algosync.mock.algolia import MockAlgolia
from algosync.mock.app import make_app
from algosync.mock.nesting import read_json

from .calls import CASES, Case, asked, filled
from .fuzzing import Sent, at, places, requests
from .shop import NOW_MS, SEARCH

EXAMPLES = settings().max_examples
quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

HEADERS = ((b"x-algolia-application-id", b"MOCKAPP"), (b"x-algolia-api-key", b"mock-admin"))
READING = {
    *("searchSingleIndex", "search", "searchForFacetValues", "browse", "getObjects", "searchRules"),
    "getRecommendations",
}
"""POST requests that write nothing."""


@dataclass(frozen=True)
class Got:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Mock:
    """A shop behind its ASGI application, put back as it was before each request or story."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.algolia: MockAlgolia = filled()
        self.algolia._clock_ms = self.algolia.tasks._now_ms = lambda: self.now_ms
        self.kept = self.algolia.snapshot()
        self.app = make_app(lambda: self.algolia)
        self.runner = asyncio.Runner()
        self.whole = self.state()

    def put_back(self) -> None:
        algolia = self.algolia
        self.now_ms = NOW_MS
        algolia.faults.clear()
        algolia.restore(self.kept)
        algolia.snapshots = {"1": self.kept}
        algolia.operations.clear()
        algolia.operations.update(self.whole["operations"])
        algolia.tasks.delay_ms = 0
        assert self.state() == self.whole

    def state(self) -> dict[str, Any]:
        algolia = self.algolia
        return {
            "content": algolia.content(),
            "accepted": {name: index.content() for name, index in sorted(algolia.tasks.head.items())},
            "keys": algolia.keys.state(),
            "events": list(algolia.events),
            "strategy": algolia.personalization.strategy,
            "deleted": dict(algolia.personalization.deleted_until_ms),
            "snapshots": list(algolia.snapshots),
            "faults": algolia.faults.describe()["faults"],
            "operations": dict(algolia.operations),
        }

    def send(self, sent: Sent) -> Got:
        return self.runner.run(self._send(sent))

    async def _send(self, sent: Sent) -> Got:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": sent.method,
            "path": sent.path.decode(),
            "raw_path": sent.path,
            "query_string": sent.query,
            "headers": list(sent.headers),
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        incoming = [{"type": "http.request", "body": sent.body, "more_body": False}]
        outgoing: list[Any] = []

        async def receive() -> Any:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            outgoing.append(message)

        await self.app(scope, receive, send)  # type: ignore[arg-type]
        body = b"".join(message["body"] for message in outgoing[1:])
        return Got(outgoing[0]["status"], dict(outgoing[0]["headers"]), body)

    def read(self) -> None:
        """Everything that can be read is still answered."""
        self.algolia.faults.clear()
        self.algolia.tasks.publish()
        for name in list(self.algolia.indices)[:4]:
            at = f"/1/indexes/{quote(name, safe='')}"
            self.check(f"GET {at}/settings")
            self.check(f"POST {at}/query", {**SEARCH, "facets": ["*"]}, strict=False)
            self.check(f"POST {at}/query", {"query": "red sheo a", "ruleContexts": ["vip"], "getRankingInfo": True})
            self.check(f"POST {at}/browse")
            self.check(f"POST {at}/rules/search", {"query": "s"})
            self.check(f"POST {at}/facets/brand/query", {"facetQuery": "a"}, strict=False)
            self.check(f"GET /mock/indexes/{quote(name, safe='')}", strict=False)
            about = asked("related-products", objectID="a")["requests"][0] | {"indexName": name}
            self.check("POST /1/indexes/*/recommendations", {"requests": [about]}, strict=False)
        for line in ("GET /1/indexes", "GET /1/keys", "GET /mock/events", "GET /mock/requests", "GET /mock/faults"):
            self.check(line)
        self.check("GET /1/profiles/personalization/anna", strict=False)
        self.check("GET /1/strategies/personalization")

    def check(self, line: str, body: Any = None, *, strict: bool = True) -> None:
        method, path = line.split(" ")
        sent = Sent(method, path.encode(), b"", HEADERS, b"" if body is None else orjson.dumps(body))
        got = self.send(sent)
        assert 200 <= got.status < (300 if strict else 500), (line, got.body)
        orjson.loads(got.body)

    def hold(self, sent: Sent) -> bool:
        """The laws, for one request; returns whether it was taken."""
        before = self.state()
        self.algolia.requests.clear()
        got = self.send(sent)
        _is_answer(sent, got)
        reads = any(request.operation in READING for request in self.algolia.requests)
        if got.status >= 400 or sent.method in {"GET", "HEAD", "OPTIONS"} or reads:
            assert self.state() == before
            return False
        return True


def _is_answer(sent: Sent, got: Got) -> None:
    assert 200 <= got.status < 500, got.body
    if sent.method == "OPTIONS" or got.status == 204:
        assert got.body == b""
    elif got.headers[b"content-type"].startswith(b"text/html"):
        assert (sent.method, sent.path, got.status) == ("POST", b"/1/events", 400)
    else:
        content = orjson.loads(got.body)
        if got.status >= 400:
            assert content["status"] == got.status
            assert isinstance(content["message"], str)
            assert content["message"]


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    made = Mock()
    yield made
    made.runner.close()


@given(requests())
@settings(max_examples=EXAMPLES * 20, suppress_health_check=quiet)
def test_any_request_is_answered_and_a_refusal_changes_nothing(mock: Mock, sent: Sent) -> None:
    mock.put_back()
    if mock.hold(sent):
        mock.read()


WRITES = [case for _, case in CASES if case.method != "GET" and not case.path.startswith("/mock/faults")]


@given(
    st.lists(st.tuples(requests(WRITES), st.sampled_from([0, 0, 5]), st.sampled_from([0, 3])), min_size=3, max_size=8)
)
@settings(max_examples=EXAMPLES, suppress_health_check=quiet)
def test_writes_one_after_the_other_that_are_published_late(mock: Mock, story: list[tuple[Sent, int, int]]) -> None:
    mock.put_back()
    for sent, delay_ms, wait_ms in story:
        mock.algolia.tasks.delay_ms = delay_ms
        mock.hold(sent)
        mock.now_ms += wait_ms
    mock.read()
    mock.now_ms += 100
    mock.read()
    assert mock.algolia.tasks.pending == 0
    assert mock.state()["content"] == mock.state()["accepted"]


WRONG: list[Any] = [
    None,
    True,
    [],
    {},
    [{}],
    [[]],
    [None],
    {"a": 1},
    "",
    "x",
    0,
    -1,
    1.5,
    2**63,
    10**19,
    float(1 << 80),
]
GIVEN = [(name, case) for name, case in CASES if case.body is not None]


@pytest.mark.parametrize(("operation", "case"), GIVEN, ids=[f"{name}-{case.line}" for name, case in GIVEN])
def test_every_field_may_hold_anything(mock: Mock, operation: str, case: Case) -> None:
    """Also where chance would rarely look: each value of each body in turn is replaced by values of every type."""
    mock.put_back()
    for place in places([case.body])[1:]:
        for wrong in WRONG:
            whole = deepcopy([case.body])
            at(whole, place[:-1])[place[-1]] = wrong
            sent = Sent(case.method, case.path.encode(), b"", HEADERS, json.dumps(whole[0]).encode())
            _is_answer(sent, mock.send(sent))
            mock.algolia.faults.clear()


DEEP = [
    ("PUT /1/indexes/products/a", '{"title": %s}'),
    ("POST /1/indexes/products/batch", '{"requests": [{"action": "addObject", "body": {"objectID": "a", "n": %s}}]}'),
    ("PUT /1/indexes/products/settings", '{"userData": %s}'),
    ("PUT /1/indexes/products/rules/r", '{"objectID": "r", "consequence": {"userData": %s}}'),
    ("POST /1/indexes/products/query", '{"semanticSearch": %s}'),
    ("POST /1/indexes/products/query", '{"distinct": %s}'),
    ("POST /1/indexes/products/query", '{"params": "distinct=%s"}'),
    ("POST /1/events", '{"events": [{"eventType": "click", "x": %s}]}'),
    ("POST /1/strategies/personalization", "%s"),
    ("PUT /mock/indexes/products", '[{"objectID": "a", "n": %s}]'),
]


@pytest.mark.parametrize(("line", "body"), DEEP, ids=[line for line, _ in DEEP])
@pytest.mark.parametrize("levels", [150, 201, 250, 254, 300, 1000, 5000])
def test_what_was_taken_can_be_told_again_however_deep_it_is(mock: Mock, line: str, body: str, levels: int) -> None:
    mock.put_back()
    method, path = line.split(" ")
    taken = mock.hold(Sent(method, path.encode(), b"", HEADERS, (body % ("[" * levels + "]" * levels)).encode()))
    assert not taken or levels == 150
    mock.read()


@pytest.mark.parametrize("text", ["1", "[" * 200 + "]" * 200, '{"a":' * 199 + "[]" + "}" * 199])
def test_two_hundred_levels_are_read(text: str) -> None:
    assert orjson.dumps(read_json(text)).decode() == text


@pytest.mark.parametrize("text", ["", "[", "NaN", '"\\ud800"', "[" * 201 + "]" * 201, '{"a":' * 200 + "[]" + "}" * 200])
def test_more_levels_and_what_is_no_json_are_not(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(text)
