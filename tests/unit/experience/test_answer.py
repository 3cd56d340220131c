"""The whole answer: what travels where, and the laws that hold for every question and everybody."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from algosync.algolia.client import ReadClient, WriteClient
from algosync.algolia.target import Target
from algosync.demo.feed import feed
from algosync.experience.answer import answer
from algosync.experience.question import CONTEXTS_MAX, Known, Question
from algosync.experience.shop import Rollout
from algosync.mock.server import MockServer
from algosync.payloads.boosts import ApplyPolicy
from algosync.payloads.encode import OpaqueIds

BOOKS = "algosync.boosts:cheap-books<score=2000>"


def _facets(groups):
    return [text.rpartition("<")[0] for group in groups for text in group]


@pytest.fixture
def ask(shop, shelf, person, now):
    def asked(*, of=shop, at=shelf, known=None, moment=now, **question):
        known = Known(person=person()) if known is None else known
        return answer(Question(**{"user_token": "phone-of-anna", **question}), known, of, at, now=moment).document()

    return asked


def test_her_affinities_and_the_boosts_of_her_segments_travel_together(ask):
    found = ask(where="home")
    assert found["search"] == {
        "enablePersonalization": False,
        "optionalFilters": [
            ["brand:Apple<score=2000>", "brand:Sony<score=1333>"],
            ["categories:Books<score=1200>"],
        ],
        "ruleContexts": ["algosync-readers", "algosync-quiet", "algosync-apple-fans"],
        "userToken": "phone-of-anna",
    }
    assert found["strategy"] == "one-to-one"
    assert (found["generation"], found["holdout"]) == (7, False)


def test_a_segment_without_a_profile_brings_its_boosts_alone(ask, person):
    found = ask(where="home", known=Known(person=person(ready=False, segments=["apple fans"])))
    assert found["search"]["optionalFilters"] == [["brand:Apple<score=1500>"]]


def test_the_boost_of_an_action_travels_where_the_action_fires(ask):
    assert BOOKS in _texts(ask(where="category:Books"))
    assert BOOKS not in _texts(ask(where="category:Phones"))
    assert BOOKS not in _texts(ask(where="home"))
    fired = {action["id"] for action in ask(where="category:Books")["actions"]}
    assert fired == {"cheap-books"}


def _texts(found):
    return [text for group in found["search"].get("optionalFilters", ()) for text in group]


def test_actions_say_what_a_storefront_needs_and_heed_their_caps(ask, now):
    stranger = ask(where="home", known=Known())
    assert stranger["actions"] == [
        {"id": "notice", "effect": "data", "data": {"colour": "red"}},
        {"id": "welcome", "effect": "message", "message": {"title": "Hello"}},
    ]
    shown = Known(impressions={"welcome": [now - timedelta(days=1)]})
    assert [action["id"] for action in ask(where="home", known=shown)["actions"]] == ["notice"]
    assert len(ask(where="home", known=shown, moment=now + timedelta(days=9))["actions"]) == 2


def test_the_callers_own_come_first(ask):
    own = ["stock:true", ["brand:Sony", "brand:Apple"], ["categories:Books<score=1200>"]]
    found = ask(where="home", optional_filters=own, rule_contexts=("summer", "algosync-quiet"))["search"]
    assert found["optionalFilters"][:3] == own
    assert _facets(found["optionalFilters"][3:]) == ["brand:Apple", "brand:Sony"]
    assert found["ruleContexts"] == ["summer", "algosync-quiet", "algosync-readers", "algosync-apple-fans"]


def test_a_segment_with_a_rule_keeps_its_context_to_itself(ask, make_shop):
    found = ask(of=make_shop(ruled=frozenset({"readers", "apple fans"})), where="home")
    assert found["search"]["ruleContexts"] == ["algosync-quiet"]
    assert _facets(found["search"]["optionalFilters"]) == ["brand:Apple", "brand:Sony", "categories:Books"]


@pytest.mark.parametrize(
    ("question", "applies"),
    [
        ({"where": "search", "query": "red shoes"}, True),
        ({"where": "search", "query": "red shoes for men"}, False),
        ({"where": "any", "query": "red shoes for men"}, False),
        ({"where": "search", "query": ""}, True),
        ({"where": "search", "index": "huge"}, False),
        ({"where": "home", "index": "huge"}, False),
        ({"where": "category:Books", "index": "huge"}, True),
        ({"where": "category:Phones", "index": "huge"}, False),
        ({"where": "category:Books", "index": "a_replica"}, True),
    ],
)
def test_where_boosts_apply_is_the_policy_and_the_reason_says_so(ask, question, applies):
    found = ask(**question)
    assert ("optionalFilters" in found["search"]) is applies
    assert ("enablePersonalization" in found["search"]) is applies
    assert ("filters left out" in found["reason"]) is not applies
    assert found["recommend"]["queryParameters"]["optionalFilters"]
    assert found["search"]["userToken"] == "phone-of-anna"


def test_the_policy_is_the_shops(ask, make_shop):
    none = make_shop(apply=ApplyPolicy(category=False, words_max=0))
    assert "optionalFilters" not in ask(of=none, where="home")["search"]
    assert "optionalFilters" not in ask(of=none, where="search", query="shoes")["search"]


def test_recommend_gets_filters_and_never_facet_filters(ask, make_shop, make_shelf):
    shop = make_shop(recommendable=(('in_stock:"true"', "in_stock"), ("stock > 0", None)))
    found = ask(of=shop, where="product", object_id="p1")["recommend"]
    assert found["queryParameters"]["filters"] == found["fallbackParameters"]["filters"] == "stock > 0"
    assert "facetFilters" not in orjson.dumps(found).decode()
    assert found["queryParameters"]["userToken"] == "phone-of-anna"
    assert "userToken" not in found["fallbackParameters"]
    declares = make_shelf(facets=frozenset({"in_stock", "brand"}))
    assert ask(of=shop, at=declares)["recommend"]["queryParameters"]["filters"] == 'in_stock:"true" AND stock > 0'


def test_what_an_index_does_not_declare_is_not_said(ask, make_shelf):
    found = ask(at=make_shelf(facets=frozenset({"brand"})), where="home")
    assert _facets(found["search"]["optionalFilters"]) == ["brand:Apple", "brand:Sony"]


def test_segments_are_opaque_and_left_out_without_a_key(ask, make_shop):
    key = OpaqueIds(key=b"a key of sixteen bytes")
    assert ask()["segments"] == sorted(key.segment(slug) for slug in ("readers", "quiet", "apple-fans"))
    assert ask(of=make_shop(ids=None))["segments"] == []


def test_both_sides_of_the_comparison_are_marked(ask, make_shop):
    found = [ask(of=make_shop(rollout=Rollout(share=0.5)), user_token=f"t{n}", known=Known()) for n in range(20)]
    tags = {found_["holdout"]: found_["search"]["analyticsTags"] for found_ in found}
    assert tags == {True: ["algosync-holdout"], False: ["algosync-personalized"]}
    assert "analyticsTags" not in ask()["search"]


# Laws.

TEXT = st.sampled_from(
    ["Apple", "Sony", "Books", "-dash", "a:b", 'qu"ote', "x<score=9>", "\\-y", "é", " ", "null", "A,B"]
)
AFFINITIES = st.dictionaries(
    st.sampled_from(["brand", "categories", "algosync.price_band"]),
    st.dictionaries(TEXT, st.integers(1, 20), max_size=5),
)
PEOPLE = st.fixed_dictionaries(
    {
        "ready": st.booleans(),
        "affinities": AFFINITIES,
        "segments": st.lists(st.sampled_from(["readers", "apple fans", "quiet", "gone"]), unique=True),
        "visit": st.sampled_from(["new", "returning"]),
    }
)
CONTEXTS = st.lists(st.sampled_from([f"own-{n}" for n in range(12)]), max_size=10, unique=True).map(tuple)
FILTERS = st.lists(
    st.one_of(
        st.sampled_from(["brand:Apple", "brand:-Sony<score=3>", "categories:Books<score=1200>"]),
        st.lists(st.sampled_from(["brand:Apple<score=2000>", "categories:Books"]), min_size=1, max_size=2),
    ),
    max_size=3,
)
QUESTIONS = st.fixed_dictionaries(
    {
        "where": st.sampled_from(["any", "home", "category", "category:Books", "product", "search", "cart"]),
        "query": st.sampled_from([None, "", "novel", "a long query of words"]),
        "object_id": st.sampled_from([None, "p1", "p2"]),
        "consent": st.sampled_from([None, "for_you", "not_personalized"]),
        "rule_contexts": CONTEXTS,
        "optional_filters": FILTERS,
        "context": st.sampled_from([{}, {"country": "FR"}]),
    }
)
OFTEN = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _answer(make_shop, shelf, person, now, asked, who, share=1.0, ruled=()):
    shop = make_shop(rollout=Rollout(share=share), ruled=frozenset(ruled))
    known = Known(person=None if who is None else person(**who))
    return answer(Question(user_token="phone-of-anna", **asked), known, shop, shelf, now=now).document()


@given(asked=QUESTIONS, who=st.none() | PEOPLE, ruled=st.sets(st.sampled_from(["readers", "apple fans"])))
@OFTEN
def test_the_callers_own_are_always_kept_and_first(make_shop, shelf, person, now, asked, who, ruled):
    search = _answer(make_shop, shelf, person, now, asked, who, ruled=ruled)["search"]
    contexts, filters = search.get("ruleContexts", []), search.get("optionalFilters", [])
    assert contexts[: len(asked["rule_contexts"])] == list(asked["rule_contexts"])
    assert len(contexts) <= CONTEXTS_MAX
    assert len(set(contexts)) == len(contexts)
    assert len(contexts) - len(asked["rule_contexts"]) <= 4
    assert not {f"algosync-{segment.replace(' ', '-')}" for segment in ruled} & set(contexts)
    assert filters[: len(asked["optional_filters"])] == asked["optional_filters"]
    ours = filters[len(asked["optional_filters"]) :]
    assert sum(len(group) for group in ours) <= 9
    assert (search.get("enablePersonalization") is False) or not ours


@given(asked=QUESTIONS, who=PEOPLE)
@OFTEN
def test_whoever_is_not_personalized_gets_nothing_of_the_profile(make_shop, shelf, person, now, asked, who):
    asked = {**asked, "rule_contexts": (), "optional_filters": []}
    denied = _answer(make_shop, shelf, person, now, {**asked, "consent": "not_personalized"}, who)
    held_out = _answer(make_shop, shelf, person, now, {**asked, "consent": None}, who, share=0.0)
    for found in (denied, held_out):
        assert found["strategy"] == "content"
        assert not {"optionalFilters", "ruleContexts", "userToken"} & found["search"].keys()
        assert found["recommend"] == {"queryParameters": {}, "fallbackParameters": {}}
        assert (found["segments"], found["visitor"]) == ([], {"visit": None, "state": None})
        assert "popular_in_segment" not in found["content"]
        assert {action["id"] for action in found["actions"]} <= {"notice"}
    # Nothing at all of an answer depends on who she is.
    other = {"ready": True, "affinities": {"brand": {"Sony": 20}}, "segments": ["quiet"], "visit": "new"}
    again = {**asked, "consent": "not_personalized"}
    assert _answer(make_shop, shelf, person, now, again, other) == denied
    assert _answer(make_shop, shelf, person, now, {**asked, "consent": None}, other, share=0.0) == held_out
    plain = _answer(make_shop, shelf, person, now, {**asked, "consent": None}, {**who, "ready": False, "segments": []})
    assert plain["strategy"] == "content"
    assert plain["search"] == {}


@given(asked=QUESTIONS, who=PEOPLE, data=st.data())
@OFTEN
def test_the_same_question_has_the_same_bytes(make_shop, shelf, person, now, asked, who, data):
    shuffled = {
        **who,
        "segments": data.draw(st.permutations(who["segments"])),
        "affinities": {
            facet: dict(data.draw(st.permutations(list(values.items()))))
            for facet, values in data.draw(st.permutations(list(who["affinities"].items())))
        },
    }
    one, other = (orjson.dumps(_answer(make_shop, shelf, person, now, asked, somebody)) for somebody in (who, shuffled))
    assert one == other


@pytest.fixture(scope="module")
def algolia():
    with MockServer() as server:
        target = Target(app_id=server.algolia.app_id, hosts=(server.url,))
        declared = {"attributesForFaceting": ["brand", "categories", "algosync.price_band", "algosync.boosts"]}
        products = [{"objectID": f"p{n}", "name": "A novel", "brand": "Apple", "categories": ["Books"]} for n in (1, 2)]
        with WriteClient(target, "mock-admin") as writer:
            feed(writer, "products", [products], settings=declared)
        with ReadClient(target, "mock-read") as reader:
            yield reader


@given(asked=QUESTIONS, who=st.none() | PEOPLE)
@OFTEN
def test_algolia_takes_every_search(algolia, make_shop, shelf, person, now, asked, who):
    search = _answer(make_shop, shelf, person, now, asked, who)["search"]
    assert algolia.search("products", {"query": asked["query"] or "", **search})["nbHits"] >= 0
