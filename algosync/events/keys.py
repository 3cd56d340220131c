"""The digest by which the log knows an event again: 128 bits of MD5 as two unsigned integers.

With an id from the source, the id and the product within it; without, every field of the normalised event, so that
the same event has the same key whatever types its columns had; with row ids, the place it was read from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from algosync.events.duck import literal
from algosync.events.normal import absent, filled

Identity = Literal["content", "row"]

_ALWAYS = ("us", "token", "kind")
_FIELDS = {
    "authenticated_user_token": "auth",
    "session_id": "session_id",
    "event_name": "event_name",
    "object_id": "object_id",
    "facet_filters": "facets",
    "order_id": "order_id",
    "price": "n_price",
    "quantity": "n_quantity",
    "discount": "n_discount",
    "currency": "currency",
    "query_id": "query_id",
    "position": "n_position",
    "index": '"index"',
    "consent": "consented",
    "context": "said",
    "product": "product",
}
_IN_ORDER = [("row", "ascending"), ("entry", "ascending")]
_WITHIN = ("object_id", "facet_filters")


def digest(table: pa.Table, source: str, identity: Identity) -> str:
    """SQL for the digest (UHUGEINT) of an event whose columns `clean` prepared."""
    if identity == "row":
        return f"md5_number({_joined(table, [literal(source), literal('row'), 'place'], _WITHIN)})"
    by_content = _joined(table, [literal(source), literal("content"), *_ALWAYS], tuple(_FIELDS))
    if absent(table, "event_id"):
        return f"md5_number({by_content})"
    by_id = _joined(table, [literal(source), literal("id"), "event_id"], _WITHIN)
    return f"md5_number(CASE WHEN event_id IS NOT NULL THEN {by_id} ELSE {by_content} END)"


def said(column: pa.ChunkedArray) -> pa.Array:
    """Return each row's context as one text, whatever the order of its keys; null where it says nothing."""
    context = column.combine_chunks()
    # Copied, since a slice's own offsets are no good beside a mask.
    offsets = pa.array(context.offsets.to_numpy().copy())
    ends = offsets.to_numpy()
    entries = pc.binary_join_element_wise(
        context.keys, context.items, "\x1d", null_handling="replace", null_replacement=""
    )
    entries = entries.slice(ends[0], ends[-1] - ends[0])
    offsets = pc.subtract(offsets, pa.scalar(ends[0], pa.int32()))
    row = np.repeat(np.arange(len(context)), np.diff(ends))
    disordered = pc.greater(entries[:-1], entries[1:]).to_numpy(zero_copy_only=False) & (row[:-1] == row[1:])
    if disordered.any():
        entries = entries.take(pc.sort_indices(pa.table({"row": row, "entry": entries}), _IN_ORDER))
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, entries), "\x1e")
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined)


def halves(column: str) -> str:
    """SQL for key_hi and key_lo of a digest."""
    return f"({column} >> 64)::UBIGINT AS key_hi, ({column} & 18446744073709551615)::UBIGINT AS key_lo"


def _joined(table: pa.Table, parts: list[str], fields: Sequence[str]) -> str:
    # concat leaves NULL out, so every optional field says its name, and is wholly left out where it is NULL; a column
    # absent from the whole batch is the same as one that is NULL in every row. No text holds the separator in practice.
    texts = [part for first in parts for part in ("chr(31)", first)][1:]
    for name in fields:
        label, value = f"chr(31) || '{name}='", f"{_FIELDS[name]}::VARCHAR"
        if name == "event_name":  # also made from the event_type, see `judge`
            texts.append(f"{label} || {value}")
        elif not absent(table, name):
            texts += [label, value] if filled(table, name) else [f"{label} || {value}"]
    return f"concat({', '.join(texts)})"
