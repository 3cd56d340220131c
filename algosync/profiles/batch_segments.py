"""Who is in which segment: all persons at once, and what changed since.

Judges facts, scores, attributes and visitors; counts no events. `verdicts` judges one person by the same rules.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial, reduce
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from algosync.profiles.affinity import AffinityRules
from algosync.profiles.batch_affinity import top_scores
from algosync.profiles.conditions import (
    AffinityIs,
    AllOf,
    AnyOf,
    AttributeIs,
    Bounds,
    Condition,
    EventsIs,
    MemberOf,
    Not,
    Segments,
    VisitorIs,
    leaves,
)
from algosync.profiles.facts import FACT_COLUMNS, Fact
from algosync.profiles.moments import epoch_day
from algosync.profiles.segments import NUMBER, bounds_hold
from algosync.profiles.verdicts import Person
from algosync.profiles.visitors import STATES, VISITS

_AMOUNTS: Final = ("count", "sum_price", "sum_discount")
_NO = ibis.literal(False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What segments are judged by.

    Args:
        facts: Of `batch_facts.facts`.
        scores: Of `segment_scores`, or any (person, facet, value, score, ...) that holds what conditions ask for.
        attributes: (person, key, value).
        visitors: (person, visit, state, ...): only these persons can be members.
    """

    facts: ir.Table
    scores: ir.Table
    attributes: ir.Table
    visitors: ir.Table


def segment_scores(
    events: ir.Table, item_values: ir.Table, rules: AffinityRules, segments: Segments, *, landmark: int
) -> ir.Table:
    """The scores (person, facet, value, sum, score, rank) that conditions on affinities ask for, and no others.

    Args:
        events: Identified events net of returns.
        item_values: (item, facet, value).
        rules: What counts; facets beyond these have no scores.
        segments: Whose conditions.
        landmark: See `batch_affinity.sums`.
    """
    tree = (leaf for segment in segments.items for leaf in leaves(segment.when))
    asked = [leaf for leaf in tree if isinstance(leaf, AffinityIs)]
    facets = tuple(facet for facet in rules.facets if any(leaf.facet == facet for leaf in asked))
    table = top_scores(events, item_values, replace(rules, facets=facets), landmark=landmark, top=None)
    wanted = [(table.facet == leaf.facet) & table["value"].isin(leaf.values) for leaf in dict.fromkeys(asked)]
    return table.filter(reduce(operator.or_, wanted, _NO))


def memberships(known: Known, segments: Segments, *, as_of: datetime) -> ir.Table:
    """(person, segment) for every segment a person is in, unordered."""
    found = dict.fromkeys(leaf for segment in segments.items for leaf in leaves(segment.when))
    wide, truths = _wide(known, list(found), segments, epoch_day(as_of))
    holds: dict[str, ir.Value] = {}
    for segment in segments.items:
        holds[segment.id] = _holds(segment.when, wide, truths, holds)
    if not holds:
        return wide.filter(_NO).select("person", segment=ibis.null("string"))
    held = [ibis.ifelse(truth, ibis.literal(name), ibis.null("string")) for name, truth in holds.items()]
    rows = wide.select("person", segment=ibis.array(held).unnest())
    return rows.filter(rows.segment.notnull())


def person_of(known: Known, person: int) -> Person | None:
    """One person's part of what segments are judged by; None for a stranger."""
    tables = (known.visitors.select("person", "visit", "state"), known.facts, known.scores, known.attributes)
    seen, facts, scores, attributes = (t.filter(t.person == person).to_pyarrow().to_pylist() for t in tables)
    if not seen:
        return None
    return Person(
        facts=tuple(Fact(*(row[name] for name in FACT_COLUMNS)) for row in facts),
        scores={(row["facet"], row["value"]): row["score"] for row in scores},
        attributes={row["key"]: row["value"] for row in attributes},
        visit=seen[0]["visit"],
        state=seen[0]["state"],
    )


def _wide(
    known: Known, found: list[Condition], segments: Segments, today: int
) -> tuple[ir.Table, dict[Condition, ir.Value]]:
    """Visitors with all that is known about each in one row, and the truth of each leaf on it."""
    parts = [
        _events_known(known.facts, [leaf for leaf in found if isinstance(leaf, EventsIs)], segments, today),
        _any_known(known.scores, [leaf for leaf in found if isinstance(leaf, AffinityIs)], _leans, "leaning"),
        _any_known(known.attributes, [leaf for leaf in found if isinstance(leaf, AttributeIs)], _has, "attribute"),
    ]
    wide = known.visitors.select("person", "visit", "state")
    for table, _ in parts:
        if table is not None:
            wide = wide.left_join(table, "person").drop("person_right")
    return wide, {leaf: truth(wide) for _, truths in parts for leaf, truth in truths.items()}


_Truths = dict[Condition, Callable[[ir.Table], ir.Value]]


def _events_known(
    facts: ir.Table, found: list[EventsIs], segments: Segments, today: int
) -> tuple[ir.Table | None, _Truths]:
    columns: dict[str, ir.Value] = {}
    truths: _Truths = {}
    for number, leaf in enumerate(found):
        rows = facts.leaf == segments.facts.index(leaf.fact)
        if leaf.within_days is not None:
            rows = rows & (facts.day >= today - leaf.within_days)
        names = [f"{name}_{number}" for name in _AMOUNTS]
        columns |= {name: facts[of].sum(where=rows) for name, of in zip(names, _AMOUNTS, strict=True)}
        truths[leaf] = partial(_amounts_hold, leaf.bounds, names)
    return (facts.group_by("person").agg(**columns) if columns else None), truths


def _amounts_hold(bounds: Bounds, names: list[str], wide: ir.Table) -> ir.Value:
    count, price, discount = (wide[name].fill_null(0) for name in names)
    return bounds_hold(bounds, count, price.cast("float64"), discount.cast("float64"))


def _any_known(
    rows: ir.Table, found: list[Any], test: Callable[[ir.Table, Any], ir.Value], prefix: str
) -> tuple[ir.Table | None, _Truths]:
    """One column per leaf: whether any of a person's rows passes the leaf's test."""
    columns = {
        f"{prefix}_{number}": test(rows, leaf).fill_null(False).cast("int8").max() for number, leaf in enumerate(found)
    }
    truths: _Truths = {leaf: partial(_is_set, name) for leaf, name in zip(found, columns, strict=True)}
    return (rows.group_by("person").agg(**columns) if columns else None), truths


def _is_set(name: str, wide: ir.Table) -> ir.Value:
    return wide[name].fill_null(0) == 1


def _leans(scores: ir.Table, leaf: AffinityIs) -> ir.Value:
    test = (scores.facet == leaf.facet) & scores["value"].isin(leaf.values) & (scores.score > 0)
    if leaf.score_min is not None:
        test = test & (scores.score >= leaf.score_min)
    return test if leaf.score_max is None else test & (scores.score <= leaf.score_max)


def _has(attributes: ir.Table, leaf: AttributeIs) -> ir.Value:
    test = attributes.key == leaf.key
    if leaf.values is not None:
        return test & attributes["value"].isin(leaf.values)
    number = attributes["value"].re_search(NUMBER)
    amount = ibis.ifelse(number, attributes["value"], ibis.null("string")).cast("float64")
    if leaf.least is not None:
        test = test & (amount >= leaf.least)
    return test if leaf.most is None else test & (amount <= leaf.most)


def _holds(
    condition: Condition, wide: ir.Table, truths: Mapping[Condition, ir.Value], others: Mapping[str, ir.Value]
) -> ir.Value:
    match condition:
        case AllOf(parts=parts):
            return reduce(operator.and_, [_holds(part, wide, truths, others) for part in parts])
        case AnyOf(parts=parts):
            return reduce(operator.or_, [_holds(part, wide, truths, others) for part in parts])
        case Not(part=part):
            return ~_holds(part, wide, truths, others)
        case MemberOf(segments=names):
            return reduce(operator.or_, [others[name] for name in names])
        case VisitorIs(visit=visit, state=state):
            fits = wide.visit.isin(visit or VISITS)
            return fits & wide.state.isin(state or STATES)
        case _:
            return truths[condition]
