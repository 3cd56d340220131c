"""Whose a token's events are, one event after the other: what `identity.identify` says of all, for one token.

A standing is all that must be kept of a token to go on from, so that events that have just come are placed as the
batch will place them. Owns no clock and no storage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from algosync.profiles.moments import SESSION_GAP_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What an event says of who is there.

    Args:
        second: Whole seconds since 1970.
        login: The authenticated token; None where it has none.
        is_logout: Whether it is named "logout", in any letter case.
        session_id: If the source has one.
    """

    second: int
    login: str | None = None
    is_logout: bool = False
    session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a token stands after its last event.

    Args:
        epoch: Of that event; -1 where there was none.
        login: Who is logged in now.
        owner: Whose the epoch is: an authenticated token, or None while it is anonymous.
        logged_in_before: Whether anybody was logged in at any time.
        epoch_after_login: Whether anybody was when the epoch began.
        second: When that event was.
        session_id: That event's.
    """

    epoch: int = -1
    login: str | None = None
    owner: str | None = None
    logged_in_before: bool = False
    epoch_after_login: bool = False
    second: int = 0
    session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an event belongs.

    Args:
        epoch: Its epoch.
        owner: Whose epoch it is; None for the token's own.
        takes_over: It starts an epoch whose owner takes the anonymous epoch before it too.
    """

    epoch: int
    owner: str | None
    takes_over: bool = False


NOBODY = Standing()
"""How a token stands before its first event."""


def follow(standing: Standing, signs: Iterable[Sign]) -> tuple[list[Place], Standing]:
    """Place events that come after a standing.

    Args:
        standing: How the token stood; NOBODY at first.
        signs: In the order of their time.

    Returns:
        A place for each, and how the token stands then.
    """
    places = []
    for sign in signs:
        place, standing = _next(standing, sign)
        places.append(place)
    return places, standing


def _next(before: Standing, sign: Sign) -> tuple[Place, Standing]:
    present = sign.login or before.login
    login = None if sign.is_logout else present
    # A logout belongs to the epoch that it ends.
    owner = present if sign.is_logout else login
    breaks = before.epoch >= 0 and _breaks(before, sign)
    logged_in = before.logged_in_before or owner is not None
    starts = before.epoch < 0 or owner != before.owner or (owner is None and logged_in and breaks)
    after = replace(
        before,
        epoch=before.epoch + starts,
        login=login,
        owner=owner,
        logged_in_before=logged_in,
        epoch_after_login=logged_in if starts else before.epoch_after_login,
        second=sign.second,
        session_id=sign.session_id,
    )
    anonymous_before = starts and before.epoch >= 0 and before.owner is None and owner is not None
    takes_over = anonymous_before and not (before.epoch_after_login and breaks)
    return Place(epoch=after.epoch, owner=owner, takes_over=takes_over), after


def _breaks(before: Standing, sign: Sign) -> bool:
    if before.session_id is not None and sign.session_id is not None:
        return before.session_id != sign.session_id
    return sign.second - before.second > SESSION_GAP_S
