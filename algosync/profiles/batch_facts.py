"""The facts that conditions on events are judged by: counts and amounts per person, by day where a window needs it.

Owns the counting alone; what it must amount to is judged in `batch_segments` and `verdicts`. Facts add up: those of two
sets of events are the sums of both.
"""

from __future__ import annotations

from datetime import datetime
from functools import reduce

import ibis
import ibis.expr.types as ir

from algosync.profiles.batch_moments import seconds_of, whole_division
from algosync.profiles.conditions import FacetValues, FactSpec, Segments
from algosync.profiles.facts import MICRO, MICRO_MAX
from algosync.profiles.moments import DAY_S, epoch_day
from algosync.profiles.reading import Range


def facts(events: ir.Table, item_values: ir.Table, segments: Segments, *, as_of: datetime) -> ir.Table:
    """(person, leaf, day, count, sum_price, sum_discount), one row per person, fact and, where kept by day, day.

    `leaf` is the place in `segments.facts`, `day` the UTC day since 1970 or null, `count` the number of events. An
    amount is per unit times the units kept, in millionths (MICRO); a missing price or discount adds nothing.

    Args:
        events: Identified events net of returns, up to `as_of`.
        item_values: (item, facet, value).
        segments: What must be known.
        as_of: Days before the longest window that ends here are not kept.
    """
    rows = _measured(events)
    today = epoch_day(as_of)
    parts = [
        _fact(rows, item_values, spec, leaf).filter(_wanted(segments, leaf, today))
        for leaf, spec in enumerate(segments.facts)
    ]
    return ibis.union(*parts) if parts else _nothing(rows)


def _measured(events: ir.Table) -> ir.Table:
    units = events.net_quantity if "net_quantity" in events.columns else events.quantity.fill_null(1)
    return events.select(
        *("person", "item", "kind", "price", "discount"),
        day_=whole_division(seconds_of(events.ts), DAY_S).cast("int32"),
        paid_=_micro(events.price * units),
        saved_=_micro(events.discount * units),
    )


def _micro(amount: ir.Value) -> ir.Value:
    return (amount.fill_null(0.0) * MICRO).clip(-MICRO_MAX, MICRO_MAX).round().cast("int64")


def _fact(rows: ir.Table, item_values: ir.Table, spec: FactSpec, leaf: int) -> ir.Table:
    chosen = rows.filter(reduce(lambda a, b: a & b, _conditions(rows, spec), ibis.literal(True)))
    if spec.facets:
        chosen = chosen.semi_join(_items(item_values, spec.facets), "item")
    keys = ["person", "day_"] if spec.by_day else ["person"]
    counted = chosen.group_by(keys).agg(
        count=chosen.count().cast("int64"),
        sum_price=chosen.paid_.sum().cast("int64"),
        sum_discount=chosen.saved_.sum().cast("int64"),
    )
    return counted.select(
        "person",
        leaf=ibis.literal(leaf, "int32"),
        day=counted.day_ if spec.by_day else ibis.null("int32"),
        count=counted["count"],
        sum_price=counted.sum_price,
        sum_discount=counted.sum_discount,
    )


def _conditions(rows: ir.Table, spec: FactSpec) -> list[ir.Value]:
    found = [rows.kind.isin(spec.kinds)] if spec.kinds else []
    return found + [
        _between(column, bounds)
        for column, bounds in ((rows.price, spec.price), (rows.discount, spec.discount))
        if bounds
    ]


def _between(column: ir.Value, bounds: Range) -> ir.Value:
    return (column >= bounds[0]) & (column <= bounds[1])


def _items(item_values: ir.Table, facets: FacetValues) -> ir.Table:
    """Items that have one of the values of every facet."""
    found = [
        item_values.filter((item_values.facet == facet) & item_values["value"].isin(values)).select("item").distinct()
        for facet, values in facets
    ]
    return reduce(lambda a, b: a.semi_join(b, "item"), found)


def _wanted(segments: Segments, leaf: int, today: int) -> ir.Value:
    if leaf not in segments.windows:
        return ibis.literal(True)
    return ibis._.day >= today - segments.windows[leaf]


def _nothing(rows: ir.Table) -> ir.Table:
    empty = {"leaf": "int32", "day": "int32", "count": "int64", "sum_price": "int64", "sum_discount": "int64"}
    return rows.filter(ibis.literal(False)).select("person", **{name: ibis.null(t) for name, t in empty.items()})
