"""Profiles are pushed only where visitors provably cannot list them."""

from __future__ import annotations

import pytest

from algosync.errors import PushRefusedError

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("mock-storefront-wide", "can search 'algosync_payloads'"),
        (None, "the storefront's key is not set"),
        ("mistyped", "refused on 'products' too"),
    ],
)
def test_nothing_is_pushed_while_strangers_could_read_profiles(small, key, said):
    small.lighten()
    small.configure(algolia={"storefront_api_key": key})
    there, writes = small.content(), small.writes()

    with pytest.raises(PushRefusedError, match="profiles are not pushed") as refusal:
        small.sync()

    assert said in str(refusal.value)
    assert small.content() == there
    assert small.writes() == writes
    assert small.runtime().status()["runs"][0]["outcome"] == str(refusal.value)


def test_a_key_that_is_restricted_to_the_products_lets_profiles_pass(small):
    small.lighten()
    report = small.sync()
    assert report["pushed"]["families"] == {"profiles": 5}
    with small.client("mock-storefront") as visitor, pytest.raises(Exception, match="not allowed"):
        visitor.search("algosync_payloads", {"query": ""})
    names = set(small.records("algosync_payloads"))
    assert not any(token in name for name in names for token in ("reader", "caller"))
