"""Answers from the stores: the snapshot of the last run, opened for reading, and the inbox.

Every answer is made within one short transaction of the snapshot, so that it is of one generation. A snapshot that is
not there yet, or was put in the place of another, is opened when it is asked for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final

import structlog

from algosync.errors import RequestError, StoreError
from algosync.experience.answer import answer
from algosync.experience.question import Known, Question
from algosync.experience.shop import ShopAnswers
from algosync.serve.desk import Condition, Person
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.plain import Plain
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.stores.state import State, open_state
from algosync.stores.view import Kept, View

READ_BUSY_S: Final = 0.1
"""How long a look-up waits for a lock: it keeps every other request waiting."""
WRITE_BUSY_S: Final = 5.0
SPARE_BYTES: Final = 16 * 1024 * 1024
"""Less than this left on the disk, and the inbox is as good as full."""

_Identity = tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the stores are.

    Attributes:
        url: `sqlite`, or the URL of a database.
        directory: The state directory.
    """

    url: str
    directory: Path


class _Opened:
    """One snapshot, open: a plain connection for SQLite, SQLAlchemy's for others."""

    def __init__(self, state: State, identity: _Identity) -> None:
        self._state = state
        self.identity = identity
        self._kept = Kept()
        self._plain = Plain(state) if identity is not None else None
        self.views = Snapshot(state).view if self._plain is None else partial(self._view, self._plain)

    @contextmanager
    def _view(self, plain: Plain) -> Iterator[View]:
        with plain.moment() as connection:
            yield View(connection, self._kept)

    def close(self) -> None:
        if self._plain is not None:
            self._plain.close()
        self._state.close()


class Snapshots:
    """The snapshot, whichever lies there now.

    Args:
        place: Where it is.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = Lock()
        self._opened: _Opened | None = None

    @contextmanager
    def view(self) -> Iterator[View]:
        """One moment of it.

        Raises:
            RequestError: There is none yet.
            StoreError: It cannot be read, or is of another version.
        """
        with self._current().views() as view:
            if not view.generation:
                raise _missing()
            yield view

    def close(self) -> None:
        """Gives the database back."""
        with self._lock:
            self._leave()

    def _current(self) -> _Opened:
        identity = self._on_disk()
        opened = self._opened
        if opened is not None and opened.identity == identity:
            return opened
        with self._lock:
            if self._opened is None or self._opened.identity != identity:
                self._leave()
                self._opened = self._open(identity)
            return self._opened

    def _open(self, identity: _Identity) -> _Opened:
        place = self._place
        state = open_state(place.url, place.directory, create=False, book=SNAPSHOT, busy_s=READ_BUSY_S)
        if state.writable:  # an empty one in memory: nothing is there
            state.close()
            raise _missing()
        return _Opened(state, identity)

    def _on_disk(self) -> _Identity:
        if self._place.url != "sqlite":
            return None
        try:
            found = (self._place.directory / SNAPSHOT.file).stat()
        except OSError:
            raise _missing() from None
        return found.st_dev, found.st_ino

    def _leave(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._opened = None


class Stored:
    """The desk over snapshot and inbox.

    Args:
        place: Where they are.
        shop: What the shop decided.
        inbox: Opened for writing.
    """

    def __init__(self, place: Place, shop: ShopAnswers, inbox: State) -> None:
        self._place = place
        self._shop = shop
        self._inbox_state = inbox
        self._plain = Plain(inbox) if place.url == "sqlite" else None
        self._inbox = Inbox(inbox, self._plain)
        self._snapshots = Snapshots(place)
        self._counts_impressions = any(action.cap is not None for action in shop.actions.items)

    @property
    def waits(self) -> bool:
        """Whether the stores are on another machine."""
        return self._place.url != "sqlite"

    def answer(self, question: Question, allow: Callable[[Person | None], None], *, now: datetime) -> Mapping[str, Any]:
        """The document of an answer, all of one generation.

        Raises:
            RequestError: There is no snapshot yet.
            StoreError: Nothing can be read now.
            AccessError: What `allow` raised.
        """
        with self._snapshots.view() as view:
            person = view.person(question.user_token)
            allow(person)
            return answer(
                question, self._known(view, question.user_token, person), self._shop, view, now=now
            ).document()

    def _known(self, view: View, token: str, person: Person | None) -> Known:
        """What is known of somebody; without her choice of consent there is no answer, so an error is not caught."""
        tokens = {token} if person is None else {token, *view.tokens_of(person["person"])}
        choice = self._inbox.choice(tokens)
        return Known(
            person=person,
            choice=None if choice is None else choice.consent,
            impressions=self._inbox.impressions(tokens) if self._counts_impressions else {},
        )

    def person(self, token: str) -> Person | None:
        """The stored document of the person that a token belongs to; None also where there is no snapshot yet."""
        try:
            with self._snapshots.view() as view:
                return view.person(token)
        except RequestError:
            return None

    def tokens_of(self, token: str) -> frozenset[str]:
        """Every token of the person that one belongs to, as far as the snapshot can be read."""
        try:
            with self._snapshots.view() as view:
                person = view.person(token)
                return frozenset({token}) | (frozenset() if person is None else view.tokens_of(person["person"]))
        except (RequestError, StoreError):
            return frozenset({token})

    def check(self) -> None:
        """Looks whether the stores can be used, before anybody asks; a snapshot may be missing still.

        Raises:
            StoreError: The snapshot is of another version, or cannot be read.
        """
        try:
            with self._snapshots.view():
                return
        except RequestError:
            return

    def condition(self) -> Condition:
        """How the stores are."""
        problems = [*self._inbox_problems()]
        try:
            with self._snapshots.view() as view:
                return Condition(generation=view.generation, as_of=view.as_of, problems=tuple(problems))
        except RequestError as error:
            problems.append(f"{error.what}: {error.hint}")
        except StoreError as error:
            problems.append("the snapshot cannot be read; see the server's log")
            structlog.get_logger("algosync.serve").error("the snapshot cannot be read", error=str(error))
        return Condition(problems=tuple(problems))

    def _inbox_problems(self) -> Iterator[str]:
        try:
            with self._inbox_state.write():
                pass
        except StoreError as error:
            structlog.get_logger("algosync.serve").error("the inbox cannot be written", error=str(error))
            yield "the inbox cannot be written; see the server's log"
            return
        if not self.waits and shutil.disk_usage(self._place.directory).free < SPARE_BYTES:
            yield "the disk of the inbox is full"

    def close(self) -> None:
        """Gives the snapshot back; the inbox belongs to who opened it."""
        if self._plain is not None:
            self._plain.close()
        self._snapshots.close()


@contextmanager
def open_inbox(place: Place) -> Iterator[State]:
    """The inbox for writing; made where there is none.

    Raises:
        StoreError: It cannot be opened.
    """
    with open_state(place.url, place.directory, create=True, book=INBOX, busy_s=WRITE_BUSY_S) as state:
        yield state


def _missing() -> RequestError:
    return RequestError(
        "there is no snapshot yet", where="state", hint="Run `algosync sync`", retry_after_s=5, status=503
    )
