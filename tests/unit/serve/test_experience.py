"""Questions and answers as bytes, kept for those who ask the same again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from algosync.errors import ForbiddenError, RequestError
from algosync.experience.answer_memory import Told
from algosync.experience.keys import sign
from algosync.serve.auth import Gate, Keys, Visitor
from algosync.serve.experience import Questions, Reply, reply_of

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


def test_the_same_bytes_are_another_question_of_another_visitor(gate: Gate) -> None:
    questions = Questions(gate)
    body = b'{"where": "home"}'
    first = questions.of(ANNA, body)
    assert questions.of(ANNA, body) is first
    assert (first.user_token, questions.of(BEN, body).user_token) == ("anna", "ben")
    named = b'{"userToken": "anna"}'
    assert questions.of(ADMIN, named).user_token == "anna"
    with pytest.raises(ForbiddenError):
        questions.of(BEN, named)
    with pytest.raises(RequestError):
        questions.of(ADMIN, body)


def test_few_questions_are_kept_and_no_long_ones(gate: Gate) -> None:
    questions = Questions(gate, kept=2)
    for number in range(5):
        assert questions.of(ANNA, orjson.dumps({"query": str(number)})).query == str(number)
    assert len(questions) == 2
    long = orjson.dumps({"query": "x" * 500})
    assert questions.of(ANNA, long) == questions.of(ANNA, long)
    assert len(questions) == 2


def test_an_answer_told_again_is_the_same_reply() -> None:
    told = Told(b'{"strategy":"content"}')
    assert reply_of(told) is reply_of(told)
    assert reply_of(Told(told.json)) is not reply_of(told)


async def whole(reply: Reply) -> tuple[int, dict[bytes, bytes], bytes]:
    start, body = await sent(reply)
    return start["status"], dict(start["headers"]), body["body"]


def test_a_reply_has_its_length_and_its_tag_and_goes_without_what_is_held() -> None:
    reply = reply_of(Told(b'{"strategy":"content"}'))
    status, headers, body = asyncio.run(whole(reply))
    assert (status, body) == (200, b'{"strategy":"content"}')
    assert headers[b"content-length"] == str(len(body)).encode()
    tag = headers[b"etag"]
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
