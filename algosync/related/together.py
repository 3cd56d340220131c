"""What is bought or viewed together: baskets out of events, and the similarity of items by who had both.

`baskets` is an Ibis expression over the event log, the same on every engine; `together` is a sparse product with a
similarity of choice and exact top lists. No person leaves this room: actors are hashes that are forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from algosync.related.events import EVENT_WEIGHTS, countable, decayed, halved, person
from algosync.related.topk import (
    BLOCK,
    TINY,
    Bools,
    Floats,
    Ints,
    Lists,
    Longs,
    best,
    blocks,
    collect,
    from_rows,
    multiply,
    preference,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

By = Literal["order", "session", "person"]
Similarity = Literal["cosine", "dice", "jaccard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BasketRules:
    """How events become baskets.

    Args:
        as_of: The moment of the run; later events do not count.
        weights: Weight per kind, for baskets by session or person; kinds that are absent do not count.
        half_life_days: After how many days an event counts half, or None for no decay.
        latest: At most so many different items per actor, the most recent ones (ties by item).
    """

    as_of: datetime
    weights: Mapping[str, float] = field(default_factory=lambda: dict(EVENT_WEIGHTS))
    half_life_days: float | None = None
    latest: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TogetherRules:
    """How baskets become similarities.

    Args:
        similarity: cosine = dot / (|a||b| + shrink + 1e-6); dice and jaccard compare sets, whatever the weights.
        shrink: What keeps pairs with little evidence down.
        min_support: How many actors must have had both.
        bm25: k1 and b of Okapi BM25 to weight the actors with before comparing, or None.
        threads: Threads of the sparse product; the result does not depend on it.
    """

    similarity: Similarity = "cosine"
    shrink: float = 0.0
    min_support: int = 1
    bm25: tuple[float, float] | None = None
    threads: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Who had what: arrays of equal length; a pair that appears twice counts with the sum of its weights."""

    actor: Longs
    item: Ints
    weight: Floats


def baskets(events: ir.Table, *, by: By, rules: BasketRules) -> ir.Table:
    """Return who had what as (actor, item, weight).

    By order: purchases that name an order; a line whose net quantity is not above zero was returned and drops out.
    By session or person: every kind that has a weight, except returns; the pair weighs as much as its strongest
    single event (a largest value is the same in any order of events, a sum of floats is not, and ten reloads are
    no ten interests). Ignored events (bots, staff) count nowhere; those without consent do, no person being named.

    Args:
        events: LOG columns and `group` (int32, the item's index, null where it is in no catalog); a column
            `person`, where there is one, is the actor of baskets by person, else `token`.
        by: What makes a basket.
        rules: Weights, decay and limits.

    Returns:
        actor (a 64-bit integer that means nothing outside), item (int32), weight (float64, above zero).
    """
    known = countable(events, rules.as_of)
    lines = _orders(known) if by == "order" else _acts(known, by, rules)
    if by == "order" and rules.half_life_days is not None:
        lines = lines.mutate(weight=halved(lines, rules.as_of, rules.half_life_days))
    place = ibis.row_number().over(group_by="actor", order_by=[ibis.desc("ts"), ibis.asc("item")])
    capped = lines.mutate(place=place)
    return capped.filter((capped.place < rules.latest) & (capped.weight > 0)).select("actor", "item", "weight")


def _orders(events: ir.Table) -> ir.Table:
    bought = events.filter(events.kind == "purchase", events.order_id.notnull())
    actor = (person(bought).cast("string") + ":" + bought.order_id).hash()
    lines = bought.mutate(actor=actor, item=bought.group, n=bought.quantity.fill_null(1).cast("int64"))
    net = lines.group_by("actor", "item").aggregate(net=lines.n.sum(), ts=lines.ts.max())
    return net.filter(net.net > 0).mutate(weight=ibis.literal(1.0))


def _acts(events: ir.Table, by: By, rules: BasketRules) -> ir.Table:
    acts = events.filter(events.quantity.fill_null(1) > 0)
    if by == "session":
        acts = acts.filter(acts.session_id.notnull())
        actor = (acts.token.cast("string") + ":" + acts.session_id).hash()
    else:
        actor = person(acts)
    weight = decayed(acts, rules.weights, rules.as_of, rules.half_life_days)
    acts = acts.mutate(actor=actor, item=acts.group, weight=weight)
    acts = acts.filter(acts.weight > 0, acts.actor.notnull())
    return acts.group_by("actor", "item").aggregate(weight=acts.weight.max(), ts=acts.ts.max())


def pairs(table: pa.Table) -> Pairs:
    """Return Pairs of a table (actor, item, weight), actors numbered from zero, in an order of their own."""
    _, actor = np.unique(table["actor"].to_numpy(), return_inverse=True)
    return Pairs(
        actor=actor.astype(np.int64),
        item=table["item"].to_numpy().astype(np.int32),
        weight=table["weight"].to_numpy().astype(np.float64),
    )


def together(who: Pairs, *, n: int, available: Bools, popularity: Floats, rules: TogetherRules | None = None) -> Lists:
    """Return the n items most often had together with each item.

    Similarities are those of Ferrari Dacrema et al. (ACM TOIS 2021), with their shrink term; a pair of items that
    no actor had both has none. The whole row of similarities is looked at: shrinking changes the order, so a top
    list of plain cosines would not be exact.

    Args:
        who: Who had what; items are indexes into `available`.
        n: The most related items per item.
        available: Which items may be recommended.
        popularity: What breaks ties, larger first.
        rules: How to compare.
    """
    rules = rules or TogetherRules()
    candidates = preference(available, popularity)
    matrix = _matrix(who, len(available), rules)
    if matrix.nnz == 0 or len(candidates) == 0:
        return from_rows([()] * len(available))
    from scipy.sparse import identity

    square = np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
    compare = _Compare(matrix, candidates, square, rules)
    eye = identity(len(candidates), format="csr")
    parts = []
    for cut in blocks(matrix, compare.columns, BLOCK):
        row, column, score = best(compare.block(cut), eye, n, threads=rules.threads)
        parts.append((row + cut.start, column, score))
    return collect(parts, candidates, len(available))


class _Compare:
    """The similarities of a block of items with all candidates."""

    def __init__(self, matrix: csr_matrix, candidates: Ints, square: Floats, rules: TogetherRules) -> None:
        self.rows = matrix
        self.columns = matrix[candidates].T.tocsr()
        self.candidates = candidates
        self.square = square
        self.rules = rules
        plain = bool(np.all(matrix.data == 1.0))
        self.counted = rules.min_support > 1 and not plain

    def block(self, cut: slice) -> csr_matrix:
        """Return rows `cut` as a sparse matrix over candidates' places; what may not appear is 0."""
        dots = multiply(self.rows[cut], self.columns, threads=self.rules.threads)
        row = np.repeat(np.arange(cut.start, cut.stop), np.diff(dots.indptr))
        item = self.candidates[dots.indices]
        allowed = row != item
        if self.rules.min_support > 1:
            allowed &= self._support(dots, cut) >= self.rules.min_support
        dots.data = np.where(allowed, self._similarity(dots.data, row, item), 0.0)
        return dots

    def _support(self, dots: csr_matrix, cut: slice) -> Floats:
        if not self.counted:
            return np.asarray(dots.data)
        part, whole = self.rows[cut].copy(), self.columns.copy()
        part.data[:], whole.data[:] = 1.0, 1.0
        counts = multiply(part, whole, threads=self.rules.threads)
        return np.asarray(counts.data)

    def _similarity(self, dot: Floats, row: Longs, item: Ints) -> Floats:
        extra = self.rules.shrink + 1e-6
        if self.rules.similarity == "cosine":
            norm = np.sqrt(self.square)
            return np.asarray(dot / (norm[row] * norm[item] + extra))
        both = self.square[row] + self.square[item]
        if self.rules.similarity == "dice":
            return np.asarray(dot / (both + extra))
        return np.asarray(dot / (both - dot + extra))


def _matrix(who: Pairs, n_items: int, rules: TogetherRules) -> csr_matrix:
    """Items by actors, weighted as the rules say."""
    from scipy.sparse import csr_matrix

    n_actors = int(who.actor.max(initial=-1)) + 1
    shape = (n_items, n_actors)
    matrix = csr_matrix((who.weight.astype(np.float64), (who.item, who.actor)), shape=shape)
    matrix.sum_duplicates()
    if rules.bm25 is not None:
        matrix = _bm25(matrix, *rules.bm25)
    if rules.similarity != "cosine":
        matrix.data[:] = 1.0
    matrix.data[np.abs(matrix.data) < TINY] = 0.0
    matrix.eliminate_zeros()
    return matrix


def _bm25(matrix: csr_matrix, k1: float, b: float) -> csr_matrix:
    """Okapi BM25 with items as documents and actors as terms: who has nearly everything says little."""
    actors = np.log(matrix.shape[0] / (1.0 + np.bincount(matrix.indices, minlength=matrix.shape[1])))
    total = np.asarray(matrix.sum(axis=1)).ravel()
    long = (1.0 - b) + b * total / total.mean()
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    data: Any = matrix.data * (k1 + 1.0) / (k1 * long[row] + matrix.data) * actors[matrix.indices]
    weighted = matrix.copy()
    weighted.data = data
    return weighted
