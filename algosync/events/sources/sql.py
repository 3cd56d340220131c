"""Events from any database that SQLAlchemy speaks to: a table or a query, read onwards along one column.

The cursor is the last value seen together with digests of the rows that had it. The next run asks for that value and
everything after it and passes over those rows, so that rows which share a value are neither lost nor doubled, whatever
order the database gives them in. A row that is committed late with a value already passed is found only by `lookback`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import orjson
import pyarrow as pa
import structlog

from algosync.errors import ConfigError, SourceError
from algosync.events.sources import arrays
from algosync.events.sources.base import RawBatch
from algosync.events.sources.marks import digest
from algosync.events.sources.times import earlier

_log = structlog.get_logger(__name__)

_VERSION: Final = 1
_SECRET_NAME: Final = re.compile(r"pass|pwd|secret|token|key", re.IGNORECASE)
_SECRET_WITHIN: Final = re.compile(r"(?:pwd|password)=([^;]+)", re.IGNORECASE)
_SEEN_MAX: Final = 10_000
"""The most digests a cursor holds; beyond, all rows of the last value are read again and the log drops them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlSource:
    """A table or a query.

    Args:
        name: The source's name.
        url: A URL of SQLAlchemy.
        table: The table, with its schema before a dot; or
        query: a SELECT without ORDER BY.
        cursor_column: A column whose values only grow: a number, a text or a time. Rows where it is null are left out
            with a warning.
        batch_rows: The most rows of a batch.
        lookback: How far behind the last value to read again, for a column of dates or times; the log knows the rows
            it has.

    Raises:
        ConfigError: Not exactly one of table and query, or the URL is none.
    """

    name: str
    url: str = field(repr=False)
    cursor_column: str
    table: str | None = None
    query: str | None = field(default=None, repr=False)
    batch_rows: int = 250_000
    lookback: timedelta | None = None

    def __post_init__(self) -> None:
        if (self.table is None) == (self.query is None):
            raise ConfigError("needs either table or query", where=f"source {self.name}", hint="Set one of them")
        if self.batch_rows < 1:
            raise ConfigError("batch_rows is below 1", where=f"source {self.name}", hint="Leave it out")

    def batches(self, cursor: str | None) -> Iterator[RawBatch]:
        """Yield the rows from `cursor` on, ordered by the cursor column.

        A position is `name:column=value#n`, n counting the rows of one value in the order they came.

        Raises:
            SourceError: The database cannot be reached or refuses, or goes away; batches yielded before hold.
        """
        reading = _Reading(self, _State.load(cursor, where=f"source {self.name}"))
        for names, rows in _stream(self, reading.state):
            if batch := reading.batch(names, rows):
                yield batch


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Where reading stands: the last value, how many rows had it, and digests of them (null where too many)."""

    value: Any = None
    count: int = 0
    seen: tuple[str, ...] | None = ()

    @classmethod
    def load(cls, cursor: str | None, *, where: str) -> _State:
        if cursor is None:
            return cls()
        try:
            document = orjson.loads(cursor)
            seen = document["seen"]
            value = _READ[document["type"]](document["value"])
            return cls(value=value, count=document["count"], seen=None if seen is None else tuple(seen))
        except (ValueError, KeyError, TypeError, ArithmeticError):
            hint = "Was another kind of source of this name read before? Give this one a new name"
            raise SourceError("the stored cursor is not one of an SQL source", where=where, hint=hint) from None

    def dump(self) -> str:
        kind = type(self.value).__name__
        value = self.value if kind in ("int", "float", "str") else str(self.value)
        seen = None if self.seen is None or len(self.seen) > _SEEN_MAX else sorted(self.seen)
        document = {"version": _VERSION, "type": kind, "value": value, "count": self.count, "seen": seen}
        return orjson.dumps(document).decode()


_READ: Final[dict[str, Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "Decimal": Decimal,
}


class _Reading:
    """One run over the rows, in their order."""

    def __init__(self, source: SqlSource, state: _State) -> None:
        self._source = source
        # A lookback reads the last value's rows again: their digests are gathered anew.
        self.state = replace(state, seen=()) if source.lookback else state
        again = source.lookback or state.seen is None
        self._known = Counter() if again else Counter(state.seen)
        self._count = 0 if again else state.count
        self._value = state.value

    def batch(self, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> RawBatch | None:
        """Return what is new among rows; None where nothing is."""
        place = self._place(names)
        fresh = [row for row in rows if not self._is_known(row, row[place])]
        if not fresh:
            return None
        positions = [self._position(row[place]) for row in fresh]
        self._advance(fresh, place)
        columns = zip(*fresh, strict=True)
        return RawBatch(
            table=pa.table({name: arrays.column(values) for name, values in zip(names, columns, strict=True)}),
            positions=pa.array(positions, pa.string()),
            bad=(),
            cursor=self.state.dump(),
        )

    def _is_known(self, row: tuple[Any, ...], value: Any) -> bool:
        if not self._known or value != self.state.value:
            return False
        made = _digest(row)
        if self._known[made] <= 0:
            return False
        self._known[made] -= 1
        return True

    def _position(self, value: Any) -> str:
        if self._value != value:
            self._value, self._count = value, 0
        self._count += 1
        return f"{self._source.name}:{self._source.cursor_column}={value}#{self._count}"

    def _advance(self, rows: Sequence[tuple[Any, ...]], place: int) -> None:
        last = rows[-1][place]
        if type(last).__name__ not in _READ:
            raise SourceError(
                f"{self._source.cursor_column} is a {type(last).__name__}",
                where=f"source {self._source.name}",
                hint="A cursor column holds whole numbers, texts or times",
            )
        if self._behind(last):
            return
        made = [_digest(row) for row in rows if row[place] == last]
        same = last == self.state.value
        seen = self.state.seen if same else ()
        self.state = _State(
            value=last,
            count=self._count,
            seen=None if seen is None or len(seen) + len(made) > _SEEN_MAX else (*seen, *made),
        )

    def _behind(self, last: Any) -> bool:
        """Whether a batch of a lookback ends before what was read already."""
        return self._source.lookback is not None and self.state.value is not None and last < self.state.value

    def _place(self, names: tuple[str, ...]) -> int:
        where = f"source {self._source.name}"
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            hint = "Give each column of the query a name of its own"
            raise SourceError(f"columns with one name: {', '.join(twice)}", where=where, hint=hint)
        if self._source.cursor_column not in names:
            there = f"There are {', '.join(names)}"
            raise SourceError(f"there is no column {self._source.cursor_column}", where=where, hint=there)
        return names.index(self._source.cursor_column)


def _digest(row: tuple[Any, ...]) -> str:
    return digest(arrays.dumps(list(row)).encode())


def _stream(source: SqlSource, state: _State) -> Iterator[tuple[tuple[str, ...], Sequence[tuple[Any, ...]]]]:
    import sqlalchemy as sa

    with _asking(source):
        engine = sa.create_engine(source.url, poolclass=sa.pool.NullPool)
        connection = engine.connect()
    try:
        with _asking(source):
            _warn_of_nulls(source, connection)
            streamed = connection.execution_options(stream_results=True, max_row_buffer=source.batch_rows)
            result = streamed.execute(_select(source, state))
            names = tuple(result.keys())
        while True:
            with _asking(source):
                rows = result.fetchmany(source.batch_rows)
            if not rows:
                return
            yield names, [tuple(row) for row in rows]
    finally:
        with _asking(source):
            connection.close()


def _select(source: SqlSource, state: _State) -> Any:
    import sqlalchemy as sa

    column: Any = sa.column(source.cursor_column)
    statement = sa.select(sa.text("*")).select_from(_relation(source)).order_by(column)
    if state.value is None:
        return statement.where(column.is_not(None))
    return statement.where(column >= _since(source, state.value))


def _relation(source: SqlSource) -> Any:
    import sqlalchemy as sa

    if source.query is not None:
        text = re.sub(r"(?<!\\):", r"\\:", source.query.strip().rstrip(";"))
        return sa.text(text).columns(sa.column(source.cursor_column)).subquery("events")
    assert source.table is not None
    schema, _, name = source.table.rpartition(".")
    return sa.table(name, sa.column(source.cursor_column), schema=schema or None)


def _since(source: SqlSource, value: Any) -> Any:
    if source.lookback is None or not source.lookback:
        return value
    if isinstance(value, date):
        return value - source.lookback
    if isinstance(value, str):
        try:
            return earlier(value, source.lookback)
        except ValueError:
            pass
    raise ConfigError(
        f"lookback needs a column of times, {source.cursor_column} holds {value!r}",
        where=f"source {source.name}",
        hint="Leave lookback out or name another cursor_column",
    )


def _warn_of_nulls(source: SqlSource, connection: Any) -> None:
    import sqlalchemy as sa

    column: Any = sa.column(source.cursor_column)
    statement = sa.select(sa.func.count()).select_from(_relation(source)).where(column.is_(None))
    if count := connection.execute(statement).scalar():
        _log.warning("rows without a cursor value are not read", source=source.name, rows=count)


@contextmanager
def _asking(source: SqlSource) -> Iterator[None]:
    """Turn what a database or its driver says into a SourceError without a password."""
    import sqlalchemy as sa

    try:
        yield
    except sa.exc.ArgumentError:
        hint = "Write it as dialect+driver://user:password@host/database"
        raise ConfigError("the url is none that SQLAlchemy knows", where=f"source {source.name}", hint=hint) from None
    except ImportError as error:
        raise SourceError(
            f"the database's driver is not installed: {error}",
            where=f"source {source.name}",
            hint="Install it beside algosync, for PostgreSQL: pip install 'algosync[postgresql]'",
        ) from None
    except (sa.exc.SQLAlchemyError, OSError, UnicodeError, ValueError) as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        raise SourceError(
            f"the database refused or is gone: {_without_password(said, source.url)}",
            where=f"source {source.name}",
            hint="Check that it runs, the url, the rights and the names of table and columns; then run again",
        ) from None


def _without_password(said: str, url: str) -> str:
    import sqlalchemy as sa

    made = sa.engine.make_url(url)
    texts = [text for given in made.query.values() for text in ([given] if isinstance(given, str) else given)]
    named = [str(value) for name, value in made.query.items() if _SECRET_NAME.search(name)]
    within = [found for text in texts for found in _SECRET_WITHIN.findall(text)]
    query = url.partition("?")[2]
    for secret in (url, query, made.password, *named, *within, re.sub(r".*//[^/:]*:([^@]*)@.*", r"\1", url)):
        said = said.replace(str(secret), "***") if secret else said
    return said
