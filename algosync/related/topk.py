"""Exact top lists with a total order, and the rule by which a published list may stay.

Owns the shape of every list of related items and the order within it: score downwards (rounded to 9 digits), then
popularity downwards, then index upwards. It knows neither texts nor events, and reads nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DIGITS = 9
BLOCK = 3_000_000
SPARE = 16
TINY = 1e-100


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """One list of related items per item, best first; item i owns the slice indptr[i]:indptr[i + 1].

    Args:
        indptr: Offsets, int64, one more than there are items.
        related: Indexes of the related items.
        score: Their scores, larger is closer, rounded to 9 digits.
    """

    indptr: Longs
    related: Ints
    score: Floats

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def rows(self) -> Longs:
        """The item that each entry belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.indptr))

    def of(self, item: int) -> list[tuple[int, float]]:
        """Return the list of one item as pairs of index and score."""
        cut = slice(self.indptr[item], self.indptr[item + 1])
        return list(zip(self.related[cut].tolist(), self.score[cut].tolist(), strict=True))

    def head(self, n: int) -> Lists:
        """Return the same lists, none longer than n."""
        first = leading(self.rows, n)
        return _lists(self.rows[first], self.related[first], self.score[first], len(self))


def from_rows(rows: Sequence[Sequence[int]]) -> Lists:
    """Return Lists of given indexes without scores, for lists that were read back from where they were pushed."""
    indptr = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=indptr[1:])
    related = np.fromiter((item for row in rows for item in row), dtype=np.int32, count=int(indptr[-1]))
    return Lists(indptr=indptr, related=related, score=np.zeros(len(related)))


def preference(available: Bools, popularity: Floats) -> Ints:
    """Return the available items' indexes, most popular first, ties by index."""
    items = np.flatnonzero(available)
    return items[np.lexsort((items, -np.asarray(popularity)[items]))].astype(np.int32)


def best(left: csr_matrix, right: csr_matrix, n: int, *, threads: int) -> tuple[Longs, Longs, Floats]:
    """Return the n largest positive entries of each row of left · right, exactly; of equal ones the lower columns.

    A first pass keeps a few more than n. Where its last value still equals the n-th, more entries may share it, and
    only these rows are multiplied in full, in blocks of bounded size.

    Returns:
        Row, column and score of each entry, by row, score downwards and column.
    """
    from sparse_dot_topn import sp_matmul_topn

    left.eliminate_zeros()
    if left.shape[0] == 0 or left.nnz == 0 or right.nnz == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    keep = min(n + SPARE, right.shape[1])
    first = sp_matmul_topn(left, right, keep, threshold=0.0, sort=True, n_threads=threads)
    length = np.diff(first.indptr)
    values = np.round(first.data, DIGITS)
    floor = np.zeros(left.shape[0])
    full = np.flatnonzero((length > n) & (length == keep))
    floor[full] = values[first.indptr[full] + n - 1]
    open_ = full[values[first.indptr[full + 1] - 1] == floor[full]] if keep < right.shape[1] else full[:0]
    rows = np.repeat(np.arange(left.shape[0], dtype=np.int64), length)
    closed = ~np.isin(rows, open_)
    parts = [(rows[closed], first.indices[: len(rows)][closed].astype(np.int64), values[: len(rows)][closed])]
    parts += _in_full(left, right, open_, floor, threads)
    row, column, score = (np.concatenate(part) for part in zip(*parts, strict=True))
    return ordered(row, column, score, n)


def _in_full(
    left: csr_matrix, right: csr_matrix, rows: npt.NDArray[np.int64], floor: Floats, threads: int
) -> Iterator[tuple[Longs, Longs, Floats]]:
    if len(rows) == 0:
        return
    part = left[rows]
    for cut in blocks(part, right):
        product = multiply(part[cut], right, threads=threads)
        lengths = np.diff(product.indptr)
        near = np.flatnonzero(product.data >= np.repeat(floor[rows[cut]] - 10.0**-DIGITS, lengths))
        values = np.round(product.data[near], DIGITS)
        row = rows[cut][np.searchsorted(product.indptr, near, side="right") - 1]
        yield row, product.indices[near].astype(np.int64), values


def multiply(left: csr_matrix, right: csr_matrix, *, threads: int) -> csr_matrix:
    """Return left · right. Neither may hold entries that are zero, nor so small that a product of two vanishes."""
    from sparse_dot_topn import sp_matmul

    # sp_matmul 1.2 sizes its result by position and fills it by value: a zero makes it read foreign memory.
    tiny = min(np.abs(part.data).min(initial=1.0) for part in (left, right))
    if tiny < TINY:
        product: csr_matrix = left @ right
    else:
        product = sp_matmul(left, right, n_threads=threads)
    return product


def blocks(left: csr_matrix, right: csr_matrix, entries: int = BLOCK) -> Iterator[slice]:
    """Yield slices of left's rows such that no product of one with right has many more entries than asked for."""
    lengths = np.diff(right.indptr)
    work = np.concatenate(([0], np.cumsum(lengths[left.indices], dtype=np.int64)))
    per_row = np.minimum(work[left.indptr[1:]] - work[left.indptr[:-1]], right.shape[1])
    total = np.cumsum(per_row)
    start = 0
    while start < left.shape[0]:
        used = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, used + entries, side="right")))
        yield slice(start, stop)
        start = stop


def ordered(row: Longs, column: Longs, score: Floats, n: int) -> tuple[Longs, Longs, Floats]:
    """Return the first n entries of each row by score downwards, then column; what rounds to nothing is left out."""
    some = score > 0
    row, column, score = row[some], column[some], score[some]
    order = _order(row, column, score)
    row, column, score = row[order], column[order], score[order]
    first = leading(row, n)
    return row[first], column[first], score[first]


def _order(row: Longs, column: Longs, score: Floats) -> Longs:
    """Sort by row, score downwards, column; one integer per entry where it fits, which sorts six times as fast."""
    if len(row) == 0:
        return np.empty(0, dtype=np.int64)
    billionths = np.rint(score * 10**DIGITS)
    most = float(billionths.max())
    if np.array_equal(np.round(score, DIGITS), score) and most < 2**53:
        down = (most - billionths).astype(np.uint64)
        widths = [int(part.max()).bit_length() for part in (row, down, column)]
        if sum(widths) <= 64:
            key = row.astype(np.uint64) << np.uint64(widths[1] + widths[2])
            key |= down << np.uint64(widths[2])
            return np.argsort(key | column.astype(np.uint64))
    return np.lexsort((column, -score, row))


def leading(row: Longs, n: int) -> Bools:
    """Return which entries are among the first n of their row; entries of a row lie together."""
    new = np.concatenate(([True], row[1:] != row[:-1]))[: len(row)]
    starts = np.flatnonzero(new)
    place = np.arange(len(row)) - np.repeat(starts, np.diff(np.append(starts, len(row))))
    return np.asarray(place < n)


def collect(parts: Sequence[tuple[Longs, Longs, Floats]], candidates: Ints, n_items: int) -> Lists:
    """Return Lists of ordered parts whose columns are places in `candidates`.

    Args:
        parts: Row, column and score as `best` returns them, parts in order of rows.
        candidates: The item behind each column.
        n_items: How many items there are.
    """
    if not parts:
        return from_rows([()] * n_items)
    row, column, score = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _lists(row, candidates[column], score, n_items)


def keep(previous: Lists, candidates: Lists, *, n: int, margin: float, available: Bools) -> Lists:
    """Return the lists to publish: an old one stays while a new one would gain too little.

    The gain is measured under the new scores: (sum over the new list - sum over the old list) / sum over the new.
    An old item that is no candidate any more counts as nothing, so candidates should be longer than n (twice is
    plenty). An old list that holds an item which has left or is unavailable, which is now without any evidence, or
    which is shorter than the new one, is always replaced.

    Args:
        previous: What is published, over today's indexes; an entry that has left is -1, so that its list is replaced.
        candidates: Today's lists, best first, of which the first n would be published.
        n: The length of a published list.
        margin: The gain that a change must exceed, from 0 (always change) to 1.
        available: What may be recommended today.
    """
    new = candidates.head(n)
    now = _scores(candidates, previous)
    gone = (previous.related < 0) | ~available[previous.related]
    spoilt = np.bincount(previous.rows, weights=gone, minlength=len(new)) > 0
    was = np.bincount(previous.rows, weights=now, minlength=len(new))
    could = np.bincount(new.rows, weights=new.score, minlength=len(new))
    length = np.diff(previous.indptr)
    fits = (length > 0) & (length <= n) & (length >= np.diff(new.indptr))
    stays = fits & ~spoilt & (could > 0) & (could - was <= margin * could)
    old_part, new_part = stays[previous.rows], ~stays[new.rows]
    row = np.concatenate((previous.rows[old_part], new.rows[new_part]))
    order = np.argsort(row, kind="stable")
    related = np.concatenate((previous.related[old_part], new.related[new_part]))[order]
    return _lists(row[order], related, np.concatenate((now[old_part], new.score[new_part]))[order], len(new))


def _scores(candidates: Lists, of: Lists) -> Floats:
    """The candidates' score of each entry of other lists, 0 where it is no candidate."""
    if len(candidates.related) == 0:
        return np.zeros(len(of.related))
    width = len(candidates) + 1
    known = candidates.rows * width + candidates.related
    order = np.argsort(known)
    wanted = of.rows * width + of.related
    place = np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)
    found = (known[order][place] == wanted) & (of.related >= 0)
    return np.where(found, candidates.score[order][place], 0.0)


def _lists(row: npt.NDArray[np.integer[Any]], related: Ints, score: Floats, n_items: int) -> Lists:
    indptr = np.zeros(n_items + 1, dtype=np.int64)
    np.cumsum(np.bincount(row, minlength=n_items), out=indptr[1:])
    return Lists(indptr=indptr, related=related.astype(np.int32), score=score)
