"""Which events count for related and popular items, how much, and whose they are.

Ibis expressions over the log's columns; nothing is executed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import ibis
import ibis.expr.types as ir

EVENT_WEIGHTS: Mapping[str, float] = {"view": 1, "click": 3, "add_to_cart": 10, "purchase": 30}


def countable(events: ir.Table, as_of: datetime) -> ir.Table:
    """Return the events that count in aggregates: of known products, not ignored, not later than the run."""
    ignored = events.excluded.fill_null("").startswith("ignored")
    return events.filter(events.group.notnull(), ~ignored, events.ts <= moment(as_of))


def decayed(events: ir.Table, weights: Mapping[str, float], as_of: datetime, half_life: float | None) -> ir.Value:
    """Return each event's weight by kind, halved every half-life; kinds without a weight count nothing."""
    kinds = [(events.kind == kind, ibis.literal(float(weight))) for kind, weight in sorted(weights.items())]
    weight = ibis.cases(*kinds, else_=0.0) if kinds else ibis.literal(0.0)
    if half_life is None:
        return weight
    return weight * halved(events, as_of, half_life)


def moment(at: datetime) -> ir.Value:
    """Return an aware moment as a literal that every engine reads the same way."""
    return ibis.literal(at.astimezone(UTC))


def halved(events: ir.Table, as_of: datetime, half_life: float) -> ir.Value:
    """Return 2^(-age / half-life) of each event, the half-life in days."""
    # A difference of two moments; epoch seconds of a column depend on the session's time zone in DuckDB.
    age_days = moment(as_of).delta(events.ts, unit="second").cast("float64") / 86400.0
    return ibis.literal(2.0) ** (-age_days / half_life)


def person(events: ir.Table) -> ir.Value:
    """Return the column that says whose an event is."""
    return events.person if "person" in events.columns else events.token
