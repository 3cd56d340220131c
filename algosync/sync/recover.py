"""Settles what a broken-off run left open, from what Algolia holds.

What was *sent* is waited for. Of what was only *intended* nobody knows whether it arrived: it is read back and
compared; what does not show is marked unsure, so that the next plan sends or deletes it again. Must not write to
Algolia: the client it takes cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from algosync.algolia.client import ReadClient
from algosync.algolia.reader import ATTRIBUTE, version
from algosync.errors import AlgoliaError
from algosync.payloads.encode import content_hash, dump
from algosync.sync.ledger import Ledger, Unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was settled.

    Attributes:
        published: Writes that turned out to be there.
        unsure: Writes that did not; the next plan makes them again.
    """

    published: int
    unsure: int


def recover(
    client: ReadClient, ledger: Ledger, *, now: Callable[[], datetime], tasks: ReadClient | None = None
) -> Recovered:
    """Settle every unfinished row of the ledger; call it before the ledger is read for a plan.

    Args:
        client: Reads records (search) and rules (settings).
        ledger: Rows of the same application and hosts as the client's.
        now: The clock, for the ledger's rows.
        tasks: Asked about tasks alone, which takes the permission addObject; `client` if None.

    Raises:
        AlgoliaUnavailableError: Algolia does not answer, or a write is still under way; try again later.
        StoreError: The ledger failed.
    """
    rows = ledger.unfinished()
    shown = [row for row in rows if row.task_id is None]
    published = 0
    for index, task_id, group in _tasks(rows):
        if _arrived(tasks or client, index, task_id):
            ledger.published(group, now())
            published += len(group)
        else:
            shown.extend(group)
    unsure = 0
    for group in _groups(shown):
        there = _read_back(client, group)
        same = [row for row, held in zip(group, there, strict=True) if held == row.hash]
        other = [row for row, held in zip(group, there, strict=True) if held != row.hash]
        ledger.published(same, now())
        ledger.unsure(other, now())
        published, unsure = published + len(same), unsure + len(other)
    return Recovered(published=published, unsure=unsure)


def _tasks(rows: Iterable[Unfinished]) -> list[tuple[str, int, list[Unfinished]]]:
    tasks: dict[tuple[str, int], list[Unfinished]] = {}
    for row in rows:
        if row.task_id is not None:
            tasks.setdefault((row.index, row.task_id), []).append(row)
    return [(index, task_id, group) for (index, task_id), group in sorted(tasks.items(), key=lambda t: t[0])]


def _arrived(client: ReadClient, index: str, task_id: int) -> bool:
    try:
        client.wait(index, task_id)
    except AlgoliaError as error:
        if error.status in (400, 404):  # the index or the server was made anew, and knows no such task
            return False
        raise
    return True


def _groups(rows: Sequence[Unfinished]) -> list[list[Unfinished]]:
    ordered = sorted(rows, key=lambda row: (row.index, row.family, row.object_id))
    return [list(group) for _, group in groupby(ordered, key=lambda row: (row.index, row.family))]


def _read_back(client: ReadClient, rows: Sequence[Unfinished]) -> list[str | None]:
    """For rows of one index and family the hashes of what is there."""
    index, family = rows[0].index, rows[0].family
    if family == "rules":
        return [_hash(client.get_rule(index, row.object_id)) for row in rows]
    attributes = [ATTRIBUTE] if family == "related" else None
    try:
        records = client.get_objects(index, [row.object_id for row in rows], attributes)
    except AlgoliaError as error:
        if error.status == 404:
            return [None] * len(rows)
        raise
    if family == "related":
        return [None if record is None else version(record) for record in records]
    return [_hash(record) for record in records]


def _hash(document: dict[str, Any] | None) -> str | None:
    if document is None:
        return None
    return content_hash(dump({key: value for key, value in document.items() if not key.startswith("_")}))
