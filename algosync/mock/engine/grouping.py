"""What is counted and grouped over all hits: facet values, facet statistics, `distinct`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from algosync.mock.engine.columns import Column, Ints, Mask
from algosync.mock.engine.ranking import Hits
from algosync.mock.engine.segments import Segment
from algosync.mock.engine.sorting import first


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetAnswer:
    """Counts by facet and value, statistics by facet, and whether no value was left out."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    stats: dict[str, dict[str, float]] = field(default_factory=dict)
    complete: bool = True

    def __add__(self, other: FacetAnswer) -> FacetAnswer:
        return FacetAnswer(
            counts=dict(sorted({**self.counts, **other.counts}.items())),
            stats=dict(sorted({**self.stats, **other.stats}.items())),
            complete=self.complete and other.complete,
        )


def count_facets(
    parts: Sequence[Segment], hits: Hits, names: Sequence[str], most: int, *, by_name: bool
) -> FacetAnswer:
    """Values of some facets over the hits; facets that no hit has are left out.

    Args:
        parts: The segments.
        hits: What is counted.
        names: The facets.
        most: How many values of each facet are told.
        by_name: Whether these are the first by name, not the most frequent (ties by name).
    """
    masks = _masks(parts, hits) if names else []
    counts: dict[str, dict[str, int]] = {}
    stats: dict[str, dict[str, float]] = {}
    complete = True
    for name in names:
        values, held = _counted([part.columns[name] for part in parts], masks)
        some = np.flatnonzero(held)
        if not len(some):
            continue
        keys = [some] if by_name else [-held[some], some]
        shown = some[first(keys, min(most, len(some)))[:most]]
        counts[name] = {values[code]: int(held[code]) for code in shown.tolist()}
        complete &= len(some) <= most
        if found := _stats(parts, masks, name):
            stats[name] = found
    return FacetAnswer(counts=counts, stats=stats, complete=complete)


def _counted(columns: Sequence[Column], masks: Sequence[Mask]) -> tuple[list[str], Ints]:
    """Values, sorted, and how many hits hold each."""
    tallies = [column.facet.counts(mask) for column, mask in zip(columns, masks, strict=True)]
    if len(columns) == 1:
        return columns[0].facet.values, tallies[0]
    totals: Counter[str] = Counter()
    for column, counts in zip(columns, tallies, strict=True):
        some = np.flatnonzero(counts)
        values = column.facet.values
        totals.update({values[code]: count for code, count in zip(some.tolist(), counts[some].tolist(), strict=True)})
    values = sorted(totals)
    return values, np.array([totals[value] for value in values], np.int64)


def _masks(parts: Sequence[Segment], hits: Hits) -> list[Mask]:
    masks = [np.zeros(len(part), np.bool_) for part in parts]
    for number, mask in enumerate(masks):
        mask[hits.doc if len(parts) == 1 else hits.doc[hits.part == number]] = True
    return masks


def _stats(parts: Sequence[Segment], masks: Sequence[Mask], name: str) -> dict[str, float]:
    columns = [part.columns[name] for part in parts]
    held = [column.numbers[mask[column.number_docs]] for column, mask in zip(columns, masks, strict=True)]
    numbers = np.concatenate([np.empty(0), *held])
    if not len(numbers):
        return {}
    with np.errstate(over="ignore"):
        total = float(numbers.sum())
    return {"min": float(numbers.min()), "max": float(numbers.max()), "avg": total / len(numbers), "sum": total}


def best_of_each(parts: Sequence[Segment], hits: Hits, attribute: str, most: int) -> Hits:
    """The best `most` hits of each value of an attribute, in their order; records without a value all stay.

    Each hit gets a score `sequence`: how many hits of its group come before it.
    """
    group = _groups(parts, hits, attribute)
    by_group = np.argsort(group, kind="stable")
    begins = np.flatnonzero(np.diff(group[by_group], prepend=-2))
    sequence = np.empty(len(group), np.int64)
    sequence[by_group] = np.arange(len(group)) - np.repeat(begins, np.diff(begins, append=len(group)))
    sequence[group < 0] = 0
    scored = replace(hits, scores={**hits.scores, "sequence": sequence, "group": group})
    return scored.take(np.flatnonzero(sequence < most))


def _groups(parts: Sequence[Segment], hits: Hits, attribute: str) -> Ints:
    """A number for each hit's value of an attribute, -1 for none."""
    names: dict[str, int] = {}
    group = np.full(len(hits.doc), -1, np.int64)
    for number, part in enumerate(parts):
        codes, values = part.columns[attribute].keys()
        # The last place is that of code -1.
        renamed = np.array([*(names.setdefault(value, len(names)) for value in values), -1], np.int64)
        mine = np.flatnonzero(hits.part == number)
        group[mine] = renamed[codes[hits.doc[mine]]]
    return group


def grouped(hits: Hits) -> Hits:
    """Hits of `best_of_each` with those of one group next to each other, groups in the order of their best."""
    group, sequence = hits.scores["group"], hits.scores["sequence"]
    leader = np.arange(len(group))
    if not (sequence > 0).any():
        return hits
    places = np.full(int(group.max()) + 1, 0, np.int64)
    leaders = np.flatnonzero((sequence == 0) & (group >= 0))
    places[group[leaders]] = leaders
    leader[group >= 0] = places[group[group >= 0]]
    return hits.take(np.lexsort([sequence, leader]))
