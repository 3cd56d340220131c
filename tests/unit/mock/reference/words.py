"""Words, and the distance between two words, as Algolia's documentation describes them. Plain and slow.

Shares nothing with the code under test. Each rule names its page of algolia.com/doc.
"""

from __future__ import annotations

import unicodedata
from functools import cache


def normalise(text: str) -> str:
    """Lower case, diacritics removed (guides/…/handling-natural-languages-nlp/in-depth/normalization)."""
    spread = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(without_stroke(letter) for letter in spread if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", plain)


def without_stroke(letter: str) -> str:
    """ø becomes o, as on the page; so for the other Latin letters of a stroke."""
    name, _, rest = unicodedata.name(letter, "").partition(" WITH ")
    is_latin = name.startswith("LATIN SMALL LETTER ") and len(name) == len("LATIN SMALL LETTER O")
    return unicodedata.lookup(name) if rest == "STROKE" and is_latin else letter


def words(text: str) -> list[str]:
    """The longest runs of alphanumeric characters (guides/…/in-depth/tokenization)."""
    found = [""]
    for letter in normalise(text):
        if letter.isalnum():
            found[-1] += letter
        elif found[-1]:
            found.append("")
    return [word for word in found if word]


@cache
def edits(one: str, other: str) -> int:
    """Additions, deletions, substitutions and transpositions that turn one word into the other.

    guides/managing-results/optimize-search-results/typo-tolerance, "Calculating distance".
    """
    table = {}
    for i in range(len(one) + 1):
        for j in range(len(other) + 1):
            if not i or not j:
                table[i, j] = i + j
                continue
            ways = [table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (one[i - 1] != other[j - 1])]
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                ways.append(table[i - 2, j - 2] + 1)
            table[i, j] = min(ways)
    return table[len(one), len(other)]


def allowed(word: str, settings: dict) -> int:
    """How many edits the length of a query word allows (…/in-depth/configuring-typo-tolerance)."""
    if settings.get("typoTolerance", True) in (False, "false"):
        return 0
    if word in [normalise(other) for other in settings.get("disableTypoToleranceOnWords") or []]:
        return 0
    if any("CJK" in unicodedata.name(letter, "") for letter in word):
        return 0  # "Typo tolerance only applies to phonemic languages" (…/typo-tolerance)
    if len(word) >= settings.get("minWordSizefor2Typos", 8):
        return 2
    return 1 if len(word) >= settings.get("minWordSizefor1Typo", 4) else 0


def typos(word: str, other: str, most: int, *, prefix: bool) -> int | None:
    """Typos of a query word against a record's word, or None where they do not match.

    Up to `most` edits; a typo on the first letter counts for two, so that a word of two edits can count three
    (guides/…/typo-tolerance: Tichael is 2, Tickael is 3 from Michael; …/configuring-typo-tolerance: "three typos if
    the first letter is misspelled"). A prefix is compared with the best beginning of the record's word
    (…/override-search-engine-defaults/in-depth/prefix-searching).
    """
    beginnings = [other[:end] for end in range(len(other) + 1)] if prefix else [other]
    found = min(edits(word, beginning) for beginning in beginnings)
    if found > most:
        return None
    return found + (1 if word[0] != other[0] else 0)
