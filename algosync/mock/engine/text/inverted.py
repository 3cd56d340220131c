"""The text index: which words stand where in which documents, and what a query word finds there. Pure.

Occurrences are flat arrays sorted by word, words are sorted, so that a prefix is one slice. A *value* is one string of
one document; its *line* is where its words stand in one long line of all values, eight apart, so that proximity is a
distance between line numbers that never reaches across values.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from algosync.mock.engine.columns import Ints, Mask
from algosync.mock.engine.settings import Searchable
from algosync.mock.engine.text.typos import typos_of_many
from algosync.mock.engine.text.words import split

GAP = 8
"""Proximity at which words no longer count as near each other."""

MISSPELT_KEPT = 1000
"""Query words whose misspellings are remembered: storefronts ask for the same ones."""

REPEATED_MAX = 12
"""Values of at most so many words are remembered while an index is built: names and categories come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word of a query.

    Attributes:
        text: The word, normalised.
        prefix: Whether it may be the beginning of a word.
        typos_max: Edits allowed; a typo on the first letter counts one more.
        optional: Whether a document may lack it.
    """

    text: str
    prefix: bool
    typos_max: int
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where words are looked for, and how.

    Attributes:
        attributes: restrictSearchableAttributes, or None for all.
        no_typos: disableTypoToleranceOnAttributes.
        no_prefixes: disablePrefixOnAttributes.
        no_exact: disableExactOnAttributes.
    """

    attributes: tuple[str, ...] | None = None
    no_typos: tuple[str, ...] = ()
    no_prefixes: tuple[str, ...] = ()
    no_exact: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Occurrences of a query word, the best of each document only.

    Attributes:
        typos: Fewest typos by document, -1 where the word does not occur.
        docs: Document of each occurrence.
        lines: Place of each occurrence in the long line of all words.
        places: Rank of the attribute times 1000, plus the word's position in it where position counts.
        whole: Whether the occurrence counts as exact: the very word, no prefix, no typo.
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
        self._ids = _numbered()
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
                    yield 0, name, False, (text for text in _deep(value) if isinstance(text, str))
            return
        for rank, line in enumerate(self._lines):
            for name in line.attributes:
                yield rank, name, line.ordered, _inside(record, name)

    def _word_ids(self, text: str) -> array[int]:
        known = self._split.get(text)
        if known is None:
            ids = self._ids
            known = array("i", map(ids.__getitem__, split(text)))
            if len(known) <= REPEATED_MAX:
                self._split[text] = known
        return known

    def seal(self) -> TextIndex:
        """Turn what was added into arrays."""
        self.words = sorted(self._ids)
        place = np.empty(len(self.words), np.int32)
        place[[self._ids[word] for word in self.words]] = np.arange(len(self.words))
        word_of = place[np.frombuffer(self._flat, np.int32)] if self._flat else np.empty(0, np.int32)
        counts = np.array(self._values.count, np.int32)
        order = _sorted(word_of)
        self._starts = np.append(0, np.cumsum(np.bincount(word_of, minlength=len(self.words))))
        doc, rank, start = (
            np.array(each, np.int32) for each in (self._values.doc, self._values.rank, self._values.start)
        )
        begins = (np.cumsum(counts) - counts).astype(np.int32)
        self._value_of = value_of = np.repeat(np.arange(len(counts), dtype=np.int32), counts)[order]
        index_of = order.astype(np.int32) - begins[value_of]
        del word_of, order
        self._docs = doc[value_of]
        position = np.where(start[value_of] < 0, 0, np.minimum(start[value_of] + index_of, 999))
        self._places = rank[value_of] * 1000 + position
        self._lines_of = begins[value_of] + value_of * GAP + index_of
        self._alone = counts[value_of] == 1
        self._name = np.array(self._name_of, np.int64)
        self._letters = np.fromiter(map(_letters, self.words), np.uint64, len(self.words))
        self._lengths = np.fromiter(map(len, self.words), np.int64, len(self.words))
        self.names = list(self._name_ids)
        self._ids, self._split, self._flat, self._name_of = _numbered(), {}, array("i"), []
        self._values = _Values([], [], [], [])
        return self

    @property
    def ranked(self) -> bool:
        """Whether attributes have ranks, so that one match can have a better place than another."""
        return self._lines is not None

    def has(self, word: Word) -> bool:
        """Whether any document ever held the word as it is, or as a beginning."""
        return bool(self._literal(word))

    def documents(self, text: str) -> Ints:
        """Documents that hold the very word, each once."""
        ranges = self._literal(Word(text=text, prefix=False, typos_max=0))
        docs = self._docs[self._starts[ranges[0][0]] : self._starts[ranges[0][1]]] if ranges else np.empty(0, np.int32)
        return docs[np.diff(docs, prepend=-1) > 0].astype(np.int64)

    def find(self, word: Word, allowed: Mask, scope: Scope) -> Found:
        """Where a query word occurs in the allowed documents."""
        rows, distances, whole = self._rows(word, scope)
        docs = self._docs[rows].astype(np.int64)
        keep = allowed[docs]
        if scope.attributes is not None:
            keep &= self._named(scope.attributes)[self._value_of[rows]]
        if scope.no_typos:
            keep &= (distances == 0) | ~self._named(scope.no_typos)[self._value_of[rows]]
        most = int(distances.max(initial=0))
        fewest = np.full(self.size, -1, np.int64)
        for count in range(most, -1, -1):
            fewest[docs[keep & (distances == count) if most else keep]] = count
        if most:
            keep &= distances == fewest[docs]
        if not keep.all():
            kept = np.flatnonzero(keep)
            docs, whole = docs[kept], whole[kept]
            rows = kept + rows.start if isinstance(rows, slice) else rows[kept]
        if scope.no_exact:
            whole = whole & ~self._named(scope.no_exact)[self._value_of[rows]]
        return Found(
            typos=fewest,
            docs=docs,
            lines=self._lines_of[rows].astype(np.int64),
            places=self._places[rows].astype(np.int64),
            whole=whole,
            alone=whole & self._alone[rows],
        )

    def _named(self, attributes: Sequence[str]) -> Mask:
        """Which values stand in one of the attributes."""
        named = np.array([name in attributes for name in self.names], np.bool_)
        found: Mask = named[self._name]
        return found

    def _rows(self, word: Word, scope: Scope) -> tuple[Ints | slice, Ints, Mask]:
        """Which occurrences, as places or as a stretch; the typos of each; whether it is the very word."""
        if not word.prefix or not scope.no_prefixes:
            return self._candidates(word)
        kinds = []
        for each, wanted in ((word, False), (replace(word, prefix=False), True)):
            found, distances, whole = self._candidates(each)
            rows = np.arange(found.start, found.stop) if isinstance(found, slice) else found
            keep = self._named(scope.no_prefixes)[self._value_of[rows]] == wanted
            kinds.append((rows[keep], distances[keep], whole[keep]))
        (rows, distances, whole), (more, farther, wholly) = kinds
        return np.concatenate([rows, more]), np.concatenate([distances, farther]), np.concatenate([whole, wholly])

    def _candidates(self, word: Word) -> tuple[Ints | slice, Ints, Mask]:
        ranges = [(first, last, 0) for first, last in self._literal(word)]
        if word.typos_max:
            taken = {place for first, last, _ in ranges for place in range(first, last)}
            ranges += [(i, i + 1, count) for i, count in self._misspelt(word) if i not in taken]
        spans = [(int(self._starts[first]), int(self._starts[last])) for first, last, _ in ranges]
        counts = [last - first for first, last in spans]
        distances = np.repeat(np.array([count for *_, count in ranges], np.int64), counts)
        very = np.repeat(np.array([self.words[first] == word.text for first, *_ in ranges], bool), counts)
        if all(first == last for (_, last), (first, _) in pairwise(spans)):
            return slice(spans[0][0], spans[-1][1]) if spans else slice(0, 0), distances, very
        return np.concatenate([np.arange(first, last) for first, last in spans]), distances, very

    def _literal(self, word: Word) -> list[tuple[int, int]]:
        at = bisect_left(self.words, word.text)
        exact = at < len(self.words) and self.words[at] == word.text
        ranges = [(at, at + 1)] if exact else []
        if word.prefix:
            end = bisect_left(self.words, word.text + "\U0010ffff")
            if end > at + exact:
                ranges.append((at + exact, end))
        return ranges

    def _misspelt(self, word: Word) -> list[tuple[int, int]]:
        """Words with typos, and how many."""
        known = self._misspellings.get(word)
        if known is None:
            if len(self._misspellings) >= MISSPELT_KEPT:
                del self._misspellings[next(iter(self._misspellings))]
            known = self._misspellings[word] = list(self._compared(word))
        return known

    def _compared(self, word: Word) -> Iterator[tuple[int, int]]:
        """Words with typos, among those that have the length and the letters for it."""
        letters = np.uint64(_letters(word.text))
        near = np.bitwise_count(letters & ~self._letters) <= word.typos_max
        near &= self._lengths >= len(word.text) - word.typos_max
        if not word.prefix:
            near &= self._lengths <= len(word.text) + word.typos_max
            near &= np.bitwise_count(self._letters & ~letters) <= word.typos_max
        places = np.flatnonzero(near).tolist()
        found = typos_of_many(word.text, [self.words[place] for place in places], word.typos_max, prefix=word.prefix)
        yield from ((place, count) for place, count in zip(places, found.tolist(), strict=True) if count >= 0)


def _sorted(numbers: np.ndarray) -> Ints:
    """What `np.argsort` gives with kind `stable`, which is quick for 16 bits alone; none is negative."""
    order = np.argsort(numbers.astype(np.uint16), kind="stable")
    if numbers.max(initial=0) < 1 << 16:
        return order
    return order[np.argsort((numbers >> 16).astype(np.uint16)[order], kind="stable")]


def _numbered() -> defaultdict[str, int]:
    """A dictionary that gives every word asked for the next number."""
    ids: defaultdict[str, int] = defaultdict()
    ids.default_factory = ids.__len__
    return ids


def _letters(text: str) -> int:
    """A set of letters in 64 bits; some letters share a bit."""
    bits = 0
    for letter in text:
        bits |= 1 << (ord(letter) & 63)
    return bits


def _inside(record: Any, path: str) -> Iterator[Any]:
    """What an attribute holds, with what is nested in it (algolia.com/doc/…/searchableAttributes)."""
    if isinstance(record, list):
        for item in record:
            yield from _inside(item, path)
    elif isinstance(record, dict):
        head, dot, tail = path.partition(".")
        if path in record:
            yield from _deep(record[path])
        elif dot and head in record:
            yield from _inside(record[head], tail)


def _deep(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _deep(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _deep(inner)
    elif value is not None:
        yield value
