"""The parameters of an answer: what to spread into a search, and what into a Recommend request.

The caller's own filters and contexts stay, and stay first. Filters of ours travel in the query, and a segment that has
a Rule of ours on the index (`[push] rules`) keeps its context to itself: its Rule says nothing but the same boosts, a
second time, on pages and in searches too where boosts do not apply; and how the filters of a Rule and of a query come
together is documented nowhere. Those Rules serve storefronts that send contexts without asking for an answer.
`sumOrFiltersScores` is never needed: our groups count their best value, which is Algolia's default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from algosync.experience.firing import boosts
from algosync.experience.question import CONTEXTS_MAX, Question
from algosync.experience.shop import Shelf, ShopAnswers
from algosync.experience.strategy import Standing
from algosync.payloads.boosts import boosts_apply
from algosync.payloads.filters import Compiled, compile_profile
from algosync.profiles.actions import Action

TAGS: Final = {"personalized": "algosync-personalized", "holdout": "algosync-holdout"}
"""The analytics tag of either side, where there is a holdout."""


def compiled(
    question: Question, standing: Standing, actions: Sequence[Action], shop: ShopAnswers, shelf: Shelf
) -> Compiled:
    """What is hers to boost on this index: her affinities where the strategy is one-to-one, and the boosts."""
    scores = standing.person["affinities"] if standing.person and standing.strategy == "one-to-one" else {}
    policy = replace(shop.policy, declared=shelf.declared(_index(question, shop)))
    return compile_profile(scores, policy, tuple(boosts(actions, standing, shop)))


def applies(question: Question, shop: ShopAnswers, shelf: Shelf) -> tuple[bool, str]:
    """Whether boosts go with this search, and why; a query typed nobody knows where is a text search."""
    place = "search" if question.where == "any" and question.words else question.where
    possible = shelf.hits_possible(_index(question, shop), None if place == "search" else question.category)
    return boosts_apply(place, question.words, possible, shop.apply)


def search_parameters(
    question: Question, standing: Standing, filters: Sequence[Sequence[str]], shop: ShopAnswers
) -> dict[str, Any]:
    """Parameters of a search; `filters` are those of ours that apply here."""
    own = [item if isinstance(item, str) else list(item) for item in question.optional_filters]
    ours = [list(group) for group in filters if list(group) not in own]
    made = _shared(question, standing, shop, own=question.rule_contexts)
    if own or ours:
        made["optionalFilters"] = [*own, *ours]
    # A search that carries our filters would be boosted twice by Algolia's own personalization; and who chose not to
    # be personalized chose so for all of it.
    if ours or (not standing.allowed and standing.arm is None):
        made["enablePersonalization"] = False
    if standing.arm is not None:
        made["analyticsTags"] = [TAGS[standing.arm]]
    return dict(sorted(made.items()))


def recommend_parameters(
    question: Question, standing: Standing, filters: Sequence[Sequence[str]], shop: ShopAnswers, shelf: Shelf
) -> dict[str, dict[str, Any]]:
    """Parameters of a Recommend request: what may be sold, and the person's filters to re-rank by.

    Never facetFilters, which Recommend does not heed there.
    """
    common: dict[str, Any] = {}
    declared = shelf.declared(_index(question, shop))
    terms = [
        text for text, facet in shop.recommendable if facet is None or (declared is not None and facet in declared)
    ]
    if terms:
        common["filters"] = " AND ".join(terms)
    if filters:
        common["optionalFilters"] = [list(group) for group in filters]
    query = common | _shared(question, standing, shop, own=())
    return {"queryParameters": dict(sorted(query.items())), "fallbackParameters": dict(sorted(common.items()))}


def _index(question: Question, shop: ShopAnswers) -> str | None:
    """The index that is asked about, as far as the shelf knows it: of a replica or an alias only what all have."""
    return question.index if question.index in shop.indices else None


def _shared(question: Question, standing: Standing, shop: ShopAnswers, *, own: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    named = [*dict.fromkeys((*own, *_contexts(standing, shop, room=CONTEXTS_MAX - len(set(own)))))]
    if named:
        made["ruleContexts"] = named
    if standing.strategy != "content":
        made["userToken"] = question.user_token
    return made


def _contexts(standing: Standing, shop: ShopAnswers, *, room: int) -> Sequence[str]:
    if not standing.segments:
        return ()
    named = [shop.contexts[segment] for segment in standing.segments if segment in shop.contexts]
    return named[: max(0, min(shop.max_contexts, room))]
