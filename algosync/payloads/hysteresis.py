"""From unrounded scores to integers that stay put: an old integer holds until the value has clearly moved.

Applied once, here, with the previous integers as an input, so that a quiet day changes next to nothing in Algolia.
The scalar and the columnar way give the same answer: both count in whole billionths, so that no comparison hangs on
the last bit of a float.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from algosync.errors import AlgosyncError

SCORE_TOP: Final = 20
"""Scores run from 0 to this."""

_ONE: Final = 1_000_000_000
_HALF: Final = 500_000_000
_HOLD: Final = 600_000_000
_BATCH_ROWS: Final = 65_536

K = TypeVar("K", bound=Hashable)


def integers(scores: Iterable[tuple[K, float]], previous: Mapping[K, int]) -> dict[K, int]:
    """Round scores, holding on to the previous integers.

    A previous integer stays while the score, rounded to 9 digits, is within 0.6 of it, both ends included; else
    the score is rounded half up. What rounds to 0 is left out.

    Args:
        scores: Key and unrounded score, 0 to 20.
        previous: Key to the integer last in use, 1 to 20.

    Returns:
        Key to integer, in the order of `scores`.

    Raises:
        AlgosyncError: A score is not a number of 0 to 20.
    """
    kept = {}
    for key, score in scores:
        if not (math.isfinite(score) and 0 <= score <= SCORE_TOP):
            raise AlgosyncError(f"a score must be 0 to {SCORE_TOP}, not {score}", where=f"score of {key!r}")
        if number := _settle(round(score * _ONE), previous.get(key)):
            kept[key] = number
    return kept


def integer_table(scores: pa.Table) -> pa.Table:
    """Do the same for many persons at once.

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
    nano = np.rint(raw * _ONE).astype(np.int64)
    before = pc.fill_null(scores["previous"].cast(pa.int64()), 0).to_numpy()
    holds = (before > 0) & (np.abs(nano - before * _ONE) <= _HOLD)
    settled = np.where(holds, before, (nano + _HALF) // _ONE).astype(np.int8)
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


def _settle(nano: int, before: int | None) -> int:
    if before is not None and before > 0 and abs(nano - before * _ONE) <= _HOLD:
        return before
    return (nano + _HALF) // _ONE
