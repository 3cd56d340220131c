"""The judge of Insights' events gives the verdicts of the mock's, which was written apart from it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.errors import AlgoliaError
from algosync.events.insights import EVENTS_MAX, Refusal, check, is_token
from algosync.mock.services.insights import check_token, read_events

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
QUERY_ID = "43b15df305339e827f0ac0bdc5ebcaa7"
VIEW: dict[str, Any] = {
    "eventType": "view",
    "eventName": "Seen",
    "index": "products",
    "userToken": "user-1",
    "objectIDs": ["a", "b"],
}


def verdict(body: Any) -> str:
    found = check(body, NOW_MS)
    return found.message if isinstance(found, Refusal) else "OK"


def oracle(body: Any) -> str:
    try:
        read_events(body, NOW_MS)
    except AlgoliaError as refusal:
        return refusal.what
    return "OK"


TEXTS = st.sampled_from(
    [
        *("", "a", "é", "a b", "a\n", "a" * 64, "a" * 65, "a" * 129, "a" * 130, "EUR", "eu", "view"),
        *("1.5", "-3", "1e3", "1" * 16, "1" * 17, "1\n", QUERY_ID, QUERY_ID + "\n", "message_x!"),
    ]
)
ODD = st.one_of(st.none(), st.booleans(), st.integers(-3, 30), st.floats(allow_nan=False), TEXTS, st.just({}))
NUMBERS = st.one_of(st.integers(-1, 5), st.floats(-2, 2), TEXTS)
GOODS = st.fixed_dictionaries(
    {}, optional={"price": NUMBERS, "discount": NUMBERS, "quantity": st.integers(-1, 2), "queryID": TEXTS, "more": ODD}
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "eventType": st.sampled_from(["view", "click", "conversion", "instantsearch", "", "VIEW"]),
    "eventSubtype": st.sampled_from(["addToCart", "purchase", "", "other"]),
    **dict.fromkeys(("eventName", "index", "userToken", "authenticatedUserToken", "queryID", "currency"), TEXTS),
    **dict.fromkeys(("objectIDs", "filters"), st.lists(TEXTS, max_size=22)),
    "positions": st.lists(st.integers(-1, 3), max_size=3),
    "timestamp": st.sampled_from([NOW_MS - 30 * DAY_MS, NOW_MS - 30 * DAY_MS - 1, NOW_MS + DAY_MS, -1, 2**63]),
    "objectData": st.lists(GOODS, max_size=3),
    "value": NUMBERS,
    "more": ODD,
}
STARTS: list[dict[str, Any]] = [
    VIEW,
    VIEW | {"eventType": "click", "positions": [1, 2], "queryID": QUERY_ID},
    VIEW
    | {"eventType": "conversion", "eventSubtype": "purchase", "currency": "EUR"}
    | {"objectData": [{"price": 1.5, "quantity": 2}, {"price": "2", "queryID": QUERY_ID}]},
    {name: value for name, value in VIEW.items() if name != "objectIDs"} | {"filters": ["brand:a"]},
]


@st.composite
def _events(draw: st.DrawFn) -> dict[str, Any]:
    """A good event, of which a field or two are spoilt, now and then by what is not even of its type."""
    event = dict(draw(st.sampled_from(STARTS)))
    for name in draw(st.lists(st.sampled_from(list(FIELDS)), max_size=3, unique=True)):
        event[name] = draw(FIELDS[name] if draw(st.integers(0, 9)) else ODD)
    for name in draw(st.lists(st.sampled_from(list(VIEW)), max_size=1)):
        if draw(st.integers(0, 4)) == 0:
            event.pop(name, None)
    return event


def _bodies() -> st.SearchStrategy[Any]:
    good = st.builds(lambda events: {"events": events}, st.lists(_events(), min_size=1, max_size=2))
    odd = st.one_of(ODD, st.builds(lambda events: {"events": events}, st.one_of(ODD, st.lists(ODD, max_size=1))))
    return st.integers(0, 19).flatmap(lambda n: good if n else odd)


@settings(max_examples=300, deadline=None)
@given(body=_bodies())
def test_verdict_and_message_are_those_of_the_mock(body):
    assert verdict(body) == oracle(body)


@settings(max_examples=60, deadline=None)
@given(token=st.one_of(st.text(max_size=3), st.from_regex(r"[a-zA-Z0-9_=/+ -]{0,131}", fullmatch=True)))
def test_tokens_are_those_of_the_mock(token):
    try:
        check_token(token)
    except AlgoliaError:
        assert not is_token(token)
    else:
        assert is_token(token)


@settings(max_examples=60, deadline=None)
@given(body=_bodies())
def test_what_passes_is_kept_whole_and_can_be_written(body):
    found = check(body, NOW_MS)
    if isinstance(found, Refusal):
        return
    assert orjson.loads(orjson.dumps(found)) == found
    for sent, kept in zip(body["events"], found, strict=True):
        assert "more" not in kept
        for name in kept.keys() - {"objectData"}:
            assert kept[name] == sent[name]
        assert not [name for name in VIEW if sent.get(name) is not None and name not in kept]
    assert check({"events": found}, NOW_MS) == found


@pytest.mark.parametrize("number", [EVENTS_MAX, EVENTS_MAX + 1])
def test_a_request_has_at_most_a_thousand_events(number):
    body = {"events": [VIEW] * number}
    assert verdict(body) == oracle(body)
    assert (verdict(body) == "OK") == (number == EVENTS_MAX)


def test_what_an_event_may_carry_beyond_algolias_fields():
    more = {
        "eventID": "e1",
        "sessionID": "s1",
        "orderID": "o1",
        "consent": "for_you",
        "context": {"country": "DE", "n": 5, "long": "x" * 129},
    }
    assert check({"events": [VIEW | more]}, NOW_MS) == [VIEW | more | {"context": {"country": "DE"}}]


@pytest.mark.parametrize(
    "more",
    [{"eventID": ""}, {"eventID": 5}, {"sessionID": "x" * 129}, {"consent": "yes"}, {"context": 5}, {"email": "a@b.c"}],
)
def test_what_cannot_be_used_is_left_behind(more):
    assert check({"events": [VIEW | more]}, NOW_MS) == [VIEW]


def test_a_context_is_bounded():
    [kept] = check({"events": [VIEW | {"context": {f"k{n:02}": "v" for n in range(50)}}]}, NOW_MS)
    assert len(kept["context"]) == 20


@pytest.mark.parametrize("field", ["objectIDs", "filters"])
@pytest.mark.parametrize(
    ("subject", "said"),
    [("a:\0", "must not contain the character NUL"), ("a:" + "é" * 599, "must be at most 600 characters long")],
    ids=["NUL", "too long"],
)
def test_what_no_database_could_keep_is_refused_beyond_insights(field: str, subject: str, said: str) -> None:
    """One such event in the log of a shop on PostgreSQL would stop every pull."""
    event = {**VIEW, "objectIDs": None, field: [subject]}
    assert said in verdict({"events": [event]})
    assert verdict({"events": [{**event, field: ["a:" + "é" * 598]}]}) == "OK"


def test_what_no_database_could_keep_is_left_out_of_the_rest() -> None:
    event = {**VIEW, "eventID": "\0", "orderID": "o1", "context": {"country": "DE", "place": "\0", "\0": "x"}}
    (found,) = check({"events": [event]}, NOW_MS)  # type: ignore[misc]
    assert found == {**VIEW, "orderID": "o1", "context": {"country": "DE"}}
