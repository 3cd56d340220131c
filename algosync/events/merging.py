"""Makes one segment of many small ones: a run every few minutes leaves a file a source, and a reader opens them all.

Rows stay as they are, in the order in which they came. The manifest is swapped in one transaction; files that it names
no more go once nobody reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import pyarrow as pa
from sqlalchemy import select

from algosync.events.commit import last_segment, swap_segments
from algosync.events.segments import SCHEMAS, Segment, read_segment, write_segment
from algosync.stores import tables
from algosync.stores.state import State

MOST: Final = 64
"""Small segments of one kind and source that are left alone."""
FULL: Final = 500_000
"""Rows from which on a segment is not small."""


def merge(state: State, *, most: int = MOST, full: int = FULL) -> int:
    """Merges the small segments of each kind and source of which there are many.

    Args:
        state: The log's state; nobody else writes to it meanwhile.
        most: Small segments of one kind and source that are left alone.
        full: Rows from which on a segment is not small; merged ones have about as many.

    Returns:
        How many segments fewer there are.

    Raises:
        StoreError: A segment cannot be read or written; the log is as before.
    """
    with state.read() as connection:
        last = last_segment(connection)
        query = select(tables.segments).where(tables.segments.c.rows < full).order_by(tables.segments.c.id)
        small = [Segment(**row) for row in connection.execute(query).mappings()]
    gone: list[Segment] = []
    made: list[Segment] = []
    for some in _portions(small, most, full):
        read = (read_segment(state.directory / one.path) for one in some)
        table = pa.concat_tables([one.cast(SCHEMAS[some[0].kind]) for one in read])
        made.append(write_segment(state.directory, last + len(made) + 1, some[0].kind, table, some[0].source))
        gone += some
    if made:
        with state.write() as connection:
            swap_segments(connection, [one.id for one in gone], made, last)
    return len(gone) - len(made)


def _portions(small: Sequence[Segment], most: int, full: int) -> Iterator[list[Segment]]:
    """Those that become one, by kind and source."""
    alike = sorted(small, key=_alike)  # by number still, among those that are alike
    for _, found in groupby(alike, key=_alike):
        group = list(found)
        if len(group) <= most:
            continue
        some: list[Segment] = []
        for one in group:
            some.append(one)
            if sum(each.rows for each in some) >= full:
                yield some
                some = []
        if len(some) > 1:
            yield some


def _alike(segment: Segment) -> tuple[str, str]:
    return segment.kind, segment.source or ""
