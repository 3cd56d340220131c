"""Boosts that segments and actions ask for: which of them a filter can say, and where boosts apply at all.

Algolia adds filters up one by one, so it cannot say "Books and $10-25", an exact range or "popular in this segment".
Such a boost becomes a tag on the products that match, and its filter names the tag. Whether a boost is direct or
tagged depends on the boost alone, so that products and queries always agree. Which products match is `tags.py`.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from algosync.payloads.syntax import Refusal, facet_problem, stands_for_nothing, value_problem

TAG_FACET: Final = "algosync.boosts"
"""The attribute that holds the tags of a product."""

BOOST_WEIGHT: Final = 100
"""What a boost's own score is multiplied by: a boost of 20 counts as much as any affinity can."""

SCORE_RANGE: Final = range(1, 21)
"""Affinity scores and boost scores, as in Algolia's personalization."""

_SLUG: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boost:
    """Products to put first: those that meet every condition.

    Args:
        slug: Its name, unique in the shop; becomes the tag.
        conditions: Facet to values; any value of a facet will do, every facet must be met.
        price: Lowest and highest price, both included, in the shop's base currency.
        popular: Only so many products, the most popular ones among those that match.
        score: 1 to 20.
    """

    slug: str
    conditions: Mapping[str, tuple[str, ...]]
    price: tuple[float, float] | None = None
    popular: int | None = None
    score: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostPlan:
    """How each boost can be said: as a filter of its own, by a tag (slug to boost, slugs ascending), or not."""

    direct: tuple[Boost, ...]
    tags: Mapping[str, Boost]
    refused: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPolicy:
    """Where boosts apply.

    Args:
        category: On category and other browse pages.
        words_max: Text searches of at most so many words; 0 for none.
        hits_max: Never where more hits are possible; Algolia advises against filter scores there.
    """

    category: bool = True
    words_max: int = 2
    hits_max: int = 100_000


def plan_boosts(boosts: Iterable[Boost]) -> BoostPlan:
    """Sort boosts into those a filter can say directly, those that need a tag, and those that are refused.

    Direct is one value of one facet, nothing else. The same boost twice counts once; two different boosts of one
    slug are both refused, since a tag can mean only one of them.
    """
    by_slug: defaultdict[str, list[Boost]] = defaultdict(list)
    for boost in boosts:
        if boost not in by_slug[boost.slug]:
            by_slug[boost.slug].append(boost)
    direct, tags, refused = [], {}, []
    for slug, same in sorted(by_slug.items()):
        boost = same[0]
        reason = f"{len(same)} different boosts are named {slug!r}" if len(same) > 1 else boost_problem(boost)
        if reason:
            refused.append(Refusal(facet=TAG_FACET, value=slug, reason=reason))
        elif _is_direct(boost):
            direct.append(boost)
        else:
            tags[slug] = boost
    return BoostPlan(direct=tuple(direct), tags=tags, refused=tuple(refused))


def boost_problem(boost: Boost) -> str | None:
    """Say why a boost can be expressed neither as a filter nor as a tag, or None where it can."""
    if not _SLUG.fullmatch(boost.slug):
        return "a boost's name is 1 to 100 letters, digits, - and _"
    if type(boost.score) is not int or boost.score not in SCORE_RANGE:
        return f"a boost's score is an integer of 1 to 20, not {boost.score!r}"
    if boost.popular is not None and boost.popular < 1:
        return f"popular is a number of products, not {boost.popular}"
    if not (boost.conditions or boost.price or boost.popular):
        return "a boost without a condition would raise every product alike"
    return _condition_problem(boost.conditions) or _price_problem(boost.price)


def boosts_apply(place: str, words: int, possible_hits: int | None, policy: ApplyPolicy) -> tuple[bool, str]:
    """Decide whether boosts go with one request.

    Args:
        place: Where the visitor is: `search`, `category:Books`, `home` …; all but `search` are browse pages.
        words: Number of words of the query.
        possible_hits: Products of the category, or of the index for an empty query; None where nobody knows.
            Not asked where the query has words.
        policy: The shop's choice.

    Returns:
        The decision and its reason, for the receipt.
    """
    if place == "search" and words > 0:
        if words > policy.words_max:
            return False, f"a text search of {words} words, boosts apply up to {policy.words_max}"
        return True, f"a text search of {words} words, at most {policy.words_max}"
    if not policy.category:
        return False, "boosts are switched off on category and browse pages"
    if words > 0:
        return True, f"a query of {words} words on a browse page"
    if possible_hits is None:
        return False, "the number of possible hits is not known"
    if possible_hits > policy.hits_max:
        return False, f"{possible_hits} hits are possible, more than {policy.hits_max}"
    return True, f"a browse page of {possible_hits} possible hits"


def _is_direct(boost: Boost) -> bool:
    if boost.price is not None or boost.popular is not None or len(boost.conditions) != 1:
        return False
    ((facet, values),) = boost.conditions.items()
    return len(values) == 1 and not (facet_problem(facet) or value_problem(values[0]))


def _condition_problem(conditions: Mapping[str, tuple[str, ...]]) -> str | None:
    for facet, values in sorted(conditions.items()):
        if not facet or not values:
            return f"the condition on {facet!r} has no facet or no value"
        for value in values:
            if not value.strip() or stands_for_nothing(value):
                return f"{value!r} of {facet} stands for no value"
    return None


def _price_problem(price: tuple[float, float] | None) -> str | None:
    if price is None:
        return None
    low, high = price
    if not (math.isfinite(low) and math.isfinite(high)) or not 0 <= low <= high:
        return f"a price range goes from a lower to a higher amount, not from {low} to {high}"
    return None
