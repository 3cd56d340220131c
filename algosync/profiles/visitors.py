"""What is known about each visitor: seen when, how often, how deeply; new or returning; visitor, user or buyer.

Owns the visit and the state of a visitor and the evidence that readiness weighs. Knows no affinities.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import ibis
import ibis.expr.types as ir

from algosync.profiles.moments import SESSION_GAP_S, epoch_seconds, seconds_of, whole_division

Visit = Literal["new", "returning"]
State = Literal["visitor", "user", "buyer"]
VISITS: Final[tuple[Visit, ...]] = ("new", "returning")
STATES: Final[tuple[State, ...]] = ("visitor", "user", "buyer")


def visitors(events: ir.Table, *, as_of: datetime, values: ir.Table | None = None) -> ir.Table:
    """One row per person.

    A session ends after 30 minutes of silence, whatever the devices. `visit` is what the person is at `as_of`: new
    in the first session, returning from 30 minutes of silence after it, since her next step starts the second one.
    `state` is buyer from the first purchase on, and stays so when it is returned; user from the first login on.
    Returns are not activity.

    Args:
        events: Identified events (`identity.usable`), returns included.
        as_of: The moment described, aware.
        values: Affinity sums (person, facet, value, ...), from which `values` is counted; without them it is null.

    Returns:
        (person, first_seen, last_seen, events, sessions, active_seconds, products, values, authenticated,
        purchased, first_purchase, visit, state); `active_seconds` spans first to last event.
    """
    live = events.filter(events.quantity.fill_null(0) >= 0)
    people = _with_count(_activity(live), _products(live), "products").mutate(
        products=lambda t: t.products.fill_null(0)
    )
    if values is None:
        people = people.mutate(values=ibis.null("int64"))
    else:
        held = values.select("person", "facet", "value").distinct()
        people = _with_count(people, held.group_by("person").agg(values=held.count()), "values").mutate(
            values=lambda t: t["values"].fill_null(0)
        )
    return _judged(people, epoch_seconds(as_of))


def _products(events: ir.Table) -> ir.Table:
    pairs = events.filter(events.object.notnull()).select("person", "object").distinct()
    return pairs.group_by("person").agg(products=pairs.count())


def _with_count(people: ir.Table, counts: ir.Table, name: str) -> ir.Table:
    return people.left_join(counts, "person").select(*people.columns, name)


def _activity(events: ir.Table) -> ir.Table:
    """Everything but distinct counts, from half-hour buckets: no session ends within one, so few rows are sorted."""
    rows = events.mutate(second_=seconds_of(events.ts))
    rows = rows.mutate(bucket_=whole_division(rows.second_, SESSION_GAP_S))
    bought = (rows.kind == "purchase") & (rows.quantity.fill_null(1) > 0)
    buckets = rows.group_by(["person", "bucket_"]).agg(
        first_=rows.second_.min(),
        last_=rows.second_.max(),
        first_seen=rows.ts.min(),
        last_seen=rows.ts.max(),
        events=rows.count(),
        logins_=rows.auth.count(),
        first_purchase=rows.ts.min(where=bought),
    )
    window = ibis.window(group_by="person", order_by="bucket_")
    gap = buckets.first_ - buckets.last_.lag().over(window)
    buckets = buckets.mutate(starts_=(gap.isnull() | (gap > SESSION_GAP_S)).cast("int64"))
    return buckets.group_by("person").agg(
        first_seen=buckets.first_seen.min(),
        last_seen=buckets.last_seen.max(),
        last_=buckets.last_.max(),
        events=buckets.events.sum(),
        sessions=buckets.starts_.sum(),
        active_seconds=buckets.last_.max() - buckets.first_.min(),
        authenticated=buckets.logins_.sum() > 0,
        purchased=buckets.first_purchase.min().notnull(),
        first_purchase=buckets.first_purchase.min(),
    )


def _judged(people: ir.Table, now: int) -> ir.Table:
    fresh = (people.sessions == 1) & (now - people.last_ <= SESSION_GAP_S)
    known = ibis.ifelse(people.authenticated, "user", "visitor")
    judged = people.mutate(
        visit=ibis.ifelse(fresh, "new", "returning"), state=ibis.ifelse(people.purchased, "buyer", known)
    )
    return judged.select(
        "person",
        *("first_seen", "last_seen", "events", "sessions", "active_seconds", "products", "values"),
        *("authenticated", "purchased", "first_purchase", "visit", "state"),
    )
