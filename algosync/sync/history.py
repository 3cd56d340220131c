"""How memberships changed since the last run, each change with the conditions that held or did not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from algosync.profiles.batch_segments import Known
from algosync.profiles.conditions import Segments
from algosync.profiles.facts import FACT_COLUMNS, Fact
from algosync.profiles.verdicts import Person, why
from algosync.stores.snapshot import Change
from algosync.sync.profiles import People, lent

REASONED_MAX = 20_000
"""Changes that are explained one by one; a new definition over millions of people is one reason for all."""

_IN_BULK = "with many others at once, as after a new definition; `algosync explain` shows the conditions of now"
_NO_LONGER_KNOWN = "no longer in profiles: consent was withdrawn, the shop ordered it, or no usable events are left"


def changes(
    backend: Backend,
    before: Iterable[tuple[str, str]],
    found: People,
    known: Known,
    segments: Segments,
    as_of: datetime,
) -> tuple[list[Change], list[Change]]:
    """Compares memberships with those of the last run.

    Args:
        backend: Where the tables are.
        before: (person, segment) by token, as the snapshot has them.
        found: Memberships found now.
        known: What segments were judged by.
        segments: Their definitions.
        as_of: The moment of the run.

    Returns:
        Who entered and who left, by person and segment.
    """
    names, members = found.names, found.members
    ids = {name: number for number, name in names.items()}
    now = {
        (names[person], segment)
        for person, segment in zip(members["person"].to_pylist(), members["segment"].to_pylist(), strict=True)
    }
    current = set(before)
    entered, left = sorted(now - current), sorted(current - now)
    moved = {ids[person] for person, _ in (*entered, *left) if person in ids}
    people = _people(backend, known, moved) if len(entered) + len(left) <= REASONED_MAX else None

    def explained(pairs: list[tuple[str, str]]) -> list[Change]:
        if people is None:
            return [Change(person=person, segment=segment, why=_IN_BULK) for person, segment in pairs]
        return [
            Change(person=p, segment=s, why=_reason(people.get(ids.get(p, -1)), s, segments, as_of)) for p, s in pairs
        ]

    return explained(entered), explained(left)


def _reason(person: Person | None, segment: str, segments: Segments, as_of: datetime) -> str:
    if person is None:
        return _NO_LONGER_KNOWN
    if segment not in segments.ids:
        return "the segment is no longer defined"
    return "; ".join(reason.text for reason in why(person, segment, segments, as_of=as_of))


def _people(backend: Backend, known: Known, persons: set[int]) -> dict[int, Person]:
    """What is known of each of some persons."""
    wanted = lent(backend, "people_moved", pa.table({"person": pa.array(sorted(persons), pa.int64())}))
    facts: dict[int, list[Fact]] = {}
    for person, *fact in _rows(known.facts, wanted, FACT_COLUMNS):
        facts.setdefault(person, []).append(Fact(*fact))
    scores: dict[int, dict[tuple[str, str], float]] = {}
    for person, facet, value, score in _rows(known.scores, wanted, ("facet", "value", "score")):
        scores.setdefault(person, {})[facet, value] = score
    told: dict[int, dict[str, str]] = {}
    for person, key, value in _rows(known.attributes, wanted, ("key", "value")):
        told.setdefault(person, {})[key] = value
    return {
        person: Person(
            facts=tuple(facts.get(person, ())),
            scores=scores.get(person, {}),
            attributes=told.get(person, {}),
            visit=visit,
            state=state,
        )
        for person, visit, state in _rows(known.visitors, wanted, ("visit", "state"))
    }


def _rows(table: ir.Table, wanted: ir.Table, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    found = table.semi_join(wanted, "person").select("person", *columns).to_pyarrow()
    return zip(*(found[name].to_pylist() for name in ("person", *columns)), strict=True)
