"""Whether a visitor's evidence carries one-to-one personalization: duration, volume and depth in balance.

Owns the thresholds and the words for them. The same rules for one visitor and, in `batch_readiness`, for a whole table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessRules:
    """The least evidence for a profile to be used; 0 switches a threshold off.

    Args:
        min_seconds: Span of all activity, in seconds.
        min_sessions: Sessions that count in place of the span.
        min_events: Events of any kind.
        min_products: Distinct products.
        min_values: Distinct facet values.
    """

    min_seconds: int = 60
    min_sessions: int = 2
    min_events: int = 5
    min_products: int = 3
    min_values: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one visitor did, as counted by `batch_visitors`."""

    active_seconds: int
    sessions: int
    events: int
    products: int
    values: int


COUNTS: Final = (
    ("products", "min_products", "distinct products"),
    ("values", "min_values", "distinct values"),
    ("events", "min_events", "events"),
)
"""Of Evidence what, by which of ReadinessRules, and in which words."""


def visitor_readiness(evidence: Evidence, rules: ReadinessRules) -> tuple[bool, str]:
    """Whether one visitor is ready, and the reason in the words of `batch_readiness`."""
    missing = [
        f"{getattr(evidence, column)} of {getattr(rules, rule)} {words}"
        for column, rule, words in COUNTS
        if getattr(evidence, column) < getattr(rules, rule)
    ]
    seconds, sessions = evidence.active_seconds, evidence.sessions
    if seconds < rules.min_seconds and sessions < rules.min_sessions:
        missing.append(f"{seconds} of {rules.min_seconds} s and {sessions} of {rules.min_sessions} sessions")
    if missing:
        return False, ", ".join(missing)
    found = [f"{getattr(evidence, column)} {words}" for column, _, words in COUNTS]
    return True, ", ".join([*found, f"{seconds} s", f"{sessions} sessions"])
