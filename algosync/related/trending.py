"""What is popular and what is trending: everywhere, per category, segment, place and device.

`in_*` give events their bucket, `popular` and `trending` score items within buckets (Ibis expressions), `top` cuts
lists, `buckets` turns scores into the small integers that products carry. Reads nothing, knows no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from algosync.related.events import EVENT_WEIGHTS, countable, decayed, moment, person
from algosync.related.topk import Bools, Floats

UNIT = 1_000_000
HOLD = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class PopularRules:
    """How popularity is counted.

    Args:
        as_of: The moment of the run; later events do not count.
        weights: Weight per kind; kinds that are absent do not count.
        half_life_days: After how many days an event counts half, or None for no decay.
    """

    as_of: datetime
    weights: Mapping[str, float] = field(default_factory=lambda: dict(EVENT_WEIGHTS))
    half_life_days: float | None = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendingRules:
    """How trends are measured.

    Args:
        as_of: The moment of the run, the end of the recent window.
        weights: Kinds that count (with any weight above zero).
        recent_days: The recent window.
        base_days: The window before it that the recent one is held against.
        shrink: As many people, behaving as before, are added to each item: few people make no trend.
        people_min: Items with fewer recent people are left out.
    """

    as_of: datetime
    weights: Mapping[str, float] = field(default_factory=lambda: dict(EVENT_WEIGHTS))
    recent_days: float = 7.0
    base_days: float = 28.0
    shrink: float = 10.0
    people_min: int = 3


def everywhere(events: ir.Table) -> ir.Table:
    """Return the events with one bucket, the empty name."""
    return events.mutate(bucket=ibis.literal(""))


def in_category(events: ir.Table, values: ir.Table) -> ir.Table:
    """Return the events once per facet value of their item, as bucket.

    Args:
        events: LOG columns and `group`.
        values: (group, value), each pair once: the values of one facet.
    """
    named = values.select(group=values.group, bucket=values["value"])
    return events.inner_join(named, "group")


def in_segment(events: ir.Table, members: ir.Table) -> ir.Table:
    """Return the events once per segment of their person, as bucket.

    Args:
        events: LOG columns, `group` and `person` (without it, `token` is the person).
        members: (person, segment), each pair once.
    """
    whose = events if "person" in events.columns else events.mutate(person=events.token)
    named = members.select(person=members.person, bucket=members.segment)
    return whose.inner_join(named, "person")


def in_context(events: ir.Table, key: str) -> ir.Table:
    """Return the events whose context names `key` (a country, a device), with that value as bucket."""
    value = events.context.get(key)
    return events.mutate(bucket=value).filter(value.notnull())


def popular(events: ir.Table, rules: PopularRules) -> ir.Table:
    """Return how popular each item is in its bucket: decayed weights of different people.

    Each person counts once per item, with her strongest event after decay: a thousand reloads by one visitor are
    one visitor. People are added up in millionths, as integers, so that no engine's order of adding shows.

    Args:
        events: LOG columns, `group` and `bucket`.
        rules: Weights and decay.

    Returns:
        (bucket, item, score), score above zero, items int32.
    """
    known = _people(events, rules.as_of)
    weight = decayed(known, rules.weights, rules.as_of, rules.half_life_days)
    known = known.mutate(units=(weight * UNIT).round().cast("int64"))
    each = known.filter(known.units > 0).group_by("bucket", "item", "who")
    per_person = each.aggregate(units=lambda t: t.units.max())
    summed = per_person.group_by("bucket", "item").aggregate(units=per_person.units.sum().cast("int64"))
    return summed.select("bucket", "item", score=summed.units.cast("float64") / UNIT)


def trending(events: ir.Table, rules: TrendingRules) -> ir.Table:
    """Return which items draw a larger share of people than before, per bucket.

    With r and b the different people of an item in the recent and the base window, R and B their sums over the
    bucket and m its number of items::

        before = (b + 1) / (B + m)                     the share that was to be expected (Laplace)
        score  = (r + shrink) / (R · before + shrink)  recent people over expected ones

    The second is the posterior mean of a Poisson rate under a gamma prior of mean 1 and strength `shrink`, as in
    DuMouchel (The American Statistician 53, 1999) with one component. Only scores above 1 are trends.

    Args:
        events: LOG columns, `group` and `bucket`.
        rules: The windows and the shrinkage.

    Returns:
        (bucket, item, score, people), people being the recent ones.
    """
    recent = rules.as_of - timedelta(days=rules.recent_days)
    start = recent - timedelta(days=rules.base_days)
    kinds = sorted(kind for kind, weight in rules.weights.items() if weight > 0)
    known = _people(events, rules.as_of)
    known = known.filter(known.ts > moment(start), known.kind.isin(kinds))
    known = known.mutate(recent=known.ts > moment(recent))
    once = known.select("bucket", "item", "who", "recent").distinct()
    counts = once.group_by("bucket", "item").aggregate(
        r=once.recent.cast("int64").sum().cast("float64"), b=(~once.recent).cast("int64").sum().cast("float64")
    )
    whole = ibis.window(group_by="bucket")
    counts = counts.mutate(
        all_r=counts.r.sum().over(whole), all_b=counts.b.sum().over(whole), m=counts.count().over(whole)
    )
    before = (counts.b + 1.0) / (counts.all_b + counts.m.cast("float64"))
    score = ((counts.r + rules.shrink) / (counts.all_r * before + rules.shrink)).round(9)
    counts = counts.mutate(score=score, people=counts.r.cast("int64"))
    return counts.filter((counts.score > 1.0) & (counts.people >= rules.people_min)).select(
        "bucket", "item", "score", "people"
    )


def _people(events: ir.Table, as_of: datetime) -> ir.Table:
    known = countable(events, as_of)
    known = known.filter(known.quantity.fill_null(1) > 0)
    return known.mutate(who=person(known), item=known.group).filter(lambda t: t.who.notnull())


def top(scores: pa.Table, *, n: int, available: Bools, popularity: Floats) -> pa.Table:
    """Return the n best available items of each bucket.

    Args:
        scores: (bucket, item, score), as `popular` and `trending` give.
        n: The most items per bucket.
        available: Which items may be recommended.
        popularity: What breaks ties, larger first, then the index.

    Returns:
        (bucket, item, score, rank), by bucket and rank from 1.
    """
    item = scores["item"].to_numpy()
    here = available[item]
    scores, item = scores.filter(pa.array(here)), item[here]
    score = np.round(scores["score"].to_numpy(), 9)
    names, bucket = np.unique(scores["bucket"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    order = np.lexsort((item, -np.asarray(popularity)[item], -score, bucket))
    bucket, item, score = bucket[order], item[order], score[order]
    starts = np.searchsorted(bucket, np.arange(len(names)))
    rank = np.arange(len(bucket)) - starts[bucket] + 1
    first = rank <= n
    return pa.table(
        {
            "bucket": pa.array(names[bucket[first]].tolist(), pa.string()),
            "item": pa.array(item[first], pa.int32()),
            "score": pa.array(score[first], pa.float64()),
            "rank": pa.array(rank[first], pa.int32()),
        }
    )


def spread(scores: pa.Table, n_items: int) -> Floats:
    """Return (item, score) rows of one bucket as an array over all items, 0 where there is none."""
    dense = np.zeros(n_items)
    dense[scores["item"].to_numpy()] = scores["score"].to_numpy()
    return dense


def buckets(
    scores: npt.NDArray[np.floating[Any]], previous: npt.NDArray[np.integer[Any]] | None = None, *, by: str = "log"
) -> npt.NDArray[np.int8]:
    """Return scores as integers 0 to 10 that move seldom.

    0 is no score at all. The rest lies on a scale from 0 to 10, by log(1 + score / median) over that of the largest
    ("log") or by the share of scored items that are not above it ("quantile"), and is rounded, 1 at the least. A
    previous integer stays until its item has moved more than 0.6 away from it.

    Args:
        scores: One score per item, none negative.
        previous: The integer that each item carries, -1 where there is none.
        by: "log" or "quantile".
    """
    scores = np.round(np.asarray(scores, dtype=np.float64), 9)
    scale = np.zeros(len(scores))
    some = scores > 0
    if by == "quantile":
        scale[some] = 10.0 * np.searchsorted(np.sort(scores[some]), scores[some], side="right") / max(some.sum(), 1)
    elif some.any():
        middle = np.median(scores[some])
        scale[some] = 10.0 * np.log1p(scores[some] / middle) / np.log1p(scores.max() / middle)
    new = np.where(some, np.maximum(np.rint(scale), 1), 0)
    if previous is not None:
        stays = some & (np.asarray(previous) >= 1) & (np.abs(scale - previous) <= HOLD)
        new = np.where(stays, previous, new)
    return new.astype(np.int8)
