"""The list that a shop shows as "related": behaviour where there is some, content where there is not.

Mixes lists that were made elsewhere; it knows neither events nor texts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from algosync.related.topk import Bools, Floats, Lists, Longs, collect, ordered, preference


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridRules:
    """How much each source counts; only the ratio matters.

    Args:
        behaviour: Weight of what is had together.
        content: Weight of what is similar.
    """

    behaviour: float = 1.0
    content: float = 0.5


def related(
    together: Lists,
    similar: Lists,
    *,
    n: int,
    available: Bools,
    popularity: Floats,
    rules: HybridRules | None = None,
) -> Lists:
    """Mix two kinds of lists into one.

    For item i and candidate j, with weights w over the sources that say anything about i and the largest score of
    i's own list in each::

        score(i, j) = sum_s w_s · score_s(i, j) / max_k score_s(i, k)  /  sum_s w_s

    so an item without behaviour keeps its content list, in its order, on the same scale of 0 to 1. This is the
    weighted hybrid of Burke (User Modeling and User-Adapted Interaction 12, 2002) with each source's scores divided
    by its largest, the CombSUM of Fox and Shaw (TREC-2, 1994) with Lee's normalisation (SIGIR 1997).
    A candidate that one source does not list gets nothing from it: the order is exact over the union of both
    lists, so give longer lists than n.

    Args:
        together: Lists by behaviour.
        similar: Lists by content, over the same items.
        n: The most related items per item.
        available: Which items may be recommended.
        popularity: What breaks ties, larger first.
        rules: The weights.
    """
    rules = rules or HybridRules()
    parts = [_shares(source, weight) for source, weight in ((together, rules.behaviour), (similar, rules.content))]
    weight = sum(np.where(np.diff(lists.indptr) > 0, w, 0.0) for lists, w, _ in parts)
    n_items = len(together)
    candidates = preference(available, popularity)
    place = np.full(n_items, -1, dtype=np.int64)
    place[candidates] = np.arange(len(candidates))
    row = np.concatenate([lists.rows for lists, _, _ in parts])
    column = place[np.concatenate([lists.related for lists, _, _ in parts])]
    share = np.concatenate([share for _, _, share in parts]) / np.asarray(weight)[row]
    allowed = column >= 0
    return collect([_summed(row[allowed], column[allowed], share[allowed], n)], candidates, n_items)


def _shares(source: Lists, weight: float) -> tuple[Lists, float, Floats]:
    largest = np.zeros(len(source))
    np.maximum.at(largest, source.rows, source.score)
    if weight <= 0:
        source = Lists(indptr=np.zeros_like(source.indptr), related=np.empty(0, np.int32), score=np.empty(0))
    return source, weight, weight * source.score / largest[source.rows]


def _summed(row: Longs, column: Longs, share: Floats, n: int) -> tuple[Longs, Longs, Floats]:
    """Add up what the sources say of the same pair; at most two terms, so the order of adding does not matter."""
    width = int(column.max(initial=0)) + 1
    key, entry = np.unique(row * width + column, return_inverse=True)
    score: Floats = np.round(np.bincount(entry, weights=share, minlength=len(key)), 9).astype(np.float64)
    return ordered(key // width, key % width, score, n)
