"""The first of many: a sort that only does the work for the places that are looked at. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from algosync.mock.engine.columns import Ints

Key = npt.NDArray[Any]

_SMALL = 1000
"""So few items are quicker sorted than picked from."""


def first(keys: Sequence[Key], most: int) -> Ints:
    """The places of all items, the first `most` of them sorted by the keys (smallest first), the others after them.

    Args:
        keys: The first one decides, each other breaks the ties of those before; the last one has no ties.
        most: How many places have to be in order.
    """
    total = len(keys[-1])
    if total <= _SMALL or most * 2 >= total:
        return np.lexsort(list(reversed(keys)))
    picked = _pick(keys, most) if most else np.empty(0, np.int64)
    picked = picked[np.lexsort([key[picked] for key in reversed(keys)])]
    others = np.ones(total, np.bool_)
    others[picked] = False
    return np.concatenate([picked, np.flatnonzero(others)])


def _pick(keys: Sequence[Key], most: int) -> Ints:
    """Some places, among them the first `most`: key by key, what is below the last value needed, and its ties."""
    sure: list[Ints] = []
    open_ = np.arange(len(keys[-1]))
    for key in keys:
        if len(open_) <= max(most, _SMALL):
            break
        values = key[open_]
        last = np.partition(values, most - 1)[most - 1]
        below = values < last
        sure.append(open_[below])
        most -= int(below.sum())
        open_ = open_[values == last]
    return np.concatenate([*sure, open_])
