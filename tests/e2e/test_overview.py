"""The overview of a real run: on the shelf, of everybody, and untouched by a run that finds nothing new."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import orjson
import pytest

pytestmark = pytest.mark.e2e


def _overview(shop: Any) -> dict[str, Any]:
    with closing(sqlite3.connect(shop.state / "snapshot.sqlite")) as connection:
        ((document,),) = connection.execute("SELECT doc FROM shelf WHERE kind = 'overview'")
    return orjson.loads(document)


def _generation(shop: Any) -> Any:
    return shop.runtime().status()["snapshot"]["generation"]


def test_everybody_counts_and_those_may_be_looked_at_who_may_be_personalized(synced: Any) -> None:
    before = _overview(synced)
    assert sum(row["people"] for row in before["people"]) == 6
    assert sum(row["sessions"] for row in before["sessions"]) == 11
    assert [(row["orders"], row["paid"]) for row in before["sessions"] if row["orders"]] == [(5, 3 * 53 + 2 * 1398)]
    assert [persona["person"] for persona in before["personas"]] == ["reader-1", "caller-1"]
    withdrawn = {"at": "2026-11-18T10:05:00Z", "what": "view", "product": "book-1", "consent": "not_personalized"}
    synced.events([{**withdrawn, "who": "reader-1"}])
    synced.sync()
    after = _overview(synced)
    assert sum(row["people"] for row in after["people"]) == 6
    assert sum(row["sessions"] for row in after["sessions"]) == 12
    assert [persona["person"] for persona in after["personas"]] == ["reader-2", "caller-1"]
    assert [segment["members"] for segment in after["segments"]] == [2, 2]


def test_a_quiet_run_leaves_it_alone(synced: Any) -> None:
    before, generation = _overview(synced), _generation(synced)
    synced.now += timedelta(minutes=5)
    synced.sync()
    assert (_overview(synced), _generation(synced)) == (before, generation)
