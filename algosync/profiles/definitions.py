"""From segments.json to segments: the article's form and the tree of conditions, checked whole.

Owns the grammar of segments and of boosts. Every problem is collected with its path before anything is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Any, Final

from algosync.catalog.never import is_sensitive
from algosync.events.vocabulary import KINDS
from algosync.profiles.conditions import (
    AffinityIs,
    AllOf,
    AnyOf,
    AttributeIs,
    Boost,
    Bounds,
    Condition,
    EventsIs,
    FacetValues,
    FactSpec,
    MemberOf,
    Not,
    Segment,
    Segments,
    VisitorIs,
    leaves,
)
from algosync.profiles.reading import Problems, check_slugs
from algosync.profiles.visitors import STATES, VISITS

_SEGMENT: Final = ("name", "description", "priority", "definition", "when", "boost")
_BOUNDS: Final = (
    *("count_min", "count_max", "sum_price_min", "sum_price_max", "sum_discount_min", "discount_share_min"),
)
_EVENTS: Final = ("type", "facet", "price", "discount", "within_days", *_BOUNDS)
_ACTIVITIES: Final = {
    "views": "view",
    "clicks": "click",
    "add_to_carts": "add_to_cart",
    "purchases": "purchase",
    "conversions": "conversion",
}
_DEEPEST: Final = 100
"""Far below what Python's own stack holds, for whoever walks through the tree later."""


def parse_segments(
    document: Mapping[str, Any],
    *,
    affinity_facet: str | None,
    facets: Sequence[str],
    never: Mapping[str, Sequence[str]] = MappingProxyType({}),
    where: str = "segments.json",
) -> Segments:
    """Segments from a document as people write it.

    Args:
        document: Segments by id.
        affinity_facet: The facet that the article's bare affinities are values of.
        facets: The facets that conditions and boosts may name.
        never: Globs of sensitive values by facet (see `AffinityRules`), which no condition and no boost may name.
        where: The document's name, for errors.

    Raises:
        ConfigError: Something is wrong; all of it is named, each with its path in the document.
    """
    problems = Problems(where)
    reader = Reader(problems, affinity_facet, tuple(facets), never)
    found: list[Segment] = []
    references: list[tuple[str, str, str]] = []
    for name, raw in problems.mapping(where, document).items():
        found.append(reader.segment(str(name), raw))
        references += [(str(name), *reference) for reference in reader.references]
        reader.references.clear()
    check_slugs([segment.id for segment in found], problems)
    order = _check_references([segment.id for segment in found], references, problems)
    problems.raise_any()
    by_id = {segment.id: segment for segment in found}
    return _compiled(tuple(by_id[name] for name in order), reader)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads parts of segments and boosts, noting problems and references (path, segment) as it goes."""

    problems: Problems
    affinity_facet: str | None
    facets: tuple[str, ...]
    never: Mapping[str, Sequence[str]]
    references: list[tuple[str, str]] = field(default_factory=list)

    def segment(self, name: str, raw: Any) -> Segment:
        """One segment; a place holder where it is unreadable, since its problems were noted."""
        data = self.problems.mapping(name, raw, _SEGMENT)
        if ("when" in data) == ("definition" in data):
            self.problems.add(name, "one of `when` and `definition` is needed", "exactly one of them")
            when: Condition = AnyOf(parts=())
        elif "when" in data:
            when = self.condition(f"{name}.when", data["when"])
        else:
            when = self.definition(f"{name}.definition", data["definition"])
        priority = self.problems.whole(f"{name}.priority", data.get("priority", 0), -(10**6), 10**6)
        return Segment(
            id=name,
            name=self.problems.text(f"{name}.name", data.get("name", name)),
            description=str(data.get("description", "")),
            priority=priority or 0,
            when=when,
            boosts=self.boosts(f"{name}.boost", data.get("boost", [])),
        )

    def definition(self, path: str, raw: Any) -> Condition:
        """The article's form: any of the activities, within the affinities; without activities the affinities."""
        data = self.problems.mapping(path, raw, ("affinities", "activity"))
        values = self.problems.texts(f"{path}.affinities", data["affinities"]) if "affinities" in data else ()
        if values and self.affinity_facet not in self.facets:
            known = f"one of {', '.join(self.facets)} as segments.affinity_facet in the settings"
            self.problems.add(f"{path}.affinities", f"the facet of bare affinities is {self.affinity_facet}", known)
            return AnyOf(parts=())
        self._refuse_sensitive(f"{path}.affinities", self.affinity_facet or "", values)
        if not data.get("activity"):
            if not values:
                self.problems.add(path, "nothing is defined", "affinities, activity")
            return AffinityIs(facet=self.affinity_facet or "", values=values)
        activity = self.problems.mapping(f"{path}.activity", data["activity"], _ACTIVITIES)
        within = ((self.affinity_facet or "", values),) if values else ()
        parts = [
            self.activity(f"{path}.activity.{name}", raw, _ACTIVITIES[name], within)
            for name, raw in sorted(activity.items())
            if name in _ACTIVITIES
        ]
        return AnyOf(parts=tuple(parts))

    def activity(self, path: str, raw: Any, kind: str, within: FacetValues) -> EventsIs:
        """One kind of activity of the article's form."""
        data = self.problems.mapping(path, raw, ("price_range",))
        price = self.problems.range(f"{path}.price_range", data["price_range"]) if "price_range" in data else None
        return EventsIs(fact=FactSpec(kinds=(kind,), facets=within, price=price), bounds=Bounds(count_min=1))

    def condition(self, path: str, raw: Any) -> Condition:
        """One node of the tree: an object with exactly one operator."""
        operators = self._operators()
        if path.count(".") > _DEEPEST:
            self.problems.add(path[: path.index(".")], "conditions within conditions", f"at most {_DEEPEST} deep")
            return AnyOf(parts=())
        data = self.problems.mapping(path, raw, operators)
        if len(data) != 1:
            if isinstance(raw, Mapping):
                self.problems.add(path, f"{len(data)} operators", "exactly one of " + ", ".join(operators))
            return AnyOf(parts=())
        ((operator, body),) = data.items()
        if operator not in operators:
            return AnyOf(parts=())
        return operators[operator](f"{path}.{operator}", body)

    def _operators(self) -> dict[str, Callable[[str, Any], Condition]]:
        return {
            "all": lambda path, raw: AllOf(parts=self._parts(path, raw)),
            "any": lambda path, raw: AnyOf(parts=self._parts(path, raw)),
            "not": lambda path, raw: Not(part=self.condition(path, raw)),
            "affinity": self.affinity,
            "events": self.events,
            "attribute": self.attribute,
            "visitor": self.visitor,
            "segment": self.member,
        }

    def _parts(self, path: str, raw: Any) -> tuple[Condition, ...]:
        if not isinstance(raw, list | tuple) or not raw:
            self.problems.add(path, "no conditions", "a list of conditions [{…}, …]")
            return ()
        return tuple(self.condition(f"{path}[{i}]", part) for i, part in enumerate(raw))

    def affinity(self, path: str, raw: Any) -> AffinityIs:
        """A leaf on affinity scores."""
        problems = self.problems
        data = problems.mapping(path, raw, ("facet", "value", "score_min", "score_max"))
        facet = data.get("facet", self.affinity_facet)
        problems.choices(f"{path}.facet", facet, self.facets)
        if "value" not in data:
            problems.add(path, "`value` is missing", "a value or a list of values")
        low, high = (
            problems.number(f"{path}.{key}", data[key], 0, 20) if key in data else None
            for key in ("score_min", "score_max")
        )
        problems.ordered(path, low, high, ("score_min", "score_max"))
        values = problems.texts(f"{path}.value", data["value"]) if "value" in data else ()
        self._refuse_sensitive(f"{path}.value", str(facet), values)
        return AffinityIs(facet=str(facet), values=values, score_min=low, score_max=high)

    def events(self, path: str, raw: Any) -> EventsIs:
        """A leaf on counts and amounts of events."""
        problems = self.problems
        data = problems.mapping(path, raw, (*_EVENTS, *self.facets))
        within = (
            problems.whole(f"{path}.within_days", data["within_days"], 0, 36_500) if "within_days" in data else None
        )
        kinds = problems.choices(f"{path}.type", data["type"], KINDS) if "type" in data else ()
        fact = FactSpec(
            kinds=tuple(sorted(kinds)),
            facets=self.facet_values(path, data, _EVENTS),
            price=problems.range(f"{path}.price", data["price"]) if "price" in data else None,
            discount=problems.range(f"{path}.discount", data["discount"]) if "discount" in data else None,
            by_day="within_days" in data,
        )
        return EventsIs(fact=fact, bounds=self._bounds(path, data), within_days=within)

    def _bounds(self, path: str, data: Mapping[str, Any]) -> Bounds:
        problems = self.problems
        if not any(key in data for key in _BOUNDS):
            return Bounds(count_min=1)
        counts: dict[str, Any] = {
            key: problems.whole(f"{path}.{key}", data[key], 0) for key in ("count_min", "count_max") if key in data
        }
        amounts: dict[str, Any] = {
            key: problems.number(f"{path}.{key}", data[key], 0, 1 if key == "discount_share_min" else 10**12)
            for key in _BOUNDS[2:]
            if key in data
        }
        for name in ("count", "sum_price"):
            low, high = (({**counts, **amounts}).get(f"{name}_{end}") for end in ("min", "max"))
            problems.ordered(path, low, high, (f"{name}_min", f"{name}_max"))
        return Bounds(**counts, **amounts)

    def facet_values(self, path: str, data: Mapping[str, Any], reserved: Sequence[str]) -> FacetValues:
        """Facet conditions, written beside the reserved keys or under `facet`."""
        beside = {key: data[key] for key in data if key in self.facets and key not in reserved}
        named = self.problems.mapping(f"{path}.facet", data["facet"], self.facets) if "facet" in data else {}
        found = [(key, f"{path}.{key}", raw) for key, raw in beside.items()]
        found += [(key, f"{path}.facet.{key}", raw) for key, raw in named.items()]
        for key in set(beside) & set(named):
            self.problems.add(f"{path}.{key}", "the facet is named twice", f"{path}.facet.{key} alone")
        read = [(key, at, tuple(sorted(self.problems.texts(at, raw)))) for key, at, raw in found]
        for key, at, values in read:
            self._refuse_sensitive(at, key, values)
        return tuple(sorted((key, values) for key, _, values in read))

    def _refuse_sensitive(self, path: str, facet: str, values: Sequence[str]) -> None:
        for glob in self.never.get(facet, ()):
            for value in values:
                if is_sensitive(value, (glob,)):
                    self.problems.add(path, f'"{value}" is sensitive', f'values of {facet} that are not "{glob}"')

    def attribute(self, path: str, raw: Any) -> Condition:
        """A leaf on attributes; several keys must all hold."""
        data = self.problems.mapping(path, raw)
        if not data:
            self.problems.add(path, "no attribute", "{key: value, list or {min, max}}")
        parts = tuple(self._attribute(f"{path}.{key}", str(key), body) for key, body in sorted(data.items()))
        return parts[0] if len(parts) == 1 else AllOf(parts=parts)

    def _attribute(self, path: str, key: str, raw: Any) -> AttributeIs:
        if not isinstance(raw, Mapping):
            return AttributeIs(key=key, values=self.problems.texts(path, raw))
        data = self.problems.mapping(path, raw, ("min", "max"))
        low, high = (
            self.problems.number(f"{path}.{end}", data[end]) if end in data else None for end in ("min", "max")
        )
        if not data:
            self.problems.add(path, "no bound", "min, max")
        self.problems.ordered(path, low, high, ("min", "max"))
        return AttributeIs(key=key, least=low, most=high)

    def visitor(self, path: str, raw: Any) -> VisitorIs:
        """A leaf on visit and state."""
        data = self.problems.mapping(path, raw, ("visit", "state"))
        if not data:
            self.problems.add(path, "neither visit nor state", "visit, state")
        return VisitorIs(
            visit=self.problems.choices(f"{path}.visit", data["visit"], VISITS) if "visit" in data else (),
            state=self.problems.choices(f"{path}.state", data["state"], STATES) if "state" in data else (),
        )

    def member(self, path: str, raw: Any) -> MemberOf:
        """A leaf on membership in other segments."""
        names = self.problems.texts(path, raw)
        self.references.extend((path, name) for name in names)
        return MemberOf(segments=names)

    def boosts(self, path: str, raw: Any) -> tuple[Boost, ...]:
        """One boost or a list of boosts."""
        if isinstance(raw, Mapping):
            return (self.boost(path, raw),)
        if isinstance(raw, list | tuple):
            return tuple(self.boost(f"{path}[{i}]", part) for i, part in enumerate(raw))
        self.problems.add(path, "no boost", "a list of boosts [{facet: value, price: [low, high], score: 1 to 20}]")
        return ()

    def boost(self, path: str, raw: Any) -> Boost:
        """One boost: facet values and a price range, or the most popular products."""
        problems = self.problems
        data = problems.mapping(path, raw, ("facet", "price", "popular", "score", *self.facets))
        facets = self.facet_values(path, data, ("facet", "price", "popular", "score"))
        price = problems.range(f"{path}.price", data["price"]) if "price" in data else None
        popular = problems.whole(f"{path}.popular", data["popular"], 1, 1000) if "popular" in data else None
        if not {"price", "popular"} & set(data) and not facets:
            problems.add(path, "nothing to boost", "facet values, price, popular")
        if "popular" in data and (facets or "price" in data):
            problems.add(path, "`popular` goes with no other condition", "two boosts")
        score = problems.whole(f"{path}.score", data.get("score", 20), 1, 20)
        return Boost(facets=facets, price=price, popular=popular, score=score or 20)


def _check_references(
    names: Sequence[str], references: Sequence[tuple[str, str, str]], problems: Problems
) -> list[str]:
    """Segment ids, those that others refer to first, else by id; unknown references and cycles are noted.

    A reference is (the segment it stands in, its path, the segment it names).
    """
    wanted: dict[str, set[str]] = {name: set() for name in sorted(names)}
    paths: dict[tuple[str, str], str] = {}
    for owner, path, target in references:
        if target not in wanted:
            problems.add(path, f'the segment "{target}" is unknown', ", ".join(wanted))
            continue
        wanted[owner].add(target)
        paths[owner, target] = path
    sorter = TopologicalSorter(wanted)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = error.args[1]
        problems.add(paths[circle[1], circle[0]], "segments refer to each other in a circle: " + " → ".join(circle))
        return list(wanted)
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return order


def _compiled(items: tuple[Segment, ...], reader: Reader) -> Segments:
    found = [leaf for segment in items for leaf in leaves(segment.when) if isinstance(leaf, EventsIs)]
    facts = tuple(sorted({leaf.fact for leaf in found}, key=repr))
    windows: dict[int, int] = {}
    for leaf in found:
        if leaf.within_days is not None:
            place = facts.index(leaf.fact)
            windows[place] = max(windows.get(place, 0), leaf.within_days)
    return Segments(items=items, facts=facts, windows=windows, facets=reader.facets, never=reader.never)
