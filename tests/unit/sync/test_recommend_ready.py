"""What counts for Recommend's least numbers of events, and what does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from algosync.sync.recommend_ready import NEEDS, counts, document

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NEW, OLD, GONE = NOW - timedelta(days=1), NOW - timedelta(days=40), NOW - timedelta(days=91)
ROWS = [
    # visitor, product, kind, when, excluded
    (1, 1, "purchase", NEW, None),  # one order of two products: one conversion, one basket
    (1, 2, "purchase", NEW, None),
    (1, 3, "purchase", NEW + timedelta(hours=1), None),  # the same day's second order
    (2, 1, "add_to_cart", NEW, None),  # two products on two days are no basket
    (2, 2, "conversion", NEW - timedelta(days=1), None),
    (3, 1, "click", NEW, "no_consent:denied"),
    (3, 1, "view", NEW, None),
    (4, 1, "purchase", NEW, "ignored:user_token"),
    (4, 2, "purchase", NEW, "ignored:user_token"),
    (5, None, "conversion", NEW, None),  # of no product
    (6, 1, "purchase", OLD, None),
    (6, 2, "purchase", OLD, None),
    (7, 1, "purchase", GONE, None),
    (7, 1, "purchase", NOW + timedelta(seconds=1), None),
    (8, 1, "purchase", NEW, None),  # twice the same product
    (8, 1, "purchase", NEW + timedelta(hours=1), None),
]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
def test_only_what_recommend_would_count(zone):
    with duckdb.connect() as con:
        con.execute(f"SET TimeZone = '{zone}'")
        con.execute('CREATE TABLE events (token INT, "object" INT, kind TEXT, ts TIMESTAMPTZ, excluded TEXT)')
        con.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", ROWS)
        assert counts(con, NOW) == {
            "interactions": {30: 7, 90: 8},
            "conversions": {30: 6, 90: 7},
            "baskets": {30: 1, 90: 2},
        }


def test_an_empty_log_is_ready_for_nothing():
    with duckdb.connect() as con:
        con.execute('CREATE TABLE events (token INT, "object" INT, kind TEXT, ts TIMESTAMPTZ, excluded TEXT)')
        told = document(counts(con, NOW), NOW)
    assert [(one["ready"], one["missing"]) for one in told["models"]] == [(False, need.least) for need in NEEDS]


def test_ninety_days_will_do_where_thirty_do_not():
    found = {name: {30: 499, 90: 500} for name in ("interactions", "conversions", "baskets")}
    told = {one["model"]: one for one in document(found, NOW)["models"]}
    assert (told["trending-items"]["ready"], told["trending-items"]["missing"]) == (True, 0)
    assert (told["bought-together"]["ready"], told["bought-together"]["missing"]) == (False, 500)
    assert told["related-products"]["days_30"] == 499
