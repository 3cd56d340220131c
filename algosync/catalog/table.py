"""The catalog as columns: products, their groups, and how events name them.

Made by `build`, kept as Parquet between runs. It reads nothing and asks nobody.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from algosync.catalog.flat import FACETS, Flat, Longs

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

REFS = pa.schema([("id", pa.string()), ("price", pa.float64()), ("digest", pa.string()), ("facets", FACETS)])

_COLUMNS = pa.schema(
    [
        ("object_id", pa.string()),
        ("id", pa.string()),
        ("group", pa.string()),
        ("available", pa.bool_()),
        ("price", pa.float64()),
        ("text", pa.string()),
        ("facets", FACETS),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What was left out of the catalog, and why.

    Args:
        reason: Why, in words; a facet's reason begins with the facet's name.
        count: How often.
        example: The first objectID it happened to, or the record's place where it has none.
    """

    reason: str
    count: int
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Products by objectID; all columns are of one length but `groups`.

    Args:
        object_id: Sorted, unique.
        id: The name that events use.
        group: What variants share; a product without one is its own group, by its objectID.
        group_index: Index of the group in `groups`.
        groups: Group ids, sorted; related items are indexes into this.
        available: What may be recommended.
        price: NaN where there is none.
        text: For content similarity.
        facets: Lists of (facet, value), sorted, derived facets included.
        dropped: What was left out.
        warnings: What the shop should look at.
        read: How many records there were.
    """

    object_id: pa.StringArray
    id: pa.StringArray
    group: pa.StringArray
    group_index: Ints
    groups: pa.StringArray
    available: Bools
    price: Floats
    text: pa.StringArray
    facets: pa.ListArray
    dropped: tuple[Dropped, ...] = ()
    warnings: tuple[str, ...] = ()
    read: int = 0

    def __len__(self) -> int:
        return len(self.object_id)

    @property
    def flat(self) -> Flat:
        """The facet values as integer arrays, one row per product."""
        return Flat.from_lists(self.facets)

    def product_refs(self) -> pa.Table:
        """Return what the event log must know: one row (id, price, digest, facets) per name of a product, by name.

        Names are objectIDs, the values of the id attribute and group ids; where the same text is several of these,
        the first kind of this order is meant. A name shared by several products has the union of their facets and
        the lowest of their prices.
        """
        names, owner, member = self._names()
        flat = self.flat.gather(owner, member, len(names))
        price = np.full(len(names), np.inf)
        np.fmin.at(price, owner, self.price[member])
        known = np.isfinite(price)
        columns = [pa.array(names), pa.array(price, mask=~known), pa.array(flat.digests()), flat.lists()]
        return pa.table(columns, schema=REFS)

    def group_of(self, ids: Sequence[str | None] | pa.StringArray) -> Ints:
        """Return the group index behind each name that an event may use, -1 for an unknown name."""
        names, owner, member = self._names()
        first = np.zeros(len(names) + 1, dtype=np.int64)
        first[owner[::-1]] = member[::-1]
        found = pc.index_in(pa.array(ids, pa.string()), value_set=pa.array(names, pa.string()), skip_nulls=True)
        place = found.fill_null(-1).to_numpy(zero_copy_only=False)
        if len(self) == 0:
            return np.full(len(place), -1, dtype=np.int32)
        return np.where(place >= 0, self.group_index[first[place]], -1).astype(np.int32)

    def _names(self) -> tuple[list[str], Longs, Longs]:
        """Sorted names, and pairs (name, product) by name and product."""
        kinds = [self.object_id]
        kinds += [column for column in (self.id, self.group) if not column.equals(self.object_id)]
        rows = np.tile(np.arange(len(self), dtype=np.int64), len(kinds))
        kind = np.repeat(np.arange(len(kinds)), len(self))
        encoded = pa.chunked_array(kinds, pa.string()).combine_chunks().dictionary_encode()
        words = encoded.dictionary.to_pylist()
        order = sorted(range(len(words)), key=words.__getitem__)
        rank = np.empty(len(words), dtype=np.int64)
        rank[order] = np.arange(len(words))
        name = rank[encoded.indices.to_numpy(zero_copy_only=False)]
        best = np.full(len(words), len(kinds))
        np.minimum.at(best, name, kind)
        meant = kind == best[name]
        name, rows = name[meant], rows[meant]
        by_name = np.lexsort((rows, name))
        return [words[i] for i in order], name[by_name], rows[by_name]

    def representatives(self, popularity: npt.NDArray[np.floating] | None = None) -> Ints:
        """Return the row of the product that stands for each group: available, then popular, then by objectID.

        Args:
            popularity: One number per product, or None.
        """
        rows = np.arange(len(self))
        liked = np.zeros(len(self)) if popularity is None else np.asarray(popularity)
        order = np.lexsort((rows, -liked, ~self.available, self.group_index))
        first = np.searchsorted(self.group_index[order], np.arange(len(self.groups)))
        return order[first].astype(np.int32)

    def groups_available(self) -> Bools:
        """Return which groups have an available product."""
        return np.bincount(self.group_index, weights=self.available, minlength=len(self.groups)) > 0

    def group_facets(self) -> Flat:
        """Return the union of the variants' facet values per group."""
        order = np.argsort(self.group_index, kind="stable").astype(np.int64)
        return self.flat.gather(self.group_index[order].astype(np.int64), order, len(self.groups))

    def group_values(self, facet: str) -> pa.Table:
        """Return (group, value) of one facet, each pair once."""
        flat = self.group_facets()
        ours = flat.facet == (flat.facets.index(facet) if facet in flat.facets else -1)
        values = pa.array(flat.values, pa.string()).take(pa.array(flat.value[ours]))
        return pa.table({"group": pa.array(flat.row[ours], pa.int32()), "value": values})

    def to_table(self) -> pa.Table:
        """Return the catalog as one arrow table that `from_table` reads back, reasons and warnings included."""
        price = pa.array(self.price, mask=np.isnan(self.price))
        columns = [
            self.object_id,
            self.id,
            self.group,
            pa.array(self.available),
            price,
            self.text,
            self.facets,
        ]
        dropped = [[d.reason, d.count, d.example] for d in self.dropped]
        notes = json.dumps({"dropped": dropped, "warnings": self.warnings, "read": self.read})
        return pa.table(columns, schema=_COLUMNS.with_metadata({"algosync.catalog": notes}))

    @classmethod
    def from_table(cls, table: pa.Table) -> Catalog:
        """Read back what `to_table` made."""
        notes = json.loads((table.schema.metadata or {}).get(b"algosync.catalog", b"{}"))
        flat = table.combine_chunks()
        columns = {
            name: flat[name].chunk(0) if flat.num_rows else pa.array([], _COLUMNS.field(name).type)
            for name in _COLUMNS.names
        }
        groups, group_index = grouped(columns["group"])
        return cls(
            **{name: columns[name] for name in ("object_id", "id", "group", "text", "facets")},
            group_index=group_index,
            groups=groups,
            available=columns["available"].to_numpy(zero_copy_only=False).astype(np.bool_),
            price=columns["price"].fill_null(float("nan")).to_numpy(zero_copy_only=False).astype(np.float64),
            dropped=tuple(Dropped(reason=r, count=n, example=e) for r, n, e in notes.get("dropped", [])),
            warnings=tuple(notes.get("warnings", [])),
            read=notes.get("read", flat.num_rows),
        )


def grouped(group: pa.StringArray) -> tuple[pa.StringArray, Ints]:
    """Return the group ids, sorted, and each product's index among them."""
    groups = pa.array(sorted(group.unique().to_pylist()), pa.string())
    index = pc.index_in(group, value_set=groups)
    return groups, index.to_numpy(zero_copy_only=False).astype(np.int32)
