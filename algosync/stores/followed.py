"""A SQLite database that is followed by its name: a deleted file is made again, another in its place is opened.

An open file stays usable after it was deleted. Whoever keeps it open would go on writing what nobody will ever read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection

from algosync.errors import StoreError
from algosync.stores.state import State

FileIdentity = tuple[int, int]
"""Device and inode."""


class Followed(State):
    """A state of one file.

    Args:
        path: The file.
        opened: Opens it, and makes it where it is missing.

    Raises:
        StoreError: It cannot be opened.
    """

    def __init__(self, path: Path, opened: Callable[[], State]) -> None:
        first = opened()
        super().__init__(first.engine, first.directory, writable=first.writable)
        self._path = path
        self._reopened = opened
        self._following = Lock()
        self._identity = self._lying()

    def follow(self) -> None:
        """Opens what lies there now, where that is another file than before.

        Raises:
            StoreError: It cannot be opened.
        """
        if self._lying() == self._identity:
            return
        with self._following:
            if self._lying() == self._identity:
                return
            # SQLite leaves the log of a file alone that is not where it was when it was opened.
            self.engine.dispose()
            self.engine = self._reopened().engine
            self._identity = self._lying()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """See State."""
        self.follow()
        with super().read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """See State; what was committed to a file that is no longer there counts as refused."""
        self.follow()
        before = self._identity
        with super().write() as connection:
            yield connection
        if self._lying() != before:
            raise StoreError("the file was taken away while it was written to", where=self.where, hint="Send it again")

    def _lying(self) -> FileIdentity | None:
        return file_identity(self._path)


def file_identity(path: Path) -> FileIdentity | None:
    """What tells a file from another that comes to have its name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
