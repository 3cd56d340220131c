"""The quarantine commands: rows of events that were turned away, and payloads that Algolia refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from algosync.errors import ConfigError, StoreError
from algosync.events import quarantine
from algosync.runtime.opening import Opening, Session
from algosync.stores.state import State
from algosync.sync.cycle import read_catalog
from algosync.sync.pull import Intake, retry
from algosync.sync.refusals import Refusal, Refusals
from algosync.sync.report import pulled_document


def listed(opening: Opening, source: str | None, limit: int) -> dict[str, Any]:
    """What was turned away; of one source rows alone."""
    with opening.state(create=False) as state:
        which = quarantine.Which(source=source)
        counted = quarantine.counts(state, which)
        refused: Sequence[Refusal] = () if source is not None else _refusals(opening, state).listed()
        return {
            "reasons": [{"source": s, "reason": r, "rows": n} for s, r, n in counted],
            "rows": [asdict(row) for row in quarantine.listed(state, which, limit=limit)],
            "total": sum(n for _, _, n in counted),
            "payloads": [_document(one) for one in refused[:limit]],
            "payloads_total": len(refused),
        }


def shown(opening: Opening, name: str) -> dict[str, Any]:
    """One row by its number, or one payload by its name.

    Raises:
        StoreError: There is none such.
    """
    with opening.state(create=False) as state:
        if name.isdecimal():
            return asdict(quarantine.shown(state, int(name)))
        for one in _refusals(opening, state).listed():
            if one.name == name:
                return _document(one)
    raise StoreError(f"nothing named '{name}' is in quarantine", hint="See `algosync quarantine list`")


def retried(opening: Opening, source: str | None, *, payloads: bool) -> dict[str, Any]:
    """Takes rows through mapping and judgement again, and lets payloads be sent again.

    Args:
        opening: What to work with.
        source: Rows of one source, and no payloads; None for all.
        payloads: Payloads alone.
    """
    with opening.session((), writable=True) as session, opening.noted("quarantine retry", session) as note:
        report = {} if payloads else _rows(session, source)
        refusals = session.ledger.refusals
        report["readmitted"] = 0 if source is not None else refusals.drop(refusals.listed())
        report["seconds"] = session.hands.stages.seconds
        note(report, None)
        return report


def _rows(session: Session, source: str | None) -> dict[str, Any]:
    known = [one for one in session.rules.sources if source in (None, one.source.name)]
    if source is not None and not known:
        raise ConfigError(f"no source is named '{source}'", where="--source")
    hands = session.hands
    _, stock = read_catalog(session.rules, hands)
    with hands.stages.stage("pull", "Trying rows again") as advance:
        con, gone = hands.backend.con, hands.forgotten
        intake = Intake(con=con, writer=hands.writer, products=stock, advance=advance, forgotten=gone)
        return pulled_document(retry(known, session.state, intake))


def _refusals(opening: Opening, state: State) -> Refusals:
    return Refusals(state.engine, opening.target)


def _document(one: Refusal) -> dict[str, Any]:
    return {"name": one.name, **asdict(one), "at": one.at.isoformat()}
