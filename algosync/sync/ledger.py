"""The ledger: what algosync has published, is sending, or meant to send, object by object.

A row goes *intended* (committed before anything is sent), *sent* (with Algolia's taskID), *published*; a deletion's
row leaves with its publication. What Algolia took is counted in the same transaction, for the budgets; what it refused
is for refusals.py. Rows are kept per application and hosts, so that mock, staging and production never mix. Must
not talk to Algolia and must not decide what to send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import ColumnElement, Connection, Engine, and_, case, delete, false, func, or_, select, true
from sqlalchemy.dialects import postgresql, sqlite

from algosync.algolia.target import Target
from algosync.payloads.encode import Family
from algosync.stores.tables import ledger as table
from algosync.stores.tables import spent
from algosync.sync.plan import UNSURE
from algosync.sync.refusals import Refusals, begun

_KEY: Final = ("app", "hosts", "index", "family", "object_id")
_GONE: Final = "gone"
_SPENT_KEPT: Final = timedelta(days=2)
_ALL: Final = true()
_NONE: Final = false()
_UNDER_WAY: Final = table.c.status != "published"


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
        since: When it was taken; where that is not known, when the row was last taken before.
    """

    index: str
    family: Family
    object_id: str
    hash: str | None
    task_id: int | None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Operations that Algolia took within a minute that begins at `minute`."""

    minute: datetime
    operations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What becomes of rows.

    Attributes:
        change: What else of a row is set, from the row that would be inserted.
        taken: Of which rows it says that Algolia has taken a write, which sets `updated_at`.
    """

    status: str
    change: Callable[[Any], dict[str, Any]]
    task_id: int | None = None
    taken: ColumnElement[bool] = _ALL


class Ledger:
    """The rows of one application on its hosts.

    Args:
        engine: The state database, with its tables made.
        target: Application and hosts.

    Attributes:
        refusals: What Algolia refused.

    Raises:
        StoreError: From every method, if the database fails.
    """

    def __init__(self, engine: Engine, target: Target) -> None:
        self._engine = engine
        self._mine = {"app": target.app_id, "hosts": target.key}
        self.refusals = Refusals(engine, target)

    def hashes(self, index: str, family: Family) -> dict[str, str]:
        """The published hash of every object of a family in an index, as far as known."""
        columns = select(table.c.object_id, table.c.hash)
        wanted = and_(self._own, table.c.index == index, table.c.family == family, table.c.hash.is_not(None))
        with self._begin() as connection:
            return {row[0]: row[1] for row in connection.execute(columns.where(wanted))}

    def knows(self, index: str, family: Family) -> bool:
        """Whether there is any row of a family in an index, whatever it says."""
        c = table.c
        mine = and_(self._own, c.index == index, c.family == family)
        with self._begin() as connection:
            return connection.scalar(select(c.object_id).where(mine).limit(1)) is not None

    def places(self) -> list[tuple[str, Family]]:
        """The indices that there are rows of, each with its families."""
        places = select(table.c.index, table.c.family).where(self._own).distinct()
        with self._begin() as connection:
            return sorted((row[0], row[1]) for row in connection.execute(places))

    def written_since(self, index: str, moment: datetime) -> dict[str, str | None]:
        """What was made of the products of an index since a moment, as far as it is published; None for nothing.

        An earlier read of the index and this are what is there now.
        """
        c = table.c
        ours = and_(self._own, c.index == index, c.family == "related", c.status == "published")
        recent = select(c.object_id, c.hash).where(and_(ours, c.updated_at >= moment.isoformat()))
        with self._begin() as connection:
            return {row[0]: row[1] for row in connection.execute(recent)}

    def counts(self) -> dict[str, dict[str, int]]:
        """How many rows each family has, by status.

        Raises:
            StoreError: The ledger cannot be read.
        """
        keys = (table.c.family, table.c.status)
        there = or_(table.c.hash.is_not(None), table.c.status != "published")
        query = select(*keys, func.count()).where(and_(self._own, there)).group_by(*keys)
        found: dict[str, dict[str, int]] = {}
        with self._begin() as connection:
            for family, status, rows in connection.execute(query.order_by(*keys)):
                found.setdefault(family, {})[status] = int(rows)
        return found

    def taken_since(self, moment: datetime) -> int:
        """How many objects Algolia has taken a write of, or published it, since a moment, but for published deletions.

        Raises:
            StoreError: The ledger cannot be read.
        """
        c = table.c
        taken = or_(c.status == "sent", and_(c.status == "published", c.hash.is_not(None)))
        recent = and_(self._own, taken, c.updated_at >= moment.isoformat())
        with self._begin() as connection:
            return int(connection.scalar(select(func.count()).where(recent)) or 0)

    def spent_since(self, moment: datetime) -> list[Spent]:
        """The operations that Algolia took since a moment, minute by minute; the minute of the moment counts whole.

        Raises:
            StoreError: The ledger cannot be read.
        """
        c = spent.c
        wanted = and_(c.app == self._mine["app"], c.hosts == self._mine["hosts"], c.minute >= _minute(moment))
        with self._begin() as connection:
            rows = connection.execute(select(c.minute, c.operations).where(wanted).order_by(c.minute)).all()
        return [Spent(minute=datetime.fromisoformat(minute), operations=int(count)) for minute, count in rows]

    def under_way(self) -> dict[tuple[str, Family], dict[str, str | None]]:
        """What writes make of which objects that are neither published nor, once it was recovered, known to be lost.

        Raises:
            StoreError: The ledger cannot be read.
        """
        found: dict[tuple[str, Family], dict[str, str | None]] = {}
        for row in self.unfinished():
            found.setdefault((row.index, row.family), {})[row.object_id] = row.hash
        return found

    def last_taken(self, index: str, family: Family) -> dict[str, datetime]:
        """When Algolia last took a write of each object of a family in an index.

        Raises:
            StoreError: The ledger cannot be read.
        """
        c = table.c
        wanted = and_(self._own, c.index == index, c.family == family, c.hash.is_not(None))
        with self._begin() as connection:
            rows = connection.execute(select(c.object_id, c.updated_at).where(wanted)).all()
        return {row[0]: datetime.fromisoformat(row[1]) for row in rows}

    def unfinished(self) -> list[Unfinished]:
        """Writes that were under way, by index, family, objectID."""
        c = table.c
        rows = (
            select(c.index, c.family, c.object_id, c.wanted, c.task_id, c.updated_at)
            .where(and_(self._own, _UNDER_WAY))
            .order_by(c.index, c.family, c.object_id)
        )
        with self._begin() as connection:
            return [
                Unfinished(
                    index=row[0],
                    family=row[1],
                    object_id=row[2],
                    hash=row[3],
                    task_id=row[4],
                    since=datetime.fromisoformat(row[5]),
                )
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
        self._put(entries, at, _Step(status="intended", change=lambda new: {"wanted": new.wanted}, taken=_NONE))

    def sent(self, entries: Sequence[Entry], task_id: int, at: datetime) -> None:
        """Note that Algolia has taken these, under this task, and count them."""
        step = _Step(status="sent", change=lambda new: {"wanted": new.wanted}, task_id=task_id)
        self._put(entries, at, step, count=len(entries))

    def published(self, entries: Sequence[Entry], at: datetime) -> None:
        """Note that these can be read at Algolia; rows of deleted objects go."""
        self._there(entries, at, taken=_ALL)

    def found(self, entries: Sequence[Entry], at: datetime, *, uncounted: int = 0) -> None:
        """Note that these can be read at Algolia, which were sent, or meant to be, or of which nothing was known.

        Of those that were under way Algolia has taken a write: an earlier read of a product does not know of it.

        Args:
            entries: What can be read.
            at: Now.
            uncounted: How many of them were only intended, so that nobody has counted that Algolia took them.
        """
        self._there(entries, at, taken=_UNDER_WAY, count=uncounted)

    def _there(self, entries: Sequence[Entry], at: datetime, *, taken: ColumnElement[bool], count: int = 0) -> None:
        kept = _Step(status="published", change=lambda new: {"wanted": None, "hash": new.hash}, taken=taken)
        gone = _Step(status=_GONE, change=lambda _: {"wanted": None}, taken=taken)
        # Of a product the row stays, so that an earlier read of its index can be brought up to date.
        stays = [entry for entry in entries if entry.hash is not None or entry.family == "related"]
        goes = [entry for entry in entries if entry.hash is None and entry.family != "related"]
        with self._begin() as connection:
            self._upsert(connection, stays, at, kept)
            self._upsert(connection, goes, at, gone)
            self._count(connection, count, at)

    def abandon(self, entries: Iterable[Entry], at: datetime) -> None:
        """Note that Algolia has refused these: what was there before still is.

        Of a product that may be nothing, which an earlier read of its index does not know.
        """
        status = case((and_(table.c.hash.is_(None), table.c.family != "related"), _GONE), else_="published")
        step = _Step(status=_GONE, change=lambda _: {"wanted": None, "status": status}, taken=_NONE)
        self._put(entries, at, step)

    def unsure(self, entries: Iterable[Entry], at: datetime) -> None:
        """Note that nobody knows what Algolia holds of these: the next plan sends or deletes them again."""
        step = _Step(status="published", change=lambda _: {"wanted": None, "hash": UNSURE}, taken=_NONE)
        self._put(entries, at, step)

    def _put(self, entries: Iterable[Entry], at: datetime, step: _Step, count: int = 0) -> None:
        """Change rows, and count operations, in one transaction."""
        with self._begin() as connection:
            self._upsert(connection, entries, at, step)
            self._count(connection, count, at)

    def _upsert(self, connection: Connection, entries: Iterable[Entry], at: datetime, step: _Step) -> None:
        """Change rows by their whole key.

        An upsert always goes by the primary key; a planner without statistics updates by another index, and needs
        minutes for what takes a second.
        """
        common = {**self._mine, "status": step.status, "task_id": step.task_id, "updated_at": at.isoformat()}
        says = "hash" if step.status == "published" else "wanted"
        common = {"hash": None, "wanted": None, **common}
        rows = [
            {**common, "index": e.index, "family": e.family, "object_id": e.object_id, says: e.hash} for e in entries
        ]
        if not rows:
            return
        insert = self._dialect.insert(table)
        new = insert.excluded
        taken_at = case((step.taken, new.updated_at), else_=table.c.updated_at)
        same = {"status": new.status, "task_id": new.task_id, "updated_at": taken_at}
        connection.execute(insert.on_conflict_do_update(index_elements=_KEY, set_=same | step.change(new)), rows)
        if step.status == _GONE:
            connection.execute(delete(table).where(and_(self._own, table.c.status == _GONE)))

    def _count(self, connection: Connection, operations: int, at: datetime) -> None:
        """Add operations to those of their minute; what no budget looks at any more goes."""
        if not operations:
            return
        insert = self._dialect.insert(spent).values(**self._mine, minute=_minute(at), operations=operations)
        more = {"operations": spent.c.operations + insert.excluded.operations}
        connection.execute(insert.on_conflict_do_update(index_elements=["app", "hosts", "minute"], set_=more))
        connection.execute(delete(spent).where(spent.c.minute < _minute(at - _SPENT_KEPT)))

    @property
    def _dialect(self) -> Any:
        return postgresql if self._engine.dialect.name == "postgresql" else sqlite

    @property
    def _own(self) -> Any:
        return and_(table.c.app == self._mine["app"], table.c.hosts == self._mine["hosts"])

    def _begin(self) -> AbstractContextManager[Connection]:
        return begun(self._engine)


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(second=0, microsecond=0).isoformat()
