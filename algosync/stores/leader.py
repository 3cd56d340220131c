"""One process of several leads: a lock that its death gives back, and a look whether it is still ours.

On PostgreSQL a lock of a session, for workers on several machines: a connection of its own holds it for as long as it
lives, so there must be no pooler in between that lends sessions out by the transaction. On SQLite a locked file in the
state directory, for workers of one machine. What is done while leading is not decided here.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, Final, Protocol
from zlib import crc32

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from algosync.errors import BusyError, StoreError
from algosync.stores.state import State

TRIES_EVERY_S: Final = 0.2
"""How long after a leader's lock is free another may still wait for it."""
NOTICED_AFTER_S: Final = 25
"""How long a leader's machine may be silent until PostgreSQL gives its lock to another."""

_OURS: Final = 7_411  # of the pair of numbers by which PostgreSQL knows a lock; the other one is of its name
# A network that drops everything: the leader looks every 5 s and gives an answer 12 s, so that it knows before the
# server does, which last heard of it no longer than 5 s before the silence began.
_LOOKS_EVERY_S: Final = 5.0
_HERE: Final = {"keepalives_idle": 5, "keepalives_interval": 3, "tcp_user_timeout": 12_000}
_THERE: Final = {
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": NOTICED_AFTER_S * 1000,
}
_TAKE: Final = text("SELECT pg_try_advisory_lock(:ours, :name)")
_GIVE_BACK: Final = text("SELECT pg_advisory_unlock_all()")
_HELD: Final = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
    " AND classid = :ours AND objid = :name AND objsubid = 2)"
)


class Leadership:
    """That this process leads.

    Args:
        held: The lock.
        name: What is led.

    Attributes:
        lost: Set once it is known that another may lead: whatever is under way must end.
    """

    def __init__(self, held: _Lock, name: str) -> None:
        self.lost = Event()
        self._held = held
        self._name = name

    def check(self) -> None:
        """Looks whether this process still leads; to be asked before each step that only one may take.

        Raises:
            BusyError: It does not, and never will again under this leadership.
        """
        if not self.lost.is_set() and not self._held.stands():
            self.lost.set()
        if self.lost.is_set():
            hint = "What was under way is finished by the one who leads; start again to wait for one's turn"
            raise BusyError(f"this {self._name} leads no longer", where=self._held.where, hint=hint)


class _Lock(Protocol):
    where: str

    def take(self) -> bool:
        """Take it, unless another has it."""

    def stands(self) -> bool:
        """Whether it is still ours."""

    def watch(self, lost: Event) -> None:
        """From now on say when it is not, as soon as that can be known."""

    def release(self) -> None:
        """Give it back."""


@contextmanager
def leadership(
    state: State, directory: Path, *, name: str, wait_s: float = 0.0, stop: Event | None = None
) -> Iterator[Leadership]:
    """Lead for as long as the context lasts.

    Args:
        state: The state that leaders share.
        directory: The state directory, where the lock of a SQLite state lies.
        name: What is led; leaders of other names do not know each other.
        wait_s: How long to wait for one's turn, in seconds; `math.inf` waits for ever, through failures of the
            database too.
        stop: Ends the waiting once set.

    Raises:
        BusyError: Another leads.
        StoreError: The lock cannot be reached.
    """
    lock: _Lock = _Session(state, name) if state.dialect == "postgresql" else _File(directory / f"{name}.lock")
    try:
        _wait(lock, name, wait_s, stop or Event())
        led = Leadership(lock, name)
        lock.watch(led.lost)
        yield led
    finally:
        lock.release()


def _wait(lock: _Lock, name: str, wait_s: float, stop: Event) -> None:
    until = monotonic() + wait_s
    while True:
        failed: StoreError | None = None
        try:
            if lock.take():
                return
        except StoreError as error:
            failed = error
        left = until - monotonic()
        if left <= 0 or stop.wait(min(TRIES_EVERY_S, left)):
            hint = "One runs at a time; this one can take over when that one has ended"
            raise failed or BusyError(f"another {name} leads", where=lock.where, hint=hint)


class _File:
    """A locked file; the kernel gives the lock back when its process dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        try:
            self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        except OSError as error:
            self.release()
            hint = "See state.directory"
            raise StoreError(f"the lock cannot be taken: {error.strerror}", where=self.where, hint=hint) from error
        if not self.stands():  # somebody took the file away between the two steps
            self.release()
            return False
        return True

    def stands(self) -> bool:
        # Another file in its place can be locked by another leader.
        with suppress(OSError):
            return self._descriptor is not None and os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        return False

    def watch(self, lost: Event) -> None:
        """Nobody but whoever takes the file away can end it, and `stands` sees that."""

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _Session:
    """A lock of PostgreSQL that lives as long as a session does."""

    def __init__(self, state: State, name: str) -> None:
        self.where = state.where
        self._engine = create_engine(
            state.engine.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            connect_args={**_HERE, "connect_timeout": NOTICED_AFTER_S, "application_name": f"algosync {name}"},
        )
        self._number = {"ours": _OURS, "name": crc32(name.encode()) & 0x7FFF_FFFF}
        self._connection: Connection | None = None
        self._one_at_a_time = Lock()
        self._watching: tuple[Thread, socket.socket] | None = None

    def take(self) -> bool:
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
                for key, value in _THERE.items():
                    self._connection.exec_driver_sql(f"SET {key} = {value}")
            return bool(self._connection.scalar(_TAKE, self._number))
        except SQLAlchemyError as error:
            self._leave()
            what = f"the lock cannot be taken ({type(error).__name__})"
            raise StoreError(what, where=self.where, hint="See state.url") from error

    def stands(self) -> bool:
        with self._one_at_a_time, suppress(SQLAlchemyError):
            return self._connection is not None and bool(self._connection.scalar(_HELD, self._number))
        return False

    def watch(self, lost: Event) -> None:
        assert self._connection is not None
        driver: Any = self._connection.connection.driver_connection
        end, told = socket.socketpair()
        thread = Thread(target=self._look, args=(driver.fileno(), told, lost), name="leadership", daemon=True)
        self._watching = thread, end
        thread.start()

    def _look(self, session: int, told: socket.socket, lost: Event) -> None:
        """Wakes whenever the server says something: nothing is asked, so that can only be the end, or a notice."""
        with told, selectors.DefaultSelector() as either:
            either.register(session, selectors.EVENT_READ)
            either.register(told, selectors.EVENT_READ)
            while told not in [key.fileobj for key, _ in either.select(_LOOKS_EVERY_S)]:
                if not self.stands():
                    lost.set()
                    return

    def release(self) -> None:
        if self._watching is not None:
            thread, end = self._watching
            end.close()
            thread.join()
        if self._connection is not None:
            with suppress(SQLAlchemyError):  # a server notices a closed session some time after its client has gone on
                self._connection.execute(_GIVE_BACK)
        self._leave()
        self._engine.dispose()

    def _leave(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(SQLAlchemyError):
                connection.close()
