"""Brings the tables of an earlier version up to date, by Alembic's revisions of their book.

A revision bears the number of the version it leads to, which the book's own table of keys and values holds as
`schema`: Alembic keeps no table of its own, and whoever opens a database looks up one number. Each book has one line of
revisions, forward only, in a folder of `migrations` that is named for it. Imported only where one is due.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_FIRST: Final = "1"  # Alembic's base
_REVISIONS: Final = Path(__file__).with_name("migrations")
_ONE_AT_A_TIME: Final = Lock()  # alembic.op is one name for all threads


def migrate(connection: Connection, book: str, before: str, after: str) -> None:
    """Runs what leads from one version to a later one, within the caller's transaction.

    Args:
        connection: Has begun a transaction, in which nobody else writes.
        book: The name of the book.
        before: The version that the tables are of.
        after: The version that they shall be of.
    """
    lower = "base" if before == _FIRST else before
    due = reversed(list(line(book).iterate_revisions(after, lower)))
    with _ONE_AT_A_TIME, Operations.context(MigrationContext.configure(connection)):
        for script in due:
            script.module.upgrade()


def line(book: str) -> ScriptDirectory:
    """The revisions of a book, by its name."""
    return ScriptDirectory(_REVISIONS, version_locations=[_REVISIONS / f"of_{book}"])
