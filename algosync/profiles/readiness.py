"""Whether a visitor's evidence carries one-to-one personalization: duration, volume and depth in balance.

Owns the thresholds and the words for them. The same rules for a whole table and for one visitor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir


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
    """What one visitor did, as counted by `visitors`."""

    active_seconds: int
    sessions: int
    events: int
    products: int
    values: int


_COUNTS: Final = (
    ("products", "min_products", "distinct products"),
    ("values", "min_values", "distinct values"),
    ("events", "min_events", "events"),
)


def readiness(visitors: ir.Table, rules: ReadinessRules) -> ir.Table:
    """(person, ready, reason); the reason names each threshold that is not met, or all that was counted."""
    table = visitors.mutate(values=visitors["values"].fill_null(0))
    missing = ibis.literal("")
    for column, rule, words in _COUNTS:
        least = getattr(rules, rule)
        text = ibis.literal(", ") + _text(table[column]) + f" of {least} {words}"
        missing = missing + ibis.ifelse(table[column] < least, text, "")
    short = (table.active_seconds < rules.min_seconds) & (table.sessions < rules.min_sessions)
    duration = ibis.literal(", ") + _text(table.active_seconds) + f" of {rules.min_seconds} s and "
    duration = duration + _text(table.sessions) + f" of {rules.min_sessions} sessions"
    table = table.mutate(missing_=missing + ibis.ifelse(short, duration, ""))
    enough = [_text(table[column]) + f" {words}, " for column, _, words in _COUNTS]
    found = enough[0] + enough[1] + enough[2] + _text(table.active_seconds) + " s, " + _text(table.sessions)
    ready = table.missing_ == ""
    reason = ibis.ifelse(ready, found + " sessions", table.missing_.substr(2))
    return table.select("person", ready=ready, reason=reason)


def visitor_readiness(evidence: Evidence, rules: ReadinessRules) -> tuple[bool, str]:
    """Whether one visitor is ready, and the reason in the words of `readiness`."""
    missing = [
        f"{getattr(evidence, column)} of {getattr(rules, rule)} {words}"
        for column, rule, words in _COUNTS
        if getattr(evidence, column) < getattr(rules, rule)
    ]
    seconds, sessions = evidence.active_seconds, evidence.sessions
    if seconds < rules.min_seconds and sessions < rules.min_sessions:
        missing.append(f"{seconds} of {rules.min_seconds} s and {sessions} of {rules.min_sessions} sessions")
    if missing:
        return False, ", ".join(missing)
    found = [f"{getattr(evidence, column)} {words}" for column, _, words in _COUNTS]
    return True, ", ".join([*found, f"{seconds} s", f"{sessions} sessions"])


def _text(column: ir.Value) -> ir.Value:
    return column.cast("string")
