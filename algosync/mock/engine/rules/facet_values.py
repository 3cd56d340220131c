"""The values of an index's facets by the words in them, for patterns with `{facet:…}`. Pure.

What is read off a column is kept as long as the column lives, so that a search pays for it once.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from algosync.mock.engine.columns import Column, Ints, number_text
from algosync.mock.engine.index import Index
from algosync.mock.engine.segments import Segment
from algosync.mock.engine.settings import facets
from algosync.mock.engine.text.words import split

_Spelled = dict[tuple[str, ...], list[str]]
_known: WeakKeyDictionary[Column, _Spelled] = WeakKeyDictionary()


class IndexFacetValues:
    """The facet values of one index; attributes outside attributesForFaceting have none."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._declared = facets(index.settings)
        self._parts: dict[str, list[Segment]] = {}

    def named(self, facet: str, words: tuple[str, ...]) -> list[str]:
        """Values of records as they are now whose words are these, sorted."""
        found = {
            value
            for part in self._of(facet)
            for value in _spelled(part.columns[facet]).get(words, ())
            if part.alive[_holders(part.columns[facet], value)].any()
        }
        return sorted(found)

    def longest(self, facet: str) -> int:
        """The most words that a value has; 0 for a facet without values."""
        return max((len(words) for part in self._of(facet) for words in _spelled(part.columns[facet])), default=0)

    def _of(self, facet: str) -> list[Segment]:
        if facet not in self._declared:
            return []
        if facet not in self._parts:
            self._parts[facet] = self._index.segments([facet])
        return self._parts[facet]


def _holders(column: Column, value: str) -> Ints:
    return np.concatenate([column.with_value(value), column.with_number(value)])


def _spelled(column: Column) -> _Spelled:
    known = _known.get(column)
    if known is None:
        known = {}
        for value in dict.fromkeys([*column.values, *map(number_text, np.unique(column.numbers).tolist())]):
            known.setdefault(tuple(split(value)), []).append(value)
        known.pop((), None)
        _known[column] = known
    return known
