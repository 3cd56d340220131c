"""The textual criteria of a query over one segment: typo, words, proximity, attribute, exact.

A query is put in several wordings: as typed, with neighbouring words joined, with a word split in two
(algolia.com/doc/…/in-depth/splitting-and-concatenation). A record counts with the wording that suits it best, by typos
first. A joined or split word counts as one typo and is not exact; what it counts for is documented nowhere. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from algosync.mock.engine.columns import Ints, Mask
from algosync.mock.engine.text.inverted import Found, Scope, TextIndex, Word
from algosync.mock.engine.text.proximity import closest

CRITERIA = ("typo", "words", "proximity", "attribute", "exact")
MORE_FIRST = frozenset({"words", "filters", "exact"})
JOINED_MAX = 5
"""So many words at the start of a query are joined in pairs."""
FIRST_PART_MAX = 12
"""Letters of a split word's first part, at most."""
EXACT_WORD_MIN = 3
"""Letters of a word that exactOnSingleWordQuery=word counts, at least."""
PROXIMITY_MAX = 7
"""A greater minProximity turns the criterion off."""
MISSING = 1_000_000
"""The place of a word that a record lacks: documented as a large penalty, of no stated size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How words are matched and their places compared.

    Attributes:
        scope: Where words are looked for.
        exact_on_single: exactOnSingleWordQuery.
        min_proximity: minProximity.
        attribute_by: What the attribute criterion looks at: the closest matches (minProximity), all of them (best), or
            one of each word (sum).
        joins: Whether words may be joined and split.
        kept: Words that are neither joined nor split (disableTypoToleranceOnWords).
    """

    scope: Scope
    exact_on_single: str = "attribute"
    min_proximity: int = 1
    attribute_by: str = "minProximity"
    joins: bool = True
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One way to put a query in words.

    Attributes:
        words: The words to be found.
        weights: For how many of the query's words each counts.
        exact: Which of them may count as exact.
        typos: Typos that the wording itself counts for.
    """

    words: tuple[Word, ...]
    weights: tuple[int, ...]
    exact: tuple[bool, ...]
    typos: int = 0


Parts = Sequence[tuple[TextIndex, Mask]]
"""The text of each segment, with the documents that still count."""


def wordings(words: tuple[Word, ...], parts: Parts, style: Style) -> list[Wording]:
    """The wordings of a query that the words of an index allow; as typed comes first."""
    one, sure = (1,) * len(words), (True,) * len(words)
    found = [Wording(words=words, weights=one, exact=sure)]
    if not style.joins:
        return found
    for first, last in _joinable(words, style.kept):
        joined = Word(
            text="".join(word.text for word in words[first:last]),
            prefix=words[last - 1].prefix,
            typos_max=0,
        )
        if any(text.has(joined) for text, _ in parts):
            found.append(_replaced(found[0], slice(first, last), (joined,), (last - first,)))
    for place, word in enumerate(words):
        if word.typos_max and word.text not in style.kept and (pair := _split(word, parts)):
            found.append(_replaced(found[0], slice(place, place + 1), pair, (1, 0)))
    return found


def _joinable(words: tuple[Word, ...], kept: frozenset[str]) -> list[tuple[int, int]]:
    pairs = list(pairwise(range(min(len(words), JOINED_MAX))))
    spans = [(first, last + 1) for first, last in pairs] + ([(0, len(words))] if len(words) > 2 else [])
    return [(first, last) for first, last in spans if not any(word.text in kept for word in words[first:last])]


def _replaced(plain: Wording, at: slice, words: tuple[Word, ...], weights: tuple[int, ...]) -> Wording:
    return Wording(
        words=(*plain.words[: at.start], *words, *plain.words[at.stop :]),
        weights=(*plain.weights[: at.start], *weights, *plain.weights[at.stop :]),
        exact=(*plain.exact[: at.start], *(False for _ in words), *plain.exact[at.stop :]),
        typos=1,
    )


def _split(word: Word, parts: Parts) -> tuple[Word, Word] | None:
    """The two words, both in the index, that most records hold; the shortest first part where several tie."""
    best, most = None, 0
    for cut in range(1, min(FIRST_PART_MAX, len(word.text) - 1) + 1):
        first, second = (
            replace(word, text=part, prefix=False, typos_max=0, optional=False) for part in _cut(word.text, cut)
        )
        if not all(any(text.has(part) for text, _ in parts) for part in (first, second)):
            continue
        both = [(_both(text, first, second), live) for text, live in parts]
        count = sum(int(live[docs].sum()) for docs, live in both)
        if count > most:
            best, most = (first, second), count
    return best


def _both(text: TextIndex, first: Word, second: Word) -> Ints:
    return np.intersect1d(text.documents(first.text), text.documents(second.text), assume_unique=True)


def _cut(text: str, at: int) -> tuple[str, str]:
    return text[:at], text[at:]


def textual(text: TextIndex, found: Sequence[Wording], allowed: Mask, style: Style) -> tuple[Mask, dict[str, Ints]]:
    """Which of the allowed documents a query matches, and the values of its criteria by document."""
    asked = dict.fromkeys(word for wording in found for word in wording.words)
    words = {word: text.find(word, allowed, style.scope) for word in asked}
    hit = _matching(found[0], words, allowed)
    best = _values(text, found[0], words, hit, style)
    for wording in found[1:]:
        more = _matching(wording, words, allowed)
        if not more.any():
            continue
        values = _values(text, wording, words, more, style)
        better = more & (~hit | _before(values, best))
        best = {name: np.where(better, values[name], best[name]) for name in CRITERIA}
        hit = hit | more
    return hit, best


def _before(one: dict[str, Ints], other: dict[str, Ints]) -> Mask:
    """Where the first values come before the others, criterion by criterion."""
    before = np.zeros(len(one["typo"]), np.bool_)
    tied = ~before
    for name in CRITERIA:
        left, right = (other[name], one[name]) if name in MORE_FIRST else (one[name], other[name])
        before |= tied & (left < right)
        tied &= left == right
    return before


def _matching(wording: Wording, known: Mapping[Word, Found], allowed: Mask) -> Mask:
    hit = allowed.copy()
    needed = [word for word in wording.words if not word.optional]
    for word in needed:
        hit &= known[word].typos >= 0
    if wording.words and not needed:
        hit &= np.any([known[word].typos >= 0 for word in wording.words], axis=0)
    return hit


def _values(text: TextIndex, wording: Wording, known: Mapping[Word, Found], hit: Mask, style: Style) -> dict[str, Ints]:
    found = [known[word] for word in wording.words]
    typo = np.full(len(hit), wording.typos, np.int64)
    words = np.zeros(len(hit), np.int64)
    for weight, each in zip(wording.weights, found, strict=True):
        typo += np.maximum(each.typos, 0)
        words += weight * (each.typos >= 0)
    exact = _exactness(wording, found, len(hit), style)
    return {"typo": typo, "words": words, "exact": exact} | _places(text, found, hit, style)


def _exactness(wording: Wording, found: Sequence[Found], size: int, style: Style) -> Ints:
    exact = np.zeros(size, np.int64)
    single = len(found) == 1
    mode = style.exact_on_single
    if single and (mode == "none" or (mode == "word" and len(wording.words[0].text) < EXACT_WORD_MIN)):
        return exact
    for counts, each in zip(wording.exact, found, strict=True):
        if counts:
            whole = np.zeros(size, np.bool_)
            whole[each.docs[each.alone if single and mode == "attribute" else each.whole]] = True
            exact += whole
    return exact


def _places(text: TextIndex, found: Sequence[Found], hit: Mask, style: Style) -> dict[str, Ints]:
    kept = [_of_hits(each, hit) for each in found] if len(found) > 1 else found
    marked = text.ranked and style.attribute_by == "minProximity"
    near, chosen = closest(kept, len(hit), style.min_proximity, marked=marked)
    best = [_best_places(each, places, len(hit)) for each, places in zip(kept, chosen, strict=True)]
    if not best or not text.ranked:
        attribute = np.zeros(len(hit), np.int64)
    else:
        attribute = np.sum(best, axis=0) if style.attribute_by == "sum" else np.min(best, axis=0)
    off = style.min_proximity > PROXIMITY_MAX
    return {"proximity": np.zeros_like(near) if off else near, "attribute": attribute}


def _best_places(found: Found, chosen: Ints, size: int) -> Ints:
    best = np.full(size, MISSING, np.int64)
    np.minimum.at(best, found.docs[chosen], found.places[chosen])
    return best


def _of_hits(found: Found, hit: Mask) -> Found:
    keep = hit[found.docs]
    return replace(
        found,
        docs=found.docs[keep],
        lines=found.lines[keep],
        places=found.places[keep],
        whole=found.whole[keep],
        alone=found.alone[keep],
    )
