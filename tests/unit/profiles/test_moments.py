from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.errors import ConfigError
from algosync.profiles.batch_moments import month_starts, months_of, seconds_of
from algosync.profiles.moments import epoch_day, epoch_month, epoch_seconds, month_start

moments = st.integers(0, 7 * 10**15).map(lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))
month_edges = st.builds(
    lambda month, us: datetime.fromtimestamp(month_start(month), UTC) + timedelta(microseconds=us),
    st.integers(1, 2600),
    st.sampled_from([-1, 0]),
)


def test_moments_need_a_time_zone():
    with pytest.raises(ConfigError, match="without a time zone"):
        epoch_seconds(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))


def test_days_and_months_are_those_of_utc():
    late = datetime(2026, 2, 28, 23, 30, tzinfo=timezone(timedelta(hours=-1)))
    assert epoch_day(late) == epoch_day(datetime(2026, 3, 1, tzinfo=UTC))
    assert epoch_month(late) == (2026 - 1970) * 12 + 2


@given(moments)
def test_a_month_holds_its_moments(moment):
    month = epoch_month(moment)
    assert month_start(month) <= epoch_seconds(moment) < month_start(month + 1)


@settings(max_examples=3)
@given(st.lists(moments | month_edges, min_size=1, max_size=40))
def test_columns_agree_with_python(moments):
    table = ibis.memtable(
        pa.table(
            {
                "ts": pa.array(moments, pa.timestamp("us", tz="UTC")),
                "month": pa.array([epoch_month(moment) for moment in moments], pa.int32()),
            }
        )
    )
    table = table.mutate(s=seconds_of(table.ts), m=month_starts(table.month))
    found = table.mutate(n=months_of(table.s)).to_pyarrow().to_pydict()
    assert found["n"] == [epoch_month(moment) for moment in moments]
    assert found["s"] == [epoch_seconds(moment) for moment in moments]
    assert found["m"] == [month_start(epoch_month(moment)) for moment in moments]
