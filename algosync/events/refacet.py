"""Gives past product versions the facets of today's catalog that they lack: the one deliberate rewriting of history.

What a version says already stays: only facets of which it has no value at all are filled in. Item numbers stay too, so
that no event is touched.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa
from sqlalchemy import delete, insert

from algosync.events.commit import last_segment
from algosync.events.duck import arrow, lent
from algosync.events.log import EventLog
from algosync.events.schema import ITEMS
from algosync.events.segments import write_segment
from algosync.stores import tables
from algosync.stores.state import State

_FILLED = """
SELECT i.item, i."object",
    CASE WHEN f.facets = p.facets THEN p.digest WHEN f.facets = i.facets THEN i.digest
        ELSE md5(i.digest || ' and ' || p.digest) END AS digest,
    f.facets, f.facets != i.facets AS changed
FROM all_items i LEFT JOIN names n ON n.id = i."object" LEFT JOIN products p ON p.id = n.value,
LATERAL (SELECT CASE WHEN p.facets IS NULL THEN i.facets ELSE list_sort(list_concat(i.facets, list_filter(p.facets,
    lambda new: NOT list_contains(list_transform(i.facets, lambda old: old.facet), new.facet)))) END AS facets) f
ORDER BY i.item
"""


def refacet(state: State, con: duckdb.DuckDBPyConnection, products: pa.Table) -> int:
    """Fills in the facets that past product versions lack; the writer of this state must be open and idle.

    Args:
        state: The log's state.
        con: A connection on which `EventLog.view` was called.
        products: The catalog (PRODUCT_REFS), each id once.

    Returns:
        How many versions were given something.

    Raises:
        StoreError: The state or a segment cannot be written; nothing has changed.
    """
    log = EventLog(state)
    log.view(con)
    all_items = arrow(con, "SELECT * FROM items")
    if not all_items.num_rows:
        return 0
    with lent(con, all_items=all_items, names=log.ids("object"), products=products):
        filled = arrow(con, _FILLED)
    changed = sum(1 for one in filled["changed"].to_pylist() if one)
    if not changed:
        return 0
    with state.write() as connection:
        number = last_segment(connection) + 1
        table = filled.drop_columns("changed").cast(ITEMS)
        segment = write_segment(state.directory, number, "items", table, None)
        connection.execute(delete(tables.segments).where(tables.segments.c.kind == "items"))
        row = {name: getattr(segment, name) for name in segment.__slots__}
        connection.execute(insert(tables.segments), [row])
    return changed
