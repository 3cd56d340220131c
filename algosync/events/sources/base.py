"""What every source of events gives: batches of rows as found, each with the state to go on from.

A source reads and reports; it neither names fields nor judges values: that is the work of `mapping` and `clean`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that could not be parsed.

    Args:
        position: Where it stands, in the form of RawBatch.positions.
        content: Its text, as far as it can be shown.
        reason: Why it is no row.
        incomplete: It is the cut last line of a file; it is read again once the file has grown.
    """

    position: str
    content: str
    reason: str
    incomplete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBatch:
    """Rows as their source holds them.

    Args:
        table: The source's own columns: text from CSV, typed from JSON lines, Parquet and SQL.
        positions: One text per row, the same whenever that row is read again, for example `events.csv:17`.
        bad: The rows between them that could not be parsed.
        cursor: JSON text: what the source must be given to go on after this batch. It may be committed only together
            with the batch.
        sparse: A column that no row of the batch filled is absent from `table` (JSON lines).
    """

    table: pa.Table
    positions: pa.Array
    bad: tuple[BadRow, ...]
    cursor: str
    sparse: bool = False


class Source(Protocol):
    """Where events come from."""

    @property
    def name(self) -> str:
        """The name by which log, cursors and quarantine know the source."""
        ...

    def batches(self, cursor: str | None) -> Iterator[RawBatch]:
        """Yield what is new since `cursor`, in an order that is the same on every run.

        A batch may have no rows: then only its cursor is news.

        Raises:
            SourceError: It cannot be read; batches yielded before hold.
            ConfigError: Its settings cannot be right.
        """
        ...
