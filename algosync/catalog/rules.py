"""What a shop says about its products: which attributes carry ids, prices, texts and facets.

Plain values; reading and applying them is the other modules' work. Wrong values are refused here, by name.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from algosync.errors import ConfigError

OWN = "algosync"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBand:
    """The band a price lies in.

    Bands are half-open: with edges 10 and 25 they are "0-10" (below 10), "10-25" (10 to below 25) and "25+".
    """

    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_rising(self.edges, "edges of a price band")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountBand:
    """The band that the discount off the list price lies in, in percent, half-open; without a discount none."""

    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_rising(self.edges, "edges of a discount band")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier:
    """How dear a product is among its like: what is luxury for a book is cheap for a phone.

    Args:
        within: The plain facet (by attribute) that says what its like are, or None for the whole catalog. Of a
            product's several values the one with the fewest priced products decides that still has `least` of them.
        cuts: Shares of cheaper products at which the next tier begins.
        labels: Tiers from cheap to dear, one more than cuts.
        least: Fewer priced products than this make no tiers.
    """

    within: str | None = None
    cuts: tuple[float, ...] = (1 / 3, 2 / 3)
    labels: tuple[str, ...] = ("low", "mid", "high")
    least: int = 5

    def __post_init__(self) -> None:
        _check_rising(self.cuts, "cuts of a price tier")
        if self.cuts[-1] >= 1 or len(self.labels) != len(self.cuts) + 1:
            raise ConfigError(
                "a price tier has one label more than it has cuts, and its cuts lie between 0 and 1",
                where="facets",
                hint=f"There are {len(self.cuts)} cuts and {len(self.labels)} labels",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSale:
    """Whether the price is below the list price: "true" or "false"; without a price neither."""


Derived = PriceBand | DiscountBand | PriceTier | OnSale


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetRule:
    """One facet.

    Args:
        attribute: The attribute it is read from: a dotted path, through arrays and arrays of objects. A derived
            facet reads the catalog's prices; its attribute only says so.
        never: Patterns of sensitive values, `*` standing for anything, upper and lower case alike; see `never.py`.
        derived: How the values are made, None for the attribute's own.
    """

    attribute: str
    never: tuple[str, ...] = ()
    derived: Derived | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRules:
    """Where a record keeps what.

    Args:
        id: The attribute by which events name a product.
        group: The attribute that variants of one product share, or None where every record is its own product.
        available: A condition such as "in_stock:true", "stock:>0" or "status:active AND stock:>=1"; None: always.
            It is `path:value` (the text is equal), or `path:` and one of `>`, `>=`, `<`, `<=`, `=`, `!=` and a
            value; of an array any element will do; a missing attribute fulfils nothing.
        text: Attributes that content similarity reads.
        price: The attribute of the present price.
        list_price: The attribute of the price before any discount.
        facets: Facets by the name they have in the settings. A plain facet goes by its attribute from here on, a
            derived one by `algosync.` and its name.
    """

    id: str = "objectID"
    group: str | None = None
    available: str | None = None
    text: tuple[str, ...] = ()
    price: str = "price"
    list_price: str | None = None
    facets: Mapping[str, FacetRule] = field(default_factory=dict)

    def facet_name(self, name: str) -> str:
        """Return the full name of a facet, as events, filters and the index know it."""
        rule = self.facets[name]
        return f"{OWN}.{name}" if rule.derived is not None else rule.attribute


def _check_rising(edges: tuple[float, ...], what: str) -> None:
    rising = all(a < b for a, b in itertools.pairwise(edges))
    if not edges or not rising or edges[0] <= 0 or not all(map(math.isfinite, edges)):
        raise ConfigError(f"{what} are finite numbers above zero, each larger than the one before", where="facets")
