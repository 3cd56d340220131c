"""In what conditions on events are judged by: counts and amounts; `batch_facts` counts them for everybody."""

from __future__ import annotations

from typing import Final, NamedTuple

MICRO: Final = 1_000_000
"""Amounts are whole millionths of the base currency: sums of integers agree to the last digit in any order."""
MICRO_MAX: Final = 10**15
"""What one row counts at most, a billion whole: of what somebody may send, no sum leaves 64 bits."""


class Fact(NamedTuple):
    """One row of `batch_facts.facts`: FACT_COLUMNS in order; amounts in millionths."""

    leaf: int
    day: int | None
    events: int
    paid: int
    saved: int


FACT_COLUMNS: Final = ("leaf", "day", "count", "sum_price", "sum_discount")
