"""How tallies, standings and entered attributes get into the snapshot: only what a run found changed is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Column, Connection, Table, bindparam, delete, select

from algosync.errors import StoreError
from algosync.stores.snapshot_tables import entered, meta, standings, tallies
from algosync.stores.view import TALLIES_MARK

_AT_ONCE = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What a run changes in one table.

    Attributes:
        keys: Whose rows of before go; None for all of them.
        rows: Makes the rows that come, in the order of the table's columns; none is of a key that stays.
    """

    keys: Sequence[str] | None = ()
    rows: Callable[[], Iterable[Sequence[Any]]] = tuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    """What a run changes in what overlays are made from.

    Attributes:
        before: The mark that the snapshot must bear for these changes to be all; "" where everything is replaced.
        mark: What it bears then.
        tallies: (name, kind, doc) by name.
        standings: (token, owner or None, doc) by token.
        entered: (person, doc) by person.
    """

    before: str
    mark: str
    tallies: Renewal = field(default_factory=Renewal)
    standings: Renewal = field(default_factory=Renewal)
    entered: Renewal = field(default_factory=Renewal)


def mark_of(connection: Connection) -> str:
    """The mark of the last tallies; "" where there are none."""
    return connection.scalar(select(meta.c.value).where(meta.c.key == TALLIES_MARK)) or ""


def renew(connection: Connection, fresh: Tallies) -> int:
    """Writes what changed.

    Returns:
        How many rows went or came.

    Raises:
        StoreError: The changes are to another state than the snapshot is in.
    """
    if fresh.before and fresh.before != mark_of(connection):
        hint = "Run one at a time; the next one mends it"
        raise StoreError("another run has published a snapshot meanwhile", where="snapshot", hint=hint)
    return sum(
        _renew(connection, table, table.c[key], change)
        for table, key, change in (
            (tallies, "name", fresh.tallies),
            (standings, "token", fresh.standings),
            (entered, "person", fresh.entered),
        )
    )


def _renew(connection: Connection, table: Table, key: Column[str], change: Renewal) -> int:
    moved = 0
    if change.keys is None:
        moved += connection.execute(delete(table)).rowcount
    elif change.keys:
        gone = delete(table).where(key == bindparam("which"))
        moved += connection.execute(gone, [{"which": name} for name in change.keys]).rowcount
    names = table.columns.keys()
    coming = iter(change.rows())
    while rows := list(islice(coming, _AT_ONCE)):
        connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows])
        moved += len(rows)
    return moved
