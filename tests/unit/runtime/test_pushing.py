"""What the budgets of an hour and of a day leave, whatever the clock did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import StaticPool, create_engine

from algosync.algolia.target import Target
from algosync.payloads.encode import Payload
from algosync.runtime.pushing import Allowance, allowance
from algosync.settings.models import Settings
from algosync.stores import tables
from algosync.sync.ledger import Ledger

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHOP = {"algolia": {"app_id": "APP", "indices": [{"name": "products"}]}}


@pytest.fixture
def ledger():
    engine = create_engine("sqlite://", poolclass=StaticPool)
    tables.metadata.create_all(engine)
    yield Ledger(engine, Target(app_id="APP"))
    engine.dispose()


def spend(ledger, operations, at):
    made = [
        Payload(family="segments", index="p", object_id=f"{at} {n}", hash="h", body=b"", summary="")
        for n in range(operations)
    ]
    ledger.sent(made, 1, at)


def left(ledger, at, **push):
    return allowance(Settings(**SHOP, push=push), ledger, at)


def test_midnight_gives_nothing_back(ledger):
    spend(ledger, 7, MIDNIGHT - HOUR / 2)
    spend(ledger, 2, MIDNIGHT + HOUR / 4)
    bounded = Allowance(operations=1, again=MIDNIGHT + timedelta(minutes=31), of="push.operations_per_hour")
    assert left(ledger, MIDNIGHT + HOUR / 3, operations_per_hour=10, operations_per_day=100) == bounded
    assert left(ledger, MIDNIGHT + HOUR / 3, operations_per_hour=10, operations_per_day=9).operations == 0


def test_what_a_clock_that_was_ahead_has_noted_does_not_count_for_ever(ledger):
    spend(ledger, 10, MIDNIGHT + 400 * DAY)
    assert left(ledger, MIDNIGHT, operations_per_hour=10, operations_per_day=20).operations == 10
    spend(ledger, 4, MIDNIGHT + HOUR / 2)  # as when an hour was put back
    assert left(ledger, MIDNIGHT, operations_per_hour=10, operations_per_day=20).operations == 6
