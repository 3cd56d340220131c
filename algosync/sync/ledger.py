"""The ledger: what algosync has published, is sending, or meant to send, object by object.

A row goes *intended* (committed before anything is sent), *sent* (with Algolia's taskID), *published*; a deletion's
row leaves with its publication. Rows are kept per application and hosts, so that mock, staging and production never
mix. Must not talk to Algolia and must not decide what to send.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, and_, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.base import Executable

from algosync.algolia.client import Target
from algosync.errors import StoreError
from algosync.payloads.encode import Family
from algosync.stores.tables import ledger as table
from algosync.sync.plan import UNSURE


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

    def intend(self, entries: Iterable[Entry], at: datetime) -> None:
        """Commit what is about to be sent."""
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table)
        change = {name: statement.excluded[name] for name in ("wanted", "status", "task_id", "updated_at")}
        key = ["app", "hosts", "index", "family", "object_id"]
        common = {**self._mine, "status": "intended", "task_id": None, "updated_at": at.isoformat()}
        rows = [
            {"index": e.index, "family": e.family, "object_id": e.object_id, "wanted": e.hash, **common}
            for e in entries
        ]
        self._run([(statement.on_conflict_do_update(index_elements=key, set_=change), rows)])

    def sent(self, entries: Iterable[Entry], task_id: int, at: datetime) -> None:
        """Note that Algolia has taken these, under this task."""
        self._set(entries, {"status": "sent", "task_id": task_id, "updated_at": at.isoformat()})

    def published(self, entries: Sequence[Entry], at: datetime) -> None:
        """Note that these can be read at Algolia; rows of deleted objects go."""
        change = {"hash": table.c.wanted, **_settled(at)}
        kept = [entry for entry in entries if entry.hash is not None]
        gone = [entry for entry in entries if entry.hash is None]
        self._run(
            [
                (update(table).where(self._this).values(change), self._keys(kept)),
                (delete(table).where(self._this), self._keys(gone)),
            ]
        )

    def abandon(self, entries: Sequence[Entry], at: datetime) -> None:
        """Note that Algolia has refused these: what was there before still is."""
        rows = self._keys(entries)
        nothing = and_(self._this, table.c.hash.is_(None))
        self._run([(update(table).where(self._this).values(_settled(at)), rows), (delete(table).where(nothing), rows)])

    def unsure(self, entries: Iterable[Entry], at: datetime) -> None:
        """Note that nobody knows what Algolia holds of these: the next plan sends or deletes them again."""
        self._set(entries, {"hash": UNSURE, **_settled(at)})

    def forget(self, index: str) -> int:
        """Drop all rows of an index that no longer exists; returns how many."""
        with self._begin() as connection:
            return connection.execute(delete(table).where(and_(self._own, table.c.index == index))).rowcount

    def _set(self, entries: Iterable[Entry], change: dict[str, Any]) -> None:
        self._run([(update(table).where(self._this).values(change), self._keys(entries))])

    def _keys(self, entries: Iterable[Entry]) -> list[dict[str, Any]]:
        return [{"i": entry.index, "f": entry.family, "o": entry.object_id} for entry in entries]

    @property
    def _own(self) -> Any:
        return and_(table.c.app == self._mine["app"], table.c.hosts == self._mine["hosts"])

    @property
    def _this(self) -> Any:
        c = table.c
        return and_(self._own, c.index == bindparam("i"), c.family == bindparam("f"), c.object_id == bindparam("o"))

    def _run(self, steps: list[tuple[Executable, list[dict[str, Any]]]]) -> None:
        with self._begin() as connection:
            for statement, rows in steps:
                if rows:
                    connection.execute(statement, rows)

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(
                f"the ledger cannot be used ({type(error).__name__})", where="state.url", hint="See the cause above"
            ) from error


def _settled(at: datetime) -> dict[str, Any]:
    return {"wanted": None, "status": "published", "task_id": None, "updated_at": at.isoformat()}
