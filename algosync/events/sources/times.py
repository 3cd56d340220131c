"""Moments written as text: going back by a lookback, in the notation they came in."""

from __future__ import annotations

from datetime import datetime, timedelta


def earlier(text: str, lookback: timedelta) -> str:
    """Return a moment before another, written like it.

    Raises:
        ValueError: The text is no moment of ISO 8601.
    """
    moment = datetime.fromisoformat(text) - lookback
    made = moment.isoformat(sep="T" if "T" in text else " ", timespec="microseconds" if "." in text else "auto")
    return made.replace("+00:00", "Z") if text.endswith("Z") else made
