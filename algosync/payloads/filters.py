"""The one compiler of optionalFilters: affinity scores and boosts in, Algolia's syntax and a receipt for each out.

One OR group per facet, in which the best value counts; groups add up. A filter's strength is score times facet
weight, raised to one of a few equal steps of its group's largest, because many distinct sums would order the whole
result and leave relevance nothing to decide. Whatever is left out is named with its reason. Pure; integers only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from algosync.catalog.never import is_sensitive
from algosync.errors import ConfigError
from algosync.payloads.boosts import BOOST_WEIGHT, SCORE_RANGE, TAG_FACET, Boost, plan_boosts
from algosync.payloads.declared import declaration_hint
from algosync.payloads.syntax import Refusal, facet_problem, render, stands_for_nothing, value_problem

GROUPS_MAX: Final = 32
"""Most groups: so many times the best score, 20, with the heaviest weight, 100, stay within Algolia's 65,535."""

FILTERS_MAX: Final = 50
"""Upper limit of `FilterPolicy.max` and `values_per_facet`; Algolia advises to keep the number small."""

_UNCHECKED: Final = "the index's attributesForFaceting are not known: no filter was checked against them"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterPolicy:
    """What the compiler may say.

    Args:
        weights: Facet, by the attribute that holds it on the index, to weight, 1 to 100; a facet without one is in no
            profile filter.
        values_per_facet: Most values of one facet.
        levels: Most distinct scores within one group, 1 to 20.
        max: Most filters in all, up to FILTERS_MAX.
        diversity: Most that one filter may hold of all their scores together, 0.5 to 1, where 1 is no limit. One that
            holds more is weakened; one that stands alone cannot be, and is left out.
        declared: Attributes the index declares for faceting; None where they are not known.
        never: Facet to patterns of sensitive values, which are in no filter.

    Raises:
        ConfigError: A number is out of its range.
    """

    weights: Mapping[str, int]
    values_per_facet: int = 3
    levels: int = 3
    max: int = 9
    diversity: float = 1.0
    declared: frozenset[str] | None = None
    never: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = [
            ("values_per_facet", self.values_per_facet, FILTERS_MAX),
            ("levels", self.levels, 20),
            ("max", self.max, FILTERS_MAX),
            *((f"weight of {facet}", weight, 100) for facet, weight in self.weights.items()),
        ]
        for name, number, top in numbers:
            if type(number) is not int or not 1 <= number <= top:
                raise ConfigError(f"{name} is an integer of 1 to {top}, not {number!r}", where="filters")
        if not 0.5 <= self.diversity <= 1:
            raise ConfigError(f"diversity is a share of 0.5 to 1, not {self.diversity!r}", where="filters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The arithmetic behind one filter: score * weight = product, raised to step `level`, which is `emitted`.

    `facet` is the attribute on the index. `source` is `profile` or `boost:<slug>`.
    """

    facet: str
    value: str
    score: int
    weight: int
    product: int
    level: int
    emitted: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """Filters ready to send, and everything there is to say about them.

    Args:
        optional_filters: One OR group per facet, the strongest group first; within it the strongest first.
        receipts: One per filter, in the same order.
        refused: What was left out and why, by facet and value.
        distinct_sums: How many different sums records can get from these filters, 0 included.
        notes: What could not be checked.
    """

    optional_filters: tuple[tuple[str, ...], ...]
    receipts: tuple[Receipt, ...]
    refused: tuple[Refusal, ...]
    distinct_sums: int
    notes: tuple[str, ...]


class _Said(NamedTuple):
    """A filter that can be said. Sorts strongest first, so the order of fields matters."""

    minus_product: int
    facet: str
    value: str
    source: str
    score: int
    weight: int


def compile_profile(
    scores: Mapping[str, Mapping[str, int]], policy: FilterPolicy, boosts: Iterable[Boost] = ()
) -> Compiled:
    """Compile one person's affinities, and the boosts that she is entitled to, into optionalFilters.

    Args:
        scores: Facet to value to score, integers of 1 to 20.
        policy: The limits.
        boosts: Boosts of her segments and actions; each counts its own score times 100.

    Returns:
        Filters, receipts and refusals; the same whatever order the input came in.
    """
    said: list[_Said] = []
    refused: list[Refusal] = []
    for facet, values in scores.items():
        weight = policy.weights.get(facet, 0)
        blocked = _facet_refusal(facet, policy) if weight else "no weight is set for this facet"
        for value, score in values.items():
            reason = blocked or _value_refusal(facet, value, policy) or _score_refusal(score)
            if reason:
                refused.append(Refusal(facet=facet, value=value, reason=reason))
            else:
                said.append(_Said(-score * weight, facet, value, "profile", score, weight))
    if boosts:
        _say_boosts(boosts, policy, said, refused)
    return _assemble(_within_limits(sorted(said), policy, refused), policy, refused)


def compile_boosts(boosts: Iterable[Boost], policy: FilterPolicy) -> Compiled:
    """Compile boosts alone, for a segment's record or Rule."""
    return compile_profile({}, policy, boosts)


def count_sums(groups: Iterable[Iterable[int]]) -> int:
    """Count the sums that taking nothing or one score from each group can make.

    Exact: bit n of a growing integer says that the sum n can be made. A record whose facet holds several values
    still takes one score of the group, its best, so nothing else can occur.
    """
    sums = 1
    for group in groups:
        reached = sums
        for score in set(group):
            reached |= sums << score
        sums = reached
    return sums.bit_count()


def _say_boosts(boosts: Iterable[Boost], policy: FilterPolicy, said: list[_Said], refused: list[Refusal]) -> None:
    plan = plan_boosts(boosts)
    refused += plan.refused
    for boost in plan.direct:
        ((facet, (value,)),) = boost.conditions.items()
        _say_boost(boost, (facet, value), policy, said, refused)
    for slug, boost in plan.tags.items():
        _say_boost(boost, (TAG_FACET, slug), policy, said, refused)


def _say_boost(
    boost: Boost, name: tuple[str, str], policy: FilterPolicy, said: list[_Said], refused: list[Refusal]
) -> None:
    facet, value = name
    sensitive = (
        "the boost rests on a sensitive value"
        for f, values in boost.conditions.items()
        for v in values
        if is_sensitive(v, policy.never.get(f, ()))
    )
    if reason := next(sensitive, None) or _facet_refusal(facet, policy):
        refused.append(Refusal(facet=facet, value=value, reason=reason))
    else:
        product = boost.score * BOOST_WEIGHT
        said.append(_Said(-product, facet, value, f"boost:{boost.slug}", boost.score, BOOST_WEIGHT))


def _facet_refusal(facet: str, policy: FilterPolicy) -> str | None:
    if problem := facet_problem(facet):
        return problem
    if policy.declared is not None and facet not in policy.declared:
        return declaration_hint(facet)
    return None


def _value_refusal(facet: str, value: str, policy: FilterPolicy) -> str | None:
    if problem := value_problem(value):
        return problem
    if stands_for_nothing(value):
        return "the value stands for no value"
    if is_sensitive(value, policy.never.get(facet, ())):
        return "the value is sensitive"
    return None


def _score_refusal(score: int) -> str | None:
    if type(score) is int and score in SCORE_RANGE:
        return None
    return f"a score is an integer of 1 to 20, not {score!r}"


def _within_limits(ranked: list[_Said], policy: FilterPolicy, refused: list[Refusal]) -> list[_Said]:
    """Keep the strongest, each value once, by facet and in all. Takes them strongest first, keeps that order."""
    kept: list[_Said] = []
    seen: set[tuple[str, str]] = set()
    per_facet: Counter[str] = Counter()
    for one in ranked:
        if (one.facet, one.value) in seen:
            reason = f"merged: {one.source} is no stronger than what already boosts this value"
        elif per_facet[one.facet] >= policy.values_per_facet:
            reason = f"cut: more than {policy.values_per_facet} values of {one.facet}"
        elif len(kept) >= policy.max:
            reason = f"cut: more than {policy.max} filters in all"
        elif len(per_facet) >= GROUPS_MAX and one.facet not in per_facet:
            reason = f"cut: more than {GROUPS_MAX} facets"
        else:
            kept.append(one)
            per_facet[one.facet] += 1
            seen.add((one.facet, one.value))
            continue
        refused.append(Refusal(facet=one.facet, value=one.value, reason=reason))
    return kept


def _assemble(kept: list[_Said], policy: FilterPolicy, refused: list[Refusal]) -> Compiled:
    groups: dict[str, list[Receipt]] = {}
    for one in kept:
        group = groups.setdefault(one.facet, [])
        group.append(_receipt(one, group[0].product if group else -one.minus_product, policy.levels))
    if policy.diversity < 1:
        _spread(groups, policy.diversity, refused)
    for group in groups.values():
        group.sort(key=lambda receipt: (-receipt.emitted, receipt.value))
    ordered = sorted(groups.values(), key=lambda group: (-group[0].emitted, group[0].facet))
    return Compiled(
        optional_filters=tuple(tuple(render(r.facet, r.value, r.emitted) for r in group) for group in ordered),
        receipts=tuple(receipt for group in ordered for receipt in group),
        refused=tuple(sorted(refused, key=lambda r: (r.facet, r.value, r.reason))),
        distinct_sums=count_sums([r.emitted for r in group] for group in ordered),
        notes=() if policy.declared is not None else (_UNCHECKED,),
    )


def _spread(groups: dict[str, list[Receipt]], share: float, refused: list[Refusal]) -> None:
    """Weaken the one filter that holds more than its share of all scores; at a half or more there is only one."""
    if not groups:
        return
    every = [receipt for group in groups.values() for receipt in group]
    strongest = max(every, key=lambda receipt: receipt.emitted)
    rest = sum(receipt.emitted for receipt in every) - strongest.emitted
    most = rest if share == 0.5 else math.floor(rest * share / (1 - share))
    if strongest.emitted <= most:
        return
    group = groups[strongest.facet]
    place = group.index(strongest)
    if most:
        group[place] = replace(strongest, emitted=most)
        return
    del groups[strongest.facet]
    reason = f"diversity: it would hold all of the boost, more than {share:g} of it"
    refused.append(Refusal(facet=strongest.facet, value=strongest.value, reason=reason))


def _receipt(said: _Said, largest: int, levels: int) -> Receipt:
    """Raise a product to the next of `levels` equal steps of its group's largest, halves rounded up."""
    product = -said.minus_product
    level = -(-levels * product // largest)
    return Receipt(
        facet=said.facet,
        value=said.value,
        score=said.score,
        weight=said.weight,
        product=product,
        level=level,
        emitted=(2 * largest * level + levels) // (2 * levels),
        source=said.source,
    )
