"""What may stand in [schedule] and [worker]."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from algosync.settings.service import ScheduleSettings, WorkerSettings, every


@pytest.mark.parametrize(
    "times",
    [
        "every 10 seconds",
        "every 5 minutes",
        "every 1 hour",
        "every 30 days",
        "30 3 * * *",
        "*/5 0-6 1,15 jan-mar mon",
        "off",
    ],
)
def test_times_that_mean_something(times):
    assert ScheduleSettings(pull=times).of("pull") == times


@pytest.mark.parametrize(
    "times", ["", "5 minutes", "every 0 minutes", "every five minutes", "every 0 seconds", "* * * *", "@daily", "Off"]
)
def test_others_are_refused_with_what_would_do(times):
    with pytest.raises(ValidationError, match="must be 'every 5 minutes'"):
        ScheduleSettings(pull=times)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", ""])
def test_a_zone_that_there_is_not(zone):
    with pytest.raises(ValidationError, match="must be a time zone such as Europe/Berlin"):
        ScheduleSettings(timezone=zone)


def test_an_interval_is_a_number_and_a_unit():
    assert every("every 5 minutes") == (5, "minute")
    assert every("every 10 seconds") == (10, "second")
    assert every("every 1 day") == (1, "day")
    assert every("30 3 * * *") is None


@pytest.mark.parametrize("wrong", [{"grace_seconds": 0}, {"port": 70000}, {"retry_seconds": 0}, {"host": ""}])
def test_a_worker_needs_time_and_a_place(wrong):
    with pytest.raises(ValidationError):
        WorkerSettings(**wrong)
