"""Logs and item values as tables, from short rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from algosync.events.schema import LOG

START = datetime(2026, 3, 1, tzinfo=UTC)


def _row(number: int, row: dict) -> dict:
    defaults = {"key_hi": number, "key_lo": 0, "token": 1, "kind": "view", "source": "test"}
    moment = row.get("at", timedelta(seconds=number))
    rest = {name: value for name, value in row.items() if name != "at"}
    if "object" in rest:
        defaults["item"] = rest["object"]
    return {**defaults, "ts": START + moment if isinstance(moment, timedelta) else moment, **rest}


def make_log(*rows: dict) -> ir.Table:
    """Log rows; `at` is a timedelta after START or a datetime, an item is its object unless given."""
    return ibis.memtable(pa.Table.from_pylist([_row(i, row) for i, row in enumerate(rows)], schema=LOG))


def make_values(values: dict[int, dict[str, list[str]]]) -> ir.Table:
    rows = [
        {"item": item, "facet": facet, "value": value}
        for item, facets in values.items()
        for facet, names in facets.items()
        for value in names
    ]
    schema = pa.schema([("item", pa.int32()), ("facet", pa.string()), ("value", pa.string())])
    return ibis.memtable(pa.Table.from_pylist(rows, schema=schema))


@pytest.fixture(scope="session")
def stored() -> Callable[[ir.Table], ir.Table]:
    """The table computed once, as a run stores what its stages hand on."""
    return lambda table: ibis.memtable(table.to_pyarrow())


@pytest.fixture(scope="session")
def log() -> Callable[..., ir.Table]:
    return make_log


@pytest.fixture(scope="session")
def item_values() -> Callable[..., ir.Table]:
    return make_values


@pytest.fixture(scope="session")
def start() -> datetime:
    return START


@pytest.fixture(scope="session")
def rows() -> Callable[..., list]:
    """The rows of a table as sorted tuples of the given columns, all by default."""

    def read(table: ir.Table, *columns: str) -> list[tuple]:
        names = columns or table.columns
        found = table.select(*names).to_pyarrow().to_pylist()
        return sorted((tuple(row.values()) for row in found), key=repr)

    return read
