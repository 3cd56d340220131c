"""What a writer remembers of the log while it is open: keys, ids and product versions, in DuckDB's memory.

Everything here can be read from the log again. A method that looks something up changes nothing; `learn` is told what
was committed, after it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from algosync.errors import StoreError
from algosync.events.duck import arrow, lent, run
from algosync.events.log import IDS, EventLog, IdKind
from algosync.events.schema import ITEMS
from algosync.events.segments import scan

KINDS: tuple[IdKind, ...] = ("token", "object")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A text column as integers of the dictionary.

    Args:
        values: The texts, each once.
        ids: Their ids (int32).
        places: Per row, where its text stands in `values`; null for none.
    """

    values: pa.Array
    ids: pa.Array
    places: pa.Array

    def ids_by_row(self) -> pa.Array:
        """Return each row's id (int32), or null."""
        return self.ids.take(self.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Text columns as integers of the dictionary.

    Args:
        columns: The columns asked for.
        new: Ids that the dictionary did not hold (IDS).
    """

    columns: list[Column]
    new: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """The product versions that a list of products has now.

    Args:
        item: Per product, its item (int32), null for one that nobody knows.
        price: Per product, its present price, or null.
        new: Versions that the log did not hold (ITEMS).
    """

    item: pa.Array
    price: pa.Array
    new: pa.Table


class Memory:
    """Looks up what the log knows already, in tables it makes on a connection of its owner."""

    def __init__(self, log: EventLog, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._last: dict[str, int] = {}
        paths = log.paths()
        run(self._con, f"CREATE TABLE keys AS SELECT key_hi, key_lo FROM {scan('events', paths['events'])}")  # noqa: S608
        for kind in KINDS:
            with lent(self._con, known=log.ids(kind)):
                run(self._con, f"CREATE TABLE ids_{kind} AS SELECT id, value FROM known")  # noqa: S608
            self._last[kind] = self._greatest(f"ids_{kind}", "id")
        items = scan("items", paths["items"])
        run(self._con, f"CREATE TABLE known_items AS SELECT item, object, digest FROM {items}")  # noqa: S608
        run(
            self._con,
            "CREATE TABLE versions AS SELECT object, max(item) AS item, arg_max(digest, item) AS digest "
            "FROM known_items WHERE object IS NOT NULL GROUP BY object",
        )
        run(self._con, "CREATE TABLE filters AS SELECT digest, item FROM known_items WHERE object IS NULL")
        self._last["item"] = self._greatest("known_items", "item")
        run(self._con, "DROP TABLE known_items")

    def fresh(self, accepted: pa.Table) -> Any:
        """Return the row numbers (sorted) of events that the log does not hold, the first of each key."""
        first = accepted.select(["key_hi", "key_lo"])
        first = first.append_column("n", pa.array(np.arange(first.num_rows, dtype=np.int64)))
        half = np.sort(first.column("key_hi").to_numpy())
        if (half[1:] == half[:-1]).any():
            with lent(self._con, batch=first):
                first = arrow(self._con, "SELECT key_hi, key_lo, min(n) AS n FROM batch GROUP BY key_hi, key_lo")
        # One half of a key finds nearly all that are new, at a quarter of the cost of both.
        with lent(self._con, batch=first):
            likely = arrow(self._con, "SELECT * FROM batch SEMI JOIN keys USING (key_hi)")
        numbers = first.column("n").to_numpy()
        if likely.num_rows:
            with lent(self._con, batch=likely):
                known = arrow(self._con, "SELECT n FROM batch SEMI JOIN keys USING (key_hi, key_lo)")
            numbers = np.setdiff1d(numbers, known.column("n").to_numpy(), assume_unique=True)
        return np.sort(numbers)

    def encode(self, kind: IdKind, *columns: pa.ChunkedArray) -> Encoded:
        """Replace texts by their ids; texts seen for the first time get the next ids in their own order."""
        parts = [column.combine_chunks().dictionary_encode() for column in columns]
        together = pa.concat_arrays([part.dictionary for part in parts])
        if sum(len(part.dictionary) > 0 for part in parts) > 1:
            together = together.dictionary_encode()
            found, new = self._numbers(kind, together.dictionary)
            found = found.take(together.indices)
        else:
            found, new = self._numbers(kind, together)
        start, encoded = 0, []
        for part in parts:
            size = len(part.dictionary)
            encoded.append(Column(values=part.dictionary, ids=found.slice(start, size), places=part.indices))
            start += size
        return Encoded(columns=encoded, new=new)

    def versions(self, objects: pa.Table, products: pa.Table) -> Versions:
        """Return the version that each product has now.

        A product that `products` does not know, or no longer, keeps the last version the log has of it.

        Args:
            objects: `object` (int32) and `value` (its text), each product once.
            products: The catalog (PRODUCT_REFS), each id once.

        Raises:
            StoreError: `products` names one id twice.
        """
        number = pa.array(np.arange(objects.num_rows, dtype=np.int64))
        # Facets stay behind: only new versions need theirs, and the catalog is large beside a batch.
        catalog = products.select(["id", "price", "digest"])
        catalog = catalog.append_column("place", pa.array(np.arange(products.num_rows, dtype=np.int64)))
        with lent(self._con, wanted=objects.append_column("n", number), products=catalog):
            found = arrow(
                self._con,
                "SELECT w.n, v.item, p.price, w.object, p.digest, p.place, "
                "p.id IS NOT NULL AND v.digest IS DISTINCT FROM p.digest AS new "
                "FROM wanted w LEFT JOIN products p ON p.id = w.value LEFT JOIN versions v ON v.object = w.object "
                "ORDER BY n",
            )
        if found.num_rows != objects.num_rows:
            raise StoreError("the catalog names one product id twice", where="products", hint="See [catalog] id")
        number = self._last["item"] + np.cumsum(found.column("new").to_numpy(zero_copy_only=False))
        found = found.append_column("next", pa.array(number, pa.int64()))
        return _versions(found.append_column("facets", products.column("facets").take(found.column("place"))))

    def filter_versions(self, filters: pa.ChunkedArray, taken: int) -> Versions:
        """Return the pseudo-products of filter events, one per distinct set of facet values.

        Args:
            filters: FACET_VALUES per event, none null.
            taken: How many new versions this batch has already.
        """
        number = pa.array(np.arange(len(filters), dtype=np.int64))
        with lent(self._con, batch=pa.table({"n": number, "facets": filters})):
            found = arrow(
                self._con,
                "WITH d AS (SELECT n, facets, md5(to_json(facets)::VARCHAR) AS digest FROM batch), "  # noqa: S608
                "u AS (SELECT digest, any_value(facets) AS facets FROM d GROUP BY digest), "
                "k AS (SELECT u.digest, u.facets, f.item, f.item IS NULL AS new FROM u LEFT JOIN filters f "
                "ON f.digest = u.digest), "
                f"m AS (SELECT *, {self._last['item'] + taken} + row_number() OVER (PARTITION BY new ORDER BY digest)"
                " AS next FROM k) "
                "SELECT d.n, m.item, NULL::DOUBLE AS price, NULL::INTEGER AS object, m.digest, m.facets, m.next, "
                "m.new FROM d JOIN m ON m.digest = d.digest ORDER BY d.n",
            )
        return _versions(found)

    def values(self, objects: pa.Table) -> pa.Table:
        """Return `object` and `value` for a table with the column `object`."""
        with lent(self._con, wanted=objects):
            return arrow(
                self._con,
                "SELECT w.object, i.value FROM wanted w JOIN ids_object i ON i.id = w.object ORDER BY w.object",
            )

    def learn(self, events: pa.Table, ids: dict[IdKind, pa.Table], items: pa.Table) -> None:
        """Take in what was committed: events with their keys, ids (IDS) and product versions (ITEMS)."""
        with lent(self._con, added=events.select(["key_hi", "key_lo"])):
            run(self._con, "INSERT INTO keys SELECT key_hi, key_lo FROM added")
        for kind, new in ids.items():
            with lent(self._con, added=new):
                run(self._con, f"INSERT INTO ids_{kind} SELECT id, value FROM added")  # noqa: S608
            self._last[kind] += new.num_rows
        if items.num_rows:
            with lent(self._con, added=items.select(["item", "object", "digest"])):
                run(self._con, "DELETE FROM versions WHERE object IN (SELECT object FROM added)")
                named = "SELECT object, item, digest FROM added WHERE object IS NOT NULL"
                run(self._con, f"INSERT INTO versions {named}")
                run(self._con, "INSERT INTO filters SELECT digest, item FROM added WHERE object IS NULL")
            self._last["item"] += items.num_rows

    def _numbers(self, kind: IdKind, values: pa.Array) -> tuple[pa.Array, pa.Table]:
        number = pa.array(np.arange(len(values), dtype=np.int64))
        with lent(self._con, wanted=pa.table({"n": number, "value": values})):
            known = arrow(self._con, f"SELECT w.n, i.id FROM wanted w JOIN ids_{kind} i ON i.value = w.value")  # noqa: S608
        numbers = np.zeros(len(values), dtype=np.int32)
        numbers[known.column("n").to_numpy()] = known.column("id").to_numpy()
        unknown = np.flatnonzero(numbers == 0)
        added = values.take(pa.array(unknown))
        order = pc.sort_indices(added)
        ids = np.arange(1, len(unknown) + 1, dtype=np.int32) + self._last[kind]
        numbers[unknown[order.to_numpy()]] = ids
        return pa.array(numbers), pa.table([pa.array(ids, pa.int32()), added.take(order)], schema=IDS)

    def _greatest(self, table: str, column: str) -> int:
        [(found,)] = run(self._con, f"SELECT coalesce(max({column}), 0) FROM {table}")  # noqa: S608
        return int(found)


def _versions(found: pa.Table) -> Versions:
    new = found.filter(found.column("new"))
    first = np.unique(new.column("next").to_numpy(), return_index=True)[1]
    new = new.take(pa.array(first))
    columns = [new.column("next" if name == "item" else name) for name in ITEMS.names]
    shaped = [column.cast(field.type) for column, field in zip(columns, ITEMS, strict=True)]
    item = pc.if_else(found.column("new"), found.column("next"), found.column("item"))
    return Versions(
        item=item.cast(pa.int32()).combine_chunks(),
        price=found.column("price").combine_chunks(),
        new=pa.table(shaped, schema=ITEMS),
    )
