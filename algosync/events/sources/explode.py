"""Nested rows taken apart: one row per element of a list, several lists side by side, and paths into objects.

Works on the columns as a source gave them: real lists and objects, or JSON text where types disagreed or the source
knows nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from algosync.events.sources import arrays
from algosync.events.sources.base import BadRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Explode:
    """One step of taking apart.

    Args:
        columns: List columns; the first leads, the others must be absent, null, empty or as long. Each then holds the
            element. A row whose leader is null or empty stays one row; a single value is a list of one.
        spread: The fields of the (only) column's objects become columns of their own; where a row has no such object
            its own columns of these names stay.
    """

    columns: tuple[str, ...]
    spread: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploded:
    """Rows taken apart: `parents` holds the number of the row each came from, `bad` what could not be."""

    table: pa.Table
    positions: pa.Array
    parents: np.ndarray
    bad: tuple[BadRow, ...] = ()


def start(table: pa.Table, positions: pa.Array) -> Exploded:
    """Return rows as they are."""
    return Exploded(table=table, positions=positions, parents=np.arange(table.num_rows, dtype=np.int64))


def explode(rows: Exploded, step: Explode) -> Exploded:
    """Make one step; the positions of the elements end in `#1`, `#2` and so on."""
    lists = {name: as_lists(rows.table.column(name)) for name in step.columns if name in rows.table.column_names}
    if not lists or step.columns[0] not in lists:
        return rows
    rows, lists = _without_uneven(rows, lists)
    lengths = _lengths(lists[step.columns[0]])
    repeats = np.maximum(lengths, 1)
    parents = np.repeat(np.arange(len(lengths)), repeats)
    ordinals = np.arange(len(parents)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    table = rows.table.take(pa.array(parents))
    for name, column in lists.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, _elements(column, parents, ordinals))
    if step.spread:
        table = _spread(table, step.columns[0])
    numbered = pc.binary_join_element_wise(
        rows.positions.take(pa.array(parents)), pa.array(ordinals + 1).cast(pa.string()), "#"
    )
    positions = pc.if_else(pa.array(lengths[parents] > 0), numbered, rows.positions.take(pa.array(parents)))
    return Exploded(table=table, positions=positions, parents=rows.parents[parents], bad=rows.bad)


def at(table: pa.Table, path: str) -> pa.Array | None:
    """Return the column that a path names: a column, or `a.b` for the field b of column a; None where it is absent."""
    if path in table.column_names:
        return _whole(table.column(path))
    name, _, rest = path.partition(".")
    if not rest or name not in table.column_names:
        return None
    column = _whole(table.column(name))
    for part in rest.split("."):
        found = _field(column, part)
        if found is None:
            return None
        column = found
    return column


def as_lists(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column as lists: JSON text is read, a single value is a list of one."""
    whole = _whole(column)
    if pa.types.is_list(whole.type):
        return whole
    if pa.types.is_large_list(whole.type) or pa.types.is_fixed_size_list(whole.type):
        return whole.cast(pa.list_(whole.type.value_type))
    if whole.null_count == len(whole):
        return pa.nulls(len(whole), pa.list_(pa.null()))
    return arrays.column([None if value is None else _listed(value) for value in whole.to_pylist()])


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            found = arrays.loads(value)
        except orjson.JSONDecodeError:
            return [value]
        return found if isinstance(found, list) else [value]
    return [value]


def _lengths(lists: pa.Array) -> np.ndarray:
    lengths: np.ndarray = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return lengths.astype(np.int64)


def _without_uneven(rows: Exploded, lists: dict[str, pa.Array]) -> tuple[Exploded, dict[str, pa.Array]]:
    leader, *others = lists
    lengths = _lengths(lists[leader])
    reasons: dict[int, str] = {}
    for name in others:
        own = _lengths(lists[name])
        for number in np.flatnonzero((own != lengths) & (own > 0)).tolist():
            reasons.setdefault(number, f"{name} has {own[number]} entries, {leader} has {lengths[number]}")
    if not reasons:
        return rows, lists
    found = rows.table.take(pa.array(sorted(reasons))).to_pylist()
    bad = tuple(
        BadRow(position=rows.positions[number].as_py(), content=arrays.dumps(row), reason=reasons[number])
        for number, row in zip(sorted(reasons), found, strict=True)
    )
    keep = np.ones(len(lengths), bool)
    keep[list(reasons)] = False
    mask = pa.array(keep)
    kept = Exploded(
        table=rows.table.filter(mask),
        positions=rows.positions.filter(mask),
        parents=rows.parents[keep],
        bad=(*rows.bad, *bad),
    )
    return kept, {name: column.filter(mask) for name, column in lists.items()}


def _elements(lists: pa.Array, parents: np.ndarray, ordinals: np.ndarray) -> pa.Array:
    lengths = _lengths(lists)
    offsets = np.cumsum(lengths) - lengths
    places = pa.array(offsets[parents] + ordinals, mask=ordinals >= lengths[parents])
    return lists.flatten().take(places)


def _spread(table: pa.Table, name: str) -> pa.Table:
    inner = _whole(table.column(name))
    if not pa.types.is_struct(inner.type):
        inner = _parsed(inner)
    table = table.drop_columns([name])
    for number in range(inner.type.num_fields):
        field = inner.type.field(number).name
        made = pc.struct_field(inner, number)
        if field in table.column_names:
            made = coalesce([made, _whole(table.column(field))])
            table = table.set_column(table.column_names.index(field), field, made)
        else:
            table = table.append_column(field, made)
    return table


def coalesce(columns: list[pa.Array]) -> pa.Array:
    """Return the first value that is there, row by row; as text where the types disagree."""
    kinds = {column.type for column in columns if not pa.types.is_null(column.type)}
    if len(kinds) <= 1:
        kind = kinds.pop() if kinds else pa.null()
        return pc.coalesce(*(column.cast(kind) for column in columns))
    values = zip(*(column.to_pylist() for column in columns), strict=True)
    return arrays.column([next((value for value in row if value is not None), None) for row in values])


def _field(column: pa.Array, name: str) -> pa.Array | None:
    if pa.types.is_map(column.type):
        return pc.map_lookup(column, pa.scalar(name, column.type.key_type), "first")
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = _parsed(column)
    if pa.types.is_struct(column.type) and column.type.get_field_index(name) >= 0:
        return pc.struct_field(column, column.type.get_field_index(name))
    return None


def _parsed(column: pa.Array) -> pa.Array:
    """JSON objects out of text; anything else is null."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return pa.nulls(len(column), pa.struct([]))
    found = [_object(value) for value in column.to_pylist()]
    return arrays.column(found) if any(value is not None for value in found) else pa.nulls(len(found), pa.struct([]))


def _object(text: str | None) -> dict[str, Any] | None:
    try:
        found = arrays.loads(text or "null")
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
    return whole.dictionary_decode() if pa.types.is_dictionary(whole.type) else whole
