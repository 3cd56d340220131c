"""What the shop's people ordered for single visitors: to start a profile anew, to keep none at all, to lift that.

Kept in the state and never changed, one row per order and name: a rebuild heeds them like any other run, whatever the
sources of events are. A name is a customer id or a token; an order about a token holds for all that happens there.
What an order means for events is for profiles/identity.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal, get_args

from sqlalchemy import Connection, bindparam, func, insert, select

from algosync.stores.followed import FileIdentity, file_identity
from algosync.stores.plain import Asked, Plain
from algosync.stores.state import STATE, State, open_state
from algosync.stores.tables import orders

OrderKind = Literal["reset", "suppress", "lift"]
KINDS: Final[tuple[OrderKind, ...]] = get_args(OrderKind)

_BUSY_S: Final = 0.1
_LAST: Final = Asked(select(func.coalesce(func.max(orders.c.seq), 0), func.count()).select_from(orders))
_AFTER: Final = Asked(
    select(orders.c.seq, orders.c.person, orders.c.name, orders.c.kind, orders.c.at)
    .where(orders.c.seq > bindparam("after", type_=orders.c.seq.type))
    .order_by(orders.c.seq)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One order as it was given, for one of the names of a person; later ones have greater numbers."""

    seq: int
    person: str
    name: str
    kind: OrderKind
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What holds for one name.

    Attributes:
        suppressed: Nothing is kept or personalized.
        reset_at: Events up to and including this moment count for nothing but aggregates; None for no such moment.
        reset_seq: The number of that order; 0 without one.
    """

    suppressed: bool = False
    reset_at: datetime | None = None
    reset_seq: int = 0


NO_ORDER: Final = Order()


def standing(given: Iterable[Given], before: Mapping[str, Order] | None = None) -> dict[str, Order]:
    """What holds for each name after orders, in the order of their numbers, on top of what held before."""
    found = dict(before or {})
    for one in given:
        old = found.get(one.name, NO_ORDER)
        if one.kind == "reset":
            found[one.name] = Order(suppressed=old.suppressed, reset_at=one.at, reset_seq=one.seq)
        else:
            held = one.kind == "suppress"
            found[one.name] = Order(suppressed=held, reset_at=old.reset_at, reset_seq=old.reset_seq)
    return found


def give(state: State, kind: OrderKind, person: str, names: Iterable[str], at: datetime) -> None:
    """Keeps an order about a person, for each of her names, all or none.

    Raises:
        StoreError: Nothing was kept.
    """
    rows = [{"person": person, "name": name, "kind": kind, "at": at.isoformat()} for name in sorted({person, *names})]
    with state.write() as connection:
        connection.execute(insert(orders), rows)


def given(state: State, *, until: datetime | None = None) -> list[Given]:
    """Every order, in the order of their numbers; those up to a moment where one is named."""
    with state.read() as connection:
        found = _after(connection, 0)
    return [one for one in found if until is None or one.at <= until]


def _after(connection: Connection | Any, seq: int) -> list[Given]:
    return [
        Given(seq=number, person=person, name=name, kind=kind, at=datetime.fromisoformat(at))
        for number, person, name, kind, at in _AFTER.rows(connection, {"after": seq})
    ]


def _last(connection: Any) -> tuple[int, int]:
    """The last number, and how many orders there are: of somebody who is forgotten they are taken away."""
    last, number = _LAST.rows(connection)[0]
    return int(last), int(number)


class OrdersAtHand:
    """What holds for a name at this moment, for those who answer; kept in memory, read again where there is more.

    Args:
        url: `sqlite`, or the URL of a database.
        directory: The state directory.
        turn: Stands for a stretch of time in which one look is enough; see `stores.plain.Plain`.
    """

    def __init__(self, url: str, directory: Path, turn: Callable[[], object] = object) -> None:
        self._url = url
        self._turn = turn
        self._looked: object = None
        self._path = directory / STATE.file
        self._directory = directory
        self._lock = Lock()
        self._identity: FileIdentity | None = None
        self._state: State | None = None
        self._plain: Plain | None = None
        self._last = (0, 0)
        self._standing: Mapping[str, Order] = {}

    def of(self, name: str) -> Order:
        """What holds for a name; nothing where there is no state yet.

        Raises:
            StoreError: The state is of another version, or cannot be read.
        """
        return next(iter(self.of_any([name])), NO_ORDER)

    def of_any(self, names: Iterable[str]) -> list[Order]:
        """What holds for any of these names, of one moment.

        Raises:
            StoreError: See `of`.
        """
        if (turn := self._turn()) is not self._looked:
            self._refresh()
            self._looked = turn
        standing_now = self._standing
        return [standing_now[name] for name in names if name in standing_now] if standing_now else []

    def close(self) -> None:
        """Gives the database back."""
        with self._lock:
            self._leave()

    def _refresh(self) -> None:
        identity = self._on_disk()
        if self._state is None or identity != self._identity:
            with self._lock:
                if self._state is None or identity != self._identity:
                    self._open(identity)
        if self._state is None:
            return
        if self._plain is not None and self._plain.once(("last",), _last) == self._last:
            return
        with self._moment() as connection:
            last = _last(connection)
            if last == self._last:
                return
            fresh = _after(connection, 0)
        with self._lock:
            self._standing, self._last = standing(fresh), last

    def _open(self, identity: FileIdentity | None) -> None:
        self._leave()
        if self._url == "sqlite" and identity is None:
            return
        state = open_state(self._url, self._directory, create=False, busy_s=_BUSY_S)
        if state.writable:  # an empty one in memory: nothing is there
            state.close()
            return
        self._state, self._identity = state, identity
        self._plain = Plain(state) if self._url == "sqlite" else None

    def _on_disk(self) -> FileIdentity | None:
        return file_identity(self._path) if self._url == "sqlite" else None

    @contextmanager
    def _moment(self) -> Iterator[Any]:
        assert self._state is not None
        with self._state.read() if self._plain is None else self._plain.moment() as connection:
            yield connection

    def _leave(self) -> None:
        if self._plain is not None:
            self._plain.close()
        if self._state is not None:
            self._state.close()
        self._state, self._plain, self._identity = None, None, None
        self._last, self._standing = (0, 0), {}
