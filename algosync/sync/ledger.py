"""The ledger: what algosync has published, is sending, or meant to send, object by object.

A row goes *intended* (committed before anything is sent), *sent* (with Algolia's taskID), *published*; a deletion's
row leaves with its publication. Rows are kept per application and hosts, so that mock, staging and production never
mix. Must not talk to Algolia and must not decide what to send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Engine, and_, case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from algosync.algolia.client import Target
from algosync.errors import StoreError
from algosync.payloads.encode import Family
from algosync.stores.tables import ledger as table
from algosync.sync.plan import UNSURE

_KEY: Final = ("app", "hosts", "index", "family", "object_id")
_GONE: Final = "gone"


class Entry(Protocol):
    """An object and what it shall become; an Operation is one."""

    @property
    def index(self) -> str: ...  # noqa: D102
    @property
    def family(self) -> Family: ...  # noqa: D102
    @property
    def object_id(self) -> str: ...  # noqa: D102
    @property
    def hash(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """An object whose write was under way when a run ended.

    Attributes:
        hash: What it shall become; None for nothing.
        task_id: Algolia's task, if it is known that the write was taken.
    """

    index: str
    family: Family
    object_id: str
    hash: str | None
    task_id: int | None


class Ledger:
    """The rows of one application on its hosts.

    Args:
        engine: The state database, with its tables made.
        target: Application and hosts.

    Raises:
        StoreError: From every method, if the database fails.
    """

    def __init__(self, engine: Engine, target: Target) -> None:
        self._engine = engine
        self._mine = {"app": target.app_id, "hosts": target.key}

    def hashes(self, index: str, family: Family) -> dict[str, str]:
        """The published hash of every object of a family in an index, as far as known."""
        columns = select(table.c.object_id, table.c.hash)
        wanted = and_(self._own, table.c.index == index, table.c.family == family, table.c.hash.is_not(None))
        with self._begin() as connection:
            return {row[0]: row[1] for row in connection.execute(columns.where(wanted))}

    def counts(self) -> dict[str, dict[str, int]]:
        """How many rows each family has, by status.

        Raises:
            StoreError: The ledger cannot be read.
        """
        keys = (table.c.family, table.c.status)
        query = select(*keys, func.count()).where(self._own).group_by(*keys)
        found: dict[str, dict[str, int]] = {}
        with self._begin() as connection:
            for family, status, rows in connection.execute(query.order_by(*keys)):
                found.setdefault(family, {})[status] = int(rows)
        return found

    def taken_since(self, moment: datetime) -> int:
        """How many objects Algolia has taken a write of since a moment; deletions that are published are not known.

        Raises:
            StoreError: The ledger cannot be read.
        """
        c = table.c
        recent = and_(self._own, c.status.in_(("sent", "published")), c.updated_at >= moment.isoformat())
        with self._begin() as connection:
            return int(connection.scalar(select(func.count()).where(recent)) or 0)

    def unfinished(self) -> list[Unfinished]:
        """Writes that were under way, by index, family, objectID."""
        c = table.c
        rows = (
            select(c.index, c.family, c.object_id, c.wanted, c.task_id)
            .where(and_(self._own, c.status.in_(("intended", "sent"))))
            .order_by(c.index, c.family, c.object_id)
        )
        with self._begin() as connection:
            return [
                Unfinished(index=row[0], family=row[1], object_id=row[2], hash=row[3], task_id=row[4])
                for row in connection.execute(rows)
            ]

    def copy(self, engine: Engine, target: Target) -> Ledger:
        """A ledger of another target, in another database, that holds what this one knows to be published.

        What is under way here is unsure there: its task is another server's.

        Raises:
            StoreError: This ledger cannot be read, or the other one not written.
        """
        c, other = table.c, Ledger(engine, target)
        unsure = case((c.status == "published", c.hash), else_=UNSURE)
        columns = (c.index, c.family, c.object_id, unsure.label("hash"), c.updated_at)
        with self._begin() as connection:
            rows = [dict(row) for row in connection.execute(select(*columns).where(self._own)).mappings()]
        common: dict[str, Any] = {**other._mine, "status": "published"}
        if rows:
            with other._begin() as connection:
                connection.execute(table.insert(), [{**row, **common} for row in rows])
        return other

    def intend(self, entries: Iterable[Entry], at: datetime) -> None:
        """Commit what is about to be sent."""
        self._put(entries, at, status="intended", change=lambda new: {"wanted": new.wanted}, taken=False)

    def sent(self, entries: Iterable[Entry], task_id: int, at: datetime) -> None:
        """Note that Algolia has taken these, under this task."""
        self._put(entries, at, status="sent", task_id=task_id, change=lambda new: {"wanted": new.wanted})

    def published(self, entries: Sequence[Entry], at: datetime) -> None:
        """Note that these can be read at Algolia; rows of deleted objects go."""
        self._there(entries, at, taken=True)

    def found(self, entries: Sequence[Entry], at: datetime) -> None:
        """Note that these, which an earlier run sent or meant to send, can be read at Algolia."""
        self._there(entries, at, taken=False)

    def _there(self, entries: Sequence[Entry], at: datetime, *, taken: bool) -> None:
        kept = [entry for entry in entries if entry.hash is not None]
        gone = [entry for entry in entries if entry.hash is None]
        self._put(kept, at, status="published", change=lambda new: {"wanted": None, "hash": new.wanted}, taken=taken)
        self._put(gone, at, status=_GONE, change=lambda _: {"wanted": None}, taken=taken)

    def abandon(self, entries: Iterable[Entry], at: datetime) -> None:
        """Note that Algolia has refused these: what was there before still is."""
        status = case((table.c.hash.is_(None), _GONE), else_="published")
        self._put(entries, at, status=_GONE, change=lambda _: {"wanted": None, "status": status}, taken=False)

    def unsure(self, entries: Iterable[Entry], at: datetime) -> None:
        """Note that nobody knows what Algolia holds of these: the next plan sends or deletes them again."""
        self._put(entries, at, status="published", change=lambda _: {"wanted": None, "hash": UNSURE}, taken=False)

    def _put(
        self,
        entries: Iterable[Entry],
        at: datetime,
        *,
        status: str,
        change: Callable[[Any], dict[str, Any]],
        task_id: int | None = None,
        taken: bool = True,
    ) -> None:
        """Change rows by their whole key, in one transaction; `updated_at` only where Algolia has `taken` a write.

        An upsert always goes by the primary key; a planner without statistics updates by another index, and needs
        minutes for what takes a second.
        """
        common = {**self._mine, "status": status, "task_id": task_id, "updated_at": at.isoformat()}
        rows = [
            {"index": e.index, "family": e.family, "object_id": e.object_id, "wanted": e.hash, **common}
            for e in entries
        ]
        if not rows:
            return
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(table)
        new = insert.excluded
        same = {"status": new.status, "task_id": new.task_id} | ({"updated_at": new.updated_at} if taken else {})
        upsert = insert.on_conflict_do_update(index_elements=_KEY, set_=same | change(new))
        with self._begin() as connection:
            connection.execute(upsert, rows)
            if status == _GONE:
                connection.execute(delete(table).where(and_(self._own, table.c.status == _GONE)))

    @property
    def _own(self) -> Any:
        return and_(table.c.app == self._mine["app"], table.c.hosts == self._mine["hosts"])

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(
                f"the ledger cannot be used ({type(error).__name__})", where="state.url", hint="See the cause above"
            ) from error
