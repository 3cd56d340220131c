"""The Personalization API: the strategy, and profiles from the events received."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import orjson
import pytest
from algoliasearch.http.exceptions import RequestException
from algoliasearch.personalization.client import PersonalizationClientSync
from algoliasearch.personalization.config import PersonalizationConfig
from algoliasearch.personalization.models import GetUserTokenResponse, PersonalizationStrategyParams
from algoliasearch.search.client import SearchClientSync
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.mock.algolia import MockAlgolia, rfc3339
from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.services.insights import read_events
from algosync.mock.services.personalization import check_strategy

from .clock import Clock

START_MS = 1_790_000_000_000

# The example of algolia.com/doc/rest-api/personalization (set a new strategy).
STRATEGY: dict[str, Any] = {
    "eventsScoring": [
        {"score": 42, "eventName": "Algolia", "eventType": "click"},
        {"score": 21, "eventName": "Looked", "eventType": "view"},
    ],
    "facetsScoring": [{"score": 42, "facetName": "brand"}, {"score": 21, "facetName": "colour.name"}],
    "personalizationImpact": 42,
}


@pytest.fixture
def clock() -> Clock:
    return Clock(START_MS)


@pytest.fixture
def algolia(clock: Clock) -> MockAlgolia:
    return MockAlgolia(clock_ms=clock)


@pytest.fixture
def profiles(reach: Callable[..., Any]) -> PersonalizationClientSync:
    made: PersonalizationClientSync = reach(
        PersonalizationClientSync, PersonalizationConfig("MOCKAPP", "mock-admin", "eu")
    )
    return made


def happen(algolia: MockAlgolia, token: str, name: str, kind: str, **about: Any) -> None:
    event = {"eventType": kind, "eventName": name, "index": "products", "userToken": token, **about}
    for read in read_events({"events": [event]}, algolia.now_ms()):
        algolia.events.append(read)


def test_an_event_of_the_future_is_of_now(profiles: PersonalizationClientSync, algolia: MockAlgolia) -> None:
    """A sender's clock may be ahead, its time stamp no date at all."""
    profiles.set_personalization_strategy(PersonalizationStrategyParams.from_dict(deepcopy(STRATEGY)))
    happen(algolia, "u", "Algolia", "click", filters=["brand:acme"], timestamp=2**63 - 1)
    assert profiles.get_user_token_profile("u").to_dict()["lastEventAt"] == rfc3339(START_MS)


def test_a_strategy_is_kept(profiles: PersonalizationClientSync) -> None:
    empty = profiles.get_personalization_strategy()
    assert empty.to_dict() == {"eventsScoring": [], "facetsScoring": [], "personalizationImpact": 0}
    answer = profiles.set_personalization_strategy(PersonalizationStrategyParams.from_dict(deepcopy(STRATEGY)))
    assert answer.message == "Strategy was successfully updated"
    assert profiles.get_personalization_strategy().to_dict() == STRATEGY


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in STRATEGY.items() if key != name}


@pytest.mark.parametrize(
    ("message", "body"),
    [
        *((f"{name} is required", _without(name)) for name in STRATEGY),
        ("Invalid body, expected an object", [STRATEGY]),
        ("Unknown attribute: impact", STRATEGY | {"impact": 1}),
        *(
            (
                "Invalid personalizationImpact, expected an integer between 0 and 100",
                STRATEGY | {"personalizationImpact": value},
            )
            for value in (-1, 101, 1.5, "1", True, None)
        ),
        ("Invalid eventsScoring, expected an array of objects", STRATEGY | {"eventsScoring": {"a": 1}}),
        ("Invalid facetsScoring, expected an array of objects", STRATEGY | {"facetsScoring": ["brand"]}),
        (
            "Invalid facetsScoring, expected a score that is an integer, 0 or more",
            STRATEGY | {"facetsScoring": [{"score": "1", "facetName": "brand"}]},
        ),
        (
            "Invalid facetsScoring, expected facetName in every item",
            STRATEGY | {"facetsScoring": [{"score": 1}]},
        ),
        (
            "Invalid eventsScoring, expected an eventType that is one of click, conversion, view",
            STRATEGY | {"eventsScoring": [{"score": 1, "eventName": "a", "eventType": "buy"}]},
        ),
    ],
)
def test_a_bad_strategy_is_refused(profiles: PersonalizationClientSync, message: str, body: Any) -> None:
    with pytest.raises(RequestException, match=re.escape(message)) as caught:
        profiles.custom_post("1/strategies/personalization", body=body)
    assert caught.value.status_code == 400
    assert profiles.get_personalization_strategy().personalization_impact == 0


def test_a_profile_adds_up_what_was_done(
    profiles: PersonalizationClientSync, client: SearchClientSync, algolia: MockAlgolia, clock: Clock
) -> None:
    records = [
        {"objectID": "1", "brand": "acme", "colour": {"name": ["red", "blue"]}},
        {"objectID": "2", "brand": "bolt", "colour": {"name": "red"}},
    ]
    client.save_objects("products", records, wait_for_tasks=True)
    profiles.set_personalization_strategy(STRATEGY)
    happen(algolia, "u", "Algolia", "click", objectIDs=["1", "2"])
    happen(algolia, "u", "Looked", "view", objectIDs=["1", "gone"])
    happen(algolia, "u", "Looked", "click", objectIDs=["2"])  # not in the strategy: another type
    happen(algolia, "someone", "Algolia", "click", objectIDs=["2"])
    clock.now_ms += 1500
    happen(algolia, "u", "Algolia", "click", filters=["brand:acme%20%26%20co"])
    profile = profiles.get_user_token_profile("u")
    assert GetUserTokenResponse.model_validate(profile.to_dict()).user_token == "u"
    assert profile.last_event_at == "2026-09-21T14:13:21.500Z"
    # brand acme: (42 + 21) * 42, the most, is 20; the others in proportion
    most = (42 + 21) * 42
    assert profile.scores == {
        "brand": {"acme": 20, "acme & co": round(20 * 42 * 42 / most), "bolt": round(20 * 42 * 42 / most)},
        "colour.name": {
            "red": round(20 * (2 * 42 + 21) * 21 / most),
            "blue": round(20 * (42 + 21) * 21 / most),
        },
    }


def test_facets_of_filters_are_decoded_and_the_weakest_value_has_1(
    profiles: PersonalizationClientSync, algolia: MockAlgolia
) -> None:
    profiles.set_personalization_strategy(STRATEGY | {"facetsScoring": [{"score": 1, "facetName": "the brand"}]})
    for _ in range(50):
        happen(algolia, "u", "Algolia", "click", filters=["the%20brand:50%25"])
    whole = "the%20brand%3Aa%3Ab"  # as search-insights encodes it
    happen(algolia, "u", "Looked", "view", filters=[whole, "no facet"])
    assert profiles.get_user_token_profile("u").scores == {"the brand": {"50%": 20, "a:b": 1}}


def test_an_unknown_person_has_no_profile(profiles: PersonalizationClientSync, algolia: MockAlgolia) -> None:
    profiles.set_personalization_strategy(STRATEGY)
    happen(algolia, "u", "Something else", "click", filters=["brand:acme"])
    for token in ("u", "nobody"):
        with pytest.raises(RequestException) as caught:
            profiles.get_user_token_profile(token)
        assert caught.value.status_code == 404


def test_a_deleted_profile_starts_anew(profiles: PersonalizationClientSync, algolia: MockAlgolia, clock: Clock) -> None:
    profiles.set_personalization_strategy(STRATEGY)
    happen(algolia, "u", "Algolia", "click", filters=["brand:acme"])
    answer = profiles.delete_user_profile("u")
    assert (answer.user_token, answer.deleted_until) == ("u", "2026-09-21T14:13:20.000Z")
    with pytest.raises(RequestException):
        profiles.get_user_token_profile("u")
    clock.now_ms += 1
    happen(algolia, "u", "Algolia", "click", filters=["brand:bolt"])
    assert profiles.get_user_token_profile("u").scores == {"brand": {"bolt": 20}}
    assert len(algolia.events) == 2


def test_answers_tell_of_the_rate_limit(profiles: PersonalizationClientSync, clock: Clock) -> None:
    def limits() -> tuple[str, str, str]:
        headers = profiles.get_personalization_strategy_with_http_info().headers
        told = {name.lower(): value for name, value in headers.items()}
        return told["x-ratelimit-limit"], told["x-ratelimit-remaining"], told["x-ratelimit-reset"]

    reset = START_MS // 1000 + 1
    assert [limits(), limits()] == [("40", "39", str(reset)), ("40", "38", str(reset))]
    clock.now_ms += 1000
    assert limits() == ("40", "39", str(reset + 1))


def test_a_key_needs_the_acl_recommendation(reach: Callable[..., Any]) -> None:
    limited = reach(PersonalizationClientSync, PersonalizationConfig("MOCKAPP", "mock-storefront-wide", "eu"))
    with pytest.raises(RequestException) as caught:
        limited.get_user_token_profile("u")
    assert caught.value.status_code == 403


def test_the_strategy_is_part_of_a_snapshot(profiles: PersonalizationClientSync, algolia: MockAlgolia) -> None:
    before = algolia.snapshot()
    profiles.set_personalization_strategy(STRATEGY)
    profiles.delete_user_profile("u")
    algolia.restore(before)
    assert profiles.get_personalization_strategy().personalization_impact == 0
    assert algolia.personalization.deleted_until_ms == {}


_SCORED = st.fixed_dictionaries(
    {"score": st.integers(0, 100), "facetName": st.sampled_from(["brand", "colour"])},
)


@settings(max_examples=40, deadline=None)
@given(
    facets=st.lists(_SCORED, max_size=3),
    clicks=st.lists(st.sampled_from(["brand:a", "brand:b", "colour:c"]), min_size=1, max_size=8),
)
def test_scores_are_1_to_20_and_the_strongest_has_20(facets: list[dict[str, Any]], clicks: list[str]) -> None:
    algolia = MockAlgolia(clock_ms=lambda: START_MS)
    algolia.personalization.strategy = check_strategy(STRATEGY | {"facetsScoring": facets})
    for line in clicks:
        happen(algolia, "u", "Algolia", "click", filters=[line])
    found = algolia.personalization.scores(algolia.events, {})
    scores = [score for values in found.values() for score in values.values()]
    assert all(1 <= score <= 20 for score in scores)
    scored = {facet["facetName"] for facet in facets if facet["score"]}
    assert found.keys() == scored & {line.split(":")[0] for line in clicks}
    assert not scores or max(scores) == 20


_INT64 = st.integers(-(2**63), 2**63)


@settings(max_examples=60, deadline=None)
@given(
    change=st.dictionaries(
        st.sampled_from(sorted(STRATEGY)),
        st.none() | _INT64 | st.text(max_size=3) | st.lists(st.none() | st.dictionaries(st.text(), _INT64)),
    )
)
def test_nothing_sent_makes_it_fail(change: dict[str, Any]) -> None:
    headers = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}
    body = orjson.dumps(STRATEGY | change)
    path = "/1/strategies/personalization"
    answer = handle(MockAlgolia(), Call(method="POST", path=path, headers=headers, body=body))
    assert answer.status in {200, 400}
