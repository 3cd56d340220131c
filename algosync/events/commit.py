"""The one transaction that makes a change part of the log, and the lock that keeps writers apart.

Segments are written meanwhile, and are complete before the transaction names them; here only rows of the state
database change. Whoever calls has the transaction, and may put more into it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, delete, func, insert, select, text

from algosync.errors import BusyError, StoreError
from algosync.events.log import IdKind
from algosync.events.segments import Segment, SegmentKind, write_segment
from algosync.stores import tables

_AT_ONCE = 500
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one transaction adds to a log.

    Args:
        events: New events (LOG).
        items: New product versions (ITEMS).
        products: Products the events bring along (PRODUCTS), or None.
        ids: New ids (IDS) by kind.
        source: Where the events came from; None for none.
        resolutions: Products that events waited for (RESOLUTIONS), or None.
    """

    events: pa.Table
    items: pa.Table
    products: pa.Table | None
    ids: dict[IdKind, pa.Table]
    source: str | None
    resolutions: pa.Table | None = None


def write(directory: Path, change: Change, last: int) -> list[Segment]:
    """Write a change's segments, numbered from `last` on; what is empty makes no file.

    Raises:
        StoreError: The disk is full or the directory not writable.
    """
    parts: list[tuple[SegmentKind, pa.Table | None]] = [
        ("items", change.items),
        ("products", change.products),
        ("events", change.events),
    ]
    filled = [(kind, table) for kind, table in parts if table is not None and table.num_rows]
    numbered = enumerate(filled, start=last + 1)
    return [write_segment(directory, number, kind, table, change.source) for number, (kind, table) in numbered]


@contextmanager
def writing(directory: Path, change: Change, last: int) -> Iterator[Callable[[], list[Segment]]]:
    """Write a change's segments beside what else there is to do; yields what waits for them.

    The files are complete, or have failed, when the block is left, however that happens.
    """
    with ThreadPoolExecutor(1, "algosync-segments") as pool:
        yield pool.submit(write, directory, change, last).result


def commit(connection: Connection, change: Change, written: Callable[[], list[Segment]], last: int) -> list[Segment]:
    """Add a change to the manifest, the dictionary and the resolutions.

    Args:
        connection: A transaction that writes.
        change: What is added.
        written: Waits for the files that hold it, see `writing`.
        last: The last segment that the writer knows of.

    Returns:
        The files.

    Raises:
        StoreError: Somebody else added segments since, or the files could not be written.
    """
    _still(connection, last, "Nothing was taken in; run again")
    for kind, new in change.ids.items():
        _insert_ids(connection, kind, new)
    if change.resolutions is not None:
        connection.execute(insert(tables.resolutions), change.resolutions.to_pylist())
    segments = written()
    _list(connection, segments)
    return segments


def swap_segments(connection: Connection, gone: Sequence[int], made: Sequence[Segment], last: int) -> None:
    """Names segments in the manifest in the place of others.

    Args:
        connection: Of the transaction.
        gone: Numbers of those that it names no more.
        made: Those that it names instead, numbered after `last`: the highest number is never given twice, or a reader
            of before would take the file of after for its own.
        last: The last segment when those that are gone were read.

    Raises:
        StoreError: Somebody else added segments since.
    """
    _still(connection, last, "Nothing was changed; run again")
    for some in portions(gone):
        connection.execute(delete(tables.segments).where(tables.segments.c.id.in_(some)))
    _list(connection, made)


def portions(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    """As many values at once as one statement takes."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


def _still(connection: Connection, last: int, hint: str) -> None:
    if last_segment(connection) != last:
        raise StoreError("another process wrote to the event log meanwhile", where="segments", hint=hint)


def _list(connection: Connection, segments: Sequence[Segment]) -> None:
    if segments:
        rows = [{f.name: getattr(segment, f.name) for f in fields(segment)} for segment in segments]
        connection.execute(insert(tables.segments), rows)


def move_cursor(connection: Connection, source: str, cursor: str) -> None:
    """Say where reading a source goes on."""
    connection.execute(delete(tables.cursors).where(tables.cursors.c.source == source))
    connection.execute(insert(tables.cursors).values(source=source, cursor=cursor))


def last_segment(connection: Connection) -> int:
    """Return the number of the last segment, 0 before the first."""
    return int(connection.scalar(select(func.max(tables.segments.c.id))) or 0)


def lock(directory: Path) -> int:
    """Keep other writers out of a state directory until the returned file descriptor is closed, or its process ends.

    Raises:
        BusyError: Another process is writing.
    """
    path = directory / "log.lock"
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StoreError(f"the event log cannot be written: {error.strerror}", where=str(path)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(handle, 20, 0).decode(errors="replace")
        os.close(handle)
        hint = "Wait until it has finished, a worker's job too; a dry run works meanwhile"
        what = f"another process is writing to the event log{f' ({holder})' if holder.isdigit() else ''}"
        raise BusyError(what, where=str(directory), hint=hint) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def _insert_ids(connection: Connection, kind: str, new: pa.Table) -> None:
    """Add ids that follow each other."""
    numbers, values = (new.column(name).to_pylist() for name in ("id", "value"))
    if not numbers:
        return
    if connection.dialect.name == "postgresql":
        statement = text("INSERT INTO ids (kind, id, value) SELECT :kind, unnest(:n ::int[]), unnest(:v ::text[])")
        connection.execute(statement, {"kind": kind, "n": numbers, "v": values})
    elif pc.any(pc.match_substring(new.column("value"), "\0")).as_py():  # where SQLite's JSON ends a text
        rows = [(kind, number, value) for number, value in zip(numbers, values, strict=True)]
        connection.exec_driver_sql("INSERT INTO ids (kind, id, value) VALUES (?, ?, ?)", rows)
    else:
        # One statement for all rows, at half the cost of one per row.
        listed = "INSERT INTO ids (kind, id, value) SELECT ?, ? + key, value FROM json_each(?)"
        connection.exec_driver_sql(listed, (kind, numbers[0], orjson.dumps(values).decode()))
