"""Classic Personalization: the strategy, and profiles computed from the events received.

How Algolia scores a profile is not documented, so the score here is an approximation: for every event of the strategy
and every facet value that it touches, event score times facet score, added up and scaled so that the strongest value
has 20. Facet values come from the records as they are now, or from an event's `filters`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.engine.index import Index
from algosync.mock.services.events import Event
from algosync.mock.services.values import touched

SCORE_MAX = 20
IMPACT_MAX = 100
_EVENT_TYPES = ("click", "conversion", "view")

Strategy = Mapping[str, Any]
NO_STRATEGY: Strategy = {"eventsScoring": [], "facetsScoring": [], "personalizationImpact": 0}


class Personalization:
    """The state of one application.

    Attributes:
        strategy: As it was set; empty lists before that.
        deleted_until_ms: Deleted profiles, by user token; later events start a new one.
    """

    def __init__(self) -> None:
        self.strategy: Strategy = NO_STRATEGY
        self.deleted_until_ms: dict[str, int] = {}

    def copy(self) -> Personalization:
        """The same state, safe from later changes."""
        copied = Personalization()
        copied.strategy, copied.deleted_until_ms = self.strategy, dict(self.deleted_until_ms)
        return copied

    def counted(self, token: str, events: Iterable[Event]) -> list[Event]:
        """Which of a person's events make up the profile: those of the strategy, received since it was deleted."""
        scores = _event_scores(self.strategy)
        since = self.deleted_until_ms.get(token, -1)
        return [event for event in events if event.received_ms > since and (event.name, event.type) in scores]

    def scores(self, events: Iterable[Event], indices: Mapping[str, Index]) -> dict[str, dict[str, int]]:
        """Affinities 1..20 by facet and value."""
        event_scores = _event_scores(self.strategy)
        sums: defaultdict[tuple[str, str], float] = defaultdict(float)
        for event in events:
            for item in self.strategy["facetsScoring"]:
                for value in touched(event, item["facetName"], indices):
                    sums[item["facetName"], value] += event_scores[event.name, event.type] * item["score"]
        top = max(sums.values(), default=0)
        scaled: dict[str, dict[str, int]] = {}
        for (facet, value), total in sorted(sums.items()):
            if total > 0:
                scaled.setdefault(facet, {})[value] = max(1, round(SCORE_MAX * total / top))
        return scaled


def _event_scores(strategy: Strategy) -> dict[tuple[str, str], int]:
    return {(item["eventName"], item["eventType"]): item["score"] for item in strategy["eventsScoring"]}


def check_strategy(given: Any) -> Strategy:
    """A strategy as sent (algolia.com/doc/rest-api/personalization).

    Raises:
        AlgoliaError: 400 for the first thing missing or wrong.
    """
    if not isinstance(given, dict):
        raise _wrong("body", "an object")
    for name in NO_STRATEGY:
        if name not in given:
            raise AlgoliaError(f"{name} is required", status=400)
    if unknown := sorted(given.keys() - NO_STRATEGY.keys()):
        raise AlgoliaError(f"Unknown attribute: {unknown[0]}", status=400)
    impact = given["personalizationImpact"]
    if not _integer(impact) or not 0 <= impact <= IMPACT_MAX:
        raise _wrong("personalizationImpact", f"an integer between 0 and {IMPACT_MAX}")
    _check_items(given, "eventsScoring", ("eventName",))
    _check_items(given, "facetsScoring", ("facetName",))
    if any(item.get("eventType") not in _EVENT_TYPES for item in given["eventsScoring"]):
        raise _wrong("eventsScoring", "an eventType that is one of click, conversion, view")
    return given


def _check_items(given: Mapping[str, Any], name: str, texts: Sequence[str]) -> None:
    items = given[name]
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _wrong(name, "an array of objects")
    for item in items:
        if not _integer(item.get("score")) or item["score"] < 0:
            raise _wrong(name, "a score that is an integer, 0 or more")
        if not all(isinstance(item.get(text), str) and item[text] for text in texts):
            raise _wrong(name, f"{' and '.join(texts)} in every item")


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong(name: str, expected: str) -> AlgoliaError:
    return AlgoliaError(f"Invalid {name}, expected {expected}", status=400)
