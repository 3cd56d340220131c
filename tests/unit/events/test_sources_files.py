from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import ConfigError, SourceError
from algosync.events.sources.base import RawBatch
from algosync.events.sources.files import FilesSource
from algosync.events.sources.places import _secrets, public, reading


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing of it."""

    def log_message(self, *said: object) -> None:
        """Nothing."""


def read(path, cursor=None, **options) -> tuple[list[RawBatch], str | None]:
    batches = list(
        FilesSource(name="shop", path=path if isinstance(path, tuple) else str(path), **options).batches(cursor)
    )
    return batches, batches[-1].cursor if batches else cursor


def rows(batches) -> list[dict]:
    return [row for batch in batches for row in batch.table.to_pylist()]


def places(batches) -> list[str]:
    return [place for batch in batches for place in batch.positions.to_pylist()]


def bad(batches) -> list[tuple[str, str, bool]]:
    return [(row.position, row.reason, row.incomplete) for batch in batches for row in batch.bad]


def one(content: bytes, tmp_path: Path, name="e.csv", **options) -> list[RawBatch]:
    (tmp_path / name).write_bytes(content)
    return read(tmp_path / name, **options)[0]


def test_real_events_are_accounted_for(shared_data: Path) -> None:
    batches, cursor = read(shared_data / "rees46" / "events.csv")
    assert sum(batch.table.num_rows for batch in batches) == 17_434
    ((position, reason, incomplete),) = bad(batches)
    assert (position, incomplete) == ("events.csv:17436", True)
    assert "8 columns, the header has 9" in reason
    first = rows(batches)[0]
    assert first["event_time"] == "2019-10-01 00:00:00 UTC"
    assert first["category_code"] is None
    assert first["user_session"] == "72d76fde-8bb3-4e00-8c23-a032dfed738c"
    assert places(batches)[0] == "events.csv:2"
    assert read(shared_data / "rees46" / "events.csv", cursor)[0] == []


@pytest.mark.parametrize("rows_of_batch", [1, 2, 3, 1000])
def test_batches_hold_no_more_rows_than_asked_and_each_cursor_goes_on(tmp_path: Path, rows_of_batch: int) -> None:
    (tmp_path / "e.csv").write_bytes(b"a,b\n" + b"".join(b"%d,x\n" % n for n in range(10)) + b"bad\n11,y")
    source = FilesSource(name="s", path=str(tmp_path / "e.csv"), batch_rows=rows_of_batch)
    whole = list(source.batches(None))
    assert max(batch.table.num_rows + len(batch.bad) for batch in whole) <= rows_of_batch
    for number, batch in enumerate(whole):
        rest = list(source.batches(batch.cursor))
        assert rows(rest) == rows(whole[number + 1 :])
        assert bad(rest) == bad(whole[number + 1 :])


def test_crlf_bom_quotes_and_newlines_within_quotes(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbfid,text\r\n1,"a\r\nb, ""c"""\r\n2,5" screen\r\n\r\n3,"x"\r\n'
    batches = one(content, tmp_path)
    assert rows(batches) == [
        {"id": "1", "text": 'a\r\nb, "c"'},
        {"id": "2", "text": '5" screen'},
        {"id": "3", "text": "x"},
    ]
    assert places(batches) == ["e.csv:2", "e.csv:4", "e.csv:6"]


def test_bad_rows_do_not_harm_their_neighbours(tmp_path: Path) -> None:
    content = b'a,b\n1,2\n3\n4,5,6\n\xff\xfe,7\n8,\x00\n9,"x"y\n10,"z\n11,"12"\n13,a\rb\n14,15\n'
    batches = one(content, tmp_path)
    assert [row["a"] for row in rows(batches)] == ["1", "11", "14"]
    reasons = {int(place.rpartition(":")[2]): reason for place, reason, _ in bad(batches)}
    assert sorted(reasons) == [3, 4, 5, 6, 7, 8, 10]
    assert reasons[3] == "1 columns, the header has 2"
    assert reasons[4] == "3 columns, the header has 2"
    assert "encoding" in reasons[5]
    assert "NUL" in reasons[6]
    assert "quote" in reasons[7]
    assert "carriage return" in reasons[10]
    assert all("\0" not in row.content for batch in batches for row in batch.bad)


def test_lines_behind_an_open_quote_at_the_end_wait_and_are_told(tmp_path: Path) -> None:
    batches = one(b'a,b\n1,2\n3,"4\n5,6\n', tmp_path)
    assert [row["a"] for row in rows(batches)] == ["1"]
    ((place, reason, incomplete),) = bad(batches)
    assert (place, incomplete) == ("e.csv:3", True)
    assert "1 more lines wait" in reason
    (tmp_path / "e.csv").write_bytes(b'a,b\n1,2\n3,"4\n5,6"\n')
    assert rows(read(tmp_path / "e.csv", batches[-1].cursor)[0]) == [{"a": "3", "b": "4\n5,6"}]


def test_a_quote_that_is_never_closed_spoils_one_line_only(tmp_path: Path) -> None:
    filler = b"".join(b"%d,abcdefghij\n" % n for n in range(20_000))
    batches = one(b'a,b\n1,"open\n' + filler, tmp_path)
    assert sum(batch.table.num_rows for batch in batches) == 20_000
    assert [place for place, _, _ in bad(batches)] == ["e.csv:2"]


@pytest.mark.parametrize(("encoding", "text"), [("cp1252", "Zoë €"), ("utf-16", "Zoë 雪"), ("shift_jis", "雪")])
def test_a_declared_encoding_is_honoured_and_a_grown_file_goes_on(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "e.csv"
    path.write_bytes(f"a,b\n1,{text}\n".encode(encoding))
    batches, cursor = read(path, encoding=encoding)
    assert rows(batches) == [{"a": "1", "b": text}]
    path.write_bytes(f"a,b\n1,{text}\n2,{text}{text}\n".encode(encoding))
    batches, _ = read(path, cursor, encoding=encoding)
    assert rows(batches) == [{"a": "2", "b": text * 2}]
    assert places(batches) == ["e.csv:3"]


def test_a_byte_that_the_encoding_does_not_know_makes_its_row_bad(tmp_path: Path) -> None:
    batches = one(b"a,b\n1,\x81\n2,\xe9\n", tmp_path, encoding="cp1252")
    assert rows(batches) == [{"a": "2", "b": "é"}]
    assert [place for place, _, _ in bad(batches)] == ["e.csv:2"]


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"a,b", b"a,b\n", b"a,b\r\n"])
def test_files_without_rows(tmp_path: Path, content: bytes) -> None:
    batches = one(content, tmp_path)
    assert rows(batches) == []
    assert bad(batches) == []
    (tmp_path / "e.csv").write_bytes(content + (b"" if content.endswith(b"\n") else b"a,b\n") + b"1,2\n")
    if content in (b"", b"\xef\xbb\xbf", b"a,b\n", b"a,b\r\n"):
        assert rows(read(tmp_path / "e.csv", batches[-1].cursor)[0]) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"a,b,a\n1,2,3\n", "names twice: a"), (b"\xff\xfea\x00", "UTF-16"), (b"a,\xe9\n1,2\n", "header is not UTF-8")],
)
def test_headers_that_cannot_be(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        one(content, tmp_path)
    assert caught.value.hint


def test_json_lines_with_bad_lines_and_mixed_types(tmp_path: Path) -> None:
    lines = [b'{"a": 1, "n": {"x": 1}}', b"{nonsense", b"", b'{"a": "two", "n": {"x": [1]}}', b"[1]", b'{"b": null}']
    batches = one(b"\n".join(lines) + b"\n", tmp_path, name="e.jsonl")
    assert rows(batches) == [
        {"a": "1", "n": {"x": "1"}, "b": None},
        {"a": "two", "n": {"x": "[1]"}, "b": None},
        {"a": None, "n": None, "b": None},
    ]
    assert places(batches) == ["e.jsonl:1", "e.jsonl:4", "e.jsonl:6"]
    assert [place for place, _, _ in bad(batches)] == ["e.jsonl:2", "e.jsonl:5"]
    assert batches[0].sparse


def test_a_json_array_is_read_by_elements_and_again_when_it_grew(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    path.write_bytes(orjson.dumps([{"a": 1}, 5, {"a": 2}], option=orjson.OPT_INDENT_2))
    batches, cursor = read(path)
    assert (rows(batches), places(batches)) == ([{"a": 1}, {"a": 2}], ["e.json:1", "e.json:3"])
    assert bad(batches) == [("e.json:2", "is no JSON object", False)]
    path.write_bytes(orjson.dumps([{"a": 1}, 5, {"a": 2}, {"a": 3}]))
    batches, cursor = read(path, cursor)
    assert (rows(batches), places(batches)) == ([{"a": 3}], ["e.json:4"])
    path.write_bytes(b'[{"a": 1},')
    batches, cursor = read(path, cursor)
    assert [incomplete for _, _, incomplete in bad(batches)] == [True]


@pytest.mark.parametrize("name", ["e.json", "e.jsonl"])
def test_json_lines_may_end_in_json(tmp_path: Path, name: str) -> None:
    assert rows(one(b'{"a": 1}\n{"a": 2}\n', tmp_path, name=name)) == [{"a": 1}, {"a": 2}]


def test_parquet_is_read_on_after_it_was_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    table = pa.table({"a": list(range(100)), "b": [str(n) for n in range(100)]})
    pq.write_table(table, path, row_group_size=7)
    batches, cursor = read(path, batch_rows=30)
    assert pa.concat_tables([batch.table for batch in batches]).equals(table)
    assert places(batches)[-1] == "e.parquet:100"
    assert max(batch.table.num_rows for batch in batches) <= 30
    longer = pa.table({"a": list(range(105)), "b": [str(n) for n in range(105)]})
    pq.write_table(longer, path, row_group_size=9)
    more, cursor = read(path, cursor)
    assert [row["a"] for row in rows(more)] == list(range(100, 105))
    assert places(more)[0] == "e.parquet:101"
    pq.write_table(pa.table({"a": [7], "b": ["x"]}), path)
    assert rows(read(path, cursor)[0]) == [{"a": 7, "b": "x"}]


def test_no_parquet(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"e.parquet: cannot be read"):
        one(b"PAR1 nonsense", tmp_path, name="e.parquet")


PACK = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda d: pa.compress(d, "zstd", asbytes=True),
}


@pytest.mark.parametrize("suffix", PACK)
def test_compressed_files_grow_by_members(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"e.csv.{suffix}"
    path.write_bytes(PACK[suffix](b"a,b\n1,x\n"))
    batches, cursor = read(path)
    assert (rows(batches), places(batches)) == ([{"a": "1", "b": "x"}], [f"e.csv.{suffix}:2"])
    with path.open("ab") as file:
        file.write(PACK[suffix](b"2,y\n"))
    batches, cursor = read(path, cursor)
    assert rows(batches) == [{"a": "2", "b": "y"}]
    path.write_bytes(PACK[suffix](b"a,b\n9,z\n"))
    assert rows(read(path, cursor)[0]) == [{"a": "9", "b": "z"}]


@pytest.mark.parametrize("suffix", PACK)
def test_a_compressed_file_still_being_written_gives_its_whole_lines_once(tmp_path: Path, suffix: str) -> None:
    content = b"a,b\n" + b"".join(b"%d,%s\n" % (n, str(hash((n, 7))).encode()) for n in range(30_000))
    packed = PACK[suffix](content)
    path = tmp_path / f"e.csv.{suffix}"
    path.write_bytes(packed[: len(packed) * 2 // 3])
    first, cursor = read(path)
    path.write_bytes(packed)
    second, _ = read(path, cursor)
    assert [row["a"] for row in rows(first) + rows(second)] == [str(n) for n in range(30_000)]


def test_broken_compression(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        one(b"no gzip at all", tmp_path, name="e.csv.gz")


def test_patterns_are_read_in_order_over_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "in" / "2").mkdir(parents=True)
    for name, number in (("in/b.csv", 1), ("in/a.csv", 2), ("in/2/c.csv", 3)):
        (tmp_path / name).write_text(f"a\n{number}\n")
    batches, cursor = read(tmp_path / "in" / "**" / "*.csv")
    assert len(batches) == 1
    assert places(batches) == ["2/c.csv:2", "a.csv:2", "b.csv:2"]
    (tmp_path / "in" / "a.csv").unlink()
    (tmp_path / "in" / "d.csv").write_text("a\n4\n")
    batches, cursor = read(tmp_path / "in" / "**" / "*.csv", cursor)
    assert places(batches) == ["d.csv:2"]
    (tmp_path / "in" / "a.csv").write_text("a\n2\n5\n")
    assert rows(read(tmp_path / "in" / "**" / "*.csv", cursor)[0]) == [{"a": "5"}]


def test_files_of_other_columns_make_other_batches(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    (tmp_path / "b.csv").write_text("b\n1\n")
    assert [batch.table.column_names for batch in read(tmp_path / "*.csv")[0]] == [["a"], ["b"]]


def test_two_patterns_with_files_of_one_name_have_positions_of_their_own(tmp_path: Path) -> None:
    for folder in "xy":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "e.csv").write_text("a\n1\n")
    batches, _ = read((str(tmp_path / "x" / "*.csv"), str(tmp_path / "y" / "e.csv")))
    assert len(set(places(batches))) == 2


def test_a_missing_path_is_an_error_and_a_pattern_without_files_is_not(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file") as caught:
        read(tmp_path / "none.csv")
    assert "none.csv" in str(caught.value)
    assert caught.value.action == "retry"
    assert read(tmp_path / "*.csv") == ([], None)
    with pytest.raises(SourceError, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nothing://user:secret@host/e.csv", "unknown kind"),
        ("http://127.0.0.1:1/e.csv?signature=secret", "e.csv"),
        ("s3://bucket/e.csv", "driver is not installed"),
    ],
)
def test_urls_that_cannot_be_reached_tell_no_secret(url: str, said: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        list(FilesSource(name="s", path=url, storage_options={}).batches(None))
    assert "secret" not in str(caught.value)
    assert caught.value.hint
    assert caught.value.__cause__ is None
    assert "secret" not in repr(FilesSource(name="s", path=url, storage_options={"key": "secret"}))


def test_any_file_system_of_fsspec_will_do() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/shop/e.csv", b"a\n1\n")
    batches, cursor = read("memory://shop/*.csv")
    assert rows(batches) == [{"a": "1"}]
    memory.pipe("/shop/e.csv", b"a\n1\n2\n")
    assert rows(read("memory://shop/*.csv", cursor)[0]) == [{"a": "2"}]
    memory.rm("/shop", recursive=True)


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("a\n1\n")

    def refuse(*_args, **_options):
        raise PermissionError("no")

    monkeypatch.setattr(fsspec.implementations.local.LocalFileSystem, "_open", refuse)
    with pytest.raises(SourceError, match="may not be read"):
        read(tmp_path / "e.csv")


def test_an_unknown_format_and_impossible_settings(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="suffix tells no format"):
        one(b"a\n1\n", tmp_path, name="e.txt")
    assert rows(one(b"a\n1\n", tmp_path, name="e.txt", format="csv")) == [{"a": "1"}]
    with pytest.raises(ConfigError, match="encoding"):
        FilesSource(name="s", path="x", encoding="klingon")
    with pytest.raises(ConfigError, match="delimiter"):
        FilesSource(name="s", path="x", delimiter=";;")


def test_tabs_and_other_delimiters(tmp_path: Path) -> None:
    assert rows(one(b"a\tb\n1\t2\n", tmp_path, name="e.tsv")) == [{"a": "1", "b": "2"}]
    assert rows(one(b'a;b\n"1;1";2\n', tmp_path, delimiter=";")) == [{"a": "1;1", "b": "2"}]


def test_a_cursor_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("a\n1\n")
    with pytest.raises(SourceError, match="cursor"):
        read(tmp_path / "e.csv", '{"type": "int", "value": 3}')


cells = st.text(st.sampled_from('ab,"\n é'), max_size=6)


@given(st.lists(st.lists(cells, min_size=3, max_size=3), max_size=20), st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_writes_is_read(tmp_path_factory: pytest.TempPathFactory, values, end: str) -> None:
    path = tmp_path_factory.mktemp("csv") / "e.csv"
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end).writerows([["x", "y", "z"], *values])
    path.write_bytes(out.getvalue().encode())
    batches, _ = read(path)
    assert [list(row.values()) for row in rows(batches)] == [[cell or None for cell in row] for row in values]
    assert bad(batches) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("simplecache::https://host/e.csv?X-Amz-Signature=abcdef", "simplecache::https://host/e.csv"),
        ("zip://*.csv::https://host/e.zip?sig=abcdef", "zip://*.csv::https://host/e.zip"),
        ("HTTPS://host/e.csv?sig=abcdef", "HTTPS://host/e.csv"),
        ("sftp://user:abc/def@host/e.csv", "sftp://host/e.csv"),
        ("sftp://user:abc@def@host/e.csv", "sftp://host/e.csv"),
        ("zip://a.csv::sftp://user:abcdef@host/e.zip", "zip://a.csv::sftp://host/e.zip"),
        ("http://host:8080/a@b/e.csv", "http://host:8080/a@b/e.csv"),
        ("s3://bucket/e?.csv", "s3://bucket/e?.csv"),
    ],
)
def test_the_name_of_a_file_holds_no_secret(url: str, said: str) -> None:
    assert public(url) == said


@pytest.mark.parametrize(
    "url",
    [
        "simplecache::http://127.0.0.1:1/e.csv?X-Amz-Signature=abc%2Bdef",
        "zip://*.csv::http://127.0.0.1:1/e.zip?sig=abc%2Bdef&x=1",
        "nothing://user:abc/%2Bdef@host/e.csv",
    ],
)
def test_chained_urls_that_cannot_be_reached_tell_no_secret(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        read(url)
    assert not any(secret in str(caught.value) for secret in ("abc", "+def", "%2Bdef"))


def test_paths_that_differ_only_in_their_query_are_refused(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_bytes(b"a\n1\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/e.csv"
            with pytest.raises(ConfigError, match="paths 1 and 2 differ only") as caught:
                read((f"{url}?day=secret1", f"{url}?day=secret2"), format="csv")
            assert rows(read((f"{url}?day=secret1", f"{url}?day=secret1"), format="csv")[0]) == [{"a": "1"}]
        finally:
            server.shutdown()
    assert url in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_the_last_record_of_a_cut_compressed_file_is_incomplete(tmp_path: Path, suffix: str) -> None:
    content = {"jsonl": b'{"a":"1"}\n{"a":"12"}', "csv": b"a\n1\n12"}[suffix]
    packed = gzip.compress(content)
    path = tmp_path / f"e.{suffix}.gz"
    path.write_bytes(packed[:-8])
    first, cursor = read(path)
    assert rows(first) == [{"a": "1"}]
    ((_, reason, incomplete),) = bad(first)
    assert incomplete
    assert "its compression is cut off" in reason
    path.write_bytes(packed)
    second, _ = read(path, cursor)
    assert (rows(second), bad(second)) == ([{"a": "12"}], [])


@pytest.mark.parametrize("form", [b"%s\n%s\n", b"[%s,\n%s]"])
def test_ids_over_64_bits_stay_apart(tmp_path: Path, form: bytes) -> None:
    ids = [2**64 + 1, 2**64 + 2]
    content = form % tuple(b'{"id":%d,"in":{"id":[%d]}}' % (number, number) for number in ids)
    batches = one(content, tmp_path, name="e.json")
    assert [row["id"] for row in rows(batches)] == [str(number) for number in ids]
    assert [row["in"]["id"] for row in rows(batches)] == [[str(number)] for number in ids]


def test_a_number_of_thousands_of_digits_is_a_bad_row(tmp_path: Path) -> None:
    batches = one(b'{"id":1}\n{"id":' + b"9" * 5000 + b"}\n", tmp_path, name="e.jsonl")
    assert rows(batches) == [{"id": 1}]
    ((_, reason, _),) = bad(batches)
    assert reason.startswith("is no JSON: ")


def test_what_a_driver_says_of_a_chained_url_is_told_without_its_secrets() -> None:
    url = "zip://*.csv::https://user:abc@host/e.zip?sig=abc%2Bdef&x=1"
    with pytest.raises(SourceError) as caught, reading(public(url), _secrets(url, {})):
        raise OSError(f"no answer from {url.partition('::')[2]} for abc with abc+def")
    assert "abc" not in str(caught.value)
    assert "def" not in str(caught.value)
