"""Where products come from, and what is observed of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from ibis import duckdb as ibis_duckdb

from algosync.catalog.build import build
from algosync.catalog.rules import CatalogRules, FacetRule, PriceBand
from algosync.events.schema import CLEAN
from algosync.events.writer import ScratchWriter
from algosync.stores.state import memory_state
from algosync.sync.catalog import EventStock, FixedStock, counted, needed_attributes, read_indices
from algosync.sync.pull import NO_EVENTS

RULES = CatalogRules(
    id="sku",
    group="parent.id",
    available="in_stock:true AND status:live",
    text=("name", "details.material"),
    facets={
        "brand": FacetRule(attribute="brand"),
        "price_band": FacetRule(attribute="price", derived=PriceBand(edges=(10,))),
    },
)


INDICES = {
    "de": [[{"objectID": "1", "name": "a", "algosync": {"v": "x"}}], [{"objectID": "2", "name": "b"}]],
    "fr": [[{"objectID": "2", "name": "c", "algosync": {"v": "y"}}]],
}


class Algolia:
    """Two indices, as a client browses them."""

    def __init__(self):
        self.asked = []

    def browse(self, index, attributes):
        self.asked.append((index, attributes))
        for page in INDICES[index]:
            yield [dict(record) for record in page]


def test_every_index_is_read_once_with_the_needed_attributes_alone():
    client, seen = Algolia(), []
    versions, batches = read_indices(client, ["de", "fr"], ["name"], progress=seen.append)
    records = [record for batch in batches for record in batch]
    assert [record["name"] for record in records] == ["a", "b", "c"]
    assert all("algosync" not in record for record in records)
    assert versions == {"de": {"1": "x", "2": None}, "fr": {"2": "y"}}
    assert client.asked == [("de", ["name", "algosync.v"]), ("fr", ["name", "algosync.v"])]
    assert seen == [1, 1, 1]


def test_what_the_rules_read_is_asked_for_and_no_more():
    names = ["brand", "details.material", "in_stock", "name", "parent.id", "price", "sku", "status"]
    assert needed_attributes(RULES) == names
    assert needed_attributes(CatalogRules()) == ["price"]


def test_batches_are_counted_as_they_pass():
    seen = []
    assert list(counted([[{}, {}], [{}]], seen.append)) == [[{}, {}], [{}]]
    assert seen == [2, 1]


def test_a_fixed_catalog_is_the_same_whatever_the_events():
    stock = FixedStock(build([[{"objectID": "1", "price": 5}]], CatalogRules()))
    assert stock.refs(NO_EVENTS)["id"].to_pylist() == ["1"]
    assert stock.catalog().object_id.to_pylist() == ["1"]


@pytest.fixture
def stock(tmp_path):
    backend = ibis_duckdb.connect()
    state = memory_state(tmp_path)
    writer = ScratchWriter(state)
    yield EventStock(writer.log, backend.con, RULES)
    writer.close()
    state.close()
    backend.disconnect()


def test_a_catalog_of_the_events_own_products_grows_with_them(stock):
    assert len(stock.catalog()) == 0
    row = {"object_id": "7", "ts": datetime(2026, 11, 1, tzinfo=UTC), "product": '{"brand": "Acme", "price": 12}'}
    accepted = pa.Table.from_pylist([row, {"object_id": None, "ts": row["ts"], "product": None}], schema=CLEAN)
    refs = stock.refs(accepted).to_pylist()
    assert [(ref["id"], ref["price"]) for ref in refs] == [("7", 12.0)]
    assert {facet["value"] for facet in refs[0]["facets"]} == {"Acme", "10+"}
    assert len(stock.catalog()) == 0  # not appended yet
