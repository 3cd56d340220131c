from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from algosync.errors import AlgosyncError, RequestError, StoreError
from algosync.experience.answer_memory import Told
from algosync.experience.keys import sign
from algosync.experience.question import Question
from algosync.serve.app import Parts, make_app
from algosync.serve.auth import Gate, Keys
from algosync.serve.desk import Condition
from algosync.serve.door import Door
from algosync.serve.experience import BODY_MAX
from algosync.serve.limits import Limits, Rate
from algosync.serve.schemas import EXAMPLES

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECRET, ADMIN, PUBLIC = (
    "a secret of the shop's, long enough",
    "the shop's own key, of 32 characters",
    "public-storefront",
)
ANONYMOUS = "0f8fad5b-d9cb-469f-a165-70867728950e"
PATH = "/v1/experience"
PEOPLE = {
    "user123": {"person": "user123", "state": "user"},
    "4fd8a1e2-0b7c-4d3e-9f21-1a2b3c4d5e6f": {"person": "user123"},
}


NAMES = ("userToken", "where", "query", "context", "ruleContexts", "optionalFilters")
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
    max_leaves=8,
)


class FakeDesk:
    """Answers with what it was asked."""

    def __init__(self) -> None:
        self.waits = False
        self.asked: list[Question] = []
        self.trouble: Exception | None = None
        self.state = Condition(generation=3, as_of="2026-11-23T11:00:00+00:00")
        self.people: Mapping[str, Any] = PEOPLE

    def answer(self, question: Question, allow: Any, *, now: datetime) -> dict[str, Any]:
        if self.trouble is not None:
            raise self.trouble
        allow(self.people.get(question.user_token))
        self.asked.append(question)
        return {**EXAMPLES["Experience"], "search": {"userToken": question.user_token}}

    def told(self, question: Question, allow: Any, *, now: datetime) -> Told:
        made = orjson.dumps(self.answer(question, allow, now=now))
        return Told(made, hashlib.sha256(made).hexdigest().encode())

    def person(self, token: str) -> Any:
        return self.people.get(token)

    def condition(self) -> Condition:
        return self.state


class Client:
    """Asks an application without a socket."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, client=("192.0.2.1", 5000))
            async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as client:
                return await client.request(method, path, **given)

        return asyncio.run(ask())

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.request("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.request("POST", path, **given)


class Api:
    """An application over a fake desk, and a client that holds the shop's admin key."""

    def __init__(self, **over: Any) -> None:
        self.desk = FakeDesk()
        self.now = NOW
        parent = over.get("secured_parent")
        keys = Keys(public=(PUBLIC,), admin=ADMIN, visitor_secrets=(SECRET,), secured_parent=parent)
        self.door = Door(
            gate=Gate(keys, self.desk.person),
            limits=Limits(address=over.get("address"), caller=over.get("caller")),
            clock=lambda: self.now,
        )
        routes = over.get("routes", ())
        self.app = make_app(
            Parts(door=self.door, desk=self.desk, routes=routes, origins=over.get("origins", ("https://shop.example",)))
        )
        self.client = Client(self.app)

    def ask(self, body: Any = None, *, key: str | None = ADMIN, **headers: str) -> Any:
        given = {} if key is None else {"authorization": f"Bearer {key}"}
        content = body if isinstance(body, bytes) else orjson.dumps({"userToken": "user123"} if body is None else body)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(PATH, content=content, headers={**given, **sent})


@pytest.fixture
def api() -> Api:
    return Api()


def visitor_key(token: str = "user123", ago: timedelta = timedelta()) -> str:
    return sign(token, secrets=[SECRET], valid_for=timedelta(hours=1), now=NOW - ago)


def told(response: Any, status: int) -> dict[str, Any]:
    """The error of a refusal, which has always the same shape and tells nothing of anybody."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert "private" in response.headers["cache-control"]
    document = response.json()
    assert set(document) == {"error"}
    assert set(document["error"]) == {"what", "where", "hint"}
    assert "Traceback" not in response.text
    return document["error"]


def test_an_answer_is_private_and_tagged(api: Api) -> None:
    response = api.ask()
    assert response.status_code == 200
    assert response.json()["search"] == {"userToken": "user123"}
    assert "private" in response.headers["cache-control"]
    assert "Authorization" in response.headers["vary"]
    assert response.headers["etag"].startswith('"')


def test_whoever_holds_the_answer_is_not_sent_it_again(api: Api) -> None:
    tag = api.ask().headers["etag"]
    for held in (tag, f"W/{tag}", f'"other", {tag}'):
        again = api.ask(if_none_match=held)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert api.ask(if_none_match='"other"').status_code == 200
    assert api.ask({"userToken": "user124"}).headers["etag"] != tag


def test_every_field_reaches_the_question(api: Api) -> None:
    body = {
        "userToken": "user123",
        "where": "category:Books",
        "query": "novel",
        "objectID": "book-1",
        "context": {"device": "phone"},
        "consent": "for_you",
        "ruleContexts": ["autumn"],
        "optionalFilters": ["brand:Apple", ["brand:Sony", "brand:Nokia"]],
        "index": "products",
    }
    assert api.ask(body).status_code == 200
    assert api.desk.asked[0] == Question(
        user_token="user123",
        where="category:Books",
        query="novel",
        object_id="book-1",
        context={"device": "phone"},
        consent="for_you",
        rule_contexts=("autumn",),
        optional_filters=["brand:Apple", ["brand:Sony", "brand:Nokia"]],
        index="products",
    )


def test_null_is_as_good_as_absent(api: Api) -> None:
    assert api.ask({"userToken": "user123", "query": None, "context": None, "ruleContexts": None}).status_code == 200
    assert api.desk.asked[0] == Question(user_token="user123")


class TestKeys:
    def test_the_key_comes_in_a_header_of_three(self, api: Api) -> None:
        for headers in ({"authorization": f"bearer  {ADMIN}"}, {"x-algosync-key": ADMIN}, {"x-algolia-api-key": ADMIN}):
            assert api.client.post(PATH, json={"userToken": "user123"}, headers=headers).status_code == 200

    def test_never_in_the_url(self, api: Api) -> None:
        response = api.client.post(f"{PATH}?key={ADMIN}", json={"userToken": "user123"})
        assert told(response, 400)["where"] == "url"
        assert ADMIN not in response.text

    def test_no_key_and_forged_keys(self, api: Api) -> None:
        for key in (None, "wrong", visitor_key() + "x", "a.b.c", " "):
            response = api.ask(key=key)
            assert told(response, 401)["where"] == "authorization"
            assert response.headers["www-authenticate"] == "Bearer"
        wild = api.client.post(PATH, json={}, headers={"authorization": b"Bearer \xe4\xff\x80.."})
        told(wild, 401)
        assert api.desk.asked == []

    def test_an_expired_key_says_so(self, api: Api) -> None:
        assert "expired" in told(api.ask(key=visitor_key(ago=timedelta(hours=2))), 401)["what"]

    def test_a_visitor_key_opens_its_own_token(self, api: Api) -> None:
        assert api.ask({}, key=visitor_key()).json()["search"] == {"userToken": "user123"}
        assert api.ask({"userToken": "user123"}, key=visitor_key()).status_code == 200
        assert told(api.ask({"userToken": "user124"}, key=visitor_key()), 403)["where"] == "userToken"

    def test_the_anonymous_way(self, api: Api) -> None:
        assert api.ask({"userToken": ANONYMOUS}, key=PUBLIC).status_code == 200
        assert "guessed" in told(api.ask(key=PUBLIC), 403)["what"]
        known = told(api.ask({"userToken": "4fd8a1e2-0b7c-4d3e-9f21-1a2b3c4d5e6f"}, key=PUBLIC), 403)
        assert known["what"] == "anonymous tokens open anonymous profiles only"
        told(api.ask({}, key=PUBLIC), 400)


class TestBadInput:
    @pytest.mark.parametrize(
        ("body", "where"),
        [
            (b"", "body, line 1 column 1"),
            (b'{"userToken": "user123",}', "body, line 1 column 24"),
            (b'{"userToken":\n nan}', "body, line 2"),
            (b'"user123"', "body"),
            (b"[]", "body"),
            (b"\xff\xfe", "body"),
            (b"{" * 10_000, "body"),
            (b"[" * 60_000, "body"),
            ({"userToken": "user123", "nonsense": 1}, "nonsense"),
            ({"userToken": "user123", "x" * 100: 1}, "body"),
            ({"userToken": 7}, "userToken"),
            ({"userToken": ""}, "userToken"),
            ({"userToken": "a b"}, "userToken"),
            ({"userToken": "a" * 130}, "userToken"),
            ({"userToken": "u", "where": "moon"}, "where"),
            ({"userToken": "u", "where": 7}, "where"),
            ({"userToken": "u", "query": 7}, "query"),
            ({"userToken": "u", "query": "x" * 5000}, "query"),
            ({"userToken": "u", "objectID": []}, "objectID"),
            ({"userToken": "u", "context": []}, "context"),
            ({"userToken": "u", "context": {"a": 1}}, "context"),
            ({"userToken": "u", "consent": "maybe"}, "consent"),
            ({"userToken": "u", "ruleContexts": "one"}, "ruleContexts"),
            ({"userToken": "u", "ruleContexts": {"a": 1}}, "ruleContexts"),
            ({"userToken": "u", "ruleContexts": [{}]}, "ruleContexts"),
            ({"userToken": "u", "optionalFilters": "brand:Apple"}, "optionalFilters"),
            ({"userToken": "u", "optionalFilters": [[["deep"]]]}, "optionalFilters"),
            ({"userToken": "u", "index": {}}, "index"),
            ({}, "userToken"),
        ],
    )
    def test_is_refused_with_its_place(self, api: Api, body: Any, where: str) -> None:
        assert str(told(api.ask(body), 400)["where"]).startswith(where)
        assert api.desk.asked == []

    def test_too_large(self, api: Api) -> None:
        told(api.ask(b" " * (BODY_MAX + 1)), 413)

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b" " * BODY_MAX

        told(api.client.post(PATH, content=chunks(), headers={"authorization": f"Bearer {ADMIN}"}), 413)

    def test_compressed(self, api: Api) -> None:
        told(api.ask(content_encoding="gzip"), 415)

    def test_routes_and_methods(self, api: Api) -> None:
        assert told(api.client.get("/nowhere"), 404)["where"] == "/nowhere"
        told(api.client.post(PATH + "/"), 404)
        response = api.client.get(PATH)
        told(response, 405)
        assert response.headers["allow"] == "POST"
        told(api.client.request("PUT", "/healthz"), 405)

    @given(BODIES)
    def test_no_body_breaks_it(self, body: Any) -> None:
        api = Api()
        try:
            content = orjson.dumps(body)
        except TypeError:
            return
        response = api.ask(content)
        assert response.status_code in (200, 400)
        if response.status_code == 400:
            told(response, 400)


class TestTrouble:
    def test_what_nobody_expected_tells_nothing(self, api: Api) -> None:
        api.desk.trouble = KeyError("the tastes of user123")
        with capture_logs() as logs:
            response = api.ask()
        told(response, 500)
        assert "user123" not in response.text + str(logs)
        assert [line["kind"] for line in logs if line["log_level"] == "error"] == ["KeyError"]

    def test_a_store_that_cannot_be_read(self, api: Api) -> None:
        api.desk.trouble = StoreError("database is locked", where="/var/lib/shop/state/snapshot.sqlite")
        with capture_logs() as logs:
            response = api.ask()
        told(response, 503)
        assert response.headers["retry-after"] == "1"
        assert "/var/lib" not in response.text
        assert "/var/lib" in str(logs)

    def test_no_snapshot_yet(self, api: Api) -> None:
        api.desk.trouble = RequestError("there is no snapshot yet", hint="Run `algosync sync`", status=503)
        assert told(api.ask(), 503)["hint"] == "Run `algosync sync`"

    def test_any_other_error_of_ours(self, api: Api) -> None:
        api.desk.trouble = AlgosyncError("that was not to be")
        told(api.ask(), 500)

    def test_a_desk_that_waits_is_asked_in_a_thread(self, api: Api) -> None:
        api.desk.waits = True
        assert api.ask().status_code == 200


class TestLimits:
    def test_by_visitor(self) -> None:
        api = Api(caller=Rate(per_second=0.4, burst=2))
        for _ in range(2):
            assert api.ask({}, key=visitor_key()).status_code == 200
        response = api.ask({}, key=visitor_key())
        told(response, 429)
        assert response.headers["retry-after"] == "3"
        assert api.ask({}, key=visitor_key("user124")).status_code == 200
        assert [api.ask().status_code for _ in range(5)] == [200] * 5
        api.now += timedelta(seconds=3)
        assert api.ask({}, key=visitor_key()).status_code == 200

    def test_by_address_before_any_key_is_looked_at(self) -> None:
        api = Api(address=Rate(per_second=1, burst=2))
        assert [api.ask(key="wrong").status_code for _ in range(3)] == [401, 401, 429]
        told(api.ask(), 429)
        assert api.client.get("/healthz").status_code == 200


class TestBrowsers:
    def test_the_shops_pages_may_call(self, api: Api) -> None:
        asks = {"origin": "https://shop.example", "access-control-request-method": "POST"}
        before = api.client.request(
            "OPTIONS", PATH, headers={**asks, "access-control-request-headers": "authorization,content-type"}
        )
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == "https://shop.example"
        response = api.ask(origin="https://shop.example")
        assert response.headers["access-control-allow-origin"] == "https://shop.example"
        assert "ETag".lower() in response.headers["access-control-expose-headers"]
        assert "Origin" in response.headers["vary"]
        assert "Authorization" in response.headers["vary"]

    def test_errors_can_be_read_there_too(self, api: Api) -> None:
        for response in (api.ask(key=None, origin="https://shop.example"), api.ask(b"", origin="https://shop.example")):
            assert response.headers["access-control-allow-origin"] == "https://shop.example"
        api.desk.trouble = KeyError()
        broken = api.ask(origin="https://shop.example")
        assert broken.status_code == 500
        assert broken.headers["access-control-allow-origin"] == "https://shop.example"

    def test_others_may_not(self, api: Api) -> None:
        asks = {"origin": "https://shop.example.evil", "access-control-request-method": "POST"}
        assert api.client.request("OPTIONS", PATH, headers=asks).status_code == 400
        assert "access-control-allow-origin" not in api.ask(origin="https://shop.example.evil").headers

    def test_without_a_list_nobody_may(self) -> None:
        api = Api(origins=())
        assert "access-control-allow-origin" not in api.ask(origin="https://shop.example").headers


def test_further_routes_are_guarded_alike() -> None:
    async def broken(_request: Request) -> Response:
        raise ValueError("somebody's data")

    api = Api(routes=(Route("/v1/more", broken, methods=["POST"]),), address=Rate(per_second=1, burst=1))
    response = api.client.post("/v1/more")
    told(response, 500)
    told(api.client.post("/v1/more"), 429)


def test_sending_is_judged_by_the_same_gate() -> None:
    api = Api(caller=Rate(per_second=1, burst=1))
    event = {"userToken": ANONYMOUS, "eventType": "view"}
    api.door.may_send(PUBLIC, [event, event])
    with pytest.raises(RequestError, match="too many"):
        api.door.may_send(PUBLIC, [event])
    for _ in range(3):
        api.door.may_send(ADMIN, [event])


def test_a_readiness_check_is_counted_too() -> None:
    api = Api(address=Rate(per_second=1, burst=1))
    assert [api.client.get("/readyz").status_code for _ in range(2)] == [200, 429]
    assert [api.client.get("/healthz").status_code for _ in range(3)] == [200] * 3


def test_a_browser_speaks_for_few_and_a_large_batch_counts_for_more() -> None:
    api = Api(address=Rate(per_second=1, burst=4))
    key = sign("user123", secrets=[SECRET], valid_for=timedelta(hours=1), now=NOW)
    many = [{"userToken": str(uuid4()), "authenticatedUserToken": "user123"} for _ in range(21)]
    with pytest.raises(RequestError, match="at most 20") as caught:
        api.door.may_send(key, many)
    assert caught.value.status == 422
    api.door.may_send(ADMIN, many)
    same = [{"userToken": "user123"}] * 1000
    api.door.may_send(key, same)
    with pytest.raises(RequestError, match="too many"):
        api.door.may_send(key, same[:51])
    api.door.may_send(key, same[:50])
