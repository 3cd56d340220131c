"""Keeps the files of the log where they are while somebody reads them, and lets them be removed only then.

Readers hold a shared lock on the log's folder from before they read the manifest, so that no file that it names goes
away under them; whoever removes files waits for them. The folder itself is locked: a reader leaves no file behind.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import stamina

from algosync.events.segments import FOLDER

WAIT_S: Final = 30.0


class ReadersError(Exception):
    """Somebody reads the log."""


@contextmanager
def reading(directory: Path) -> Iterator[None]:
    """The files of a state directory's log stay while this lasts."""
    handle = hold(directory)
    try:
        yield
    finally:
        release(handle)


def hold(directory: Path) -> int | None:
    """The same until `release` is called; None where there is no log yet."""
    try:
        handle = os.open(directory / FOLDER, os.O_RDONLY)
    except OSError:
        return None
    with suppress(OSError):  # a file system without locks has no second process either
        fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def release(handle: int | None) -> None:
    """Ends what `hold` began."""
    if handle is not None:
        os.close(handle)


@contextmanager
def alone(directory: Path, wait_s: float = WAIT_S) -> Iterator[bool]:
    """Nobody begins to read while this lasts; yields whether nobody did before, within some seconds."""
    try:
        handle = os.open(directory / FOLDER, os.O_RDONLY)
    except OSError:
        yield True
        return
    try:
        yield _locked(handle, wait_s)
    finally:
        os.close(handle)


def _locked(handle: int, wait_s: float) -> bool:
    if not wait_s:
        return _try(handle)
    try:
        for attempt in stamina.retry_context(
            on=ReadersError, attempts=None, timeout=wait_s, wait_initial=0.05, wait_max=0.5, wait_jitter=0.05
        ):
            with attempt:
                if not _try(handle):
                    raise ReadersError
    except ReadersError:
        return False
    return True


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # see `hold`
        return True
    return True
