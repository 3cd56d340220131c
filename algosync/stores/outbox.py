"""What is to be told by webhook: each occurrence once for each receiver, under an id that never changes.

What is published in another database is written here first as `pending`, under the name of its batch; that name goes
into the other database in the one transaction that publishes. Once it is there, the batch is released; where it is
not, nothing happened, and nobody is told. A crash in between so neither loses an occurrence nor gives it another id.
Whom to ask and how is not decided here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from algosync.stores.state import State
from algosync.stores.tables import control, deliveries

Status = Literal["pending", "waiting", "delivered", "given_up", "withheld"]
"""Withheld: whom it is about may not be named any more; it names nobody since."""
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

_BATCH: Final = "publishing"
_RESTING: Final = "webhook:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One occurrence for one receiver.

    Attributes:
        occurrence: The id of what happened, the same for every receiver.
        target: The receiver's name.
        kind: What happened: failure, brake, entered:<segment>, left:<segment>, action:<id>.
        doc: What the receiver is told, as JSON.
        status: What became of it.
        tries: How often it was sent, or meant to be.
        due_at: When it is sent, at the earliest.
        created_at: When it was written.
        settled_at: When it was delivered, given up or withheld.
        error: What went wrong the last time.
    """

    occurrence: str
    target: str
    kind: str
    doc: Mapping[str, Any]
    created_at: datetime
    due_at: datetime
    status: Status = "waiting"
    tries: int = 0
    settled_at: datetime | None = None
    error: str | None = None

    @property
    def id(self) -> str:
        """Its own id: of the occurrence and the receiver."""
        return f"{self.occurrence}:{self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A receiver that is left alone for a while.

    Attributes:
        failures: How often in a row it could not be reached, or did not take what was sent.
        until: It is not asked before.
        error: What went wrong the last time.
    """

    failures: int
    until: datetime
    error: str


class Outbox:
    """The letters of one state.

    Args:
        state: The state.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._turn = Lock()  # SQLite by itself lets some of several threads wait for seconds

    def put(self, letters: Iterable[Letter]) -> None:
        """Keeps letters; those whose id is known already stay as they are.

        Raises:
            StoreError: None was kept.
        """
        rows = [_row(letter) for letter in letters]
        if rows:
            with self._turn, self._state.write() as connection:
                statement = _insert(connection, deliveries)
                connection.execute(statement.on_conflict_do_nothing(index_elements=["id"]), rows)

    def expect(self, batch: str, letters: Iterable[Letter], at: datetime) -> None:
        """Keeps letters that nobody is sent before `release` is told of their batch; forgets an earlier batch's.

        Args:
            batch: Its name; no other batch ever has the same.
            letters: The letters.
            at: Now.

        Raises:
            StoreError: None was kept.
        """
        rows = [_row(letter) | {"status": "pending"} for letter in letters]
        with self._turn, self._state.write() as connection:
            connection.execute(delete(deliveries).where(deliveries.c.status == "pending"))
            connection.execute(delete(control).where(control.c.key == _BATCH))
            if rows:
                connection.execute(deliveries.insert(), rows)
                _keep(connection, _BATCH, {"batch": batch}, at)

    def expects(self) -> bool:
        """Whether there is a batch that was not released."""
        with self._state.read() as connection:
            return _kept(connection, _BATCH) is not None

    def release(self, batch: str | None) -> int:
        """Has the letters of a batch sent, which is published by now; does nothing for any other than the last one.

        Returns:
            How many there are.
        """
        with self._state.read() as connection:
            if batch is None or _kept(connection, _BATCH) != {"batch": batch}:
                return 0
        with self._turn, self._state.write() as connection:
            if _kept(connection, _BATCH) != {"batch": batch}:
                return 0
            connection.execute(delete(control).where(control.c.key == _BATCH))
            pending = deliveries.c.status == "pending"
            return connection.execute(update(deliveries).where(pending).values(status="waiting")).rowcount

    def due(self, target: str, now: datetime, limit: int) -> list[Letter]:
        """What is to be sent to a receiver now: what was tried least often first, then what happened first."""
        c = deliveries.c
        query = select(deliveries).where(c.status == "waiting", c.target == target, c.due_at <= _text(now))
        return self._letters(query.order_by(c.tries, c.created_at, c.id).limit(limit))

    def claim(self, letter: Letter, until: datetime) -> bool:
        """Keeps others from sending a letter for a while, as long as nobody else did so; it counts as a try.

        Where this process dies meanwhile, the letter is due again after that while.
        """
        c = deliveries.c
        mine = (c.id == letter.id, c.status == "waiting", c.tries == letter.tries, c.due_at == _text(letter.due_at))
        with self._turn, self._state.write() as connection:
            taken = update(deliveries).where(*mine).values(tries=letter.tries + 1, due_at=_text(until))
            return connection.execute(taken).rowcount > 0

    def delivered(self, letter: Letter, at: datetime) -> None:
        """Settles a letter that its receiver took."""
        self._settle(letter, at, {"status": "delivered", "error": None})

    def give_up(self, letter: Letter, at: datetime, error: str) -> None:
        """Settles a letter that is not sent any more, unless somebody asks for it."""
        self._settle(letter, at, {"status": "given_up", "error": error})

    def withhold(self, letter: Letter, at: datetime, error: str) -> None:
        """Settles a letter about somebody who may not be named, and forgets whom it names."""
        self._settle(letter, at, {"status": "withheld", "error": error, "doc": "{}"})

    def postpone(self, letter: Letter, due_at: datetime, error: str) -> None:
        """Leaves a letter for later."""
        with self._turn, self._state.write() as connection:
            values = {"due_at": _text(due_at), "error": error}
            connection.execute(update(deliveries).where(deliveries.c.id == letter.id).values(values))

    def abandon(self, known: Collection[str], before: datetime, at: datetime) -> int:
        """Gives up what waits for receivers that are no longer there, where it was written before a moment."""
        error = "no webhook of this name is in the settings"
        return self._expire(deliveries.c.target.not_in(sorted(known)), before, at, error)

    def expire(self, target: str, before: datetime, at: datetime, error: str) -> int:
        """Gives up what waits for a receiver since before a moment."""
        return self._expire(deliveries.c.target == target, before, at, error)

    def _expire(self, which: ColumnElement[bool], before: datetime, at: datetime, error: str) -> int:
        c = deliveries.c
        old = (c.status == "waiting", c.created_at < _text(before), which)
        if not self._any(select(c.id).where(*old)):
            return 0
        values = {"status": "given_up", "settled_at": _text(at), "error": error}
        with self._turn, self._state.write() as connection:
            return connection.execute(update(deliveries).where(*old).values(values)).rowcount

    def forget(self, settled_before: datetime) -> int:
        """Forgets what was settled before a moment; but for actions, since their caps are counted by it."""
        c = deliveries.c
        old = (c.status.not_in(["pending", "waiting"]), c.settled_at < _text(settled_before), ~c.kind.like("action:%"))
        if not self._any(select(c.id).where(*old)):
            return 0
        with self._turn, self._state.write() as connection:
            return connection.execute(delete(deliveries).where(*old)).rowcount

    def retry(self, now: datetime, *, target: str | None = None, id: str | None = None) -> int:  # noqa: A002
        """Has letters sent again that were given up, all of them or some; and no receiver rests any more.

        Returns:
            How many.
        """
        c = deliveries.c
        which = [c.status == "given_up"]
        which += [] if target is None else [c.target == target]
        which += [] if id is None else [c.id.startswith(id, autoescape=True)]
        # Written as of now: the time after which it is given up begins anew.
        values = {"status": "waiting", "tries": 0, "due_at": _text(now), "created_at": _text(now), "settled_at": None}
        with self._turn, self._state.write() as connection:
            key = control.c.key
            awake = key.startswith(_RESTING, autoescape=True) if target is None else key == f"{_RESTING}{target}"
            connection.execute(delete(control).where(awake))
            return connection.execute(update(deliveries).where(*which).values(values)).rowcount

    def listed(
        self, *, statuses: Collection[Status] = (), target: str | None = None, limit: int | None = None
    ) -> list[Letter]:
        """Letters, the latest first."""
        c = deliveries.c
        query = select(deliveries)
        query = query.where(c.status.in_(sorted(statuses))) if statuses else query
        query = query if target is None else query.where(c.target == target)
        return self._letters(query.order_by(c.created_at.desc(), c.id).limit(limit))

    def oldest(self, target: str) -> datetime | None:
        """Since when the first of those letters waits that wait for a receiver; None where none does."""
        c = deliveries.c
        with self._state.read() as connection:
            query = select(func.min(c.created_at)).where(c.status == "waiting", c.target == target)
            found = connection.scalar(query)
        return None if found is None else datetime.fromisoformat(found)

    def of_kinds(self, kinds: Collection[str]) -> list[Letter]:
        """Letters of some kinds that were delivered or are still to be, the earliest first; of each occurrence one."""
        c = deliveries.c
        counted = (c.kind.in_(sorted(kinds)), c.status.in_(["waiting", "delivered"]))
        found = self._letters(select(deliveries).where(*counted).order_by(c.created_at, c.id))
        return list({letter.occurrence: letter for letter in found}.values())

    def counts(self) -> dict[str, dict[str, int]]:
        """How many letters there are, by receiver and status."""
        c = deliveries.c
        query = select(c.target, c.status, func.count().label("letters")).group_by(c.target, c.status)
        found: dict[str, dict[str, int]] = {}
        with self._state.read() as connection:
            for row in connection.execute(query.order_by(c.target, c.status)):
                found.setdefault(row.target, {})[row.status] = row.letters
        return found

    def rest(self, target: str) -> Rest | None:
        """Whether a receiver is left alone; the moment until then may have passed."""
        with self._state.read() as connection:
            kept = _kept(connection, f"{_RESTING}{target}")
        return None if kept is None else Rest(**{**kept, "until": datetime.fromisoformat(kept["until"])})

    def let_rest(self, target: str, rest: Rest | None, at: datetime) -> None:
        """Leaves a receiver alone; None: not any more."""
        key = f"{_RESTING}{target}"
        with self._turn, self._state.write() as connection:
            if rest is None:
                connection.execute(delete(control).where(control.c.key == key))
            else:
                kept = {"failures": rest.failures, "until": _text(rest.until), "error": rest.error}
                _keep(connection, key, kept, at)

    def _settle(self, letter: Letter, at: datetime, values: Mapping[str, Any]) -> None:
        with self._turn, self._state.write() as connection:
            here = deliveries.c.id == letter.id
            connection.execute(update(deliveries).where(here).values(**values, settled_at=_text(at)))

    def _letters(self, query: Select[Any]) -> list[Letter]:
        with self._state.read() as connection:
            return [_letter(row) for row in connection.execute(query).mappings()]

    def _any(self, query: Select[Any]) -> bool:
        with self._state.read() as connection:
            return connection.execute(query.limit(1)).first() is not None


def _row(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "kind": letter.kind,
        "target": letter.target,
        "doc": json.dumps(letter.doc, ensure_ascii=False),
        "status": letter.status,
        "tries": letter.tries,
        "due_at": _text(letter.due_at),
        "created_at": _text(letter.created_at),
        "settled_at": None if letter.settled_at is None else _text(letter.settled_at),
        "error": letter.error,
    }


def _letter(row: Mapping[Any, Any]) -> Letter:
    settled = row["settled_at"]
    return Letter(
        occurrence=row["id"].removesuffix(f":{row['target']}"),
        target=row["target"],
        kind=row["kind"],
        doc=json.loads(row["doc"]),
        status=row["status"],
        tries=row["tries"],
        due_at=datetime.fromisoformat(row["due_at"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        settled_at=None if settled is None else datetime.fromisoformat(settled),
        error=row["error"],
    )


def _text(moment: datetime) -> str:
    """A moment as text that sorts as moments do, in every collation."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _kept(connection: Connection, key: str) -> dict[str, Any] | None:
    value = connection.scalar(select(control.c.value).where(control.c.key == key))
    return None if value is None else json.loads(value)


def _keep(connection: Connection, key: str, value: Mapping[str, Any], at: datetime) -> None:
    connection.execute(delete(control).where(control.c.key == bindparam("which")), {"which": key})
    connection.execute(control.insert(), {"key": key, "value": json.dumps(value), "at": at.isoformat()})


def _insert(connection: Connection, table: Table) -> Any:
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
