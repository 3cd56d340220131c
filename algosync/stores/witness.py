"""What the state knows of the tombstones beside it, so that a book is missed that was lost, or put back as it once was.

The state notes the latest change that it saw of the book. A book that goes further is good: then the state is the
older one. So is any book beside a state that has noted nothing, as one that was made anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from sqlalchemy import select

from algosync.errors import StoreError
from algosync.stores.control import tell, told
from algosync.stores.state import State
from algosync.stores.tables import erasures

_KEY: Final = "tombstones_needed"
_HINT: Final = (
    "Restore the latest backup of tombstones.sqlite (on PostgreSQL of the tables tombstones*); where there is none,"
    " run `algosync forget --accept-loss`: whoever is missing comes back with the sources, and is to be forgotten again"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How a book of tombstones came to be as it is.

    Attributes:
        changes: How often it was changed; empty where it never was.
        last: Which change was the last; empty where it was made by a version that did not note that.
        every: Which changes there were, as far as they were noted.
    """

    changes: str = ""
    last: str = ""
    every: frozenset[str] = frozenset()

    @property
    def stand(self) -> str:
        """Tells this book from what it was and will be."""
        return self.last or self.changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What a book must hold at least.

    Attributes:
        changes: How many changes.
        last: Which one of them; empty for any.
    """

    changes: int = 0
    last: str = ""

    def lacks(self, book: History) -> str | None:
        """What is wrong with a book, as a sentence; None where nothing is."""
        there = int(book.changes or 0)
        if there >= self.changes and self.last in {"", *book.every}:
            return None
        if not there:
            return "the tombstones are lost: people were forgotten, and nobody is known of them any more"
        if there < self.changes:
            return f"the tombstones are older than the state: they lack {self.changes - there} changes that it saw"
        return "the tombstones are not those of this state: they lack changes that it saw"


def needed(state: State) -> Needed:
    """What the state knows; read before the book, which is always changed first.

    Raises:
        StoreError: The state cannot be read.
    """
    noted = told(state, _KEY)
    if noted is not None:
        return Needed(changes=int(noted["changes"] or 0), last=noted["last"])
    # Of a version that noted nothing: whoever was forgotten has a tombstone.
    with state.read() as connection:
        documents = [orjson.loads(doc) for doc in connection.scalars(select(erasures.c.doc))]
    buried = any(one["steps"].get("tombstones", {}).get("status") == "done" for one in documents)
    return Needed(changes=1 if buried else 0)


def refuse_lost(need: Needed, book: History) -> None:
    """Stops where whoever was forgotten would come back, since the book does not know her.

    Raises:
        StoreError: The book is lost, is an older one, or another.
    """
    lacks = need.lacks(book)
    if lacks is not None:
        raise StoreError(lacks, where="tombstones", hint=_HINT)


def witness(state: State, book: History, at: datetime) -> None:
    """Has the state know the book as it is.

    Raises:
        StoreError: The state cannot be written.
    """
    noted, now = told(state, _KEY), {"changes": book.changes, "last": book.last}
    if noted is None or {key: noted[key] for key in now} != now:
        tell(state, _KEY, now, at)
