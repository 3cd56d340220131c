"""Products out of files and databases."""

from __future__ import annotations

import gzip
import sqlite3

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from algosync.catalog.files import read_files
from algosync.catalog.sql import read_sql
from algosync.errors import SourceError

PRODUCTS = [{"objectID": "1", "name": "Äpfel, rot"}, {"objectID": "2"}, {"objectID": "3", "name": "c"}]


def _read(path, **options):
    return list(read_files(str(path), **options))


def _without_nulls(batches):
    return [{k: v for k, v in record.items() if v is not None} for batch in batches for record in batch]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.json", '[{"objectID":"1","name":"Äpfel, rot"},{"objectID":"2"},{"objectID":"3","name":"c"}]'),
        ("p.jsonl", '{"objectID":"1","name":"Äpfel, rot"}\n\n{"objectID":"2"}\r\n{"objectID":"3","name":"c"}'),
        ("p.csv", '\ufeffobjectID,name\r\n1,"Äpfel, rot"\r\n2,\r\n3,c\r\n'),
    ],
)
def test_text_files_plain_and_compressed(tmp_path, name, content):
    (tmp_path / name).write_bytes(content.encode())
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
    assert _read(tmp_path / name, rows=2) == [PRODUCTS[:2], PRODUCTS[2:]]
    assert _read(tmp_path / f"{name}.gz") == [PRODUCTS]


def test_parquet_and_many_files_by_name(tmp_path):
    for i, product in enumerate(reversed(PRODUCTS)):
        pq.write_table(pa.Table.from_pylist([product | {"tags": ["x"]}]), tmp_path / f"{9 - i}.parquet")
    batches = _read(f"file://{tmp_path}/*.parquet")
    assert [r["objectID"] for r in _without_nulls(batches)] == ["1", "2", "3"]
    assert batches[0][0]["tags"] == ["x"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.json", b'{"objectID": "1"}'),
        ("p.json", b"[1, 2]"),
        ("p.json", b'[{"objectID": '),
        ("p.jsonl", b'{"objectID": "1"}\nnonsense'),
        ("p.csv", b"objectID,name\n1,\xff\xfe\n"),
        ("p.csv", b"objectID,name\n1,a,b\n"),
        ("p.parquet", b"PAR1 but no"),
        ("p.json.gz", gzip.compress(b"[]", mtime=0)[:-9]),
        ("p.txt", b"?"),
    ],
)
def test_files_that_are_not_what_they_say_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=name):
        _read(tmp_path / name)


@pytest.mark.parametrize("path", ["absent.json", "absent-*.json", "nowhere://x/p.json"])
def test_no_file_is_an_error(tmp_path, path):
    with pytest.raises(SourceError):
        _read(path if "://" in path else tmp_path / path)


@pytest.fixture
def database(tmp_path):
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("create table products (objectID text, price real)")
    connection.executemany("insert into products values (?, ?)", [("1", 9.5), ("2", None), ("3", 1)])
    connection.commit()
    connection.close()
    return f"sqlite:///{tmp_path / 'shop.db'}"


def test_products_from_a_table_or_query(database):
    first, second = read_sql(database, table="products", rows=2)
    assert first == [{"objectID": "1", "price": 9.5}, {"objectID": "2", "price": None}]
    assert second == [{"objectID": "3", "price": 1.0}]
    query = "select objectID from main.products where price > 5"
    assert list(read_sql(database, query=query)) == [[{"objectID": "1"}]]
    assert sum(map(len, read_sql(database, table="main.products"))) == 3


def test_database_errors_do_not_tell_the_url(database):
    for options in ({"table": "absent"}, {"query": "nonsense"}, {}, {"table": "a", "query": "b"}):
        with pytest.raises(SourceError) as caught:
            list(read_sql(database, **options))
        assert "shop.db" not in str(caught.value)
    with pytest.raises(SourceError) as caught:
        list(read_sql("nosuch://user:secret@host/db", table="x"))
    assert "secret" not in str(caught.value)
