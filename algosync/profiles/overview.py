"""What everybody together does: sessions, how many of them end at once, how many buy, and for how much.

Counts aggregates only: no row is about somebody. Events without consent are among them (`identity.known`), those of
robots and staff are not. Returns are no activity, and take nothing back from an order: it is worth what was ordered.
"""

from __future__ import annotations

from typing import Final

import ibis
import ibis.expr.types as ir

from algosync.profiles.batch_moments import seconds_of, whole_division
from algosync.profiles.facts import MICRO, MICRO_MAX
from algosync.profiles.moments import DAY_S, SESSION_GAP_S

_NEVER: Final = 2**62
_ORDER: Final = ("ts", "key_hi", "key_lo")


def steps(events: ir.Table) -> ir.Table:
    """Every event with the session of its person that it is in.

    A session ends after 30 minutes of silence, whatever the devices (as in `batch_visitors.visitors`).

    Args:
        events: Identified events (`identity.known`), returns included.

    Returns:
        (person, session, day, login, bought, order_id, paid): `session` counts from 1, `day` is the UTC day since 1970,
        `login` and `bought` say what the event is, `paid` is price times quantity in millionths of the base currency, 0
        where it is no purchase or has no price.
    """
    live = events.filter(events.quantity.fill_null(0) >= 0)
    timed = live.mutate(second_=seconds_of(live.ts))
    window = ibis.window(group_by="person", order_by=_ORDER)
    before = timed.second_.lag().over(window)
    timed = timed.mutate(starts_=(before.isnull() | (timed.second_ - before > SESSION_GAP_S)).cast("int64"))
    running = ibis.cumulative_window(group_by="person", order_by=_ORDER)
    bought = ((timed.kind == "purchase") & (timed.quantity.fill_null(1) > 0)).fill_null(False)
    amount = timed.price.fill_null(0.0) * timed.quantity.fill_null(1) * MICRO
    micro = amount.clip(-MICRO_MAX, MICRO_MAX).round().cast("int64")
    return timed.select(
        "person",
        session=timed.starts_.sum().over(running).cast("int64"),
        day=whole_division(timed.second_, DAY_S),
        login=timed.auth.notnull(),
        bought=bought,
        order_id=timed.order_id,
        paid=ibis.ifelse(bought, micro, 0),
    )


def sessions(steps: ir.Table) -> ir.Table:
    """One row per session: what the visitor was when it began, and what came of it.

    `visit` is new in a person's first session, returning in later ones. `state` tells what earlier sessions made of
    her: buyer after a purchase, user after a login, visitor else; so that the session of a first purchase counts as
    one of a visitor or user who bought. A session *bounces* that has one event and no purchase; it *converts* with a
    purchase.

    Args:
        steps: Of `steps`.

    Returns:
        (person, session, day, visit, state, bounced, converted); `day` is the day of its first event.
    """
    told = steps.group_by(["person", "session"]).agg(
        day=steps.day.min(), events=steps.count(), login=steps.login.any(), converted=steps.bought.any()
    )
    whole = ibis.window(group_by="person")
    first_login = ibis.ifelse(told.login, told.session, _NEVER).min().over(whole)
    first_purchase = ibis.ifelse(told.converted, told.session, _NEVER).min().over(whole)
    known = ibis.ifelse(first_login < told.session, "user", "visitor")
    return told.select(
        "person",
        "session",
        "day",
        visit=ibis.ifelse(told.session == 1, "new", "returning"),
        state=ibis.ifelse(first_purchase < told.session, "buyer", known),
        bounced=(told.events == 1) & ~told.converted,
        converted=told.converted,
    )


def orders(steps: ir.Table) -> ir.Table:
    """One row per order: (person, session, paid), by the session in which it began.

    Lines of one person with one order id are one order; without an id, those of one session are.

    Args:
        steps: Of `steps`.
    """
    lines = steps.filter(steps.bought)
    lines = lines.mutate(alone_=ibis.ifelse(lines.order_id.isnull(), lines.session, 0))
    made = lines.group_by(["person", "order_id", "alone_"]).agg(session=lines.session.min(), paid=lines.paid.sum())
    return made.select("person", "session", paid=made.paid.cast("int64"))


def by_state(sessions: ir.Table, orders: ir.Table) -> ir.Table:
    """Sums per visit and state: the numbers behind bounce rate, conversion and order value.

    Bounce rate is bounces / sessions, conversion is converted / sessions, the mean order value is paid / orders.

    Args:
        sessions: Of `sessions`.
        orders: Of `orders`.

    Returns:
        (visit, state, sessions, bounces, converted, orders, paid); `paid` in millionths.
    """
    bought = orders.group_by(["person", "session"]).agg(orders=orders.count(), paid=orders.paid.sum())
    rows = sessions.left_join(bought, ["person", "session"])
    found = rows.group_by(["visit", "state"]).agg(
        sessions=rows.count(),
        bounces=rows.bounced.sum(),
        converted=rows.converted.sum(),
        orders=rows.orders.fill_null(0).sum(),
        paid=rows.paid.fill_null(0).sum(),
    )
    numbers = ("sessions", "bounces", "converted", "orders", "paid")
    return found.select("visit", "state", **{name: found[name].cast("int64") for name in numbers})


def by_day(sessions: ir.Table) -> ir.Table:
    """(day, visit, sessions), one row per UTC day and visit that has any."""
    return sessions.group_by(["day", "visit"]).agg(sessions=sessions.count())


def visitor_counts(visitors: ir.Table) -> ir.Table:
    """(visit, state, people): how many people are what at present.

    Args:
        visitors: Of `batch_visitors.visitors`, over all identified events.
    """
    return visitors.group_by(["visit", "state"]).agg(people=visitors.count())
