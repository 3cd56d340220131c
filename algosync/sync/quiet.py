"""Quiet times: days, spans of days and times of day in which nothing is pushed.

Pure: a text and a moment become a yes or no. Must not read the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo


def quiet_at(spans: Iterable[str], zone: str, moment: datetime) -> str | None:
    """The first of the quiet times that a moment lies in, as it was written.

    Args:
        spans: Each a day `2026-11-27`, days `2026-11-27/2026-11-30`, both included, or times of day `22:00/06:00`,
            the last of which is outside; they may pass midnight.
        zone: The time zone that they are told in, such as "Europe/Berlin".
        moment: With a time zone of its own.

    Raises:
        ValueError: A span is none of these; or there is no such time zone.
    """
    here = moment.astimezone(ZoneInfo(zone))
    return next((span for span in spans if _is_in(span, here)), None)


def _is_in(span: str, here: datetime) -> bool:
    first, _, last = span.partition("/")
    if ":" in first:
        start, end, now = time.fromisoformat(first), time.fromisoformat(last), here.time()
        if start.tzinfo or end.tzinfo:
            raise ValueError("a time of day has no time zone of its own")
        return start <= now < end if start < end else now >= start or now < end
    start_day, end_day = date.fromisoformat(first), date.fromisoformat(last or first)
    if start_day > end_day:
        raise ValueError("a span ends after it begins")
    return start_day <= here.date() <= end_day
