"""The steps of an erasure, each for itself: what goes from which store, and how much it was.

Every step may be run again and then finds nothing more. Which steps, in which order, is `forget`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
import pyarrow as pa
from ibis.backends.duckdb import Backend
from sqlalchemy import and_, delete, select, union, update

from algosync.algolia.client import ReadClient, WriteClient
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError, AlgosyncError, StoreError
from algosync.events import quarantine
from algosync.events.cut import cut
from algosync.events.forgotten import rows_of
from algosync.events.mapping import apply
from algosync.events.sources import arrays
from algosync.events.sources.base import RawBatch
from algosync.operate.search import Names, rows_naming, same_row
from algosync.operate.whose import Whose
from algosync.payloads.encode import Family, OpaqueIds
from algosync.stores import tables
from algosync.stores.inbox import Inbox
from algosync.stores.snapshot_tables import shelf
from algosync.stores.state import State
from algosync.sync.ledger import Ledger
from algosync.sync.pull import EventSource
from algosync.sync.results import Results

FORGOTTEN: Final = "(forgotten)"
_PORTION: Final = 1000
_OWN: Final = {
    *("ids", "orders", "quarantine", "erasures", "segments", "cursors", "meta", "resolutions"),
    *("ledger", "refused", "spent", "settings_used"),
}
"""Tables of the state that are seen to by a step of their own, or that name nobody."""

Counts = Mapping[str, int]


class Insights(Protocol):
    """Has events at Algolia deleted."""

    def delete_user(self, token: str) -> None:
        """All of a user token's."""


class Profiles(Protocol):
    """Has profiles at Algolia deleted."""

    def delete_profile(self, token: str) -> str:
        """That of a user token; returns until when events count no more."""

    def profile(self, token: str) -> dict[str, Any] | None:
        """What is known of a user token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The stores, open for writing, with the writer's lock held.

    Attributes:
        state: The state.
        snapshot: The snapshot's database.
        inbox: The inbox's database.
        tombstones: The tombstones' database.
        directory: The state directory.
        results: What the last run left.
        backend: The analytics engine.
        sources: The sources of events.
    """

    state: State
    snapshot: State
    inbox: State
    tombstones: State
    directory: Path
    results: Results
    backend: Backend
    sources: tuple[EventSource, ...]

    @property
    def books(self) -> dict[str, State]:
        """The databases, by what BOOKS calls them."""
        return {"state": self.state, "snapshot": self.snapshot, "inbox": self.inbox, "tombstones": self.tombstones}


@dataclass(frozen=True, slots=True, kw_only=True)
class AtAlgolia:
    """What is Algolia's.

    Attributes:
        target: The application and its hosts.
        ledger: What was published there.
        payload_index: Where profile records are.
        ids: Makes their objectIDs.
        reader: Reads.
        writer: Opens what writes; raises ConfigError where there is no key.
        insights: Deletes events; None where the shop sends none there, or no key is at hand.
        profiles: Deletes profiles; None likewise.
        declined: Whether None means that the shop sends none.
    """

    target: Target
    ledger: Ledger
    payload_index: str
    ids: OpaqueIds
    reader: ReadClient
    writer: Callable[[], WriteClient]
    insights: Insights | None
    profiles: Profiles | None
    declined: bool = True


def erase_inbox(held: Held, names: Collection[str], arrived: Collection[int]) -> Counts:
    """Events, choices, impressions, and what forwarding kept aside; also events that do not name her."""
    return {"events": Inbox(held.inbox).forget(names, arrived)}


def erase_results(held: Held, found: Whose) -> Counts:
    """What the last run left to the next."""
    return {"integers": held.results.forget(found.numbers)}


def erase_events(held: Held, found: Whose) -> Counts:
    """Her events in the log, and her names in its dictionary.

    Raises:
        StoreError: Somebody reads the old files all the time, so that they are still there.
    """
    gone = cut(held.state, held.backend.con, found.events, found.names)
    if not gone.unread:
        hint = "Nothing reads them by their names any more; run again, or sync, to have them removed"
        raise StoreError("files of the log are being read and were not removed yet", where="log", hint=hint)
    return {"events": gone.events, "segments": gone.segments, "names": gone.names, "files": gone.removed}


def erase_quarantine(held: Held, names: Names) -> Counts:
    """Rows that were turned away: those that her source maps to her, and those that name her."""
    return {"rows": quarantine.remove(held.state, quarantined(held, names))}


def quarantined(held: Held, names: Names) -> list[int]:
    """The numbers of the rows in quarantine that are hers."""
    sources = {one.source.name: one for one in held.sources}
    found: set[int] = set()
    for name, rows in quarantine.every(held.state).items():
        found |= {number for number, row in rows if names.mentioned(row)}
        usable = [(number, row) for number, row in rows if row.startswith("{")] if name in sources else []
        mapped = _mapped(sources[name], usable, frozenset(names.every)) if usable else None
        if mapped is None:  # then whole values have to do, though they may mean something else
            found |= {number for number, row in rows if names.is_value(row)}
        else:
            known = {number for number, _ in usable}
            found |= mapped | {number for number, row in rows if number not in known and names.is_value(row)}
    return sorted(found)


def _mapped(source: EventSource, usable: Sequence[tuple[int, str]], names: frozenset[str]) -> set[int] | None:
    """Those rows that the source's mapping gives to somebody; None where it fits them no more."""
    batch = RawBatch(
        table=arrays.table([orjson.loads(row) for _, row in usable]),
        positions=pa.array([str(number) for number, _ in usable], pa.string()),
        bad=(),
        cursor="",
        sparse=True,
    )
    try:
        hit = rows_of(apply(batch, source.mapping), names)
    except AlgosyncError:  # columns were renamed since
        return None
    return {usable[place][0] for place in hit}


def erase_mentions(held: Held, names: Names) -> Counts:
    """Whatever else of the state names her: deliveries go, other texts lose her name."""
    gone = changed = 0
    with held.state.write() as connection:
        for table in tables.metadata.sorted_tables:
            if table.name in _OWN:
                continue
            keys = {column.name for column in table.primary_key.columns}
            for row in rows_naming(connection, table, names):
                cleared = {
                    column: names.without(value, FORGOTTEN)
                    for column, value in row.items()
                    if isinstance(value, str) and names.mentioned(value)
                }
                if table is tables.deliveries or keys & cleared.keys():
                    gone += connection.execute(delete(table).where(same_row(table, row))).rowcount
                elif cleared:
                    connection.execute(update(table).where(same_row(table, row)).values(cleared))
                    changed += 1
    return {"rows": gone, "texts": changed}


def erase_records(algolia: AtAlgolia, state: State, names: Sequence[str], at: datetime) -> Counts:
    """The records of her profile, through the ledger as any other write, and what the ledger says of them.

    Also in indices that the settings named once.

    Raises:
        AlgosyncError: Algolia cannot be asked, or has them still.
    """
    records = [algolia.ids.token(name) for name in names]
    target, known = algolia.target, _in_ledger(state, records)
    here = [(index, name) for name, (app, hosts, index) in known if (app, hosts) == (target.app_id, target.key)]
    found = 0
    for index in sorted({algolia.payload_index, *(index for index, _ in here)}):
        there = _there(algolia.reader, index, records)
        found += len(there)
        mine = {name for where, name in here if where == index}
        if gone := [Gone(index=index, object_id=name) for name in sorted(mine.union(there))]:
            _delete(algolia, index, gone, at)
            if left := _there(algolia.reader, index, records):
                hint = "Another process may have written them meanwhile; run again"
                raise AlgoliaError(f"{len(left)} records are still there", where=f"index {index!r}", hint=hint)
    with state.write() as connection:
        connection.execute(delete(tables.refused).where(_profile(tables.refused, records)))
    return {"records": found, "ledger": len(here), "elsewhere": len(known) - len(here)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A record that shall not be there."""

    index: str
    object_id: str
    family: Family = "profiles"
    hash: None = None


def _delete(algolia: AtAlgolia, index: str, gone: Sequence[Gone], at: datetime) -> None:
    """After whatever is under way there: Algolia does an index's writes in their order."""
    ledger = algolia.ledger
    with algolia.writer() as client:
        exists = client.exists(index)
        for start in range(0, len(gone), _PORTION):
            some = gone[start : start + _PORTION]
            if exists:
                ledger.intend(some, at)
                body = {"requests": [{"action": "deleteObject", "body": {"objectID": one.object_id}} for one in some]}
                task = client.batch(index, orjson.dumps(body), len(some))
                ledger.sent(some, task, at)
                client.wait(index, task)
            ledger.published(some, at)


def _there(client: ReadClient, index: str, records: Sequence[str]) -> list[str]:
    if not client.exists(index):
        return []
    found = client.get_objects(index, records, ["objectID"])
    return [name for name, record in zip(records, found, strict=True) if record is not None]


def _profile(table: Any, records: Sequence[str]) -> Any:
    return and_(table.c.family == "profiles", table.c.object_id.in_(records))


def _in_ledger(state: State, records: Sequence[str]) -> list[tuple[str, tuple[str, str, str]]]:
    """Rows of any application: the objectID and where it is."""
    c = tables.ledger.c
    with state.read() as connection:
        rows = connection.execute(select(c.object_id, c.app, c.hosts, c.index).where(_profile(tables.ledger, records)))
        return [(row[0], (row[1], row[2], row[3])) for row in rows]


def erase_profiles(profiles: Profiles, tokens: Sequence[str]) -> Counts:
    """Her profiles at Algolia Personalization; where it is switched off there is none."""
    gone = 0
    for token in tokens:
        try:
            profiles.delete_profile(token)
            gone += 1
        except AlgoliaError as error:
            if error.status == 402:
                return {"profiles": 0, "switched_off": 1}
            if error.status != 404:
                raise
    return {"profiles": gone}


def erase_insights(insights: Insights, tokens: Sequence[str]) -> Counts:
    """Asks Algolia to delete her events there."""
    for token in tokens:
        insights.delete_user(token)
    return {"tokens": len(tokens)}


def products_among(held: Held, names: Collection[str]) -> frozenset[str]:
    """Those of some names that a product, or anything else than a person, has too."""
    hers = sorted(names)
    with held.state.read() as connection:
        objects = select(tables.ids.c.value).where(tables.ids.c.kind == "object", tables.ids.c.value.in_(hers))
        published = select(tables.ledger.c.object_id).where(tables.ledger.c.object_id.in_(hers))
        found = set(connection.scalars(union(objects, published)))
    with held.snapshot.read() as connection:
        found |= set(connection.scalars(select(shelf.c.name).where(shelf.c.name.in_(hers))))
    return frozenset(found)


def unfinished(state: State) -> list[tuple[str, dict[str, Any]]]:
    """Erasures that are not at their end, the oldest first: id and document."""
    c = tables.erasures.c
    query = select(c.id, c.doc).where(c.status != "done").order_by(c.started_at, c.id)
    with state.read() as connection:
        return [(number, orjson.loads(doc)) for number, doc in connection.execute(query)]


def note(state: State, number: str, document: Mapping[str, Any], at: datetime) -> None:
    """Keeps how far an erasure is; its `status` is done, pending or unfinished."""
    c = tables.erasures.c
    status = document["status"]
    values = {
        "status": status,
        "doc": orjson.dumps(document).decode(),
        "finished_at": at.isoformat() if status == "done" else None,
    }
    with state.write() as connection:
        if not connection.execute(update(tables.erasures).where(c.id == number).values(**values)).rowcount:
            connection.execute(tables.erasures.insert().values(id=number, started_at=at.isoformat(), **values))


def records_of(state: State, which: str) -> list[dict[str, Any]]:
    """What was done for somebody before, by the keyed hash of her name."""
    c = tables.erasures.c
    with state.read() as connection:
        rows = connection.execute(select(c.id, c.started_at, c.finished_at, c.status, c.doc).order_by(c.started_at))
        found = [dict(row) for row in rows.mappings()]
    return [
        {name: value for name, value in row.items() if name != "doc"}
        for row in found
        if which in orjson.loads(row["doc"]).get("who", ())
    ]
