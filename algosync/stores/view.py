"""One moment of the snapshot, for whoever answers a question: people by token, and what is on the shelf.

What is on the shelf stays until a run changes it, so it is read once a generation; people are read every time.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import orjson
from sqlalchemy import BindParameter, Connection, bindparam, func, or_, select

from algosync.stores.plain import Asked
from algosync.stores.shelf import COUNT, DECLARED, RELATED, VARIANT
from algosync.stores.snapshot_tables import meta, people, shelf, tokens

SHELF_MARK: Final = "shelf_mark"
"""The note with the mark of the last stocktaking."""

_KEPT_MAX: Final = 10_000

# Made once: building a statement costs more than running it.
_TOKEN: BindParameter[str] = bindparam("token")
_OWNER = func.coalesce(select(tokens.c.person).where(tokens.c.token == _TOKEN).scalar_subquery(), _TOKEN)
_PERSON = Asked(select(people.c.doc).where(people.c.person == _OWNER))
_LINKED = Asked(select(tokens.c.token).where(tokens.c.person == bindparam("person")))
_NOTES = Asked(select(meta.c.key, meta.c.value))
_ONE = Asked(select(shelf.c.doc).where(shelf.c.kind == bindparam("kind"), shelf.c.name == bindparam("name")))
_ALL_DECLARED = Asked(select(shelf.c.doc).where(shelf.c.kind == DECLARED))
_ALL_COUNTED = Asked(
    select(shelf.c.kind, shelf.c.name, shelf.c.doc).where(
        shelf.c.kind.startswith(COUNT, autoescape=True),
        or_(shelf.c.name == "", shelf.c.name == bindparam("name")),
    )
)


class Kept:
    """What was read of one generation, for the views that follow; of another generation nothing is kept."""

    def __init__(self) -> None:
        # One pair in one place: threads share it, and none may find one generation's key with another's contents.
        self._held: tuple[tuple[str | None, ...], dict[tuple[str, ...], Any]] = ((), {})

    def of(self, about: dict[str, str]) -> dict[tuple[str, ...], Any]:
        """What is kept of a moment; a dictionary of its own for every generation, since views may overlap."""
        now = (about.get("generation"), about.get("as_of"), about.get(SHELF_MARK))
        moment, found = self._held
        if moment != now or len(found) > _KEPT_MAX:
            found = {}
            self._held = (now, found)
        return found


class View:
    """One moment of the snapshot: whatever is asked of it is of one generation.

    Args:
        connection: Reads within one transaction; a plain one of SQLite costs a tenth.
        kept: What earlier views of the same snapshot read.
    """

    def __init__(self, connection: Connection | sqlite3.Connection, kept: Kept | None = None) -> None:
        self._connection = connection
        self._about: dict[str, str] = dict(map(tuple, _NOTES.rows(connection)))
        self._kept = (kept or Kept()).of(self._about)

    @property
    def about(self) -> dict[str, str]:
        """The snapshot's generation, as_of and whatever else its run noted."""
        return {key: value for key, value in self._about.items() if key != SHELF_MARK}

    @property
    def generation(self) -> int:
        """Counts the runs that changed something; 0 before the first."""
        return int(self._about.get("generation", "0"))

    @property
    def as_of(self) -> str:
        """ISO 8601 moment that the last run describes; empty before the first."""
        return self._about.get("as_of", "")

    def person(self, token: str) -> dict[str, Any] | None:
        """The document of the person a token belongs to, or of the person it names; None if unknown."""
        doc = _PERSON.first(self._connection, {"token": token})
        return None if doc is None else orjson.loads(doc)

    def tokens_of(self, person: str) -> frozenset[str]:
        """Every token that belongs to a person, her own among them."""
        return frozenset({person, *(token for (token,) in _LINKED.rows(self._connection, {"person": person}))})

    def top(self, scope: str, bucket: str) -> list[str]:
        """ObjectIDs, best first, of a scope such as `popular:everywhere` or `popular:category` and its bucket."""
        return self._one(scope, bucket) or []

    def related(self, object_id: str) -> dict[str, list[str]]:
        """Lists by kind (related, bought_together, viewed_together, similar) of one product."""
        return self._one(RELATED, self._one(VARIANT, object_id) or object_id) or {}

    def hits_possible(self, index: str | None, category: str | None) -> int | None:
        """Products of an index, or of a category in it; of the largest index for None; None where nobody knows.

        A category that nobody counted is counted as the whole index: it cannot hold more.
        """
        if index is None:
            return self._largest(category or "")
        kind = f"{COUNT}{index}"
        found: int | None = self._one(kind, category or "")
        return found if found is not None or not category else self._one(kind, "")

    def declared(self, index: str | None) -> frozenset[str] | None:
        """Attributes that an index declares for faceting, that all of them do for None; None where nobody knows."""
        if index is not None:
            named = self._one(DECLARED, index)
            return None if named is None else frozenset(named)
        if ("declared",) not in self._kept:
            found = [frozenset(orjson.loads(doc)) for (doc,) in _ALL_DECLARED.rows(self._connection)]
            self._kept["declared",] = frozenset.intersection(*found) if found else None
        common: frozenset[str] | None = self._kept["declared",]
        return common

    def _largest(self, category: str) -> int | None:
        if ("counted", category) not in self._kept:
            counted: dict[str, dict[str, int]] = {}
            for kind, name, doc in _ALL_COUNTED.rows(self._connection, {"name": category}):
                counted.setdefault(kind, {})[name] = int(doc)
            numbers = (found.get(category, found.get("", 0)) for found in counted.values())
            self._kept["counted", category] = max(numbers, default=None)
        found: int | None = self._kept["counted", category]
        return found

    def _one(self, kind: str, name: str) -> Any:
        """One document of the shelf; nobody changes what she is given."""
        key = ("one", kind, name)
        if key not in self._kept:
            doc = _ONE.first(self._connection, {"kind": kind, "name": name})
            self._kept[key] = None if doc is None else orjson.loads(doc)
        return self._kept[key]
