"""Events in memory, as the log gives them."""

from __future__ import annotations

import datetime as dt

import ibis
import pyarrow as pa
import pytest

AS_OF = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)

COLUMNS = pa.schema(
    [
        ("ts", pa.timestamp("us", tz="UTC")),
        ("token", pa.int32()),
        ("session_id", pa.string()),
        ("kind", pa.string()),
        ("order_id", pa.string()),
        ("quantity", pa.int32()),
        ("excluded", pa.string()),
        ("context", pa.map_(pa.string(), pa.string())),
        ("group", pa.int32()),
    ]
)


@pytest.fixture
def table():
    """Make an Ibis table of columns or of an arrow table."""
    connection = ibis.duckdb.connect()
    made = []

    def make(columns: dict | pa.Table) -> ibis.Table:
        made.append(columns if isinstance(columns, pa.Table) else pa.table(columns))
        connection.con.register(f"table_{len(made)}", made[-1])
        return connection.table(f"table_{len(made)}")

    yield make
    connection.disconnect()


@pytest.fixture
def events(table):
    """Make an events table of dicts; what is left out gets a plain value. `days` is the age of the event."""
    plain = {"token": 1, "kind": "view", "quantity": None, "context": []}

    def make(*rows: dict) -> ibis.Table:
        full = [
            plain
            | {"ts": AS_OF - dt.timedelta(days=row.get("days", 0.0))}
            | {name: value for name, value in row.items() if name != "days"}
            for row in rows
        ]
        return table(pa.Table.from_pylist(full, schema=COLUMNS))

    return make
