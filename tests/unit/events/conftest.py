"""Canonical batches made by hand, a DuckDB connection and a state, for the tests of cleaning and of the log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from algosync.events.schema import FACET_VALUES, FIELDS, PRODUCT_REFS
from algosync.stores.state import State, open_state

TYPES = {"facet_filters": pa.list_(pa.string()), "context": pa.map_(pa.string(), pa.string())}


@dataclass(frozen=True)
class Bad:
    position: str
    content: str
    reason: str
    incomplete: bool = False


@dataclass(frozen=True)
class Batch:
    table: pa.Table
    positions: pa.Array
    bad: tuple[Bad, ...]
    rows: tuple[dict, ...]
    steps: int = 0

    def raw_json(self, rows):
        return [json.dumps(self.rows[number], default=str) for number in rows]


def make_batch(rows, *, bad=(), types=None, positions=None, steps=0) -> Batch:
    """Rows with some of FIELDS; `types` overrides the Arrow type of a column, text otherwise."""
    types = {**TYPES, **(types or {})}
    columns = {name: pa.array([row.get(name) for row in rows], types.get(name, pa.string())) for name in FIELDS}
    places = positions if positions is not None else [f"f:{number}" for number in range(len(rows))]
    return Batch(pa.table(columns), pa.array(places, pa.string()), tuple(bad), tuple(rows), steps)


def make_products(**facets: dict[str, str]) -> pa.Table:
    """A catalog: product id to its facet values; the price is 10 times its place."""
    rows = [
        {
            "id": name,
            "price": 10.0 * place,
            "digest": json.dumps(values),
            "facets": [{"facet": facet, "value": value} for facet, value in sorted(values.items())],
        }
        for place, (name, values) in enumerate(facets.items(), start=1)
    ]
    return pa.Table.from_pylist(rows, schema=PRODUCT_REFS)


@pytest.fixture(scope="session")
def batch() -> Callable[..., Batch]:
    return make_batch


@pytest.fixture(scope="session")
def bad_row() -> Callable[..., Bad]:
    return Bad


@pytest.fixture(scope="session")
def catalog() -> Callable[..., pa.Table]:
    assert PRODUCT_REFS.field("facets").type == FACET_VALUES
    return make_products


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture
def state(state_url: str, tmp_path: Path) -> Iterator[State]:
    with open_state(state_url, tmp_path / "state", create=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def served(answering):
    """One server for all tests of a module; each puts an API of its own behind it: (place, url), `place["api"]`."""
    place = {}

    def tell(*request):
        return place["api"](*request)

    with answering(tell) as url:
        yield place, url
