"""The overview stage of a run: what everybody together does, and ready people to preview the shop as.

Sums are over everybody; the people named are only such as may be personalized. Kept on the snapshot's shelf, where
nothing changes as long as no event does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

import orjson
from ibis.backends.duckdb import Backend

from algosync.profiles import overview
from algosync.profiles.batch_visitors import visitors
from algosync.profiles.conditions import Segments
from algosync.profiles.facts import MICRO
from algosync.profiles.visitors import STATES, VISITS
from algosync.stores.shelf import OVERVIEW, Stocktaking
from algosync.sync.digests import digest
from algosync.sync.profiles import Census

DAYS: Final = 28
"""Days of the overview's course, up to the last one with an event."""
SEGMENTS_PERSONIFIED: Final = 12
FORM: Final = 1
"""Of the document; another one is made anew though nothing else changed."""

_EPOCH: Final = date(1970, 1, 1)


def summed_up(
    backend: Backend,
    tables: Census,
    documents: Mapping[str, Mapping[str, Any]],
    segments: Segments,
    *,
    inputs: str,
    as_of: datetime,
) -> Stocktaking:
    """The overview, made where events, people or segments have changed; until then that of the last run holds.

    So who gave no consent goes from new to returning with the next change, not by the clock.

    Args:
        backend: Holds the tables, for as long as rows may be asked for.
        tables: Of the run.
        documents: Of the people who may be personalized, by token.
        segments: The shop's.
        inputs: Digest of the log, the memberships and the visitors.
        as_of: The moment of the run.
    """
    named = [(segment.id, segment.name, segment.priority) for segment in segments.items]
    return Stocktaking(
        mark=digest(FORM, inputs, named),
        rows=lambda: [(OVERVIEW, "", _document(backend, tables, documents, segments, as_of))],
    )


def _document(
    backend: Backend,
    tables: Census,
    documents: Mapping[str, Mapping[str, Any]],
    segments: Segments,
    as_of: datetime,
) -> str:
    steps = backend.create_table("overview_steps", overview.steps(tables.identified), temp=True)
    found = backend.create_table("overview_sessions", overview.sessions(steps), temp=True)
    summed = overview.by_state(found, overview.orders(steps)).to_pyarrow().to_pylist()
    everybody = tables.visitors if tables.identified is tables.events else visitors(tables.identified, as_of=as_of)
    counted = overview.visitor_counts(everybody).to_pyarrow().to_pylist()
    daily = overview.by_day(found).to_pyarrow().to_pylist()
    for table in ("overview_sessions", "overview_steps"):
        backend.con.execute(f"DROP TABLE {table}")
    document = {
        "people": sorted(counted, key=_order),
        "sessions": [{**row, "paid": row["paid"] / MICRO} for row in sorted(summed, key=_order)],
        "days": list(_course(daily)),
        "segments": list(_segments(documents, segments)),
        "personas": list(_personas(documents, segments)),
    }
    return orjson.dumps(document).decode()


def _order(row: Mapping[str, Any]) -> tuple[int, int]:
    return VISITS.index(row["visit"]), STATES.index(row["state"])


def _course(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every day of the course, also those without an event."""
    if not rows:
        return
    counts = {(row["day"], row["visit"]): row["sessions"] for row in rows}
    last = max(row["day"] for row in rows)
    for day in range(last - DAYS + 1, last + 1):
        yield {
            "day": (_EPOCH + timedelta(days=day)).isoformat(),
            **{visit: counts.get((day, visit), 0) for visit in VISITS},
        }


def _segments(documents: Mapping[str, Mapping[str, Any]], segments: Segments) -> Iterator[dict[str, Any]]:
    members = Counter(name for document in documents.values() for name in document["segments"])
    for segment in sorted(segments.items, key=lambda segment: (-segment.priority, segment.id)):
        yield {"id": segment.id, "name": segment.name, "members": members[segment.id]}


def _personas(documents: Mapping[str, Mapping[str, Any]], segments: Segments) -> Iterator[dict[str, str]]:
    """Of each segment, and of each kind of visitor, the ready person with most events; nobody twice."""
    lively = sorted((-doc["events"], person) for person, doc in documents.items() if doc["ready"])
    best: dict[str | tuple[str, str], str] = {}
    for _, person in lively:
        document = documents[person]
        for kind in (*document["segments"], (document["visit"], document["state"])):
            best.setdefault(kind, person)
    ranked = sorted(segments.items, key=lambda segment: (-segment.priority, segment.id))
    peopled = [segment for segment in ranked if segment.id in best][:SEGMENTS_PERSONIFIED]
    wanted: list[tuple[str | tuple[str, str], str]] = [(segment.id, segment.name) for segment in peopled]
    wanted += [((visit, state), f"{visit} {state}") for visit in VISITS for state in STATES]
    taken = set[str]()
    for kind, label in wanted:
        if (person := best.get(kind, "")) and person not in taken:
            taken.add(person)
            yield {"label": label, "person": person}
