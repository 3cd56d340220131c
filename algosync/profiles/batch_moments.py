"""Time as integers, column by column: what `moments` says of one moment, as expressions."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from algosync.profiles.moments import DAY_S


def seconds_of(moments: ir.Value) -> ir.IntegerColumn:
    """Whole seconds since 1970 of a timestamp column, rounded down on every engine."""
    return moments.epoch_seconds().floor().cast("int64")


def month_starts(months: ir.Value) -> ir.IntegerColumn:
    """Seconds since 1970 at which each epoch month of a column starts."""
    first = ibis.date(1970 + months // 12, months % 12 + 1, ibis.literal(1))
    return first.cast("timestamp").epoch_seconds().cast("int64")


def months_of(seconds: ir.Value) -> ir.IntegerColumn:
    """Epoch month of each second of a column, from 1970 on (Hinnant: chrono-compatible low-level date algorithms)."""
    # Days since 1 March 0000, in eras of 400 years, since a leap day is then the last of its year.
    days = whole_division(seconds, DAY_S) + 719_468
    of_era = days % 146_097
    leaps = whole_division(of_era, 1_460) - whole_division(of_era, 36_524) + whole_division(of_era, 146_096)
    year = whole_division(of_era - leaps, 365)
    of_year = of_era - (365 * year + whole_division(year, 4) - whole_division(year, 100))
    march = whole_division(5 * of_year + 2, 153)
    return ((year + 400 * whole_division(days, 146_097) - 1970) * 12 + march + 2).cast("int32")


def whole_division(dividend: ir.Value, divisor: int) -> ir.IntegerColumn:
    """Integer division rounded down."""
    return (dividend // divisor).cast("int64")
