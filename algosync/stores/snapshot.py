"""The snapshot: what the last run knows of every person, for look-ups by token.

Its own SQLite file, so that readers never wait for the state's writer. A run publishes its changes in one short
transaction: a reader sees the generation before or the one after, never half. It holds tokens, never names. What it
carries besides people, for answers, is in shelf.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, delete, select, update

from algosync.stores.shelf import Stocktaking, Stretch, put
from algosync.stores.snapshot_tables import memberships, meta, metadata, people, tokens
from algosync.stores.state import Book, State
from algosync.stores.tallies import Tallies, mark_of, renew
from algosync.stores.view import SHELF_MARK, TALLIES_MARK, Kept, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One person's entry into a segment or leaving of it, and the conditions that held or did not."""

    person: str
    segment: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What a run changes.

    Attributes:
        people: The whole documents by person, changed or not; those left out are removed.
        tokens: Every token that belongs to another person than itself, and that person.
        entered, left: Memberships that began and that ended.
        as_of: ISO 8601 moment the documents describe; the date of entry and leaving.
        extra: What else to note, by key; noted even where nothing else changed.
        shelf: What answers look up besides people; None leaves it as it is.
        counted: What overlays are made from; None leaves it as it is.
    """

    people: Mapping[str, Mapping[str, Any]]
    tokens: Mapping[str, str]
    entered: Sequence[Change] = ()
    left: Sequence[Change] = ()
    as_of: str
    extra: Mapping[str, str] = field(default_factory=dict)
    shelf: Stocktaking | None = None
    counted: Tallies | None = None


SNAPSHOT = Book(file="snapshot.sqlite", metadata=metadata, meta=meta, version=3)


class Snapshot:
    """Reads and publishes the snapshot.

    Args:
        state: A database that was opened with SNAPSHOT's tables.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._kept = Kept()

    def person(self, token: str) -> dict[str, Any] | None:
        """The document of the person a token belongs to, or of the person it names; None if unknown."""
        with self.view() as view:
            return view.person(token)

    @contextmanager
    def view(self) -> Iterator[View]:
        """One moment of the snapshot, for several look-ups; short, since a transaction is open meanwhile.

        Raises:
            StoreError: The snapshot cannot be read.
        """
        with self._state.read() as connection:
            yield View(connection, self._kept)

    def people(self) -> dict[str, dict[str, Any]]:
        """Every person's document; of a large shop that is much."""
        with self._state.read() as connection:
            return {row.person: orjson.loads(row.doc) for row in connection.execute(select(people))}

    def tokens_of(self, person: str) -> list[str]:
        """Every token that belongs to a person, her own first, the others sorted."""
        with self._state.read() as connection:
            linked = connection.scalars(select(tokens.c.token).where(tokens.c.person == person)).all()
        return [person, *sorted(set(linked) - {person})]

    def members(self) -> dict[tuple[str, str], str]:
        """Present memberships: (person, segment) to the moment of entry."""
        with self._state.read() as connection:
            query = select(memberships.c.person, memberships.c.segment, memberships.c.entered_at)
            rows = connection.execute(query.where(memberships.c.left_at.is_(None))).all()
        return {(row.person, row.segment): row.entered_at for row in rows}

    def history(self, person: str) -> list[dict[str, str | None]]:
        """All memberships of a person, past ones too, in order of entry."""
        query = select(memberships).where(memberships.c.person == person)
        with self._state.read() as connection:
            rows = connection.execute(query.order_by(memberships.c.entered_at, memberships.c.segment)).mappings().all()
        # SQLAlchemy's keys are a str of its own kind, which the JSON encoder refuses.
        return [{str(name): value for name, value in row.items()} for row in rows]

    def about(self) -> dict[str, str]:
        """The snapshot's generation, as_of and whatever else its run noted."""
        with self.view() as view:
            return view.about

    def tallies_mark(self) -> str:
        """What the tallies were made from; "" where there are none."""
        with self._state.read() as connection:
            return mark_of(connection)

    def counts(self) -> dict[str, int]:
        """People, and members by segment."""
        members: dict[str, int] = {}
        for _, segment in self.members():
            members[segment] = members.get(segment, 0) + 1
        with self._state.read() as connection:
            known = len(connection.scalars(select(people.c.person)).all())
        return {"people": known, **{f"segment:{name}": members[name] for name in sorted(members)}}

    def publish(self, delta: Delta) -> int:
        """Makes the snapshot say what a run found, in one transaction.

        Returns:
            How many documents changed, came or went. The generation moves only where something did, of the documents
            or of anything else that answers are made from.
        """
        docs = {person: json.dumps(doc, sort_keys=True, ensure_ascii=False) for person, doc in delta.people.items()}
        with self._state.write() as connection:
            old = {row.person: row.doc for row in connection.execute(select(people))}
            changed = [{"key": p, "value": d} for p, d in docs.items() if p in old and old[p] != d]
            new = [{"person": p, "doc": d} for p, d in docs.items() if p not in old]
            gone = sorted(old.keys() - docs.keys())
            _run(connection, people.insert(), new)
            replace = update(people).where(people.c.person == bindparam("key")).values(doc=bindparam("value"))
            _run(connection, replace, changed)
            _run(connection, delete(people).where(people.c.person == bindparam("key")), [{"key": p} for p in gone])
            links = _relink(connection, delta.tokens)
            _leave_and_enter(connection, delta)
            moved = len(changed) + len(new) + len(gone)
            stocked = _restock(connection, delta.shelf)
            counted = 0 if delta.counted is None else renew(connection, delta.counted)
            changes = (moved, links, stocked, counted, delta.entered, delta.left)
            _note(connection, delta, moved=any(map(bool, changes)))
        return moved


def _run(connection: Any, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)


def _relink(connection: Any, links: Mapping[str, str]) -> int:
    old = {row.token: row.person for row in connection.execute(select(tokens))}
    gone = [token for token in old if links.get(token) != old[token]]
    new = [{"token": t, "person": p} for t, p in links.items() if old.get(t) != p]
    _run(connection, delete(tokens).where(tokens.c.token == bindparam("key")), [{"key": t} for t in gone])
    _run(connection, tokens.insert(), new)
    return len(gone) + len(new)


def _leave_and_enter(connection: Any, delta: Delta) -> None:
    ended = (
        update(memberships)
        .where(
            memberships.c.person == bindparam("who"),
            memberships.c.segment == bindparam("which"),
            memberships.c.left_at.is_(None),
        )
        .values(left_at=delta.as_of, left_why=bindparam("reason"))
    )
    _run(connection, ended, [{"who": c.person, "which": c.segment, "reason": c.why} for c in delta.left])
    rows = [{"person": e.person, "segment": e.segment, "entered_at": delta.as_of, "why": e.why} for e in delta.entered]
    # Somebody who left and comes back within one moment reopens the row instead of clashing with it.
    reopened = {
        (row.person, row.segment)
        for row in connection.execute(
            select(memberships.c.person, memberships.c.segment).where(memberships.c.entered_at == delta.as_of)
        )
    }
    again = [row for row in rows if (row["person"], row["segment"]) in reopened]
    reopen = (
        update(memberships)
        .where(
            memberships.c.person == bindparam("who"),
            memberships.c.segment == bindparam("which"),
            memberships.c.entered_at == delta.as_of,
        )
        .values(left_at=None, left_why=None, why=bindparam("reason"))
    )
    _run(connection, reopen, [{"who": r["person"], "which": r["segment"], "reason": r["why"]} for r in again])
    _run(connection, memberships.insert(), [r for r in rows if (r["person"], r["segment"]) not in reopened])


def _restock(connection: Connection, fresh: Stocktaking | None) -> int:
    """Brings the shelf up to date, where what it is made from has changed at all."""
    if fresh is None:
        return 0
    notes: dict[str, str] = {row.key: row.value for row in connection.execute(select(meta))}
    stretches = {SHELF_MARK: Stretch(without=frozenset(fresh.beside))}
    stretches |= {_shelf_mark(kind): Stretch(only=kind) for kind in fresh.beside}
    stock = {SHELF_MARK: fresh, **{_shelf_mark(kind): part for kind, part in fresh.beside.items()}}
    return sum(
        put(connection, part.rows(), stretches[key]) for key, part in stock.items() if notes.get(key) != part.mark
    )


def _shelf_mark(kind: str) -> str:
    return f"{SHELF_MARK}:{kind}"


def _note(connection: Connection, delta: Delta, *, moved: bool) -> None:
    """Writes the notes that changed; a generation and its moment only where an answer could have changed."""
    notes: dict[str, str] = {row.key: row.value for row in connection.execute(select(meta))}
    fresh = dict(delta.extra)
    if delta.shelf is not None:
        fresh[SHELF_MARK] = delta.shelf.mark
        fresh |= {_shelf_mark(kind): part.mark for kind, part in delta.shelf.beside.items()}
    if delta.counted is not None:
        fresh[TALLIES_MARK] = delta.counted.mark
    if moved:
        fresh |= {"generation": str(int(notes.get("generation", "0")) + 1), "as_of": delta.as_of}
    changed = {key: value for key, value in fresh.items() if notes.get(key) != value}
    _run(connection, delete(meta).where(meta.c.key == bindparam("which")), [{"which": key} for key in changed])
    _run(connection, meta.insert(), [{"key": key, "value": value} for key, value in sorted(changed.items())])
