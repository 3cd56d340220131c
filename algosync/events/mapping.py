"""From a source's own columns to the fields of an event, a batch at a time and without looking at single rows.

Names and ids are settled here; whether a value is usable is judged by `clean`. Nothing is dropped: a row that cannot
be taken apart is handed on as bad, a column that no field takes is named.
"""

from __future__ import annotations

import difflib
import math
import re
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from algosync.errors import ConfigError, SourceError
from algosync.events.normal import folded
from algosync.events.schema import FIELDS
from algosync.events.sources import arrays
from algosync.events.sources.base import BadRow, RawBatch
from algosync.events.sources.explode import Explode, Exploded, as_lists, at, coalesce, explode, start
from algosync.events.transforms import Transform, hashed, safe

REQUIRED: Final = ("timestamp", "user_token", "event_type")
ROW_ID: Final = "row"
"""As the column of event_id: the row's position is its id, so that identical rows are several events."""

_NUMBERS = ("price", "quantity", "discount", "position")
_MAPS = ("context", "product")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRef:
    """A column, or `a.b` for the field b of column a, and what to make of its values."""

    column: str
    transform: Transform | None = None


Reference = str | ColumnRef | tuple[str | ColumnRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMapping:
    """Where an event's fields come from.

    Args:
        columns: Field to column; of several columns the first that has a value. `event_id = "row"` see ROW_ID.
        constants: Field to the value it has where its column has none.
        values: Field to value in the data to value here; other values pass.
        explode: Steps that take nested rows apart, before anything else.
        context: Context key to column.
        product: Attribute of the product to column.
        hash_key: Key of the transform `hmac`.
        optional: Fields, and `context.key` and `product.attribute`, whose columns may be absent.
        order_from: Fields that together name the order of a purchase that has no order_id.
        filters_encoded: Values in facet_filters are URL-encoded.

    Raises:
        ConfigError: A field is unknown, or `hmac` has no key.
    """

    columns: Mapping[str, Reference] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    explode: tuple[Explode, ...] = ()
    context: Mapping[str, Reference] = field(default_factory=dict)
    product: Mapping[str, Reference] = field(default_factory=dict)
    hash_key: bytes | None = field(default=None, repr=False)
    optional: frozenset[str] = frozenset()
    order_from: tuple[str, ...] = ()
    filters_encoded: bool = False

    def __post_init__(self) -> None:
        for part in ("columns", "constants", "values"):
            for name in getattr(self, part):
                if name not in FIELDS or name in _MAPS:
                    allowed = [known for known in FIELDS if known not in _MAPS]
                    raise ConfigError(f"unknown field {name}", where=part, hint=_closest(name, allowed))
        refs = [ref for given in (self.columns, self.context, self.product) for ref in given.values()]
        if self.hash_key is None and any(ref.transform == "hmac" for given in refs for ref in _refs(given)):
            hint = "Set the hash key in the environment"
            raise ConfigError('transform "hmac" needs a key', where="columns", hint=hint)

    def over(self, base: EventMapping) -> EventMapping:
        """Return this mapping laid over another: what it says wins, and columns it names must be there."""
        own = {*self.columns, *(f"context.{key}" for key in self.context), *(f"product.{key}" for key in self.product)}
        named = {**base.values, **self.values}
        return EventMapping(
            columns={**base.columns, **self.columns},
            constants={**base.constants, **self.constants},
            values={name: {**base.values.get(name, {}), **self.values.get(name, {})} for name in named},
            explode=self.explode or base.explode,
            context={**base.context, **self.context},
            product={**base.product, **self.product},
            hash_key=self.hash_key or base.hash_key,
            optional=(base.optional - own) | self.optional,
            order_from=self.order_from or base.order_from,
            filters_encoded=self.filters_encoded or base.filters_encoded,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Canonical:
    """A batch in the fields of an event.

    Args:
        table: All of FIELDS; text for names and ids, list<string> for facet_filters, map<string, string> for context,
            JSON text for product; timestamps and numbers in the types they came in.
        positions: One text per row; rows of one source row end in #1, #2 …
        bad: Those of the source, and rows that could not be taken apart.
        unmapped: Columns of the source that no field takes.
        raw: The source's rows.
        parents: For each row of `table` the number of its row in `raw`.
        steps: How many numbers like #1 the positions got.
    """

    table: pa.Table
    positions: pa.Array
    bad: tuple[BadRow, ...]
    unmapped: tuple[str, ...]
    raw: pa.Table = field(repr=False)
    parents: np.ndarray = field(repr=False)
    steps: int = 0

    def raw_json(self, rows: Sequence[int]) -> list[str]:
        """Return the source's rows behind some rows of `table`, as JSON objects."""
        found = self.raw.take(pa.array(self.parents[np.asarray(rows, np.int64)]))
        return [arrays.dumps(row) for row in found.to_pylist()]


def apply(batch: RawBatch, mapping: EventMapping) -> Canonical:
    """Bring a batch into the fields of an event.

    Raises:
        SourceError: The data lack a column that the mapping names; names those that are there and the closest.
        ConfigError: A required field has neither column nor constant.
    """
    for name in REQUIRED:
        if name not in mapping.columns and name not in mapping.constants:
            raise ConfigError(f"nothing fills {name}", where="columns", hint=f"Name its column: {name} = …")
    rows = start(batch.table, batch.positions)
    for step in mapping.explode:
        rows = explode(rows, step)
    work = _Work(rows, mapping, lenient=batch.sparse, empty=not batch.table.column_names)
    made = {name: work.field(name) for name in FIELDS if name not in _MAPS}
    if mapping.order_from:
        made["order_id"] = _orders(made, mapping.order_from)
    made["context"] = _context(work.attributes("context", mapping.context), rows.table.num_rows)
    made["product"] = _product(work.attributes("product", mapping.product), rows.table.num_rows)
    return Canonical(
        table=pa.table({name: made[name] for name in FIELDS}),
        positions=rows.positions,
        bad=(*batch.bad, *rows.bad),
        unmapped=tuple(name for name in rows.table.column_names if name not in work.used),
        raw=batch.table,
        parents=rows.parents,
        steps=len(mapping.explode),
    )


class _Work:
    """Columns of one batch under one mapping."""

    def __init__(self, rows: Exploded, mapping: EventMapping, *, lenient: bool, empty: bool) -> None:
        self._rows, self._mapping = rows, mapping
        self._lenient, self._empty = lenient, empty
        self.used: set[str] = set()

    def field(self, name: str) -> pa.Array:
        """One field, in the type the canonical table has."""
        given = self._mapping.columns.get(name)
        if name == "event_id" and given == ROW_ID:
            return self._rows.positions
        found = None if given is None else self._column(name, given, must=self._must(name))
        column = pa.nulls(self._rows.table.num_rows) if found is None else found
        if name in self._mapping.constants:
            constant = pa.array([self._mapping.constants[name]])
            column = coalesce([column, constant.take(pa.array(np.zeros(len(column), np.int64)))])
        if name == "facet_filters":
            return _filters(column, encoded=self._mapping.filters_encoded)
        column = _as_found(column) if name == "timestamp" or name in _NUMBERS else text(column)
        return _translate(column, self._mapping.values.get(name, {}))

    def attributes(self, part: str, given: Mapping[str, Reference]) -> dict[str, pa.Array]:
        """Those columns of a map field that are there, by key in order."""
        found = {}
        for key in sorted(given):
            column = self._column(f"{part}.{key}", given[key], must=not self._lenient)
            if column is not None:
                found[key] = column
        return found

    def _must(self, name: str) -> bool:
        if name in REQUIRED:
            return name not in self._mapping.constants
        return not self._lenient

    def _column(self, name: str, given: Reference, *, must: bool) -> pa.Array | None:
        found = []
        for ref in _refs(given):
            column = at(self._rows.table, ref.column)
            if column is not None:
                self.used |= {ref.column, ref.column.partition(".")[0]}
                found.append(self._transformed(column, ref.transform))
        if found:
            return found[0] if len(found) == 1 else coalesce(found)
        if must and name not in self._mapping.optional and not self._empty:
            raise self._missing(name, [ref.column for ref in _refs(given)])
        return None

    def _transformed(self, column: pa.Array, transform: Transform | None) -> pa.Array:
        if transform is None:
            return column
        key = self._mapping.hash_key or b""
        change = safe if transform == "safe" else lambda value: hashed(value, key)
        return _distinct(text(column), change)

    def _missing(self, name: str, wanted: list[str]) -> SourceError:
        there = self._rows.table.column_names
        where = self._rows.positions[0].as_py() if len(self._rows.positions) else None
        what = f"no column {' or '.join(wanted)} for {name}; there are {', '.join(there)}"
        return SourceError(what, where=where, hint=_closest(wanted[0], there))


def text(column: pa.Array) -> pa.Array:
    """Return a column as text; whole numbers without decimals, objects and lists as JSON."""
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_floating(kind) and column.null_count < len(column):
        whole = pc.equal(column, pc.floor(column))
        if pc.all(whole).as_py() and pc.max(pc.abs(column)).as_py() < 2**63:
            return column.cast(pa.int64()).cast(pa.string())
        return pa.array([arrays.text(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return pa.array([arrays.text(value) for value in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def _as_found(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_decimal(kind) or pa.types.is_boolean(kind) or pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return text(column)
    return column.cast(pa.string()) if pa.types.is_null(kind) or pa.types.is_large_string(kind) else column


def _translate(column: pa.Array, values: Mapping[str, str]) -> pa.Array:
    return _distinct(text(column), lambda value: values.get(value, value)) if values else column


def _distinct(column: pa.Array, change: Callable[[str], str]) -> pa.Array:
    encoded = column.dictionary_encode()
    made = pa.array([change(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return made.take(encoded.indices)


def _filters(column: pa.Array, *, encoded: bool) -> pa.Array:
    wanted = pa.list_(pa.string())
    if column.null_count == len(column):
        return pa.nulls(len(column), wanted)
    lists = as_lists(column)
    flat = text(lists.flatten())
    flat = _distinct(flat, _decoded) if encoded else flat
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=lists.is_null())


def _decoded(text_: str) -> str:
    facet, colon, value = text_.partition(":")
    return facet + colon + urllib.parse.unquote(value)


def _orders(made: Mapping[str, pa.Array], order_from: Sequence[str]) -> pa.Array:
    parts = [text(made[name]) for name in order_from]
    bought = pc.or_kleene(*(pc.equal(folded(made[name]), "purchase") for name in ("event_type", "event_subtype")))
    joined = pc.if_else(pc.fill_null(bought, False), pc.binary_join_element_wise(*parts, "@"), None)
    return pc.coalesce(made["order_id"], joined)


def _context(columns: Mapping[str, pa.Array], rows: int) -> pa.Array:
    kind = pa.map_(pa.string(), pa.string())
    if not columns or not rows:
        return pa.nulls(rows, kind)
    texts = [text(column) for column in columns.values()]
    there = np.column_stack([column.is_valid().to_numpy(zero_copy_only=False) for column in texts]).ravel()
    order = np.arange(rows * len(texts)).reshape(len(texts), rows).T.ravel()[there]
    keys = pa.array(list(columns)).take(pa.array(order // rows))
    counts = there.reshape(rows, len(texts)).sum(axis=1)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    return pa.MapArray.from_arrays(offsets, keys, pa.concat_arrays(texts).take(pa.array(order)))


def _product(columns: Mapping[str, pa.Array], rows: int) -> pa.Array:
    if not columns or not rows:
        return pa.nulls(rows, pa.string())
    parts = [_entries(name, column) for name, column in columns.items()]
    # Not null_handling="skip": pyarrow 26 then loses rows in which all are null.
    joined = pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement="")
    whole = pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(joined, 1), "}", "")
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), whole)


def _entries(name: str, column: pa.Array) -> pa.Array:
    """`,"name":value` as JSON; null where the value is absent, or a number that JSON has not."""
    if pa.types.is_nested(column.type):
        return pa.array([_entry(name, value) for value in column.to_pylist()], pa.string())
    encoded = column.dictionary_encode()
    made = pa.array([_entry(name, value) for value in encoded.dictionary.to_pylist()], pa.string())
    return made.take(encoded.indices)


def _entry(name: str, value: Any) -> str | None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if name == "price" and isinstance(value, str) and re.fullmatch(r"-?\d{1,15}(\.\d+)?", value):
        value = float(value)
    return f",{arrays.dumps(name)}:{arrays.dumps(value)}"


def _refs(given: Reference) -> tuple[ColumnRef, ...]:
    many = given if isinstance(given, tuple) else (given,)
    return tuple(ref if isinstance(ref, ColumnRef) else ColumnRef(column=ref) for ref in many)


def _closest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else f"Name one of {', '.join(known)}"
