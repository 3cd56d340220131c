"""Settles what a broken-off run left open, from what Algolia holds.

What was *sent* is waited for, as long as its task can be. Then everything is read back and compared: of what was
only *intended* nobody knows whether it arrived, and a task's number says nothing about a server that was made anew.
What does not show is marked unsure, so that the next plan sends or deletes it again; Algolia does an index's writes
in their order. Must not write to Algolia: the client it takes cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from algosync.algolia.client import ReadClient
from algosync.algolia.reader import ATTRIBUTE, version
from algosync.errors import AlgoliaError, NotPublishedError
from algosync.payloads.encode import content_hash, dump
from algosync.sync.ledger import Ledger, Unfinished

_PATIENCE_S: Final = 600.0


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
        AlgoliaUnavailableError: Algolia does not answer; try again later.
        StoreError: The ledger failed.
    """
    rows = ledger.unfinished()
    _wait(tasks or client, sorted({(row.index, row.task_id) for row in rows if row.task_id is not None}))
    published = unsure = 0
    for group in _groups(rows):
        there = _read_back(client, group)
        same = [row for row, held in zip(group, there, strict=True) if held == row.hash]
        other = [row for row, held in zip(group, there, strict=True) if held != row.hash]
        ledger.found(same, now())
        ledger.unsure(other, now())
        published, unsure = published + len(same), unsure + len(other)
    return Recovered(published=published, unsure=unsure)


def _wait(client: ReadClient, tasks: Iterable[tuple[str, int]]) -> None:
    """Wait for tasks until they are published; once one took all patience, the others are asked about once."""
    patience = _PATIENCE_S
    for index, task_id in tasks:
        try:
            client.wait(index, task_id, timeout_s=patience)
        except NotPublishedError:
            patience = 0.0
        except AlgoliaError as error:
            if error.status not in (400, 404):  # the index or the server was made anew, and knows no such task
                raise


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
