"""The clock. Nothing else in algosync reads it: what needs the time is handed a value, or this function."""

from __future__ import annotations

from datetime import UTC, datetime


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)
