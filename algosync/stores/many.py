"""Queries for rows of any number of keys at once, made once for both kinds of connections.

SQLite's driver takes the keys as one JSON text, so that one prepared statement serves any number of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Select, String, bindparam, func, select
from sqlalchemy.dialects import sqlite


class AskedOfMany:
    """A query for the rows whose column holds one of several keys.

    Args:
        statement: The query; it may have fixed parameters of its own, no named ones.
        column: Holds the keys.
    """

    def __init__(self, statement: Select[Any], column: ColumnElement[str]) -> None:
        self._statement = statement.where(column.in_(bindparam("keys", expanding=True)))
        listed = func.json_each(bindparam("keys", type_=String)).table_valued("value")
        compiled = statement.where(column.in_(select(listed.c.value))).compile(
            dialect=sqlite.dialect(paramstyle="named")
        )
        self._sql = str(compiled)
        self._own = {name: value for name, value in compiled.params.items() if value is not None}

    def rows(self, connection: Connection | sqlite3.Connection, keys: Iterable[str]) -> list[Any]:
        """All rows of these keys, in no order; nothing is asked for no keys."""
        wanted = sorted(set(keys))
        if not wanted:
            return []
        if isinstance(connection, sqlite3.Connection):
            # The driver keeps the prepared statement by its text.
            return connection.execute(self._sql, {**self._own, "keys": orjson.dumps(wanted).decode()}).fetchall()
        return list(connection.execute(self._statement, {"keys": wanted}))
