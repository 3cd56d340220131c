"""The analytics engine keeps to its memory, and says in our words what it cannot do."""

from __future__ import annotations

import duckdb
import pytest

from algosync.errors import StoreError
from algosync.events.duck import engine, told


def threads(con: duckdb.DuckDBPyConnection) -> int:
    ((found,),) = con.execute("SELECT current_setting('threads')").fetchall()
    return int(found)


@pytest.mark.parametrize(("limit", "fed"), [("90MB", 1), ("250MB", 2), ("400 MB", 3), ("1.5GB", 12)])
def test_no_more_threads_than_the_memory_feeds(limit, fed):
    with duckdb.connect() as free, engine(limit) as con:
        assert threads(con) == min(threads(free), fed)


def test_running_out_of_memory_names_the_setting():
    with (
        engine("20MB") as con,
        pytest.raises(StoreError, match=r"state\.memory_limit.*out of memory") as caught,
        told(),
    ):
        con.execute("SELECT string_agg(i::TEXT, ',') FROM range(20000000) t(i)").fetchall()
    assert "Raise state.memory_limit" in str(caught.value.hint)


def test_a_folder_that_cannot_be_used_is_no_bug_of_ours(tmp_path):
    with engine("1GB") as con, pytest.raises(StoreError, match="DuckDB refused"), told():
        con.execute("COPY (SELECT 1) TO '" + str(tmp_path / "none" / "at.parquet") + "'")


def test_what_else_goes_wrong_stays_as_it_is():
    with engine("1GB") as con, pytest.raises(duckdb.CatalogException), told():
        con.execute("SELECT * FROM nowhere")
