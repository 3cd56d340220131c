"""Parquet: row groups from where the last run stopped.

A Parquet file does not grow, it is written anew; the same first rows tell that it is the old one with more rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from algosync.events.sources.arrays import dumps
from algosync.events.sources.lines import Piece, positions
from algosync.events.sources.marks import Mark, digest
from algosync.events.sources.places import Found, reading

_log = structlog.get_logger(__name__)

_PRINTED_ROWS = 64


def parquet_pieces(file: Found, mark: Mark, rows: int) -> Iterator[Piece]:
    """Yield the rows behind those that `mark` counts, at most `rows` at a time.

    Raises:
        SourceError: The file cannot be read or is not Parquet.
    """
    with closing(file.open()) as raw:
        with reading(file.key, file.secrets):
            parquet = pq.ParquetFile(raw)
            first = _first(parquet)
            total = parquet.metadata.num_rows
        done = mark.rows
        if done > total or (done and _print(first, done) != mark.head):
            _log.info("was replaced, is read as new", file=file.key)
            done = 0
        for table in _tables(file, parquet, done, rows):
            numbers = np.arange(done + 1, done + 1 + table.num_rows, dtype=np.int64)
            done += table.num_rows
            yield _piece(file, table, numbers, Mark(rows=done, head=_print(first, done)))
        last = Mark(stamp=file.stamp, rows=done, head=_print(first, done))
        empty = parquet.schema_arrow.empty_table()
        yield _piece(file, empty, np.array([], np.int64), last)


def _tables(file: Found, parquet: pq.ParquetFile, done: int, rows: int) -> Iterator[pa.Table]:
    groups: list[int] = []
    passed = 0
    for number in range(parquet.num_row_groups):
        size = parquet.metadata.row_group(number).num_rows
        if groups or passed + size > done:
            groups.append(number)
        else:
            passed += size
    if not groups:
        return
    skip = done - passed
    batches = parquet.iter_batches(batch_size=rows, row_groups=groups)
    while True:
        with reading(file.key, file.secrets):
            batch = next(batches, None)
        if batch is None:
            return
        left = batch.slice(min(skip, batch.num_rows))
        skip -= batch.num_rows - left.num_rows
        if left.num_rows:
            yield pa.Table.from_batches([left])


def _piece(file: Found, table: pa.Table, numbers: np.ndarray, mark: Mark) -> Piece:
    return Piece(rows=table, positions=positions(file.short, numbers), bad=(), mark=mark, weight=table.nbytes)


def _first(parquet: pq.ParquetFile) -> list[dict[str, Any]]:
    if not parquet.metadata.num_rows:
        return []
    batch: pa.RecordBatch = next(parquet.iter_batches(batch_size=_PRINTED_ROWS))
    rows: list[dict[str, Any]] = batch.to_pylist()
    return rows


def _print(first: list[dict[str, Any]], rows: int) -> str:
    return digest(dumps(first[: min(_PRINTED_ROWS, rows)]).encode())
