"""Columns: one attribute of many records, ready for filters, facet counts and sorting.

Strings and booleans are facet values (`true`, `false`); numbers are kept apart, for comparisons and sorting. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
            yield from _plain(item)
    elif value is not None and not isinstance(value, dict):
        yield value


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
        self._rows: list[tuple[int, str]] = []
        self._numbers: list[tuple[int, float]] = []
        self.values: list[str] = []
        self.docs: Ints = _NONE
        self.codes: Ints = _NONE
        self.number_docs: Ints = _NONE
        self.numbers: Floats = np.empty(0)

    def add(self, doc: int, values: Iterator[Any]) -> None:
        """Take in a document's values; documents come in ascending order, `seal` follows the last."""
        for value in dict.fromkeys(map(_facet_value, values)):
            if isinstance(value, str):
                self._rows.append((doc, value))
            else:
                self._numbers.append((doc, value))

    def seal(self) -> Column:
        """Turn what was added into arrays."""
        self.values = sorted({text for _, text in self._rows})
        self._code = {text: code for code, text in enumerate(self.values)}
        docs = np.fromiter((doc for doc, _ in self._rows), np.int64, len(self._rows))
        codes = np.fromiter((self._code[text] for _, text in self._rows), np.int64, len(self._rows))
        order = np.argsort(codes, kind="stable")
        self.docs, self.codes = docs[order], codes[order]
        self._starts = np.searchsorted(self.codes, np.arange(len(self.values) + 1))
        self.number_docs = np.fromiter((doc for doc, _ in self._numbers), np.int64, len(self._numbers))
        self.numbers = np.fromiter((number for _, number in self._numbers), np.float64, len(self._numbers))
        self._rows, self._numbers = [], []
        return self

    def with_value(self, value: str) -> Ints:
        """Documents that hold the string or boolean."""
        code = self._code.get(value)
        return _NONE if code is None else self.docs[self._starts[code] : self._starts[code + 1]]

    def with_number(self, value: str) -> Ints:
        """Documents that hold the number written so."""
        try:
            number = float(value)
        except ValueError:
            return _NONE
        docs: Ints = self.number_docs[self.numbers == number]
        return docs

    def counts(self, hits: Mask) -> dict[str, int]:
        """How many of the documents in `hits` hold each value; numbers written as JSON writes them."""
        found = np.bincount(self.codes[hits[self.docs]], minlength=len(self.values))
        counted = {self.values[code]: int(found[code]) for code in np.flatnonzero(found)}
        numbers = self.numbers[hits[self.number_docs]]
        for number, count in zip(*np.unique(numbers, return_counts=True), strict=True):
            text = number_text(float(number))
            if text in counted:
                both = np.union1d(self.with_value(text), self.number_docs[self.numbers == number])
                counted[text] = int(hits[both].sum())
            else:
                counted[text] = int(count)
        return counted

    def firsts(self) -> Floats:
        """Each document's first number, NaN where there is none."""
        first = np.full(self.size, np.nan)
        first[self.number_docs[::-1]] = self.numbers[::-1]
        return first


def _facet_value(value: Any) -> str | float:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else float(value)


def number_text(number: float) -> str:
    """A number as a facet value: 3.0 is `3`."""
    return str(int(number)) if number.is_integer() else repr(number)


def sort_keys(columns: Sequence[Column]) -> list[Floats]:
    """One number per document whose order is that of the attribute, comparable across columns; NaN where missing.

    Numbers sort below strings; an array sorts by its smallest string or its first number.
    """
    universe = sorted({value for column in columns for value in column.values})
    rank = {value: position for position, value in enumerate(universe)}
    top = max((float(c.numbers.max()) for c in columns if len(c.numbers)), default=0.0) + 1.0
    keys: list[Floats] = []
    for column in columns:
        key = column.firsts()
        if column.values:
            places = np.fromiter((rank[value] for value in column.values), np.float64, len(column.values)) + top
            key[column.docs[::-1]] = places[column.codes[::-1]]
        keys.append(key)
    return keys
