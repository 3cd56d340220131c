"""Parquet segments: writing one so that it is either there in full or not at all, and reading lists of them.

A segment is never changed. It is written under a temporary name, synced and renamed; what makes it part of the log is
its row in the manifest, which is not this module's business.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from algosync.errors import StoreError
from algosync.events.duck import literal
from algosync.events.schema import FACET_VALUES, ITEMS, LOG

SegmentKind = Literal["events", "items", "products"]

PRODUCTS: Final = pa.schema(
    [("object_id", pa.string()), ("ts", pa.timestamp("us", tz="UTC")), ("attributes", pa.string())]
)
"""Products as events brought them along: a JSON object of a product's own columns at a moment."""

SCHEMAS: Final[dict[SegmentKind, pa.Schema]] = {"events": LOG, "items": ITEMS, "products": PRODUCTS}

FOLDER = "log"
_ROW_GROUP = 122_880
_REPEATING = {"kind", "event_name", "currency", "index", "consent", "excluded", "source"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One row of the manifest.

    Args:
        id: Its number; segments of all kinds share one count.
        kind: What it holds.
        path: The file, relative to the state directory.
        source: Where its events came from; None for items.
        rows: Number of rows.
        bytes: Size of the file.
        first_ts: Oldest moment, ISO 8601 UTC; None for items.
        last_ts: Newest moment, ISO 8601 UTC; None for items.
    """

    id: int
    kind: SegmentKind
    path: str
    source: str | None
    rows: int
    bytes: int
    first_ts: str | None
    last_ts: str | None


def write_segment(directory: Path, number: int, kind: SegmentKind, table: pa.Table, source: str | None) -> Segment:
    """Write a segment durably under its final name.

    Raises:
        StoreError: The disk is full or the directory not writable.
    """
    path = f"{FOLDER}/{kind}/{number:08d}.parquet"
    final = directory / path
    unfinished = final.with_suffix(".tmp")
    try:
        for folder in (directory / FOLDER, final.parent):  # a mode holds for the last of several alone
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pq.write_table(
            table,
            unfinished,
            compression="zstd",
            compression_level=1,
            row_group_size=_ROW_GROUP,
            use_dictionary=[name for name in table.column_names if name in _REPEATING],
        )
        unfinished.chmod(0o600)
        _sync(unfinished)
        unfinished.replace(final)
        _sync(final.parent)
        size = final.stat().st_size
    except OSError as error:
        raise StoreError(f"a segment of the event log cannot be written: {error}", where=str(final)) from error
    bounds = pc.min_max(table.column("ts")).as_py() if "ts" in table.column_names else {"min": None, "max": None}
    return Segment(
        id=number,
        kind=kind,
        path=path,
        source=source,
        rows=table.num_rows,
        bytes=size,
        first_ts=_iso(bounds["min"]),
        last_ts=_iso(bounds["max"]),
    )


def read_segment(path: Path) -> pa.Table:
    """Read a segment whole.

    Raises:
        StoreError: It is not there, or no Parquet file.
    """
    try:
        return pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowInvalid) as error:
        hint = "Restore the state directory from a backup"
        raise StoreError(f"cannot be read ({type(error).__name__})", where=str(path), hint=hint) from None


def remove_orphans(directory: Path, known: Collection[str]) -> list[str]:
    """Delete files of the log that no manifest names: what a crash left before its commit. Returns their paths."""
    root = directory / FOLDER
    found = [path for path in root.glob("*/*") if path.suffix in {".parquet", ".tmp"}]
    orphans = sorted(path for path in found if str(path.relative_to(directory)) not in known)
    for path in orphans:
        path.unlink(missing_ok=True)
    return [str(path.relative_to(directory)) for path in orphans]


def scan(kind: SegmentKind, paths: Sequence[Path]) -> str:
    """SQL for a relation over segments of one kind; an empty one of the right types where there are none."""
    if paths:
        files = ", ".join(literal(str(path)) for path in paths)
        return f"read_parquet([{files}])"
    columns = ", ".join(f'NULL::{_sql_type(field.type)} AS "{field.name}"' for field in SCHEMAS[kind])
    return f"(SELECT {columns} WHERE false)"


def _sql_type(kind: pa.DataType) -> str:
    if kind == FACET_VALUES:
        return "STRUCT(facet VARCHAR, value VARCHAR)[]"
    if pa.types.is_map(kind):
        return "MAP(VARCHAR, VARCHAR)"
    names = {"timestamp[us, tz=UTC]": "TIMESTAMPTZ", "uint64": "UBIGINT", "int32": "INTEGER", "double": "DOUBLE"}
    return names.get(str(kind), "VARCHAR")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="microseconds")
