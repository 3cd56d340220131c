"""Takes somebody out of the snapshot and the orders, and out of what SQLite's files hold beside their tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Any

import orjson
from sqlalchemy import Connection, delete, or_, select, update

from algosync.errors import StoreError
from algosync.stores.shelf import OVERVIEW
from algosync.stores.snapshot_tables import entered, memberships, meta, people, shelf, standings, tallies, tokens
from algosync.stores.state import State
from algosync.stores.tables import orders

_BUSY_MS = 10_000


def erase_person(snapshot: State, names: Collection[str]) -> dict[str, int]:
    """Takes somebody's rows out of the snapshot, her past memberships too; the next generation is without her.

    Returns:
        How many rows went, by table.

    Raises:
        StoreError: None went.
    """
    hers = sorted(names)
    conditions = {
        people: people.c.person.in_(hers),
        tokens: or_(tokens.c.token.in_(hers), tokens.c.person.in_(hers)),
        memberships: memberships.c.person.in_(hers),
        tallies: tallies.c.name.in_(hers),
        # Of a device that others use too, what is kept of who stands there: the next run works it out anew.
        standings: or_(standings.c.token.in_(hers), standings.c.owner.in_(hers)),
        entered: entered.c.person.in_(hers),
    }
    with snapshot.write() as connection:
        gone = {
            str(table.name): connection.execute(delete(table).where(which)).rowcount
            for table, which in conditions.items()
        }
        gone["standings"] += _other_standings(connection, hers)
        gone["personas"] = _personas(connection, hers)
        if any(gone.values()):
            generation = connection.scalar(select(meta.c.value).where(meta.c.key == "generation"))
            if generation is not None:
                following = update(meta).where(meta.c.key == "generation").values(value=str(int(generation) + 1))
                connection.execute(following)
    return gone


def _other_standings(connection: Connection, hers: Collection[str]) -> int:
    """Standings that speak of her though somebody else is there now."""
    rows = connection.execute(select(standings.c.token, standings.c.doc))
    named = [token for token, doc in rows if any(value in hers for value in orjson.loads(doc).values())]
    for token in named:
        connection.execute(delete(standings).where(standings.c.token == token))
    return len(named)


def _personas(connection: Connection, hers: Collection[str]) -> int:
    """People to preview the shop as."""
    doc = connection.scalar(select(shelf.c.doc).where(shelf.c.kind == OVERVIEW))
    if doc is None:
        return 0
    document: dict[str, Any] = orjson.loads(doc)
    kept = [one for one in document.get("personas", ()) if not set(map(str, one.values())) & set(hers)]
    gone = len(document.get("personas", ())) - len(kept)
    if gone:
        text = orjson.dumps({**document, "personas": kept}).decode()
        connection.execute(update(shelf).where(shelf.c.kind == OVERVIEW).values(doc=text))
    return gone


def erase_orders(state: State, names: Collection[str]) -> int:
    """Takes away what the shop ordered about somebody; what was ordered holds no longer."""
    hers = sorted(names)
    with state.write() as connection:
        which = or_(orders.c.person.in_(hers), orders.c.name.in_(hers))
        return int(connection.execute(delete(orders).where(which)).rowcount)


def compact(state: State) -> bool:
    """Writes a SQLite file anew without what was deleted, and empties its log; False for other databases.

    Raises:
        StoreError: Somebody else uses it all the time.
    """
    if state.dialect != "sqlite" or not state.engine.url.database:
        return False
    lent = state.engine.raw_connection()
    try:
        connection = lent.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute("VACUUM")
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("somebody reads it")
    except sqlite3.Error as error:
        hint = "What was deleted is still in the file's free space; run again when nothing else uses it"
        raise StoreError(f"the file cannot be compacted: {error}", where=state.where, hint=hint) from error
    finally:
        lent.invalidate()
    return True
