"""What is known about each visitor: seen when, how often, how deeply; new or returning; visitor, user or buyer.

Owns the visit and the state of a visitor and the evidence that readiness weighs. Knows no affinities.
"""

from __future__ import annotations

from datetime import datetime

import ibis
import ibis.expr.types as ir

from algosync.profiles.batch_moments import seconds_of
from algosync.profiles.moments import SESSION_GAP_S, epoch_seconds


def visitors(events: ir.Table, *, as_of: datetime, values: ir.Table | None = None) -> ir.Table:
    """One row per person.

    A session ends after 30 minutes of silence, whatever the devices. `visit` is what the person is at `as_of`: new
    in the first session, returning from 30 minutes of silence after it, since her next step starts the second one.
    `state` is buyer from the first purchase on, and stays so when it is returned; user from the first login on.
    Returns are not activity.

    Args:
        events: Identified events (`identity.usable`), returns included.
        as_of: The moment described, aware.
        values: Affinities, one row per person, facet and value, from which `values` is counted (the top ones of
            each facet do, where readiness asks for fewer); without them it is null.

    Returns:
        (person, first_seen, last_seen, events, sessions, active_seconds, products, values, authenticated,
        purchased, first_purchase, visit, state); `active_seconds` spans first to last event.
    """
    live = events.filter(events.quantity.fill_null(0) >= 0)
    people = _joined(_totals(live), _sessions(live))
    if values is None:
        people = people.mutate(values=ibis.null("int64"))
    else:
        people = _joined(people, values.group_by("person").agg(values=values.count()))
        people = people.mutate(values=people["values"].fill_null(0))
    return _judged(people, epoch_seconds(as_of))


def _joined(people: ir.Table, more: ir.Table) -> ir.Table:
    return people.left_join(more, "person").drop("person_right")


def _totals(events: ir.Table) -> ir.Table:
    bought = (events.kind == "purchase") & (events.quantity.fill_null(1) > 0)
    people = events.group_by("person").agg(
        first_seen=events.ts.min(),
        last_seen=events.ts.max(),
        events=events.count(),
        products=events.object.nunique(),
        authenticated=events.auth.count() > 0,
        first_purchase=events.ts.min(where=bought),
    )
    last = seconds_of(people.last_seen)
    return people.mutate(
        last_=last,
        active_seconds=last - seconds_of(people.first_seen),
        purchased=people.first_purchase.notnull(),
    )


def _sessions(events: ir.Table) -> ir.Table:
    steps = events.select("person", second_=seconds_of(events.ts))
    before = steps.second_.lag().over(group_by="person", order_by="second_")
    steps = steps.mutate(starts_=before.isnull() | (steps.second_ - before > SESSION_GAP_S))
    return steps.group_by("person").agg(sessions=steps.starts_.cast("int64").sum())


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
