"""The commands that read and compute, and push nothing: pull, a new read of the catalog, rebuild."""

from __future__ import annotations

from typing import Any

from algosync.events.refacet import refacet as give_facets
from algosync.runtime.opening import Opening
from algosync.sync.cycle import EVERYTHING, Fresh, keep, know, last_stock, read_catalog, read_events
from algosync.sync.pull import NO_EVENTS
from algosync.sync.report import knowledge_document, pulled_document


def pulled(opening: Opening, fresh: Fresh = EVERYTHING) -> dict[str, Any]:
    """Takes what is new in the sources into the log.

    Without a fresh catalog the last read tells the products: Algolia is asked nothing, and may be down.
    """
    with opening.session((), writable=True) as session, opening.noted("pull", session) as note:
        known = None if fresh.catalog else last_stock(session.rules, session.hands)
        stock = known or read_catalog(session.rules, session.hands)[1]
        report = pulled_document(read_events(session.rules, session.hands, stock))
        report["seconds"] = session.hands.stages.seconds
        note(report, None)
        return report


def catalog_read(opening: Opening) -> dict[str, Any]:
    """Reads the product indices, if any has changed, for the runs that take the last read."""
    with opening.session((), writable=True) as session, opening.noted("catalog", session) as note:
        observed, stock = read_catalog(session.rules, session.hands)
        catalog = stock.catalog()
        if observed.reading is not None:
            session.hands.results.save_read(catalog, observed.versions, observed.reading)
        report = {
            "changed": observed.reading is not None,
            "products": len(catalog),
            "indices": {index: len(there) for index, there in observed.versions.items()},
            "warnings": list(catalog.warnings),
            "seconds": session.hands.stages.seconds,
        }
        note(report, None)
        return report


def rebuilt(opening: Opening, *, refacet: bool = False, fresh: Fresh = EVERYTHING) -> dict[str, Any]:
    """Builds profiles, segments and related items anew from the log."""
    with opening.session((), writable=True) as session, opening.noted("rebuild", session) as note:
        observed, stock = read_catalog(session.rules, session.hands, fresh)
        con = session.hands.backend.con
        changed = give_facets(session.state, con, stock.refs(NO_EVENTS)) if refacet else 0
        found, unknown = know(session.rules, session.hands, stock, observed, fresh)
        moved = keep(session.hands, found, observed)
        report = knowledge_document(found, unknown) | {
            "changed": moved,
            "refaceted": changed,
            "seconds": session.hands.stages.seconds,
        }
        made_by = opening.keep_settings(session, observed)
        note({**report, **made_by}, found.as_of.isoformat())
        return report
