"""One moment of the snapshot, for whoever answers a question: people by token, and what is on the shelf.

What is on the shelf stays until a run changes it, so it is read once a generation; people are read every time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson
from sqlalchemy import BindParameter, Connection, bindparam, func, or_, select

from algosync.stores.many import AskedOfMany
from algosync.stores.plain import Asked, Remembered
from algosync.stores.shelf import COUNT, DECLARED, OVERVIEW, PRODUCT, RELATED, VARIANT
from algosync.stores.snapshot_tables import entered, meta, people, shelf, standings, tallies, tokens

SHELF_MARK: Final = "shelf_mark"
"""The note with the mark of the last stocktaking, and the beginning of the name of others for parts of it."""
TALLIES_MARK: Final = "tallies_mark"
"""The note with the mark of the last tallies; missing where there are none."""
COUNTED_BY: Final = "counted_by"
"""The note that says by which rules the tallies were made."""
HEEDED: Final = "orders_seq"
"""The note of the last order about a single person that the run knew."""
SETTLED: Final = "settled"
"""Kind of a person's tally without any token's open epoch."""
OPEN: Final = "open"
"""Kind of the tally of a token's last epoch, where that is anonymous."""

REFUSED: Final = ""
"""No attribute's name: stands among the entered ones of a person whose latest word on consent is a refusal."""

_KEPT_MAX: Final = 10_000
_SEEN_MAX: Final = 15_000
"""Of what one connection has read of people, in each of two halves: some six entries and a few KB of a visitor."""

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
_STANDINGS = AskedOfMany(select(standings.c.token, standings.c.doc), standings.c.token)
_STANDING_WITH = Asked(select(standings.c.token).where(standings.c.owner == bindparam("person")))
_TALLIES = AskedOfMany(select(tallies.c.kind, tallies.c.name, tallies.c.doc), tallies.c.name)
_ENTERED = Asked(select(entered.c.doc).where(entered.c.person == bindparam("person")))
_PRODUCTS = AskedOfMany(select(shelf.c.name, shelf.c.doc).where(shelf.c.kind == PRODUCT), shelf.c.name)


class Kept:
    """What was read of one generation, for the views that follow; of another generation nothing is kept."""

    def __init__(self) -> None:
        # One pair in one place: threads share it, and none may find one generation's key with another's contents.
        self._held: tuple[tuple[str | None, ...], dict[tuple[str, ...], Any]] = ((), {})
        self._seen = Remembered(_Seen, kept=2 * _SEEN_MAX + 1)

    def seen(self, connection: Connection | sqlite3.Connection) -> _Seen:
        """What a connection has read of this moment before."""
        return self._seen.of(connection) if isinstance(connection, sqlite3.Connection) else _Seen(connection)

    def of(self, about: dict[str, str]) -> dict[tuple[str, ...], Any]:
        """What is kept of a moment; a dictionary of its own for every generation, since views may overlap."""
        now = (about.get("generation"), about.get("as_of"), about.get(SHELF_MARK))
        moment, found = self._held
        if moment != now or len(found) > _KEPT_MAX:
            found = {}
            self._held = (now, found)
        return found


class _Seen:
    """What one connection has read of one version of the database: the notes, and what it was asked of people."""

    def __init__(self, connection: Connection | sqlite3.Connection) -> None:
        self.about: dict[str, str] = dict(map(tuple, _NOTES.rows(connection)))
        self.generation = int(self.about.get("generation", "0"))
        self.inbox = self.about.get("inbox", ""), int(self.about.get("inbox_seq", "0"))
        # Two halves, so that room is made without forgetting those who were here just now.
        self._people: dict[tuple[str, str], Any] = {}
        self._before: dict[tuple[str, str], Any] = {}

    def __len__(self) -> int:
        return len(self._people) + len(self._before)

    def once(self, what: str, name: str, read: Callable[[str], Any]) -> Any:
        """What is read of somebody, once; whoever is given it changes nothing in it."""
        key = (what, name)
        if key in self._people:
            return self._people[key]
        found = self._before.pop(key) if key in self._before else read(name)
        if len(self._people) >= _SEEN_MAX:
            self._people, self._before = {}, self._people
        self._people[key] = found
        return found


class View:
    """One moment of the snapshot: whatever is asked of it is of one generation.

    Args:
        connection: Reads within one transaction; a plain one of SQLite costs a tenth.
        kept: What earlier views of the same snapshot read.
    """

    def __init__(self, connection: Connection | sqlite3.Connection, kept: Kept | None = None) -> None:
        self._connection = connection
        self._all_kept = kept or Kept()
        self._seen = self._all_kept.seen(connection)
        self._about = self._seen.about
        self._kept = self._all_kept.of(self._about)

    @property
    def about(self) -> dict[str, str]:
        """The snapshot's generation, as_of and whatever else its run noted."""
        return {key: value for key, value in self._about.items() if not key.startswith((SHELF_MARK, TALLIES_MARK))}

    @property
    def generation(self) -> int:
        """Counts the runs that changed something; 0 before the first."""
        return self._seen.generation

    def still_holds(self) -> bool | None:
        """Ends this moment, and says whether nobody has committed since it began; None where the database cannot."""
        if not isinstance(self._connection, sqlite3.Connection):
            return None
        self._connection.execute("ROLLBACK")
        return self._all_kept.seen(self._connection) is self._seen

    def once(self, what: str, name: str, read: Callable[[str], Any]) -> Any:
        """What is worked out of this moment alone for somebody, once; nobody changes what she is given."""
        return self._seen.once(what, name, read)

    @property
    def as_of(self) -> str:
        """ISO 8601 moment that the last run describes; empty before the first."""
        return self._about.get("as_of", "")

    @property
    def heeded(self) -> int:
        """The number of the last order about a single person that the run knew; 0 where it knew none."""
        return int(self._about.get(HEEDED, "0"))

    def person(self, token: str) -> dict[str, Any] | None:
        """The document of the person a token belongs to, or of the person it names; None if unknown."""
        found: dict[str, Any] | None = self._seen.once("person", token, self._person)
        return found

    def _person(self, token: str) -> dict[str, Any] | None:
        doc = _PERSON.first(self._connection, {"token": token})
        if doc is None:
            return None
        document: dict[str, Any] = orjson.loads(doc)
        # Whoever asks by a token asks by its person next.
        name = document.get("person", token)
        return document if name == token else self._seen.once("person", name, lambda _: document)

    def tokens_of(self, person: str) -> frozenset[str]:
        """Every token that belongs to a person, her own among them."""
        found: frozenset[str] = self._seen.once("tokens", person, self._tokens_of)
        return found

    def _tokens_of(self, person: str) -> frozenset[str]:
        return frozenset({person, *(token for (token,) in _LINKED.rows(self._connection, {"person": person}))})

    @property
    def is_counted(self) -> bool:
        """Whether it holds tallies at all: one that an earlier version of algosync made has none."""
        return TALLIES_MARK in self._about

    def inbox(self) -> tuple[str, int]:
        """The identity of the inbox that was read and the number up to which its events are contained; ("", 0)."""
        return self._seen.inbox

    def standings(self, names: Iterable[str]) -> dict[str, str]:
        """How tokens stand, as JSON by token; a token that never saw a login or logout has none."""
        return dict(map(tuple, _STANDINGS.rows(self._connection, names)))

    def standing(self, token: str) -> str | None:
        """How one token stands, as JSON; None where it never saw a login or logout."""
        found: str | None = self._seen.once("standing", token, lambda name: self.standings([name]).get(name))
        return found

    def tokens_standing_with(self, person: str) -> frozenset[str]:
        """The tokens at which a person is logged in now."""
        found: frozenset[str] = self._seen.once("standing with", person, self._tokens_standing_with)
        return found

    def _tokens_standing_with(self, person: str) -> frozenset[str]:
        return frozenset(token for (token,) in _STANDING_WITH.rows(self._connection, {"person": person}))

    def tallies(self, settled: Iterable[str], open_: Iterable[str]) -> dict[tuple[str, str], bytes]:
        """Tallies as they are kept, by (kind, name): SETTLED by person, OPEN by token.

        Args:
            settled: Persons.
            open_: Tokens.
        """
        wanted = {(SETTLED, name) for name in settled} | {(OPEN, name) for name in open_}
        rows = _TALLIES.rows(self._connection, (name for _, name in wanted))
        return {(kind, name): doc for kind, name, doc in rows if (kind, name) in wanted}

    def entered(self, person: str) -> dict[str, str]:
        """The attributes of a person from users sources."""
        return {key: value for key, value in self._told(person).items() if key != REFUSED}

    def has_refused(self, person: str) -> bool:
        """Whether the latest that a person said of consent, as far as the run knew, is a refusal."""
        return REFUSED in self._told(person)

    def _told(self, person: str) -> dict[str, str]:
        found: dict[str, str] = self._seen.once("told", person, self._read_told)
        return found

    def _read_told(self, person: str) -> dict[str, str]:
        doc = _ENTERED.first(self._connection, {"person": person})
        return {} if doc is None else orjson.loads(doc)

    def products(self, object_ids: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        """What products give to affinities and facts: {"facets": {facet: [value]}, "price": number or None}.

        Args:
            object_ids: As events name them; those of no product are not in the answer.
        """
        wanted = set(object_ids)
        missing = {name for name in wanted if (PRODUCT, name) not in self._kept}
        found = {name: orjson.loads(doc) for name, doc in _PRODUCTS.rows(self._connection, missing)}
        for name in missing:
            self._kept[PRODUCT, name] = found.get(name)
        held = {name: self._kept[PRODUCT, name] for name in sorted(wanted)}
        return {name: doc for name, doc in held.items() if doc is not None}

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

    def overview(self) -> dict[str, Any] | None:
        """Sums over everybody, and people to preview the shop as (sync/overview.py); None before a run made it."""
        found: dict[str, Any] | None = self._one(OVERVIEW, "")
        return found

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
