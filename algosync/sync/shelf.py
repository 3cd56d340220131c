"""The shelf stage of a run: what answers look up besides people, as rows of the snapshot.

Top lists, related items by product, numbers of products and declared facets. Rows are made only where what they come
from has changed; how they are kept is stores/shelf.py's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from algosync.catalog.table import Catalog
from algosync.payloads.declared import declared_facets
from algosync.stores.shelf import COUNT, DECLARED, PRODUCT, RELATED, VARIANT, Row, Stocktaking
from algosync.sync.catalog import Observed
from algosync.sync.digests import digest
from algosync.sync.related import RelatedItems

TOP: Final = 50
"""Items of a top list that are kept for answers."""


def stocktaking(
    catalog: Catalog,
    found: RelatedItems,
    observed: Observed,
    category: str | None,
    beside: Mapping[str, Stocktaking] = MappingProxyType({}),
    wanted: Iterable[str] = (),
) -> Stocktaking:
    """All that belongs on the shelf.

    Args:
        catalog: The products.
        found: Lists and tops over the catalog's groups.
        observed: What the indices hold and declare.
        category: The facet by whose values products are counted.
        beside: What is made elsewhere, by its kind.
        wanted: The facets that affinities and facts are made from.
    """
    small = [*_counts(catalog, observed, category), *_declared(observed)]

    def rows() -> Iterator[Row]:
        yield from small
        names = _names(catalog, found)
        yield from _variants(catalog, names)
        yield from _tops(found.tops, names)
        yield from _related(found, names)

    aside = {**beside, PRODUCT: _products(catalog, frozenset(wanted))}
    return Stocktaking(mark=digest(found.inputs, catalog.to_table(), small), rows=rows, beside=aside)


def _products(catalog: Catalog, wanted: frozenset[str]) -> Stocktaking:
    """What each product gives to a tally, by every id by which an event may name it."""
    inputs = catalog.to_table().select(["object_id", "id", "group", "price", "facets"])

    def rows() -> Iterator[Row]:
        refs = catalog.product_refs()
        lists = refs["facets"].combine_chunks()
        starts, pairs = lists.offsets.to_pylist(), lists.values
        facets, values = (pairs.field(name).to_pylist() for name in ("facet", "value"))
        for number, (name, price) in enumerate(zip(refs["id"].to_pylist(), refs["price"].to_pylist(), strict=True)):
            held: dict[str, list[str]] = {}
            for place in range(starts[number], starts[number + 1]):
                if facets[place] in wanted:
                    held.setdefault(facets[place], []).append(values[place])
            yield PRODUCT, name, _json({"facets": held, "price": price})

    return Stocktaking(mark=digest(inputs, sorted(wanted)), rows=rows)


def _names(catalog: Catalog, found: RelatedItems) -> list[str]:
    """The objectID that stands for each group."""
    rows = catalog.representatives(found.popular[catalog.group_index])
    names: list[str] = catalog.object_id.take(pa.array(rows)).to_pylist()
    return names


def _counts(catalog: Catalog, observed: Observed, category: str | None) -> Iterator[Row]:
    """How many products an index holds, and of them how many in each category."""
    flat = catalog.flat
    ours = flat.facet == (flat.facets.index(category) if category in flat.facets else -1)
    row, value = flat.row[ours], flat.value[ours]
    for index, versions in sorted(observed.versions.items()):
        kind = f"{COUNT}{index}"
        yield kind, "", str(len(versions))
        here = pc.is_in(catalog.object_id, value_set=pa.array(list(versions), pa.string()))
        held = value[here.to_numpy(zero_copy_only=False)[row]]
        for code, number in sorted(Counter(held.tolist()).items()):
            yield kind, flat.values[code], str(number)


def _declared(observed: Observed) -> Iterator[Row]:
    for index, settings in sorted(observed.settings.items()):
        yield DECLARED, index, _json(sorted(declared_facets(settings.get("attributesForFaceting"))))


def _variants(catalog: Catalog, names: list[str]) -> Iterator[Row]:
    for object_id, group in zip(catalog.object_id.to_pylist(), catalog.group_index.tolist(), strict=True):
        if names[group] != object_id:
            yield VARIANT, object_id, _json(names[group])


def _tops(tops: pa.Table, names: list[str]) -> Iterator[Row]:
    order = [(name, "ascending") for name in ("scope", "bucket", "rank")]
    first = tops.filter(pc.less_equal(tops["rank"], TOP)).sort_by(order)
    columns = (first[name].to_pylist() for name in ("scope", "bucket", "item"))
    for (scope, bucket), rows in groupby(zip(*columns, strict=True), key=lambda row: row[:2]):
        yield scope, bucket, _json([names[item] for _, _, item in rows])


def _related(found: RelatedItems, names: list[str]) -> Iterator[Row]:
    """One row per group that has a list of any kind."""
    texts = np.array(names, dtype=object)
    lists: dict[str, tuple[list[int], list[str]]] = {
        kind: (lists.indptr.tolist(), texts[lists.related].tolist()) for kind, lists in sorted(found.lists.items())
    }
    for group, name in enumerate(names):
        doc: Mapping[str, Any] = {
            kind: items for kind, (starts, ids) in lists.items() if (items := ids[starts[group] : starts[group + 1]])
        }
        if doc:
            yield RELATED, name, _json(doc)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
