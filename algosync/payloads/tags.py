"""Which products carry which tag: the exact side of a boost that no filter can say.

A product carries a boost's tag when each facet of the boost has one of its values, its price lies in the range, both
ends included, and, where the boost asks for popular products, it is among the first so many that match.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from algosync.errors import AlgosyncError
from algosync.payloads.boosts import Boost
from algosync.payloads.products import Lists

Mask = npt.NDArray[np.bool_]


def boost_tags(products: pa.Table, tags: Mapping[str, Boost], popular: Mapping[str, Sequence[str]]) -> Lists:
    """Find the tags of every product.

    Args:
        products: Columns object_id, facets (list of facet and value) and price (float, null where unknown).
        tags: Slug to boost, as `plan_boosts` gives them.
        popular: For each boost that asks for popular products, its objectIDs in order of popularity, most popular
            first, among the segment or shop that it is about; products that it does not name are not popular.

    Returns:
        The column `boosts` for `product_records`, row i being product i.

    Raises:
        AlgosyncError: The order of popularity is missing for a boost that needs it.
    """
    names = sorted(tags)
    masks = [_matching(products, tags[name], popular) for name in names]
    hits = np.array(masks, dtype=bool).reshape(len(names), products.num_rows)
    _, codes = np.nonzero(hits.T)
    offsets = np.concatenate([[0], np.cumsum(hits.sum(axis=0))]).astype(np.int64)
    return Lists(offsets=offsets, codes=codes, names=names)


def _matching(products: pa.Table, boost: Boost, popular: Mapping[str, Sequence[str]]) -> Mask:
    mask = np.ones(products.num_rows, dtype=bool)
    for facet, values in boost.conditions.items():
        mask &= _has_value(products["facets"], facet, values)
    if boost.price is not None:
        price = products["price"].cast(pa.float64()).to_numpy()
        mask &= (price >= boost.price[0]) & (price <= boost.price[1])
    if boost.popular is not None:
        if boost.slug not in popular:
            raise AlgosyncError("the order of popularity is missing", where=f"boost {boost.slug!r}")
        mask &= _first(products["object_id"], mask, popular[boost.slug], boost.popular)
    return mask


def _has_value(facets: pa.ChunkedArray, facet: str, values: tuple[str, ...]) -> Mask:
    mask = np.zeros(len(facets), dtype=bool)
    flat = pc.list_flatten(facets)
    found = pc.and_(
        pc.equal(pc.struct_field(flat, "facet"), facet),
        pc.is_in(pc.struct_field(flat, "value"), value_set=pa.array(values, pa.string())),
    )
    mask[pc.list_parent_indices(facets).to_numpy()[found.to_numpy().astype(bool)]] = True
    return mask


def _first(object_ids: pa.ChunkedArray, mask: Mask, order: Sequence[str], count: int) -> Mask:
    position: dict[Any, int] = {name: row for row, name in enumerate(object_ids.to_pylist())}
    rows = [position[name] for name in dict.fromkeys(order) if name in position]
    chosen = [row for row in rows if mask[row]][:count]
    first = np.zeros(len(mask), dtype=bool)
    first[chosen] = True
    return first
