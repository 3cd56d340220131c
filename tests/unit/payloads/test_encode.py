"""Canonical JSON, hashes and opaque ids."""

from __future__ import annotations

import base64
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import AlgosyncError, ConfigError
from algosync.payloads.encode import OpaqueIds, Target, canonical, content_hash, size_problem

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_canonical_json_comes_back_and_ignores_order(value) -> None:
    body = canonical(value)
    assert json.loads(body) == value
    if isinstance(value, dict):
        assert canonical(dict(reversed(value.items()))) == body


@pytest.mark.parametrize("value", [1.0, {"a": [1, {"b": 0.5}]}, {1: "a"}, b"x", {"s": {1}}, float("nan")])
def test_floats_and_strangers_are_errors(value) -> None:
    with pytest.raises(AlgosyncError, match="integers, strings and booleans only"):
        canonical(value)


@pytest.mark.parametrize("value", [2**70, "\ud800"])
def test_what_json_cannot_hold_is_our_error(value) -> None:
    with pytest.raises(AlgosyncError, match="not expressible"):
        canonical(value)


def test_hashes_are_twelve_digits_and_tell_bodies_apart() -> None:
    assert content_hash(b"{}") == content_hash(b"{}") != content_hash(b"[]")
    assert len(content_hash(b"{}")) == 12


def test_the_limit_counts_bytes_and_is_reached_not_passed() -> None:
    assert size_problem(b"x" * 10, Target(index="p", max_record_bytes=10)) is None
    assert "11 bytes" in str(size_problem(b"x" * 11, Target(index="p", max_record_bytes=10)))


def test_ids_are_keyed_stable_and_say_nothing() -> None:
    key = b"0123456789abcdef"
    ids = OpaqueIds(key=key)
    expected = base64.urlsafe_b64encode(hmac.new(key, b"user-1", "sha256").digest()).decode().rstrip("=")
    assert ids.token("user-1") == expected
    assert len(expected) == 43
    assert ids.segment("vip") != OpaqueIds(key=key[::-1]).segment("vip")
    assert len(ids.segment("vip")) == 12
    assert key.decode() not in repr(ids) + str(ids)


def test_a_short_key_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError) as caught:
        OpaqueIds(key=b"hunter2")
    assert "hunter2" not in str(caught.value)
