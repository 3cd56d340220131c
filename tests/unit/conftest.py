"""What tests of several rooms need: a person to ask about."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def anna() -> dict[str, Any]:
    """What a snapshot holds of anna: a returning user with a profile of her own, in no segment."""
    return {
        "person": "anna",
        "visit": "returning",
        "state": "user",
        "authenticated": True,
        "first_seen": "2026-11-01T10:00:00+00:00",
        "last_seen": "2026-11-22T10:00:00+00:00",
        "sessions": 3,
        "events": 12,
        "products": 5,
        "ready": True,
        "reason": "12 events",
        "affinities": {"brand": {"Apple": 20, "Sony": 10}},
        "optionalFilters": [["brand:Apple<score=2000>"]],
        "segments": [],
        "ruleContexts": [],
    }
