"""Where in a text the words of a query stand. Pure.

A word is matched as the search matches it: whole, by prefix, with typos, joined with its neighbours, or split in two
words that stand next to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product, takewhile
from typing import NamedTuple

from algosync.mock.engine.text.criteria import Wording
from algosync.mock.engine.text.inverted import Word
from algosync.mock.engine.text.typos import typos
from algosync.mock.engine.text.words import normalise, spans


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """Words that stand in a text next to each other for words of the query.

    Attributes:
        words: Those of the text.
        typed: Those of the query.
    """

    words: tuple[Word, ...]
    typed: frozenset[str]

    def fits(self, plain: Sequence[str]) -> bool:
        """Whether the words that a text has somewhere are these."""
        if len(plain) < len(self.words):
            return False
        pairs = zip(self.words, plain, strict=False)
        return all(other == word.text or (word.prefix and other.startswith(word.text)) for word, other in pairs)


def stand_ins(ways: Sequence[Wording]) -> list[StandIn]:
    """What the wordings of a query have in the place of its words as typed, which come first."""
    found: list[StandIn] = []
    for way in ways[1:]:
        at, typed = way.exact.index(False), ways[0].words
        words = tuple(word for word, exact in zip(way.words, way.exact, strict=True) if not exact)
        replaced = typed[at : at + len(words) + len(typed) - len(way.words)]
        found.append(StandIn(words=words, typed=frozenset(word.text for word in replaced)))
    return found


@dataclass(frozen=True, kw_only=True)
class Matcher:
    """Finds the words of a query.

    Attributes:
        words: The query's words.
        exact: Whether only whole words without typos count (exactOnSingleWordQuery = word, on a single word).
        stand_ins: What else counts as words of the query.
    """

    words: Sequence[Word]
    exact: bool = False
    stand_ins: Sequence[StandIn] = ()
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
        return self._with_stand_ins(text, found) if self.stand_ins else found

    def _with_stand_ins(self, text: str, found: list[Spot]) -> list[Spot]:
        plain = [normalise(text[spot.start : spot.stop]) for spot in found]
        for at, stand_in in product(range(len(found)), self.stand_ins):
            if stand_in.fits(plain[at : at + len(stand_in.words)]):
                for place, word in enumerate(stand_in.words, at):
                    spot = found[place]
                    part = _covering(text[spot.start : spot.stop], word) if word.prefix else spot.stop - spot.start
                    marked = max(spot.marked, spot.start + part)
                    found[place] = Spot(spot.start, spot.stop, marked, spot.words | stand_in.typed)
        return found

    def level(self, found: frozenset[str] | set[str]) -> str:
        """`matchLevel`: full where all words of the query are found, partial where some are."""
        if not found:
            return "none"
        return "full" if len(found) == len({word.text for word in self.words}) else "partial"

    def _match(self, written: str) -> tuple[int, frozenset[str]]:
        """How many letters of a written word are matched, and by which words."""
        plain = normalise(written)
        longest, found = 0, _NONE
        for word, letters in self._asked:
            # A letter that is nowhere in the other word is a typo by itself: this spares most comparisons.
            if len(letters.difference(plain)) > word.typos_max:
                continue
            matched = self._letters(word, written, plain)
            if matched:
                longest, found = max(longest, matched), found | {word.text}
        return longest, found

    @cached_property
    def _asked(self) -> list[tuple[Word, frozenset[str]]]:
        return [(word, frozenset(word.text)) for word in self.words]

    def _letters(self, word: Word, written: str, plain: str) -> int:
        size = len(written)
        if plain == word.text:
            return size
        if self.exact:
            return 0
        if word.prefix and plain.startswith(word.text):
            return _covering(written, word)
        if not word.typos_max or len(plain) < len(word.text) - word.typos_max:
            return 0
        return size if typos(word.text, plain, word.typos_max, prefix=word.prefix) is not None else 0


def _covering(written: str, word: Word) -> int:
    """How many characters of a written word its beginning takes up, accents on their own included."""
    letters = len(word.text)
    if written.isascii():
        return letters
    stop = next(stop for stop in range(1, len(written) + 1) if len(normalise(written[:stop])) >= letters)
    return stop + sum(1 for _ in takewhile(lambda char: not normalise(char), written[stop:]))
