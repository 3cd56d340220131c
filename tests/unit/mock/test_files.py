"""Indices as files: what is dumped loads back as it was, and a bad file changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import AlgoliaError, ConfigError, SourceError
from algosync.mock.files import dump, dump_index, file_name, load, load_index
from algosync.mock.server import MockAlgolia

RULE = {"objectID": "r", "conditions": [{"context": "c"}], "consequence": {"params": {"filters": "color:red"}}}
PRODUCTS = {
    "settings": {"hitsPerPage": 5, "attributesForFaceting": ["color"]},
    "rules": [RULE],
    "records": [{"objectID": "a", "color": "red"}, {"objectID": "b", "price": 1.5, "name": "Schürze 🎽"}],
}

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
records = st.dictionaries(st.text(min_size=1, max_size=8), st.dictionaries(st.text(max_size=5), values, max_size=3))
applications = st.dictionaries(st.text(min_size=1, max_size=12), records, max_size=4)


def put(directory: Path, **files: str):
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)


@given(applications)
def test_what_was_dumped_loads_back(indices):
    first = MockAlgolia()
    for name, held in indices.items():
        content = {"records": [{**record, "objectID": object_id} for object_id, record in held.items()]}
        assert load_index(first, name, {**PRODUCTS, **content}) == len(held)
    with TemporaryDirectory() as place:
        directory = Path(place)
        counts = {name: len(held) for name, held in sorted(indices.items())}
        assert dump(first, directory) == counts
        texts = {path.name: path.read_bytes() for path in directory.iterdir()}
        assert len(texts) == len(indices)
        second = MockAlgolia()
        assert load(second, directory) == counts
        assert second.content() == first.content()
        dump(second, directory)
        assert {path.name: path.read_bytes() for path in directory.iterdir()} == texts


def test_a_file_is_json_with_a_record_a_line(algolia, tmp_path):
    load_index(algolia, "p", PRODUCTS)
    dump(algolia, tmp_path)
    text = (tmp_path / "p.json").read_text()
    assert json.loads(text) == PRODUCTS == dump_index(algolia, "p")
    assert '{"objectID":"a","color":"red"},\n' in text
    load_index(algolia, "empty", [])
    dump(algolia, tmp_path)
    assert json.loads((tmp_path / "empty.json").read_text()) == {"settings": {}, "rules": [], "records": []}
    with pytest.raises(AlgoliaError, match="Index absent does not exist"):
        dump_index(algolia, "absent")


def test_three_kinds_of_files(algolia, tmp_path):
    put(
        tmp_path,
        whole__json=json.dumps(PRODUCTS),
        plain__json='[{"objectID": 1}, {"objectID": "two"}]',
        lines__jsonl='{"objectID": "x"}\n\n{"objectID": "y", "t": "\\n"}\r\n',
        settings__json='{"settings": {"hitsPerPage": 3, "maxFacetHits": null}}',
        readme__md="not an index",
    )
    (tmp_path / ".hidden.json").write_text("{")
    assert load(algolia, tmp_path) == {"lines": 2, "plain": 2, "settings": 0, "whole": 2}
    assert algolia.content()["plain"]["records"] == {"1": {"objectID": "1"}, "two": {"objectID": "two"}}
    assert algolia.content()["settings"]["settings"] == {"hitsPerPage": 3}
    assert set(algolia.content()["whole"]["rules"]) == {"r"}


def test_a_loaded_index_replaces_what_was_there_and_is_searched(client, algolia):
    client.save_object("p", {"objectID": "old"})
    client.search_single_index("p", {"query": ""})
    client.save_object("other", {"objectID": "x"})
    load_index(algolia, "p", PRODUCTS)
    answer = client.search_single_index("p", {"query": "", "filters": "color:red", "facets": ["color"]})
    assert ([hit.object_id for hit in answer.hits], answer.facets) == (["a"], {"color": {"red": 1}})
    assert client.index_exists("other")


def test_a_load_does_not_wait_for_the_delay_of_tasks_but_for_writes_before_it(client, algolia):
    algolia.tasks.delay_ms = 10**9
    load_index(algolia, "p", [{"objectID": "a"}])
    assert client.get_object("p", "a") == {"objectID": "a"}
    client.save_object("p", {"objectID": "b"})
    load_index(algolia, "p", [{"objectID": "c"}])
    assert set(algolia.content()["p"]["records"]) == {"a"}
    assert [record["objectID"] for record in dump_index(algolia, "p")["records"]] == ["c"]


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        ('{"records": [', "", "Invalid JSON"),
        ("", "", "Invalid JSON"),
        ("3", "", "Expected an array of records"),
        ('{"synonyms": []}', "", "Unknown part synonyms"),
        ('{"records": {}}', ": records", "Expected an array"),
        ('{"rules": null}', ": rules", "Expected an array"),
        ('{"settings": []}', ": settings", "expected a JSON object"),
        ('{"settings": {"nope": 1}}', ": settings", "nope"),
        ('{"rules": [{"objectID": "r"}]}', ": rules[0]", "consequence"),
        ('[{"objectID": "a"}, {"name": "b"}]', ": records[1]", "'objectID' attribute is required"),
        ('[{"objectID": "a"}, 3]', ": records[1]", "expected a JSON object"),
        ('[{"objectID": "a"}, {"objectID": "a"}]', ": records[1]", "a occurs twice"),
        ('[{"objectID": 1}, {"objectID": "1"}]', ": records[1]", "1 occurs twice"),
        (json.dumps([{"objectID": "a", "t": "x" * 200}]), ": records[0]", "is too big size=223/200 bytes"),
        (json.dumps({"rules": [RULE, RULE]}), ": rules[1]", "r occurs twice"),
    ],
)
def test_a_bad_file_is_named_and_nothing_is_loaded(tmp_path, content, where, what):
    algolia = MockAlgolia(max_record_bytes=200)
    load_index(algolia, "good", [{"objectID": "before"}])
    before = algolia.content()
    put(tmp_path, bad__json=content, good__json='[{"objectID": "after"}]')
    with pytest.raises(ConfigError) as refused:
        load(algolia, tmp_path)
    assert refused.value.where == f"{tmp_path / 'bad.json'}{where}"
    assert what in refused.value.what
    assert algolia.content() == before


def test_a_bad_line_is_named(algolia, tmp_path):
    put(tmp_path, p__jsonl='{"objectID": "a"}\n\n{"objectID": \n')
    with pytest.raises(ConfigError, match=r"p\.jsonl:3: Invalid JSON"):
        load(algolia, tmp_path)


def test_two_files_of_one_index(algolia, tmp_path):
    put(tmp_path, p__json="[]", p__jsonl="")
    with pytest.raises(ConfigError, match=r"Two files of one index p: p\.json, p\.jsonl"):
        load(algolia, tmp_path)


def test_a_directory_that_cannot_be_read_or_written(algolia, tmp_path):
    with pytest.raises(SourceError, match="Cannot read the directory"):
        load(algolia, tmp_path / "absent")
    (tmp_path / "p.json").mkdir()
    with pytest.raises(SourceError, match="Cannot read the file"):
        load(algolia, tmp_path)
    load_index(algolia, "p", [])
    with pytest.raises(SourceError, match="Cannot write indices"):
        dump(algolia, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["p.json"]


def test_a_file_is_exchanged_and_never_half_written(algolia, tmp_path):
    load_index(algolia, "p", PRODUCTS)
    dump(algolia, tmp_path)
    before = (tmp_path / "p.json").read_bytes()
    with (tmp_path / "p.json").open("rb") as reader:
        load_index(algolia, "p", [{"objectID": "new"}])
        dump(algolia, tmp_path)
        assert reader.read() == before
    after = (tmp_path / "p.json").read_bytes()
    algolia.index("p").records["new"] = object()
    with pytest.raises(TypeError):
        dump(algolia, tmp_path)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("p.json", after)]


def test_no_file_changes_when_one_cannot_be_written(algolia, tmp_path):
    for name in ("a", "z"):
        load_index(algolia, name, [{"objectID": "old"}])
    dump(algolia, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for name in ("a", "z"):
        load_index(algolia, name, [{"objectID": "new"}])
    algolia.index("z").records["new"] = object()
    with pytest.raises(TypeError):
        dump(algolia, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("spelt", ["a b+c.json", "a%20b+c.jsonl", "a b%2bc.json"])
def test_a_name_spelt_in_another_way_is_no_second_index(algolia, tmp_path, spelt):
    (tmp_path / spelt).write_text('{"objectID": "x"}' if spelt.endswith("l") else '[{"objectID": "x"}]')
    loaded = load(algolia, tmp_path)
    assert dump(algolia, tmp_path, replaces=loaded) == loaded == {"a b+c": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a%20b%2Bc.json"]
    assert load(MockAlgolia(), tmp_path) == loaded


def test_a_dump_follows_what_was_loaded(algolia, tmp_path):
    put(tmp_path, gone__json="[]", lines__jsonl='{"objectID": "x"}', foreign__json='{"name": "somebody else"}')
    (tmp_path / "foreign.json").rename(tmp_path / "foreign.txt")
    loaded = load(algolia, tmp_path)
    (tmp_path / "unknown.json").write_text("{}")
    algolia.submit(["gone"], lambda world, _: world.pop("gone"))
    assert dump(algolia, tmp_path / "deep" / "er", replaces=loaded) == {"lines": 1}
    assert dump(algolia, tmp_path, replaces=loaded) == {"lines": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "foreign.txt", "lines.json", "unknown.json"]


@pytest.mark.parametrize(
    ("index", "file"),
    [
        ("products", "products"),
        ("a b/c", "a%20b%2Fc"),
        (".x", "%2Ex"),
        ("..", "%2E."),
        ("ü", "%C3%BC"),
        ("50%", "50%25"),
        ("a.json", "a.json"),
    ],
)
def test_names_of_files(algolia, tmp_path, index, file):
    assert file_name(index) == file
    load_index(algolia, index, [{"objectID": "a"}])
    dump(algolia, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{file}.json"]
    assert load(MockAlgolia(), tmp_path) == {index: 1}


def test_one_file_alone(tmp_path):
    (tmp_path / "a%20b.jsonl").write_text('{"objectID": "1"}\n')
    (tmp_path / "other.json").write_text("[]")
    algolia = MockAlgolia()
    assert load(algolia, tmp_path / "a%20b.jsonl") == {"a b": 1}
    assert list(algolia.indices) == ["a b"]
    (tmp_path / "products.csv").write_text("objectID")
    with pytest.raises(ConfigError, match=r"ends in '.csv'"):
        load(algolia, tmp_path / "products.csv")
