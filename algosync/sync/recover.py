"""Settles what a broken-off run left open, and writes whose answer was lost, from what Algolia holds.

What was *sent* is waited for, but not long: a task that is not published is left under way, and so is everything
behind it, since Algolia does an index's writes in their order; the next run asks again. Then everything is read back
and compared: of what was only *intended* nobody knows whether it arrived, and a task's number says nothing about a
server that was made anew. What does not show is marked unsure, so that the next plan sends or deletes it again; what
the key may not look at is so after an hour. Must not write to Algolia: the client it takes cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, Protocol

from algosync.algolia.client import ReadClient
from algosync.algolia.reader import ATTRIBUTE, version
from algosync.errors import AlgoliaError, NotPublishedError
from algosync.payloads.encode import Family
from algosync.payloads.ours import document_hash
from algosync.sync.ledger import Ledger, Unfinished

_PATIENCE_S: Final = 30.0
LOST_AFTER: Final = timedelta(hours=1)
"""A task that is not published for so long never will be: what it wrote is sent again."""


class Written(Protocol):
    """An object that something was written of."""

    @property
    def index(self) -> str: ...  # noqa: D102
    @property
    def family(self) -> Family: ...  # noqa: D102
    @property
    def object_id(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was settled.

    Attributes:
        published: Writes that turned out to be there.
        unsure: Writes that did not; the next plan makes them again.
        waiting: Writes that Algolia has taken and not published, or that may be behind such; they are under way.
    """

    published: int
    unsure: int
    waiting: int = 0


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
    young = now() - LOST_AFTER
    open_ = _open(tasks or client, sorted({(row.index, row.task_id) for row in rows if row.task_id is not None}))
    busy = {row.index for row in rows if (row.index, row.task_id) in open_ and row.since > young}
    published = unsure = waiting = 0
    for group in _groups(rows):
        there = _seen(client, group)
        if there is None:
            lost = [row for row in group if row.since <= young]
            ledger.unsure(lost, now())
            unsure, waiting = unsure + len(lost), waiting + len(group) - len(lost)
            continue
        same = [row for row, held in zip(group, there, strict=True) if held == row.hash]
        other = [row for row, held in zip(group, there, strict=True) if held != row.hash]
        patient = [
            row.index in busy and (row.task_id is None or ((row.index, row.task_id) in open_ and row.since > young))
            for row in other
        ]
        lost = [row for row, waits in zip(other, patient, strict=True) if not waits]
        ledger.found(same, now(), uncounted=sum(row.task_id is None for row in same))
        ledger.unsure(lost, now())
        published, unsure, waiting = published + len(same), unsure + len(lost), waiting + sum(patient)
    return Recovered(published=published, unsure=unsure, waiting=waiting)


def _open(client: ReadClient, tasks: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Wait for tasks; once all patience is spent, the others are asked about once. Those that are not published."""
    patience, left = _PATIENCE_S, set()
    for index, task_id in tasks:
        try:
            patience -= client.wait(index, task_id, timeout_s=max(patience, 0.0))
        except NotPublishedError:
            patience = 0.0
            left.add((index, task_id))
        except AlgoliaError as error:
            # The index or the server was made anew, and knows no such task; or the key may not ask, as of an index that
            # is none of the shop's any more: what takes a permission that a run needs says so itself.
            if error.status not in (400, 403, 404):
                raise
    return left


def _seen(client: ReadClient, rows: Sequence[Unfinished]) -> list[str | None] | None:
    """What is there; None where the key may not look."""
    try:
        return read_back(client, rows)
    except AlgoliaError as error:
        if error.status != 403:
            raise
        return None


def _groups(rows: Sequence[Unfinished]) -> list[list[Unfinished]]:
    ordered = sorted(rows, key=lambda row: (row.index, row.family, row.object_id))
    return [list(group) for _, group in groupby(ordered, key=lambda row: (row.index, row.family))]


def read_back(client: ReadClient, rows: Sequence[Written]) -> list[str | None]:
    """For objects of one index and family the hashes of what is there.

    Raises:
        AlgoliaError: The client may not read them.
        AlgoliaUnavailableError: Algolia does not answer.
    """
    index, family = rows[0].index, rows[0].family
    if family == "rules":
        rules = (client.get_rule(index, row.object_id) for row in rows)
        return [None if rule is None else document_hash(rule) for rule in rules]
    attributes = [ATTRIBUTE] if family == "related" else None
    try:
        records = client.get_objects(index, [row.object_id for row in rows], attributes)
    except AlgoliaError as error:
        if error.status == 404:
            return [None] * len(rows)
        raise
    if family == "related":
        return [None if record is None else version(record) for record in records]
    return [None if record is None else document_hash(record) for record in records]
