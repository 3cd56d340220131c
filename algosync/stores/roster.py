"""The members of one segment as the last run left them, each with all that is known of her; of one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, select

from algosync.stores.snapshot_tables import memberships, people, tokens
from algosync.stores.state import State

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member.

    Attributes:
        tokens: Her tokens, her own first, the others sorted.
        since: When she entered, ISO 8601.
        doc: Her document.
    """

    tokens: tuple[str, ...]
    since: str
    doc: Mapping[str, Any]


@contextmanager
def roster(snapshot: State, segment: str) -> Iterator[Iterator[Member]]:
    """The members of a segment by person; to be read while the context lasts, which holds a transaction open.

    Args:
        snapshot: The snapshot's database.
        segment: The segment's id.

    Raises:
        StoreError: The snapshot cannot be read.
    """
    with snapshot.read() as connection:
        yield _members(connection, segment)


def _members(connection: Connection, segment: str) -> Iterator[Member]:
    here = (memberships.c.segment == segment, memberships.c.left_at.is_(None))
    linked: dict[str, list[str]] = {}
    theirs = select(tokens.c.person, tokens.c.token).join(memberships, memberships.c.person == tokens.c.person)
    for person, token in connection.execute(theirs.where(*here).order_by(tokens.c.token)):
        linked.setdefault(person, []).append(token)
    query = select(people.c.person, memberships.c.entered_at, people.c.doc)
    query = query.join(memberships, memberships.c.person == people.c.person).where(*here).order_by(people.c.person)
    for person, since, doc in connection.execution_options(yield_per=_AT_ONCE).execute(query):
        others = [token for token in linked.get(person, ()) if token != person]
        yield Member(tokens=(person, *others), since=since, doc=orjson.loads(doc))
