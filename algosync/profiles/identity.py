"""Who an event belongs to, and which events may count for a person.

Streams are (user token, login epoch); one small table maps each to a person in one hop, so that a login joins and a
logout parts people without touching what was summed per stream. Owns consent and rate rules for profiles; it must
not know what is counted.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import ibis
import ibis.expr.types as ir

from algosync.profiles.batch_moments import seconds_of, whole_division
from algosync.profiles.moments import SESSION_GAP_S

_ORDER: Final = ("ts", "key_hi", "key_lo")
_ANONYMOUS: Final = -1
_DENIED: Final = "not_personalized"


def identify(events: ir.Table) -> ir.Table:
    """Add `person` (int64) and `epoch` (int32, from 0 per token) to events.

    An epoch starts at a login, after a logout, at another authenticated token and, once the token has logged in
    before, at each new anonymous session. Anonymous events before the first login are that login's person's; a later
    anonymous epoch is the next login's only where both lie in one session; else it is the token's own. A logout
    belongs to the epoch that it ends. The epoch of an event depends on earlier events alone, so that later ones
    never move it. Equal timestamps follow the event key.

    Args:
        events: Log rows (`schema.LOG`).
    """
    special = _special(events)
    plain = events.anti_join(special, "token").mutate(
        person=lambda t: t.token.cast("int64"), epoch=ibis.literal(0, "int32")
    )
    rows = _epochs(events.semi_join(special, "token"))
    parted = rows.join(_persons(rows), ["token", "epoch"])
    return plain.union(parted.select(plain.columns))


def standings(events: ir.Table) -> ir.Table:
    """How each token stands after its last event that ever saw a login or logout, as `streams.follow` says of one.

    Returns:
        (token, epoch, login, owner, logged_in_before, epoch_after_login, second, session_id), tokens as numbers.
    """
    rows = _epochs(events.semi_join(_special(events), "token"))
    began = (rows.start_ & rows.seen_).cast("int8").max().over(group_by=["token", "epoch"])
    latest = ibis.row_number().over(group_by="token", order_by=[ibis.desc(name) for name in _ORDER])
    rows = rows.mutate(began_=began, nth_=latest)
    rows = rows.filter(rows.nth_ == 0)
    return rows.select(
        *("token", "epoch"),
        login=_somebody(rows.state_),
        owner=_somebody(rows.own_),
        logged_in_before=rows.seen_,
        epoch_after_login=rows.began_ == 1,
        second=rows.second_,
        session_id=rows.session_id,
    )


def hinges(events: ir.Table) -> ir.Table:
    """The rows that hold identity together: with these and any others of them, every row is whose it was.

    They are, of tokens that ever saw a login or logout, the first of each epoch, each row that changes who is logged
    in, and all anonymous rows after a login, whose epochs are sessions: no two of one may come to lie further apart.

    Args:
        events: Log rows.

    Returns:
        (key_hi, key_lo).
    """
    rows = _epochs(events.semi_join(_special(events), "token"))
    changes = rows.after_.notnull() & (rows.before_.isnull() | (rows.after_ != rows.before_))
    loose = (rows.own_ < 0) & rows.seen_
    return rows.filter(rows.start_ | changes | loose).select("key_hi", "key_lo")


def unignored(events: ir.Table, *, events_per_hour_max: int | None = 1000) -> ir.Table:
    """Events that count in aggregates: without those flagged as ignored and those of tokens faster than people.

    Args:
        events: Log rows.
        events_per_hour_max: A token's events of a UTC hour that holds more of its events than this are left out;
            None for no limit.
    """
    kept = events.filter(~_ignored(events))
    if events_per_hour_max is None:
        return kept
    timed = kept.mutate(hour_=whole_division(seconds_of(kept.ts), 3600))
    return timed.anti_join(_fast_hours(kept, events_per_hour_max), ["token", "hour_"]).drop("hour_")


def known(events: ir.Table, *, as_of: datetime, events_per_hour_max: int | None = 1000) -> ir.Table:
    """Identified events that count at all, up to and including `as_of`; those without consent are still among them.

    Args:
        events: Log rows.
        as_of: Later events are not seen.
        events_per_hour_max: See `unignored`.
    """
    return identify(unignored(_until(events, as_of), events_per_hour_max=events_per_hour_max))


def consenting(identified: ir.Table, orders: ir.Table | None = None) -> ir.Table:
    """The events of `known` that may count towards a person's profile.

    Left out are events without consent, every event of a person whose latest explicit consent is
    `not_personalized`, every event of a person or token that the shop suppressed, whatever she chose, and those up
    to and including the moment at which the shop had a profile start anew. An order about a token holds for all that
    happens there, so that a later login brings nothing of it back.

    Args:
        identified: Events of `known`.
        orders: (named, suppressed, reset_at) of the people and tokens that an order names; None without any.
    """
    allowed = identified.filter(identified.excluded.isnull())
    allowed = allowed.anti_join(denied_persons(identified), "person")
    return allowed if orders is None else _obeying(allowed, orders)


def usable(events: ir.Table, *, as_of: datetime, events_per_hour_max: int | None = 1000) -> ir.Table:
    """`consenting` of `known`: all of identity in one step; `left_out` counts what is missing."""
    return consenting(known(events, as_of=as_of, events_per_hour_max=events_per_hour_max))


def _obeying(events: ir.Table, orders: ir.Table) -> ir.Table:
    return events.anti_join(_ordered_out(events, orders), ["key_hi", "key_lo"])


def _ordered_out(events: ir.Table, orders: ir.Table) -> ir.Table:
    """The events that an order about their person or their token keeps out, each once, with the `reason`."""
    held = orders.select(named_=orders.named, always_=orders.suppressed, until_=orders.reset_at)
    found = [events.join(held, events[key].cast("int64") == held.named_) for key in ("person", "token")]
    every = ibis.union(*found)
    every = every.filter(every.always_ | (every.ts <= every.until_).fill_null(False))
    said = every.group_by("key_hi", "key_lo").agg(always_=every.always_.any())
    reason = ibis.ifelse(said.always_, "suppressed by the shop", "before a reset by the shop")
    return said.select("key_hi", "key_lo", reason=reason)


def denied_persons(identified: ir.Table) -> ir.Table:
    """The (person) whose latest explicit consent is `not_personalized`; excluded rows speak here too."""
    refusals = identified.filter(identified.consent == _DENIED).select("person").distinct()
    spoken = identified.filter(identified.consent.notnull()).semi_join(refusals, "person")
    newest = ibis.row_number().over(group_by="person", order_by=[ibis.desc(name) for name in _ORDER])
    latest = spoken.mutate(nth_=newest)
    return latest.filter((latest.nth_ == 0) & (latest.consent == _DENIED)).select("person")


def left_out(
    events: ir.Table,
    *,
    as_of: datetime,
    events_per_hour_max: int | None = 1000,
    identified: ir.Table | None = None,
    orders: ir.Table | None = None,
) -> ir.Table:
    """How many events `usable` leaves out, as (reason, events); with its rows they add up to all events.

    Args:
        events: Log rows.
        as_of: As for `usable`.
        events_per_hour_max: As for `usable`.
        identified: `known` of these events, where it is at hand already.
        orders: As for `consenting`.
    """
    if identified is None:
        identified = known(events, as_of=as_of, events_per_hour_max=events_per_hour_max)
    seen = _until(events, as_of)
    late = events.filter(events.ts > as_of).mutate(reason=ibis.literal("after as_of"))
    flagged = seen.filter(_ignored(seen)).mutate(reason=lambda t: t.excluded)
    parts = [late, flagged]
    if events_per_hour_max is not None:
        kept = seen.filter(~_ignored(seen)).mutate(hour_=lambda t: whole_division(seconds_of(t.ts), 3600))
        fast = kept.semi_join(_fast_hours(kept, events_per_hour_max), ["token", "hour_"])
        parts.append(fast.mutate(reason=ibis.literal("ignored:rate")))
    parts.append(identified.filter(identified.excluded.notnull()).mutate(reason=lambda t: t.excluded))
    silent = identified.filter(identified.excluded.isnull()).semi_join(denied_persons(identified), "person")
    parts.append(silent.mutate(reason=ibis.literal("no_consent:withdrawn")))
    if orders is not None:
        parts.append(_ordered_out(consenting(identified), orders))
    every = ibis.union(*[part.select("reason") for part in parts])
    return every.group_by("reason").agg(events=every.count()).order_by("reason")


def breaks_session(events: ir.Table, window: ir.WindowBuilder) -> ir.BooleanValue:
    """Whether a new session starts at a row: another session_id than the row before, else 30 minutes of silence."""
    before = events.session_id.lag().over(window)
    gap = events.second_ - events.second_.lag().over(window)
    silent = gap > SESSION_GAP_S
    return ibis.ifelse(before.notnull() & events.session_id.notnull(), before != events.session_id, silent)


def _somebody(number: ir.Value) -> ir.Value:
    return ibis.ifelse(number >= 0, number, ibis.null("int64")).cast("int32")


def _until(events: ir.Table, as_of: datetime) -> ir.Table:
    return events.filter(events.ts <= as_of)


def _ignored(events: ir.Table) -> ir.BooleanValue:
    return events.excluded.startswith("ignored:").fill_null(False)


def _logout(events: ir.Table) -> ir.BooleanValue:
    return (events.event_name.lower() == "logout").fill_null(False)


def _special(events: ir.Table) -> ir.Table:
    return events.filter(events.auth.notnull() | _logout(events)).select("token").distinct()


def _fast_hours(events: ir.Table, limit: int) -> ir.Table:
    """Hours of a token beyond the limit; only tokens with that many events at all are looked at by the hour."""
    busy = events.group_by("token").agg(n_=events.count()).filter(lambda t: t.n_ > limit)
    timed = events.semi_join(busy, "token").mutate(hour_=lambda t: whole_division(seconds_of(t.ts), 3600))
    hours = timed.group_by(["token", "hour_"]).agg(n_=timed.count())
    return hours.filter(hours.n_ > limit).select("token", "hour_")


def _epochs(events: ir.Table) -> ir.Table:
    """Rows with `own_` (who is logged in, or -1), `seen_` (whether any login came before or now) and `epoch`."""
    window = ibis.window(group_by="token", order_by=_ORDER)
    running = ibis.cumulative_window(group_by="token", order_by=_ORDER)
    rows = events.mutate(second_=seconds_of(events.ts), out_=_logout(events))
    rows = rows.mutate(after_=ibis.ifelse(rows.out_, _ANONYMOUS, rows.auth.cast("int64")))
    # The state that a login or logout leaves holds until the next one: number the stretches, then spread it.
    rows = rows.mutate(stretch_=rows.after_.notnull().cast("int64").sum().over(running))
    rows = rows.mutate(state_=rows.after_.max().over(group_by=["token", "stretch_"]))
    rows = rows.mutate(before_=rows.state_.lag().over(window))
    leaving = ibis.coalesce(rows.auth.cast("int64"), rows.before_)
    rows = rows.mutate(own_=ibis.ifelse(rows.out_, leaving, rows.state_).fill_null(_ANONYMOUS))
    rows = rows.mutate(
        seen_=rows.own_.max().over(running) >= 0,
        last_=rows.own_.lag().over(window),
        break_=breaks_session(rows, window),
    )
    starts = rows.last_.isnull() | (rows.own_ != rows.last_) | ((rows.own_ < 0) & rows.seen_ & rows.break_)
    rows = rows.mutate(start_=starts)
    return rows.mutate(epoch=(rows.start_.cast("int32").sum().over(running) - 1).cast("int32"))


def _persons(rows: ir.Table) -> ir.Table:
    """The person of each (token, epoch), from the first row of each epoch and of the next one."""
    window = ibis.window(group_by="token", order_by="epoch")
    firsts = rows.filter(rows.start_)
    firsts = firsts.mutate(next_=firsts.own_.lead().over(window), apart_=firsts.break_.lead().over(window))
    joins = ~firsts.seen_ | ~firsts.apart_
    heir = ibis.ifelse((firsts.next_ >= 0) & joins, firsts.next_, firsts.token.cast("int64"))
    person = ibis.ifelse(firsts.own_ >= 0, firsts.own_, heir.fill_null(firsts.token.cast("int64")))
    return firsts.select("token", "epoch", person=person.cast("int64"))
