"""Facet values of many products as flat integer arrays, and back to arrow lists.

One place for the order within a list (facet, then value, no repeats) and for the digest made of it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

FACETS = pa.list_(pa.struct([("facet", pa.string()), ("value", pa.string())]))

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """Facet values, one per entry, by row, facet and value, without repeats.

    Args:
        row: The product each entry belongs to.
        facet: Index into `facets`.
        value: Index into `values`.
        facets: Facet names, sorted.
        values: Values of all facets, sorted.
        n_rows: How many products there are, those without any value included.
    """

    row: Longs
    facet: Longs
    value: Longs
    facets: tuple[str, ...]
    values: tuple[str, ...]
    n_rows: int

    @classmethod
    def of(cls, row: Longs, facet: Sequence[str], value: Sequence[str], n_rows: int) -> Flat:
        """Sort loose entries into order and drop repeats."""
        facets, facet_of = _ranked(pa.array(facet, pa.string()))
        values, value_of = _ranked(pa.array(value, pa.string()))
        return cls(row=row, facet=facet_of, value=value_of, facets=facets, values=values, n_rows=n_rows).tidy()

    @classmethod
    def from_lists(cls, lists: pa.ListArray) -> Flat:
        """Read arrow lists as `lists` made them."""
        entries = lists.flatten()
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        facets, facet = _ranked(entries.field("facet"))
        values, value = _ranked(entries.field("value"))
        row = np.repeat(np.arange(len(lists), dtype=np.int64), lengths)
        return cls(row=row, facet=facet, value=value, facets=facets, values=values, n_rows=len(lists))

    def tidy(self) -> Flat:
        """Return the entries in order, each once."""
        order = np.lexsort((self.value, self.facet, self.row))
        row, facet, value = self.row[order], self.facet[order], self.value[order]
        same = (row[1:] == row[:-1]) & (facet[1:] == facet[:-1]) & (value[1:] == value[:-1])
        once = np.concatenate(([True], ~same))[: len(row)]
        return self.moved(row[once], facet[once], value[once], self.n_rows)

    def moved(self, row: Longs, facet: Longs, value: Longs, n_rows: int) -> Flat:
        """Return other entries over the same names."""
        return Flat(row=row, facet=facet, value=value, facets=self.facets, values=self.values, n_rows=n_rows)

    def gather(self, owner: Longs, member: Longs, n_rows: int) -> Flat:
        """Return the union of the members' values for each owner.

        Args:
            owner: The new row of each pair.
            member: The old row of each pair.
            n_rows: How many new rows there are.
        """
        bounds = self.bounds()
        counts = bounds[member + 1] - bounds[member]
        ends = np.cumsum(counts)
        within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
        taken = np.repeat(bounds[member], counts) + within
        return self.moved(np.repeat(owner, counts), self.facet[taken], self.value[taken], n_rows).tidy()

    def bounds(self) -> Longs:
        """Return where each row begins, and the end."""
        return np.searchsorted(self.row, np.arange(self.n_rows + 1)).astype(np.int64)

    def lists(self) -> pa.ListArray:
        """Return one list of (facet, value) per row."""
        names = pa.array(self.facets, pa.string()).take(pa.array(self.facet))
        values = pa.array(self.values, pa.string()).take(pa.array(self.value))
        entries = pa.StructArray.from_arrays([names, values], names=["facet", "value"])
        return pa.ListArray.from_arrays(pa.array(self.bounds(), pa.int32()), entries).cast(FACETS)

    def tokens(self, facets: Sequence[str]) -> list[list[str]]:
        """Return "facet:value" per row for some facets, as content similarity compares them."""
        wanted = np.isin(self.facet, [self.facets.index(name) for name in facets if name in self.facets])
        result: list[list[str]] = [[] for _ in range(self.n_rows)]
        kept = self.row[wanted].tolist(), self.facet[wanted].tolist(), self.value[wanted].tolist()
        for row, facet, value in zip(*kept, strict=True):
            result[row].append(f"{self.facets[facet]}:{self.values[value]}")
        return result

    def digests(self) -> list[str]:
        """Return a stable digest per row: equal sets of values have equal digests, whatever else there is."""
        pair = self.facet * max(len(self.values), 1) + self.value
        distinct, code = np.unique(pair, return_inverse=True)
        width = max(len(self.values), 1)
        tokens = [
            json.dumps([self.facets[p // width], self.values[p % width]], ensure_ascii=False).encode()
            for p in distinct.tolist()
        ]
        bounds, codes = self.bounds().tolist(), code.tolist()
        known: dict[tuple[int, ...], str] = {}
        result = []
        for start, stop in itertools.pairwise(bounds):
            key = tuple(codes[start:stop])
            if key not in known:
                known[key] = hashlib.blake2b(b"\n".join(tokens[c] for c in key), digest_size=16).hexdigest()
            result.append(known[key])
        return result

    def with_value(self, facet: str, values: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return which rows have any of the values of a facet."""
        rows = np.zeros(self.n_rows, dtype=np.bool_)
        if facet in self.facets:
            wanted = np.isin(np.array(self.values, dtype=object), list(values))
            rows[self.row[(self.facet == self.facets.index(facet)) & wanted[self.value]]] = True
        return rows


def _ranked(strings: pa.Array) -> tuple[tuple[str, ...], Longs]:
    """Return the distinct strings sorted, and each string's place among them."""
    encoded = strings.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    order = sorted(range(len(words)), key=words.__getitem__)
    rank = np.empty(len(words), dtype=np.int64)
    rank[order] = np.arange(len(words))
    return tuple(words[i] for i in order), rank[encoded.indices.to_numpy(zero_copy_only=False)]
