"""`algosync verify`: what is really at Algolia against the ledger and what should be there, and the repair."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from algosync.algolia.client import WriteClient
from algosync.operate.drift import Place, corrections
from algosync.operate.looking import Eye, Seen, Where
from algosync.operate.verify import Certificate, Desired, Draw, draw, judged
from algosync.runtime.opening import Opening, Session
from algosync.runtime.pushing import held_back, send
from algosync.stores.certificates import keep_certificate
from algosync.sync.cycle import Fresh, know, make_payloads, read_catalog
from algosync.sync.ledger import Ledger
from algosync.sync.plan import There
from algosync.sync.recover import recover

_AS_LAST_KNOWN: Final = Fresh(catalog=False, related=False, events=False)

Confirm = Callable[[Certificate], bool]
"""Shown what was found and what would be sent, says whether to send it."""


def verified(
    opening: Opening, *, sample: int | None = None, repair: bool = False, confirm: Confirm = lambda _: True
) -> Certificate:
    """Looks at what is there, keeps the certificate, and puts right what was found if that is asked for.

    Args:
        opening: What to work with.
        sample: Look at so many records, drawn at random, and at every Rule; None for everything.
        repair: Put it right.
        confirm: Asked before anything is sent.

    Raises:
        AlgosyncError: Algolia may not be read, or the state not be used; with `repair`, what a push may fail for.
    """
    with ExitStack() as stack:
        session = stack.enter_context(opening.session((), writable=True))
        note = stack.enter_context(opening.noted("verify", session))
        client = stack.enter_context(opening.writer()) if repair else None
        if client is not None:
            recover(session.hands.client, session.ledger, now=opening.clock, tasks=client)
        certificate, held = _certificate(session, sample)
        if client is not None:
            certificate = _repaired(opening, session, client, certificate, held, confirm)
        certificate = replace(certificate, requests=session.hands.client.requests)
        document = certificate.document()
        keep_certificate(session.state, certificate.at, document)
        note({**document, "seconds": session.hands.stages.seconds}, None)
        return certificate


def recorded(ledger: Ledger, where: Where) -> dict[Place, dict[str, str]]:
    """The ledger's hashes, by index and family, wherever things of ours may be."""
    places: list[Place] = [(index, family) for index in where.products for family in ("related", "rules")]
    places += [(where.payloads, "segments"), (where.payloads, "profiles")]
    return {place: ledger.hashes(*place) for place in places if place[1] in where.families}


def _certificate(session: Session, sample: int | None) -> tuple[Certificate, There]:
    rules, hands, ledger = session.rules, session.hands, session.ledger
    where = Where(products=rules.indices, payloads=rules.payload_index, families=rules.families)
    published, under_way = recorded(ledger, where), _under_way(ledger, where)
    chosen = None if sample is None else draw(published, under_way, sample, hands.now.isoformat())
    with hands.stages.stage("look", "Looking at what is there") as advance:
        eye = Eye(hands.client, where, published, advance)
        seen = eye.everything() if chosen is None else eye.some(chosen.chosen)
    wanted = _desired(session, seen, chosen)
    held = replace(wanted.there, under_way=under_way, refused=ledger.refusals.known())
    return judged(hands.now, published, seen, replace(wanted, there=held), chosen), held


def _under_way(ledger: Ledger, where: Where) -> dict[Place, dict[str, str | None]]:
    found: dict[Place, dict[str, str | None]] = {}
    for row in ledger.unfinished():
        if row.family in where.families:
            found.setdefault((row.index, row.family), {})[row.object_id] = row.hash
    return found


def _desired(session: Session, seen: Seen, chosen: Draw | None) -> Desired:
    """What should be there, of what is known already: nothing is pulled, and no list is found anew."""
    rules, hands = session.rules, session.hands
    observed, stock = read_catalog(rules, hands, _AS_LAST_KNOWN)
    products = {index: dict(known) for index, known in observed.versions.items()}
    if "related" in rules.families:
        for index, known in products.items():
            here = seen.products[index]
            gone = seen.absent.get(index, set())
            products[index] = here if chosen is None else {n: h for n, h in known.items() if n not in gone} | here
    observed = replace(observed, versions=products)
    found, _ = know(rules, hands, stock, observed, _AS_LAST_KNOWN)
    wanted = make_payloads(rules, hands, found, observed)
    return Desired(
        payloads=wanted.payloads,
        there=There(observed=products),
        prices=rules.prices,
        families=rules.families,
        oversize=frozenset(wanted.oversize),
    )


def _repaired(
    opening: Opening, session: Session, client: WriteClient, found: Certificate, held: There, confirm: Confirm
) -> Certificate:
    """Tells the ledger what is there, then sends what differs from what should be."""
    todo = found.plan.operations
    if todo and not confirm(found):
        return replace(found, notes=("nothing was repaired: it was not confirmed",))
    why = held_back(opening, session) if todo else None
    rows = corrections(found.findings, sending=why is None)
    session.ledger.found(rows, opening.clock())
    found = replace(found, corrected=len(rows))
    if why is not None:
        return replace(found, notes=(f"nothing was sent: {why}",))
    return replace(found, pushed=send(opening, session, found.plan, held, client))
