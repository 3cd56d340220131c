"""The facets that algosync makes itself out of prices: bands, tiers, sales.

Vectorised over the whole catalog; knows no records and no paths.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from algosync.catalog.flat import Flat, Longs
from algosync.catalog.rules import Derived, DiscountBand, OnSale, PriceBand, PriceTier

Floats = npt.NDArray[np.float64]
Found = tuple[Longs, list[str]]


def derive(rule: Derived, price: Floats, list_price: Floats, plain: Flat) -> Found:
    """Return the rows that have a value of a derived facet, and the values.

    Args:
        rule: Which facet.
        price: Present prices, NaN where there is none.
        list_price: Prices before discount, NaN where there is none.
        plain: The plain facets, for tiers within a category.
    """
    match rule:
        case PriceBand(edges=edges):
            return _banded(price, edges)
        case DiscountBand(edges=edges):
            with np.errstate(invalid="ignore", divide="ignore"):
                # rounded, because 100 · (1 - 7.5 / 10) is 25 on paper only
                percent = np.round(100.0 * (list_price - price) / list_price, 6)
            return _banded(np.where((list_price > 0) & (percent > 0), percent, np.nan), edges)
        case OnSale():
            rows = np.flatnonzero(~np.isnan(price))
            return rows, ["true" if sale else "false" for sale in (price < list_price)[rows].tolist()]
        case PriceTier():
            return _tiers(rule, price, plain)


def band_labels(edges: Sequence[float]) -> list[str]:
    """Return the names of the bands between edges, from below the first to above the last."""
    ends = [0.0, *edges]
    inner = [f"{_plain(a)}-{_plain(b)}" for a, b in itertools.pairwise(ends)]
    return [*inner, f"{_plain(edges[-1])}+"]


def _plain(edge: float) -> str:
    return str(int(edge)) if float(edge).is_integer() else repr(float(edge))


def _banded(amount: Floats, edges: Sequence[float]) -> Found:
    rows = np.flatnonzero(~np.isnan(amount))
    labels = band_labels(edges)
    return rows, [labels[i] for i in np.searchsorted(np.asarray(edges), amount[rows], side="right").tolist()]


def _tiers(rule: PriceTier, price: Floats, plain: Flat) -> Found:
    """Rank each price among the priced products of its narrowest large enough category."""
    priced = ~np.isnan(price)
    if rule.within is None:
        row, kind = np.flatnonzero(priced), np.zeros(int(priced.sum()), dtype=np.int64)
    elif rule.within in plain.facets:
        ours = (plain.facet == plain.facets.index(rule.within)) & priced[plain.row]
        row, kind = plain.row[ours], plain.value[ours]
    else:
        row = kind = np.empty(0, dtype=np.int64)
    size = np.bincount(kind, minlength=1)
    large = size[kind] >= rule.least
    row, kind = row[large], kind[large]
    if len(row) == 0:
        return row, []
    share = _cheaper_share(kind, price[row])
    tier = np.searchsorted(np.asarray(rule.cuts), share, side="right")
    order = np.lexsort((kind, size[kind], row))
    row, tier = row[order], tier[order]
    narrowest = np.concatenate(([True], row[1:] != row[:-1]))
    return row[narrowest], [rule.labels[i] for i in tier[narrowest].tolist()]


def _cheaper_share(kind: Longs, price: Floats) -> Floats:
    """The share of products of the same kind that cost less, for each entry."""
    order = np.lexsort((price, kind))
    k, p = kind[order], price[order]
    starts = np.searchsorted(k, k)
    place = np.arange(len(k))
    changed = np.concatenate(([True], (k[1:] != k[:-1]) | (p[1:] != p[:-1])))
    first_equal = np.maximum.accumulate(np.where(changed, place, 0))
    share = np.empty(len(k))
    share[order] = (first_equal - starts) / np.bincount(k)[k]
    return share
