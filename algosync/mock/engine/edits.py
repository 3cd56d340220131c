"""The distance between one query word and many indexed words at once. Pure.

Counts what `words.typos` counts, row by row of the same table for all words together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from algosync.mock.engine.columns import Ints


def typos_of_many(word: str, others: Sequence[str], most: int, *, prefix: bool) -> Ints:
    """Typos between a query word and each indexed word (or its best prefix), -1 where there are more than `most` edits.

    Args:
        word: The query word.
        others: Indexed words, none empty.
        most: Edits allowed; a first letter that differs is one typo more.
        prefix: Whether the query word may be the beginning of an indexed one.
    """
    if not others:
        return np.empty(0, np.int64)
    width = len(word) + most + (0 if prefix else 1)
    letters = np.array(others, f"<U{width}").view(np.uint32).reshape(len(others), width).T
    lengths = np.minimum(np.fromiter(map(len, others), np.int64, len(others)), width)
    last = _last_row([ord(letter) for letter in word], letters)
    if prefix:
        last[np.arange(width + 1)[:, None] > lengths] = width
        found = last.min(axis=0).astype(np.int64)
    else:
        found = last[lengths, np.arange(len(others))].astype(np.int64)
    return np.where(found <= most, found + (letters[0] != ord(word[0])), -1)


def _last_row(word: Sequence[int], letters: np.ndarray) -> np.ndarray:
    """Edits from the whole query word to each beginning of each other word (rows: its length)."""
    columns = np.arange(len(letters) + 1, dtype=np.int16)[:, None]
    older = above = np.repeat(columns, letters.shape[1], axis=1)
    same = np.zeros(letters.shape, np.bool_)
    for place, letter in enumerate(word):
        facing = letters == letter
        row = np.empty_like(above)
        row[0] = place + 1
        row[1:] = np.minimum(above[:-1] + ~facing, above[1:] + 1)
        if place:
            swapped = facing[:-1] & same[1:]
            row[2:] = np.where(swapped, np.minimum(row[2:], older[:-2] + 1), row[2:])
        # A letter added costs one for each column passed.
        row = np.minimum.accumulate(row - columns, axis=0) + columns
        older, above, same = above, row, facing
    return above
