"""Quiet times, in the shop's own time zone, over midnight and over the change of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.sync.quiet import quiet_at

SPANS = ("22:00/06:00", "2026-11-27/2026-11-30")


@pytest.mark.parametrize(
    ("moment", "found"),
    [
        ("2026-11-23T12:00", None),
        ("2026-11-23T20:59", None),
        ("2026-11-23T21:00", "22:00/06:00"),  # 22:00 in Berlin
        ("2026-11-23T23:30", "22:00/06:00"),
        ("2026-11-24T04:59", "22:00/06:00"),
        ("2026-11-24T05:00", None),
        ("2026-07-01T20:00", "22:00/06:00"),  # summer
        ("2026-07-01T04:00", None),
        ("2026-11-26T22:59", "22:00/06:00"),
        ("2026-11-27T12:00", "2026-11-27/2026-11-30"),
        ("2026-11-30T20:30", "2026-11-27/2026-11-30"),
        ("2026-12-01T12:00", None),
    ],
)
def test_times_and_days_are_the_shops_own(moment, found):
    assert quiet_at(SPANS, "Europe/Berlin", datetime.fromisoformat(moment).replace(tzinfo=UTC)) == found


def test_one_day_and_no_span():
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert quiet_at(("2026-11-27",), "UTC", noon) == "2026-11-27"
    assert quiet_at((), "UTC", noon) is None


@pytest.mark.parametrize("span", ["Friday", "2026-11-30/2026-11-27", "22:00", "22:00/", "25:00/06:00", "22:00Z/06:00Z"])
def test_what_is_no_span_is_an_error(span):
    with pytest.raises(ValueError):  # noqa: PT011  # of several parsers
        quiet_at((span,), "UTC", datetime(2026, 11, 27, 12, tzinfo=UTC))


@given(first=st.times(), last=st.times(), moment=st.datetimes(timezones=st.just(UTC)))
def test_a_time_of_day_and_its_rest_make_the_whole_day(first, last, moment):
    first, last = (time(t.hour, t.minute) for t in (first, last))
    inside = quiet_at((f"{first:%H:%M}/{last:%H:%M}",), "UTC", moment)
    outside = quiet_at((f"{last:%H:%M}/{first:%H:%M}",), "UTC", moment)
    if first != last:
        assert (inside is None) != (outside is None)


@given(days=st.integers(1, 1000), minutes=st.integers(0, 1439))
def test_days_are_whole(days, minutes):
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days, minutes=minutes)
    day = f"{moment.date()}"
    assert quiet_at((day,), "UTC", moment) == day
    assert quiet_at((day,), "UTC", moment - timedelta(days=1)) is None
