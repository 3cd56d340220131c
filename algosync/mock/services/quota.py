"""The rate-limit headers of the Insights and Personalization APIs. Counts, never refuses. Pure."""

from __future__ import annotations

from collections.abc import Mapping

CALLS_PER_S = 40
"""As documented of the Personalization API (algolia.com/doc/rest-api/personalization)."""


class Quota:
    """Calls per second.

    Args:
        limit: Calls allowed in one second.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._second = -1
        self._used = 0

    def take(self, now_ms: int) -> Mapping[str, str]:
        """Count a call; returns what its answer says of the limit (`reset` in epoch seconds)."""
        second = now_ms // 1000
        self._used = self._used + 1 if second == self._second else 1
        self._second = second
        return {
            "x-ratelimit-limit": str(self._limit),
            "x-ratelimit-remaining": str(max(0, self._limit - self._used)),
            "x-ratelimit-reset": str(second + 1),
        }
