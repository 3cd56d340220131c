"""Who was forgotten, as keyed hashes alone: nothing of theirs is taken in again, from wherever it comes.

A book of its own, so that it can be backed up apart from the state: a state that is restored or rebuilt without it
would bring back whoever was forgotten. A tombstone stands for a name (a token or customer id) or for a single event
of a device that others use too. Somebody who returns is heeded from the moment that her names are lifted; what was
before stays away. The key is the shop's secret and not a file beside the hashes: customer ids can be guessed one by
one, so that hashes and key together say as much as the names.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

from sqlalchemy import (
    Column,
    Connection,
    Index,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from algosync.errors import ConfigError
from algosync.stores.followed import file_identity
from algosync.stores.plain import Asked, Plain
from algosync.stores.state import STATE, Book, State, open_state
from algosync.stores.witness import History, Needed, needed, refuse_lost

Kind = Literal["name", "event"]

_CHECK: Final = "check"
_CHANGES: Final = "changes"
_CHANGE: Final = "change "
_BUSY_S: Final = 0.1

metadata = MetaData()
meta = Table(
    "tombstones_meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False)
)
tombstones = Table(
    "tombstones",
    metadata,
    Column("hash", String, primary_key=True),
    Column("kind", String, nullable=False),  # name | event
    Column("erasure", String, nullable=False),  # the erasure that it was made by
    Column("made_at", String, nullable=False),
    Column("lifted_at", String),  # of names: what is later counts again
    Index("tombstones_erasure", "erasure"),
)

TOMBSTONES = Book(file="tombstones.sqlite", metadata=metadata, meta=meta, version=1, lock=7_411_020_533)

_MOVED: Final = Asked(select(meta.c.value).where(meta.c.key == _CHANGES))
_ALL: Final = Asked(select(tombstones.c.hash, tombstones.c.kind, tombstones.c.lifted_at))
_HISTORY: Final = Asked(select(meta.c.key, meta.c.value).where(meta.c.key.startswith("change")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hasher:
    """Makes keyed hashes: HMAC-SHA256 of what is hashed and its kind. The key is in no repr."""

    key: bytes = field(repr=False)

    def of(self, kind: Kind | Literal["erasure", "check"], text: str) -> str:
        """The hash of a text, as 64 hexadecimal digits; no other kind's, nor any objectID of a record, is the same."""
        return hmac.digest(self.key, f"algosync {kind}\0{text}".encode(), "sha256").hex()


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """The tombstones of one moment.

    Attributes:
        hasher: By which they were made; None where there are none.
        names: Hashes of names, with the moment at which they were lifted; None while they hold.
        events: Hashes of events.
        history: How the book came to be so.
    """

    hasher: Hasher | None = None
    names: Mapping[str, datetime | None] = field(default_factory=dict)
    events: frozenset[str] = frozenset()
    history: History = field(default_factory=History)

    def __bool__(self) -> bool:
        return bool(self.names or self.events)

    def among(self, names: Iterable[str]) -> dict[str, datetime | None]:
        """Those of some names that were forgotten, each with the moment from which on it counts again, or None."""
        if self.hasher is None or not self.names:
            return {}
        hashed = ((name, self.hasher.of("name", name)) for name in names)
        return {name: self.names[digest] for name, digest in hashed if digest in self.names}

    def holds(self, name: str) -> bool:
        """Whether nothing of a name is taken in now."""
        return self.among([name]).get(name, _NEVER) is None

    def has_event(self, key_hi: int, key_lo: int) -> bool:
        """Whether an event of a shared device was removed."""
        return self.hasher is not None and self.hasher.of("event", event_name(key_hi, key_lo)) in self.events


_NEVER: Final = datetime.min.replace(tzinfo=UTC)
NOBODY: Final = Forgotten()


def event_name(key_hi: int, key_lo: int) -> str:
    """What an event is hashed as: the two halves of its key in the log."""
    return f"{key_hi:016x}{key_lo:016x}"


class Tombstones:
    """The book, open.

    Args:
        state: A database that was opened with TOMBSTONES' tables.
        key: The shop's secret for keyed hashes; None where it has none, which is good as long as there are none.

    Raises:
        ConfigError: They were made by another key, so that none of them would be found.
    """

    def __init__(self, state: State, key: bytes | None) -> None:
        self._state = state
        self.hasher = None if key is None else Hasher(key=key)
        with state.read() as connection:
            _check_key(connection, self.hasher)

    def forgotten(self) -> Forgotten:
        """All of them."""
        with self._state.read() as connection:
            return _read(connection, self.hasher)

    def history(self) -> History:
        """How the book came to be as it is."""
        with self._state.read() as connection:
            return _history(connection)

    def bury(self, erasure: str, names: Iterable[str], events: Iterable[str], at: datetime) -> int:
        """Makes tombstones; those that are there already hold again.

        The tombstones of an earlier erasure that one of these names was in are of this one from now on: whoever is
        forgotten twice returns with all that she was known by.

        Args:
            erasure: The id of the erasure.
            names: Tokens and customer ids.
            events: Of `event_name`.
            at: Now.

        Returns:
            How many there are of this erasure by now.

        Raises:
            StoreError: None was made.
        """
        hasher = self._need()
        given: tuple[tuple[Kind, Iterable[str]], ...] = (("name", names), ("event", events))
        rows = [
            {"hash": hasher.of(kind, text), "kind": kind, "erasure": erasure, "made_at": at.isoformat()}
            for kind, texts in given
            for text in dict.fromkeys(texts)
        ]
        with self._state.write() as connection:
            dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
            statement = dialect.insert(tombstones)
            newer = {"erasure": statement.excluded.erasure, "lifted_at": None}
            again = statement.on_conflict_do_update(index_elements=["hash"], set_=newer)
            if rows:
                _join(connection, [row["hash"] for row in rows if row["kind"] == "name"], erasure)
                connection.execute(again, rows)
            _note(connection, _CHECK, hasher.of("check", ""))
            _moved(connection, erasure, at)
            mine = select(func.count()).where(tombstones.c.erasure == erasure)
            return int(connection.scalar(mine) or 0)

    def lift(self, name: str, at: datetime) -> int:
        """Lets in what comes of somebody from now on; what was before stays away.

        Returns:
            How many of her names were lifted; 0 where she was not forgotten.

        Raises:
            StoreError: Nothing was lifted.
        """
        digest = self._need().of("name", name)
        with self._state.write() as connection:
            erasure = connection.scalar(select(tombstones.c.erasure).where(tombstones.c.hash == digest))
            hers = (tombstones.c.erasure == erasure, tombstones.c.kind == "name", tombstones.c.lifted_at.is_(None))
            lifted = connection.execute(update(tombstones).where(*hers).values(lifted_at=at.isoformat())).rowcount
            if lifted:
                _moved(connection, "lifted", at)
        return int(lifted)

    def _need(self) -> Hasher:
        if self.hasher is None:
            raise ConfigError(
                "is missing: whoever is forgotten is remembered by a keyed hash, so that nothing brings her back",
                where="identity.hash_key",
                hint="Set ALGOSYNC_IDENTITY__HASH_KEY to a secret of at least 16 characters, and keep it: without it,"
                " tombstones are of no use",
            )
        return self.hasher


class ForgottenAtHand:
    """Who is forgotten at this moment, for those who take events in; kept in memory, read again where there is more.

    Args:
        url: `sqlite`, or the URL of a database.
        directory: The state directory.
        key: The shop's secret for keyed hashes, if it has one.
    """

    def __init__(self, url: str, directory: Path, key: bytes | None) -> None:
        self._url = url
        self._directory = directory
        self._key = key
        self._path = directory / TOMBSTONES.file
        self._lock = Lock()
        self._identity: object = None
        self._state: State | None = None
        self._plain: Plain | None = None
        self._looked: tuple[object, Forgotten] | None = None

    def __call__(self) -> Forgotten:
        """Those of now; nobody where there is no book yet.

        Raises:
            StoreError: The book cannot be read, or lacks what the state saw of it.
            ConfigError: It was made by another key.
        """
        with self._lock:
            sqlite = self._url == "sqlite"
            identity = file_identity(self._path) if sqlite else self._url
            if identity is None:
                self._leave()
            elif self._state is None or identity != self._identity:
                self._open(identity)
            stands = (file_identity(self._directory / STATE.file) if sqlite else None), self._changes()
            if self._looked is None or stands != self._looked[0]:
                self._looked = stands, self._read()
            return self._looked[1]

    def _changes(self) -> str:
        if self._state is None:
            return ""
        if self._plain is not None:
            return self._plain.once((_CHANGES,), lambda connection: _MOVED.first(connection, {})) or ""
        with self._state.read() as connection:
            return _MOVED.first(connection, {}) or ""

    def _read(self) -> Forgotten:
        with open_state(self._url, self._directory, create=False, busy_s=_BUSY_S) as state:
            need = needed(state)
        found = NOBODY
        if self._state is not None:
            with self._state.read() as connection:
                found = _read(connection, None if self._key is None else Hasher(key=self._key))
        refuse_lost(need, found.history)
        return found

    def close(self) -> None:
        """Gives the database back."""
        with self._lock:
            self._leave()

    def _open(self, identity: object) -> None:
        self._leave()
        # On a server the tables are made, so that it need not be asked every time whether they are there.
        create = self._url != "sqlite"
        state = open_state(self._url, self._directory, create=create, book=TOMBSTONES, busy_s=_BUSY_S)
        try:
            Tombstones(state, self._key)
        except BaseException:
            state.close()
            raise
        self._state, self._identity = state, identity
        self._plain = Plain(state) if self._url == "sqlite" else None

    def _leave(self) -> None:
        if self._plain is not None:
            self._plain.close()
        if self._state is not None:
            self._state.close()
        self._state, self._plain, self._identity, self._looked = None, None, None, None


def open_forgotten(url: str, directory: Path, key: bytes | None, need: Needed) -> Forgotten:
    """Who is forgotten at this moment, read once; nobody where there is no book.

    Args:
        url: `sqlite`, or the URL of a database.
        directory: The state directory.
        key: The shop's secret for keyed hashes, if it has one.
        need: What the book must hold at least.

    Raises:
        StoreError: The book cannot be read, or lacks what the state saw of it.
        ConfigError: It was made by another key, or the key is missing.
    """
    with open_state(url, directory, create=False, book=TOMBSTONES) as state:
        found = Tombstones(state, key).forgotten()
    refuse_lost(need, found.history)
    return found


def open_history(url: str, directory: Path, key: bytes | None) -> History:
    """How the book came to be as it is.

    Raises:
        StoreError: The book cannot be read.
        ConfigError: It was made by another key, or the key is missing.
    """
    with open_state(url, directory, create=False, book=TOMBSTONES) as state:
        return Tombstones(state, key).history()


def _read(connection: Connection | Any, hasher: Hasher | None) -> Forgotten:
    names: dict[str, datetime | None] = {}
    events: set[str] = set()
    for digest, kind, lifted in _ALL.rows(connection):
        if kind == "event":
            events.add(digest)
        else:
            names[digest] = None if lifted is None else datetime.fromisoformat(lifted)
    return Forgotten(hasher=hasher, names=names, events=frozenset(events), history=_history(connection))


def _history(connection: Connection | Any) -> History:
    told = dict(map(tuple, _HISTORY.rows(connection)))
    changes = told.pop(_CHANGES, "")
    return History(changes=changes, last=told.get(f"{_CHANGE}{changes}", ""), every=frozenset(told.values()))


def _check_key(connection: Connection, hasher: Hasher | None) -> None:
    made_by = connection.scalar(select(meta.c.value).where(meta.c.key == _CHECK))
    if made_by is None or (hasher is not None and hmac.compare_digest(made_by, hasher.of("check", ""))):
        return
    what = "is missing" if hasher is None else "is another one than that by which people were forgotten"
    raise ConfigError(
        f"{what}, so that whoever was forgotten would come back",
        where="identity.hash_key",
        hint="Set ALGOSYNC_IDENTITY__HASH_KEY to the secret of then",
    )


def _join(connection: Connection, names: Sequence[str], erasure: str) -> None:
    """Has the tombstones of earlier erasures of the same names belong to this one."""
    earlier = connection.scalars(select(tombstones.c.erasure).where(tombstones.c.hash.in_(names)).distinct()).all()
    connection.execute(update(tombstones).where(tombstones.c.erasure.in_(earlier)).values(erasure=erasure))


def _note(connection: Connection, key: str, value: str) -> None:
    connection.execute(delete(meta).where(meta.c.key == bindparam("which")), {"which": key})
    connection.execute(insert(meta).values(key=key, value=value))


def _moved(connection: Connection, what: str, at: datetime) -> None:
    before = connection.scalar(select(meta.c.value).where(meta.c.key == _CHANGES))
    number = str(int(before or 0) + 1)
    _note(connection, _CHANGES, number)
    _note(connection, f"{_CHANGE}{number}", f"{number} {what} {at.isoformat()}")
