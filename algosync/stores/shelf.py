"""What the snapshot carries besides people: lists, counts and whatever else an answer looks up by a name.

One table of small documents, so that one comparison finds what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

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
OVERVIEW = "overview"
"""Kind of the one document of sums over everybody, and of people to preview the shop as."""
PRODUCT = "product"
"""Kind of what a product gives to affinities and facts, by every id by which an event may name it."""

Row = tuple[str, str, str]
"""Kind, name and document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stocktaking:
    """All that belongs on the shelf.

    Args:
        mark: Digest of what the rows are made from; nothing is compared where it is the mark of last time.
        rows: Makes them.
        beside: What is made from something else, by its kind, and so has a mark of its own; none of it is in `rows`.
    """

    mark: str
    rows: Callable[[], Iterable[Row]]
    beside: Mapping[str, Stocktaking] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of the shelf: one kind, or all but some kinds."""

    only: str | None = None
    without: frozenset[str] = frozenset()


ALL: Final = Stretch()


def put(connection: Connection, rows: Iterable[Row], stretch: Stretch = ALL) -> int:
    """Makes a stretch of the shelf hold these rows and nothing else; writes only what differs.

    Returns:
        How many rows changed, came or went.
    """
    if stretch.only is None:
        held = select(shelf).where(shelf.c.kind.not_in(sorted(stretch.without)))
    else:
        held = select(shelf).where(shelf.c.kind == stretch.only)
    old = {(row.kind, row.name): row.doc for row in connection.execute(held)}
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
