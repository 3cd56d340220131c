"""Folders for what goes with the process: spilled queries, the log of a dry run.

A process that is killed leaves its folder behind, which may be many GB; the next one that needs a folder removes it.
Who uses a folder holds a lock on it, which ends with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from types import TracebackType
from typing import Final, Self

_PREFIX: Final = "algosync-scratch-"
_NEW: Final = "algosync-new-"


class Scratch:
    """A folder of its own in the system's place for temporary files (TMPDIR); it goes when closed.

    Attributes:
        path: The folder.
    """

    def __init__(self) -> None:
        _sweep(Path(gettempdir()))
        with ExitStack() as stack:
            fresh = Path(mkdtemp(prefix=_NEW))
            stack.callback(shutil.rmtree, fresh, ignore_errors=True)
            self._lock = os.open(fresh, os.O_RDONLY)
            stack.callback(os.close, self._lock)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            # Under its name only once it is locked: nobody takes it for one that was left behind.
            self.path = fresh.rename(fresh.with_name(fresh.name.replace(_NEW, _PREFIX, 1)))
            stack.pop_all()

    def close(self) -> None:
        """Removes it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _sweep(place: Path) -> None:
    """Removes what processes left behind that were killed; what is another user's stays."""
    for left in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            lock = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                if os.fstat(lock).st_uid == os.getuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(lock)
