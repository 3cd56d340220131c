"""`algosync remove`: everything of ours goes from Algolia again, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from algosync.algolia.client import ReadClient, WriteClient
from algosync.operate.drift import Place
from algosync.operate.looking import Eye, Seen, Where
from algosync.operate.remove import Declarations, Removal, declarations, leaving
from algosync.runtime.opening import Opening, Session
from algosync.runtime.pushing import send
from algosync.stores import control
from algosync.sync.plan import FAMILIES, There
from algosync.sync.recover import recover
from algosync.sync.setup import declare

_REASON = "algosync remove"

Confirm = Callable[[Removal], bool]
"""Shown what would go and what it costs, says whether to do it."""


def removed(opening: Opening, confirm: Confirm) -> Removal:
    """Takes away every record, Rule, attribute and facet declaration of ours, switched on or not.

    Pushing is paused from then on, so that no worker puts it back.

    Args:
        opening: What to work with.
        confirm: Asked before anything is sent; not where there is nothing to take away.

    Raises:
        AlgosyncError: What a push may fail for; run it again to go on.
    """
    with (
        opening.session((), writable=True) as session,
        opening.noted("remove", session) as note,
        opening.writer() as client,
    ):
        recover(session.hands.client, session.ledger, now=opening.clock, tasks=client)
        found = _found(session)
        if found.is_needed and confirm(found):
            control.tell(session.state, control.PAUSED, {"reason": _REASON, "by": _REASON}, opening.clock())
            found = _done(opening, session, client, found)
        note({**found.document(), "seconds": session.hands.stages.seconds}, None)
        return found


def _found(session: Session) -> Removal:
    rules, hands, ledger = session.rules, session.hands, session.ledger
    places = ledger.places()
    known: dict[Place, Mapping[str, str]] = {place: ledger.hashes(*place) for place in places}
    products = (*rules.indices, *_others(hands.client, places, ("related", "rules"), rules.indices))
    payloads = _others(hands.client, places, ("segments", "profiles"), (rules.payload_index,))
    with hands.stages.stage("look", "Looking for what is of ours") as advance:
        whole = Where(products=products, payloads=rules.payload_index, families=frozenset(FAMILIES))
        seen = Eye(hands.client, whole, known, advance).everything()
        for index in payloads:  # where the settings said once that they should be
            rest = Where(products=(), payloads=index, families=frozenset({"segments", "profiles"}))
            _add(seen, Eye(hands.client, rest, known, advance).everything())
    under_way = {(row.index, row.family, row.object_id) for row in ledger.unfinished()}
    drafted, gone, foreign = leaving(known, seen, rules.prices)
    return Removal(
        at=hands.now,
        plan=drafted,
        declarations=_declared(session, products),
        gone=tuple(row for row in gone if (row.index, row.family, row.object_id) not in under_way),
        foreign=foreign,
    )


def _done(opening: Opening, session: Session, client: WriteClient, found: Removal) -> Removal:
    held = There(observed={}, under_way=session.ledger.under_way())
    pushed = send(opening, session, found.plan, held, client, paused=True)
    session.ledger.found(found.gone, opening.clock())
    found = replace(found, confirmed=True, pushed=pushed)
    if found.left:
        return found
    # What the shop has declared while somebody was asked stays.
    for one in _declared(session, [one.index for one in found.declarations]):
        declare(client, one.index, one.after)
    return replace(found, declared=True)


def _declared(session: Session, indices: Iterable[str]) -> tuple[Declarations, ...]:
    return declarations({index: session.hands.client.get_settings(index) for index in indices})


def _others(
    client: ReadClient, places: list[Place], families: tuple[str, ...], named: tuple[str, ...]
) -> tuple[str, ...]:
    """Indices that the settings do not name any more and that we have written to; those that are there."""
    known = sorted({index for index, family in places if family in families} - set(named))
    return tuple(index for index in known if client.exists(index))


def _add(seen: Seen, more: Seen) -> None:
    seen.things.update(more.things)
    seen.records += more.records
