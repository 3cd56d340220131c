"""Records in, catalog out: ids, groups, prices, texts and facets, and a count of all that was left out.

The reader is injected; nothing is read here. Derived facets come last, when all prices are known.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from algosync.catalog.derive import Floats, derive
from algosync.catalog.flat import Flat
from algosync.catalog.never import withheld
from algosync.catalog.paths import Getter, Record, condition, getter, number, text
from algosync.catalog.rules import CatalogRules, FacetRule
from algosync.catalog.table import Catalog, Dropped, grouped

VALUE_BYTES_MAX = 1000
_NUL = "\0"  # PostgreSQL keeps no text that holds it

Batches = Iterable[list[dict[str, Any]]]


def build(records: Batches, rules: CatalogRules) -> Catalog:
    """Build the catalog of all records.

    A record without an objectID takes the value of the id attribute for it. Of several records with one objectID
    the first counts. Facet values are strings and booleans ("true", "false"); numbers are refused, because
    optionalFilters match no numbers: make bands of them.

    Args:
        records: Batches of records, as a reader yields them.
        rules: Where a record keeps what.
    """
    rows = _Rows(rules)
    for batch in records:
        for record in batch:
            rows.add(record)
    return rows.catalog()


class _Counts:
    """Reasons, how often, and the first example of each."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Any]] = {}

    def add(self, reason: str, example: str) -> None:
        entry = self._seen.setdefault(reason, [0, example])
        entry[0] += 1

    def dropped(self) -> tuple[Dropped, ...]:
        return tuple(Dropped(reason=r, count=n, example=e) for r, (n, e) in sorted(self._seen.items()))


class _Facet:
    """Reads one plain facet's values."""

    def __init__(self, rule: FacetRule, counts: _Counts) -> None:
        self.name = rule.attribute
        self.read = getter(rule.attribute)
        self.withheld = withheld(rule.never) if rule.never else None
        self.counts = counts
        self.seen = False

    def values(self, record: Record, object_id: str) -> list[str]:
        values = []
        for raw in self.read(record):
            self.seen = True
            value = self._usable(raw, object_id)
            if value:
                values.append(value)
        if self.withheld is None or not values:
            return values
        sensitive = self.withheld(values)
        for _ in range(sum(sensitive)):
            self.counts.add(f"{self.name}: sensitive value", object_id)
        return [value for value, hide in zip(values, sensitive, strict=True) if not hide]

    def _usable(self, raw: Any, object_id: str) -> str | None:
        if isinstance(raw, str):
            if _NUL in raw:
                self.counts.add(f"{self.name}: value with the character NUL", object_id)
                return None
            if len(raw) * 4 > VALUE_BYTES_MAX and len(raw.encode("utf-8", "replace")) > VALUE_BYTES_MAX:
                self.counts.add(f"{self.name}: value longer than {VALUE_BYTES_MAX} bytes", object_id)
                return None
            return raw
        if isinstance(raw, bool):
            return "true" if raw else "false"
        kind = "number, which optionalFilters cannot match" if number(raw) is not None else type(raw).__name__
        self.counts.add(f"{self.name}: value is a {kind}", object_id)
        return None


class _Rows:
    """Columns that grow record by record."""

    def __init__(self, rules: CatalogRules) -> None:
        self.rules = rules
        self.counts = _Counts()
        self.read = 0
        self.attributes: dict[str, None] = {}
        self.columns: dict[str, list[Any]] = {
            name: [] for name in ("object_id", "id", "group", "available", "price", "list_price", "text")
        }
        self.seen: set[str] = set()
        self.entries: tuple[list[int], list[str], list[str]] = ([], [], [])
        plain = [rule for rule in rules.facets.values() if rule.derived is None]
        self.facets = [_Facet(rule, self.counts) for rule in plain]
        self._id, self._texts = getter(rules.id), [getter(path) for path in rules.text]
        self._group = getter(rules.group) if rules.group else None
        self._price = getter(rules.price)
        self._list_price = getter(rules.list_price) if rules.list_price else None
        self._available: Callable[[Record], bool] | None = condition(rules.available) if rules.available else None

    def add(self, record: Record) -> None:
        self.read += 1
        self.attributes.update(dict.fromkeys(record))
        named = self._name(self._id, record)
        object_id = self._name(_OBJECT_ID, record) or named
        if object_id is None:
            self.counts.add("no objectID", f"record {self.read}")
        elif _NUL in f"{object_id}{named or ''}":
            self.counts.add("id with the character NUL", f"record {self.read}")
        elif object_id in self.seen:
            self.counts.add("objectID seen before", object_id)
        else:
            self._add(record, object_id, named or object_id)

    def _add(self, record: Record, object_id: str, named: str) -> None:
        self.seen.add(object_id)
        columns, row = self.columns, len(self.seen) - 1
        columns["object_id"].append(object_id)
        columns["id"].append(named)
        columns["group"].append(self._group_of(record, object_id))
        columns["available"].append(self._available is None or self._available(record))
        columns["price"].append(self._amount(self._price, record, self.rules.price, object_id))
        columns["list_price"].append(
            self._amount(self._list_price, record, self.rules.list_price, object_id) if self._list_price else None
        )
        columns["text"].append(" ".join(text(v) for read in self._texts for v in read(record) if text(v)))
        rows, names, values = self.entries
        for facet in self.facets:
            for value in facet.values(record, object_id):
                rows.append(row)
                names.append(facet.name)
                values.append(value)

    def _name(self, read: Getter, record: Record) -> str | None:
        """An id as text; whole numbers will do, floats and truth values will not."""
        values = read(record)
        if len(values) != 1 or isinstance(values[0], bool) or not isinstance(values[0], str | int):
            return None
        return str(values[0]) or None

    def _group_of(self, record: Record, object_id: str) -> str:
        group = self._name(self._group, record) if self._group else None
        if group and _NUL in group:
            self.counts.add(f"{self.rules.group}: value with the character NUL", object_id)
            return object_id
        return group or object_id

    def _amount(self, read: Getter, record: Record, path: str | None, object_id: str) -> float | None:
        values = [value for value in read(record) if value != ""]
        if not values:
            return None
        amount = number(values[0]) if len(values) == 1 else None
        if amount is None or amount < 0:
            self.counts.add(f"{path}: not one number of zero or more", object_id)
            return None
        return amount

    def catalog(self) -> Catalog:
        columns = self.columns
        order = sorted(range(len(self.seen)), key=columns["object_id"].__getitem__)
        moved = np.empty(len(order), dtype=np.int64)
        moved[order] = np.arange(len(order))
        rows, names, values = self.entries
        plain = Flat.of(moved[np.asarray(rows, dtype=np.int64)], names, values, len(order))
        strings = {
            name: pa.array([columns[name][i] for i in order], pa.string())
            for name in ("object_id", "id", "group", "text")
        }
        price, list_price = (_floats([columns[name][i] for i in order]) for name in ("price", "list_price"))
        groups, group_index = grouped(strings["group"])
        return Catalog(
            **strings,
            group_index=group_index,
            groups=groups,
            available=np.array([columns["available"][i] for i in order], dtype=np.bool_),
            price=price,
            facets=self._with_derived(plain, price, list_price).lists(),
            dropped=self.counts.dropped(),
            warnings=tuple(self._warnings()),
            read=self.read,
        )

    def _with_derived(self, plain: Flat, price: Floats, list_price: Floats) -> Flat:
        rows, names, values = [plain.row], [], []
        for name, rule in self.rules.facets.items():
            if rule.derived is not None:
                row, made = derive(rule.derived, price, list_price, plain)
                rows.append(row)
                names += [self.rules.facet_name(name)] * len(row)
                values += made
        if len(rows) == 1:
            return plain
        given = [plain.facets[i] for i in plain.facet.tolist()], [plain.values[i] for i in plain.value.tolist()]
        return Flat.of(np.concatenate(rows), given[0] + names, given[1] + values, plain.n_rows)

    def _warnings(self) -> Iterator[str]:
        if not self.read:
            return
        for facet in self.facets:
            if not facet.seen:
                near = difflib.get_close_matches(facet.name, list(self.attributes), n=3, cutoff=0.5)
                hint = f"; attributes with a similar name: {', '.join(near)}" if near else ""
                yield f'the facet "{facet.name}" is in none of {self.read} records{hint}'


_OBJECT_ID = getter("objectID")


def _floats(values: list[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
