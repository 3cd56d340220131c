from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from algosync.errors import ConfigError
from algosync.profiles.actions import Cap, Situation, fires, fires_now, parse_actions
from algosync.profiles.conditions import Boost
from algosync.profiles.definitions import parse_segments

NOW = datetime(2026, 11, 15, 18, tzinfo=UTC)
MESSAGE = {"message": {"title": "Hello"}}
SIGN_UP = {
    "signup": {
        "when": {"visit": "new", "segments": ["fans"]},
        "where": ["any"],
        "effect": {"message": {"title": "Sign up", "link": "/sign-up"}},
        "cap": {"per_visitor": 1, "within_days": 7},
        "from": "2026-11-01",
        "until": "2026-12-31",
    }
}


@pytest.fixture(scope="module")
def segments():
    document = {name: {"when": {"events": {}}} for name in ("fans", "readers")}
    return parse_segments(document, affinity_facet=None, facets=["categories"])


@pytest.fixture(scope="module")
def firing(segments):
    def judge(action: dict, **situation) -> tuple[bool, str]:
        actions = parse_actions({"a": {"effect": MESSAGE, **action}}, segments=segments)
        usual = {"visit": "new", "state": "visitor", "segments": ["fans"], "place": "home", "at": NOW}
        now = Situation(**{**usual, **situation})
        (found,) = fires(actions, now)
        assert fires_now(found.action, now) is found.fired
        return found.fired, found.reason

    return judge


def test_an_action_is_read_whole(segments):
    (action,) = parse_actions(SIGN_UP, segments=segments).items
    assert (action.visit, action.state, action.segments, action.places) == (("new",), (), ("fans",), ("any",))
    assert action.message == {"title": "Sign up", "link": "/sign-up"}
    assert (action.cap, action.first_day, action.last_day) == (
        Cap(per_visitor=1, within_days=7),
        date(2026, 11, 1),
        date(2026, 12, 31),
    )


def test_effects_of_other_kinds(segments):
    document = {
        "b": {"effect": {"boost": {"categories": "Books", "price": [10, 25]}}},
        "a": {"effect": {"data": {"layout": 2}}},
    }
    data, boost = parse_actions(document, segments=segments).items
    assert (data.effect, data.data) == ("data", {"layout": 2})
    assert (boost.effect, boost.boosts) == ("boost", (Boost(facets=(("categories", ("Books",)),), price=(10, 25)),))


@pytest.mark.parametrize(
    ("action", "situation", "fired", "reason"),
    [
        ({}, {}, True, "place is home"),
        ({"when": {"visit": "new", "segments": "fans"}}, {}, True, "visit is new, in segment fans, place is home"),
        ({"when": {"visit": "returning"}}, {}, False, "visit is new, not returning"),
        ({"when": {"state": ["user", "buyer"]}}, {}, False, "state is visitor, not user or buyer"),
        ({"when": {"state": ["user", "buyer"]}}, {"state": "buyer"}, True, "state is buyer, place is home"),
        ({"when": {"segments": ["readers"]}}, {}, False, "not in segment readers"),
        ({"where": ["search", "product"]}, {}, False, "place is home, not search or product"),
        ({"where": "category:Books"}, {"place": "category:Books"}, True, "place is category:Books"),
        ({"where": "category:Books"}, {"place": "category:Toys"}, False, "place is category:Toys, not category:Books"),
        ({"where": "category"}, {"place": "category:Toys"}, True, "place is category:Toys"),
        (
            {"when": {"visit": "returning", "state": "buyer"}},
            {},
            False,
            "visit is new, not returning; state is visitor, not buyer",
        ),
    ],
)
def test_who_and_where(firing, action, situation, fired, reason):
    assert firing(action, **situation) == (fired, reason)


@pytest.mark.parametrize(
    ("at", "fired"),
    [
        (datetime(2026, 10, 31, 23, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 1, tzinfo=UTC), True),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), True),
        (datetime(2027, 1, 1, tzinfo=UTC), False),
    ],
)
def test_dates_are_included(firing, at, fired):
    assert firing({"from": "2026-11-01", "until": "2026-12-31"}, at=at)[0] is fired


def test_caps_count_whole_days_plus_today(firing):
    cap = {"cap": {"per_visitor": 1, "within_days": 7}}
    week = NOW.replace(hour=0) - timedelta(days=7)
    assert firing(cap, impressions={"a": [week], "b": [NOW]}) == (
        False,
        "shown 1 of 1 times in the last 7 days and today",
    )
    assert firing(cap, impressions={"a": [week - timedelta(seconds=1)]})[0]
    assert firing({"cap": {"per_visitor": 2}}, impressions={"a": [NOW]})[0]
    assert (
        firing({"cap": {"per_visitor": 1}}, impressions={"a": [week - timedelta(days=900)]})[1] == "shown 1 of 1 times"
    )


@pytest.mark.parametrize(
    ("action", "path", "words"),
    [
        ({"when": {"segment": "fans"}}, "a.when.segment", "unknown key; allowed: segments, state, visit"),
        ({"when": {"segments": ["gone"]}}, "a.when.segments", '"gone" is unknown; allowed: fans, readers'),
        ({"when": {"visit": "first"}}, "a.when.visit", '"first" is unknown'),
        ({"where": ["moon"]}, "a.where", 'the place "moon" is unknown; allowed: any, home'),
        ({"where": "category:"}, "a.where", 'the place "category:" is unknown'),
        ({"effect": {}}, "a.effect", "0 effects; allowed: exactly one of message, boost, data"),
        ({"effect": None}, "a.effect", "None is no object"),
        ({"effect": {"message": {"text": "x"}}}, "a.effect.message", "`title` is missing"),
        ({"effect": {"message": {"title": ""}}}, "a.effect.message.title", "is no text"),
        ({"effect": {"boost": {"colour": "red", "price": [1, 2]}}}, "a.effect.boost.colour", "unknown key"),
        ({"cap": {"within_days": 3}}, "a.cap.per_visitor", "None is no number"),
        ({"from": "1.11.2026"}, "a.from", "is no date; allowed: YYYY-MM-DD"),
        ({"from": "2026-11-02", "until": "2026-11-01"}, "a", "from 2026-11-02 is after until 2026-11-01"),
    ],
)
def test_each_problem_is_told_with_its_path(segments, action, path, words):
    with pytest.raises(ConfigError) as caught:
        parse_actions({"a": {"effect": MESSAGE, **action}}, segments=segments)
    assert caught.value.where == "actions.json"
    count, line = caught.value.what.split("\n  ")
    assert count == "1 problem"
    assert line.startswith(f"{path}: ")
    assert words in line


def test_problems_are_told_at_once_and_ids_must_differ(segments):
    with pytest.raises(ConfigError, match="3 problems") as caught:
        parse_actions({"a b": {"effect": MESSAGE}, "a.b": {"effect": MESSAGE}, "c": 3}, segments=segments)
    assert 'its slug "a-b" is that of "a b" too' in str(caught.value)


def test_an_action_of_the_effect_webhook_never_fires_in_an_answer_and_says_why(firing):
    fired, reason = firing({"effect": {"webhook": {"template": "hello"}}})
    assert not fired
    assert "told by webhook" in reason


def test_an_action_of_the_effect_webhook_has_data_and_no_place(segments):
    (action,) = parse_actions({"a": {"effect": {"webhook": {"template": "hello"}}}}, segments=segments).items
    assert (action.effect, action.data) == ("webhook", {"template": "hello"})
    with pytest.raises(ConfigError, match=r"a\.where: a webhook is told by a run"):
        parse_actions({"a": {"effect": {"webhook": {}}, "where": "home"}}, segments=segments)
    with pytest.raises(ConfigError, match=r"a\.effect: 2 effects; allowed: exactly one of"):
        parse_actions({"a": {"effect": {"webhook": {}, "data": {}}}}, segments=segments)
