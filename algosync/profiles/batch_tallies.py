"""The tallies of everybody at once, as JSON: what `tally` counts of one person, in the form of `tally_document`.

What is counted alone is a *part*: what is settled of a person, or what of hers is still open, the last epoch of a token
where that is anonymous, since the next login may take it over. Parts are numbered: twice the person, and one more
where it is open. Only expressions; which persons are counted is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from typing import Final

import ibis
import ibis.expr.types as ir
import orjson

from algosync.profiles.affinity import AffinityRules
from algosync.profiles.attributes import observed
from algosync.profiles.batch_affinity import allowed, sums_since
from algosync.profiles.batch_facts import facts
from algosync.profiles.batch_moments import month_starts, months_of, seconds_of, whole_division
from algosync.profiles.conditions import Segments
from algosync.profiles.moments import DAY_S, SESSION_GAP_S

_EVERY_DAY: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOW_BITS: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What parts are counted from.

    Args:
        events: `parted` events that may count towards profiles, returns included.
        net: The same without returns and what they took back.
        item_values: (item, facet, value).
        strings: (string, text): as JSON, every value of a facet that counts and all of the events' context.
        objects: (object, text): as JSON, what the products are called.
    """

    events: ir.Table
    net: ir.Table
    item_values: ir.Table
    strings: ir.Table
    objects: ir.Table


def parted(events: ir.Table, standings: ir.Table) -> ir.Table:
    """The events, `person` now the part that each belongs to.

    Args:
        events: Identified events with their `epoch`.
        standings: Of `identity.standings`, of the same events and those without consent; other tokens have one epoch.
    """
    last = standings.select("token", last_=standings.epoch, anonymous_=standings.owner.isnull())
    rows = events.left_join(last, "token")
    is_open = rows.last_.isnull() | (rows.anonymous_ & (rows.epoch == rows.last_))
    return rows.mutate(person=rows.person * 2 + is_open.cast("int64")).select(*events.columns)


def marks(events: ir.Table) -> ir.Table:
    """(part, mark), a sum over the events' keys and items in any order: other events, or others' facets, move it.

    Args:
        events: `parted` events.
    """
    low = (events.key_lo & ibis.literal(_LOW_BITS, "uint64")).cast("int64")
    high = (events.key_hi & ibis.literal(_LOW_BITS, "uint64")).cast("int64")
    # Below 2**40 each: a person's eight million events fit into 64 bits.
    mixed = (high + (low + 1) * (events.item.cast("int64").fill_null(0) + 1)) % 2**40
    return events.group_by(part=events.person).agg(mark=mixed.sum().cast("int64"))


def documents(counts: Counts, rules: AffinityRules, segments: Segments) -> ir.Table:
    """(part, doc): the tally of each part as `tally_document` lists it, carried to the month of its last event."""
    totals = _totals(counts.events)
    fields = {
        "sums": (_sums(counts, totals, rules), "[]"),
        "facts": (_facts(counts, totals, segments), "[]"),
        "spans": (_spans(_live(counts.events)), "[]"),
        "products": (_products(counts), "[]"),
        "context": (_context(counts), "{}"),
    }
    rows = totals
    for name, (table, _) in fields.items():
        rows = rows.left_join(table.rename({name: "text"}), "person").drop("person_right")
    told = [_text(rows.landmark), ("[" + _text(rows.first_) + "," + _text(rows.last_) + "]").fill_null("null")]
    told += [_text(rows.events), *(ibis.ifelse(rows[name], "1", "0") for name in ("authenticated", "purchased"))]
    told.append(ibis.literal(orjson.dumps(rules.facets).decode()))
    told += [(bounds[0] + rows[name] + bounds[1]).fill_null(bounds) for name, (_, bounds) in fields.items()]
    return rows.select(part=rows.person, doc="[" + reduce(lambda one, other: one + "," + other, told) + "]")


def _totals(events: ir.Table) -> ir.Table:
    live = _is_live(events)
    bought = live & (events.kind == "purchase").fill_null(False) & (events.quantity.fill_null(1) > 0)
    table = events.group_by("person").agg(
        first_=events.ts.min(where=live),
        last_=events.ts.max(where=live),
        latest_=seconds_of(events.ts).max(),
        events=live.cast("int64").sum(),
        authenticated=(live & events.auth.notnull()).any(),
        purchased=bought.any(),
    )
    return table.mutate(
        first_=table.first_.epoch_seconds().cast("float64"),
        last_=table.last_.epoch_seconds().cast("float64"),
        landmark=months_of(table.latest_),
    )


def _is_live(events: ir.Table) -> ir.BooleanValue:
    return events.quantity.fill_null(0) >= 0


def _live(events: ir.Table) -> ir.Table:
    return events.filter(_is_live(events))


def _sums(counts: Counts, totals: ir.Table, rules: AffinityRules) -> ir.Table:
    starts = totals.select("person", start_=month_starts(totals.landmark))
    net = counts.net.inner_join(starts, "person")
    values = allowed(counts.item_values, rules).inner_join(counts.strings, [("value", "string")])
    values = values.select("item", "facet", value=values.text)
    total = sums_since(net, values, replace(rules, never={}), start=net.start_)
    places = [(facet, f"{place},") for place, facet in enumerate(rules.facets)]
    place = total.facet.cases(*places, else_="") if places else ibis.literal("")
    lines = total.select("person", total_=total["sum"], line=place + total["value"])
    by_total = lines.group_by(["person", "total_"]).agg(lines_=_listed(lines.line))
    held = by_total.mutate(line="[" + _text(by_total.total_) + "," + by_total.lines_ + "]")
    return held.group_by("person").agg(text=_listed(held.line))


def _facts(counts: Counts, totals: ir.Table, segments: Segments) -> ir.Table:
    """Days that have left every window at the part's last event never come back, and are not kept."""
    rows = facts(counts.net, counts.item_values, segments, as_of=_EVERY_DAY)
    rows = rows.inner_join(totals.select("person", "latest_"), "person")
    windows = sorted(segments.windows.items())
    first = whole_division(rows.latest_, DAY_S) - (rows.leaf.cases(*windows, else_=0) if windows else 0)
    rows = rows.filter(rows.day.isnull() | (rows.day >= first))
    numbers = [_text(rows[name]).fill_null("null") for name in ("leaf", "day", "count", "sum_price", "sum_discount")]
    rows = rows.mutate(line="[" + reduce(lambda one, other: one + "," + other, numbers) + "]")
    return rows.group_by("person").agg(text=_listed(rows.line))


def _spans(live: ir.Table) -> ir.Table:
    order = ibis.window(group_by="person", order_by="second_")
    # Each second once: of two events in one, either window might have put the other first.
    steps = live.select("person", second_=seconds_of(live.ts)).distinct()
    before = steps.second_.lag().over(order)
    steps = steps.mutate(starts_=(before.isnull() | (steps.second_ - before > SESSION_GAP_S)).cast("int64"))
    running = ibis.cumulative_window(group_by="person", order_by="second_")
    steps = steps.mutate(number_=steps.starts_.sum().over(running))
    spans = steps.group_by(["person", "number_"]).agg(first_=steps.second_.min(), last_=steps.second_.max())
    spans = spans.mutate(line=_text(spans.first_) + "," + _text(spans.last_ - spans.first_))
    return spans.group_by("person").agg(text=_listed(spans.line))


def _products(counts: Counts) -> ir.Table:
    live = _live(counts.events)
    rows = live.select("person", "object").distinct().inner_join(counts.objects, "object")
    return rows.group_by("person").agg(text=_listed(rows.text))


def _context(counts: Counts) -> ir.Table:
    rows = observed(counts.events)
    moment = rows.ts.epoch_seconds().cast("float64")
    rows = rows.select("person", "key", "value", moment_=_text(moment))
    for name in ("key", "value"):
        written = counts.strings.select(**{f"{name}_string": "string", f"{name}_text": "text"})
        rows = rows.inner_join(written, [(name, f"{name}_string")])
    rows = rows.mutate(line=rows.key_text + ":[" + rows.moment_ + "," + rows.value_text + "]")
    return rows.group_by("person").agg(text=_listed(rows.line))


def _listed(lines: ir.Value) -> ir.Value:
    """The lines of a group, in no order: to sort them would cost a third of all this."""
    return lines.group_concat(",")


def _text(number: ir.Value) -> ir.Value:
    return number.cast("string")
