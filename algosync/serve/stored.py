"""Answers from the stores: the snapshot of the last run, opened for reading, and the inbox.

Every answer is made within one short transaction of the snapshot, so that it is of one generation. A snapshot that is
not there yet, or was put in the place of another, is opened when it is asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final

import orjson
import structlog

from algosync.errors import RequestError, StoreError
from algosync.experience.answer_memory import Answers, Told
from algosync.experience.question import Question
from algosync.experience.shop import ShopAnswers
from algosync.serve.desk import Condition, Person
from algosync.serve.inbox_health import InboxWatch
from algosync.serve.turns import Turns
from algosync.serve.visitors import Allow, Visitors
from algosync.stores.followed import FileIdentity, Followed, file_identity
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.orders import OrdersAtHand
from algosync.stores.plain import Plain, refused
from algosync.stores.snapshot import SNAPSHOT
from algosync.stores.state import State, open_state
from algosync.stores.view import Kept, View

READ_BUSY_S: Final = 0.1
"""How long a look-up waits for a lock: it keeps every other request waiting."""
WRITE_BUSY_S: Final = 5.0
_LOOKS: Final = 3
_SURELY_KEPT: Final = timedelta(minutes=45)


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

    def __init__(self, state: State, identity: FileIdentity | None) -> None:
        self._state = state
        self.identity = identity
        self._kept = Kept()
        self._plain = Plain(state) if identity is not None else None
        self._moment: Callable[[], AbstractContextManager[Any]] = (
            state.read if self._plain is None else self._plain.moment
        )

    @contextmanager
    def view(self) -> Iterator[View]:
        with self._moment() as connection:
            view = View(connection, self._kept)
            if not view.generation:
                raise _missing()
            yield view

    def close(self) -> None:
        if self._plain is not None:
            self._plain.close()
        self._state.close()


class Snapshots:
    """The snapshot, whichever lies there now.

    Args:
        place: Where it is.
        turns: Of the loop whose questions may share a moment of it.
        another: Called when another file than before is opened, whose generations are others though they count alike.
    """

    def __init__(self, place: Place, turns: Turns | None = None, another: Callable[[], None] = lambda: None) -> None:
        self._place = place
        self._another = another
        self._file = place.directory / SNAPSHOT.file
        self._lock = Lock()
        self._opened: _Opened | None = None
        self._turns = turns
        self._shared: tuple[object, View, ExitStack] | None = None

    def view(self) -> AbstractContextManager[View]:
        """One moment of it.

        Raises:
            RequestError: There is none yet.
            StoreError: It cannot be read, or is of another version.
        """
        return self._current().view()

    def shared(self) -> View | None:
        """The moment of it that all share who ask in this turn of the loop; None for whoever asks from a thread.

        Raises:
            RequestError, StoreError: See `view`.
        """
        if self._turns is None:
            return None
        turn = self._turns.now()
        if self._shared is not None and self._shared[0] is turn:
            return self._shared[1]
        if not self._turns.at_end(self.part):
            return None
        with ExitStack() as stack:
            view = stack.enter_context(self.view())
            self.part()
            self._shared = turn, view, stack.pop_all()
            return view

    def part(self) -> None:
        """Ends what is shared."""
        shared, self._shared = self._shared, None
        if shared is not None:
            with suppress(StoreError):  # nothing was written
                shared[2].close()

    def close(self) -> None:
        """Gives the database back."""
        self.part()
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
                self._another()
                self._opened = self._open(identity)
            return self._opened

    def _open(self, identity: FileIdentity | None) -> _Opened:
        place = self._place
        state = open_state(place.url, place.directory, create=False, book=SNAPSHOT, busy_s=READ_BUSY_S)
        if state.writable:  # an empty one in memory: nothing is there
            state.close()
            raise _missing()
        return _Opened(state, identity)

    def _on_disk(self) -> FileIdentity | None:
        if self._place.url != "sqlite":
            return None
        found = file_identity(self._file)
        if found is None:
            raise _missing()
        return found

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
        turns = Turns()
        self._plain = Plain(inbox, turns.now) if place.url == "sqlite" else None
        self._inbox = Inbox(inbox, self._plain)
        self._snapshots = Snapshots(place, turns if place.url == "sqlite" else None, self._begin_anew)
        self._young: tuple[str, datetime | None] = ("", None)
        self._answers = Answers(shop)
        self._orders = OrdersAtHand(place.url, place.directory, turns.now)
        shown = any(action.cap is not None for action in shop.actions.items)
        self._visitors = Visitors(self._inbox, self._orders, shop.overlay, shown=shown)
        self._watch = InboxWatch(inbox, None if self.waits else place.directory)

    @property
    def waits(self) -> bool:
        """Whether the stores are on another machine."""
        return self._place.url != "sqlite"

    def answer(self, question: Question, allow: Allow, *, now: datetime) -> dict[str, Any]:
        """The document of an answer, all of one generation.

        Raises:
            RequestError: There is no snapshot yet.
            StoreError: Nothing can be read now.
            AccessError: What `allow` raised.
        """
        document: dict[str, Any] = orjson.loads(self.told(question, allow, now=now).json)
        return document

    def told(self, question: Question, allow: Allow, *, now: datetime) -> Told:
        """The same as JSON; the same object where the answer is the same as before.

        Raises:
            RequestError, StoreError, AccessError: See `answer`.
        """
        view = self._snapshots.shared()
        if view is not None and self._is_young(view, now):
            try:
                return self._told(view, question, allow, now)
            except (sqlite3.Error, StoreError) as error:
                self._snapshots.part()
                raise error if isinstance(error, StoreError) else refused(error, self._place.directory) from error
        looks = 0
        while True:
            looks += 1
            with self._snapshots.view() as view:
                told = self._told(view, question, allow, now)
                if looks == _LOOKS or self._is_young(view, now) or (still := view.still_holds()):
                    return told
                moment = _moment(view)
            # Whoever held one view while waiting for another would wait for ever where all of a pool's are held so.
            if still is None and self._now() == moment:
                return told

    def _told(self, view: View, question: Question, allow: Allow, now: datetime) -> Told:
        known = self._visitors.known(view, question.user_token, allow, now=now)
        return self._answers.told(question, known, view, now=now)

    def _is_young(self, view: View, now: datetime) -> bool:
        """Whether the inbox surely has what a snapshot lacks, so that nobody has to look whether a run came in between.

        The snapshot is read first, since it says which tokens are hers. A run drops events only when a snapshot that
        contains them is live, and only those that arrived two hours before: so where the run behind the snapshot is
        younger, whatever that snapshot lacks is still there.
        """
        as_of, until = self._young
        if as_of != view.as_of:
            as_of = view.as_of
            until = datetime.fromisoformat(as_of) + _SURELY_KEPT if as_of else None
            self._young = as_of, until
        return until is not None and now < until

    def _now(self) -> tuple[object, ...]:
        with self._snapshots.view() as view:
            return _moment(view)

    def person(self, token: str) -> Person | None:
        """The stored document of the person that a token belongs to; None also where there is no snapshot yet."""
        try:
            with self._snapshots.view() as view:
                return view.person(token)
        except RequestError:
            return None

    def tokens_of(self, token: str, *, now: datetime) -> frozenset[str]:
        """The tokens of whoever is at one of them now, as far as the snapshot can be read."""
        try:
            with self._snapshots.view() as view:
                return self._visitors.here(view, token, now=now)
        except (RequestError, StoreError):
            return frozenset({token})

    def _begin_anew(self) -> None:
        self._answers = Answers(self._shop)
        self._visitors.forget()

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
        problems = [*self._watch.problems()]
        try:
            with self._snapshots.view() as view:
                return Condition(generation=view.generation, as_of=view.as_of, problems=tuple(problems))
        except RequestError as error:
            problems.append(f"{error.what}: {error.hint}")
        except StoreError as error:
            problems.append("the snapshot cannot be read; see the server's log")
            structlog.get_logger("algosync.serve").error("the snapshot cannot be read", error=str(error))
        return Condition(problems=tuple(problems))

    def close(self) -> None:
        """Gives the snapshot back; the inbox belongs to who opened it."""
        if self._plain is not None:
            self._plain.close()
        self._orders.close()
        self._snapshots.close()


@contextmanager
def open_inbox(place: Place) -> Iterator[State]:
    """The inbox for writing; made where there is none.

    Raises:
        StoreError: It cannot be opened.
    """
    opened = partial(open_state, place.url, place.directory, create=True, book=INBOX, busy_s=WRITE_BUSY_S)
    with Followed(place.directory / INBOX.file, opened) if place.url == "sqlite" else opened() as state:
        yield state


def _missing() -> RequestError:
    return RequestError(
        "there is no snapshot yet", where="state", hint="Run `algosync sync`", retry_after_s=5, status=503
    )


def _moment(view: View) -> tuple[object, ...]:
    return view.generation, view.as_of, view.inbox()
