"""Small helpers for SQL on DuckDB: literals, statements, tables that are there for one query.

Knows nothing of events. A connection has one open result at a time, so every statement is read to its end here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from algosync.errors import StoreError


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
    return StoreError(f"DuckDB refused: {said}", where="the event log", hint="See state.directory and free memory")
