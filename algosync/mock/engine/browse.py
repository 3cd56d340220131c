"""A page of an index's records, in an order that writes between two pages do not disturb.

Records come in the order of the sort-by criteria and the custom ranking, then of their objectIDs; a page begins after
the place that the last one ended at, whether or not that record is still there. Must not know how a place is sent.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from algosync.mock.engine.columns import leaves
from algosync.mock.engine.index import Index
from algosync.mock.engine.ranking import attributes_read, rank
from algosync.mock.engine.search import Reading, Search, filters_of, matching_ids
from algosync.mock.engine.settings import Order, ranking

FORCED: Mapping[str, Any] = {
    "advancedSyntax": False,
    "attributesToHighlight": [],
    "attributesToSnippet": [],
    "distinct": False,
    "enablePersonalization": False,
    "enableRules": False,
    "facets": [],
    "getRankingInfo": False,
    "ignorePlurals": False,
    "optionalFilters": [],
}
"""What every browse sets, whatever was sent: algolia.com/doc/rest-api/search/browse."""

Value = str | float | None
"""What a record is sorted by under one criterion; None where it has nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page ended: the values that the last record was sorted by, and its objectID."""

    values: Sequence[Value]
    object_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some records.

    Attributes:
        ids: Their objectIDs, in order.
        before: How many records come before the page.
        total: How many records there are.
        end: Where the next page begins after; None where this is the last one.
    """

    ids: list[str]
    before: int
    total: int
    end: Place | None


def browse(index: Index, params: Mapping[str, Any], size: int, after: Place | None) -> Page:
    """The page of at most `size` records that match `params` and come after a place."""
    by = orders(index)
    ids = _ordered(index, _searched(index, params), by)
    start = 0 if after is None else bisect_right(ids, _key(after, by), key=_keys(index, by))
    shown = ids[start : start + size]
    more = start + size < len(ids)
    end = Place(values=_values(index, shown[-1], by), object_id=shown[-1]) if more else None
    return Page(ids=shown, before=start, total=len(ids), end=end)


def orders(index: Index) -> list[Order]:
    """What an index's records are sorted by before their objectIDs; a place has a value for each."""
    return [criterion for criterion in ranking(index.settings) if isinstance(criterion, Order)]


def _searched(index: Index, params: Mapping[str, Any]) -> dict[str, Any]:
    searched = {**params, **FORCED}
    if searched.get("typoTolerance", index.settings.get("typoTolerance")) in {"min", "strict"}:
        searched["typoTolerance"] = True
    return searched


def _ordered(index: Index, params: Mapping[str, Any], by: Sequence[Order]) -> list[str]:
    if not by:
        return matching_ids(index, params) if params.get("query") or filters_of(params) else index.ids()
    search = Search(index, params, Reading(now_s=0, merging="first"))
    query = replace(search.query, formula=by)
    parts = index.segments(attributes_read(query))
    hits = rank(parts, query)
    return [parts[part].ids[doc] for part, doc in zip(hits.part.tolist(), hits.doc.tolist(), strict=True)]


def _keys(index: Index, by: Sequence[Order]) -> Any:
    return lambda object_id: _key(Place(values=_values(index, object_id, by), object_id=object_id), by)


def _key(place: Place, by: Sequence[Order]) -> tuple[Any, ...]:
    """Something that sorts as the search engine sorts: numbers below strings, records without a value last."""
    return (*map(_criterion, place.values, by), place.object_id)


def _criterion(value: Value, order: Order) -> tuple[Any, ...]:
    if value is None:
        return (1,)
    key = (isinstance(value, str), value)
    return (0, _Backwards(key) if order.descending else key)


@dataclass(frozen=True, slots=True, eq=True)
class _Backwards:
    key: Any

    def __lt__(self, other: _Backwards) -> bool:
        return bool(other.key < self.key)


def _values(index: Index, object_id: str, by: Sequence[Order]) -> list[Value]:
    record = orjson.loads(index.records[object_id]) if by else None
    return [_value(leaves(record, order.attribute)) for order in by]


def _value(values: Iterator[Any]) -> Value:
    """An array counts by its smallest string, else by its first number."""
    found = list(values)
    texts = [str(value).lower() if isinstance(value, bool) else value for value in found if _is_text(value)]
    if texts:
        return min(texts)
    return float(found[0]) if found else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str | bool)
