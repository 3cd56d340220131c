"""All that is held of somebody, as one document: what an access request is answered with. Reads alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, Table, or_, select

from algosync.errors import AlgosyncError
from algosync.events.cut import KEYS
from algosync.events.duck import arrow, lent
from algosync.events.log import EventLog
from algosync.operate.erasing import AtAlgolia, Held, quarantined, records_of
from algosync.operate.search import BOOKS, Names, Sought, rows_naming, search_tables, tables_of
from algosync.operate.whose import Shelves, Whose, whose
from algosync.profiles.tally_document import load
from algosync.stores import inbox_tables, snapshot_tables, tables
from algosync.stores.snapshot import Snapshot
from algosync.stores.state import State
from algosync.stores.tombstones import Tombstones

_EVENTS: Final = """
SELECT e.*, t.value AS user_token, a.value AS authenticated_user_token, o.value AS object_id, v.facets AS facets
FROM events e SEMI JOIN hers USING (key_hi, key_lo)
LEFT JOIN tokens t ON t.id = e.token LEFT JOIN tokens a ON a.id = e.auth LEFT JOIN objects o ON o.id = e."object"
LEFT JOIN items v ON v.item = e.item
ORDER BY e.ts, e.key_hi, e.key_lo
"""
_INNER: Final = ("key_hi", "key_lo", "token", "auth", "object", "item", "object_1")


def export(
    user: str, held: Held, algolia: AtAlgolia, *, aliases: Sequence[str], now: datetime, key: bytes | None
) -> dict[str, Any]:
    """The document.

    Args:
        user: A customer id, or any of her tokens.
        held: The stores.
        algolia: What is Algolia's; what cannot be read there is named with the reason.
        aliases: What the shop's sources make of such a name.
        now: This moment.
        key: The shop's secret for keyed hashes, if it has one.

    Raises:
        RequestError: Several customers use this token.
        StoreError: The stores cannot be read.
    """
    log, snapshot = EventLog(held.state), Snapshot(held.snapshot)
    found = whose(user, Shelves(backend=held.backend, log=log, snapshot=snapshot, inbox=held.inbox), aliases)
    names = Names(every=found.names, product=found.product)
    hers = sorted(found.names)
    records = [algolia.ids.token(name) for name in found.names] if key is not None else []
    return {
        "exported_at": now.isoformat(),
        "person": found.person,
        "tokens": list(found.names),
        "tokens_that_others_use_too": list(found.shared),
        "forgotten": _forgotten(held, key, found),
        "events": _events(held, log, found),
        "profile": snapshot.person(found.person),
        "memberships": [row for name in found.names for row in snapshot.history(name)],
        "attributes": _column(held.snapshot, snapshot_tables.entered, hers),
        "sums": _tallies(held.snapshot, hers),
        "standings": _column(held.snapshot, snapshot_tables.standings, hers),
        "scores": _integers(held, found),
        "orders": _rows(held.state, tables.orders, or_(*_in(tables.orders, ("person", "name"), hers))),
        "inbox": _inbox(held.inbox, hers),
        "quarantine": _quarantine(held, names),
        "deliveries": _deliveries(held.state, names),
        "ledger": _rows(held.state, tables.ledger, or_(*_in(tables.ledger, ("object_id",), records)))
        + _rows(held.state, tables.refused, or_(*_in(tables.refused, ("object_id",), records))),
        "algolia": _at_algolia(algolia, found, records),
        "named_in": _named_in(held, names),
    }


def _events(held: Held, log: EventLog, found: Whose) -> list[dict[str, Any]]:
    """Her events in order, with names in the place of numbers, and with the facets that each took with it."""
    ids = {"tokens": log.ids("token"), "objects": log.ids("object"), "hers": found.events.select(KEYS.names)}
    with lent(held.backend.con, **ids):
        rows = arrow(held.backend.con, _EVENTS).to_pylist()
    made = []
    for row in rows:
        told = {"id": f"{row['key_hi']:016x}{row['key_lo']:016x}", **row, "facets": _facets(row["facets"])}
        told["context"] = dict(row["context"]) if row["context"] else None
        made.append({name: _plain(value) for name, value in told.items() if name not in _INNER and value is not None})
    return made


def _facets(pairs: Sequence[Mapping[str, str]] | None) -> dict[str, list[str]] | None:
    made: dict[str, list[str]] = {}
    for pair in pairs or ():
        made.setdefault(pair["facet"], []).append(pair["value"])
    return made or None


def _tallies(snapshot: State, hers: Collection[str]) -> list[dict[str, Any]]:
    """What her events add up to."""
    table = snapshot_tables.tallies
    with snapshot.read() as connection:
        rows = connection.execute(select(table).where(table.c.name.in_(hers)).order_by(table.c.name, table.c.kind))
        return [{"of": row.name, "kind": row.kind, **_sums(row.doc)} for row in rows]


def _sums(doc: bytes) -> dict[str, Any]:
    tally = load(doc)
    told = asdict(tally)
    told["facts"] = [[*key, *amounts] for key, amounts in tally.facts.items()]
    told["products"] = sorted(tally.products)
    return told


def _integers(held: Held, found: Whose) -> list[dict[str, Any]]:
    table = held.results.integers()
    if table is None:
        return []
    hers = pc.is_in(table["person"], value_set=pa.array(found.numbers, pa.int64()))
    rows: list[dict[str, Any]] = table.filter(hers).drop_columns("person").to_pylist()
    return rows


def _inbox(opened: State, hers: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """What storefronts sent, what she chose and what she was shown, and what forwarding kept aside."""
    made = {}
    for table in tables_of(opened, (inbox_tables.metadata, inbox_tables.of_forwarding)):
        columns = [name for name in ("token", "auth") if name in table.c]
        if columns:
            made[str(table.name)] = _rows(opened, table, or_(*_in(table, columns, hers)))
    return made


def _quarantine(held: Held, names: Names) -> list[dict[str, Any]]:
    numbers = quarantined(held, names)
    return _rows(held.state, tables.quarantine, tables.quarantine.c.id.in_(numbers))


def _deliveries(state: State, names: Names) -> list[dict[str, Any]]:
    with state.read() as connection:
        return [_told(row) for row in rows_naming(connection, tables.deliveries, names)]


def _forgotten(held: Held, key: bytes | None, found: Whose) -> dict[str, Any] | None:
    """Whether she was forgotten, and what was done then."""
    book = Tombstones(held.tombstones, key)
    if book.hasher is None:
        return None
    lifted = book.forgotten().among(found.names)
    if not lifted:
        return None
    which = book.hasher.of("erasure", found.person)
    return {"holds": None in lifted.values(), "erasures": records_of(held.state, which)}


def _at_algolia(algolia: AtAlgolia, found: Whose, records: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"records": [], "personalization": []}
    try:
        if records and algolia.reader.exists(algolia.payload_index):
            there = algolia.reader.get_objects(algolia.payload_index, records)
            made["records"] = [record for record in there if record is not None]
    except AlgosyncError as error:
        made["records"] = {"unknown": str(error)}
    if algolia.profiles is None:
        made["personalization"] = {"unknown": "not asked: there is no algolia.forget_api_key, or no algolia.region"}
        return made
    try:
        profiles = [algolia.profiles.profile(name) for name in found.names]
        made["personalization"] = [profile for profile in profiles if profile is not None]
    except AlgosyncError as error:
        made["personalization"] = {"unknown": str(error)}
    return made


def _named_in(held: Held, names: Names) -> list[dict[str, Any]]:
    """Every table and column that names her, by the search that an erasure is proven by."""
    sought = Sought()
    for book, opened in held.books.items():
        search_tables(opened, BOOKS[book], names, sought)
    found: list[dict[str, Any]] = sought.document(names)["found"]
    return found


def _column(opened: State, table: Table, hers: Collection[str]) -> list[dict[str, Any]]:
    """Rows by their only key."""
    (key,) = table.primary_key.columns
    return _rows(opened, table, key.in_(hers))


def _in(table: Table, columns: Collection[str], values: Collection[str]) -> list[ColumnElement[bool]]:
    return [table.c[name].in_(sorted(values)) for name in columns]


def _rows(opened: State, table: Table, which: ColumnElement[bool]) -> list[dict[str, Any]]:
    with opened.read() as connection:
        found = connection.execute(select(table).where(which).order_by(*table.primary_key.columns)).mappings()
        return [_told(dict(row)) for row in found]


def _told(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row for JSON: documents in it as what they say."""
    return {str(name): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value
