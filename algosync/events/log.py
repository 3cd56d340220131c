"""Reading the event log: its events, items, products, ids and cursors, as of one moment.

The log is what the manifest names: Parquet segments beside a state database. A log may lie in two places, the
committed one and a scratch one on top of it (see `writer`); readers do not notice. Nothing here writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
from sqlalchemy import Table, func, select

from algosync.errors import StoreError
from algosync.events.duck import arrow, lent, run
from algosync.events.schema import LOG
from algosync.events.segments import SegmentKind, scan
from algosync.stores import tables
from algosync.stores.state import State

IdKind = Literal["token", "object"]

IDS = pa.schema([("id", pa.int32()), ("value", pa.string())])
RESOLUTIONS = pa.schema([("object", pa.int32()), ("item", pa.int32()), ("price", pa.float64())])


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSize:
    """How much the log holds: events, segments of every kind and their bytes, item versions, tokens, products named."""

    events: int
    segments: int
    bytes: int
    items: int
    tokens: int
    objects: int


class EventLog:
    """The log in one or more places, later ones on top of earlier ones.

    Args:
        states: The state database of each place; its directory holds the segments.
    """

    def __init__(self, *states: State) -> None:
        self.states = states

    def view(self, con: duckdb.DuckDBPyConnection) -> None:
        """Define the views `events` (LOG), `items` (ITEMS) and the table `item_values` (item, facet, value).

        `events.item` is the product version an event took with it, that of its resolution for an event that had to
        wait. All three show the manifest at the time of the call; call again to see more.

        Raises:
            StoreError: The state or a segment cannot be read.
        """
        resolutions = self.resolutions()
        paths = self.paths()  # after them, so that every item they name is among the files
        with lent(con, lent_resolutions=resolutions):
            run(con, "CREATE OR REPLACE TABLE resolutions AS SELECT * FROM lent_resolutions")
        run(con, f"CREATE OR REPLACE VIEW events AS {_events(paths['events'], resolved=resolutions.num_rows > 0)}")
        run(con, f"CREATE OR REPLACE VIEW items AS SELECT * FROM {scan('items', paths['items'])}")  # noqa: S608
        run(
            con,
            "CREATE OR REPLACE TABLE item_values AS SELECT item, f.facet AS facet, f.value AS value "
            "FROM (SELECT item, unnest(facets) AS f FROM items) ORDER BY item, facet, value",
        )

    def products(self, con: duckdb.DuckDBPyConnection, accepted: pa.Table | None = None) -> pa.Table:
        """Return the products that events brought along: object_id, ts, attributes (JSON), the latest of each.

        Args:
            con: A connection to work on.
            accepted: Events (CLEAN) about to be appended, to be counted in.
        """
        stored = f"SELECT * FROM {scan('products', self.paths()['products'])}"  # noqa: S608
        if accepted is None:
            return arrow(con, _latest(stored))
        with lent(con, brought=products_in(con, accepted)):
            return arrow(con, _latest(f"{stored} UNION ALL SELECT * FROM brought"))  # noqa: S608

    def cursor(self, source: str) -> str | None:
        """Return where reading the source goes on, or None before its first batch."""
        query = select(tables.cursors.c.cursor).where(tables.cursors.c.source == source)
        for state in reversed(self.states):
            with state.read() as connection:
                found = connection.scalar(query)
            if found is not None:
                return str(found)
        return None

    def version(self) -> str:
        """Return a text that changes whenever the log does."""
        names = [f"{kind}:{path.name}" for kind, paths in sorted(self.paths().items()) for path in paths]
        return "\n".join((*names, f"resolutions:{self.resolutions().num_rows}"))

    def newest(self) -> datetime | None:
        """Return the moment of the newest event, or None for an empty log."""
        query = select(func.max(tables.segments.c.last_ts)).where(tables.segments.c.kind == "events")
        found = []
        for state in self.states:
            with state.read() as connection:
                found.append(connection.scalar(query))
        return max((datetime.fromisoformat(text) for text in found if text is not None), default=None)

    def size(self) -> LogSize:
        """Count what the log holds."""
        totals = dict.fromkeys(("events", "segments", "bytes", "items", "token", "object"), 0)
        manifest = tables.segments.c
        held = select(manifest.kind, func.count(), func.sum(manifest.rows), func.sum(manifest.bytes))
        for state in self.states:
            with state.read() as connection:
                for kind, number, rows, size in connection.execute(held.group_by(manifest.kind)):
                    totals["segments"] += number
                    totals["bytes"] += int(size)
                    totals[kind] = totals.get(kind, 0) + int(rows)
                named = select(tables.ids.c.kind, func.count()).group_by(tables.ids.c.kind)
                for kind, number in connection.execute(named):
                    totals[kind] += number
        return LogSize(
            events=totals["events"],
            segments=totals["segments"],
            bytes=totals["bytes"],
            items=totals["items"],
            tokens=totals["token"],
            objects=totals["object"],
        )

    def ids(self, kind: IdKind) -> pa.Table:
        """Return the dictionary of one kind: id (int32) and value (string), by id."""
        found: list[tuple[int, str]] = []
        query = select(tables.ids.c.id, tables.ids.c.value).where(tables.ids.c.kind == kind).order_by(tables.ids.c.id)
        for state in self.states:
            with state.read() as connection:
                found += [(number, value) for number, value in connection.execute(query)]
        numbers, values = zip(*found, strict=True) if found else ((), ())
        return pa.table([pa.array(numbers, pa.int32()), pa.array(values, pa.string())], schema=IDS)

    def paths(self) -> dict[SegmentKind, list[Path]]:
        """Return the files of the manifest by kind, in the order they were committed.

        Raises:
            StoreError: A file that the manifest names is missing.
        """
        found: dict[SegmentKind, list[Path]] = {"events": [], "items": [], "products": []}
        for state in self.states:
            with state.read() as connection:
                query = select(tables.segments.c.kind, tables.segments.c.path).order_by(tables.segments.c.id)
                for kind, path in connection.execute(query):
                    found[kind].append(state.directory / path)
        for path in (path for paths in found.values() for path in paths):
            if not path.is_file():
                hint = "Restore the state directory from a backup, or remove it and pull again"
                raise StoreError("a segment of the event log is missing", where=str(path), hint=hint)
        return found

    def resolutions(self) -> pa.Table:
        """Return which item version the events of a product took that had to wait for it (RESOLUTIONS)."""
        return self._rows(tables.resolutions, RESOLUTIONS)

    def _rows(self, table: Table, schema: pa.Schema) -> pa.Table:
        rows: list[dict[str, object]] = []
        for state in self.states:
            with state.read() as connection:
                found = connection.execute(select(*(table.c[name] for name in schema.names)))
                rows += [dict(row) for row in found.mappings()]
        return pa.Table.from_pylist(rows, schema=schema)


def products_in(con: duckdb.DuckDBPyConnection, accepted: pa.Table) -> pa.Table:
    """Return the products that events (CLEAN) bring along: object_id, ts, attributes (JSON), the latest of each."""
    with lent(con, accepted=accepted.select(["object_id", "ts", "product"])):
        brought = "SELECT object_id, ts, product AS attributes FROM accepted WHERE object_id IS NOT NULL"
        return arrow(con, _latest(f"{brought} AND product IS NOT NULL"))


def _latest(products: str) -> str:
    # Equal moments: the greater text, so that no order of reading decides.
    return (
        "SELECT object_id, max(ts) AS ts, arg_max(attributes, (ts, attributes)) AS attributes "  # noqa: S608
        f"FROM ({products}) GROUP BY object_id ORDER BY object_id"
    )


def _events(paths: list[Path], *, resolved: bool) -> str:
    if not resolved:
        return f"SELECT * FROM {scan('events', paths)}"  # noqa: S608
    columns = {
        "item": "coalesce(e.item, r.item) AS item",
        "price": "CASE WHEN e.item IS NULL THEN coalesce(e.price, r.price) ELSE e.price END AS price",
    }
    listed = ", ".join(columns.get(name, f'e."{name}"') for name in LOG.names)
    return f'SELECT {listed} FROM {scan("events", paths)} e LEFT JOIN resolutions r ON r.object = e."object"'  # noqa: S608
