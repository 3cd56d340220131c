"""Patterns of rules: the words and facet values that they match in a query's words. Pure.

A placeholder `{facet:NAME}` stands for a value of that facet, several words long if need be. Approximated:
`alternatives` knows typos and English plurals in -s, -es and -ies, no synonyms.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from algosync.mock.engine.rules.shape import PLACEHOLDER
from algosync.mock.engine.text.typos import typos
from algosync.mock.engine.text.words import split

NOWHERE = sys.maxsize

Token = tuple[str, bool]
"""A word of a pattern, or the facet of a placeholder (then True)."""


class FacetValues(Protocol):
    """The values of an index's declared facets, by the words in them."""

    def named(self, facet: str, words: tuple[str, ...]) -> Sequence[str]:
        """Values whose words are these; several where they differ in letter case, accents or punctuation."""

    def longest(self, facet: str) -> int:
        """The most words that a value has; 0 for a facet without values, or one that is not declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What decides about rules besides the query.

    Attributes:
        now_s: The time, in epoch seconds.
        values: The index's facet values.
        one_typo: Shortest word that may have a typo (for `alternatives`).
        two_typos: Shortest word that may have two.
    """

    now_s: int
    values: FacetValues
    one_typo: int = 4
    two_typos: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A facet value that a query names: the words from `start` to `stop`, and the values written so."""

    facet: str
    values: tuple[str, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a pattern matches: the words from `start` to `stop`; `loose` where not by the very words."""

    start: int
    stop: int
    named: tuple[Named, ...] = ()
    loose: bool = False


def places(condition: Mapping[str, Any], query: tuple[str, ...], around: Circumstances) -> Iterator[Place]:
    """Where a pattern matches: never twice over the same words; NOWHERE for a condition without pattern."""
    pattern = condition.get("pattern")
    if pattern is None:
        yield Place(start=NOWHERE, stop=NOWHERE)
        return
    tokens, anchoring = tokenise(pattern), condition["anchoring"]
    if not tokens:
        if anchoring == "is" and not query:
            yield Place(start=0, stop=0)
        return
    to_end = anchoring in {"is", "endsWith"}
    fitting = _Fitting(tokens, query, around, _fits_loosely(around) if condition.get("alternatives") else None)
    start, last = 0, 0 if anchoring in {"is", "startsWith"} else len(query) - 1
    while start <= last:
        place = fitting.at(start, to_end=to_end)
        if place is not None:
            yield place
        start = place.stop if place is not None else start + 1


@lru_cache(maxsize=1 << 14)
def tokenise(pattern: str) -> tuple[Token, ...]:
    """The words and placeholders of a pattern."""
    tokens: list[Token] = []
    for number, piece in enumerate(PLACEHOLDER.split(pattern)):
        tokens += [(piece.strip(), True)] if number % 2 else [(word, False) for word in split(piece)]
    return tuple(tokens)


class _Fitting:
    """Fits one pattern to the words of one query; a placeholder takes the longest value that lets the rest fit."""

    def __init__(
        self,
        tokens: Sequence[Token],
        words: tuple[str, ...],
        around: Circumstances,
        loosely: Callable[[str, str], bool] | None,
    ) -> None:
        self._tokens = tokens
        self._words = words
        self._values = around.values
        self._loosely = loosely
        self._hopeless: set[tuple[int, int]] = set()

    def at(self, start: int, *, to_end: bool) -> Place | None:
        """The pattern as it matches from a word on."""
        found = self._rest(0, start, to_end=to_end)
        if found is None:
            return None
        stop, named = found
        literal = not named and self._words[start:stop] == tuple(word for word, _ in self._tokens)
        return Place(start=start, stop=stop, named=named, loose=not literal)

    def _rest(self, token: int, at: int, *, to_end: bool) -> tuple[int, tuple[Named, ...]] | None:
        if token == len(self._tokens):
            return (at, ()) if not to_end or at == len(self._words) else None
        if at >= len(self._words) or (token, at) in self._hopeless:
            return None
        text, placeholder = self._tokens[token]
        for named in self._values_at(text, at) if placeholder else self._word_at(text, at):
            rest = self._rest(token + 1, named.stop, to_end=to_end)
            if rest is not None:
                return rest[0], ((named, *rest[1]) if placeholder else rest[1])
        self._hopeless.add((token, at))
        return None

    def _word_at(self, word: str, at: int) -> Iterator[Named]:
        asked_word = self._words[at]
        if asked_word == word or (self._loosely is not None and self._loosely(asked_word, word)):
            yield Named(facet="", values=(), start=at, stop=at + 1)

    def _values_at(self, facet: str, at: int) -> Iterator[Named]:
        longest = min(self._values.longest(facet), len(self._words) - at)
        for length in range(longest, 0, -1):
            values = tuple(self._values.named(facet, self._words[at : at + length]))
            if values:
                yield Named(facet=facet, values=values, start=at, stop=at + length)


def _fits_loosely(around: Circumstances) -> Callable[[str, str], bool]:
    def fits(word: str, wanted: str) -> bool:
        most = (len(word) >= around.one_typo) + (len(word) >= around.two_typos)
        return _singular(word) == _singular(wanted) or (
            most > 0 and typos(word, wanted, most, prefix=False) is not None
        )

    return fits


def _singular(word: str) -> str:
    for ending, instead in (("ies", "y"), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word[: -len(ending)] + instead
    return word
