"""Cuts a plan's operations into requests of bounded count and size, in the order of the plan.

Pure: knows how Algolia's bodies are put together, and must not send them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import orjson

from algosync.sync.plan import Operation

_OPEN: Final = b'{"requests":['
_CLOSE: Final = b"]}"
_ACTION: Final = b'{"action":"%s","body":%s}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large one request may be, and how much one run may send.

    Attributes:
        records: Operations per request.
        bytes: Bytes of a request's body, before compression.
        operations: Operations per run; None for no limit.
    """

    records: int = 1000
    bytes: int = 10_000_000
    operations: int | None = None


def batches(operations: Iterable[Operation], limits: Limits) -> Iterator[tuple[Operation, ...]]:
    """Group neighbours of one index and family; each group fits into one request.

    An operation that is too large by itself makes a group of its own. Rules are deleted one by one.
    """
    for (_, _, single), group in groupby(operations, key=lambda op: (op.family, op.index, op.action == "deleteRule")):
        most = 1 if single else limits.records
        batch: list[Operation] = []
        size = _EMPTY
        for op in group:
            weight = weigh(op)
            if batch and (len(batch) >= most or size + weight > limits.bytes):
                yield tuple(batch)
                batch, size = [], _EMPTY
            batch.append(op)
            size += weight
        if batch:
            yield tuple(batch)


def records_body(operations: Sequence[Operation]) -> bytes:
    """The body of a batch of operations on records."""
    return _OPEN + b",".join(map(_piece, operations)) + _CLOSE


def rules_body(operations: Sequence[Operation]) -> bytes:
    """The body of a batch of rules to save."""
    return b"[" + b",".join(map(_piece, operations)) + b"]"


def weigh(operation: Operation) -> int:
    """Bytes that the operation adds to a request's body, at most."""
    return len(_piece(operation)) + 1


def _piece(operation: Operation) -> bytes:
    body = operation.body
    if body is None:
        body = orjson.dumps({"objectID": operation.object_id})
    if operation.action == "saveRule":
        return body
    return _ACTION % (operation.action.encode(), body)


_EMPTY: Final = len(records_body([]))
