"""`[push]`: what may be written there, and what is refused in words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from algosync.settings.pushing import PushSettings


def test_nothing_is_pushed_unless_it_is_switched_on_and_the_brake_is_always_on():
    settings = PushSettings()

    assert not any((settings.related, settings.segments, settings.profiles, settings.rules))
    assert settings.brake.model_dump() == {"change_share": 0.3, "delete_share": 0.1, "at_least": 100}
    assert (settings.adds_per_run, settings.operations_per_hour, settings.operations_per_day) == (100_000, None, None)


def test_quiet_times_are_days_spans_and_times_of_day():
    spans = ("22:00/06:00", "2026-11-27", "2026-11-27/2026-11-30")
    assert PushSettings(quiet=spans, timezone="Europe/Berlin").quiet == spans


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"quiet": ["Friday"]}, "'Friday' must be a day or a span"),
        ({"quiet": ["2026-11-30/2026-11-27"]}, "must be a day or a span"),
        ({"quiet": ["22:00"]}, "or times such as 22:00/06:00"),
        ({"timezone": "Berlin"}, "there is no time zone 'Berlin'"),
        ({"timezone": "../etc/passwd"}, "there is no time zone"),
        ({"brake": {"change_share": 1.5}}, "less than or equal to 1"),
        ({"operations_per_day": 0}, "greater than or equal to 1"),
        ({"brakes": {}}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(given, says):
    with pytest.raises(ValidationError, match=says):
        PushSettings(**given)
