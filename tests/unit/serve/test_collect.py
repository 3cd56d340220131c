"""The collector over a real inbox: what is answered 200 can be read, whatever is refused leaves nothing."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import httpx
import orjson
import pytest
import sqlalchemy
from algoliasearch.http.exceptions import RequestException
from algoliasearch.http.hosts import Host, HostsCollection
from algoliasearch.insights.client import InsightsClientSync
from algoliasearch.insights.config import InsightsConfig
from sqlalchemy import event
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from algosync.errors import AccessError, ForbiddenError, RequestError, TooManyRequestsError
from algosync.serve.collect import Collector, key_of, routes
from algosync.serve.inbox_health import Room
from algosync.stores.inbox import INBOX, Choice, Inbox
from algosync.stores.state import open_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = {"x-algolia-application-id": "SHOP", "x-algolia-api-key": "good"}
VIEW = {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": "u1", "objectIDs": ["a"]}


class Gate:
    """Opens for one key, and not for somebody else's token."""

    def __init__(self):
        self.busy = False

    def may_send(self, key, events):
        if self.busy:
            raise TooManyRequestsError("too often", retry_after_s=7, status=429)
        if key != "good":
            raise AccessError("a key is missing", where="authorization")
        if any(event["userToken"] == "somebody-else" for event in events):
            raise ForbiddenError("the key does not open this token", where="userToken")


@pytest.fixture
def state(tmp_path):
    with open_state("sqlite", tmp_path, create=True, book=INBOX) as made:
        yield made


@pytest.fixture
def inbox(state):
    return Inbox(state)


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def app(inbox, gate):
    def refused(request, error):
        return JSONResponse({"what": error.what, "where": error.where}, getattr(error, "status", 401))

    made = Starlette(routes=routes(Collector(inbox=inbox, gate=gate, now=lambda: NOW)))
    for kind in (RequestError, AccessError):
        made.add_exception_handler(kind, refused)
    return made


@pytest.fixture
def client(app):
    def request(method, path, **options):
        async def ask():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())

    return request


def send(client, body, path="/1/events", **options):
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return client("POST", path, content=content, **{"headers": KEY, **options})


@pytest.mark.parametrize("path", ["/1/events", "/v1/events"])
def test_what_was_answered_200_is_there(client, inbox, path):
    answer = send(client, {"events": [VIEW, VIEW | {"userToken": "u2", "email": "a@b.c"}]}, path)
    assert (answer.status_code, answer.json()) == (200, {"status": 200, "message": "OK"})
    assert answer.headers["cache-control"] == "no-store"
    assert [one.event for one in inbox.after(0, 9)] == [VIEW, VIEW | {"userToken": "u2"}]


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        (KEY, ""),
        ({}, "?X-Algolia-Application-Id=SHOP&X-Algolia-API-Key=good&x-algolia-agent=search-insights"),
        ({"authorization": "Bearer good"}, ""),
        ({"x-algosync-key": "good"}, ""),
        ({"content-type": "text/plain;charset=UTF-8"}, "?x-algolia-api-key=good"),
        ({"content-type": "application/x-www-form-urlencoded"}, "?x-algolia-api-key=good"),
    ],
    ids=["headers", "query", "bearer", "ours", "sendBeacon", "the old search-insights"],
)
def test_credentials_and_content_types_of_every_client(client, inbox, headers, query):
    assert send(client, {"events": [VIEW]}, "/1/events" + query, headers=headers).status_code == 200
    assert inbox.size() == 1


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"events": []}, 422, "No events to process"),
        ([], 422, "Invalid payload"),
        ({"events": [VIEW, VIEW | {"userToken": "a b"}]}, 422, "UserToken must contain only alphanumeric"),
        ({"events": [VIEW] * 1001}, 422, "Cannot process more than 1000 events in a batch"),
        ({"events": [VIEW] * 10_000}, 422, "Cannot process more than 1000 events in a batch"),
        ({"events": [VIEW | {"userToken": "somebody-else"}]}, 403, "the key does not open this token"),
        (b'{"events":"' + b"x" * 2_000_000 + b'"}', 413, "Request Entity Too Large"),
        (b"x" * 10_000_000, 413, "Request Entity Too Large"),
    ],
    ids=["none", "no object", "one bad", "1001", "10,000", "another's", "2 MB", "10 MB"],
)
def test_what_is_refused_leaves_nothing(client, inbox, body, status, message):
    answer = send(client, body)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert answer.json()["message"].startswith(message)
    assert inbox.size() == 0


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"events":[' + b"[" * 2000, b"nan"])
def test_malformed_json_is_answered_with_a_page_of_html(client, inbox, body):
    answer = send(client, body)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert inbox.size() == 0


def test_a_compressed_body_is_refused_by_name(client, inbox):
    answer = send(client, {"events": [VIEW]}, headers={**KEY, "content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["message"]) == (415, "compressed bodies are not taken")
    assert inbox.size() == 0


def test_a_body_that_does_not_say_its_length_is_bounded_too(client, inbox):
    async def chunks():
        for _ in range(30):
            yield b" " * 100_000

    answer = client("POST", "/1/events", content=chunks(), headers=KEY)
    assert (answer.status_code, inbox.size()) == (413, 0)


def test_without_a_key_nothing_is_taken_and_nothing_is_told(client, inbox):
    answer = send(client, {"events": [VIEW]}, headers={"x-algolia-api-key": "a secret of somebody"})
    assert (answer.status_code, answer.json()) == (401, {"status": 401, "message": "Invalid credentials"})
    assert inbox.size() == 0


def test_too_often_says_when_to_come_back(client, gate):
    gate.busy = True
    answer = send(client, {"events": [VIEW]})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


def test_a_full_disk_is_no_200_and_tells_no_paths(client, inbox):
    with inbox._state.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    @sqlalchemy.event.listens_for(inbox._state.engine, "checkout")
    def small(connection, *_):
        connection.execute(f"PRAGMA max_page_count={pages + 3}")

    answer = send(client, {"events": [VIEW] * 900})
    assert (answer.status_code, answer.json()) == (503, {"status": 503, "message": "Service Unavailable"})
    assert answer.headers["retry-after"] == "1"
    assert inbox.size() == 0
    assert send(client, {"events": [VIEW]}).status_code == 200


def test_telemetry_is_taken_and_not_kept(client, inbox):
    widgets = {"eventType": "instantsearch", "eventName": "Widgets", "userToken": "u1"}
    assert send(client, {"events": [widgets]}).status_code == 200
    assert inbox.size() == 0
    assert send(client, {"events": [widgets, VIEW]}).status_code == 200
    assert inbox.size() == 1


def test_other_methods(client):
    assert client("GET", "/1/events").status_code == 405


def test_a_choice_is_kept_and_told_to_the_log(client, inbox):
    answer = send(client, {"userToken": "u1", "consent": "for_you", "source": "banner"}, "/v1/consent")
    assert (answer.status_code, answer.json()) == (200, {"consent": "for_you", "at": NOW.isoformat()})
    choice = inbox.choice(["u1"])
    assert (choice.consent, choice.at, choice.source) == ("for_you", NOW, "banner")
    assert [one.event["consent"] for one in inbox.after(0, 9)] == ["for_you"]
    send(client, {"events": [VIEW]})
    assert [one.event["consent"] for one in inbox.after(0, 9)] == ["for_you", "for_you"]


def test_an_impression_is_kept(client, inbox):
    answer = send(client, {"userToken": "u1", "action": "free-shipping"}, "/v1/impressions")
    assert (answer.status_code, answer.json()["action"]) == (200, "free-shipping")
    assert inbox.impressions(["u1"]) == {"free-shipping": [NOW]}
    assert inbox.size() == 0


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/v1/consent", {"userToken": "u1", "consent": "maybe"}, "consent"),
        ("/v1/consent", {"userToken": "u1"}, "consent"),
        ("/v1/consent", {"userToken": "u 1", "consent": "for_you"}, "userToken"),
        ("/v1/consent", {"userToken": "u1", "consent": "for_you", "more": 1}, "more"),
        ("/v1/consent", {"userToken": "u1", "consent": "for_you", "source": 5}, "source"),
        ("/v1/consent", [], "body"),
        ("/v1/consent", b"{", "body, character 1"),
        ("/v1/impressions", {"userToken": "u1", "action": ""}, "action"),
        ("/v1/impressions", {"userToken": "u1", "action": "a\0b"}, "action"),
        ("/v1/impressions", {"action": "a"}, "userToken"),
        ("/v1/impressions", {"userToken": "u1", "action": "x" * 129}, "action"),
    ],
)
def test_what_is_wrong_with_a_choice_or_an_impression(client, inbox, path, body, where):
    answer = send(client, body, path)
    assert (answer.status_code, answer.json()["where"]) == (400, where)
    assert (inbox.size(), inbox.choice(["u1"]), inbox.impressions(["u1"])) == (0, None, {})


@pytest.mark.parametrize("path", ["/v1/consent", "/v1/impressions"])
def test_nobody_chooses_for_somebody_else(client, inbox, path):
    body = {"userToken": "somebody-else", "consent": "for_you"} if "consent" in path else {}
    body = body or {"userToken": "somebody-else", "action": "a"}
    assert send(client, body, path).status_code == 401
    assert send(client, body | {"userToken": "u1"}, path, headers={}).status_code == 401
    assert (inbox.size(), inbox.choice(["somebody-else"]), inbox.impressions(["somebody-else"])) == (0, None, {})


def test_impressions_of_what_the_shop_does_not_show(inbox, gate, app, client):
    collector = Collector(inbox=inbox, gate=gate, now=lambda: NOW, actions=frozenset({"free-shipping"}))
    app.router.routes[:] = routes(collector)
    assert send(client, {"userToken": "u1", "action": "free-shipping"}, "/v1/impressions").status_code == 200
    answer = send(client, {"userToken": "u1", "action": "made-up"}, "/v1/impressions")
    assert (answer.status_code, answer.json()["where"]) == (404, "action")
    assert set(inbox.impressions(["u1"])) == {"free-shipping"}


def test_a_bearer_comes_before_other_keys():
    def request(authorization):
        headers = [(b"authorization", authorization), (b"x-algolia-api-key", b"other")]
        return Request({"type": "http", "headers": headers, "query_string": b""})

    assert key_of(request(b"bearer  mine ")) == "mine"
    assert key_of(request(b"Basic xyz")) == "other"


@pytest.fixture
def port(app, on_loopback):
    """The application over real HTTP."""
    with on_loopback(app) as port:
        yield port


def test_algolias_own_client_cannot_tell(port, inbox):
    config = InsightsConfig("SHOP", "good")
    config.hosts = HostsCollection([Host("127.0.0.1", "http", port)])
    config.proxies = None
    client = InsightsClientSync.create_with_config(config)
    assert client.push_events({"events": [VIEW]}).to_dict() == {"status": 200, "message": "OK"}
    with pytest.raises(RequestException, match="The index field is required"):
        client.push_events({"events": [VIEW | {"index": ""}]})
    assert inbox.size() == 1


def test_who_leaves_in_the_middle_of_a_request_leaves_nothing(port, client, inbox):
    with socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(b"POST /1/events HTTP/1.1\r\nhost: x\r\nx-algolia-api-key: good\r\ncontent-length: 500\r\n\r\n{")
    assert send(client, {"events": [VIEW]}).status_code == 200
    assert inbox.size() == 1


def test_events_of_the_past_and_of_the_future(client, inbox):
    old = int((NOW - timedelta(days=31)).timestamp() * 1000)
    assert send(client, {"events": [VIEW | {"timestamp": old}]}).json()["message"] == (
        "The timestamp is too far in the past"
    )
    assert inbox.size() == 0


def test_a_body_that_does_not_come_is_not_waited_for(port, inbox, monkeypatch):
    monkeypatch.setattr("algosync.serve.bodies.TIMEOUT_S", 0.1)
    for path in (b"/1/events", b"/v1/consent"):
        with socket.create_connection(("127.0.0.1", port)) as half:
            half.settimeout(5)
            half.sendall(b"POST " + path + b" HTTP/1.1\r\nhost: x\r\nx-algolia-api-key: good\r\n")
            half.sendall(b"content-length: 9\r\n\r\n{")
            assert half.recv(4096)
    assert inbox.size() == 0


def test_a_choice_reaches_the_other_tokens_of_a_visitor(app, inbox, gate):
    linked = {"phone": {"phone", "laptop", "anna"}}
    collector = Collector(inbox=inbox, gate=gate, now=lambda: NOW, tokens_of=lambda token: linked.get(token, {token}))
    inbox.put_choice("laptop", Choice(consent="for_you", at=NOW - timedelta(days=9), source="banner"))

    async def withdraw():
        transport = httpx.ASGITransport(Starlette(routes=routes(collector)))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            body = {"userToken": "phone", "consent": "not_personalized"}
            return await client.post("/v1/consent", json=body, headers=KEY)

    assert asyncio.run(withdraw()).status_code == 200
    inbox.append([VIEW | {"userToken": "laptop"}], NOW)
    *_, told, seen = inbox.after(0, 9)
    assert (told.event["userToken"], seen.event["userToken"]) == ("phone", "laptop")
    assert seen.event["consent"] == "not_personalized"
    assert inbox.choice(["anna"]).consent == "not_personalized"


def test_a_full_inbox_says_so_and_when_to_come_back(app, inbox, gate, client):
    room = Room(inbox, events_max=2, bytes_max=10**9)
    app.router.routes[:] = routes(Collector(inbox=inbox, gate=gate, now=lambda: NOW, room=room.need))
    room.need(1, NOW - timedelta(seconds=9))
    assert send(client, {"events": [VIEW, VIEW]}).status_code == 200
    room._looked = None
    answer = send(client, {"events": [VIEW] * 3})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert answer.json() == {"status": 503, "message": "No more events are taken now: too many wait to be read"}
    assert (inbox.size(), room.refused) == (2, 3)
    chosen = send(client, {"userToken": "u1", "consent": "not_personalized"}, "/v1/consent")
    assert chosen.status_code == 200


def test_a_full_disk_is_a_503_and_passes(state, inbox, client):
    assert send(client, {"events": [VIEW]}).status_code == 200
    event.listen(state.engine, "connect", lambda made, _: made.execute("PRAGMA max_page_count = 1"))
    state.engine.dispose()
    answer = send(client, {"events": [VIEW | {"objectIDs": ["x" * 500] * 20}] * 50})
    assert (answer.status_code, answer.json()["message"]) == (503, "Service Unavailable")
    assert inbox.size() == 1
