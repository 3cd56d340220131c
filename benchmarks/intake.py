"""From a Parquet file into the log: source, mapping, clean and append to a SQLite state; at least 300,000 events/s.

Read events per wall second on an idle machine with two cores; on a busy one, events per CPU second (units / CPU s)
say more. 2 M events at scale 1: views, carts and purchases with session, price, quantity and currency, once of 100,000
users and once of 500,000, who all are new to the id dictionary; 100,000 products, every one in the catalog. The floor
is pyarrow reading the same file and doing nothing with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from measure import Benchmark, Median, Outcome, timed

EVENTS = 2_000_000
USERS = (100_000, 500_000)
PRODUCTS = 100_000
DAYS = 90
TARGET = 300_000
COLUMNS = (
    *("timestamp", "user_token", "event_type", "object_id"),
    *("session_id", "price", "quantity", "currency"),
)


def prepare(place: Path, scale: float) -> None:
    """One file per number of users."""
    for users in USERS:
        path = _file(place, users)
        if not path.exists():
            pq.write_table(_events(int(EVENTS * scale), max(1, int(users * scale))), path, compression="zstd")


def _events(number: int, users: int) -> pa.Table:
    rng = np.random.default_rng(users)
    moments = np.sort(rng.integers(0, DAYS * 86_400_000_000, number)) + 1_700_000_000_000_000
    who = rng.integers(0, users, number)
    session = pa.array(moments // 3_600_000_000).cast(pa.string())
    tokens = _names("user", users).take(pa.array(who))
    kinds = np.array(["view", "addToCart", "purchase"])
    columns = [
        pa.array(moments, pa.timestamp("us", tz="UTC")),
        tokens,
        pa.array(kinds[rng.choice(3, number, p=[0.9, 0.07, 0.03])]),
        _names("product", PRODUCTS).take(pa.array((rng.zipf(1.2, number) - 1) % PRODUCTS)),
        pc.binary_join_element_wise(tokens, session, "-"),
        pa.array(np.round(rng.uniform(1, 100, number), 2)),
        pa.array(rng.integers(1, 4, number)),
        pa.array(["EUR"]).take(pa.array(np.zeros(number, np.int64))),
    ]
    return pa.table(columns, names=list(COLUMNS))


def _names(kind: str, number: int) -> pa.Array:
    return pa.array([f"{kind}-{i:07d}" for i in range(number)])


def _file(place: Path, users: int) -> Path:
    return place / f"events-{users}.parquet"


def _floor(users: int, place: Path, _scale: float) -> Outcome:
    with timed() as clock:
        rows = sum(batch.num_rows for batch in pq.ParquetFile(_file(place, users)).iter_batches(1 << 16))
    return Outcome(clock=clock, units=rows)


def _algosync(users: int, place: Path, _scale: float) -> Outcome:
    import duckdb

    from algosync.events.mapping import EventMapping
    from algosync.events.rules import CleanRules
    from algosync.events.sources.files import FilesSource
    from algosync.events.writer import CommittingWriter
    from algosync.stores.state import open_state
    from algosync.sync.pull import EventSource, Intake, pull

    source = EventSource(
        source=FilesSource(name="shop", path=str(_file(place, users))),
        mapping=EventMapping(columns={name: name for name in COLUMNS}),
        rules=CleanRules(source="shop", now=datetime(2024, 6, 1, tzinfo=UTC), consent_missing="allow"),
        max_share=0.2,
    )
    stock, directory = _Stock(), place / "state"
    shutil.rmtree(directory, ignore_errors=True)
    with (
        timed() as clock,
        open_state("sqlite", directory, create=True) as state,
        CommittingWriter(state) as writer,
        duckdb.connect() as con,
    ):
        total = pull([source], Intake(con=con, writer=writer, products=stock, advance=lambda _: None)).total
    assert total.accepted == total.read, total
    return Outcome(clock=clock, units=total.read)


class _Stock:
    """A catalog that knows every product."""

    def __init__(self) -> None:
        from algosync.events.schema import FACET_VALUES, PRODUCT_REFS

        facets = [
            [{"facet": "brand", "value": f"b{i % 2000}"}, {"facet": "category", "value": f"c{i % 200}"}]
            for i in range(PRODUCTS)
        ]
        prices = pa.array(np.arange(PRODUCTS) % 100 + 0.99)
        names = _names("product", PRODUCTS)
        self._refs = pa.table([names, prices, names, pa.array(facets, FACET_VALUES)], schema=PRODUCT_REFS)

    def refs(self, accepted: pa.Table) -> pa.Table:  # noqa: ARG002
        return self._refs


def _target(medians: Mapping[str, Median]) -> tuple[str, bool]:
    slowest = min(found.rate for variant, found in medians.items() if variant.startswith("algosync"))
    return f"{slowest:,.0f} events/s, at least {TARGET:,} are wanted", slowest >= TARGET


BENCHMARK = Benchmark(
    name="intake",
    title="clean and append from Parquet",
    unit="events",
    variants={
        **{f"pyarrow reads it, {users:,} users": partial(_floor, users) for users in USERS},
        **{f"algosync takes it in, {users:,} users": partial(_algosync, users) for users in USERS},
    },
    target=_target,
    prepare=prepare,
)
