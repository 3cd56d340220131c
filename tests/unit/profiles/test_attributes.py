from __future__ import annotations

import ibis
import pyarrow as pa
import pytest

from algosync.profiles.attributes import attributes
from algosync.profiles.identity import identify


@pytest.fixture
def users():
    def make(*rows: tuple) -> ibis.Table:
        schema = pa.schema([("token", pa.int32()), ("key", pa.string()), ("value", pa.string())])
        return ibis.memtable(
            pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)
        )

    return make


def context(**values):
    return {"context": list(values.items())}


def test_the_latest_value_of_each_key_counts(log, rows):
    events = log(
        context(country="FR", device="phone"),
        context(country="DE", device=None),
        {},
        {"token": 2, **context(device="tv")},
    )
    assert rows(attributes(identify(events))) == [(1, "country", "DE"), (1, "device", "phone"), (2, "device", "tv")]


def test_a_users_source_wins_over_context(log, rows, users):
    events = identify(log(context(age="30", city="Ulm")))
    assert rows(attributes(events, users((1, "age", "31"), (1, "city", None)))) == [
        (1, "age", "31"),
        (1, "city", "Ulm"),
    ]


def test_rows_of_a_device_go_to_its_only_person(log, rows, users):
    events = identify(log({"token": 1}, {"token": 1, "auth": 11}, {"token": 2, "auth": 11}, {"token": 2, "auth": 12}))
    told = users((1, "city", "Ulm"), (2, "city", "Bonn"), (7, "city", "Rome"))
    assert rows(attributes(events, told)) == [(11, "city", "Ulm"), (2, "city", "Bonn"), (7, "city", "Rome")]


def test_a_persons_own_row_wins_over_those_of_her_devices(log, rows, users):
    events = identify(log({"token": 1, "auth": 11}, {"token": 2, "auth": 11}))
    told = users((1, "age", "1"), (2, "age", "2"), (11, "age", "3"), (2, "city", "b"), (1, "city", "z"))
    assert rows(attributes(events, told)) == [(11, "age", "3"), (11, "city", "z")]
