"""What a set of one person's events adds up to, in plain Python: the same numbers as the batch gives for everybody.

Tallies add up: that of two sets of events is the sum of both, in any order, so that what was stored and what has just
happened make one. Owns the arithmetic for one person; what it means is judged in `verdicts` and `readiness`. Returns
are not for it: they need the order that they take from.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from algosync.profiles.affinity import SCORE_DIGITS, SCORE_MAX, SPLIT, AffinityRules
from algosync.profiles.conditions import FactSpec, Segments
from algosync.profiles.facts import MICRO, MICRO_MAX, Fact
from algosync.profiles.moments import DAY_S, SESSION_GAP_S, epoch_seconds, month_start
from algosync.profiles.readiness import Evidence
from algosync.profiles.verdicts import Person
from algosync.profiles.visitors import State, Visit

_TINY: Final = 1e-290
"""Above it every sum has leading digits."""

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
Sums = Mapping[str, Mapping[str, float]]
"""Decayed sum by value, by facet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The sum of a person's events. Tallies share their parts, so nobody changes one.

    Args:
        landmark: The epoch month that the sums are carried to.
        sums: Decayed sum by facet and value; no facet is without a value.
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
    sums: Sums = field(default_factory=dict)
    facts: Mapping[tuple[int, int | None], Amounts] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    seen: tuple[float, float] | None = None
    events: int = 0
    products: frozenset[str] = frozenset()
    authenticated: bool = False
    purchased: bool = False
    context: Mapping[str, tuple[float, str]] = field(default_factory=dict)


class Scores(Mapping[tuple[str, str], float]):
    """Score by (facet, value), relative to the largest sum of each facet, as `batch_affinity.scores` gives them.

    Worked out for those that are asked for: of a long profile few are.

    Args:
        sums: Decayed sum by facet and value.
    """

    __slots__ = ("_largest", "_sums")

    def __init__(self, sums: Sums) -> None:
        self._sums = sums
        self._largest: dict[str, float] = {}

    def of(self, facet: str, values: Iterable[str]) -> dict[str, float]:
        """Scores of some values of a facet, without those that have none."""
        sums, found = self._sums.get(facet, {}), dict[str, float]()
        for value in values:
            key = leading(sums.get(value, 0.0))
            if key > 0:
                found[value] = round(SCORE_MAX * (key / self._top(facet)), SCORE_DIGITS)
        return found

    def _top(self, facet: str) -> float:
        if facet not in self._largest:
            self._largest[facet] = leading(max(self._sums[facet].values()))
        return self._largest[facet]

    def __getitem__(self, key: tuple[str, str]) -> float:
        return self.of(key[0], key[1:])[key[1]]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return (
            (facet, value) for facet, held in self._sums.items() for value, sum_ in held.items() if leading(sum_) > 0
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)


def tally(steps: Iterable[Step], rules: AffinityRules, segments: Segments, *, landmark: int) -> Tally:
    """Add up steps, in any order."""
    chosen = list(steps)
    moments = [step.at for step in chosen]
    sums: dict[str, dict[str, float]] = {}
    facts: dict[tuple[int, int | None], Amounts] = {}
    start, half_life_s = month_start(landmark), DAY_S * rules.half_life_days
    for step in chosen:
        if step.keeps:
            weight = rules.weights.get(step.kind or "", 0.0)
            if weight > 0 and step.facets is not None:
                _weigh_in(sums, step.facets, rules, weight * 2.0 ** ((step.at - start) / half_life_s))
            _count_in(facts, step, segments)
    return Tally(
        landmark=landmark,
        sums=sums,
        facts=facts,
        spans=_joined([(second, second) for second in map(math.floor, moments)]),
        seen=(min(moments), max(moments)) if moments else None,
        events=len(chosen),
        products=frozenset([step.object_id for step in chosen if step.object_id is not None]),
        authenticated=any(step.authenticated for step in chosen),
        purchased=any(step.kind == "purchase" and step.keeps for step in chosen),
        context=_latest((key, step.at, value) for step in chosen for key, value in step.context.items()),
    )


def add(one: Tally, other: Tally, rules: AffinityRules) -> Tally:
    """The tally of the union of disjoint sets of events, carried to the later landmark of both."""
    if other.events > one.events:  # what is larger is copied, and what is smaller goes through one by one
        one, other = other, one
    landmark = max(one.landmark, other.landmark)
    seen = one.seen or other.seen
    if one.seen and other.seen:
        seen = min(one.seen[0], other.seen[0]), max(one.seen[1], other.seen[1])
    facts = dict(one.facts)
    for fact, amounts in other.facts.items():
        facts[fact] = _plus(facts[fact], amounts) if fact in facts else amounts
    return Tally(
        landmark=landmark,
        sums=_added(_carried(one, landmark, rules), _carried(other, landmark, rules)),
        facts=facts,
        spans=_merged(one.spans, other.spans),
        seen=seen,
        events=one.events + other.events,
        products=one.products | other.products,
        authenticated=one.authenticated or other.authenticated,
        purchased=one.purchased or other.purchased,
        context=_latest((key, *told) for part in (one, other) for key, told in part.context.items())
        if other.context
        else one.context,
    )


def scores(found: Tally) -> Scores:
    """Scores of all that a tally has sums of."""
    return Scores(found.sums)


def visit(found: Tally, *, as_of: datetime) -> Visit:
    """New in the first session, returning from the silence after it on, as `batch_visitors.visitors` judges it."""
    fresh = len(found.spans) == 1 and epoch_seconds(as_of) - found.spans[-1][1] <= SESSION_GAP_S
    return "new" if fresh else "returning"


def state(found: Tally) -> State:
    """Buyer from the first purchase on, user from the first login on, else visitor."""
    if found.purchased:
        return "buyer"
    return "user" if found.authenticated else "visitor"


def evidence(found: Tally, *, values_kept: int) -> Evidence:
    """What readiness weighs; of each facet at most `values_kept` values count, as many as a profile keeps."""
    first, last = found.seen or (0.0, 0.0)
    return Evidence(
        active_seconds=math.floor(last) - math.floor(first),
        sessions=len(found.spans),
        events=found.events,
        products=len(found.products),
        values=sum(min(_scored(held.values()), values_kept) for held in found.sums.values()),
    )


def person(found: Tally, *, as_of: datetime, entered: Mapping[str, str] | None = None) -> Person:
    """What segments are judged by; attributes that were `entered` win over those observed."""
    observed = {key: value for key, (_, value) in found.context.items()}
    return Person(
        facts=tuple([Fact(*key, *amounts) for key, amounts in found.facts.items()]),
        scores=scores(found),
        attributes={**observed, **(entered or {})},
        visit=visit(found, as_of=as_of),
        state=state(found),
    )


def leading(total: float) -> float:
    """The digits of a sum that count: no order of adding up reaches them."""
    wide = total * SPLIT
    return wide - (wide - total)


def _scored(sums: Collection[float]) -> int:
    """How many of a facet's sums give a score."""
    return len(sums) if min(sums) > _TINY else sum(leading(total) > 0 for total in sums)


def _weigh_in(
    sums: dict[str, dict[str, float]], facets: Mapping[str, tuple[str, ...]], rules: AffinityRules, points: float
) -> None:
    for facet in rules.facets:
        for value in facets.get(facet, ()):
            if not rules.withholds(facet, value):
                held = sums.setdefault(facet, {})
                held[value] = held.get(value, 0.0) + points


def _count_in(facts: dict[tuple[int, int | None], Amounts], step: Step, segments: Segments) -> None:
    units = 1 if step.quantity is None else step.quantity
    amounts: Amounts | None = None
    for leaf, spec in segments.facts_of(step.kind):
        if _fits(step, spec):
            if amounts is None:
                amounts = 1, _micro(step.price, units), _micro(step.discount, units)
            key = leaf, step.second // DAY_S if spec.by_day else None
            facts[key] = _plus(facts[key], amounts) if key in facts else amounts


def _carried(found: Tally, landmark: int, rules: AffinityRules) -> Sums:
    """Its sums as of a landmark."""
    if found.landmark == landmark:
        return found.sums
    factor = 2.0 ** ((month_start(found.landmark) - month_start(landmark)) / (DAY_S * rules.half_life_days))
    return {facet: {value: total * factor for value, total in held.items()} for facet, held in found.sums.items()}


def _added(one: Sums, other: Sums) -> Sums:
    found = dict(one)
    for facet, held in other.items():
        mine = dict(one.get(facet, {}))
        for value, total in held.items():
            mine[value] = mine.get(value, 0.0) + total
        found[facet] = mine
    return found


def _fits(step: Step, spec: FactSpec) -> bool:
    """Whether a step of a kind that a fact counts has the rest of it."""
    for amount, bounds in ((step.price, spec.price), (step.discount, spec.discount)):
        if bounds and (amount is None or not bounds[0] <= amount <= bounds[1]):
            return False
    held = step.facets or {}
    return all(any(value in values for value in held.get(facet, ())) for facet, values in spec.facets)


def _micro(amount: float | None, units: int) -> int:
    return math.floor(min(max((amount or 0.0) * units * MICRO, -MICRO_MAX), MICRO_MAX) + 0.5)


def _plus(one: Amounts, other: Amounts) -> Amounts:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _merged(one: tuple[Span, ...], other: tuple[Span, ...]) -> tuple[Span, ...]:
    if not one or not other:
        return one or other
    before = bisect_left(one, other[0]) - 1  # all spans before this one stay as they are
    return one[:before] + _joined([*one[before:], *other]) if before > 0 else _joined([*one, *other])


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
