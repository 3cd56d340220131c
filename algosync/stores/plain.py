"""Plain connections to a SQLite file that stay open, for look-ups that must cost less than SQLAlchemy does.

Owns who uses which connection: one at a time, and no more of them than there are users at once. Reads only; whoever
writes goes through the state. PostgreSQL is not read this way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sized
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import CompoundSelect, Connection, Select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from algosync.errors import StoreError
from algosync.stores.state import State

_CACHE_KB: Final = 32 * 1024
"""Of one connection: room for the inner pages of the index of a million people, which each look-up goes through."""
REMEMBERED: Final = 10_000
"""Look-ups that are remembered of one connection."""

_Held = TypeVar("_Held", bound=Sized)
_Value = TypeVar("_Value")


class Asked:
    """A query made once, for both kinds of connections.

    Args:
        statement: The query; its parameters are named.
    """

    def __init__(self, statement: Select[Any] | CompoundSelect[Any]) -> None:
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


class Remembered(Generic[_Held]):
    """What each connection of SQLite has read since anybody else last committed.

    SQLite says for a connection whether that was so; its number means nothing to another connection, so that each one
    has its own memory, and is held here lest another be taken for it.

    Args:
        made: Begins the memory of a connection.
        kept: At how many entries a memory is begun anew.
    """

    def __init__(self, made: Callable[[sqlite3.Connection], _Held], *, kept: int = REMEMBERED) -> None:
        self._made = made
        self._kept = kept
        self._seen: dict[int, tuple[sqlite3.Connection, int, _Held]] = {}

    def of(self, connection: sqlite3.Connection) -> _Held:
        """The memory of a connection, empty where somebody has committed."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        seen = self._seen.get(id(connection))
        if seen is not None and seen[1] == version and seen[0] is connection and len(seen[2]) < self._kept:
            return seen[2]
        held = self._made(connection)
        self._seen[id(connection)] = (connection, version, held)
        return held


def refused(error: Exception, where: object) -> StoreError:
    """What a database said when it was asked through a plain connection, as an error of ours."""
    hint = "Another process may hold the database; try again, or see state.url and state.directory"
    return StoreError(f"the state database refused: {error}", where=str(where), hint=hint)


def _empty(_connection: sqlite3.Connection) -> dict[Any, Any]:
    return {}


class Plain:
    """The open connections of one state.

    Args:
        state: Of a SQLite file.
        turn: Stands for a stretch of time in which `once` need not look again whether somebody has committed; a new
            object for every call, as by default, is no such stretch.
    """

    def __init__(self, state: State, turn: Callable[[], object] = object) -> None:
        self._state = state
        self._turn = turn
        self._looked: tuple[object, dict[Any, Any]] = (None, {})
        self._engine = state.engine
        self._free: list[sqlite3.Connection] = []
        self._closed = False
        self._remembered: Remembered[dict[Any, Any]] = Remembered(_empty)

    @contextmanager
    def moment(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment of the database.

        Raises:
            StoreError: The database cannot be read.
        """
        try:
            connection, home = self._taken()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                self._give_back(connection, home)
        except (sqlite3.Error, DBAPIError) as error:
            raise refused(error, self._state.where) from error

    def rows(self, asked: Asked, given: Mapping[str, Any] | None = None) -> list[Any]:
        """All rows of one query, which sees one moment without a transaction around it.

        Raises:
            StoreError: The database cannot be read.
        """
        try:
            connection, home = self._taken()
            try:
                return asked.rows(connection, given)
            finally:
                self._give_back(connection, home)
        except (sqlite3.Error, DBAPIError) as error:
            raise refused(error, self._state.where) from error

    def once(self, key: tuple[Any, ...], read: Callable[[sqlite3.Connection], _Value]) -> _Value:
        """What one statement finds, read again only where somebody has committed before this turn.

        Args:
            key: Tells the statement and what is given to it from all others that are asked this way.
            read: Runs it; whoever is given what it found changes nothing in it.

        Raises:
            StoreError: The database cannot be read.
        """
        turn, (looked, held) = self._turn(), self._looked
        if turn is looked and key in held:
            found: _Value = held[key]
            return found
        try:
            connection, home = self._taken(follow=turn is not looked)
            try:
                if turn is not looked:
                    held = self._remembered.of(connection)
                    self._looked = (turn, held)
                # What another connection reads is no older: its number then tells this one to begin anew.
                found = held[key] = held[key] if key in held else read(connection)
                return found
            finally:
                self._give_back(connection, home)
        except (sqlite3.Error, DBAPIError) as error:
            raise refused(error, self._state.where) from error

    def close(self) -> None:
        """Closes the connections; those in use when they are given back."""
        self._closed = True
        while self._free:
            self._free.pop().close()

    def _taken(self, *, follow: bool = True) -> tuple[sqlite3.Connection, list[sqlite3.Connection]]:
        """A connection, and the list that it goes back to."""
        if follow:
            self._state.follow()
        if self._state.engine is not self._engine:
            self._leave()
        home = self._free
        try:
            return home.pop(), home
        except IndexError:
            return self._opened(), home

    def _leave(self) -> None:
        """Another file lies there: what is open looks at one that is gone."""
        left, self._free, self._engine = self._free, [], self._state.engine
        self._remembered = Remembered(_empty)
        self._looked = (None, {})
        while left:
            left.pop().close()

    def _opened(self) -> sqlite3.Connection:
        lent = self._state.engine.raw_connection()
        found = lent.driver_connection
        lent.detach()  # ours alone from here on: the pool neither waits for it nor closes it
        assert isinstance(found, sqlite3.Connection)
        found.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
        return found

    def _give_back(self, connection: sqlite3.Connection, home: list[sqlite3.Connection]) -> None:
        if home is not self._free:
            connection.close()
            return
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
            raise
        self._free.append(connection)
        if self._closed:
            self.close()
