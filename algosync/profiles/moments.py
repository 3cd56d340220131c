"""Time as integers: seconds, UTC days and months since 1970; of columns, see `batch_moments`.

Integers keep day and month borders independent of any engine's session time zone. Owns the length of the silence
that ends a session. Reads no clock.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from algosync.errors import ConfigError

SESSION_GAP_S: Final = 30 * 60
"""Seconds of silence that end a session."""

DAY_S: Final = 86_400


def epoch_seconds(moment: datetime) -> int:
    """Whole seconds since 1970 of an aware datetime.

    Raises:
        ConfigError: `moment` has no time zone.
    """
    if moment.tzinfo is None:
        raise ConfigError("a moment without a time zone", where=str(moment), hint="Pass an aware UTC datetime")
    return int(moment.timestamp() // 1)


def epoch_day(moment: datetime) -> int:
    """Days since 1970 of the UTC day that holds `moment`."""
    return epoch_seconds(moment) // DAY_S


def epoch_month(moment: datetime) -> int:
    """Months since January 1970 of the UTC month that holds `moment`."""
    utc = datetime.fromtimestamp(epoch_seconds(moment), UTC)
    return (utc.year - 1970) * 12 + utc.month - 1


def month_start(month: int) -> int:
    """Seconds since 1970 at which an epoch month starts."""
    return int(datetime(1970 + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp())
