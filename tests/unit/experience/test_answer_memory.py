"""What is remembered between answers never shows in one: whatever is asked, it is as `answer` says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from algosync.experience.answer import answer
from algosync.experience.answer_memory import Answers
from algosync.experience.question import Known, Question
from algosync.profiles.actions import Situation, fires, fires_now

OFTEN = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PLACES = ("any", "home", "category:Books", "search", "product")
SEGMENTS = ("readers", "apple fans", "quiet")
ASKED = st.fixed_dictionaries(
    {
        "user_token": st.sampled_from(["anna", "ben"]),
        "where": st.sampled_from(PLACES),
        "query": st.sampled_from([None, "red shoes"]),
        "object_id": st.sampled_from([None, "p1"]),
        "context": st.sampled_from([{}, {"country": "FR"}, {"device": "phone"}]),
        "consent": st.sampled_from([None, "not_personalized"]),
        "rule_contexts": st.sampled_from([(), ("sale",)]),
        "optional_filters": st.sampled_from([(), [], ["brand:Sony"], [["brand:Sony", "brand:LG"]]]),
        "index": st.sampled_from([None, "products", "huge"]),
    }
)
WHO = st.none() | st.fixed_dictionaries(
    {
        "visit": st.sampled_from(["new", "returning"]),
        "last_seen": st.sampled_from(["2026-11-23T11:50:00+00:00", "2026-11-01T10:00:00+00:00"]),
        "ready": st.booleans(),
        "segments": st.lists(st.sampled_from(SEGMENTS), unique=True, max_size=3),
        "affinities": st.dictionaries(
            st.sampled_from(["brand", "categories"]),
            st.dictionaries(st.sampled_from(["Apple", "Books"]), st.integers(1, 20), max_size=2),
            max_size=2,
        ),
    }
)
MINUTES = st.sampled_from([-40, 0, 15, 30, 60 * 13, 60 * 24 * 9])
STEPS = st.tuples(
    ASKED,
    WHO,
    st.sampled_from([None, "for_you", "not_personalized"]),
    st.sampled_from([True, False, False]),
    st.lists(MINUTES, max_size=2),
    MINUTES,
    st.sampled_from([7, 8]),
)


@given(steps=st.lists(STEPS, max_size=12))
@OFTEN
def test_what_is_remembered_never_shows(make_shop, make_shelf, person, now, steps):
    shop = make_shop()
    remembering = Answers(shop, kept=3)
    for asked, who, choice, suppressed, shown, minutes, generation in steps:
        known = Known(
            person=None if who is None else person(**who),
            choice=choice,
            suppressed=suppressed,
            impressions={"welcome": [now + timedelta(minutes=at) for at in shown]} if shown else {},
        )
        shelf = make_shelf(generation=generation, facets=frozenset({"brand"}) if generation == 8 else None)
        moment = now + timedelta(minutes=minutes)
        question = Question(**asked)
        fresh = answer(question, known, shop, shelf, now=moment).document()
        for _ in range(2):
            assert remembering.document(question, known, shelf, now=moment) == fresh


def test_the_same_again_has_the_same_tag_until_something_changed(make_shop, make_shelf, person, now):
    remembering, known = Answers(make_shop()), Known(person=person())
    ask = Question(user_token="anna", where="home")
    first = remembering.told(ask, known, make_shelf(), now=now)
    same = ((Known(person=person()), make_shelf(), now), (known, make_shelf(), now + timedelta(minutes=1)))
    for other in same:
        assert remembering.told(ask, other[0], other[1], now=other[2]) == first
    changed = (
        (Known(person=person(), choice="not_personalized"), make_shelf()),
        (Known(person=person(state="user")), make_shelf()),
        (known, make_shelf(generation=9)),
    )
    for person_then, shelf in changed:
        assert remembering.told(ask, person_then, shelf, now=now).tag != first.tag
    elsewhere = Question(user_token="anna", where="product", object_id="p1")
    assert remembering.told(elsewhere, known, make_shelf(), now=now).tag != first.tag


@pytest.mark.parametrize("visit", ["new", "returning"])
@pytest.mark.parametrize("place", PLACES)
@given(segments=st.sets(st.sampled_from(SEGMENTS)), minutes=MINUTES, shown=st.lists(MINUTES, max_size=2))
@OFTEN
def test_an_action_fires_by_short_way_as_by_the_one_with_reasons(
    make_shop, now, visit, place, segments, minutes, shown
):
    actions = make_shop().actions
    situation = Situation(
        visit=visit,
        state="buyer",
        segments=sorted(segments),
        place=place,
        at=now + timedelta(minutes=minutes),
        impressions={"welcome": [now + timedelta(minutes=at) for at in shown]},
    )
    short = [action for action in actions.items if fires_now(action, situation)]
    assert short == [firing.action for firing in fires(actions, situation) if firing.fired]
