"""How much each person leans towards each facet value: decayed sums, scores and the arithmetic behind them.

By the rules of `affinity`, which says what forward decay is; of one person's own events, `tally` makes the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import ibis
import ibis.expr.types as ir

from algosync.catalog.never import expression
from algosync.profiles.affinity import SCORE_DIGITS, SCORE_MAX, SPLIT, AffinityRules
from algosync.profiles.moments import DAY_S, epoch_seconds, month_start


def sums(
    events: ir.Table,
    item_values: ir.Table,
    rules: AffinityRules,
    *,
    landmark: int,
    by: Sequence[str] = ("person",),
) -> ir.Table:
    """Decayed sums as (*by, facet, value, sum, landmark), unordered.

    Args:
        events: Identified events net of returns.
        item_values: (item, facet, value), no row twice.
        rules: What counts.
        landmark: The epoch month whose start an event of weight 1 counts 1 at; use that of `as_of`.
        by: What to sum per: `("person",)`, or `("token", "epoch")` for streams.
    """
    points = _points(events, rules, month_start(landmark), by)
    return _sums_of(points, item_values, rules, by).mutate(landmark=ibis.literal(landmark, "int32"))


def sums_since(
    events: ir.Table, item_values: ir.Table, rules: AffinityRules, *, start: ir.Value, by: Sequence[str] = ("person",)
) -> ir.Table:
    """As `sums`, each row carried to a landmark of its own, as (*by, facet, value, sum).

    Args:
        events: As for `sums`.
        item_values: As for `sums`.
        rules: What counts.
        start: The second at which a row's landmark starts, a column of `events`; one and the same within `by`.
        by: What to sum per.
    """
    return _sums_of(_points(events, rules, start, by), item_values, rules, by)


def scores(table: ir.Table, *, top: int | None = None, by: Sequence[str] = ("person",)) -> ir.Table:
    """Scores relative to the largest sum of each person's facet: (*by, facet, value, sum, score, rank).

    `score` is 20 * sum / largest, rounded to 9 digits. `rank` counts from 1 by sum, compared at 11 digits (the last
    bits of a parallel sum differ from run to run), then by value. A sum so old that it became 0 has no score.

    Args:
        table: Sums of one landmark.
        top: Values kept per facet; None keeps all, as segments need.
        by: What the sums are per.
    """
    return _scored(table.mutate(key_=_rounded(table["sum"])), [*by, "facet"], "value", top).drop("key_")


def top_scores(
    events: ir.Table, item_values: ir.Table, rules: AffinityRules, *, landmark: int, top: int | None
) -> ir.Table:
    """The same rows as `scores(sums(...))` for persons, facet by facet on integers all the way, which is faster."""
    points = _points(events, rules, month_start(landmark), ("person",))
    parts = []
    for facet in rules.facets:
        numbered = _numbered(item_values, facet, rules)
        total = _facet_sums(points, numbered, ("person",))
        ranked = _scored(total.mutate(key_=_rounded(total["sum"])), ["person"], "value_id", top)
        parts.append(_named(ranked, numbered, facet, ["person"], ["sum", "score", "rank"]))
    return _united(parts, points, ["person"], {"sum": "float64", "score": "float64", "rank": "int64"})


def arithmetic(events: ir.Table, item_values: ir.Table, rules: AffinityRules, *, as_of: datetime) -> ir.Table:
    """The events behind each value of the given events' persons, ordered; points per value add up to its sum by then.

    Returns:
        (person, facet, value, ts, key_hi, key_lo, kind, object, weight, age_days, points), with
        points = weight * 2 ** (-age_days / half_life_days).
    """
    weighed = events.filter(events.kind.isin(sorted(_counting(rules))))
    weighed = weighed.mutate(weight=_weight(weighed, rules))
    rows = weighed.mutate(age_days=(epoch_seconds(as_of) - weighed.ts.epoch_seconds()) / float(DAY_S))
    rows = rows.mutate(points=rows.weight * _power(-rows.age_days / rules.half_life_days))
    joined = rows.join(allowed(item_values, rules), "item")
    columns = ["ts", "key_hi", "key_lo", "kind", "object", "weight", "age_days", "points"]
    table = joined.select("person", "facet", "value", *columns)
    return table.order_by("person", "facet", "value", "ts", "key_hi", "key_lo")


def _counting(rules: AffinityRules) -> dict[str, float]:
    return {kind: float(weight) for kind, weight in rules.weights.items() if weight > 0}


def _weight(events: ir.Table, rules: AffinityRules) -> ir.Value:
    weights = sorted(_counting(rules).items())
    return events.kind.cases(*weights, else_=0.0) if weights else ibis.literal(0.0)


def _power(exponent: ir.Value) -> ir.Value:
    return ibis.literal(2.0, "float64") ** exponent


def _decayed(total: ir.Value, start: ir.Value, end: int, rules: AffinityRules) -> ir.Value:
    return total * _power((start - end) / (DAY_S * rules.half_life_days))


def _points(events: ir.Table, rules: AffinityRules, start: int | ir.Value, by: Sequence[str]) -> ir.Table:
    """(*by, item, points) of the events that count, named so that an engine computes it once for all facets."""
    # Not rounded to whole seconds as days and sessions are: rounding costs a tenth of all this.
    counted = events.filter(events.kind.isin(sorted(_counting(rules))) & events.item.notnull())
    halvings = (counted.ts.epoch_seconds() - start) / (DAY_S * rules.half_life_days)
    # Token ids are 32 bits wide, and grouping by them costs a tenth less than by 64.
    keys = {name: counted[name].cast("int32") for name in by}
    points = counted.select(**keys, item=counted.item, points=_weight(counted, rules) * _power(halvings))
    return points.alias(f"algosync_points_{abs(hash(points.op()))}")


def allowed(item_values: ir.Table, rules: AffinityRules) -> ir.Table:
    """The rows of the facets that count, without sensitive values."""
    kept = item_values.filter(item_values.facet.isin(rules.facets))
    for facet, patterns in sorted(rules.never.items()):
        matches = kept["value"].re_search(expression(tuple(patterns)))
        kept = kept.filter(~((kept.facet == facet) & matches))
    return kept


def _numbered(item_values: ir.Table, facet: str, rules: AffinityRules) -> ir.Table:
    """(item, value, value_id): a facet's values numbered densely in their own order."""
    rows = allowed(item_values, rules).filter(lambda t: t.facet == facet)
    number = ibis.dense_rank().over(order_by="value").cast("int32")
    return rows.select("item", "value", value_id=number)


def _facet_sums(points: ir.Table, numbered: ir.Table, by: Sequence[str]) -> ir.Table:
    joined = points.join(numbered.select("item", "value_id"), "item")
    return joined.group_by([*by, "value_id"]).agg(sum=joined.points.sum())


def _named(table: ir.Table, numbered: ir.Table, facet: str, by: Sequence[str], columns: Sequence[str]) -> ir.Table:
    names = numbered.select("value_id", "value").distinct()
    named = table.join(names, "value_id").mutate(facet=ibis.literal(facet))
    return _widened(named, by).select(*by, "facet", "value", *columns)


def _widened(table: ir.Table, by: Sequence[str]) -> ir.Table:
    return table.mutate(person=table.person.cast("int64")) if "person" in by else table


def _sums_of(points: ir.Table, item_values: ir.Table, rules: AffinityRules, by: Sequence[str]) -> ir.Table:
    parts = []
    for facet in rules.facets:
        numbered = _numbered(item_values, facet, rules)
        parts.append(_named(_facet_sums(points, numbered, by), numbered, facet, by, ["sum"]))
    return _united(parts, points, by, {"sum": "float64"})


def _united(parts: list[ir.Table], points: ir.Table, by: Sequence[str], columns: Mapping[str, str]) -> ir.Table:
    if parts:
        return ibis.union(*parts)
    nothing = {name: ibis.null(dtype) for name, dtype in {"facet": "string", "value": "string", **columns}.items()}
    return _widened(points.filter(ibis.literal(False)), by).select(*by, **nothing)


def _rounded(total: ir.Value) -> ir.Value:
    wide = total * SPLIT
    return wide - (wide - total)


def _scored(table: ir.Table, keys: list[str], value: str, top: int | None) -> ir.Table:
    """`score` and `rank` within keys; the largest is read from the sort that ranks, which costs no second one."""
    order = [ibis.desc("key_"), value]
    table = table.filter(table.key_ > 0)
    window = ibis.window(group_by=keys, order_by=order)
    ranked = table.mutate(
        largest_=table.key_.first().over(window), rank=ibis.row_number().over(window).cast("int64") + 1
    )
    if top is not None:
        ranked = ranked.filter(ranked["rank"] <= top)
    score = (SCORE_MAX * (ranked.key_ / ranked.largest_)).round(SCORE_DIGITS)
    return ranked.mutate(score=score).drop("largest_")
