"""The shapes of segments: conditions as a tree, boosts, and the facts that conditions on events are judged by.

Values only. `definitions` makes them from a document, `batch_facts` and `batch_segments` judge tables by them,
`verdicts` one person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from algosync.profiles.reading import Range, slug

FacetValues = tuple[tuple[str, tuple[str, ...]], ...]
"""Facets with the values of which one must hold, sorted by facet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSpec:
    """Which events a fact counts: all conditions hold, ranges include both ends, and "any" is an empty tuple.

    Args:
        kinds: Kinds of events.
        facets: Facet values of the event's product.
        price: Range of the unit price.
        discount: Range of the discount per unit.
        by_day: Whether it is kept per UTC day, for a window.
    """

    kinds: tuple[str, ...] = ()
    facets: FacetValues = ()
    price: Range | None = None
    discount: Range | None = None
    by_day: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the events of a fact must amount to, in units of the base currency; None bounds nothing."""

    count_min: int | None = None
    count_max: int | None = None
    sum_price_min: float | None = None
    sum_price_max: float | None = None
    sum_discount_min: float | None = None
    discount_share_min: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsIs:
    """Enough (or few enough) events of a kind, over all time or within the last whole UTC days plus today."""

    fact: FactSpec
    bounds: Bounds
    within_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AffinityIs:
    """A leaning towards one of the values, by unrounded score; without a minimum any leaning counts."""

    facet: str
    values: tuple[str, ...]
    score_min: float | None = None
    score_max: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeIs:
    """An attribute that equals one of the values, or a number within bounds."""

    key: str
    values: tuple[str, ...] | None = None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorIs:
    """The visit and the state of the visitor; an empty tuple takes any."""

    visit: tuple[str, ...] = ()
    state: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberOf:
    """Membership in one of other segments."""

    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """The part does not hold."""

    part: Condition


Condition = AllOf | AnyOf | Not | EventsIs | AffinityIs | AttributeIs | VisitorIs | MemberOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Boost:
    """Products to lift: those with the facet values and in the price range, or the most popular of a segment.

    Args:
        facets: Facet values of the products.
        price: Range of the price, both ends included.
        popular: How many of the products most popular within the segment.
        score: 1 to 20.
    """

    facets: FacetValues = ()
    price: Range | None = None
    popular: int | None = None
    score: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One group of visitors; `name` is for people, a larger `priority` comes first."""

    id: str
    name: str
    when: Condition
    description: str = ""
    priority: int = 0
    boosts: tuple[Boost, ...] = ()

    @property
    def slug(self) -> str:
        """The id in the alphabet of contexts and objectIDs."""
        return slug(self.id)

    @property
    def context(self) -> str:
        """The name of the rule context that this segment's members bring to a search."""
        return f"algosync-{self.slug}"


@dataclass(frozen=True, kw_only=True)
class Segments:
    """All segments, those that others refer to first, else by id; and every fact they need, numbered by place."""

    items: tuple[Segment, ...] = ()
    facts: tuple[FactSpec, ...] = ()
    windows: Mapping[int, int] = field(default_factory=dict)
    """For each fact kept by day: how many whole days before today are needed."""

    facets: tuple[str, ...] = ()
    """The facets that conditions and boosts may name."""
    never: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Globs of sensitive values by facet, which they may not name."""

    def __getitem__(self, segment_id: str) -> Segment:
        return {segment.id: segment for segment in self.items}[segment_id]

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids, sorted."""
        return tuple(sorted(segment.id for segment in self.items))

    def facts_of(self, kind: str | None) -> Sequence[tuple[int, FactSpec]]:
        """The facts that count events of a kind at all, with their places."""
        found = self._by_kind.get(kind)
        return self._by_kind[None] if found is None else found

    @cached_property
    def places(self) -> Mapping[FactSpec, int]:
        """The place of each fact."""
        return {spec: place for place, spec in enumerate(self.facts)}

    @cached_property
    def _by_kind(self) -> Mapping[str | None, Sequence[tuple[int, FactSpec]]]:
        numbered = tuple(enumerate(self.facts))
        found: dict[str | None, Sequence[tuple[int, FactSpec]]] = {
            kind: [(place, spec) for place, spec in numbered if not spec.kinds or kind in spec.kinds]
            for kind in sorted({kind for spec in self.facts for kind in spec.kinds})
        }
        return {None: [(place, spec) for place, spec in numbered if not spec.kinds], **found}


def leaves(condition: Condition) -> Iterator[Condition]:
    """The conditions of a tree that hold no others, left to right."""
    match condition:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from leaves(part)
        case Not(part=part):
            yield from leaves(part)
        case _:
            yield condition
