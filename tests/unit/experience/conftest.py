"""A small shop's rules, a shelf in memory, and people to ask about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from algosync.experience.shop import ShopAnswers
from algosync.payloads.encode import OpaqueIds
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.actions import parse_actions
from algosync.profiles.definitions import parse_segments
from algosync.sync.boosts import action_boosts, own_boosts

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FACETS = ("algosync.price_band", "brand", "categories")
DECLARED = frozenset({*FACETS, "algosync.boosts"})

SEGMENTS = {
    "readers": {
        "name": "Readers",
        "priority": 20,
        "when": {"affinity": {"facet": "categories", "value": "Books", "score_min": 5}},
        "boost": [{"categories": "Books", "score": 12}],
    },
    "apple fans": {
        "name": "Apple fans",
        "priority": 5,
        "when": {"affinity": {"facet": "brand", "value": "Apple", "score_min": 5}},
        "boost": [{"brand": "Apple", "score": 15}],
    },
    "quiet": {"name": "No boost", "priority": 9, "when": {"visitor": {"visit": ["returning"]}}},
}
ACTIONS = {
    "cheap-books": {
        "when": {"segments": ["readers"]},
        "where": ["category:Books", "search"],
        "effect": {"boost": {"categories": "Books", "price": [10, 25], "score": 20}},
    },
    "welcome": {
        "when": {"visit": "new"},
        "where": ["any"],
        "effect": {"message": {"title": "Hello"}},
        "cap": {"per_visitor": 1, "within_days": 7},
    },
    "notice": {"where": ["home"], "effect": {"data": {"colour": "red"}}},
}


@dataclass
class Memory:
    """A shelf in memory."""

    generation: int = 7
    as_of: str = "2026-11-23T00:00:00+00:00"
    tops: dict = field(default_factory=dict)
    lists: dict = field(default_factory=dict)
    counts: dict = field(default_factory=dict)
    facets: frozenset | None = DECLARED

    def top(self, scope, bucket):
        return self.tops.get((scope, bucket), [])

    def related(self, object_id):
        return self.lists.get(object_id, {})

    def hits_possible(self, index, category):
        return self.counts.get((index, category), self.counts.get((index, None)))

    def declared(self, index):
        return self.facets


def _person(**over):
    return {
        "person": "anna-account",
        "visit": "returning",
        "state": "buyer",
        "first_seen": "2026-11-01T10:00:00+00:00",
        "last_seen": "2026-11-20T10:00:00+00:00",
        "ready": True,
        "reason": "5 distinct products, 8 distinct values, 8 events, 900 s, 2 sessions",
        "affinities": {"brand": {"Apple": 20, "Sony": 7}, "categories": {"Books": 12}},
        "segments": ["apple fans", "quiet", "readers"],
        **over,
    }


@pytest.fixture(scope="session")
def now():
    return NOW


@pytest.fixture(scope="session")
def person():
    """A ready buyer in three segments; what is given lies over it."""
    return _person


@pytest.fixture(scope="session")
def make_shelf():
    def make(**over):
        tops = {
            ("popular:everywhere", ""): ["p1", "p2", "p3"],
            ("trending:everywhere", ""): ["p3", "p1"],
            ("popular:category", "Books"): ["b1", "b2"],
            ("popular:segment", "readers"): ["b2", "b1"],
            ("popular:place", "FR"): ["f1", "p1"],
            ("popular:device", "phone"): ["p2", "f1"],
        }
        lists = {"p1": {"related": ["p2", "p1", "p2"], "bought_together": ["p3"]}}
        counts = {(None, None): 300, (None, "Books"): 40, ("huge", None): 200_000, ("huge", "Books"): 40}
        return Memory(**{"tops": tops, "lists": lists, "counts": counts, **over})

    return make


@pytest.fixture(scope="session")
def make_shop():
    segments = parse_segments(SEGMENTS, affinity_facet="categories", facets=list(FACETS), never={})
    actions = parse_actions(ACTIONS, segments=segments)

    def make(**over):
        weights = {"brand": 100, "categories": 60, "algosync.price_band": 40}
        made = {
            "indices": ("products", "huge"),
            "policy": FilterPolicy(weights=weights),
            "segments": segments,
            "boosts": {segment.id: own_boosts(segment) for segment in segments.items},
            "actions": actions,
            "action_boosts": {action.id: action_boosts(action, segments) for action in actions.items},
            "ids": OpaqueIds(key=b"a key of sixteen bytes"),
            "curated": {"editors": ("e1", "e2")},
            "place": "country",
            "device": "device",
            **over,
        }
        return ShopAnswers(**made)

    return make


@pytest.fixture
def shop(make_shop):
    return make_shop()


@pytest.fixture
def shelf(make_shelf):
    return make_shelf()
