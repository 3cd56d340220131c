"""Columns: one attribute of many records, ready for filters, facet counts and sorting.

Strings and booleans are facet values (`true`, `false`); numbers are kept apart, for comparisons and sorting. Pure.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_NONE: Ints = np.empty(0, np.int64)


def leaves(record: Any, path: str) -> Iterator[Any]:
    """The plain values at a dotted path, through objects and arrays; nulls left out."""
    if isinstance(record, list):
        for item in record:
            yield from leaves(item, path)
        return
    if not isinstance(record, dict):
        return
    if path in record:
        yield from _plain(record[path])
        return
    head, dot, tail = path.partition(".")
    if dot and head in record:
        yield from leaves(record[head], tail)


def _plain(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield item
            else:
                yield from _plain(item)
    elif value is not None and not isinstance(value, dict):
        yield value


class _Added:
    """What a column was given, in the order it came: texts as numbers in the order of their first coming."""

    __slots__ = ("codes", "docs", "number_docs", "numbers")

    def __init__(self) -> None:
        self.docs, self.codes, self.number_docs, self.numbers = array("q"), array("q"), array("q"), array("d")


class Column:
    """Values of one attribute over documents 0…n-1.

    Attributes:
        size: Number of documents.
        values: Distinct strings, sorted; booleans as `true` and `false`.
        docs: Documents by value, ascending within one value.
        codes: Index into `values` for each of `docs`.
        number_docs: Documents with numbers, ascending, repeated for arrays.
        numbers: The numbers of `number_docs`.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._code: dict[str, int] = {}
        self._added = _Added()
        self._folded: dict[str, list[str]] | None = None
        self.values: list[str] = []
        self.docs: Ints = _NONE
        self.codes: Ints = _NONE
        self.number_docs: Ints = _NONE
        self.numbers: Floats = np.empty(0)
        self._keys: tuple[Ints, list[str]] | None = None
        self._first: Floats | None = None
        self._sorted: tuple[Sequence[Column], list[Floats]] | None = None
        self._facet: FacetIndex | None = None

    def add(self, doc: int, record: dict[str, Any], path: str) -> None:
        """Take in a document's values; documents come in ascending order, `seal` follows the last."""
        value = record.get(path)
        if value is None and path not in record:
            head, dot, tail = path.partition(".")
            inner = record.get(head) if dot else None
            if isinstance(inner, dict):
                self.add(doc, inner, tail)
            else:
                self._add_all(doc, leaves(inner, tail))
            return
        kind = type(value)
        if kind is str:
            self._add_text(doc, value)  # type: ignore[arg-type]  # its type was looked at, for speed not by isinstance
        elif kind is int or kind is float:
            self._add_number(doc, value)  # type: ignore[arg-type]  # as above
        else:
            self._add_all(doc, _plain(value))

    def _add_all(self, doc: int, values: Iterable[Any]) -> None:
        for each in dict.fromkeys(map(_facet_value, values)):
            if isinstance(each, str):
                self._add_text(doc, each)
            else:
                self._add_number(doc, each)

    def _add_text(self, doc: int, text: str) -> None:
        self._added.docs.append(doc)
        self._added.codes.append(self._code.setdefault(text, len(self._code)))

    def _add_number(self, doc: int, number: float) -> None:
        self._added.number_docs.append(doc)
        self._added.numbers.append(number)

    def seal(self) -> Column:
        """Turn what was added into arrays."""
        added, self._added = self._added, _Added()
        self.values = sorted(self._code)
        place = np.empty(len(self.values), np.int64)
        place[[self._code[text] for text in self.values]] = np.arange(len(self.values))
        self._code = {text: code for code, text in enumerate(self.values)}
        codes = place[np.array(added.codes, np.int64)]
        order = np.argsort(codes, kind="stable")
        self.docs, self.codes = np.array(added.docs, np.int64)[order], codes[order]
        self._starts = np.searchsorted(self.codes, np.arange(len(self.values) + 1))
        self.number_docs = np.array(added.number_docs, np.int64)
        self.numbers = np.array(added.numbers, np.float64)
        return self

    def with_value(self, value: str) -> Ints:
        """Documents that hold the string or boolean."""
        code = self._code.get(value)
        return _NONE if code is None else self.docs[self._starts[code] : self._starts[code + 1]]

    def with_text(self, value: str) -> Ints:
        """Documents that hold the string in any letter case, each once, or the boolean."""
        if self._folded is None:
            self._folded = {}
            for text in self.values:
                self._folded.setdefault(text.lower(), []).append(text)
        found = [self.with_value(text) for text in self._folded.get(value.lower(), ())]
        if len(found) < 2:
            return found[0] if found else _NONE
        return np.unique(np.concatenate(found))

    def with_number(self, value: str) -> Ints:
        """Documents that hold the number written so."""
        try:
            number = float(value)
        except ValueError:
            return _NONE
        docs: Ints = self.number_docs[self.numbers == number]
        return docs

    @property
    def facet(self) -> FacetIndex:
        """The column as facet values to be counted."""
        if self._facet is None:
            self._facet = FacetIndex(self)
        return self._facet

    def keys(self) -> tuple[Ints, list[str]]:
        """What `distinct` groups by: each document's value as a number, -1 for none, and the values by number.

        Numbers count as the nearest integer, written out; booleans as no value; of several values the first by name
        (algolia.com/doc/api-reference/api-parameters/attributeForDistinct leaves arrays open).
        """
        if self._keys is None:
            values = [*self.values]
            codes = np.full(self.size, -1, np.int64)
            codes[self.docs[::-1]] = self.codes[::-1]
            ignored = [self._code[text] for text in ("true", "false") if text in self._code]
            codes[np.isin(codes, ignored)] = -1
            number = self.firsts()
            missing = np.flatnonzero((codes < 0) & ~np.isnan(number))
            rounded, places = np.unique(np.floor(number[missing] + 0.5), return_inverse=True)
            known = dict(self._code)
            texts = [number_text(float(value)) for value in rounded]
            codes[missing] = np.array([known.setdefault(text, len(known)) for text in texts], np.int64)[places]
            values += list(known)[len(values) :]
            self._keys = (codes, values)
        return self._keys

    def firsts(self) -> Floats:
        """Each document's first number, NaN where there is none; not to be changed."""
        if self._first is None:
            self._first = np.full(self.size, np.nan)
            self._first[self.number_docs[::-1]] = self.numbers[::-1]
        return self._first


class FacetIndex:
    """The values of a column as they are counted: numbers as JSON writes them, a value of a document once.

    Attributes:
        values: Distinct values, sorted.
        totals: How many documents hold each.
    """

    def __init__(self, column: Column) -> None:
        numbers, places = np.unique(column.numbers, return_inverse=True)
        texts = [number_text(float(number)) for number in numbers]
        self.values = sorted({*column.values, *texts})
        place = {text: code for code, text in enumerate(self.values)}
        of_texts = np.array([place[text] for text in column.values], np.int64)[column.codes]
        of_numbers = np.array([place[text] for text in texts], np.int64)[places]
        size = max(column.size, 1)
        pairs = np.concatenate([of_texts * size + column.docs, of_numbers * size + column.number_docs])
        if texts:
            pairs = np.unique(pairs)
        self._codes, self._docs = pairs // size, pairs % size
        self.totals: Ints = np.bincount(self._codes, minlength=len(self.values))

    def counts(self, hits: Mask) -> Ints:
        """How many of the documents in `hits` hold each value."""
        if hits.all():
            return self.totals
        return np.bincount(self._codes[hits[self._docs]], minlength=len(self.values))


def _facet_value(value: Any) -> str | float:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else float(value)


def number_text(number: float) -> str:
    """A number as a facet value: 3.0 is `3`."""
    return str(int(number)) if number.is_integer() else repr(number)


def sort_keys(columns: Sequence[Column]) -> list[Floats]:
    """One number per document whose order is that of the attribute, comparable across columns; NaN where missing.

    Numbers sort below strings; an array sorts by its smallest string or its first number. Not to be changed.
    """
    if not any(column.values for column in columns):
        return [column.firsts() for column in columns]
    known = columns[0]._sorted  # noqa: SLF001  # made here, kept where it goes when the column goes
    if (
        known is None
        or len(known[0]) != len(columns)
        or any(a is not b for a, b in zip(known[0], columns, strict=True))
    ):
        known = columns[0]._sorted = (columns, _sort_keys(columns))  # noqa: SLF001
    return known[1]


def _sort_keys(columns: Sequence[Column]) -> list[Floats]:
    universe = sorted({value for column in columns for value in column.values})
    rank = {value: position for position, value in enumerate(universe)}
    numbers = np.unique(np.concatenate([column.firsts() for column in columns]))
    keys: list[Floats] = []
    for column in columns:
        firsts = column.firsts()
        key = np.where(np.isnan(firsts), np.nan, np.searchsorted(numbers, firsts))
        if column.values:
            places = np.fromiter((rank[value] for value in column.values), np.float64, len(column.values))
            places += len(numbers)
            key[column.docs[::-1]] = places[column.codes[::-1]]
        keys.append(key)
    return keys
