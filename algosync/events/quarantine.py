"""Rows that were turned away: kept by source, position and content, listed, tried again.

A replay never doubles a row. A position that is read again settles what it said before: the stored row is resolved
unless the very same content was turned away again. Functions that take a connection join the caller's transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from algosync.errors import StoreError
from algosync.events.clean import Cleaned
from algosync.stores.state import State
from algosync.stores.tables import quarantine

Status = Literal["open", "resolved"]

_AT_ONCE = 500  # SQLite counts the parameters of a statement


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRow:
    """A stored row.

    Args:
        id: Its number, for `show`.
        source: The source it came from.
        position: Where it was read.
        field: The event field at fault; None where the row could not be read at all.
        reason: Why it was turned away.
        row: The row as it came, as JSON.
        status: `open`, or `resolved` once it was accepted or replaced.
        seen_at: When it was first turned away, ISO 8601 UTC.
    """

    id: int
    source: str
    position: str
    field: str | None
    reason: str
    row: str
    status: Status
    seen_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """A choice of rows: by source, reason and status; None means any."""

    source: str | None = None
    reason: str | None = None
    status: Status | None = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Open rows of one source, to be mapped and judged again: where they were read, and the rows as JSON objects.

    Args:
        source: The source's name.
        positions: One per row.
        rows: The rows as they came.
        unreadable: How many further rows are no JSON objects: only reading the source again can mend them.
    """

    source: str
    positions: tuple[str, ...]
    rows: tuple[str, ...]
    unreadable: int


def listed(state: State, which: Which, *, limit: int = 50, after: int = 0) -> list[QuarantinedRow]:
    """Return a page of rows by id; `after` is the last id of the page before.

    Raises:
        StoreError: The state cannot be read.
    """
    query = select(quarantine).where(_chosen(which), quarantine.c.id > after).order_by(quarantine.c.id).limit(limit)
    with state.read() as connection:
        return [_row(found) for found in connection.execute(query).mappings()]


def shown(state: State, number: int) -> QuarantinedRow:
    """Return one row.

    Raises:
        StoreError: There is no such row.
    """
    with state.read() as connection:
        found = connection.execute(select(quarantine).where(quarantine.c.id == number)).mappings().first()
    if found is None:
        raise StoreError(f"no row {number} in quarantine", hint="See `algosync quarantine list`")
    return _row(found)


def counts(state: State, which: Which) -> list[tuple[str, str, int]]:
    """Return (source, reason, number of rows), most first."""
    number = func.count().label("number")
    query = select(quarantine.c.source, quarantine.c.reason, number).where(_chosen(which))
    query = query.group_by(quarantine.c.source, quarantine.c.reason)
    query = query.order_by(number.desc(), quarantine.c.source, quarantine.c.reason)
    with state.read() as connection:
        return [(source, reason, int(n)) for source, reason, n in connection.execute(query)]


def held(state: State, source: str, *, steps: int = 0) -> Held:
    """Return the open rows of a source for another try, each row of the source once.

    Accepting one through the log resolves it, by its position; one that is turned away again stays open, with the new
    reason.

    Args:
        state: The state.
        source: The source's name.
        steps: How often the source's mapping takes a row apart. Each time adds `#1`, `#2` … to the positions; mapping
            the row again adds them again, so they are left out here.
    """
    query = select(quarantine.c.position, quarantine.c.row)
    query = query.where(_chosen(Which(source=source))).order_by(quarantine.c.id)
    with state.read() as connection:
        rows = connection.execute(query).all()
    bases = _bases(pa.array([row.position for row in rows], pa.string()), source, steps).to_pylist()
    found = list(dict.fromkeys(zip(bases, (str(row.row) for row in rows), strict=True)))
    usable = [(position, row) for position, row in found if row.startswith("{")]
    return Held(
        source=source,
        positions=tuple(position for position, _ in usable),
        rows=tuple(row for _, row in usable),
        unreadable=len(found) - len(usable),
    )


def every(state: State) -> dict[str, list[tuple[int, str]]]:
    """Return all rows (id and row) by source, resolved ones too."""
    found: dict[str, list[tuple[int, str]]] = {}
    query = select(quarantine.c.source, quarantine.c.id, quarantine.c.row).order_by(quarantine.c.id)
    with state.read() as connection:
        for source, number, row in connection.execute(query):
            found.setdefault(source, []).append((number, row))
    return found


def remove(state: State, numbers: Sequence[int]) -> int:
    """Take rows away for good; return how many there were."""
    gone = 0
    with state.write() as connection:
        for some in _portions(numbers):
            gone += connection.execute(delete(quarantine).where(quarantine.c.id.in_(some))).rowcount
    return gone


def settle(connection: Connection, cleaned: Cleaned, source: str) -> None:
    """Store what a batch turned away, and resolve what it read again and did not turn away in the same words."""
    _resolve_read_again(connection, cleaned, source)
    store(connection, cleaned, source)


def store(connection: Connection, cleaned: Cleaned, source: str) -> None:
    """Store what a batch turned away; a row that is there already takes the newer reason."""
    rejected = cleaned.rejected
    if not rejected.num_rows:
        return
    seen_at = cleaned.judged_at.isoformat()
    rows = {
        (position, digest): {
            "source": source,
            "position": position,
            "content_hash": digest,
            "field": field,
            "reason": reason,
            "row": row,
            "status": "open",
            "seen_at": seen_at,
        }
        for position, digest, field, reason, row in zip(
            rejected.column("position").to_pylist(),
            _digests(rejected),
            *(rejected.column(name).to_pylist() for name in ("field", "reason", "row")),
            strict=True,
        )
    }
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(quarantine)
    newer = {"field": statement.excluded.field, "reason": statement.excluded.reason, "status": "open"}
    unique = ["source", "position", "content_hash"]
    connection.execute(statement.on_conflict_do_update(index_elements=unique, set_=newer), list(rows.values()))


def _resolve_read_again(connection: Connection, cleaned: Cleaned, source: str) -> None:
    query = select(quarantine.c.id, quarantine.c.position, quarantine.c.content_hash)
    stored = connection.execute(query.where(_chosen(Which(source=source)))).all()
    if not stored:
        return
    rejected = cleaned.rejected
    again = set(zip(rejected.column("position").to_pylist(), _digests(rejected), strict=True))
    candidates = pa.array([row.position for row in stored], pa.string())
    positions = pa.concat_arrays([_flat(cleaned.positions), _flat(rejected["position"])])
    read = pc.is_in(_bases(candidates, source, cleaned.steps), value_set=_bases(positions, source, cleaned.steps))
    settled = [
        row.id
        for row, was_read in zip(stored, read.to_pylist(), strict=True)
        if was_read and (row.position, row.content_hash) not in again
    ]
    for some in _portions(settled):
        connection.execute(update(quarantine).where(quarantine.c.id.in_(some)).values(status="resolved"))


def _bases(positions: pa.Array, source: str, steps: int) -> pa.Array:
    """Where the source had the rows: positions without the numbers that `steps` steps of a mapping may have added."""
    if not steps:
        return positions
    numbers = rf"(#\d+){{1,{steps}}}$"
    # A database's positions begin with the source's name and end in a number of their own, which stays.
    kept = pc.replace_substring_regex(positions, rf"(#\d+){numbers}", r"\1")
    stripped = pc.replace_substring_regex(positions, numbers, "")
    return pc.if_else(pc.starts_with(positions, f"{source}:"), kept, stripped)


def _portions(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _AT_ONCE):
        yield numbers[start : start + _AT_ONCE]


def _digests(rejected: pa.Table) -> list[str]:
    rows = rejected.column("row").to_pylist()
    return [hashlib.md5(row.encode(), usedforsecurity=False).hexdigest() for row in rows]


def _flat(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _chosen(which: Which) -> ColumnElement[bool]:
    wanted = {"source": which.source, "reason": which.reason, "status": which.status}
    return and_(True, *(quarantine.c[name] == value for name, value in wanted.items() if value is not None))


def _row(found: Any) -> QuarantinedRow:
    return QuarantinedRow(**{name: value for name, value in found.items() if name != "content_hash"})
