"""Whatever the moments at which a growing file is read: each of its rows comes once."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.events.sources import lines
from algosync.events.sources.files import FilesSource

cells = st.text(st.sampled_from('abé,"\n'), max_size=5)
tables = st.lists(st.tuples(cells, cells), max_size=12)


def quoted(cell: str, *, always: bool) -> str:
    plain = not always and not set(cell) & {",", '"', "\n"}
    return cell if plain else '"' + cell.replace('"', '""') + '"'


def follow(path: Path, content: bytes, cuts: list[int], pack=lambda data: data, **options):
    """Read after each cut; return positions with rows, bad rows that are not incomplete, and the incomplete ones."""
    source = FilesSource(name="s", path=str(path), **options)
    cursor, found, bad, cut = None, [], [], []
    for number, end in enumerate([*sorted(cuts), len(content)]):
        path.write_bytes(pack(content[:end]))
        os.utime(path, ns=(number, number))
        for batch in source.batches(cursor):
            found += zip(batch.positions.to_pylist(), batch.table.to_pylist(), strict=True)
            bad += [row for row in batch.bad if not row.incomplete]
            cut += [row for row in batch.bad if row.incomplete]
            cursor = batch.cursor
    return found, bad, cut


@pytest.mark.parametrize("pack", [lambda data: data, lambda data: gzip.compress(data, 1)])
@given(values=tables, always=st.booleans(), end=st.sampled_from(["\n", "\r\n"]), data=st.data())
def test_csv_in_any_chunks_gives_each_row_once(tmp_path_factory, pack, values, always, end, data) -> None:
    head = "x,y"
    # The last column is always quoted here: until its quote is closed nobody can take the line for whole.
    body = "".join(f"{quoted(x, always=always)},{quoted(y, always=True)}{end}" for x, y in values)
    content = f"{head}{end}{body}".encode()
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=6))
    path = tmp_path_factory.mktemp("g") / ("e.csv" if pack(b"") == b"" else "e.csv.gz")
    at_once, _, _ = follow(path, content, [], pack)
    path = tmp_path_factory.mktemp("g") / path.name
    found, bad, _ = follow(path, content, cuts, pack, batch_rows=3)
    after_doubled_quote = [row for row in bad if row.reason == "changed after it was read"]
    assert len(found) == len(values)
    if not after_doubled_quote:
        assert [row for _, row in found] == [{"x": x or None, "y": y or None} for x, y in values]
        assert found == at_once
        assert bad == []


@given(values=st.lists(st.integers(0, 10**6), min_size=1, max_size=8), data=st.data())
def test_a_row_taken_too_early_is_told_and_the_others_come_once(tmp_path_factory, values, data) -> None:
    content = ("x,y\n" + "".join(f"k{number},{value}\n" for number, value in enumerate(values))).encode()
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=5))
    path = tmp_path_factory.mktemp("g") / "e.csv"
    found, bad, _ = follow(path, content, cuts)
    got = {row["x"]: row["y"] for _, row in found}
    assert len(found) == len(got) == len(values)
    early = {f"k{number}" for number, value in enumerate(values) if (got[f"k{number}"] or "") != str(value)}
    assert {row.content.partition(",")[0] for row in bad} == early
    for row in bad:
        key, _, value = row.content.partition(",")
        assert row.reason == "changed after it was read"
        assert value == str(values[int(key[1:])])
        assert value.startswith(got[key] or "")


objects = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.integers() | st.text(max_size=4), min_size=1), max_size=10
)


@given(values=objects, data=st.data())
def test_json_lines_in_any_chunks_give_each_row_once(tmp_path_factory, values, data) -> None:
    values = [{**value, "n": number} for number, value in enumerate(values)]
    values = [{name: item if isinstance(item, str) else item % 2**60 for name, item in v.items()} for v in values]
    content = b"".join(orjson.dumps(value) + b"\n" for value in values)
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=6))
    path = tmp_path_factory.mktemp("g") / "e.jsonl"
    found, bad, _ = follow(path, content, cuts, batch_rows=2)
    assert [place for place, _ in found] == [f"e.jsonl:{number}" for number in range(1, len(values) + 1)]
    assert [row["n"] for _, row in found] == list(range(len(values)))
    assert bad == []


@pytest.mark.parametrize("block", [7, 64])
def test_blocks_may_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(lines, "_BLOCK", block)
    monkeypatch.setattr(lines, "_FIRST", block)
    content = b"a,b\r\n" + b"".join(b'%d,"x\r\n""y"\r\n' % n for n in range(50))
    found, bad, _ = follow(tmp_path / "e.csv", content, [20, 21, 22, 300])
    assert [row["a"] for _, row in found] == [str(n) for n in range(50)]
    assert {row["b"] for _, row in found} == {'x\r\n"y'}
    assert bad == []


def test_an_incomplete_last_line_is_reported_and_read_once_it_is_whole(tmp_path: Path) -> None:
    found, bad, cut = follow(tmp_path / "e.csv", b"a,b,c\n1,2,3\n4,5,6\n", [14])
    assert [row["a"] for _, row in found] == ["1", "4"]
    assert bad == []
    (row,) = cut
    assert (row.position, row.content) == ("e.csv:3", "4,")


def test_an_unchanged_file_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "e.csv"
    path.write_bytes(b"a,b\n1,2\n3")
    source = FilesSource(name="s", path=str(path))
    (batch,) = source.batches(None)
    assert [row.incomplete for row in batch.bad] == [True]
    monkeypatch.setattr("algosync.events.sources.places.Found.open", lambda _self: pytest.fail("was opened"))
    assert list(source.batches(batch.cursor)) == []


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_bytes(b"a,b\n1,2\n2,3\n3,4")
    source = FilesSource(name="s", path=str(path), batch_rows=1)
    batches = source.batches(None)
    first = next(batches, None)
    with path.open("ab") as file:
        file.write(b"5\n6,7\n")
    seen = [first, *batches]
    assert [row["a"] for batch in seen for row in batch.table.to_pylist()] == ["1", "2"]
    again = list(source.batches(seen[-1].cursor))
    every = [row for batch in [*seen, *again] for row in batch.table.to_pylist()]
    assert [row["b"] for row in every] == ["2", "3", "45", "7"]
    assert [row for batch in [*seen, *again] for row in batch.bad] == []


@pytest.mark.parametrize(
    "content", [b"a,b\n9,9\n", b"a,b\n1,3\n3,4\n5,6\n7,8\n", b"c,d\n1,2\n3,4\n", b"a,b\n1,2\n3,5\n6,7\n"]
)
def test_a_replaced_file_is_read_as_new(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "e.csv"
    path.write_bytes(b"a,b\n1,2\n3,4\n")
    source = FilesSource(name="s", path=str(path))
    (batch,) = source.batches(None)
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    (again,) = source.batches(batch.cursor)
    assert again.positions.to_pylist()[0] == "e.csv:2"
    assert again.table.num_rows == content.count(b"\n") - 1


def test_another_line_in_the_place_of_one_without_end_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(b'{"a": 1}')
    source = FilesSource(name="s", path=str(path))
    (batch,) = source.batches(None)
    path.write_bytes(b'{"b": 22}')
    (again,) = source.batches(batch.cursor)
    assert again.table.to_pylist() == [{"b": 22}]
    assert again.bad == ()
