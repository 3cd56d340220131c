"""Columns of few different values: what is made of a value is worked out once per value, not once per row.

Decides nothing of its own; `normal` and `checks` say what is made of a value.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import numpy as np
import pyarrow as pa

from algosync.events import normal
from algosync.events.duck import arrow, lent


def worked_out(con: duckdb.DuckDBPyConnection, table: pa.Table) -> pa.Table:
    """Return a canonical batch with the columns `base`, `sub`, `consented`, `money` and `odd_money`.

    They are the meanings of event_type, event_subtype and consent, the currency in capitals, and whether it is no code
    of three letters; null where the column says nothing.

    Raises:
        StoreError: DuckDB refused, for example for want of memory.
    """
    money = normal.text(table, "currency")
    made = {
        "event_type": {"base": normal.kind_of_type(normal.text(table, "event_type"))},
        "event_subtype": {"sub": normal.kind_of_subtype(normal.text(table, "event_subtype"))},
        "consent": {"consented": normal.consent(table)},
        "currency": {"money": f"upper({money})", "odd_money": f"NOT regexp_full_match({money}, '[A-Za-z]{{3}}')"},
    }
    for name, expressions in made.items():
        for column, values in _columns(con, table, name, expressions).items():
            table = table.append_column(column, values)
    return table


def _columns(
    con: duckdb.DuckDBPyConnection, table: pa.Table, name: str, expressions: Mapping[str, str]
) -> dict[str, pa.Array]:
    if normal.absent(table, name):
        kinds = {column: pa.bool_() if column == "odd_money" else pa.string() for column in expressions}
        return {column: pa.nulls(table.num_rows, kind) for column, kind in kinds.items()}
    encoded = table.column(name).combine_chunks().dictionary_encode()
    number = pa.array(np.arange(len(encoded.dictionary), dtype=np.int64))
    listed = ", ".join(f"{sql} AS {column}" for column, sql in expressions.items())
    with lent(con, different=pa.table({"n": number, name: encoded.dictionary})):
        found = arrow(con, f"SELECT n, {listed} FROM different ORDER BY n")  # noqa: S608 - names of our own
    return {column: found.column(column).combine_chunks().take(encoded.indices) for column in expressions}
