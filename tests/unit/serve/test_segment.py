"""Segment's webhook: signed calls of its e-commerce specification become Insights events."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from datetime import UTC, datetime

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from algosync.events.insights import Refusal, check
from algosync.serve.segment import Segment, Webhook, events_of, is_signed, routes
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.state import open_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
SECRET = "a shared secret of ours"
SEGMENT = Segment(secret=SECRET, index="products", list_facet="categories")


def track(event, **properties):
    return {
        "type": "track",
        "event": event,
        "messageId": "m-1",
        "anonymousId": "507f191e-810c-4197-9de8-60ea00000001",
        "timestamp": "2026-11-23T11:59:00.000Z",
        "properties": properties,
    }


COMMON = {
    "index": "products",
    "userToken": "507f191e-810c-4197-9de8-60ea00000001",
    "timestamp": NOW_MS - 60_000,
    "eventID": hashlib.sha256(b"m-1").hexdigest()[:32],
}


@pytest.fixture
def inbox(tmp_path):
    with open_state("sqlite", tmp_path, create=True, book=INBOX) as state:
        yield Inbox(state)


@pytest.fixture
def webhook(inbox):
    return Webhook(segment=SEGMENT, inbox=inbox, now=lambda: NOW)


def post(webhook, body, signature=None):
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    signed = hmac.new(SECRET.encode(), raw, hashlib.sha1).hexdigest() if signature is None else signature

    async def ask():
        transport = httpx.ASGITransport(Starlette(routes=routes(webhook)))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            return await client.post("/v1/segment", content=raw, headers={"x-signature": signed})

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("call", "made"),
    [
        (
            track("Product Viewed", product_id="p1", price=18.99),
            [{"eventType": "view", "eventName": "Product Viewed", "objectIDs": ["p1"]}],
        ),
        (
            track("product clicked", sku="s1", position=3),
            [{"eventType": "click", "eventName": "product clicked", "objectIDs": ["s1"]}],
        ),
        (
            track("Product Added", product_id=507, price="18.99", quantity=1, currency="usd"),
            [
                {
                    "eventType": "conversion",
                    "eventSubtype": "addToCart",
                    "eventName": "Product Added",
                    "objectIDs": ["507"],
                    "objectData": [{"price": 18.99, "quantity": 1}],
                    "currency": "usd",
                }
            ],
        ),
        (
            track(
                "Order Completed",
                order_id="o-9",
                currency="EUR",
                products=[{"product_id": "a", "price": 2, "quantity": 3}, {"name": "no id"}, {"product_id": "b"}],
            ),
            [
                {
                    "eventType": "conversion",
                    "eventSubtype": "purchase",
                    "eventName": "Order Completed",
                    "objectIDs": ["a", "b"],
                    "orderID": "o-9",
                    "currency": "EUR",
                    "objectData": [{"price": 2.0, "quantity": 3}, {}],
                }
            ],
        ),
        (
            track("Product List Viewed", category="Games & more", products=[{"product_id": "a"}]),
            [
                {
                    "eventType": "view",
                    "eventName": "Product List Viewed",
                    "filters": ["categories:Games%20%26%20more"],
                }
            ],
        ),
        (track("Product Viewed"), []),
        (track("Product List Viewed"), []),
        (track("Signed Up"), []),
        ({"type": "page", "anonymousId": "x"}, []),
        ({"type": "track", "event": "Product Viewed", "properties": {"product_id": "a"}}, []),
        ({"type": "track", "event": 5}, []),
        ({"type": "track", "event": "Product Viewed", "userId": "u", "properties": "none"}, []),
    ],
)
def test_what_a_call_becomes(call, made):
    found = events_of(call, SEGMENT)
    assert found == [{**COMMON, **event} for event in made]
    assert not found or check({"events": found}, NOW_MS) == found


def test_who_it_is_about():
    [event] = events_of(track("Product Viewed", product_id="p") | {"userId": "jane@shop.example"}, SEGMENT)
    assert (event["userToken"], event["authenticatedUserToken"]) == (COMMON["userToken"], "==jane=40shop=2Eexample")
    call = track("Product Viewed", product_id="p") | {"anonymousId": None, "userId": "u 1"}
    [event] = events_of(call, SEGMENT)
    assert (event["userToken"], event["authenticatedUserToken"]) == ("==u=201", "==u=201")


def test_without_a_facet_lists_are_left_out():
    assert events_of(track("Product List Viewed", category="Games"), Segment(secret=SECRET, index="products")) == []


def test_a_large_order_becomes_several_events_of_one_order():
    goods = [{"product_id": str(n), "price": 1, "quantity": 1} for n in range(45)]
    made = events_of(track("Order Completed", order_id="o", currency="EUR", products=goods), SEGMENT)
    assert [len(event["objectIDs"]) for event in made] == [20, 20, 5]
    assert {event["orderID"] for event in made} == {"o"}
    assert len({event["eventID"] for event in made}) == 3
    assert [name for event in made for name in event["objectIDs"]] == [str(n) for n in range(45)]
    assert not isinstance(check({"events": made}, NOW_MS), Refusal)


def test_a_signed_call_is_kept_once_answered_and_others_are_counted(webhook, inbox):
    calls = [track("Product Viewed", product_id="p1"), track("Signed Up"), track("Product Viewed", product_id="x\0")]
    assert post(webhook, calls[0]).json() == {"status": 200, "message": "OK"}
    assert post(webhook, {"batch": calls[:2]}).status_code == 200
    assert post(webhook, calls).status_code == 200
    assert [one.event["objectIDs"] for one in inbox.after(0, 9)] == [["p1"], ["p1"], ["p1"]]
    assert len({one.id for one in inbox.after(0, 3)}) == 1  # sent again is the same event
    assert webhook.counts == {"taken": 3, "left out": 2, "refused": 1}  # no database keeps a NUL in a name


def test_a_call_that_is_no_good_event_is_counted_and_not_sent_again(webhook, inbox):
    old = track("Product Viewed", product_id="p") | {"timestamp": "2026-01-01T00:00:00Z"}
    assert post(webhook, old).status_code == 200
    assert (inbox.size(), webhook.counts) == (0, {"refused": 1})


@pytest.mark.parametrize("signature", ["", "0" * 40, "é", hmac.new(b"other", b"{}", hashlib.sha1).hexdigest()])
def test_what_segment_did_not_sign_is_not_read(webhook, inbox, signature):
    answer = post(webhook, b"{}", signature.encode())
    assert (answer.status_code, inbox.size(), webhook.counts) == (401, 0, {})


def test_a_signature_holds_for_its_body_alone():
    made = hmac.new(SECRET.encode(), b"{}", hashlib.sha1).hexdigest()
    assert is_signed(b"{}", made.upper(), SECRET)
    assert not is_signed(b"{} ", made, SECRET)


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"[]", 200), (b"5", 200), (b"[1]", 200), (b"x" * 3_000_000, 413)]
)
def test_other_bodies(webhook, inbox, body, status):
    assert post(webhook, body).status_code == status
    assert inbox.size() == 0


_ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(
    event=st.sampled_from(["Product Viewed", "Product Added", "Order Completed", "Product List Viewed"]),
    call=st.dictionaries(
        st.sampled_from(["anonymousId", "userId", "messageId", "timestamp", "context"]), _ANY, max_size=5
    ),
    properties=st.dictionaries(
        st.sampled_from(["product_id", "sku", "price", "quantity", "currency", "products", "category", "order_id"]),
        st.one_of(_ANY, st.lists(st.dictionaries(st.sampled_from(["product_id", "price", "quantity"]), _ANY))),
    ),
)
def test_no_call_breaks_it(event, call, properties):
    for made in events_of({"type": "track", "event": event, "properties": properties, **call}, SEGMENT):
        assert made["userToken"]
        assert check({"events": [made]}, NOW_MS) is not None
