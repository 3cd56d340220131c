"""Which products a boost means: values of facets, all of them, and an exact range of prices.

What optionalFilters cannot say in one breath ("Books and $10-25") becomes a tag on the products that match.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from algosync.catalog.table import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Boost:
    """A condition on products.

    Args:
        slug: What the tag is called.
        conditions: Facet to values: any value of each facet, all facets.
        price: The lowest and the highest price, both included, or None for any price and none.
    """

    slug: str
    conditions: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    price: tuple[float, float] | None = None


def tags(catalog: Catalog, boosts: Sequence[Boost]) -> dict[str, tuple[str, ...]]:
    """Return the slugs of the boosts that each product matches, sorted; products without any are left out.

    Args:
        catalog: The products.
        boosts: The conditions.

    Returns:
        objectID to slugs, by objectID.
    """
    flat = catalog.flat
    found: dict[int, list[str]] = {}
    for boost in sorted(boosts, key=lambda b: b.slug):
        match = np.ones(len(catalog), dtype=np.bool_)
        for facet, values in boost.conditions.items():
            match &= flat.with_value(facet, [values] if isinstance(values, str) else list(values))
        if boost.price is not None:
            match &= (catalog.price >= boost.price[0]) & (catalog.price <= boost.price[1])
        for row in np.flatnonzero(match).tolist():
            slugs = found.setdefault(row, [])
            if boost.slug not in slugs:
                slugs.append(boost.slug)
    rows = sorted(found)
    names = catalog.object_id.take(rows).to_pylist() if rows else []
    return {name: tuple(found[row]) for name, row in zip(names, rows, strict=True)}
