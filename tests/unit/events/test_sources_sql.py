from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import ConfigError, SourceError
from algosync.events.sources.sql import SqlSource, _Reading, _State, _without_password


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'shop.db'}"


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def source(url: str, **options) -> SqlSource:
    given = {"table": "orders", "cursor_column": "id"} | options
    return SqlSource(name="orders", url=url, **given)


def drain(made: SqlSource, cursor: str | None = None):
    batches = list(made.batches(cursor))
    rows = [row for batch in batches for row in batch.table.to_pylist()]
    places = [place for batch in batches for place in batch.positions.to_pylist()]
    return rows, places, batches[-1].cursor if batches else cursor


def test_only_what_is_new_is_read(url: str) -> None:
    execute(url, "create table orders (id integer, what text)", "insert into orders values (2,'b'),(1,'a'),(3,'c')")
    rows, places, cursor = drain(source(url, batch_rows=2))
    assert rows == [{"id": 1, "what": "a"}, {"id": 2, "what": "b"}, {"id": 3, "what": "c"}]
    assert places == ["orders:id=1#1", "orders:id=2#1", "orders:id=3#1"]
    assert drain(source(url), cursor) == ([], [], cursor)
    execute(url, "insert into orders values (4,'d')")
    assert drain(source(url), cursor)[:2] == ([{"id": 4, "what": "d"}], ["orders:id=4#1"])


def test_a_query_with_colons_and_a_semicolon(url: str) -> None:
    execute(url, "create table orders (id integer, at text)", "insert into orders values (1,'10:20'),(2,'x:y')")
    query = "select id, at || ' :end' as at from orders where at like '%:%' ;"
    assert drain(source(url, table=None, query=query))[0][1] == {"id": 2, "at": "x:y :end"}


def test_texts_of_times_and_lookback(url: str) -> None:
    execute(
        url,
        "create table orders (at text)",
        "insert into orders values ('2026-01-01 10:00:00'),('2026-01-03 10:00:00')",
    )
    options = {"cursor_column": "at", "lookback": timedelta(days=1)}
    rows, _, cursor = drain(source(url, **options))
    assert len(rows) == 2
    execute(url, "insert into orders values ('2026-01-02 12:00:00'),('2026-01-01 12:00:00')")
    rows, places, cursor = drain(source(url, **options), cursor)
    assert [row["at"] for row in rows] == ["2026-01-02 12:00:00", "2026-01-03 10:00:00"]
    assert places[1] == "orders:at=2026-01-03 10:00:00#1"
    assert drain(source(url, cursor_column="at"), cursor)[0] == []
    execute(url, "create table numbers (id integer)", "insert into numbers values (1)")
    _, _, cursor = drain(source(url, table="numbers"))
    with pytest.raises(ConfigError, match="lookback"):
        drain(source(url, table="numbers", lookback=timedelta(days=1)), cursor)


@given(
    rounds=st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=5),
    batch_rows=st.integers(1, 4),
    cut=st.integers(0, 30),
)
def test_rows_that_share_a_value_are_neither_lost_nor_doubled(tmp_path_factory, rounds, batch_rows, cut) -> None:
    """Steps 0-2 along the column, so that late rows share the last value; a run may end after any batch."""
    url = f"sqlite:///{tmp_path_factory.mktemp('sql') / 's.db'}"
    execute(url, "create table orders (id integer, what text)")
    value, number, cursor, found, places = 0, 0, None, [], []
    made = source(url, batch_rows=batch_rows)
    for steps in rounds:
        for step in steps:
            value += step
            number += step != 0 or number % 2
            execute(url, f"insert into orders values ({value}, 'w{number}')")
        for taken, batch in enumerate(made.batches(cursor)):
            if taken == cut:
                break
            found += [tuple(row.values()) for row in batch.table.to_pylist()]
            places += batch.positions.to_pylist()
            cursor = batch.cursor
    rows, rest, _ = drain(made, cursor)
    found += [tuple(row.values()) for row in rows]
    with sa.create_engine(url, poolclass=sa.pool.NullPool).connect() as connection:
        there = [tuple(row) for row in connection.exec_driver_sql("select * from orders")]
    assert sorted(found) == sorted(there)
    assert len({*places, *rest}) == len(there)


def test_too_many_rows_of_one_value_are_read_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("algosync.events.sources.sql._SEEN_MAX", 3)
    execute(url, "create table orders (id integer, n integer)", "insert into orders values (1,1),(1,2),(1,3),(1,4)")
    _, places, cursor = drain(source(url))
    execute(url, "insert into orders values (1,5)")
    rows, again, cursor = drain(source(url), cursor)
    assert [row["n"] for row in rows] == [1, 2, 3, 4, 5]
    assert again[:4] == places
    execute(url, "insert into orders values (2,6)")
    _, _, cursor = drain(source(url), cursor)
    assert drain(source(url), cursor)[0] == []


def test_types_of_a_database_and_mixed_ones(url: str) -> None:
    execute(
        url,
        "create table orders (id integer, price numeric, raw blob, any_)",
        "insert into orders values (1, 1.5, x'c3a9', 1), (2, null, null, 'two')",
    )
    (batch,) = source(url).batches(None)
    assert batch.table.schema.field("price").type == pa.float64()
    assert batch.table.column("any_").to_pylist() == ["1", "two"]


def test_null_cursor_values_are_left_out_and_told(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    execute(url, "create table orders (id integer)", "insert into orders values (null),(1)")
    assert drain(source(url))[0] == [{"id": 1}]
    assert "rows=1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"table": "none"}, "no such table"),
        ({"cursor_column": "none"}, "no such column"),
        ({"table": None, "query": "select id from"}, "syntax error"),
    ],
)
def test_what_the_database_refuses(url: str, options: dict, said: str) -> None:
    execute(url, "create table orders (id integer)", "insert into orders values (1)")
    with pytest.raises(SourceError, match=said) as caught:
        drain(source(url, **options))
    assert caught.value.__cause__ is None


def test_columns_of_one_name_are_refused(url: str) -> None:
    with pytest.raises(SourceError, match="columns with one name: id"):
        _Reading(source(url), _State()).batch(("id", "id"), [(1, 2)])


def test_the_password_is_told_nowhere() -> None:
    made = source("postgresql+psycopg://user:s3cret@127.0.0.1:1/shop")
    assert "s3cret" not in repr(made)
    with pytest.raises(SourceError, match="refused or is gone") as caught:
        drain(made)
    assert "s3cret" not in str(caught.value)
    assert caught.value.action == "retry"
    with pytest.raises(SourceError, match="driver is not installed"):
        drain(source("mysql+pymysql://user:s3cret@127.0.0.1/shop"))
    with pytest.raises(ConfigError, match="url") as refused:
        drain(source("s3cret"))
    assert "s3cret" not in str(refused.value)
    with pytest.raises(ConfigError, match="either table or query"):
        source("sqlite://", query="select 1")


def test_a_database_that_goes_away_leaves_what_was_read(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(url, "create table orders (id integer)", *(f"insert into orders values ({n})" for n in range(5)))
    batches = source(url, batch_rows=2).batches(None)
    first = next(batches)

    def gone(*_args):
        raise sa.exc.OperationalError("select", {}, Exception("server closed the connection"))

    monkeypatch.setattr(sa.CursorResult, "fetchmany", gone)
    with pytest.raises(SourceError, match="server closed"):
        next(batches)
    monkeypatch.undo()
    assert [row["id"] for row in drain(source(url), first.cursor)[0]] == [2, 3, 4]


def test_a_reader_that_stops_leaves_no_connection(url: str) -> None:
    execute(url, "create table orders (id integer)", "insert into orders values (1),(2)")
    batches = source(url, batch_rows=1).batches(None)
    next(batches)
    batches.close()
    execute(url, "drop table orders")  # SQLite refuses while somebody reads


@pytest.mark.parametrize("query", ["password=hunter22", "odbc_connect=UID%3Dsa%3BPWD%3Dhunter22"])
def test_a_password_in_the_query_is_not_shown(query: str) -> None:
    said = f"could not connect to db?{query} as hunter22"
    assert "hunter22" not in _without_password(said, f"postgresql+psycopg://shop@127.0.0.1/db?{query}")
