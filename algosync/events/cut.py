"""Takes events out of the log for good: segments that hold them are written anew without them, the rest stay.

The manifest is swapped in one transaction, and old files are removed after it: a reader finds the manifest of before,
whose files stay as long as it reads, or that of after. A crash anywhere leaves files that no manifest names, and the
next call, or the next writer, removes them. The caller keeps other writers out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import delete, select

from algosync.events.commit import last_segment, portions, swap_segments
from algosync.events.duck import arrow, lent, literal
from algosync.events.reading import WAIT_S, alone
from algosync.events.schema import LOG
from algosync.events.segments import Segment, read_segment, remove_orphans, write_segment
from algosync.stores import tables
from algosync.stores.state import State

KEYS = pa.schema([("key_hi", pa.uint64()), ("key_lo", pa.uint64())])
"""Events, by the key that the log knows each by."""

ABOUT = (
    *("object", "item", "order_id", "price", "discount", "currency", "query_id", "position", "index"),
    "context",
)
"""What an event was about, in the log's columns; the quantity stays, which tells a purchase from a return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What was taken out.

    Attributes:
        events: Events that went.
        segments: Files that were written anew or left out.
        names: Entries of the id dictionary that went.
        removed: Old files that are gone from the disk.
        unread: Whether nobody was reading them; else they stay until the next call.
    """

    events: int
    segments: int
    names: int
    removed: int
    unread: bool


def cut(
    state: State,
    con: duckdb.DuckDBPyConnection,
    doomed: pa.Table,
    names: Collection[str] = (),
    *,
    stripped: pa.Table | None = None,
    wait_s: float = WAIT_S,
) -> Cut:
    """Takes events out of a state's log.

    Args:
        state: The log's state; nobody else writes to it meanwhile.
        con: A connection to work on.
        doomed: The events (KEYS).
        names: Tokens that leave the id dictionary; no event that stays may be of theirs.
        stripped: Events that stay, without what they were about (KEYS); None for none.
        wait_s: How long to wait for those who read, in seconds.

    Raises:
        StoreError: A segment cannot be read or written; the log is as before.
    """
    with state.read() as connection:
        last = last_segment(connection)
        rows = connection.execute(select(tables.segments).where(tables.segments.c.kind == "events")).mappings().all()
    old = [Segment(**row) for row in rows]
    stripped = KEYS.empty_table() if stripped is None else stripped
    hit = _holding(con, state.directory, old, pa.concat_tables([doomed, stripped]))
    made: list[Segment] = []
    gone = 0
    for segment in hit:
        kept = _rest(con, state.directory / segment.path, doomed, stripped)
        gone += segment.rows - kept.num_rows
        # The highest number is never given twice: a reader of before would take the file of after for its own.
        if kept.num_rows or segment.id == last:
            made.append(write_segment(state.directory, last + len(made) + 1, "events", kept, segment.source))
    forgotten = 0
    if hit or names:
        with state.write() as connection:
            swap_segments(connection, [segment.id for segment in hit], made, last)
            for some in portions(sorted(names)):
                hers = (tables.ids.c.kind == "token", tables.ids.c.value.in_(some))
                forgotten += connection.execute(delete(tables.ids).where(*hers)).rowcount
    removed, unread = sweep(state, wait_s=wait_s)
    return Cut(events=gone, segments=len(hit), names=forgotten, removed=removed, unread=unread)


def sweep(state: State, *, wait_s: float = WAIT_S) -> tuple[int, bool]:
    """Removes files of the log that no manifest names, once nobody reads them.

    Returns:
        How many, and whether they could be removed.
    """
    with alone(state.directory, wait_s) as unread:
        if not unread:
            return 0, False
        with state.read() as connection:
            known = set(connection.scalars(select(tables.segments.c.path)))
        return len(remove_orphans(state.directory, known)), True


def _holding(
    con: duckdb.DuckDBPyConnection, directory: Path, segments: Sequence[Segment], doomed: pa.Table
) -> list[Segment]:
    """The segments that hold any of these events, by number."""
    if not segments or not doomed.num_rows:
        return []
    files = ", ".join(literal(str(directory / segment.path)) for segment in segments)
    with lent(con, doomed=doomed):
        found = arrow(
            con,
            f"SELECT DISTINCT filename FROM read_parquet([{files}], filename=true) "  # noqa: S608
            "SEMI JOIN doomed USING (key_hi, key_lo)",
        )
    hit = set(found["filename"].to_pylist())
    return sorted((one for one in segments if str(directory / one.path) in hit), key=lambda one: one.id)


def _rest(con: duckdb.DuckDBPyConnection, path: Path, doomed: pa.Table, stripped: pa.Table) -> pa.Table:
    table = read_segment(path)
    keys = table.select(["key_hi", "key_lo"]).append_column("n", pa.array(np.arange(table.num_rows, dtype=np.int64)))
    keep, bare = ~_among(con, keys, doomed), _among(con, keys, stripped)
    return _stripped(table, bare).filter(pa.array(keep)).cast(LOG)


def _among(con: duckdb.DuckDBPyConnection, keys: pa.Table, wanted: pa.Table) -> Any:
    found = np.zeros(keys.num_rows, dtype=bool)
    with lent(con, held=keys, wanted=wanted):
        found[arrow(con, "SELECT n FROM held SEMI JOIN wanted USING (key_hi, key_lo)")["n"].to_numpy()] = True
    return found


def _stripped(table: pa.Table, bare: Any) -> pa.Table:
    """Some rows without what they were about: who, when, of which kind, and her word on consent stay."""
    if not bare.any():
        return table
    logout = pc.equal(pc.utf8_lower(table["event_name"]), "logout").fill_null(False)
    masks = {name: pa.array(bare) for name in ABOUT} | {"event_name": pc.and_(pa.array(bare), pc.invert(logout))}
    columns = {
        name: pc.if_else(masks[name], pa.scalar(None, table.schema.field(name).type), table[name])
        if name in masks
        else table[name]
        for name in table.column_names
    }
    return pa.table(columns, schema=table.schema)


def keys_of(events: pa.Table) -> pa.Table:
    """The keys of events, each once (KEYS)."""
    return events.select(["key_hi", "key_lo"]).group_by(["key_hi", "key_lo"]).aggregate([]).cast(KEYS)


def all_of(*keys: pa.Table) -> pa.Table:
    """Several tables of keys as one, each key once (KEYS)."""
    return keys_of(pa.concat_tables(list(keys)))
