"""From unrounded scores to integers that stay put: an old integer holds until the value has clearly moved.

Applied once, here, with the previous integers as an input, so that a quiet day changes next to nothing in Algolia.
The scalar way, here, and the columnar one, in `batch_hysteresis`, give the same answer: both count in whole billionths,
so that no comparison hangs on the last bit of a float.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Final, TypeVar

from algosync.errors import AlgosyncError

SCORE_TOP: Final = 20
"""Scores run from 0 to this."""

ONE: Final = 1_000_000_000
HALF: Final = 500_000_000
HOLD: Final = 600_000_000

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
        if number := _settle(round(score * ONE), previous.get(key)):
            kept[key] = number
    return kept


def _settle(nano: int, before: int | None) -> int:
    if before is not None and before > 0 and abs(nano - before * ONE) <= HOLD:
        return before
    return (nano + HALF) // ONE
