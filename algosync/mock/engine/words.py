"""Words: normalisation, splitting, and the distance between a query word and an indexed one. Pure.

Letters are lowered and stripped of accents; every other character separates. Languages without spaces are not split.
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")


def normalise(text: str) -> str:
    """Lower case, without accents."""
    if text.isascii():
        return text.lower()
    spread = unicodedata.normalize("NFKD", text.lower())
    return "".join(char for char in spread if not unicodedata.combining(char))


def split(text: str) -> list[str]:
    """The words of a text, normalised, in order."""
    return _WORD.findall(normalise(text))


def spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text are, as (start, end) in the text as written."""
    return [found.span() for found in _WORD.finditer(text)]


def typos(word: str, other: str, most: int, *, prefix: bool) -> int | None:
    """Typos that separate a query word from an indexed word, or from the indexed word's best prefix.

    A typo is a letter missing, added, replaced, or two neighbours swapped (optimal string alignment); one that
    changes the first letter counts twice, as Algolia documents.

    Returns:
        The number of typos, or None where there are more than `most`.
    """
    if not prefix and abs(len(word) - len(other)) > most:
        return None
    extra = 1 if word[0] != other[0] else 0
    if extra >= most:
        return None
    found = _distance(word, other[: len(word) + most] if prefix else other, most - extra, prefix=prefix)
    return None if found is None else found + extra


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
