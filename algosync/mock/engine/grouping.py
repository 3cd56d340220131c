"""What is counted and grouped over all hits: facet values, facet statistics, `distinct`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from algosync.mock.engine.columns import Mask
from algosync.mock.engine.ranking import Hits
from algosync.mock.engine.segments import Segment


def _masks(parts: Sequence[Segment], hits: Hits) -> list[Mask]:
    masks = [np.zeros(len(part), np.bool_) for part in parts]
    for number, mask in enumerate(masks):
        mask[hits.doc[hits.part == number]] = True
    return masks


def facet_counts(parts: Sequence[Segment], hits: Hits, names: Sequence[str], most: int) -> dict[str, dict[str, int]]:
    """Hits by facet and value: the `most` frequent values, ties by value; facets without any left out."""
    masks = _masks(parts, hits)
    counted: dict[str, dict[str, int]] = {}
    for name in names:
        totals: Counter[str] = Counter()
        for part, mask in zip(parts, masks, strict=True):
            totals.update(part.columns[name].counts(mask))
        if totals:
            counted[name] = dict(sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))[:most])
    return counted


def facet_stats(parts: Sequence[Segment], hits: Hits, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Smallest, largest, mean and sum of the numbers of each facet that has some."""
    masks = _masks(parts, hits)
    stats: dict[str, dict[str, float]] = {}
    for name in names:
        columns = [part.columns[name] for part in parts]
        held = [column.numbers[mask[column.number_docs]] for column, mask in zip(columns, masks, strict=True)]
        numbers = np.concatenate([np.empty(0), *held])
        if not len(numbers):
            continue
        with np.errstate(over="ignore"):
            total = float(numbers.sum())
        stats[name] = {
            "min": float(numbers.min()),
            "max": float(numbers.max()),
            "avg": total / len(numbers),
            "sum": total,
        }
    return stats


def best_of_each(parts: Sequence[Segment], hits: Hits, attribute: str, most: int) -> Hits:
    """The best `most` hits of each value of an attribute, in their order; records without a value all stay."""
    if not len(hits.doc):
        return hits
    names: dict[str | float, int] = {}
    group = -1 - np.arange(len(hits.doc))
    for number, part in enumerate(parts):
        column = part.columns[attribute]
        value_of = np.full(len(part), -1, np.int64)
        value_of[column.docs[::-1]] = column.codes[::-1]
        renamed = np.array([names.setdefault(value, len(names)) for value in column.values] or [0], np.int64)
        mine = np.flatnonzero(hits.part == number)
        codes, numbers = value_of[hits.doc[mine]], column.firsts()[hits.doc[mine]]
        group[mine[codes >= 0]] = renamed[codes[codes >= 0]]
        numbered = (codes < 0) & ~np.isnan(numbers)
        values, places = np.unique(numbers[numbered], return_inverse=True)
        group[mine[numbered]] = np.array([names.setdefault(v, len(names)) for v in values.tolist()], np.int64)[places]
    order = np.argsort(group, kind="stable")
    _, starts, counts = np.unique(group[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(starts, counts)
    return hits.take(np.sort(order[place < most]))
