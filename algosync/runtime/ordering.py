"""`algosync reset` and `algosync suppress`: who is meant, and the order that answers and runs heed from then on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from algosync.errors import RequestError
from algosync.events.log import EventLog
from algosync.runtime.opening import Opening
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.orders import OrderKind, give, given, standing
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.stores.state import State


def ordered(
    opening: Opening, kind: OrderKind, user: str, confirm: Callable[[Mapping[str, Any]], bool]
) -> dict[str, Any]:
    """Gives an order; see `Runtime.order`."""
    with ExitStack() as stack:
        state = stack.enter_context(opening.state(create=True))
        person, names = _meant(opening, state, kind, user)
        before = standing(given(state))
        held = sorted(name for name in names if name in before and before[name].suppressed)
        concerns = {"order": kind, "person": person, "tokens": sorted(names), "suppressed": held}
        pointless = (kind == "lift" and not held) or (kind == "suppress" and len(held) == len(names))
        if pointless or not confirm(concerns):
            return {**concerns, "given": False, "at": None}
        now = opening.clock()
        give(state, kind, person, names, now)
        return {**concerns, "given": True, "at": now.isoformat()}


def _meant(opening: Opening, state: State, kind: OrderKind, user: str) -> tuple[str, set[str]]:
    """The person that a customer id or token stands for, and all names that are hers alone.

    Raises:
        RequestError: Nobody of that name was ever seen.
    """
    with opening.state(create=False, book=SNAPSHOT) as opened:
        snapshot = Snapshot(opened)
        stored = snapshot.person(user)
        person = user if stored is None else str(stored["person"])
        names = {user, person, *(() if stored is None else snapshot.tokens_of(person))}
    earlier = [one for one in given(state) if user in (one.person, one.name)]
    if earlier and (stored is None or kind == "lift"):  # somebody suppressed is in no snapshot
        person = earlier[-1].person
        names |= {person, *(one.name for one in given(state) if one.person == person)}
    with opening.state(create=False, book=INBOX) as opened:
        events = [one.event for one in Inbox(opened).of_tokens([user], 0)]
    logins = [event["authenticatedUserToken"] for event in events if event.get("authenticatedUserToken")]
    if logins and person == user and user not in logins:
        person = str(logins[-1])
        names.add(person)
    if not earlier and stored is None and not events and not _in_log(state, user):
        hint = "Use a customer id or a token as your events have it; see `algosync explain`"
        raise RequestError("nothing is known of this user", where="user", hint=hint, status=404)
    return person, names


def _in_log(state: State, user: str) -> bool:
    return user in set(EventLog(state).ids("token")["value"].to_pylist())
