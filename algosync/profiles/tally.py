"""What a set of one person's events adds up to, in plain Python: the same numbers as the batch gives for everybody.

Tallies add up: that of two sets of events is the sum of both, in any order, so that what was stored and what has just
happened make one. Owns the arithmetic for one person; what it means is judged in `verdicts` and `readiness`. Returns
are not for it: they need the order that they take from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from algosync.catalog.never import expression
from algosync.profiles.affinity import SCORE_DIGITS, SCORE_MAX, SPLIT, AffinityRules
from algosync.profiles.conditions import FactSpec, Segments
from algosync.profiles.facts import MICRO
from algosync.profiles.moments import DAY_S, SESSION_GAP_S, epoch_seconds, month_start
from algosync.profiles.readiness import Evidence
from algosync.profiles.verdicts import Fact, Person
from algosync.profiles.visitors import State, Visit

Span = tuple[int, int]
"""First and last second of a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One event of a person, with the facet values that it took with it.

    Args:
        at: Seconds since 1970.
        kind: view, click, add_to_cart, purchase or conversion; None for an event of a session.
        object_id: The product.
        facets: Values by facet; None where the product is not known, and the event waits for it.
        price: Per unit.
        discount: Per unit.
        quantity: Units, not negative; None for one.
        authenticated: Whether the visitor was logged in.
        context: Declared keys.
    """

    at: float
    kind: str | None = None
    object_id: str | None = None
    facets: Mapping[str, tuple[str, ...]] | None = None
    price: float | None = None
    discount: float | None = None
    quantity: int | None = None
    authenticated: bool = False
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def second(self) -> int:
        """Whole seconds since 1970."""
        return math.floor(self.at)

    @property
    def keeps(self) -> bool:
        """Whether anything was kept of it: a purchase of no unit counts nothing."""
        return self.kind != "purchase" or self.quantity is None or self.quantity > 0


Amounts = tuple[int, int, int]
"""How many events, millionths paid, millionths saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The sum of a person's events.

    Args:
        landmark: The epoch month that the sums are carried to.
        sums: Decayed sum by (facet, value).
        facts: Amounts by (place in `Segments.facts`, UTC day or None).
        spans: Sessions, in order, further apart than a session's silence.
        seen: First and last moment, in seconds; None without events.
        events: How many.
        products: Distinct products.
        authenticated: Whether she was logged in at any of them.
        purchased: Whether she bought anything.
        context: The latest (moment, value) by key; of equally late ones the least value.
    """

    landmark: int
    sums: Mapping[tuple[str, str], float] = field(default_factory=dict)
    facts: Mapping[tuple[int, int | None], Amounts] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    seen: tuple[float, float] | None = None
    events: int = 0
    products: frozenset[str] = frozenset()
    authenticated: bool = False
    purchased: bool = False
    context: Mapping[str, tuple[float, str]] = field(default_factory=dict)


def tally(steps: Iterable[Step], rules: AffinityRules, segments: Segments, *, landmark: int) -> Tally:
    """Add up steps, in any order."""
    chosen = list(steps)
    moments = [step.at for step in chosen]
    return Tally(
        landmark=landmark,
        sums=_sums(chosen, rules, landmark),
        facts=_facts(chosen, segments),
        spans=_joined((step.second, step.second) for step in chosen),
        seen=(min(moments), max(moments)) if moments else None,
        events=len(chosen),
        products=frozenset(step.object_id for step in chosen if step.object_id is not None),
        authenticated=any(step.authenticated for step in chosen),
        purchased=any(step.kind == "purchase" and step.keeps for step in chosen),
        context=_latest((key, step.at, value) for step in chosen for key, value in step.context.items()),
    )


def add(one: Tally, other: Tally, rules: AffinityRules) -> Tally:
    """The tally of the union of disjoint sets of events, carried to the later landmark of both."""
    landmark = max(one.landmark, other.landmark)
    moments = [moment for part in (one, other) if part.seen for moment in part.seen]
    sums: dict[tuple[str, str], float] = {}
    facts: dict[tuple[int, int | None], Amounts] = {}
    for part in (one, other):
        factor = 2.0 ** ((month_start(part.landmark) - month_start(landmark)) / (DAY_S * rules.half_life_days))
        for value, total in part.sums.items():
            sums[value] = sums.get(value, 0.0) + total * factor
        for fact, amounts in part.facts.items():
            facts[fact] = _plus(facts.get(fact, (0, 0, 0)), amounts)
    return Tally(
        landmark=landmark,
        sums=sums,
        facts=facts,
        spans=_joined((*one.spans, *other.spans)),
        seen=(min(moments), max(moments)) if moments else None,
        events=one.events + other.events,
        products=one.products | other.products,
        authenticated=one.authenticated or other.authenticated,
        purchased=one.purchased or other.purchased,
        context=_latest((key, *told) for part in (one, other) for key, told in part.context.items()),
    )


def scores(found: Tally) -> dict[tuple[str, str], float]:
    """Score by (facet, value), relative to the largest sum of each facet, as `affinity.scores` gives them."""
    keys = {value: _rounded(total) for value, total in found.sums.items()}
    largest: dict[str, float] = {}
    for (facet, _), key in keys.items():
        largest[facet] = max(largest.get(facet, 0.0), key)
    return {
        (facet, value): round(SCORE_MAX * (key / largest[facet]), SCORE_DIGITS)
        for (facet, value), key in keys.items()
        if key > 0
    }


def visit(found: Tally, *, as_of: datetime) -> Visit:
    """New in the first session, returning from the silence after it on, as `visitors.visitors` judges it."""
    fresh = len(found.spans) == 1 and epoch_seconds(as_of) - found.spans[-1][1] <= SESSION_GAP_S
    return "new" if fresh else "returning"


def state(found: Tally) -> State:
    """Buyer from the first purchase on, user from the first login on, else visitor."""
    if found.purchased:
        return "buyer"
    return "user" if found.authenticated else "visitor"


def evidence(found: Tally, *, values_kept: int) -> Evidence:
    """What readiness weighs; of each facet at most `values_kept` values count, as many as a profile keeps."""
    by_facet: dict[str, int] = {}
    for facet, _ in scores(found):
        by_facet[facet] = by_facet.get(facet, 0) + 1
    first, last = found.seen or (0.0, 0.0)
    return Evidence(
        active_seconds=math.floor(last) - math.floor(first),
        sessions=len(found.spans),
        events=found.events,
        products=len(found.products),
        values=sum(min(count, values_kept) for count in by_facet.values()),
    )


def person(found: Tally, *, as_of: datetime, entered: Mapping[str, str] | None = None) -> Person:
    """What segments are judged by; attributes that were `entered` win over those observed."""
    observed = {key: value for key, (_, value) in found.context.items()}
    return Person(
        facts=tuple(
            Fact(leaf=leaf, day=day, count=count, sum_price=paid, sum_discount=saved)
            for (leaf, day), (count, paid, saved) in sorted(found.facts.items(), key=lambda fact: _place(fact[0]))
        ),
        scores=scores(found),
        attributes={**observed, **(entered or {})},
        visit=visit(found, as_of=as_of),
        state=state(found),
    )


def _sums(steps: Iterable[Step], rules: AffinityRules, landmark: int) -> dict[tuple[str, str], float]:
    never = {facet: re.compile(expression(tuple(patterns))) for facet, patterns in rules.never.items()}
    start, found = month_start(landmark), dict[tuple[str, str], float]()
    for step in steps:
        weight = rules.weights.get(step.kind or "", 0.0)
        if not weight > 0 or step.facets is None or not step.keeps:
            continue
        points = weight * 2.0 ** ((step.at - start) / (DAY_S * rules.half_life_days))
        for facet in rules.facets:
            for value in step.facets.get(facet, ()):
                if facet not in never or not never[facet].search(value):
                    found[facet, value] = found.get((facet, value), 0.0) + points
    return found


def _facts(steps: Iterable[Step], segments: Segments) -> dict[tuple[int, int | None], Amounts]:
    found: dict[tuple[int, int | None], Amounts] = {}
    for step in steps:
        if not step.keeps:
            continue
        units = 1 if step.quantity is None else step.quantity
        amounts = (1, _micro(step.price, units), _micro(step.discount, units))
        for leaf, spec in enumerate(segments.facts):
            if _fits(step, spec):
                key = leaf, step.second // DAY_S if spec.by_day else None
                found[key] = _plus(found.get(key, (0, 0, 0)), amounts)
    return found


def _fits(step: Step, spec: FactSpec) -> bool:
    if spec.kinds and step.kind not in spec.kinds:
        return False
    for amount, bounds in ((step.price, spec.price), (step.discount, spec.discount)):
        if bounds and (amount is None or not bounds[0] <= amount <= bounds[1]):
            return False
    held = step.facets or {}
    return all(not set(values).isdisjoint(held.get(facet, ())) for facet, values in spec.facets)


def _micro(amount: float | None, units: int) -> int:
    return math.floor((amount or 0.0) * units * MICRO + 0.5)


def _plus(one: Amounts, other: Amounts) -> Amounts:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    made: list[Span] = []
    for first, last in sorted(spans):
        if made and first - made[-1][1] <= SESSION_GAP_S:
            made[-1] = made[-1][0], max(made[-1][1], last)
        else:
            made.append((first, last))
    return tuple(made)


def _latest(told: Iterable[tuple[str, float, str]]) -> dict[str, tuple[float, str]]:
    found: dict[str, tuple[float, str]] = {}
    for key, at, value in told:
        known = found.get(key)
        if known is None or at > known[0] or (at == known[0] and value < known[1]):
            found[key] = at, value
    return found


def _rounded(total: float) -> float:
    wide = total * SPLIT
    return wide - (wide - total)


def _place(fact: tuple[int, int | None]) -> tuple[int, int]:
    return fact[0], -1 if fact[1] is None else fact[1]
