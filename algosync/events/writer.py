"""Writing the event log: one batch, one transaction.

One transaction takes the manifest, the cursor, new ids and the quarantine, and ends only when the files it names are
complete: after a crash the log is as before, and the next writer removes the files that no manifest names. A dry run
uses the scratch writer: the same code with its own place to put things, on top of a log that it only reads.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Protocol, Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from algosync.errors import StoreError
from algosync.events import quarantine
from algosync.events.clean import Cleaned
from algosync.events.commit import Change, commit, last_segment, lock, move_cursor, writing
from algosync.events.duck import arrow, lent
from algosync.events.log import RESOLUTIONS, EventLog, products_in
from algosync.events.memory import Column, Memory, Versions
from algosync.events.merging import merge
from algosync.events.reading import alone, hold, release
from algosync.events.schema import ITEMS, LOG
from algosync.events.segments import Segment, remove_orphans, scan
from algosync.stores import tables
from algosync.stores.scratch import Scratch
from algosync.stores.state import State, memory_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What became of a batch. Accepted, rejected, duplicates and forgotten add up to read; the others are accepted.

    Args:
        read: Rows read.
        accepted: Events new to the log.
        rejected: Rows turned away.
        duplicates: Events the log, or the batch, had already.
        waiting: Accepted events whose product nobody knows yet.
        ignored: Accepted events that count nowhere.
        no_consent: Accepted events that count in aggregates only.
        forgotten: Rows of people who were forgotten: neither taken in nor kept anywhere.
    """

    read: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    waiting: int = 0
    ignored: int = 0
    no_consent: int = 0
    forgotten: int = 0

    def __add__(self, other: Appended) -> Appended:
        return Appended(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


class LogWriter(Protocol):
    """Takes judged batches into a log."""

    @property
    def log(self) -> EventLog:
        """The log as it is with what was written."""

    def append(self, cleaned: Cleaned, *, cursor: str | None, source: str, products: pa.Table) -> Appended:
        """Take in one batch and move the source's cursor."""

    def resolve_waiting(self, products: pa.Table) -> int:
        """Give events that wait their products."""

    def set_aside(self, cleaned: Cleaned, *, source: str) -> None:
        """Keep what a batch turned away, and nothing else of it."""

    def close(self) -> None:
        """Give everything back."""


class _Writer:
    """What both writers share; `into` is the place that changes."""

    def __init__(self, log: EventLog, into: State) -> None:
        self.log = log
        self._into = into
        self._con = duckdb.connect()
        with into.read() as connection:
            self._last_segment = last_segment(connection)

    def append(self, cleaned: Cleaned, *, cursor: str | None, source: str, products: pa.Table) -> Appended:
        """Take in one batch: its new events, what they bring, its rejected rows and the cursor, or nothing of it.

        Args:
            cleaned: The judged batch.
            cursor: Where reading goes on; None leaves the cursor where it is, for rows tried again.
            source: The source's name.
            products: The catalog at this moment (PRODUCT_REFS), each id once.

        Raises:
            StoreError: Nothing was taken in.
        """
        fresh = self._fresh(cleaned.accepted)
        change = self._change(fresh, products, source)
        appended = _counted(cleaned, change)
        last = self._last_segment
        with writing(self._into.directory, change, last) as written, self._into.write() as connection:
            segments = commit(connection, change, written, last)
            quarantine.settle(connection, cleaned, source)
            if cursor is not None:
                move_cursor(connection, source, cursor)
        self._learn(change, segments)
        return appended

    def resolve_waiting(self, products: pa.Table) -> int:
        """Give each product that events wait for, and that `products` now knows, its version, once and for all.

        Args:
            products: The catalog (PRODUCT_REFS), each id once.

        Returns:
            The number of products resolved.

        Raises:
            StoreError: Nothing was resolved.
        """
        objects = self._waiting()
        if not objects.num_rows:
            return 0
        waiting = self._memory.values(objects)
        versions = self._memory.versions(waiting, products)
        found = pc.is_valid(versions.item)
        columns = [waiting.column("object"), versions.item, versions.price]
        resolutions = pa.table(columns, schema=RESOLUTIONS).filter(found)
        if not resolutions.num_rows:
            return 0
        change = Change(
            events=LOG.empty_table(), items=versions.new, products=None, ids={}, source=None, resolutions=resolutions
        )
        last = self._last_segment
        with writing(self._into.directory, change, last) as written, self._into.write() as connection:
            segments = commit(connection, change, written, last)
        self._learn(change, segments)
        return int(resolutions.num_rows)

    def set_aside(self, cleaned: Cleaned, *, source: str) -> None:
        """Keep what a batch turned away when the batch itself is refused; the cursor stays."""
        with self._into.write() as connection:
            quarantine.store(connection, cleaned, source)

    def close(self) -> None:
        """Forget what was remembered; the log stays usable."""
        self._con.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def _memory(self) -> Memory:
        # Only when something new came: most looks at a source find nothing.
        return Memory(self.log, self._con)

    def _fresh(self, accepted: pa.Table) -> pa.Table:
        if not accepted.num_rows:
            return accepted
        numbers = self._memory.fresh(accepted)
        return accepted if len(numbers) == accepted.num_rows else accepted.take(pa.array(numbers))

    def _change(self, fresh: pa.Table, products: pa.Table, source: str) -> Change:
        if not fresh.num_rows:
            return Change(events=LOG.empty_table(), items=ITEMS.empty_table(), products=None, ids={}, source=source)
        tokens = self._memory.encode("token", fresh.column("user_token"), fresh.column("authenticated_user_token"))
        objects = self._memory.encode("object", fresh.column("object_id"))
        [named] = objects.columns
        items, price, new = self._items(fresh, named, products)
        token, auth = (column.ids_by_row() for column in tokens.columns)
        made = {"token": token, "auth": auth, "object": named.ids_by_row(), "item": items}
        made["price"] = price
        events = pa.table(
            [made.get(name, fresh[name] if name in fresh.column_names else None) for name in LOG.names], schema=LOG
        )
        brings = fresh.column("product").null_count < fresh.num_rows
        return Change(
            events=events,
            items=new,
            products=products_in(self._con, fresh) if brings else None,
            ids={"token": tokens.new, "object": objects.new},
            source=source,
        )

    def _items(self, fresh: pa.Table, objects: Column, products: pa.Table) -> tuple[Any, Any, pa.Table]:
        """Return each event's item and price, and the versions that are new."""
        wanted = pa.table({"object": objects.ids, "value": objects.values})
        versions = self._memory.versions(wanted, products)
        items = versions.item.take(objects.places)
        price = pc.coalesce(fresh.column("price").combine_chunks(), versions.price.take(objects.places))
        filters = fresh.column("facet_filters")
        if filters.null_count == len(filters):
            return items, price, versions.new
        filtering = pc.is_valid(filters).combine_chunks()
        extra: Versions = self._memory.filter_versions(filters.filter(filtering), versions.new.num_rows)
        items = pc.replace_with_mask(items, filtering, extra.item)
        return items, price, pa.concat_tables([versions.new, extra.new])

    def _waiting(self) -> pa.Table:
        """Return the `object` of every product that events still wait for."""
        with lent(self._con, done=self.log.resolutions()):
            return arrow(
                self._con,
                f'SELECT DISTINCT "object" FROM {scan("events", self.log.paths()["events"])} '  # noqa: S608
                'WHERE item IS NULL AND "object" IS NOT NULL AND "object" NOT IN (SELECT "object" FROM done)',
            )

    def _learn(self, change: Change, segments: list[Segment]) -> None:
        self._last_segment += len(segments)
        if segments:
            self._memory.learn(change.events, change.ids, change.items)


class CommittingWriter(_Writer):
    """Writes to the state's own log; one at a time per state directory. Many small segments become one as it opens.

    Raises:
        StoreError: Another process is writing, or the log cannot be read.
    """

    def __init__(self, state: State) -> None:
        self._lock = lock(state.directory)
        try:
            log = EventLog(state)
            merge(state)
            with state.read() as connection:
                known = set(connection.scalars(select(tables.segments.c.path)))
            with alone(state.directory, wait_s=0) as unread:
                self.removed = remove_orphans(state.directory, known) if unread else []
            super().__init__(log, state)
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Forget what was remembered and let other writers in."""
        super().close()
        os.close(self._lock)


class ScratchWriter(_Writer):
    """Writes to a place of its own on top of a log that it only reads; all of it is gone when closed."""

    def __init__(self, state: State) -> None:
        self._reading = hold(state.directory)
        self._place = Scratch()
        self._scratch = memory_state(self._place.path)
        super().__init__(EventLog(state, self._scratch), self._scratch)

    def close(self) -> None:
        """Remove the scratch place."""
        super().close()
        self._scratch.close()
        self._place.close()
        release(self._reading)


def _counted(cleaned: Cleaned, change: Change) -> Appended:
    events = change.events
    waiting = pc.and_(pc.is_valid(events.column("object")), pc.is_null(events.column("item")))
    excluded = events.column("excluded")
    appended = Appended(
        read=cleaned.read,
        accepted=events.num_rows,
        rejected=cleaned.rejected.num_rows,
        duplicates=cleaned.accepted.num_rows - events.num_rows,
        waiting=_number(waiting),
        ignored=_number(pc.starts_with(excluded, "ignored:")),
        no_consent=_number(pc.starts_with(excluded, "no_consent:")),
    )
    if appended.accepted + appended.rejected + appended.duplicates != appended.read:
        raise StoreError(f"the rows of a batch do not add up: {appended}", hint="This is a fault of algosync")
    return appended


def _number(mask: Any) -> int:
    return int(pc.sum(mask).as_py() or 0)
