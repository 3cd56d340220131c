"""Words: normalisation, splitting, and where they are in a text. Pure.

Letters are lowered and stripped of accents and strokes; every character but letters and digits separates
(algolia.com/doc/…/in-depth/normalization and …/tokenization). Approximated: text without spaces (Chinese, Japanese,
Thai) is not cut into words, traditional Chinese stays traditional, compounds are not taken apart.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+")
_PLAIN = bytes(ord(chr(code).lower()) if chr(code).isalnum() and code < 128 else 32 for code in range(256))
"""Of ASCII, letters lowered and all that is no letter or digit a space: quicker than to look for words."""
_STANDING = re.compile("a[a_]*")
_STROKES = str.maketrans("øđħłŧƀƶǥȼɇɉɍɏɨⱥ", "odhltbzgcejryia")
_SIGNS = {
    code: " "
    for code in (*range(0x2000, 0x3400), *range(0x1F100, 0x1F300))
    if not chr(code).isalnum() and any(map(str.isalnum, unicodedata.normalize("NFKD", chr(code))))
}
"""Signs that would turn into letters (™ into TM): they separate, like all that is no letter or digit."""
_LOGOGRAM = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def normalise(text: str) -> str:
    """Lower case, without accents."""
    if text.isascii():
        return text.lower()
    spread = unicodedata.normalize("NFKD", text.translate(_SIGNS)).lower().translate(_STROKES)
    return unicodedata.normalize("NFC", "".join(char for char in spread if not unicodedata.combining(char)))


def split(text: str) -> list[str]:
    """The words of a text, normalised, in order."""
    if text.isascii():
        return text.encode().translate(_PLAIN).decode().split()
    return _WORD.findall(normalise(text))


def phonemic(word: str) -> bool:
    """Whether typos make sense in a word: not in logograms, where a letter is a word or a part of one.

    algolia.com/doc/guides/managing-results/optimize-search-results/typo-tolerance.
    """
    return not _LOGOGRAM.search(word)


def spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text are, as (start, end) in the text as written."""
    if text.isascii():
        return [found.span() for found in _WORD.finditer(text)]
    return [found.span() for found in _STANDING.finditer("".join(map(_standing, text)))]


@lru_cache(maxsize=10_000)
def _standing(char: str) -> str:
    """What a character is: `a` for a letter or digit, `_` for an accent on its own, a space for a separator."""
    plain = normalise(char)
    if not plain:
        return "_"
    return "a" if _WORD.search(plain) else " "
