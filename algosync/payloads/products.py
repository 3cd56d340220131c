"""Product payloads: the attribute `algosync` of each product, assembled whole from columns.

A partial update replaces the attribute, so every part of it is written every time; absent parts are left out. `v`
is the short hash of the rest, by which a later reading of the index tells what is there. Lists are kept once per
group of variants and shared by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from algosync.errors import AlgosyncError
from algosync.payloads.encode import Payload, Target, Unsent, content_hash, dump, size_problem

Integers: TypeAlias = npt.NDArray[np.integer[Any]]

ATTRIBUTE: Final = "algosync"
"""The one top-level attribute of a product that is ours."""

_KEY: Final = ATTRIBUTE.encode()

LISTS: Final = frozenset({"similar", "bought_together", "viewed_together", "related", "boosts"})
WORDS: Final = frozenset({"price_band", "price_tier", "discount_band"})
COUNTS: Final = frozenset({"popularity", "trending"})
FLAGS: Final = frozenset({"on_sale"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """Lists of names in compressed rows: row r is `names[codes[offsets[r]:offsets[r + 1]]]`, best first.

    Args:
        offsets: Length rows + 1, ascending from 0.
        codes: Positions in `names`.
        names: objectIDs or tags.
        rows: For each product its row, -1 for none; None where row i is product i.
    """

    offsets: Integers
    codes: Integers
    names: Sequence[str]
    rows: Integers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """One integer, string or boolean per row, null where absent; `rows` as in Lists."""

    column: pa.Array | pa.ChunkedArray
    rows: Integers | None = None


PartColumn: TypeAlias = Lists | Values


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPayloads:
    """The payloads by objectID, products that have nothing to say, and those too large to send."""

    payloads: tuple[Payload, ...]
    empty: tuple[str, ...]
    unsent: tuple[Unsent, ...]


def product_records(
    object_ids: Sequence[str], parts: Mapping[str, PartColumn], target: Target, ranks: Sequence[int] | None = None
) -> ProductPayloads:
    """Assemble the attribute of every product.

    Args:
        object_ids: The products, each once, in any order.
        parts: Name of a part (LISTS, WORDS, COUNTS, FLAGS) to its column over these products.
        target: The product index and its size limit, which is applied to what we write.
        ranks: For each product, what its payload is worth; None for the same.

    Returns:
        Ascending by objectID. `Payload.hash` is `v`. Bodies are partial updates `{"objectID", "algosync"}`.

    Raises:
        AlgosyncError: An unknown part, a column of the wrong type or length, a repeated objectID.
    """
    if len(set(object_ids)) != len(object_ids):
        raise AlgosyncError("an objectID occurs twice", where=target.index)
    names = sorted(parts)
    members, shapes = _assemble(names, parts, len(object_ids))
    summaries = {shape: ", ".join(n for bit, n in enumerate(names) if shape >> bit & 1) for shape in set(shapes)}
    payloads, empty, unsent = [], [], []
    for row in sorted(range(len(object_ids)), key=object_ids.__getitem__):
        object_id = object_ids[row]
        if not shapes[row]:
            empty.append(object_id)
            continue
        rank = 0 if ranks is None else ranks[row]
        payload = _payload(object_id, members[row], summaries[shapes[row]], target, rank)
        if problem := size_problem(payload.body, target):
            unsent.append(
                Unsent(family="related", index=target.index, object_id=object_id, reason=problem, hash=payload.hash)
            )
        else:
            payloads.append(payload)
    return ProductPayloads(payloads=tuple(payloads), empty=tuple(empty), unsent=tuple(unsent))


def _payload(object_id: str, members: bytes, summary: str, target: Target, rank: int) -> Payload:
    """Splice the members of the attribute, encoded and in order of their names, into a partial update."""
    v = content_hash(b"{%b}" % members[1:])
    body = b'{"objectID":%b,"%b":{"v":"%b"%b}}' % (dump(object_id), _KEY, v.encode(), members)
    return Payload(
        family="related", index=target.index, object_id=object_id, hash=v, body=body, summary=summary, rank=rank
    )


def _assemble(names: Sequence[str], parts: Mapping[str, PartColumn], products: int) -> tuple[list[bytes], list[int]]:
    """Join the members of each product, each after a comma; the bits of its shape say which of `names` it has."""
    columns = [_members(name, parts[name], products) for name in names]
    if not columns:
        return [b""] * products, [0] * products
    shapes = np.zeros(products, dtype=np.int64)
    for bit, column in enumerate(columns):
        shapes |= column.is_valid().to_numpy(zero_copy_only=False).astype(np.int64) << bit
    # The empty text before the rest keeps rows of nulls only, which the join would drop, and puts a comma first.
    first = pa.repeat(_text(""), products)
    joined = pc.binary_join_element_wise(first, *columns, _text(","), null_handling="skip")
    return joined.cast(pa.large_binary()).to_pylist(), shapes.tolist()


def _members(name: str, part: PartColumn, products: int) -> pa.LargeStringArray:
    """Encode the part of each product as `"name":value`, null where it has none."""
    if isinstance(part, Lists) != (name in LISTS):
        raise AlgosyncError("lists and single values are mixed up", where=f"product part {name!r}")
    values = _list_texts(name, part) if isinstance(part, Lists) else _value_texts(name, part.column)
    if part.rows is not None:
        rows = np.asarray(part.rows)
        if len(rows) and not -1 <= int(rows.min()) <= int(rows.max()) < len(values):
            raise AlgosyncError("a product points to a row that is not there", where=f"product part {name!r}")
        values = values.take(pa.array(rows, pa.int64(), mask=rows < 0))
    if len(values) != products:
        raise AlgosyncError(f"{len(values)} rows for {products} products", where=f"product part {name!r}")
    return pc.binary_join_element_wise(_text(f'"{name}":'), values, _text(""))


def _list_texts(name: str, part: Lists) -> pa.LargeStringArray:
    """Encode each row as a JSON list, null where it is empty."""
    offsets = np.asarray(part.offsets, dtype=np.int64)
    codes = np.asarray(part.codes, dtype=np.int64)
    lengths = np.diff(offsets)
    if offsets[0] != 0 or offsets[-1] != len(codes) or (lengths < 0).any():
        raise AlgosyncError("the offsets do not fit the codes", where=f"product part {name!r}")
    if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < len(part.names):
        raise AlgosyncError("a code has no name", where=f"product part {name!r}")
    if name == "boosts":
        # Tags have no order of their own; sorted, the same tags are the same bytes.
        rank = np.argsort(np.argsort(np.asarray(part.names, dtype=object), kind="stable"))
        codes = codes[np.lexsort((rank[codes], np.repeat(np.arange(len(lengths)), lengths)))]
    names = pa.array([dump(entry).decode() for entry in part.names], pa.large_string())
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), names.take(pa.array(codes)))
    texts = pc.binary_join_element_wise(_text("["), pc.binary_join(lists, _text(",")), _text("]"), _text(""))
    return pc.if_else(pa.array(lengths > 0), texts, pa.scalar(None, pa.large_string()))


def _value_texts(name: str, column: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    fits = (
        (name in WORDS and text)
        or (name in COUNTS and pa.types.is_integer(kind))
        or (name in FLAGS and pa.types.is_boolean(kind))
    )
    if not fits:
        raise AlgosyncError(f"cannot hold values of type {column.type}", where=f"product part {name!r}")
    values = column.to_pylist()
    encoded = {value: dump(value).decode() for value in set(values) if value is not None}
    return pa.array(map(encoded.get, values), pa.large_string())


def _text(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())
