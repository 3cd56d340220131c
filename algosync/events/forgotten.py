"""What is left out of a batch because somebody was forgotten: rows of her names, and single events of shared devices.

Rows are left out before they are judged, so that an unusable one of hers is not kept for its reason either.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from algosync.events.clean import Cleaned
from algosync.events.mapping import Canonical
from algosync.stores.tombstones import Forgotten

_TOKENS = ("user_token", "authenticated_user_token")


def without_rows(canonical: Canonical, forgotten: Forgotten) -> tuple[Canonical, int]:
    """A batch without the rows of names that are not to be taken in, and how many these were."""
    gone = {name for name, lifted in _named(canonical.table, forgotten).items() if lifted is None}
    if not gone:
        return canonical, 0
    keep = ~_of(canonical.table, gone)
    kept = pa.array(keep)
    return (
        replace(
            canonical,
            table=canonical.table.filter(kept),
            positions=canonical.positions.filter(kept),
            parents=canonical.parents[keep],
        ),
        int((~keep).sum()),
    )


def without_events(cleaned: Cleaned, forgotten: Forgotten) -> tuple[Cleaned, int]:
    """Judged events without those of shared devices that were removed, and what is older than a return."""
    table = cleaned.accepted
    gone = np.zeros(table.num_rows, dtype=bool)
    for name, lifted in _named(table, forgotten).items():
        if lifted is not None:
            gone |= _of(table, {name}) & _until(table, lifted)
    if forgotten.events:
        keys = zip(table.column("key_hi").to_pylist(), table.column("key_lo").to_pylist(), strict=True)
        gone |= np.fromiter((forgotten.has_event(high, low) for high, low in keys), bool, table.num_rows)
    number = int(gone.sum())
    if not number:
        return cleaned, 0
    kept = pa.array(~gone)
    positions = cleaned.positions.filter(kept)
    return replace(cleaned, accepted=table.filter(kept), positions=positions, read=cleaned.read - number), number


def rows_of(canonical: Canonical, names: frozenset[str]) -> set[int]:
    """The source's rows that name somebody, by their numbers in the batch."""
    return {int(number) for number in canonical.parents[_of(canonical.table, names)]}


def _named(table: pa.Table, forgotten: Forgotten) -> dict[str, datetime | None]:
    if not forgotten.names:
        return {}
    found: dict[str, datetime | None] = {}
    for column in _TOKENS:
        values = pc.unique(table.column(column).cast(pa.string())).to_pylist()
        found |= forgotten.among(value for value in values if value)
    return found


def _of(table: pa.Table, names: Any) -> Any:
    wanted = pa.array(sorted(names), pa.string())
    either = [pc.is_in(table.column(column).cast(pa.string()), value_set=wanted) for column in _TOKENS]
    return pc.or_(*either).to_numpy(zero_copy_only=False)


def _until(table: pa.Table, moment: datetime) -> Any:
    return pc.less_equal(table.column("ts"), pa.scalar(moment, pa.timestamp("us", tz="UTC"))).to_numpy()
