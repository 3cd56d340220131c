from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import TooManyRequestsError
from algosync.serve.limits import Buckets, Limits, Rate


def test_a_bucket_holds_its_burst_and_fills_again() -> None:
    buckets = Buckets(Rate(per_second=2, burst=3))
    assert [buckets.take("a", 0.0) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", 0.0) == 0.5
    assert buckets.take("a", 0.25) == 0.25
    assert buckets.take("a", 0.5) == 0
    assert buckets.take("b", 0.5) == 0


def test_a_clock_set_back_neither_fills_nor_blocks() -> None:
    buckets = Buckets(Rate(per_second=1, burst=1))
    assert buckets.take("a", 100.0) == 0
    assert buckets.take("a", 50.0) == 1
    assert buckets.take("a", 51.0) == 0


def test_memory_is_bounded_and_the_one_unused_longest_goes() -> None:
    buckets = Buckets(Rate(per_second=0.001, burst=1), kept=3)
    for name in "abc":
        assert buckets.take(name, 0.0) == 0
    assert buckets.take("a", 1.0) > 0
    assert buckets.take("d", 2.0) == 0
    assert len(buckets) == 3
    assert buckets.take("a", 3.0) > 0
    assert buckets.take("b", 3.0) == 0


def test_no_rate_is_no_limit() -> None:
    buckets = Buckets(None)
    assert {buckets.take("a", 0.0) for _ in range(1000)} == {0}
    assert len(buckets) == 0


@given(
    st.lists(st.floats(0, 5, allow_nan=False), min_size=1, max_size=60),
    st.floats(0.1, 20, allow_nan=False),
    st.integers(1, 10),
)
def test_never_more_than_burst_and_rate_allow(gaps: list[float], per_second: float, burst: int) -> None:
    buckets, now, taken = Buckets(Rate(per_second=per_second, burst=burst)), 0.0, 0
    for gap in gaps:
        now += gap
        wait = buckets.take("a", now)
        taken += not wait
        assert taken <= burst + per_second * now + 1e-6
        if wait:
            assert 0 < wait <= 1 / per_second + 1e-9


def test_whoever_waits_as_told_is_let_in() -> None:
    buckets = Buckets(Rate(per_second=0.3, burst=1))
    assert buckets.take("a", 0.0) == 0
    wait = buckets.take("a", 1.0)
    assert buckets.take("a", 1.0 + wait + 1e-9) == 0


def _limits(**over: object) -> Limits:
    rate = Rate(per_second=1, burst=1)
    return Limits(**{"address": rate, "caller": rate, **over})  # type: ignore[arg-type]


def test_addresses_and_callers_are_counted_apart() -> None:
    limits = _limits()
    limits.by_address("192.0.2.1", 0.0)
    limits.by_caller("192.0.2.1", 0.0)
    with pytest.raises(TooManyRequestsError) as caught:
        limits.by_address("192.0.2.1", 0.5)
    assert caught.value.status == 429
    assert caught.value.retry_after_s == 0.5
    assert "192.0.2.1" not in str(caught.value)


def test_an_ipv6_network_is_one_address_and_a_mapped_one_is_its_ipv4() -> None:
    limits = _limits()
    limits.by_address("2001:db8:1:2::1", 0.0)
    with pytest.raises(TooManyRequestsError):
        limits.by_address("2001:db8:1:2:ffff::9", 0.0)
    limits.by_address("2001:db8:1:3::1", 0.0)
    limits.by_address("192.0.2.7", 0.0)
    with pytest.raises(TooManyRequestsError):
        limits.by_address("::ffff:192.0.2.7", 0.0)
    limits.by_address("not:an:address", 0.0)


def test_backends_are_not_counted() -> None:
    limits = _limits(exempt=[ip_network("10.0.0.0/8")])
    for _ in range(10):
        limits.by_address("10.1.2.3", 0.0)
    limits.by_address("unknown", 0.0)
    with pytest.raises(TooManyRequestsError):
        limits.by_address("unknown", 0.0)
