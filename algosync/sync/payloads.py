"""The payloads stage of a run: everything that Algolia should hold, family by family.

Brings what was found into the columns that payloads/ takes; how a payload looks is that room's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from algosync.catalog.table import Catalog
from algosync.payloads.boosts import Boost, plan_boosts
from algosync.payloads.contexts import Segment
from algosync.payloads.encode import Family, OpaqueIds, Payload, Target, Unsent
from algosync.payloads.filters import FilterPolicy
from algosync.payloads.products import Lists as ListColumn
from algosync.payloads.products import PartColumn, Values, product_records
from algosync.payloads.records import Profile, Records, profile_records, segment_records
from algosync.payloads.rules import segment_rules
from algosync.payloads.syntax import Refusal
from algosync.payloads.tags import boost_tags
from algosync.related.topk import Lists
from algosync.sync.related import Kind, RelatedItems

OWN = "algosync."
DERIVED = ("price_band", "price_tier", "on_sale", "discount_band")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What Algolia should hold.

    Attributes:
        payloads: All families that are switched on.
        unsent: Payloads that were made and are not sent, with reasons.
        refused: Filters that could not be said: whose, and why.
        absent: Per index, how many products of the catalog it does not hold; nothing is desired for them.
    """

    payloads: tuple[Payload, ...]
    unsent: tuple[Unsent, ...]
    refused: tuple[tuple[str, Refusal], ...]
    absent: Mapping[str, int] = field(default_factory=dict)

    @property
    def oversize(self) -> set[tuple[Family, str, str]]:
        """(family, index, objectID) of those of the unsent that are nothing but too large."""
        return {(one.family, one.index, one.object_id) for one in self.unsent if one.hash is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductColumns:
    """The parts of every product's payload, over the whole catalog."""

    catalog: Catalog
    lists: Mapping[Kind, Lists]
    representatives: npt.NDArray[np.int32]
    parts: Mapping[str, PartColumn]
    ranks: npt.NDArray[np.int64]

    def records(self, present: Mapping[str, str | None], target: Target) -> tuple[list[Payload], list[Unsent]]:
        """Payloads of the products that one index holds; lists name only products that it holds too."""
        here = self._here(present)
        rows = np.flatnonzero(here)
        parts = {name: _taken(part, rows) for name, part in self.parts.items()}
        known = here[self.representatives]
        parts |= {kind: self._list(lists, known, rows) for kind, lists in self.lists.items()}
        names = self.catalog.object_id.take(pa.array(rows)).to_pylist()
        made = product_records(names, parts, target, self.ranks[rows].tolist())
        return list(made.payloads), list(made.unsent)

    def absent(self, present: Mapping[str, str | None]) -> int:
        """How many products one index does not hold."""
        return int((~self._here(present)).sum())

    def _here(self, present: Mapping[str, str | None]) -> npt.NDArray[np.bool_]:
        held = pa.array(list(present), pa.string())
        here: npt.NDArray[np.bool_] = pc.is_in(self.catalog.object_id, value_set=held).to_numpy(zero_copy_only=False)
        return here

    def _list(self, lists: Lists, known: npt.NDArray[np.bool_], rows: npt.NDArray[np.int64]) -> ListColumn:
        """One kind of list over chosen products, the related groups by the product that stands for each."""
        keep = known[lists.related]
        counts = np.zeros(len(lists) + 1, dtype=np.int64)
        np.cumsum(np.bincount(lists.rows[keep], minlength=len(lists)), out=counts[1:])
        names = self.catalog.object_id.take(pa.array(self.representatives)).to_pylist()
        return ListColumn(offsets=counts, codes=lists.related[keep], names=names, rows=self.catalog.group_index[rows])


def product_columns(
    catalog: Catalog,
    found: RelatedItems,
    segments: Sequence[Segment],
    ids: Mapping[str, str],
    loose: Sequence[tuple[str, Boost]] = (),
) -> ProductColumns:
    """Brings lists, integers, derived facets and tags into columns over the catalog's products.

    Args:
        catalog: The products.
        found: Related items, popularity and trends of their groups.
        segments: Whose boosts need tags.
        ids: The id of each segment by its slug.
        loose: Of `loose_boosts`, which need tags too.
    """
    representatives = catalog.representatives(found.popular[catalog.group_index])
    integers = {"popularity": found.popularity, "trending": found.trending}
    parts: dict[str, PartColumn] = {
        name: Values(column=pa.array(numbers, pa.int8(), mask=numbers == 0), rows=catalog.group_index)
        for name, numbers in integers.items()
    }
    boosts = [(ids[segment.slug], boost) for segment in segments for boost in segment.boosts]
    boosts += loose
    tags = plan_boosts(boost for _, boost in boosts).tags
    if tags:
        parts["boosts"] = boost_tags(_products(catalog), tags, _orders(catalog, found, boosts, representatives))
    return ProductColumns(
        catalog=catalog,
        lists=found.lists,
        representatives=representatives,
        parts=parts | _derived(catalog),
        ranks=_ranks(found.popular)[catalog.group_index],
    )


def _ranks(popular: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int64]:
    """Groups by how popular they are, from 0; equals are equal."""
    return np.unique(np.nan_to_num(popular), return_inverse=True)[1].astype(np.int64)


def _products(catalog: Catalog) -> pa.Table:
    price = pa.array(catalog.price, mask=np.isnan(catalog.price))
    return pa.table({"object_id": catalog.object_id, "facets": catalog.facets, "price": price})


def _orders(
    catalog: Catalog,
    found: RelatedItems,
    boosts: Sequence[tuple[str, Boost]],
    representatives: npt.NDArray[np.int32],
) -> dict[str, list[str]]:
    """For each boost of popular products, objectIDs by popularity in its segment; everywhere, where it has none."""
    ranked = found.tops.sort_by("rank")
    orders: dict[str, list[str]] = {}
    for segment, boost in boosts:
        if boost.popular is not None:
            scope = "popular:segment" if segment else "popular:everywhere"
            mine = ranked.filter(pc.and_(pc.equal(ranked["scope"], scope), pc.equal(ranked["bucket"], segment)))
            rows = representatives[mine["item"].to_numpy()]
            orders[boost.slug] = catalog.object_id.take(pa.array(rows)).to_pylist()
    return orders


def _derived(catalog: Catalog) -> dict[str, PartColumn]:
    """Derived facets as one value per product."""
    flat = catalog.flat
    parts: dict[str, PartColumn] = {}
    for name in DERIVED:
        if OWN + name not in flat.facets:
            continue
        ours = flat.facet == flat.facets.index(OWN + name)
        values = np.full(len(catalog), None, dtype=object)
        values[flat.row[ours]] = np.array(flat.values, dtype=object)[flat.value[ours]]
        column = pa.array(values, pa.string())
        parts[name] = Values(column=pc.equal(column, "true") if name == "on_sale" else column)
    return parts


def _taken(part: PartColumn, rows: npt.NDArray[np.int64]) -> PartColumn:
    """A part over chosen products only."""
    mine = rows if part.rows is None else part.rows[rows]
    return replace(part, rows=mine)


def desired(
    columns: ProductColumns,
    observed: Mapping[str, Mapping[str, str | None]],
    segments: Sequence[Segment],
    profiles: Iterable[Profile],
    terms: Terms,
) -> Desired:
    """Everything that Algolia should hold of the families that are switched on.

    Args:
        columns: The product parts.
        observed: Every product index, what it holds by objectID, and what of ours is on it.
        segments: Segments with their boosts.
        profiles: Ready, recently active people.
        terms: Which families, where to, and what may be said there.
    """
    made = _Made()
    payload_target = Target(index=terms.payload_index, max_record_bytes=terms.max_record_bytes)
    for index, present in observed.items():
        target = Target(index=index, max_record_bytes=terms.max_record_bytes)
        if "related" in terms.families:
            made.add(*columns.records(present, target))
            made.absent[index] = columns.absent(present)
        if "rules" in terms.families:
            made.add_records(segment_rules(segments, terms.policies[index], target))
    if "segments" in terms.families:
        made.add_records(segment_records(segments, terms.policy, payload_target))
    if "profiles" in terms.families and terms.ids is not None:
        made.add_records(profile_records(profiles, terms.ids, payload_target))
    return Desired(
        payloads=tuple(made.payloads),
        unsent=tuple(made.unsent),
        refused=tuple(made.refused),
        absent={index: count for index, count in made.absent.items() if count},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Which payloads are wanted, and on what terms.

    Attributes:
        families: Those switched on.
        payload_index: Where segments and profiles go.
        max_record_bytes: The plan's largest record.
        policies: What filters may say, per product index.
        policy: What filters may say on every product index, for payloads that serve all of them.
        ids: Makes the opaque ids of profile records; None where profiles are off.
    """

    families: frozenset[Family]
    payload_index: str
    max_record_bytes: int
    policies: Mapping[str, FilterPolicy]
    policy: FilterPolicy
    ids: OpaqueIds | None


@dataclass(slots=True)
class _Made:
    payloads: list[Payload] = field(default_factory=list)
    unsent: list[Unsent] = field(default_factory=list)
    refused: dict[tuple[str, Refusal], None] = field(default_factory=dict)
    absent: dict[str, int] = field(default_factory=dict)

    def add(self, payloads: Iterable[Payload], unsent: Iterable[Unsent]) -> None:
        self.payloads += payloads
        self.unsent += unsent

    def add_records(self, records: Records) -> None:
        self.add(records.payloads, records.unsent)
        self.refused |= dict.fromkeys(records.refused)
