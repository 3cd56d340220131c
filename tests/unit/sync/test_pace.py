"""A push slows down at once and speeds up step by step, always between its bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from algosync.sync.pace import Pace


def bounded(pace):
    return 1 <= pace.records <= pace.full_records and 1 <= pace.tasks <= pace.full_tasks and 0 <= pace.pause_s <= 30


@given(records=st.integers(1, 5000), tasks=st.integers(1, 100), slow=st.lists(st.booleans(), max_size=60))
def test_it_stays_within_bounds_and_every_step_goes_its_way(records, tasks, slow):
    pace = Pace.full(records, tasks)
    for down in slow:
        after = pace.slower() if down else pace.faster()
        assert bounded(after)
        assert after.pause_s >= pace.pause_s if down else after.pause_s <= pace.pause_s
        assert after.records <= pace.records if down else after.records >= pace.records
        pace = after


@given(records=st.integers(1, 5000), tasks=st.integers(1, 100), falls=st.integers(0, 30))
def test_full_speed_comes_back_after_as_many_good_requests_at_most(records, tasks, falls):
    pace = Pace.full(records, tasks)
    for _ in range(falls):
        pace = pace.slower()
    if falls:
        assert pace.pause_s > 0
    for _ in range(12):
        pace = pace.faster()
    assert pace == Pace.full(records, tasks)
