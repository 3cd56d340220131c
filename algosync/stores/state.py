"""The state database: opening it, its transactions, its errors.

SQLite in the state directory by default, any SQLAlchemy URL for several machines. What the tables mean belongs to
the rooms that use them; here is only how they are reached. A state opened without `create` never writes: it may read
while a worker writes, and leaves no file behind.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, event, insert, inspect, select, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from algosync.errors import StoreError
from algosync.stores.tables import SCHEMA_VERSION, meta, metadata

_BUSY_S = 30.0
_BUSY_STEP_S = 0.01
_LOCK = 7_411_020_531  # a number of our own for PostgreSQL's advisory locks


class State:
    """An open state database and the directory that holds the event log beside it.

    Args:
        engine: Where the tables are.
        directory: The state directory; relative paths in the tables start here.
        writable: Whether `write` is allowed.
        lock: The number by which PostgreSQL knows the writers that wait for each other.
    """

    def __init__(self, engine: Engine, directory: Path, *, writable: bool, lock: int = _LOCK) -> None:
        self.engine = engine
        self.directory = directory
        self.writable = writable
        self._lock = lock
        # A query may hold a password too.
        self.where = engine.url.set(query={}).render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one moment of the database.

        Raises:
            StoreError: The database cannot be read.
        """
        engine = self.engine
        if self.dialect == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with _translated(self.where), engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection whose work is committed as a whole, or not at all when the block raises.

        Writers wait for each other from the first statement on, on either database.

        Raises:
            StoreError: The state was opened for reading, or the database refused.
        """
        if not self.writable:
            raise StoreError("the state was opened for reading only", where=self.where)
        engine = self.engine.execution_options(algosync_write=True)
        with _translated(self.where), engine.begin() as connection:
            if self.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": self._lock})
            yield connection

    def follow(self) -> None:
        """Looks whether the database is still where it was opened; only `Followed` states ever move."""

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    def close(self) -> None:
        """Give back every connection; the last one to leave a SQLite file takes its -wal and -shm away."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """A set of tables that belong together.

    Attributes:
        file: The name of its SQLite file in the state directory.
        metadata: The tables.
        meta: The one of them that holds keys and values, among them the version as `schema`.
        version: The version of the tables that this program knows, and the name of the revision that leads to it.
            A writer brings tables of an earlier one up to it; see `stores.migrate`.
        lock: Books of other numbers have writers that do not wait for this one's, in PostgreSQL too.
    """

    file: str
    metadata: MetaData
    meta: Table
    version: int
    lock: int = _LOCK

    @property
    def name(self) -> str:
        """Tells it from other books, also in the folder of migrations."""
        return Path(self.file).stem

    def is_earlier(self, version: str | None) -> bool:
        """Whether tables of this version can be brought up to date."""
        return version in {str(earlier) for earlier in range(1, self.version)}


STATE = Book(file="state.sqlite", metadata=metadata, meta=meta, version=SCHEMA_VERSION)


def open_state(url: str, directory: Path, *, create: bool, book: Book = STATE, busy_s: float = _BUSY_S) -> State:
    """Open the state, or an empty one in memory where there is nothing and nothing may be made.

    Args:
        url: `sqlite` for the book's file in `directory`, else an SQLAlchemy URL.
        directory: The state directory; made with mode 0700 when `create` is set.
        create: Make what is missing and allow writing. Without it the state is for reading.
        book: The tables to open.
        busy_s: How long SQLite waits for a lock that another process holds.

    Raises:
        StoreError: The database cannot be reached, is of another version, or is no state of algosync.
    """
    if create:
        _make_directory(directory)
    path = directory / book.file if url == "sqlite" else _file_of(url)
    if path is not None and not create and not path.exists():
        return memory_state(directory, book)
    # What else the query of a URL asks for is the driver's business.
    engine = _engine(url) if path is None or "?" in url else _sqlite_file(path, create=create, busy_s=busy_s)
    return _opened(engine, directory, create=create, book=book)


def memory_state(directory: Path, book: Book = STATE) -> State:
    """Return an empty state in memory, gone when it is closed; it may be written to."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    _explicit_transactions(engine)
    state = State(engine, directory, writable=True)
    _create(state, book)
    return state


def _opened(engine: Engine, directory: Path, *, create: bool, book: Book) -> State:
    state = State(engine, directory, writable=create, lock=book.lock)
    try:
        version = _version(state, book)
        if version is None and not create:
            state.close()
            return memory_state(directory, book)
        older = book.is_earlier(version)
        if version is None or (older and create):
            _create(state, book)
            version = _version(state, book)
        if version != str(book.version):
            raise StoreError(
                f"the state has schema version {version}, this program knows {book.version}",
                where=state.where,
                hint="Run `algosync sync`, which brings it up to date"
                if older
                else "Use the version of algosync that made it, or point state.directory or state.url elsewhere",
            )
    except BaseException:
        state.close()
        raise
    return state


def _version(state: State, book: Book) -> str | None:
    with state.read() as connection:
        return _version_seen(connection, book)


def _version_seen(connection: Connection, book: Book) -> str | None:
    if not inspect(connection).has_table(book.meta.name):
        return None
    return connection.scalar(select(book.meta.c.value).where(book.meta.c.key == "schema"))


def _create(state: State, book: Book) -> None:
    """Makes the tables, or brings them up to date, unless another has done it meanwhile."""
    with state.write() as connection:
        version = _version_seen(connection, book)
        if version is None:
            book.metadata.create_all(connection)
            connection.execute(insert(book.meta).values(key="schema", value=str(book.version)))
        elif book.is_earlier(version):
            from algosync.stores.migrate import migrate

            migrate(connection, book.name, version, str(book.version))
            connection.execute(update(book.meta).where(book.meta.c.key == "schema").values(value=str(book.version)))


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the state directory cannot be made: {error.strerror}", where=str(directory), hint="See state.directory"
        ) from error


def _file_of(url: str) -> Path | None:
    """The file that a URL of SQLite names; None for any other, and for one in memory."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return None
    name = parsed.database or ""
    if parsed.get_backend_name() != "sqlite" or name in {"", ":memory:"} or name.startswith("file:"):
        return None
    return Path(name)


def _sqlite_file(path: Path, *, create: bool, busy_s: float) -> Engine:
    # A log left behind by a crash is read where it lies: an ordinary connection would fold it in on closing.
    left_behind = path.with_name(path.name + "-wal")
    mode = "rw" if create or not _has_content(left_behind) else "ro"
    if create:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(f"the state cannot be opened: {error.strerror}", where=str(path)) from error
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=busy_s, check_same_thread=False)
        try:
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA synchronous=FULL")  # what was committed is on the disk
            if create:
                _write_ahead(connection, busy_s)
            else:
                connection.execute("PRAGMA query_only=ON")
        except BaseException:
            connection.close()
            raise
        return connection

    # The URL only names the file in messages; `creator` connects.
    engine = create_engine(URL.create("sqlite", database=str(path)), creator=connect, hide_parameters=True)
    _explicit_transactions(engine)
    return engine


def _write_ahead(connection: sqlite3.Connection, busy_s: float) -> None:
    """Sets the journal mode, waiting for who else opens a new file: SQLite's own timeout knows no wait for a writer."""
    until = monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() >= until:
                raise
            sleep(_BUSY_STEP_S)
        else:
            return


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:  # also where the last writer takes it away at this moment
        return False


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
            raise StoreError(
                f"{parsed.get_backend_name()} is not supported",
                where="state.url",
                hint="Allowed: sqlite, postgresql+psycopg://",
            )
        engine = create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        hint = "Allowed: sqlite, or postgresql+psycopg:// with the extra algosync[postgresql] installed"
        raise StoreError(f"the address is not usable: {type(error).__name__}", where="state.url", hint=hint) from None
    if engine.dialect.name == "sqlite":
        _explicit_transactions(engine)
    return engine


def _explicit_transactions(engine: Engine) -> None:
    """Let BEGIN be said by us: Python's driver begins late, and never before DDL or SELECT."""

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("algosync_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()
        what = said[0] if said else type(error).__name__
        raise StoreError(f"the state database refused: {what}", where=where, hint=_hint(what)) from error


def _hint(what: str) -> str:
    if "locked" in what:
        return "Another process holds the database; try again when it has finished"
    if "not a database" in what or "malformed" in what:
        return "The file is damaged or not algosync's; restore it from a backup or point state.directory elsewhere"
    return "See state.url and state.directory"
