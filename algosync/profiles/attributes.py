"""What is known about a person beside her behaviour: age, city, device, from events and from a users source.

Owns which of several values counts. Attributes are inputs of segments and stay local.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir


def attributes(events: ir.Table, users: ir.Table | None = None) -> ir.Table:
    """(person, key, value), one row per person and key, all text.

    A users source wins over the events' context: it was entered, the context only observed. Of a context key the
    latest value counts, and of equally late ones the least.

    Args:
        events: Identified events with a `context` map.
        users: (token, key, value) of a users source. A row is of the person to whom all the token's events belong;
            of the token's own person where they belong to several or there are none. Of several tokens of one
            person her own wins, then the lowest id.
    """
    seen = observed(events).drop("ts")
    if users is None:
        return seen
    told = entered(events, users)
    return told.union(seen.anti_join(told, ["person", "key"]))


def observed(events: ir.Table) -> ir.Table:
    """What the events' context says, and when last: (person, key, value, ts), one row per person and key."""
    told = events.filter(events.context.notnull()).select("person", "ts", "context")
    keyed = told.mutate(key=told.context.keys().unnest())
    rows = keyed.mutate(value=keyed.context.get(keyed.key)).filter(lambda t: t["value"].notnull())
    last = rows.group_by(["person", "key", "value"]).agg(ts=rows.ts.max())
    return _first(last, [ibis.desc("ts"), "value"])


def entered(events: ir.Table, users: ir.Table) -> ir.Table:
    """What a users source says: (person, key, value), one row per person and key; `attributes` says whose a row is."""
    pairs = events.select("token", "person").distinct()
    homes = pairs.group_by("token").agg(n_=pairs.count(), home_=pairs.person.max())
    homes = homes.filter(homes.n_ == 1).select("token", "home_")
    rows = users.filter(users["value"].notnull()).left_join(homes, "token").select("token", "key", "value", "home_")
    rows = rows.mutate(person=ibis.coalesce(rows.home_, rows.token.cast("int64")))
    rows = rows.mutate(other_=(rows.token.cast("int64") != rows.person).cast("int8"))
    return _first(rows, ["other_", "token", "value"]).select("person", "key", "value")


def _first(rows: ir.Table, order: list[ir.Value | str]) -> ir.Table:
    numbered = rows.mutate(nth_=ibis.row_number().over(group_by=["person", "key"], order_by=order))
    return numbered.filter(numbered.nth_ == 0).drop("nth_")
