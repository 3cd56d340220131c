"""Where recommendations come from: what was pushed into the records, else the events received, else likeness.

Pushed is what a record holds in its attribute `algosync`: lists of objectIDs by kind, best first, and the integers
`trending` and `popularity`. A place in a list becomes a score that falls from 100, whatever the list's length.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from algosync.mock.engine.columns import leaves
from algosync.mock.engine.filters import FacetTerm
from algosync.mock.engine.index import Index
from algosync.mock.engine.search import Reading
from algosync.mock.engine.settings import facets
from algosync.mock.services.behaviour import SCORE_MAX, bought_together, recent, related, scaled, trends
from algosync.mock.services.events import Event, Events
from algosync.mock.services.likeness import alike
from algosync.mock.services.ranked import ranked, within
from algosync.mock.services.values import held, named

ATTRIBUTE = "algosync"
POOL_MAX = 300
"""Candidates per request, the best; filters then take from these, so that few may remain, as with a trained model."""

Model = Literal["bought-together", "related-products", "trending-items", "trending-facets", "looking-similar"]
Source = Literal["pushed", "events", "likeness", "none"]

_LISTS: Mapping[str, tuple[str, ...]] = {
    "bought-together": ("bought_together",),
    "related-products": ("related", "viewed_together", "similar"),
    "looking-similar": ("similar",),
}
_COUNTS = ("trending", "popularity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What recommendations are made from: an index, its application's events, and how the index is read."""

    index: Index
    events: Events
    reading: Reading

    @property
    def now_ms(self) -> int:
        """The time, in epoch milliseconds."""
        return self.reading.now_s * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What recommendations are asked for."""

    model: Model
    object_id: str = ""
    facet_name: str | None = None
    facet_value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Scores 0..100 by objectID (by facet value for trending facets), and where they come from."""

    source: Source = "none"
    scores: Mapping[str, float] = field(default_factory=dict)

    def best(self, threshold: float) -> dict[str, float]:
        """Those that reach the threshold, best first, ties by name; so many as filters may choose from."""
        near = (pair for pair in self.scores.items() if pair[1] >= threshold)
        return dict(heapq.nsmallest(POOL_MAX, near, key=lambda pair: (-pair[1], pair[0])))


def find(shop: Shop, about: About) -> Candidates:
    """The candidates of a request, from the first source that has some; none for a facet that is not declared."""
    if about.facet_name is not None and about.facet_name not in facets(shop.index.settings):
        return Candidates()
    for source, scores in (("pushed", _pushed), ("events", _from_events), ("likeness", _from_likeness)):
        if found := scores(shop, about):
            return Candidates(source=source, scores=found)  # type: ignore[arg-type]  # the names are in the line above
    return Candidates()


def place_score(place: int) -> float:
    """The score of a place in a list: 100, 90.91, 83.33 and so on."""
    return round(SCORE_MAX / (1 + place / 10), 2)


def _pushed(shop: Shop, about: About) -> dict[str, float]:
    if about.model == "trending-items":
        return _by_place(_trending(shop, about))
    if about.model == "trending-facets":
        return _trending_values(shop, about)
    ours = (shop.index.record(about.object_id) or {}).get(ATTRIBUTE)
    lists = [ours.get(kind) for kind in _LISTS[about.model]] if isinstance(ours, dict) else []
    for items in lists:
        if isinstance(items, list) and (names := [item for item in items if isinstance(item, str)]):
            return _by_place(names)
    return {}


def _by_place(object_ids: Iterable[str]) -> dict[str, float]:
    return {name: place_score(place) for place, name in enumerate(dict.fromkeys(object_ids))}


def _trending(shop: Shop, about: About) -> list[str]:
    """The objectIDs with most of the pushed counts, by trend, then popularity."""
    counts = [f"{ATTRIBUTE}.{name}" for name in _COUNTS]
    params = {
        "numericFilters": [[f"{count} > 0" for count in counts]],
        "ranking": [f"desc({count})" for count in counts],
    }
    return ranked(shop.index, params, _of_value(shop.reading, about), POOL_MAX).object_ids


def _of_value(reading: Reading, about: About) -> Reading:
    """A reading of the records that hold the facet value asked about, of all where none is."""
    return narrowed(reading, about.facet_name or "", [about.facet_value]) if about.facet_value is not None else reading


def narrowed(reading: Reading, attribute: str, values: Iterable[str]) -> Reading:
    """A reading of the records that hold one of the values alone; neither rules nor parameters can widen it."""
    group = tuple(FacetTerm(attribute=attribute, value=value, score=0) for value in values)
    return replace(reading, filters=(*reading.filters, group))


def _trending_values(shop: Shop, about: About) -> dict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for object_id in _trending(shop, about):
        record = shop.index.record(object_id)
        counts = [
            next((n for n in leaves(record, f"{ATTRIBUTE}.{name}") if not isinstance(n, str)), 0) for name in _COUNTS
        ]
        for value in set(held(record, about.facet_name or "")):
            sums[value] += counts[0] or counts[1]
    return scaled(sums)


def _from_events(shop: Shop, about: About) -> dict[str, float]:
    events = recent(shop.events.of(shop.index.name), shop.now_ms)
    if about.model == "bought-together":
        return bought_together(events, about.object_id)
    if about.model == "related-products":
        return related(events, about.object_id)
    if about.model.startswith("trending"):
        return _trends(shop, about, events)
    return {}


def _trends(shop: Shop, about: About, events: Iterable[Event]) -> dict[str, float]:
    """Trends among the records that are shown; what is hidden, and filters that name no record, say nothing then."""
    reading = _of_value(shop.reading, about)
    shown = within(shop.index, reading) if reading.filters else None

    def items(event: Event) -> Iterable[str]:
        return event.object_ids if shown is None else shown.intersection(event.object_ids)

    if about.model == "trending-items":
        return trends(events, items, shop.now_ms)
    facet = about.facet_name or ""

    @cache
    def values_of(object_id: str) -> tuple[str, ...]:
        return tuple(held(shop.index.record(object_id), facet))

    def values(event: Event) -> set[str]:
        own = named(event, facet) if shown is None else ()
        return {*own, *(value for object_id in items(event) for value in values_of(object_id))}

    return trends(events, values, shop.now_ms)


def _from_likeness(shop: Shop, about: About) -> dict[str, float]:
    record = shop.index.record(about.object_id) if about.model == "looking-similar" else None
    return alike(shop.index, record, shop.reading, POOL_MAX) if record else {}
