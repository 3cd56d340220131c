"""Retention by age: what is older than the shop keeps it goes, and nothing of what it says of today.

An old event leaves a trace where something hangs on it still: of every visit by login the first and the last moment,
the first purchase, the last word on consent, and what tells visits apart, without what they were about. So first seen,
ever purchased, who is who and who refused are what they were, for a run as for an answer, and a buyer does not become
new. Of somebody who never logged in, bought or refused, and has not come since, nothing stays. What events counted for
affinities, segments and related items goes with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from sqlalchemy import ColumnElement, Table, and_, delete, func, select

from algosync.events.cut import ABOUT, KEYS, cut
from algosync.events.duck import arrow, run
from algosync.events.log import EventLog
from algosync.operate.erasing import Held
from algosync.profiles.identity import hinges, identify, unignored
from algosync.stores import tables
from algosync.stores.inbox_tables import impressions, inbox
from algosync.stores.inbox_visitor import millis
from algosync.stores.snapshot_tables import memberships
from algosync.stores.state import State

_ORDER: Final = ("ts", "key_hi", "key_lo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """How long what is kept; None for ever.

    Attributes:
        events: Events of the log, and memberships that ended.
        inbox: What storefronts sent, whether a run took it or not.
        impressions: When visitors were shown messages.
        quarantine: Rows that were turned away.
        runs: Records of runs, of verifications and of webhooks that are settled.
    """

    events: timedelta | None = None
    inbox: timedelta | None = None
    impressions: timedelta | None = None
    quarantine: timedelta | None = None
    runs: timedelta | None = None


def retain(
    held: Held, ages: Ages, now: datetime, *, events_per_hour_max: int | None = 1000, dry_run: bool = False
) -> dict[str, Any]:
    """Takes away what is too old.

    Args:
        held: The stores, with every other writer kept out; for reading alone in a dry run.
        ages: How long what is kept.
        now: This moment.
        events_per_hour_max: As profiles are made with: of tokens faster than people no trace stays.
        dry_run: Count, and change nothing.

    Returns:
        Per kind how much is gone, and before which moment; what is kept for ever is not among them.

    Raises:
        StoreError: A store cannot be read or written; what went before has gone.
    """
    made: dict[str, Any] = {}
    if ages.events is not None:
        # Whole days, as windows of segments are.
        before = _midnight(now - ages.events)
        past = and_(memberships.c.left_at.is_not(None), memberships.c.left_at < before.isoformat())
        made["events"] = {"before": before.isoformat(), **_events(held, before, events_per_hour_max, dry_run=dry_run)}
        made["memberships"] = _gone(held.snapshot, memberships, past, before, dry_run=dry_run)
    for name, table, which, before in _by_age(ages, now):
        opened = held.state if table.metadata is tables.metadata else held.inbox
        made[name] = _gone(opened, table, which, before, dry_run=dry_run)
    return made


def _by_age(ages: Ages, now: datetime) -> list[tuple[str, Table, ColumnElement[bool], datetime]]:
    """Rows that go by a moment of their own."""
    found: list[tuple[str, Table, ColumnElement[bool], datetime]] = []
    if ages.inbox is not None:
        before = now - ages.inbox
        found.append(("inbox", inbox, inbox.c.received_ms < millis(before), before))
    if ages.impressions is not None:
        before = now - ages.impressions
        found.append(("impressions", impressions, impressions.c.at_ms < millis(before), before))
    if ages.quarantine is not None:
        before = now - ages.quarantine
        old = tables.quarantine.c.seen_at < before.isoformat()
        found.append(("quarantine", tables.quarantine, old, before))
    if ages.runs is not None:
        before = now - ages.runs
        said = before.isoformat()
        settled = and_(tables.deliveries.c.settled_at.is_not(None), tables.deliveries.c.settled_at < said)
        found += [
            ("runs", tables.runs, tables.runs.c.started_at < said, before),
            ("certificates", tables.certificates, tables.certificates.c.at < said, before),
            ("deliveries", tables.deliveries, settled, before),
        ]
    return found


def _gone(
    opened: State, table: Table, which: ColumnElement[bool], before: datetime, *, dry_run: bool
) -> Mapping[str, Any]:
    if dry_run:
        with opened.read() as connection:
            number = int(connection.scalar(select(func.count()).select_from(table).where(which)) or 0)
    else:
        with opened.write() as connection:
            number = connection.execute(delete(table).where(which)).rowcount
    return {"before": before.isoformat(), "rows": number}


def _events(held: Held, before: datetime, events_per_hour_max: int | None, *, dry_run: bool) -> Mapping[str, Any]:
    """Old events; `traces` are those that stay without what they were about."""
    doomed, stripped = old_events(held, before, events_per_hour_max)
    names = 0
    if dry_run:
        return {"rows": doomed.num_rows, "traces": stripped.num_rows, "names": names}
    if doomed.num_rows or stripped.num_rows:
        gone = cut(held.state, held.backend.con, doomed, stripped=stripped)
        leaving = _unnamed(held)
        names = cut(held.state, held.backend.con, KEYS.empty_table(), leaving).names
        return {"rows": gone.events, "traces": stripped.num_rows, "names": names}
    return {"rows": 0, "traces": 0, "names": names}


def old_events(held: Held, before: datetime, events_per_hour_max: int | None = 1000) -> tuple[pa.Table, pa.Table]:
    """Which events before a moment go, and which of those that stay still say what they were about (KEYS)."""
    con = held.backend.con
    EventLog(held.state).view(con)
    every = held.backend.table("events")
    old = every.filter(every.ts < before)
    people = unignored(old, events_per_hour_max=events_per_hour_max)
    rows = held.backend.create_table("old_events", identify(people), temp=True)
    traces = held.backend.create_table("old_traces", _traces(rows, every.filter(every.ts >= before)), temp=True)
    run(con, "CREATE OR REPLACE TEMP TABLE old_keys AS " + str(ibis.to_sql(old.select("key_hi", "key_lo"), "duckdb")))
    doomed = arrow(con, "SELECT * FROM old_keys ANTI JOIN old_traces USING (key_hi, key_lo)")
    stripped = traces.filter(traces.says_more).select("key_hi", "key_lo").to_pyarrow()
    for table in ("old_events", "old_traces", "old_keys"):
        run(con, f"DROP TABLE {table}")
    return doomed.cast(KEYS), stripped.cast(KEYS)


def _traces(rows: ir.Table, later: ir.Table) -> ir.Table:
    """(key_hi, key_lo, says_more) of what stays."""
    counts = rows.excluded.isnull() & (rows.quantity.fill_null(0) >= 0)
    bought = counts & (rows.kind == "purchase") & (rows.quantity.fill_null(1) > 0)
    found = rows.mutate(
        counts_=counts, named_=counts & rows.auth.notnull(),
        bought_=bought.fill_null(False), spoken_=rows.consent.notnull(),
    )  # fmt: skip
    keeps = [
        *(found[which] & (_place(which) == 0) for which in ("counts_", "named_", "bought_")),
        *(found[which] & (_place(which, latest=True) == 0) for which in ("counts_", "spoken_")),
    ]
    kept = found.mutate(keeps_=reduce(or_, keeps))
    kept = kept.filter(kept.keeps_).select("key_hi", "key_lo").union(hinges(rows), distinct=True)
    weighty = found.group_by("token").agg(
        any_=(found.auth.notnull() | found.bought_ | (found.consent == "not_personalized").fill_null(False)).any()
    )
    stays = weighty.filter(weighty.any_).select("token").union(later.select("token"), distinct=True)
    titled = found.event_name.lower() != "logout"
    more = reduce(or_, [titled.fill_null(False), *(found[name].notnull() for name in ABOUT)])
    traces = found.mutate(says_more=more).semi_join(kept, ["key_hi", "key_lo"]).semi_join(stays, "token")
    return traces.select("key_hi", "key_lo", "says_more")


def _place(which: str, *, latest: bool = False) -> ir.Value:
    """The place of a row among those of its visit by login that are like it, from 0."""
    order = [ibis.desc(name) if latest else ibis.asc(name) for name in _ORDER]
    return ibis.row_number().over(group_by=["token", "epoch", which], order_by=order)


def _unnamed(held: Held) -> list[str]:
    """Tokens of the dictionary that no event is of any more."""
    log = EventLog(held.state)
    log.view(held.backend.con)
    held.backend.con.register("known_tokens", log.ids("token"))
    try:
        rows = arrow(
            held.backend.con,
            "SELECT value FROM known_tokens WHERE id NOT IN (SELECT token FROM events) "
            "AND id NOT IN (SELECT auth FROM events WHERE auth IS NOT NULL) "
            "AND id < (SELECT max(id) FROM known_tokens) ORDER BY value",  # the last number is never given twice
        )
    finally:
        held.backend.con.unregister("known_tokens")
    names: list[str] = rows["value"].to_pylist()
    return names


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
