"""Databases of every earlier version come up to date, whole or not at all, and lose nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest
from sqlalchemy import Engine, MetaData, String, event, inspect, select, text

from algosync.errors import StoreError
from algosync.stores.inbox import INBOX
from algosync.stores.migrate import line
from algosync.stores.snapshot import SNAPSHOT
from algosync.stores.state import STATE, open_state

from .earlier import ADDED, make, unopened

BOOKS = {book.name: book for book in (STATE, SNAPSHOT, INBOX)}
VERSIONS = [(name, version) for name, added in ADDED.items() for version in range(1, len(added) + 1)]
OLD = [(name, version) for name, version in VERSIONS if version < BOOKS[name].version]


def _schema(connection):
    """All that tells one set of tables from another, but for the order in which they were made."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_master"))
        return {tuple(" ".join((column or "").split()) for column in row) for row in rows}
    look = inspect(connection)
    columns = {
        name: [(column["name"], str(column["type"]), column["nullable"], column["default"]) for column in found]
        for name, found in look.get_multi_columns().items()
    }
    named = [
        {name: sorted(found, key=lambda one: one["name"]) for name, found in several.items()}
        for several in (look.get_multi_indexes(), look.get_multi_unique_constraints())
    ]
    return columns, look.get_multi_pk_constraint(), named


def _rows(connection):
    tables = MetaData()
    tables.reflect(connection)
    return {name: [tuple(row) for row in connection.execute(select(table))] for name, table in tables.tables.items()}


def _fill(connection):
    """Two rows in every table, but for the one that holds the version."""
    tables = MetaData()
    tables.reflect(connection)
    for table in tables.tables.values():
        if "key" not in table.c:
            for number in (1, 2):
                row = {}
                for column in table.c:
                    kind = column.type.python_type
                    row[column.name] = f"{column.name}-{number}" if isinstance(column.type, String) else kind(number)
                connection.execute(table.insert().values(row))


@pytest.fixture
def fresh(state_url, tmp_path, request):
    """The schema that an empty database of a book is given."""

    def of(book):
        url = "sqlite" if state_url == "sqlite" else request.getfixturevalue("new_postgresql_url")()
        open_state(url, tmp_path / "fresh", create=True, book=book).close()
        with unopened(url, tmp_path / "fresh", book) as connection:
            return _schema(connection)

    return of


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_every_earlier_version_becomes_what_a_fresh_database_is_and_keeps_its_rows(
    state_url, tmp_path, fresh, name, version
):
    book, place = BOOKS[name], tmp_path / "state"
    with unopened(state_url, place, book) as connection:
        make(connection, book, version)
        _fill(connection)
        before = _rows(connection)
    open_state(state_url, place, create=True, book=book).close()
    with unopened(state_url, place, book) as connection:
        assert _schema(connection) == fresh(book)
        after = _rows(connection)
    version_kept = after[book.meta.name], before.pop(book.meta.name)
    assert version_kept == ([("schema", str(book.version))], [("schema", str(version))])
    assert {table: after[table] for table in before} == before
    assert all(after[table] == [] for table in after.keys() - before.keys() - {book.meta.name})
    with open_state(state_url, place, create=True, book=book) as state, state.write() as connection:
        _rows(connection)
    open_state(state_url, place, create=False, book=book).close()


@pytest.mark.parametrize(("name", "version"), OLD)
def test_a_reader_refuses_an_earlier_version_and_says_who_brings_it_up_to_date(state_url, tmp_path, name, version):
    book = BOOKS[name]
    with unopened(state_url, tmp_path / "state", book) as connection:
        make(connection, book, version)
        before = _schema(connection), _rows(connection)
    with pytest.raises(StoreError, match=f"version {version}, this program knows {book.version}.*algosync sync"):
        open_state(state_url, tmp_path / "state", create=False, book=book)
    with unopened(state_url, tmp_path / "state", book) as connection:
        assert (_schema(connection), _rows(connection)) == before


@pytest.mark.parametrize("name", sorted({name for name, _ in OLD}))
def test_what_breaks_off_anywhere_leaves_the_earlier_version(state_url, tmp_path, name):
    book, place = BOOKS[name], tmp_path / "state"
    with unopened(state_url, place, book) as connection:
        make(connection, book, 1)
        _fill(connection)
        before = _schema(connection), _rows(connection)
    seen: list[str] = []
    allowed = 0

    def break_off(_connection, _cursor, statement, *_rest):
        if statement.lstrip().startswith(("CREATE", "UPDATE")):
            seen.append(statement)
            if len(seen) > allowed:
                raise RuntimeError("broke off")

    event.listen(Engine, "after_cursor_execute", break_off)
    try:
        while True:
            seen.clear()
            try:
                open_state(state_url, place, create=True, book=book).close()
                break
            except RuntimeError:
                allowed += 1
            with unopened(state_url, place, book) as connection:
                assert (_schema(connection), _rows(connection)) == before
    finally:
        event.remove(Engine, "after_cursor_execute", break_off)
    assert allowed > 1
    with open_state(state_url, place, create=False, book=book) as state, state.read() as connection:
        assert connection.scalar(select(book.meta.c.value)) == str(book.version)


KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from algosync.stores.snapshot import SNAPSHOT
from algosync.stores.state import STATE, open_state

url, place, book, last = sys.argv[1:]

@event.listens_for(Engine, "after_cursor_execute")
def kill(_connection, _cursor, statement, *_rest):
    if last in statement:
        os.kill(os.getpid(), signal.SIGKILL)

open_state(url, Path(place), create=True, book={"state": STATE, "snapshot": SNAPSHOT}[book])
"""


@pytest.mark.parametrize(
    ("name", "last"),
    [("state", "CREATE TABLE jobs"), ("state", "UPDATE meta"), ("snapshot", "CREATE INDEX standings_owner")],
)
def test_a_process_killed_in_the_midst_leaves_the_earlier_version(state_url, tmp_path, name, last):
    book, place = BOOKS[name], tmp_path / "state"
    with unopened(state_url, place, book) as connection:
        make(connection, book, 1)
        before = _schema(connection), _rows(connection)
    done = subprocess.run([sys.executable, "-c", KILLED, state_url, place, name, last], check=False)
    assert done.returncode == -signal.SIGKILL
    with unopened(state_url, place, book) as connection:
        assert (_schema(connection), _rows(connection)) == before
    open_state(state_url, place, create=True, book=book).close()
    open_state(state_url, place, create=False, book=book).close()


def test_two_who_open_at_once_bring_it_up_to_date_once(state_url, tmp_path, fresh):
    with unopened(state_url, tmp_path / "state", STATE) as connection:
        make(connection, STATE, 1)
    begin, failed = threading.Barrier(4), []

    def opened() -> None:
        begin.wait()
        try:
            open_state(state_url, tmp_path / "state", create=True).close()
        except StoreError as error:
            failed.append(error)

    threads = [threading.Thread(target=opened) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with unopened(state_url, tmp_path / "state", STATE) as connection:
        assert _schema(connection) == fresh(STATE)


def test_books_of_one_server_move_apart_from_each_other(postgresql_url, tmp_path):
    with unopened(postgresql_url, tmp_path, STATE) as connection:
        for book in BOOKS.values():
            make(connection, book, 1)
    open_state(postgresql_url, tmp_path, create=True, book=SNAPSHOT).close()
    open_state(postgresql_url, tmp_path, create=False, book=SNAPSHOT).close()
    with pytest.raises(StoreError, match="schema version 1"):
        open_state(postgresql_url, tmp_path, create=False, book=STATE)


@pytest.mark.parametrize("book", [book for book in BOOKS.values() if book.version > 1], ids=lambda book: book.name)
def test_each_book_has_one_line_of_revisions_that_ends_at_its_version(book):
    scripts = line(book.name)
    found = [script.revision for script in scripts.iterate_revisions(scripts.get_heads(), "base")]
    assert found == [str(version) for version in range(book.version, 1, -1)]


def test_where_nothing_is_due_alembic_is_not_loaded(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom algosync.stores.state import open_state\n"
        "for create in (True, True, False):\n"
        "    open_state('sqlite', Path(sys.argv[1]), create=create).close()\n"
        "print('alembic' in sys.modules, 'mako' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
