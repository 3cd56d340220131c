"""The search that proves an erasure: it finds what is there, in whatever form, and takes nobody else for her."""

from __future__ import annotations

import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert

from algosync.errors import StoreError
from algosync.operate.search import Names, Sought, search_bytes, search_parquet, search_tables
from algosync.stores import snapshot_tables, tables
from algosync.stores.snapshot import SNAPSHOT
from algosync.stores.state import open_state

ANNA = Names(every=("anna-4711",))


@pytest.fixture
def state(state_url, tmp_path):
    with open_state(state_url, tmp_path / "state", create=True) as opened:
        yield opened


@pytest.fixture
def snapshot(state_url, tmp_path):
    with open_state(state_url, tmp_path / "state", create=True, book=SNAPSHOT) as opened:
        yield opened


def put(state, table, **row):
    with state.write() as connection:
        connection.execute(insert(table).values(**row))


def found(state, names, metadata=tables.metadata):
    sought = Sought()
    search_tables(state, (metadata,), names, sought)
    return dict(sought.found), sought


def test_she_is_found_in_texts_in_json_and_in_what_is_compressed(state, snapshot):
    put(state, tables.runs, command="sync", started_at="x", outcome="anna-4711 was in the way", report="{}")
    put(snapshot, snapshot_tables.entered, person="ben", doc='{"friend":"anna-4711"}')
    put(snapshot, snapshot_tables.tallies, name="ben", kind="settled", doc=zlib.compress(b'["anna-4711"]'))
    assert found(state, ANNA)[0] == {"table runs, column outcome": 1}
    assert found(snapshot, ANNA, snapshot_tables.metadata)[0] == {
        "table entered, column doc": 1,
        "table tallies, column doc": 1,
    }


def test_somebody_elses_name_that_holds_hers_is_not_hers(state):
    put(state, tables.ids, kind="token", id=1, value="joanna-4711")
    put(state, tables.ids, kind="token", id=2, value="anna-47110")
    nothing, sought = found(state, ANNA)
    assert nothing == {}
    assert sought.part_of == {"anna-4711"}  # bytes would not tell them apart


def test_a_name_that_says_little_is_sought_where_people_are_named(state, snapshot):
    names = Names(every=("42",))
    put(state, tables.ids, kind="object", id=1, value="42")
    put(state, tables.runs, command="sync", started_at="x", outcome="42 rows", report="{}")
    put(snapshot, snapshot_tables.memberships, person="ben", segment="s", entered_at="x", why="42 views")
    assert found(state, names)[0] == {}
    assert found(snapshot, names, snapshot_tables.metadata)[0] == {}
    put(state, tables.ids, kind="token", id=1, value="42")
    put(snapshot, snapshot_tables.standings, token="tablet", owner="ben", doc='{"login":"42"}')
    assert found(state, names)[0] == {"table ids, column value": 1}
    assert found(snapshot, names, snapshot_tables.metadata)[0] == {"table standings, column doc": 1}


def test_a_name_that_a_product_has_too_is_such_a_name(state):
    names = Names(every=("book-4711",), product=frozenset({"book-4711"}))
    put(state, tables.control, key="x", value='"book-4711"', at="x")
    assert found(state, names)[0] == {}
    assert names.telling == ()
    assert not names.mentioned("book-4711")
    assert names.without("book-4711", "?") == "book-4711"


def test_parquet_is_read_to_the_last_nested_text(tmp_path):
    nested = pa.array([{"a": [{"b": "x"}, {"b": "anna-4711"}]}, {"a": []}])
    mapped = pa.array([[("device", "anna-4711")], None], pa.map_(pa.string(), pa.string()))
    table = pa.table({"n": [1, 2], "nested": nested, "mapped": mapped, "plain": ["joanna-4711", None]})
    pq.write_table(table, tmp_path / "one.parquet", use_dictionary=["plain"], compression="zstd")
    sought = Sought()
    search_parquet(tmp_path, ANNA, sought)
    assert set(sought.found) == {"file one.parquet, column nested", "file one.parquet, column mapped"}
    assert sought.part_of == {"anna-4711"}
    (tmp_path / "two.parquet").write_bytes(b"no parquet")
    with pytest.raises(StoreError, match=r"two\.parquet"):
        search_parquet(tmp_path, ANNA, Sought())


def test_bytes_are_found_across_the_pieces_in_which_files_are_read(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * ((1 << 20) - 4) + b"anna-4711" + b"y" * 100)
    (tmp_path / "other").write_bytes(b"anna-471")
    sought = Sought()
    search_bytes(tmp_path, ANNA, sought)
    assert dict(sought.found) == {"file deep/file, as bytes": 1}
    assert sought.files == 2
    sought = Sought(part_of={"anna-4711"})
    search_bytes(tmp_path, ANNA, sought)
    assert sought.document(ANNA)["clean"]
    search_bytes(tmp_path, ANNA, empty := Sought(), leave_out=("file",))
    assert empty.document(ANNA)["found"] == []


def test_the_words_by_which_tables_were_made_are_nobodys(tmp_path):
    """A file of SQLite says "table" and then "tallies"."""
    names = Names(every=("tablet",))
    with open_state("sqlite", tmp_path, create=True, book=SNAPSHOT) as snapshot:
        _, sought = found(snapshot, names, snapshot_tables.metadata)
        search_bytes(tmp_path, names, sought)
    assert sought.document(names)["clean"]
