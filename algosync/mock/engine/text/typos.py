"""Typos: the distance between a query word and an indexed one, or many of these at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from algosync.mock.engine.columns import Ints


def typos(word: str, other: str, most: int, *, prefix: bool) -> int | None:
    """Typos that separate a query word from an indexed word, or from the indexed word's best prefix.

    A typo is a letter missing, added, replaced, or two neighbours swapped (optimal string alignment). One that changes
    the first letter counts twice, beyond `most`: a word that allows two can have three
    (algolia.com/doc/guides/managing-results/optimize-search-results/typo-tolerance and
    …/in-depth/configuring-typo-tolerance).

    Args:
        word: The query word.
        other: The indexed word.
        most: Edits that the query word's length allows.
        prefix: Whether the query word may be the beginning of the indexed one.

    Returns:
        The number of typos, or None where the words are more than `most` edits apart.
    """
    if not prefix and abs(len(word) - len(other)) > most:
        return None
    found = _distance(word, other[: len(word) + most] if prefix else other, most, prefix=prefix)
    return None if found is None else found + (word[0] != other[0])


def _distance(word: str, other: str, most: int, *, prefix: bool) -> int | None:
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(word, 1):
        above, row = rows[-1], [i]
        for j, facing in enumerate(other, 1):
            if letter == facing:
                best = above[j - 1]
            else:
                best = 1 + min(above[j - 1], above[j], row[j - 1])
                if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == facing:
                    best = min(best, 1 + rows[-2][j - 2])
            row.append(best)
        if min(row) > most and min(above) >= most:
            return None
        rows.append(row)
    found = min(rows[-1]) if prefix else rows[-1][-1]
    return found if found <= most else None


def typos_of_many(word: str, others: Sequence[str], most: int, *, prefix: bool) -> Ints:
    """Typos between a query word and each indexed word (or its best prefix), -1 where there are more than `most` edits.

    Counts what `typos` counts, row by row of the same table for all words together.

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
