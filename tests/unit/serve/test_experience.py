"""Who may ask what, and answers as bytes that a client may hold already."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from algosync.errors import ForbiddenError, RequestError
from algosync.experience.keys import sign
from algosync.experience.question import Question
from algosync.serve.asked import question
from algosync.serve.auth import Gate, Keys, Visitor
from algosync.serve.bodies import json_object
from algosync.serve.door import Reply

SECRET = "a secret of the shop's, long enough"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANNA, BEN, ADMIN = (
    Visitor(user_token="anna", way="visitor"),
    Visitor(user_token="ben", way="visitor"),
    Visitor(user_token=None, way="admin"),
)


@pytest.fixture
def gate() -> Gate:
    return Gate(Keys(visitor_secrets=(SECRET,), admin="the shop's own key, of 32 characters"), lambda _: None)


async def sent(reply: Reply) -> list[Any]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    await reply({}, receive, send)
    return messages


def asked(gate: Gate, visitor: Visitor, body: bytes) -> Question:
    return question(json_object(body), partial(gate.token_for, visitor))


def test_the_same_bytes_are_another_question_of_another_visitor(gate: Gate) -> None:
    body = b'{"where": "home"}'
    assert (asked(gate, ANNA, body).user_token, asked(gate, BEN, body).user_token) == ("anna", "ben")
    named = b'{"userToken": "anna"}'
    assert asked(gate, ADMIN, named).user_token == "anna"
    with pytest.raises(ForbiddenError):
        asked(gate, BEN, named)
    with pytest.raises(RequestError):
        asked(gate, ADMIN, body)


async def whole(reply: Reply) -> tuple[int, dict[bytes, bytes], bytes]:
    start, body = await sent(reply)
    return start["status"], dict(start["headers"]), body["body"]


def test_a_reply_has_its_length_and_its_tag_and_goes_without_what_is_held() -> None:
    reply = Reply(b'{"strategy":"content"}', b"a1b2")
    status, headers, body = asyncio.run(whole(reply))
    assert (status, body) == (200, b'{"strategy":"content"}')
    assert headers[b"content-length"] == str(len(body)).encode()
    tag = headers[b"etag"]
    assert tag == b'"a1b2"'
    assert reply.unless_held(b'"another"') is reply
    for held in (tag, b"W/" + tag, b'"another", ' + tag):
        status, headers, body = asyncio.run(whole(reply.unless_held(held)))
        assert (status, headers[b"etag"], body) == (304, tag, b"")
        assert b"content-length" not in headers
        assert b"private" in headers[b"cache-control"]


def test_a_verified_key_opens_at_once_and_no_longer_than_it_says(gate: Gate) -> None:
    key = sign("anna", secrets=[SECRET], valid_for=timedelta(minutes=5), now=NOW)
    for moment in (NOW, NOW + timedelta(minutes=4)):
        assert gate.opens(key, now=moment) == ANNA
    with pytest.raises(Exception, match="expired"):
        gate.opens(key, now=NOW + timedelta(hours=1))
