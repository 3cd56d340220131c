"""Recommendations from events: what goes together in baskets, and what trends. Pure.

Algolia's models are not public; these are the plain counterparts of what its documentation says of them
(algolia.com/doc/guides/algolia-recommend/overview): bought together is by one user on one day, related is by the same
users, trends are recent conversions and clicks. Data minimums are not asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass

from algosync.mock.services.events import Event

DAY_MS = 86_400_000
WINDOW_MS = 30 * DAY_MS
HALF_LIFE_MS = 7 * DAY_MS
TREND_WEIGHTS: Mapping[str, float] = {"conversion": 5.0, "click": 1.0}
SCORE_MAX = 100.0


def recent(events: Iterable[Event], now_ms: int) -> list[Event]:
    """The events of the last 30 days."""
    return [event for event in events if event.timestamp_ms >= now_ms - WINDOW_MS]


def bought_together(events: Iterable[Event], object_id: str) -> dict[str, float]:
    """Scores 0..100 of what the same users converted on the same days (UTC)."""
    conversions = (event for event in events if event.type == "conversion")
    return _cosines(conversions, object_id, lambda event: (event.user_token, event.timestamp_ms // DAY_MS))


def related(events: Iterable[Event], object_id: str) -> dict[str, float]:
    """Scores 0..100 of what the same users viewed, clicked or converted."""
    return _cosines(events, object_id, lambda event: event.user_token)


def _cosines(events: Iterable[Event], object_id: str, basket: Callable[[Event], Hashable]) -> dict[str, float]:
    baskets: defaultdict[Hashable, set[str]] = defaultdict(set)
    for event in events:
        baskets[basket(event)].update(event.object_ids)
    held: defaultdict[str, int] = defaultdict(int)
    shared: defaultdict[str, int] = defaultdict(int)
    for items in baskets.values():
        for item in items:
            held[item] += 1
            shared[item] += object_id in items
    own = held.pop(object_id, 0)
    return {
        item: round(SCORE_MAX * shared[item] / (own * count) ** 0.5, 2) for item, count in held.items() if shared[item]
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What trends are counted over.

    Attributes:
        names: What an event speaks for: its records, or the facet values of these.
        now_ms: The time, in epoch milliseconds; an event of a week ago counts half.
    """

    names: Callable[[Event], Iterable[str]]
    now_ms: int

    def scores(self, events: Iterable[Event]) -> dict[str, float]:
        """Scores 0..100, the strongest 100."""
        sums: defaultdict[str, float] = defaultdict(float)
        for event in events:
            weight = TREND_WEIGHTS.get(event.type, 0.0)
            age_ms = max(0, self.now_ms - event.timestamp_ms)
            for name in dict.fromkeys(self.names(event)) if weight else ():
                sums[name] += weight * 0.5 ** (age_ms / HALF_LIFE_MS)
        return scaled(sums)


def scaled(sums: Mapping[str, float]) -> dict[str, float]:
    """Sums as shares of the largest, 0..100."""
    top = max(sums.values(), default=0.0)
    return {name: round(SCORE_MAX * value / top, 2) for name, value in sums.items()} if top > 0 else {}
