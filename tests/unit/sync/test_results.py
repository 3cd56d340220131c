"""What a run leaves to the next: read back as it was, over whatever groups there are then."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from algosync.catalog.build import build
from algosync.catalog.rules import CatalogRules
from algosync.errors import StoreError
from algosync.related.topk import from_rows
from algosync.sync.catalog import Reading
from algosync.sync.related import RelatedItems
from algosync.sync.results import Results
from algosync.sync.tallies import ENTERED, PARTS, STANDINGS, Counted

INTEGERS = pa.table({"person": [1], "facet": ["brand"], "value": ["Acme"], "integer": pa.array([20], pa.int8())})


def _catalog(*names):
    return build([[{"objectID": name} for name in names]], CatalogRules())


def _items():
    tops = pa.table(
        {
            "scope": ["popular:everywhere"] * 2,
            "bucket": ["", ""],
            "item": pa.array([2, 0], pa.int32()),
            "score": [3.0, 1.0],
            "rank": pa.array([1, 2], pa.int64()),
        }
    )
    return RelatedItems(
        inputs="abc",
        lists={"similar": from_rows([[1, 2], [], [0]]), "related": from_rows([[2], [0], []])},
        popular=np.array([1.0, 0.0, 3.0]),
        popularity=np.array([4, 0, 10], dtype=np.int8),
        trending=np.array([0, 1, 2], dtype=np.int8),
        tops=tops,
    )


@pytest.fixture
def kept(tmp_path):
    return Results(tmp_path / "results")


def test_before_the_first_run_there_is_nothing_and_reading_makes_nothing(kept, tmp_path):
    assert kept.integers() is None
    assert kept.related(_catalog("a")) is None
    assert not (tmp_path / "results").exists()


def test_all_comes_back_as_it_was(kept, tmp_path):
    catalog = _catalog("a", "b", "c")
    kept.save_integers(INTEGERS)
    kept.save_related(_items(), catalog)
    assert kept.integers() == INTEGERS
    found = kept.related(catalog)
    assert found.inputs == "abc"
    assert set(found.lists) == {"similar", "related"}
    for kind, lists in _items().lists.items():
        assert [[item for item, _ in found.lists[kind].of(row)] for row in range(3)] == [
            [item for item, _ in lists.of(row)] for row in range(3)
        ]
    assert found.popularity.tolist() == [4, 0, 10]
    assert found.trending.tolist() == [0, 1, 2]
    assert found.popular.tolist() == [1.0, 0.0, 3.0]
    assert found.tops.to_pylist() == _items().tops.to_pylist()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "results").iterdir()} == {0o600}
    assert not list((tmp_path / "results").glob("*.new"))


def test_over_other_groups_what_has_left_is_marked_and_what_is_new_has_nothing(kept):
    kept.save_integers(INTEGERS)
    kept.save_related(_items(), _catalog("a", "b", "c"))
    found = kept.related(_catalog("a", "aa", "c"))  # b has left, aa is new
    similar = found.lists["similar"]
    assert [[item for item, _ in similar.of(row)] for row in range(3)] == [[-1, 2], [], [0]]
    assert found.popularity.tolist() == [4, -1, 10]
    assert found.tops["item"].to_pylist() == [2, 0]
    gone = kept.related(_catalog("a"))
    assert gone.tops["item"].to_pylist() == [0]


def test_a_damaged_file_says_what_to_do(kept, tmp_path):
    kept.save_integers(INTEGERS)
    kept.save_related(_items(), _catalog("a", "b", "c"))
    (tmp_path / "results" / "integers.parquet").write_bytes(b"PAR?")
    with pytest.raises(StoreError, match=r"integers\.parquet: cannot be read.*Remove it"):
        kept.integers()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "results").write_text("a file", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be written"):
        Results(tmp_path / "results").save_integers(INTEGERS)


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_read_of_the_index_holds_for_what_was_asked(kept):
    catalog = _catalog("a", "b")
    reading = Reading(asked="this", state="1", at=NOON)
    kept.save_read(catalog, {"products": {"a": "v1", "b": None}, "other": {"a": None}}, reading)
    found = kept.last_read("this", NOON)
    assert found is not None
    assert found.catalog.to_table() == catalog.to_table()
    assert found.versions == {"products": {"a": "v1", "b": None}, "other": {"a": None}}
    assert found.reading == reading
    assert kept.last_read("that", NOON) is None
    kept.save_read(_catalog(), {"products": {}}, replace(reading, asked="that", state=None))
    assert kept.last_read("this", NOON) is None
    assert kept.last_read("that", NOON).versions == {}


def test_a_read_and_what_was_published_since_are_what_is_there_now(kept):
    kept.save_read(
        _catalog("a"), {"products": {"a": "v1", "b": None, "c": "v3"}}, Reading(asked="", state=None, at=NOON)
    )
    asked = []

    def since(index, moment):
        asked.append((index, moment))
        return {"b": "v2", "c": None, "left": "v4"} if index == "products" else {}

    found = kept.last_read("", NOON).versions_now(("products", "fresh"), since)
    assert found == {"products": {"a": "v1", "b": "v2", "c": None}, "fresh": {}}
    assert asked == [("products", NOON), ("fresh", NOON)]


def test_a_read_of_later_than_now_is_none(kept):
    kept.save_read(_catalog("a"), {"products": {"a": "v1"}}, Reading(asked="", state=None, at=NOON))
    assert kept.last_read("", NOON - timedelta(seconds=1)) is None


def test_half_written_lists_have_no_inputs(kept, tmp_path):
    assert kept.related_inputs() == ""
    kept.save_related(_items(), _catalog("a", "b", "c"))
    assert kept.related_inputs() == _items().inputs
    kept.save_related(replace(_items(), inputs="others"), _catalog("a", "b", "c"))
    assert kept.related_inputs() == "others"
    (tmp_path / "results" / "tops.parquet").unlink()
    assert kept.related_inputs() == ""


COUNTED = Counted(
    mark="m",
    rules="r",
    anchor=(3, 2, "ann"),
    parts=pa.table([[2, 7], [5, -1]], schema=PARTS),
    standings=pa.table([[3], [1], [None], [3], [True], [False], [99], [None]], schema=STANDINGS),
    entered=pa.table([[3], ["age"], ["31"]], schema=ENTERED),
)


def test_what_tallies_were_made_from_comes_back_as_it_was(kept):
    assert kept.counted() is None
    kept.save_counted(COUNTED)
    found = kept.counted()
    assert (found.mark, found.rules, tuple(found.anchor)) == ("m", "r", (3, 2, "ann"))
    for name in ("parts", "standings", "entered"):
        assert getattr(found, name).equals(getattr(COUNTED, name)), name


def test_what_tallies_were_made_from_is_of_one_run_or_of_none(kept, monkeypatch):
    kept.save_counted(COUNTED)
    store = Results._store
    monkeypatch.setattr(
        Results, "_store", lambda self, name, *rest: name.endswith("parts") and store(self, name, *rest)
    )
    kept.save_counted(replace(COUNTED, mark="n"))
    assert kept.counted() is None


@pytest.mark.parametrize("written", [1, 2, 3])
def test_files_of_a_run_that_broke_off_between_them_are_not_taken_for_its_result(kept, monkeypatch, written):
    catalog = _catalog("a", "b", "c")
    kept.save_integers(INTEGERS)
    kept.save_related(_items(), catalog)
    store, done = Results._store, []

    def break_off(self, name, *rest):
        if len(done) == written:
            raise KeyboardInterrupt
        done.append(name)
        store(self, name, *rest)

    monkeypatch.setattr(Results, "_store", break_off)
    with contextlib.suppress(KeyboardInterrupt):
        kept.save_integers(INTEGERS)
        kept.save_related(replace(_items(), inputs="def"), catalog)
    assert len(done) == written
    assert kept.related(catalog).inputs == ("abc" if done == ["integers"] else "")
