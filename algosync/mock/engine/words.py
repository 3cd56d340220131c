"""Words: normalisation, splitting, and the distance between a query word and an indexed one. Pure.

Letters are lowered and stripped of accents and strokes; every character but letters and digits separates
(algolia.com/doc/…/in-depth/normalization and …/tokenization). Approximated: text without spaces (Chinese, Japanese,
Thai) is not cut into words, traditional Chinese stays traditional, compounds are not taken apart.
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")
_STROKES = str.maketrans("øđħłŧƀƶǥȼɇɉɍɏɨⱥ", "odhltbzgcejryia")
_LOGOGRAM = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def normalise(text: str) -> str:
    """Lower case, without accents."""
    if text.isascii():
        return text.lower()
    spread = unicodedata.normalize("NFKD", text.lower()).translate(_STROKES)
    return unicodedata.normalize("NFC", "".join(char for char in spread if not unicodedata.combining(char)))


def split(text: str) -> list[str]:
    """The words of a text, normalised, in order."""
    return _WORD.findall(normalise(text))


def phonemic(word: str) -> bool:
    """Whether typos make sense in a word: not in logograms, where a letter is a word or a part of one.

    algolia.com/doc/guides/managing-results/optimize-search-results/typo-tolerance.
    """
    return not _LOGOGRAM.search(word)


def spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text are, as (start, end) in the text as written."""
    return [found.span() for found in _WORD.finditer(text)]


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
