"""The story of user123 from the article that this project follows, as tests.

The article prints errors, repaired here: timestamps of the year "2823" and of month "87" are July 2023; the purchase
at "15:38" and the views at "14:15" and "13:45" of that day are taken as printed otherwise; "Price" is price; "56
connectivity" is 5G; one description closes with a curly quote; "Segments" lists segments; `let optional Filters` and
the brackets of its JavaScript do not matter here. The first visit's text tells of clicks on products between $500 and
$1,000, while its definition of segment1 counts views and purchases: the printed profile has such a view. The first
table breaks a line within "No | Yes". The printed profile's affinities name tastes that its activity does not show
(Fashion, Home Decor): the order tested is that of the second printed profile, which its code computes.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from algosync.profiles.actions import Situation, fires, parse_actions
from algosync.profiles.affinity import AffinityRules, landmark_of
from algosync.profiles.attributes import attributes
from algosync.profiles.batch_affinity import scores, sums
from algosync.profiles.batch_facts import facts
from algosync.profiles.batch_segments import Known, memberships, person_of
from algosync.profiles.batch_visitors import visitors
from algosync.profiles.definitions import parse_segments
from algosync.profiles.identity import usable
from algosync.profiles.returns import net_of_returns
from algosync.profiles.verdicts import evaluate

SEGMENTS = {
    "segment1": {
        "name": "High Value Electronics Enthusiasts",
        "description": "Users who have viewed or purchased high-priced electronic items",
        "definition": {
            "affinities": ["Electronics"],
            "activity": {"views": {"price_range": [500, 1000]}, "purchases": {"price_range": [500, 1000]}},
        },
    },
    "segment2": {
        "name": "Budget-Conscious Book Readers",
        "description": "Users who have viewed or purchased medium-priced books",
        "definition": {
            "affinities": ["Books"],
            "activity": {"views": {"price_range": [10, 25]}, "purchases": {"price_range": [10, 25]}},
        },
    },
}
ACTIONS = {
    "1-signup-discount": {
        "when": {"visit": "new", "segments": ["segment1"]},
        "effect": {"message": {"title": "Sign up and save 10 % on your first order", "link": "/sign-up"}},
    },
    "2-free-shipping": {
        "when": {"visit": "returning", "state": "buyer", "segments": ["segment1"]},
        "effect": {"message": {"title": "Free shipping today"}},
    },
    "3-cheap-books-first": {
        "when": {"segments": ["segment2"]},
        "where": ["category:Books", "search"],
        "effect": {"boost": {"category": "Books", "price": [10, 25], "score": 20}},
    },
}
PHONE, WATCH, NOVEL = 567, 891, 234
CATALOG = {
    PHONE: {"category": ["Electronics", "Smartphone"]},
    WATCH: {"category": ["Sports", "Watch"]},
    NOVEL: {"category": ["Books", "Novel"]},
}
BROWSER, USER123 = 1, 123


def july(day: int, hour: int, minute: int) -> datetime:
    return datetime(2023, 7, day, hour, minute, tzinfo=UTC)


# One session: the printed times lie at most 30 minutes apart.
FIRST_VISIT = (
    {"at": july(24, 13, 45), "kind": "view", "object": NOVEL, "price": 14.99},
    {"at": july(24, 14, 15), "kind": "view", "object": PHONE, "price": 999.99},
    {"at": july(24, 14, 30), "kind": "click", "object": PHONE, "price": 999.99},
    {"at": july(24, 15, 0), "kind": "click", "object": WATCH, "price": 199.99},
    {"at": july(24, 15, 20), "kind": "conversion", "event_name": "login", "auth": USER123},
    {"at": july(24, 15, 38), "kind": "purchase", "object": WATCH, "price": 199.99, "quantity": 1, "order_id": "o1"},
)
SECOND_VISIT = ({"at": july(28, 10, 0), "kind": "view", "object": NOVEL, "price": 14.99},)

RULES = AffinityRules(
    weights=dict.fromkeys(("view", "click", "purchase"), 1), facets=("category",), half_life_days=36_500
)


@pytest.fixture(scope="module")
def segments():
    return parse_segments(SEGMENTS, affinity_facet="category", facets=["category"])


@pytest.fixture(scope="module")
def actions(segments):
    return parse_actions(ACTIONS, segments=segments)


@pytest.fixture(scope="module")
def situation(log, item_values, segments, rows, stored):
    """Where user123 stands at a moment, the batch and the single-user way agreeing."""

    def at(moment: datetime, place: str) -> Situation:
        seen = stored(usable(log(*FIRST_VISIT, *SECOND_VISIT), as_of=moment))
        net, values = stored(net_of_returns(seen)), item_values(CATALOG)
        known = Known(
            facts=facts(net, values, segments, as_of=moment),
            scores=scores(sums(net, values, RULES, landmark=landmark_of(moment))),
            attributes=attributes(seen),
            visitors=visitors(seen, as_of=moment),
        )
        ((person, visit, state),) = rows(known.visitors, "person", "visit", "state")
        inside = [name for _, name in rows(memberships(known, segments, as_of=moment))]
        verdict = evaluate(person_of(known, person), segments, as_of=moment)
        assert inside == [name for name, holds in verdict.items() if holds]
        return Situation(visit=visit, state=state, segments=inside, place=place, at=moment)

    return at


def fired(actions, situation) -> list[bool]:
    return [firing.fired for firing in fires(actions, situation)]


def test_first_visit(actions, situation):
    before_login = situation(july(24, 15, 0), "category:Books")
    assert (before_login.visit, before_login.state) == ("new", "visitor")
    assert fired(actions, before_login) == [True, False, True]
    after_purchase = situation(july(24, 15, 40), "category:Books")
    assert (after_purchase.visit, after_purchase.state) == ("new", "buyer")
    assert fired(actions, after_purchase) == [True, False, True]


def test_second_visit(actions, situation):
    back = situation(july(28, 10, 1), "category:Books")
    assert (back.visit, back.state, back.segments) == ("returning", "buyer", ["segment1", "segment2"])
    assert fired(actions, back) == [False, True, True]


def test_an_empty_profile_triggers_nothing(actions):
    stranger = Situation(visit="new", state="visitor", segments=[], place="home", at=july(24, 13, 0))
    assert fired(actions, stranger) == [False, False, False]


def test_nobody_else_sees_the_prompt(actions, situation):
    seen = situation(july(24, 14, 0), "home")
    assert seen.segments == ["segment2"]
    assert fired(actions, seen) == [False, False, False]


@pytest.mark.parametrize(("price", "inside"), [(499.99, False), (500, True), (1000, True), (1000.01, False)])
def test_price_ranges_include_both_ends(log, item_values, rows, stored, segments, price, inside):
    moment = july(24, 12, 0)
    seen = stored(usable(log({"at": moment, "object": PHONE, "price": price}), as_of=moment))
    known = Known(
        facts=facts(net_of_returns(seen), item_values(CATALOG), segments, as_of=moment),
        scores=scores(sums(seen, item_values(CATALOG), RULES, landmark=landmark_of(moment))),
        attributes=attributes(seen),
        visitors=visitors(seen, as_of=moment),
    )
    assert rows(memberships(known, segments, as_of=moment), "segment") == ([("segment1",)] if inside else [])


def test_the_printed_profile_in_its_order(log, item_values, rows):
    moment = july(24, 14, 0)
    clicks = [(PHONE, "click"), (WATCH, "click"), (NOVEL, "view"), (PHONE, "view")]
    seen = usable(log(*({"at": moment, "object": item, "kind": kind} for item, kind in clicks)), as_of=moment)
    table = sums(seen, item_values(CATALOG), RULES, landmark=landmark_of(moment))
    found = sorted((-points, value) for points, value in rows(table, "sum", "value"))
    assert [value for _, value in found] == ["Electronics", "Smartphone", "Books", "Novel", "Sports", "Watch"]
