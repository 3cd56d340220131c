"""Gives a ledger back what it has lost: what is there of ours, where it knows nothing of it.

A state that was made anew finds the index full of what it wrote itself. Sent again, all of it would cost; unknown, it
would never be taken away. Must not talk to Algolia.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from algosync.payloads.encode import Family
from algosync.sync.ledger import Ledger
from algosync.sync.plan import UNSURE, There


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An object of ours, and the hash of what is there of it; None for nothing."""

    index: str
    family: Family
    object_id: str
    hash: str | None


def adopt(ledger: Ledger, there: There, at: datetime) -> int:
    """Note as published what was found of ours, in every family of an index of which the ledger says nothing.

    Args:
        ledger: Takes it in.
        there: What a plan is made from.
        at: Now.

    Returns:
        How many objects that were.

    Raises:
        StoreError: The ledger failed.
    """
    lost = [
        found
        for index, family in there.ledger
        if not ledger.knows(index, family)
        for found in _found(there, index, family)
    ]
    ledger.found(lost, at)
    return len(lost)


def _found(there: There, index: str, family: Family) -> Iterator[Found]:
    held = there.observed.get(index, {}) if family == "related" else there.ledger[index, family]
    for name, digest in held.items():
        if digest is not None and digest != UNSURE:
            yield Found(index=index, family=family, object_id=name, hash=digest)
