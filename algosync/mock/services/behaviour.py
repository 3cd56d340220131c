"""Recommendations from events: what goes together in baskets, and what trends. Pure.

Algolia's models are not public; these are the plain counterparts of what its documentation says of them
(algolia.com/doc/guides/algolia-recommend/overview): bought together is by one user on one day, related is by the same
users, trends are recent conversions and clicks. Data minimums are not asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping

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
    """Of the baskets with the item or with another, the share with both: the cosine of the two."""
    placed = [(basket(event), event.object_ids) for event in events]
    own = {place for place, items in placed if object_id in items}
    shared = _baskets((place, items) for place, items in placed if place in own)
    shared.pop(object_id, None)
    every = _baskets((place, shared.keys() & items) for place, items in placed)
    return {
        item: round(SCORE_MAX * len(both) / (len(own) * len(every[item])) ** 0.5, 2) for item, both in shared.items()
    }


def _baskets(placed: Iterable[tuple[Hashable, Iterable[str]]]) -> defaultdict[str, set[Hashable]]:
    """The baskets that each item is in."""
    found: defaultdict[str, set[Hashable]] = defaultdict(set)
    for place, items in placed:
        for item in items:
            found[item].add(place)
    return found


def trends(events: Iterable[Event], names: Callable[[Event], Iterable[str]], now_ms: int) -> dict[str, float]:
    """Scores 0..100, the strongest 100; an event of a week ago counts half.

    Args:
        events: What happened.
        names: What an event speaks for: its records, or the facet values of these.
        now_ms: The time, in epoch milliseconds.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    for event in events:
        weight = TREND_WEIGHTS.get(event.type, 0.0)
        if weight:
            weight *= 0.5 ** (max(0, now_ms - event.timestamp_ms) / HALF_LIFE_MS)
            for name in set(names(event)):
                sums[name] += weight
    return scaled(sums)


def scaled(sums: Mapping[str, float]) -> dict[str, float]:
    """Sums as shares of the largest, 0..100."""
    top = max(sums.values(), default=0.0)
    return {name: round(SCORE_MAX * value / top, 2) for name, value in sums.items()} if top > 0 else {}
