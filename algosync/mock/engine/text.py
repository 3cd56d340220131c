"""The text index: which words stand where in which documents, and what a query word finds there. Pure.

Occurrences are flat arrays sorted by word, words are sorted, so that a prefix is one slice. A *value* is one string of
one document; its *line* is where its words stand in one long line of all values, eight apart, so that proximity is a
distance between line numbers that never reaches across values.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from algosync.mock.engine.columns import Ints, Mask, leaves
from algosync.mock.engine.settings import Searchable
from algosync.mock.engine.words import split, typos

GAP = 8
"""Proximity at which words no longer count as near each other."""

REPEATED_MAX = 12
"""Values of at most so many words are remembered while an index is built: names and categories come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word of a query.

    Attributes:
        text: The word, normalised.
        prefix: Whether it may be the beginning of a word.
        typos_max: Typos allowed.
        optional: Whether a document may lack it.
    """

    text: str
    prefix: bool
    typos_max: int
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Occurrences of a query word, the best of each document only.

    Attributes:
        typos: Fewest typos by document, -1 where the word does not occur.
        docs: Document of each occurrence.
        lines: Place of each occurrence in the long line of all words.
        places: Rank of the attribute times 1000, plus the word's position in it where position counts.
        whole: Whether the occurrence is the very word, no prefix, no typo.
        alone: Whether it is the whole value besides.
    """

    typos: Ints
    docs: Ints
    lines: Ints
    places: Ints
    whole: Mask
    alone: Mask


@dataclass(slots=True)
class _Values:
    doc: list[int]
    rank: list[int]
    start: list[int]  # the position of the value's first word in its attribute; -1 where position does not count
    count: list[int]


class TextIndex:
    """Words of the searchable attributes of documents 0…n-1."""

    def __init__(self, size: int, lines: Sequence[Searchable] | None) -> None:
        self.size = size
        self._lines = lines
        self._ids: dict[str, int] = {}
        self._split: dict[str, array[int]] = {}
        self._flat = array("i")
        self._values = _Values([], [], [], [])
        self.words: list[str] = []
        self.names: list[str] = []
        self._name_of: list[int] = []
        self._name_ids: dict[str, int] = {}
        self._misspellings: dict[Word, list[tuple[int, int]]] = {}

    def add(self, doc: int, record: dict[str, Any]) -> None:
        """Take in a document; `seal` follows the last."""
        for rank, name, ordered, values in self._searched(record):
            position = 0
            name_id = self._name_ids.setdefault(name, len(self._name_ids))
            for value in values:
                if isinstance(value, bool):
                    continue
                ids = self._word_ids(value if isinstance(value, str) else str(value))
                if not ids:
                    continue
                self._flat.extend(ids)
                self._values.doc.append(doc)
                self._values.rank.append(rank)
                self._values.start.append(position if ordered else -1)
                self._values.count.append(len(ids))
                self._name_of.append(name_id)
                position += len(ids) + GAP

    def _searched(self, record: dict[str, Any]) -> Iterator[tuple[int, str, bool, Iterator[Any]]]:
        if self._lines is None:
            for name, value in record.items():
                if name != "objectID":
                    yield 0, name, False, _deep(value)
            return
        for rank, line in enumerate(self._lines):
            for name in line.attributes:
                yield rank, name, line.ordered, leaves(record, name)

    def _word_ids(self, text: str) -> array[int]:
        known = self._split.get(text)
        if known is None:
            ids = self._ids
            known = array("i", [ids.setdefault(word, len(ids)) for word in split(text)])
            if len(known) <= REPEATED_MAX:
                self._split[text] = known
        return known

    def seal(self) -> TextIndex:
        """Turn what was added into arrays."""
        self.words = sorted(self._ids)
        place = np.empty(len(self.words), np.int64)
        place[[self._ids[word] for word in self.words]] = np.arange(len(self.words))
        word_of = place[np.frombuffer(self._flat, np.int32)] if self._flat else np.empty(0, np.int64)
        counts = np.array(self._values.count, np.int64)
        value_of = np.repeat(np.arange(len(counts)), counts)
        begins = np.cumsum(counts) - counts
        index_of = np.arange(len(word_of)) - begins[value_of]
        order = np.argsort(word_of, kind="stable")
        self._starts = np.searchsorted(word_of[order], np.arange(len(self.words) + 1))
        self._value_of = value_of[order].astype(np.int32)
        self._index_of = index_of[order].astype(np.int32)
        self._doc = np.array(self._values.doc, np.int64)
        self._rank = np.array(self._values.rank, np.int64)
        self._start = np.array(self._values.start, np.int64)
        self._count = counts
        self._line = begins + np.arange(len(counts)) * GAP
        self._name = np.array(self._name_of, np.int64)
        self.names = list(self._name_ids)
        self._ids, self._split, self._flat, self._name_of = {}, {}, array("i"), []
        self._values = _Values([], [], [], [])
        return self

    def find(self, word: Word, allowed: Mask, attributes: Sequence[str] | None = None) -> Found:
        """Where a query word occurs in the allowed documents and attributes (None: all of them)."""
        rows, distances, whole = self._candidates(word)
        value_of = self._value_of[rows]
        docs = self._doc[value_of]
        keep = allowed[docs]
        if attributes is not None:
            named = np.array([name in attributes for name in self.names], bool)
            keep &= named[self._name[value_of]]
        value_of, docs, distances, whole = value_of[keep], docs[keep], distances[keep], whole[keep]
        index_of = self._index_of[rows][keep]
        fewest = np.full(self.size, -1, np.int64)
        for count in range(int(distances.max(initial=0)), -1, -1):
            fewest[docs[distances == count]] = count
        best = distances == fewest[docs]
        value_of, docs, index_of, whole = value_of[best], docs[best], index_of[best], whole[best]
        start = self._start[value_of]
        position = np.where(start < 0, 0, np.minimum(start + index_of, 999))
        return Found(
            typos=fewest,
            docs=docs,
            lines=self._line[value_of] + index_of,
            places=self._rank[value_of] * 1000 + position,
            whole=whole,
            alone=whole & (self._count[value_of] == 1),
        )

    def _candidates(self, word: Word) -> tuple[Ints, Ints, Mask]:
        ranges = [(first, last, 0) for first, last in self._literal(word)]
        if word.typos_max:
            taken = {place for first, last, _ in ranges for place in range(first, last)}
            if word not in self._misspellings:
                self._misspellings[word] = list(self._misspelt(word))
            ranges += [(i, i + 1, count) for i, count in self._misspellings[word] if i not in taken]
        rows = [np.arange(self._starts[first], self._starts[last]) for first, last, _ in ranges]
        counts = [len(part) for part in rows]
        distances = np.repeat(np.array([count for *_, count in ranges], np.int64), counts)
        very = np.repeat(np.array([self.words[first] == word.text for first, *_ in ranges], bool), counts)
        return (np.concatenate(rows) if rows else np.empty(0, np.int64)), distances, very

    def _literal(self, word: Word) -> list[tuple[int, int]]:
        at = bisect_left(self.words, word.text)
        exact = at < len(self.words) and self.words[at] == word.text
        ranges = [(at, at + 1)] if exact else []
        if word.prefix:
            end = bisect_left(self.words, word.text + "\U0010ffff")
            if end > at + exact:
                ranges.append((at + exact, end))
        return ranges

    def _misspelt(self, word: Word) -> Iterator[tuple[int, int]]:
        """Words with typos: those that share the first letter, and with two typos allowed the others too."""
        first = word.text[0]
        low, high = bisect_left(self.words, first), bisect_left(self.words, first + "\U0010ffff")
        near = range(low, high) if word.typos_max == 1 else range(len(self.words))
        letters = set(word.text)
        for place in near:
            other = self.words[place]
            if len(other) < len(word.text) - word.typos_max:
                continue
            if not word.prefix and len(other) > len(word.text) + word.typos_max:
                continue
            if len(letters.difference(other)) > word.typos_max:
                continue
            count = typos(word.text, other, word.typos_max, prefix=word.prefix)
            if count is not None:
                yield place, count


def _deep(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _deep(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _deep(inner)
    elif value is not None:
        yield value
