"""Plain connections to a SQLite file that stay open, for look-ups that must cost less than SQLAlchemy does.

Owns who uses which connection: one at a time, and no more of them than there are users at once. Reads only; whoever
writes goes through the state. PostgreSQL is not read this way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from algosync.errors import StoreError
from algosync.stores.state import State


class Asked:
    """A query made once, for both kinds of connections.

    Args:
        statement: The query; its parameters are named.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
        self._sql = str(compiled)
        self._own = {name: value for name, value in compiled.params.items() if value is not None}

    def rows(self, connection: Connection | sqlite3.Connection, given: Mapping[str, Any] | None = None) -> list[Any]:
        """All rows, in the order of the query."""
        if isinstance(connection, sqlite3.Connection):
            # The driver keeps the prepared statement by its text.
            return connection.execute(self._sql, {**self._own, **(given or {})}).fetchall()
        return list(connection.execute(self._statement, given))

    def first(self, connection: Connection | sqlite3.Connection, given: Mapping[str, Any]) -> Any:
        """The first column of the first row; None without one."""
        found = self.rows(connection, given)
        return found[0][0] if found else None


class Plain:
    """The open connections of one state.

    Args:
        state: Of a SQLite file.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._free: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def moment(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment of the database.

        Raises:
            StoreError: The database cannot be read.
        """
        try:
            connection = self._taken()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                self._give_back(connection)
        except (sqlite3.Error, DBAPIError) as error:
            hint = "Another process may hold the database; try again, or see state.url and state.directory"
            raise StoreError(f"the state database refused: {error}", where=self._state.where, hint=hint) from error

    def close(self) -> None:
        """Closes the connections; those in use when they are given back."""
        self._closed = True
        while self._free:
            self._free.pop().close()

    def _taken(self) -> sqlite3.Connection:
        try:
            return self._free.pop()
        except IndexError:
            return self._opened()

    def _opened(self) -> sqlite3.Connection:
        lent = self._state.engine.raw_connection()
        found = lent.driver_connection
        lent.detach()  # ours alone from here on: the pool neither waits for it nor closes it
        assert isinstance(found, sqlite3.Connection)
        return found

    def _give_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
            raise
        self._free.append(connection)
        if self._closed:
            self.close()
