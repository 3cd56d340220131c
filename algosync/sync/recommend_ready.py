"""Whether the shop's own events are as many as Algolia Recommend needs to train a model.

Counts the log; what Algolia holds is what was sent to Insights, which may be less. The least numbers are those of
Algolia's documentation (algolia.com/doc/guides/sending-events/concepts/event-types, read 2026-11): of 30 days, and
where these do not suffice, of 90. Looking Similar learns from pictures and has no least number of events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import duckdb

from algosync.events.duck import engine, literal, run
from algosync.events.log import EventLog
from algosync.events.segments import scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a model needs.

    Attributes:
        model: Its name at Algolia.
        least: How many.
        of: Of what, in words.
        column: The column that counts them.
    """

    model: str
    least: int
    of: str
    column: str


NEEDS: Final = (
    Need(
        model="bought-together",
        least=1_000,
        of="days on which one visitor converted with two or more products",
        column="baskets",
    ),
    Need(model="related-products", least=10_000, of="clicks and conversions", column="interactions"),
    Need(model="trending-items", least=500, of="conversions", column="conversions"),
)
"""Recommend takes products for bought together that one user bought on one day, in whatever number of events."""

DAYS: Final = (30, 90)

# One event of several products is several rows of the log, which share all that is not the product's own.
_COUNTS: Final = """
WITH told AS (
    SELECT token, "object", kind, ts, ts > {as_of}::TIMESTAMPTZ - INTERVAL 30 DAY AS lately,
        kind IN ('add_to_cart', 'purchase', 'conversion') AS converts
    FROM events
    WHERE "object" IS NOT NULL AND NOT starts_with(coalesce(excluded, ''), 'ignored') AND kind <> 'view'
        AND ts <= {as_of}::TIMESTAMPTZ AND ts > {as_of}::TIMESTAMPTZ - INTERVAL 90 DAY
), single AS (SELECT DISTINCT token, ts, kind, converts, lately FROM told
), baskets AS (
    SELECT min(lately) AS lately FROM told WHERE converts
    GROUP BY token, epoch_us(ts) // 86400000000 HAVING count(DISTINCT "object") > 1
)
SELECT
    (SELECT count(*) FROM single), (SELECT count(*) FROM single WHERE lately),
    (SELECT count(*) FROM single WHERE converts), (SELECT count(*) FROM single WHERE converts AND lately),
    (SELECT count(*) FROM baskets), (SELECT count(*) FROM baskets WHERE lately)
"""
_ORDER: Final = ("interactions", "conversions", "baskets")


def counts(con: duckdb.DuckDBPyConnection, as_of: datetime) -> dict[str, dict[int, int]]:
    """How many there are of what, by days.

    Args:
        con: With the view `events` of the log.
        as_of: The end of the spans.

    Raises:
        StoreError: The log cannot be read.
    """
    (row,) = run(con, _COUNTS.format(as_of=literal(as_of.astimezone(UTC).isoformat())))
    return {name: {90: row[2 * place], 30: row[2 * place + 1]} for place, name in enumerate(_ORDER)}


def readiness(log: EventLog, as_of: datetime, memory_limit: str) -> dict[str, Any]:
    """Which models could be trained from what a log holds.

    Args:
        log: The log.
        as_of: The end of the spans.
        memory_limit: Of the engine that counts.

    Raises:
        StoreError: The log cannot be read.
    """
    with engine(memory_limit) as con:
        run(con, f"CREATE VIEW events AS SELECT * FROM {scan('events', log.paths()['events'])}")  # noqa: S608
        return document(counts(con, as_of), as_of)


def document(found: Mapping[str, Mapping[int, int]], as_of: datetime) -> dict[str, Any]:
    """Which models can be trained, and what the others lack."""
    return {
        "as_of": as_of.isoformat(),
        "models": [
            {
                "model": need.model,
                "needs": need.least,
                "of": need.of,
                **{f"days_{days}": found[need.column][days] for days in DAYS},
                "ready": max(found[need.column].values()) >= need.least,
                "missing": max(0, need.least - max(found[need.column].values())),
            }
            for need in NEEDS
        ],
    }
