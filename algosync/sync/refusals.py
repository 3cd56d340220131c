"""Payloads that Algolia refused to hold, or that are too large to be sent: the quarantine of what goes out.

A payload stays out of plans while its content is the refused one. Must not talk to Algolia.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, and_, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from algosync.algolia.target import Target
from algosync.errors import StoreError
from algosync.payloads.encode import Family, Payload, Unsent
from algosync.stores.tables import refused

OVERSIZE: Final = "not sent: "
"""How the reason begins of a payload that is larger than `algolia.max_record_bytes`: nobody but us has refused it."""

_KEY: Final = ("app", "hosts", "index", "family", "object_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A payload that was refused.

    Attributes:
        hash: Of its content; another one is tried again.
        at: When it was refused.
    """

    index: str
    family: Family
    object_id: str
    hash: str
    reason: str
    at: datetime

    @property
    def is_oversize(self) -> bool:
        """Whether it was never sent: then it is made anew and measured in every run."""
        return self.reason.startswith(OVERSIZE)

    @property
    def name(self) -> str:
        """What people call it by."""
        return f"{self.family}/{self.index}/{self.object_id}"


class Refusals:
    """The refused payloads of one application on its hosts.

    Args:
        engine: The state database, with its tables made.
        target: Application and hosts.

    Raises:
        StoreError: From every method, if the database fails.
    """

    def __init__(self, engine: Engine, target: Target) -> None:
        self._engine = engine
        self._mine = {"app": target.app_id, "hosts": target.key}

    def listed(self) -> list[Refusal]:
        """All of them, by index, family, objectID."""
        c = refused.c
        mine = and_(c.app == self._mine["app"], c.hosts == self._mine["hosts"])
        query = select(c.index, c.family, c.object_id, c.hash, c.reason, c.at).where(mine)
        with begun(self._engine) as connection:
            rows = connection.execute(query.order_by(c.index, c.family, c.object_id)).all()
        return [
            Refusal(
                index=row[0],
                family=row[1],
                object_id=row[2],
                hash=row[3],
                reason=row[4],
                at=datetime.fromisoformat(row[5]),
            )
            for row in rows
        ]

    def known(self) -> dict[tuple[str, Family], dict[str, tuple[str, str]]]:
        """Hash and reason of what Algolia refused, by (index, family) and objectID, as a plan takes them."""
        found: dict[tuple[str, Family], dict[str, tuple[str, str]]] = {}
        for one in self.listed():
            if not one.is_oversize:
                found.setdefault((one.index, one.family), {})[one.object_id] = (one.hash, one.reason)
        return found

    def keep(self, refusals: Iterable[Refusal]) -> None:
        """Keep what was refused, in place of what was kept of the same objects."""
        rows = [
            {
                **self._mine,
                "index": one.index,
                "family": one.family,
                "object_id": one.object_id,
                "hash": one.hash,
                "reason": one.reason,
                "at": one.at.isoformat(),
            }
            for one in refusals
        ]
        if not rows:
            return
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(refused)
        new = {name: insert.excluded[name] for name in ("hash", "reason", "at")}
        with begun(self._engine) as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=_KEY, set_=new), rows)

    def settle(
        self, families: AbstractSet[Family], payloads: Iterable[Payload], unsent: Iterable[Unsent], at: datetime
    ) -> None:
        """Keep what is too large to be sent, and no longer what has changed, fits by now, or is not wanted any more.

        Args:
            families: Those that were made; of others everything is kept.
            payloads: What is wanted.
            unsent: What was made and is not sent.
            at: Now.
        """
        wanted = {(one.family, one.index, one.object_id): one.hash for one in payloads}
        large = {(one.family, one.index, one.object_id): one for one in unsent if one.hash is not None}
        sizes = {key: one.hash for key, one in large.items()}
        gone, known = [], set()
        for one in self.listed():
            key = (one.family, one.index, one.object_id)
            if one.family in families and (sizes if one.is_oversize else wanted).get(key) != one.hash:
                gone.append(one)
            else:
                known.add((*key, one.hash))
        self.drop(gone)
        self.keep(
            Refusal(
                family=key[0],
                index=key[1],
                object_id=key[2],
                hash=one.hash,
                reason=OVERSIZE + one.reason,
                at=at,
            )
            for key, one in large.items()
            if one.hash is not None and (*key, one.hash) not in known
        )

    def drop(self, refusals: Iterable[Refusal]) -> int:
        """Keep these no longer, so that they are tried again; says how many were kept until now."""
        c, gone = refused.c, 0
        mine = and_(c.app == self._mine["app"], c.hosts == self._mine["hosts"])
        with begun(self._engine) as connection:
            for one in refusals:
                this = and_(c.index == one.index, c.family == one.family, c.object_id == one.object_id)
                gone += connection.execute(delete(refused).where(mine, this, c.hash == one.hash)).rowcount
        return gone


@contextmanager
def begun(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction of its own.

    Raises:
        StoreError: The database failed.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise StoreError(
            f"the ledger cannot be used ({type(error).__name__})", where="state.url", hint="See the cause above"
        ) from error
