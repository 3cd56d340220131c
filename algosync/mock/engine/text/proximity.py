"""Proximity and attribute: which places of a query's words in a record lie closest together, and the best of them.

One place is chosen for every word found; neighbouring words of the query lie as far apart as their places, 8 at most,
and 8 across attributes and array elements; the choice with the smallest sum counts. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from algosync.mock.engine.columns import Ints
from algosync.mock.engine.text.inverted import GAP, Found

_NONE = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    """Places that a choice may have reached, in the order of their lines, with the smallest sum so far."""

    docs: Ints
    lines: Ints
    sums: Ints


def closest(found: Sequence[Found], size: int, least: int, *, marked: bool) -> tuple[Ints, list[Ints]]:
    """The proximity of every document, and for each word the occurrences that take part in a closest choice.

    Args:
        found: The words' occurrences, in the order of the query.
        size: Number of documents.
        least: minProximity: places up to this far apart count as equally near.
        marked: Whether the occurrences are wanted; all of them are given otherwise.
    """
    everything = [np.arange(len(each.docs)) for each in found]
    near = np.zeros(size, np.int64)
    if len(found) < 2:
        return near, everything
    ordered = [_sorted(each) for each in found]
    forward = list(_sums(ordered, size, least))
    for each, sums in zip(ordered, forward, strict=True):
        best = _smallest(each.docs, sums, size)
        near = np.where(best < _NONE, best, near)
    if not marked:
        return near, everything
    backward = list(_sums(ordered[::-1], size, least))[::-1]
    orders = [np.argsort(each.lines, kind="stable") for each in found]
    parts = zip(ordered, forward, backward, orders, strict=True)
    return near, [order[ahead + behind == near[each.docs]] for each, ahead, behind, order in parts]


def _sorted(found: Found) -> _Chain:
    order = np.argsort(found.lines, kind="stable")
    return _Chain(docs=found.docs[order], lines=found.lines[order], sums=np.zeros(len(order), np.int64))


def _sums(words: Sequence[_Chain], size: int, least: int) -> Iterator[Ints]:
    """For each word in turn, the smallest sum with which a choice for the words so far ends at each place."""
    chain = words[0]
    yield chain.sums
    for word in words[1:]:
        sums = _step(chain, word, _smallest(chain.docs, chain.sums, size), least)
        yield sums
        present = np.zeros(size, np.bool_)
        present[word.docs] = True
        # A record that lacks an optional word goes on from the word before.
        kept = ~present[chain.docs]
        lines = np.concatenate([word.lines, chain.lines[kept]])
        order = np.argsort(lines, kind="stable") if kept.any() else np.arange(len(lines))
        chain = _Chain(
            docs=np.concatenate([word.docs, chain.docs[kept]])[order],
            lines=lines[order],
            sums=np.concatenate([sums, chain.sums[kept]])[order],
        )


def _step(chain: _Chain, word: _Chain, smallest: Ints, least: int) -> Ints:
    before = smallest[word.docs]
    sums = np.where(before < _NONE, before + GAP, 0)
    at = np.searchsorted(chain.lines, word.lines)
    for step, begin in ((-1, at - 1), (1, at)):
        rows = np.arange(len(begin))
        places = begin
        while True:
            inside = (places >= 0) & (places < len(chain.lines))
            rows, places = rows[inside], places[inside]
            apart = np.abs(chain.lines[places] - word.lines[rows])
            inside = apart < GAP
            rows, places, apart = rows[inside], places[inside], apart[inside]
            if not len(rows):
                break
            # One word of the record cannot be two words of the query.
            candidate = chain.sums[places] + np.where(apart, np.maximum(apart, least), GAP)
            sums[rows] = np.minimum(sums[rows], candidate)
            places = places + step
    return sums


def _smallest(docs: Ints, values: Ints, size: int) -> Ints:
    smallest = np.full(size, _NONE, np.int64)
    np.minimum.at(smallest, docs, values)
    return smallest
