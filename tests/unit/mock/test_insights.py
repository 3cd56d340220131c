"""The Insights API: what it takes, what it refuses and how, and that a bad event refuses its whole request."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from algoliasearch.http.exceptions import RequestException
from algoliasearch.insights.client import InsightsClientSync
from algoliasearch.insights.config import InsightsConfig
from algoliasearch.insights.models import EventsItems, EventsResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.mock.algolia import MockAlgolia
from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.server import MockServer
from algosync.mock.services.events import Event, Events

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
QUERY_ID = "43b15df305339e827f0ac0bdc5ebcaa7"
CREDENTIALS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}

CLICK: dict[str, Any] = {
    "eventType": "click",
    "eventName": "Product Clicked",
    "index": "products",
    "userToken": "user-123456",
    "objectIDs": ["9780545139700", "9780439784542"],
}
AFTER_SEARCH = CLICK | {"queryID": QUERY_ID, "positions": [7, 6]}
BOUGHT = CLICK | {"eventType": "conversion", "eventName": "Products Purchased", "eventSubtype": "purchase"}
GOODS = [{"price": 10, "quantity": 2, "discount": "2.5"}, {"price": "5.50", "quantity": 1}]
FILTERED = {name: value for name, value in CLICK.items() if name != "objectIDs"} | {"filters": ["brand:apple"]}


@pytest.fixture
def algolia() -> MockAlgolia:
    return MockAlgolia(clock_ms=lambda: NOW_MS)


@pytest.fixture
def insights(reach: Callable[..., Any]) -> Callable[..., InsightsClientSync]:
    return lambda key="mock-storefront-wide", app_id="MOCKAPP": reach(InsightsClientSync, InsightsConfig(app_id, key))


def send(algolia: MockAlgolia, body: Any, **change: Any) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    call = {"method": "POST", "path": "/1/events", "headers": CREDENTIALS, "body": raw} | change
    answer = handle(algolia, Call(**call))
    return answer.status, orjson.loads(answer.body) if answer.media_type == "application/json" else answer


def goods_after_search() -> list[dict[str, Any]]:
    return [item | {"queryID": QUERY_ID} for item in GOODS]


# The thirteen events of the specification, and the examples of algolia.com/doc/rest-api/insights/push-events.
KINDS: dict[str, dict[str, Any]] = {
    "clickedObjectIDsAfterSearch": AFTER_SEARCH,
    "clickedObjectIDs": CLICK,
    "clickedFilters": FILTERED,
    "convertedObjectIDsAfterSearch": CLICK | {"eventType": "conversion", "queryID": QUERY_ID},
    "convertedObjectIDs": CLICK | {"eventType": "conversion"},
    "convertedFilters": FILTERED | {"eventType": "conversion"},
    "addedToCartObjectIDsAfterSearch": BOUGHT
    | {"eventSubtype": "addToCart", "queryID": QUERY_ID, "currency": "EUR", "objectData": goods_after_search()},
    "addedToCartObjectIDs": BOUGHT | {"eventSubtype": "addToCart"},
    "purchasedObjectIDsAfterSearch": BOUGHT
    | {"currency": "USD", "objectData": goods_after_search(), "value": "25.50", "authenticatedUserToken": "me/1="},
    "purchasedObjectIDs": BOUGHT | {"currency": "USD", "objectData": GOODS, "value": 25.5},
    "a click in a conversation": AFTER_SEARCH | {"queryID": "message_1f-a:0"},
    "viewedObjectIDs": CLICK | {"eventType": "view"},
    "viewedFilters": FILTERED | {"eventType": "view", "filters": ["discount:10%25"]},
    "instantsearch": {"eventType": "instantsearch", "eventName": "Widgets", "userToken": "u"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_event_arrives(
    insights: Callable[..., InsightsClientSync], algolia: MockAlgolia, kind: str
) -> None:
    event = KINDS[kind] | {"timestamp": NOW_MS - DAY_MS}
    EventsItems.from_dict(event)
    answer = insights().push_events({"events": [event]})
    assert EventsResponse.model_validate(answer.to_dict(), strict=True).to_dict() == {"status": 200, "message": "OK"}
    [kept] = algolia.events
    assert kept.sent == event
    assert (kept.type, kept.received_ms, kept.timestamp_ms) == (event["eventType"], NOW_MS, NOW_MS - DAY_MS)


def test_the_time_of_arrival_stands_in_and_events_are_found_by_index_and_person(algolia: MockAlgolia) -> None:
    events = [CLICK, CLICK | {"index": "other", "userToken": "a", "authenticatedUserToken": "b"}]
    assert send(algolia, {"events": events})[0] == 200
    [first] = algolia.events.of("products")
    [second] = algolia.events.of("other")
    assert first.timestamp_ms == NOW_MS
    assert algolia.events.of_user("a") == algolia.events.of_user("b") == [second]


BAD_TOKEN = (
    "{} must contain only alphanumeric, equal, plus, slash, hyphen, or underscore characters, "
    "and be between 1 and 128 characters long"
)
BAD: list[tuple[str, dict[str, Any]]] = [
    ("EventName is required", {"eventName": ""}),
    ("EventName is required", {"eventName": None}),
    (
        "EventName must contain only visible ASCII characters, and be between 1 and 64 characters long",
        {"eventName": "é"},
    ),
    (
        "EventName must contain only visible ASCII characters, and be between 1 and 64 characters long",
        {"eventName": "a" * 65},
    ),
    ("EventType is required", {"eventType": None}),
    ('EventType must be one of "click", "conversion", "view" or "instantsearch"', {"eventType": "buy"}),
    ("The index field is required", {"index": None}),
    ("The userToken field is required", {"userToken": ""}),
    (BAD_TOKEN.format("UserToken"), {"userToken": "a b"}),
    (BAD_TOKEN.format("UserToken"), {"userToken": "a" * 130}),
    (BAD_TOKEN.format("AuthenticatedUserToken"), {"authenticatedUserToken": "me@example.org"}),
    ("Event should specify either some ObjectIDs or some Filters", {"objectIDs": []}),
    ("Event should specify either some ObjectIDs or some Filters, but not both", {"filters": ["brand:apple"]}),
    ("Event should specify at most 20 ObjectIDs", {"objectIDs": list("abcdefghijklmnopqrstu")}),
    ("Event should specify no empty ObjectIDs", {"objectIDs": [""]}),
    (
        "Only event of type click should specify the positions attribute",
        {"eventType": "view", "positions": [1, 2], "queryID": QUERY_ID},
    ),
    ("Event of type click with positions should specify a queryID", {"positions": [1, 2]}),
    (
        "Event of type click should specify strictly positive positions",
        {"positions": [0, 1], "queryID": QUERY_ID},
    ),
    (
        "Event of type click should specify the same number of ObjectIDs and Positions",
        {"positions": [1], "queryID": QUERY_ID},
    ),
    ("Query ID must be a search query ID (32 characters hexadecimal string)", {"queryID": "abc"}),
    (
        "Query ID must be a search query ID (32 characters hexadecimal string)",
        BOUGHT | {"objectData": [{"queryID": "x"}, {}]},
    ),
    ("The timestamp is too far in the past", {"timestamp": NOW_MS - 30 * DAY_MS - 1}),
    ("Only event of type conversion should specify the eventSubtype attribute", {"eventSubtype": "purchase"}),
    ('EventSubtype must be one of "addToCart" or "purchase"', BOUGHT | {"eventSubtype": "rent"}),
    ("Event should specify the same number of ObjectIDs and ObjectData", BOUGHT | {"objectData": [{}]}),
    ("Only event of type conversion should specify the objectData attribute", {"objectData": GOODS}),
    (
        "The currency field is required for events with a price, a discount or a value",
        BOUGHT | {"objectData": GOODS},
    ),
    ("Currency must be an ISO 4217 code (3 letters)", BOUGHT | {"objectData": GOODS, "currency": "EURO"}),
    (
        "Amounts must be numbers, or strings of at most 16 characters that hold one",
        BOUGHT | {"value": "1" * 17, "currency": "EUR"},
    ),
    ("Invalid payload", {"userToken": 2}),
    ("Invalid payload", {"objectIDs": "a"}),
    ("Invalid payload", {"positions": [True]}),
    ("Invalid payload", {"timestamp": 1.5}),
    ("Invalid payload", {"objectData": [1]}),
    ("Invalid payload", BOUGHT | {"objectData": [{"quantity": "2"}]}),
]


@pytest.mark.parametrize(("message", "change"), BAD)
def test_a_bad_event_is_refused_in_words(algolia: MockAlgolia, message: str, change: dict[str, Any]) -> None:
    assert send(algolia, {"events": [CLICK, CLICK | change]}) == (422, {"status": 422, "message": message})
    assert not len(algolia.events)


@pytest.mark.parametrize(
    ("message", "body"),
    [
        ("Invalid payload", []),
        ("Invalid payload", {"events": {}}),
        ("Invalid payload", {"events": [1]}),
        ("No events to process", {}),
        ("No events to process", {"events": []}),
        ("Cannot process more than 1000 events in a batch", {"events": [CLICK] * 1001}),
    ],
)
def test_a_bad_request_is_refused_in_words(algolia: MockAlgolia, message: str, body: Any) -> None:
    assert send(algolia, body) == (422, {"status": 422, "message": message})


def test_limits_are_inclusive(algolia: MockAlgolia) -> None:
    most = {"objectIDs": [str(n) for n in range(20)], "userToken": "a" * 129, "eventName": "n" * 64}
    assert send(algolia, {"events": [CLICK | most | {"timestamp": NOW_MS - 30 * DAY_MS}] * 1000})[0] == 200
    assert len(algolia.events) == 1000


@settings(max_examples=40, deadline=None)
@given(events=st.lists(st.sampled_from([(True, CLICK), *((False, CLICK | change) for _, change in BAD)]), max_size=4))
def test_all_or_nothing(events: list[tuple[bool, dict[str, Any]]]) -> None:
    algolia = MockAlgolia(clock_ms=lambda: NOW_MS)
    status, _ = send(algolia, {"events": [event for _, event in events]})
    good = bool(events) and all(fine for fine, _ in events)
    assert status == (200 if good else 422)
    assert len(algolia.events) == (len(events) if good else 0)


def test_malformed_json_is_answered_with_html(algolia: MockAlgolia) -> None:
    for body in (b"", b"{", b"\xff", b'{"events": NaN}'):
        status, answer = send(algolia, body)
        assert (status, answer.media_type) == (400, "text/html")
        assert answer.body.startswith(b"<!DOCTYPE html>")


def test_too_large_a_body(algolia: MockAlgolia) -> None:
    body = {"events": [CLICK | {"padding": "x" * 2_000_000}]}
    assert send(algolia, body) == (413, {"status": 413, "message": "Request Entity Too Large"})


@pytest.mark.parametrize(("key", "app_id"), [("nonsense", "MOCKAPP"), ("mock-admin", "OTHER")])
def test_bad_credentials_are_401(insights: Callable[..., InsightsClientSync], key: str, app_id: str) -> None:
    with pytest.raises(RequestException) as caught:
        insights(key, app_id).push_events({"events": [CLICK]})
    assert (caught.value.status_code, "Invalid credentials" in str(caught.value)) == (401, True)


@pytest.mark.parametrize("call", [("GET", "/1/events"), ("PUT", "/1/events"), ("POST", "/1/usertokens/u")])
def test_a_wrong_method_is_405(algolia: MockAlgolia, call: tuple[str, str]) -> None:
    method, path = call
    assert send(algolia, b"", method=method, path=path) == (405, {"status": 405, "message": "Method Not Allowed"})


def test_a_beacon_of_the_browser(server: MockServer, algolia: MockAlgolia) -> None:
    """The browser library sends text/plain with the credentials in the address (search-insights, sendBeacon)."""
    query = "X-Algolia-Application-Id=MOCKAPP&X-Algolia-API-Key=mock-storefront&X-Algolia-Agent=insights-js%20(2.17.3)"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    headers = {"content-type": "text/plain;charset=UTF-8", "origin": "http://shop.example"}
    connection.request("POST", f"/1/events?{query}", orjson.dumps({"events": [CLICK]}), headers)
    answer = connection.getresponse()
    assert (answer.status, orjson.loads(answer.read())) == (200, {"status": 200, "message": "OK"})
    assert answer.getheader("access-control-allow-origin") in {"*", "http://shop.example"}
    connection.close()
    assert [event.name for event in algolia.events] == ["Product Clicked"]


def test_a_person_is_forgotten(insights: Callable[..., InsightsClientSync], algolia: MockAlgolia) -> None:
    send(algolia, {"events": [CLICK | {"userToken": token} for token in ("a/b", "b", "a/b")]})
    answer = insights("mock-admin").delete_user_token_with_http_info("a/b")
    assert (answer.status_code, answer.raw_data) == (204, "")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("40", "39")
    assert int(headers["x-ratelimit-reset"]) == NOW_MS // 1000 + 1
    assert [event.user_token for event in algolia.events] == ["b"]


def test_a_person_is_forgotten_with_the_right_alone(algolia: MockAlgolia) -> None:
    searching = CREDENTIALS | {"x-algolia-api-key": "mock-storefront-wide"}
    path = "/1/usertokens/u"
    assert send(algolia, b"", method="DELETE", path=path, headers=searching)[0] == 401
    assert send(algolia, b"", method="DELETE", path="/1/usertokens/a%20b")[0] == 422


def test_memory_is_bounded_and_the_oldest_go(algolia: MockAlgolia) -> None:
    send(algolia, {"events": [CLICK | {"userToken": f"u{n}"} for n in range(5)]})
    events = Events(kept=3)
    for event in algolia.events:
        events.append(event)
    assert [event.user_token for event in events] == ["u2", "u3", "u4"]
    events.forget("u3")
    assert [event.user_token for event in events] == ["u2", "u4"]
    for event in algolia.events:
        events.append(event)
    assert len(events) == 3
    events.clear()
    assert len(events) == 0


def test_events_are_part_of_a_snapshot(algolia: MockAlgolia) -> None:
    send(algolia, {"events": [CLICK]})
    before = algolia.snapshot()
    send(algolia, {"events": [CLICK, CLICK]})
    algolia.restore(before)
    [event] = algolia.events
    assert isinstance(event, Event)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = sorted({*CLICK, *BOUGHT, *AFTER_SEARCH, "filters", "timestamp", "objectData", "currency", "value"})


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(max_size=40).map(lambda raw: b"{" + raw)
    | _ANY.map(orjson.dumps)
    | st.lists(st.dictionaries(st.sampled_from(_FIELDS), _ANY, max_size=6).map(lambda change: CLICK | change)).map(
        lambda events: orjson.dumps({"events": events})
    )
)
def test_nothing_sent_makes_it_fail(body: bytes) -> None:
    status, _ = send(MockAlgolia(clock_ms=lambda: NOW_MS), body)
    assert status in {200, 400, 422}
