"""What the snapshot carries besides people: lists, counts and whatever else an answer looks up by a name.

One table of small documents, so that one comparison finds what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select, update

from algosync.stores.snapshot_tables import shelf

VARIANT = "variant"
"""Kind of the objectID that stands for a variant in all lists."""
RELATED = "related"
"""Kind of a product's related lists."""
COUNT = "count:"
"""Begins the kind of an index's numbers of products; the empty name is all of them."""
DECLARED = "declared"
"""Kind of the attributes that an index declares for faceting."""

Row = tuple[str, str, str]
"""Kind, name and document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stocktaking:
    """All that belongs on the shelf.

    Args:
        mark: Digest of what the rows are made from; nothing is compared where it is the mark of last time.
        rows: Makes them.
    """

    mark: str
    rows: Callable[[], Iterable[Row]]


def put(connection: Connection, rows: Iterable[Row]) -> int:
    """Makes the shelf hold these rows and nothing else; writes only what differs.

    Returns:
        How many rows changed, came or went.
    """
    old = {(row.kind, row.name): row.doc for row in connection.execute(select(shelf))}
    changed, new = [], []
    for kind, name, doc in rows:
        before = old.pop((kind, name), None)
        if before is None:
            new.append({"kind": kind, "name": name, "doc": doc})
        elif before != doc:
            changed.append({"of_kind": kind, "of_name": name, "new": doc})
    here = (shelf.c.kind == bindparam("of_kind"), shelf.c.name == bindparam("of_name"))
    if old:
        connection.execute(delete(shelf).where(*here), [{"of_kind": kind, "of_name": name} for kind, name in old])
    if changed:
        connection.execute(update(shelf).where(*here).values(doc=bindparam("new")), changed)
    if new:
        connection.execute(shelf.insert(), new)
    return len(old) + len(changed) + len(new)
