"""Bands, tiers and sales out of prices."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.catalog.derive import band_labels, derive
from algosync.catalog.flat import Flat
from algosync.catalog.rules import DiscountBand, OnSale, PriceBand, PriceTier
from algosync.errors import ConfigError

NONE = Flat.of(np.empty(0, np.int64), [], [], 0)
EDGES = st.lists(st.integers(1, 5000), min_size=1, max_size=8, unique=True).map(lambda e: tuple(map(float, sorted(e))))


def _by_row(rule, price, list_price=None, plain=NONE) -> dict[int, str]:
    price = np.array(price, dtype=float)
    before = np.full(len(price), np.nan) if list_price is None else np.array(list_price, dtype=float)
    rows, values = derive(rule, price, before, plain)
    return dict(zip(rows.tolist(), values, strict=True))


def test_the_bands_of_the_settings():
    rule = PriceBand(edges=(10, 25, 50, 100, 500, 1000))
    prices = [0, 9.99, 10, 24.99, 25, 999.99, 1000, np.nan]
    assert _by_row(rule, prices) == dict(enumerate(["0-10", "0-10", "10-25", "10-25", "25-50", "500-1000", "1000+"]))


def test_labels_are_plain_numbers():
    assert band_labels((0.5, 1000000.0)) == ["0-0.5", "0.5-1000000", "1000000+"]


@given(EDGES, st.lists(st.floats(0, 10000), min_size=1, max_size=30))
def test_price_bands_partition_the_line(edges, prices):
    got = _by_row(PriceBand(edges=edges), prices)
    assert sorted(got) == list(range(len(prices)))
    for row, label in got.items():
        low, high = re.fullmatch(r"(\d+)(?:-(\d+)|\+)", label).groups()
        assert int(low) <= prices[row] < (int(high) if high else np.inf)


def test_discounts_in_percent():
    rule = DiscountBand(edges=(10, 25, 50))
    now, before = [9.5, 7.5, 5, 10, 12, 5, np.nan, 1], [10, 10, 10, 10, 10, np.nan, 10, 0]
    assert _by_row(rule, now, before) == {0: "0-10", 1: "25-50", 2: "50+"}


def test_a_sale_is_a_price_below_the_list_price():
    assert _by_row(OnSale(), [5, 10, 5, np.nan], [10, 10, np.nan, 10]) == {0: "true", 1: "false", 2: "false"}


def test_tiers_are_relative_to_the_narrowest_large_enough_category():
    category = {0: ["All"], 1: ["All"], 2: ["All"], **{i: ["All", "Books"] for i in range(3, 6)}, 6: ["All", "Rare"]}
    entries = [(row, value) for row, values in category.items() for value in values]
    plain = Flat.of(np.array([row for row, _ in entries]), ["categories"] * len(entries), [v for _, v in entries], 8)
    rule = PriceTier(within="categories", least=3)
    got = _by_row(rule, [500, 600, 700, 5, 10, 15, 1, 3], plain=plain)
    assert got == {0: "mid", 1: "high", 2: "high", 3: "low", 4: "mid", 5: "high", 6: "low"}


def test_equal_prices_share_a_tier_and_few_products_have_none():
    assert _by_row(PriceTier(least=3), [5, 5, 5, 9]) == {0: "low", 1: "low", 2: "low", 3: "high"}
    assert _by_row(PriceTier(least=5), [5, 5, 5, 9]) == {}
    assert _by_row(PriceTier(within="absent"), [5] * 9) == {}


@pytest.mark.parametrize("edges", [(), (25, 10), (10, 10), (0, 10), (-1, 2), (float("nan"),), (10, float("inf"))])
def test_edges_that_make_no_bands_are_refused(edges):
    with pytest.raises(ConfigError):
        PriceBand(edges=edges)
    with pytest.raises(ConfigError):
        DiscountBand(edges=edges)


@pytest.mark.parametrize(("cuts", "labels"), [((0.5,), ("a",)), ((0.5, 1.0), ("a", "b", "c")), ((), ("a",))])
def test_tiers_that_make_no_sense_are_refused(cuts, labels):
    with pytest.raises(ConfigError):
        PriceTier(cuts=cuts, labels=labels)
