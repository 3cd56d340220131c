"""Where in a text the words of a query stand. Pure.

A word is matched as the search matches it: whole, by prefix, or with typos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from algosync.mock.engine.text import Word
from algosync.mock.engine.typos import typos
from algosync.mock.engine.words import normalise, spans


class Spot(NamedTuple):
    """A word of a text.

    Attributes:
        start: Its first character.
        stop: The one after its last.
        marked: The character after the part that is matched; `start` where nothing is.
        words: The query's words that match it.
    """

    start: int
    stop: int
    marked: int
    words: frozenset[str]


_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Matcher:
    """Finds the words of a query.

    Attributes:
        words: The query's words.
        exact: Whether only whole words without typos count (exactOnSingleWordQuery = word, on a single word).
    """

    words: Sequence[Word]
    exact: bool = False
    _known: dict[str, tuple[int, frozenset[str]]] = field(default_factory=dict)

    def spots(self, text: str) -> list[Spot]:
        """All words of a text, matched or not, in order."""
        known, found = self._known, list[Spot]()
        for start, stop in spans(text):
            written = text[start:stop]
            match = known.get(written)
            if match is None:
                match = known[written] = self._match(written)
            found.append(Spot(start, stop, start + match[0], match[1]))
        return found

    def level(self, found: frozenset[str] | set[str]) -> str:
        """`matchLevel`: full where all words of the query are found, partial where some are."""
        if not found:
            return "none"
        return "full" if len(found) == len({word.text for word in self.words}) else "partial"

    def _match(self, written: str) -> tuple[int, frozenset[str]]:
        """How many letters of a written word are matched, and by which words."""
        plain, size = normalise(written), len(written)
        longest, found = 0, _NONE
        for word, letters in self._asked:
            # A letter that is nowhere in the other word is a typo by itself: this spares most comparisons.
            if len(letters.difference(plain)) > word.typos_max:
                continue
            matched = self._letters(word, plain, size)
            if matched:
                longest, found = max(longest, matched), found | {word.text}
        return longest, found

    @cached_property
    def _asked(self) -> list[tuple[Word, frozenset[str]]]:
        return [(word, frozenset(word.text)) for word in self.words]

    def _letters(self, word: Word, plain: str, size: int) -> int:
        if plain == word.text:
            return size
        if self.exact:
            return 0
        if word.prefix and plain.startswith(word.text):
            return min(size, len(word.text))
        if not word.typos_max or len(plain) < len(word.text) - word.typos_max:
            return 0
        return size if typos(word.text, plain, word.typos_max, prefix=word.prefix) is not None else 0
