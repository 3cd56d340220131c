"""Small helpers for SQL on DuckDB: the engine, literals, statements, tables that are there for one query.

Knows nothing of events. A connection has one open result at a time, so every statement is read to its end here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import duckdb
import pyarrow as pa

from algosync.errors import StoreError

MEMORY_PER_THREAD: Final = 125_000_000
"""Bytes that a thread needs at least, by DuckDB's guide to tuning workloads; many threads in little memory run out."""


def engine(memory_limit: str, *, temp_directory: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open an analytics engine in memory, of as many threads as its memory feeds and the machine has.

    Args:
        memory_limit: As DuckDB takes it: "1GB".
        temp_directory: Where it puts what does not fit.
    """
    # No extension may be fetched from elsewhere; and without ICU every time is UTC, whatever the machine's zone.
    config: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    spill = {} if temp_directory is None else {"temp_directory": temp_directory}
    con = duckdb.connect(config={**config, **spill, "memory_limit": memory_limit})
    number, unit = memory_limit[:-2], memory_limit[-2:]
    fed = int(float(number) * {"MB": 10**6, "GB": 10**9}[unit]) // MEMORY_PER_THREAD
    con.execute(f"SET threads = least(current_setting('threads'), {max(1, fed)})")
    return con


@contextmanager
def told() -> Iterator[None]:
    """Tell what DuckDB cannot do for want of memory or of a file as an error of ours; what else it says is a bug.

    Raises:
        StoreError: DuckDB ran out of memory, or could not use a file.
    """
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise _refused(error) from error


def literal(text: str) -> str:
    """Return `text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def run(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """Run one statement and return its rows.

    Raises:
        StoreError: DuckDB refused, for example for want of memory or of a file.
    """
    try:
        return con.execute(sql).fetchall()
    except duckdb.Error as error:
        raise _refused(error) from error


def arrow(con: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    """Run one query and return its rows as an Arrow table.

    Raises:
        StoreError: DuckDB refused, for example for want of memory or of a file.
    """
    try:
        return con.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        raise _refused(error) from error


@contextmanager
def lent(con: duckdb.DuckDBPyConnection, **tables: pa.Table) -> Iterator[None]:
    """Give DuckDB the tables under the names of the arguments until the block ends."""
    try:
        for name, table in tables.items():
            con.register(name, table)
        yield
    finally:
        for name in tables:
            con.unregister(name)


def _refused(error: duckdb.Error) -> StoreError:
    said = str(error).strip().splitlines()[0]
    if isinstance(error, duckdb.OutOfMemoryException):
        hint = "Raise state.memory_limit, and see that TMPDIR has room; what was published stays"
        return StoreError(f"the analytics engine ran out of memory: {said}", where="state.memory_limit", hint=hint)
    return StoreError(f"DuckDB refused: {said}", where="the event log", hint="See state.directory, TMPDIR, free memory")
