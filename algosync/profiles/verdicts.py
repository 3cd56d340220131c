"""Which segments one person is in, and why, in plain Python: the same answers as the batch gives, for explaining.

Owns the words for conditions. The rules themselves are those of `segments`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

from algosync.catalog.paths import text
from algosync.profiles.conditions import (
    AffinityIs,
    AllOf,
    AnyOf,
    AttributeIs,
    Condition,
    EventsIs,
    FactSpec,
    MemberOf,
    Not,
    Segments,
    VisitorIs,
)
from algosync.profiles.facts import MICRO, Fact
from algosync.profiles.moments import epoch_day
from algosync.profiles.reading import Range
from algosync.profiles.segments import NUMBER, bounds_hold
from algosync.profiles.visitors import STATES, VISITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What is known about one person.

    Args:
        facts: Rows of `batch_facts.facts`.
        scores: Unrounded score by (facet, value).
        attributes: Value by key.
        visit: new or returning.
        state: visitor, user or buyer.
    """

    facts: tuple[Fact, ...] = ()
    scores: Mapping[tuple[str, str], float] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    visit: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One condition on one person: how deep in the tree, its words with the person's numbers, whether it holds."""

    depth: int
    text: str
    holds: bool


def evaluate(person: Person, segments: Segments, *, as_of: datetime) -> dict[str, bool]:
    """Whether the person is in each segment, by id in order."""
    judge = _Judge(person, segments, epoch_day(as_of), {}, _by_leaf(person.facts))
    for segment in segments.items:
        judge.others[segment.id] = judge.holds(segment.when)
    return dict(sorted(judge.others.items()))


def why(person: Person, segment_id: str, segments: Segments, *, as_of: datetime) -> tuple[Reason, ...]:
    """Every condition of a segment with the person's numbers, outer ones first."""
    others = evaluate(person, segments, as_of=as_of)
    judge = _Judge(person, segments, epoch_day(as_of), others, _by_leaf(person.facts))
    return tuple(judge.reasons(segments[segment_id].when, 0))


@dataclass(frozen=True, slots=True)
class _Judge:
    person: Person
    segments: Segments
    today: int
    others: dict[str, bool]
    facts: Mapping[int, Sequence[Fact]]

    def holds(self, condition: Condition) -> bool:
        match condition:
            case AllOf(parts=parts):
                return all(self.holds(part) for part in parts)
            case AnyOf(parts=parts):
                return any(self.holds(part) for part in parts)
            case Not(part=part):
                return not self.holds(part)
            case MemberOf(segments=names):
                return any(self.others[name] for name in names)
            case _:
                return self._leaf(condition)

    def _leaf(self, condition: EventsIs | AffinityIs | AttributeIs | VisitorIs) -> bool:
        match condition:
            case EventsIs():
                count, price, discount = self._amounts(condition)
                return bool(bounds_hold(condition.bounds, count, float(price), float(discount)))
            case AffinityIs():
                return any(
                    _within(score, condition.score_min, condition.score_max) for score in self._scores(condition)
                )
            case AttributeIs():
                return self._attribute(condition)
            case VisitorIs(visit=visit, state=state):
                return self.person.visit in (visit or VISITS) and self.person.state in (state or STATES)
            case _:
                assert_never(condition)

    def _amounts(self, leaf: EventsIs) -> tuple[int, int, int]:
        rows = self.facts.get(self.segments.places[leaf.fact], ())
        if leaf.within_days is not None:
            first = self.today - leaf.within_days
            rows = [fact for fact in rows if fact.day is not None and fact.day >= first]
        return sum([r.events for r in rows]), sum([r.paid for r in rows]), sum([r.saved for r in rows])

    def _scores(self, leaf: AffinityIs) -> list[float]:
        found = (self.person.scores.get((leaf.facet, value)) for value in leaf.values)
        return [score for score in found if score is not None and score > 0]

    def _attribute(self, leaf: AttributeIs) -> bool:
        value = self.person.attributes.get(leaf.key)
        if value is None:
            return False
        if leaf.values is not None:
            return value in leaf.values
        return re.fullmatch(NUMBER, value) is not None and _within(float(value), leaf.least, leaf.most)

    def reasons(self, condition: Condition, depth: int) -> Iterator[Reason]:
        yield Reason(depth=depth, text=self._words(condition), holds=self.holds(condition))
        match condition:
            case AllOf(parts=parts) | AnyOf(parts=parts):
                for part in parts:
                    yield from self.reasons(part, depth + 1)
            case Not(part=part):
                yield from self.reasons(part, depth + 1)
            case _:
                return

    def _words(self, condition: Condition) -> str:
        match condition:
            case AllOf():
                return "all of"
            case AnyOf():
                return "any of"
            case Not():
                return "not"
            case MemberOf(segments=names):
                inside = [name for name in names if self.others[name]]
                return f"in segment {_either(names)}: in {_either(inside) if inside else 'none'}"
            case _:
                return self._leaf_words(condition)

    def _leaf_words(self, condition: EventsIs | AffinityIs | AttributeIs | VisitorIs) -> str:
        match condition:
            case EventsIs():
                return self._event_words(condition)
            case AffinityIs(facet=facet, values=values):
                scores = self._scores(condition)
                found = f"{max(scores):.4g} of 20" if scores else "none"
                return (
                    f"affinity to {facet} {_either(values)}{_limits(condition.score_min, condition.score_max)}: {found}"
                )
            case AttributeIs(key=key, values=values):
                wanted = _limits(condition.least, condition.most) if values is None else f" {_either(values)}"
                return f"attribute {key}{wanted}: {self.person.attributes.get(key, 'unknown')}"
            case VisitorIs(visit=visit, state=state):
                wanted = " and ".join(_either(part) for part in (visit, state) if part)
                return f"visitor {wanted}: {self.person.visit} {self.person.state}"
            case _:
                assert_never(condition)

    def _event_words(self, leaf: EventsIs) -> str:
        count, price, discount = self._amounts(leaf)
        bounds, found = leaf.bounds, []
        if bounds.count_min is not None or bounds.count_max is not None:
            found.append(f"{count}{_limits(bounds.count_min, bounds.count_max)}")
        if bounds.sum_price_min is not None or bounds.sum_price_max is not None:
            found.append(f"{price / MICRO:.2f} paid{_limits(bounds.sum_price_min, bounds.sum_price_max)}")
        if bounds.sum_discount_min is not None:
            found.append(f"{discount / MICRO:.2f} saved{_limits(bounds.sum_discount_min, None)}")
        if bounds.discount_share_min is not None:
            share = f"{discount / (price + discount):.1%} saved" if price + discount else "nothing paid"
            found.append(f"{share} (at least {bounds.discount_share_min:.1%})")
        since = "" if leaf.within_days is None else f" in the last {leaf.within_days} days and today"
        return f"{_fact_words(leaf.fact)}{since}: {', '.join(found)}"


def _by_leaf(facts: Iterable[Fact]) -> Mapping[int, Sequence[Fact]]:
    found: dict[int, list[Fact]] = {}
    for fact in facts:
        found.setdefault(fact.leaf, []).append(fact)
    return found


def _fact_words(fact: FactSpec) -> str:
    words = f"{_either(fact.kinds)} events" if fact.kinds else "events"
    parts = [f"{facet} {_either(values)}" for facet, values in fact.facets]
    parts += [
        f"{name} {_span(bounds)}" for name, bounds in (("price", fact.price), ("discount", fact.discount)) if bounds
    ]
    return f"{words} with {', '.join(parts)}" if parts else words


def _within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _either(texts: Any) -> str:
    return " or ".join(texts)


def _span(bounds: Range) -> str:
    return f"{text(bounds[0])} to {text(bounds[1])}"


def _limits(least: float | None, most: float | None) -> str:
    parts = [f"at least {text(least)}"] if least is not None else []
    parts += [f"at most {text(most)}"] if most is not None else []
    return f" ({' and '.join(parts)})" if parts else ""
