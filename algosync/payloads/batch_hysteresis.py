"""What `hysteresis` does to one person's scores, for many persons at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from algosync.errors import AlgosyncError
from algosync.payloads.hysteresis import HALF, HOLD, ONE, SCORE_TOP

_BATCH_ROWS: Final = 65_536


def integer_table(scores: pa.Table) -> pa.Table:
    """Round scores, holding on to the previous integers, as `hysteresis.integers` does.

    Args:
        scores: Columns person, facet, value, score (float) and previous (integer, null where there is none).

    Returns:
        Columns person, facet, value, integer (int8), in the same order, without the rows that drop.

    Raises:
        AlgosyncError: A score is null or not a number of 0 to 20.
    """
    raw = scores["score"].cast(pa.float64()).to_numpy()
    wrong = ~((raw >= 0) & (raw <= SCORE_TOP))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise AlgosyncError(f"a score must be 0 to {SCORE_TOP}, not {raw[row]}", where=f"row {row} of scores")
    nano = np.rint(raw * ONE).astype(np.int64)
    before = pc.fill_null(scores["previous"].cast(pa.int64()), 0).to_numpy()
    holds = (before > 0) & (np.abs(nano - before * ONE) <= HOLD)
    settled = np.where(holds, before, (nano + HALF) // ONE).astype(np.int8)
    keep = pa.array(settled > 0)
    names = ["person", "facet", "value"]
    return scores.select(names).append_column("integer", pa.array(settled)).filter(keep)


def by_person(scores: pa.Table) -> Iterator[tuple[Any, dict[str, dict[str, int]]]]:
    """Read the rows of `integer_table` person by person, ascending, each as `compile_profile` takes it."""
    names = ["person", "facet", "value", "integer"]
    ordered = scores.select(names).sort_by("person")
    rows = chain.from_iterable(
        zip(*(column.to_pylist() for column in batch.columns), strict=True)
        for batch in ordered.to_batches(max_chunksize=_BATCH_ROWS)
    )
    for person, group in groupby(rows, key=itemgetter(0)):
        profile: dict[str, dict[str, int]] = {}
        for _, facet, value, integer in group:
            profile.setdefault(facet, {})[value] = integer
        yield person, profile
