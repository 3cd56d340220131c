"""The attribute of products: assembled whole, the same bytes as canonical JSON."""

from __future__ import annotations

import time

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import AlgosyncError
from algosync.payloads.encode import Target, canonical, content_hash
from algosync.payloads.products import Lists, Values, product_records

TARGET = Target(index="products")
IDS = ["b", "a", 'ç"\\\n', "d", "e"]


def lists(rows, names=IDS, places=None) -> Lists:
    codes = [names.index(entry) for row in rows for entry in row]
    return Lists(
        offsets=np.cumsum([0, *map(len, rows)]),
        codes=np.array(codes, dtype=np.int64),
        names=names,
        rows=None if places is None else np.array(places, dtype=np.int64),
    )


def read(result) -> dict[str, dict]:
    return {p.object_id: orjson.loads(p.body)["algosync"] for p in result.payloads}


def test_parts_are_assembled_whole_and_absent_ones_left_out() -> None:
    parts = {
        "similar": lists([["a", "d"], [], ["e"]], places=[0, 1, 2, -1, 0]),
        "popularity": Values(column=pa.array([0, None, 10, None, 3], pa.int8())),
        "on_sale": Values(column=pa.array([False, True]), rows=np.array([0, -1, 1, -1, -1])),
        "price_band": Values(column=pa.array(["10-25", None, 'a"b', None, "10-25"]).dictionary_encode()),
    }
    result = product_records(IDS, parts, TARGET)
    assert result.empty == ("a", "d")
    assert result.unsent == ()
    assert [p.object_id for p in result.payloads] == sorted(["b", "e", 'ç"\\\n'])
    bodies = read(result)
    for body in bodies.values():
        body.pop("v")
    assert bodies == {
        "b": {"similar": ["a", "d"], "popularity": 0, "on_sale": False, "price_band": "10-25"},
        'ç"\\\n': {"similar": ["e"], "popularity": 10, "on_sale": True, "price_band": 'a"b'},
        "e": {"similar": ["a", "d"], "popularity": 3, "price_band": "10-25"},
    }


ids = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4), unique=True, max_size=6)


@given(ids, st.data())
def test_v_is_the_hash_of_the_canonical_rest(object_ids, data) -> None:
    n = len(object_ids)
    some = st.lists(st.sampled_from(object_ids or ["x"]), max_size=3)
    rows = data.draw(st.lists(some, min_size=n, max_size=n))
    tags = data.draw(st.lists(some, min_size=n, max_size=n))
    counts = data.draw(st.lists(st.none() | st.integers(0, 10), min_size=n, max_size=n))
    names = object_ids or ["x"]
    parts = {
        "trending": Values(column=pa.array(counts, pa.int32())),
        "related": lists(rows, names),
        "boosts": lists(tags, names),
    }
    result = product_records(object_ids, parts, TARGET)
    expected = {}
    for object_id, row, tag, count in zip(object_ids, rows, tags, counts, strict=True):
        rest = {"related": row or None, "boosts": sorted(tag) or None, "trending": count}
        expected[object_id] = {key: value for key, value in rest.items() if value is not None}
    assert list(result.empty) == sorted(object_id for object_id, rest in expected.items() if not rest)
    for payload in result.payloads:
        rest = expected[payload.object_id]
        assert payload.hash == content_hash(canonical(rest))
        record = orjson.loads(payload.body)
        assert record == {"objectID": payload.object_id, "algosync": {"v": payload.hash, **rest}}
        assert payload.summary == ", ".join(sorted(rest))
    assert [p.object_id for p in result.payloads] == sorted(object_id for object_id, rest in expected.items() if rest)


def test_variants_share_their_group() -> None:
    result = product_records(["v1", "v2", "w"], {"related": lists([["a"], ["b"]], IDS, [1, 1, 0])}, TARGET)
    bodies = read(result)
    assert bodies["v1"] == bodies["v2"] != bodies["w"]


def test_too_large_is_never_sent() -> None:
    limit = Target(index="products", max_record_bytes=80)
    result = product_records(["b", "x"], {"similar": lists([["a"], ["a"] * 9])}, limit)
    assert [p.object_id for p in result.payloads] == ["b"]
    assert [u.object_id for u in result.unsent] == ["x"]
    assert "more than the 80" in result.unsent[0].reason
    assert result.empty == ()


def test_nothing_at_all() -> None:
    assert product_records(["b", "a"], {}, TARGET).empty == ("a", "b")
    assert product_records([], {"similar": lists([])}, TARGET).payloads == ()


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"popularity": Values(column=pa.array([0.5]))}, "type double"),
        ({"price_band": Values(column=pa.array([1]))}, "type int64"),
        ({"on_sale": Values(column=pa.array([1]))}, "type int64"),
        ({"brand": Values(column=pa.array(["x"]))}, "type string"),
        ({"similar": Values(column=pa.array(["x"]))}, "mixed up"),
        ({"popularity": lists([["a"]])}, "mixed up"),
        ({"popularity": Values(column=pa.array([1, 2]))}, "2 rows for 1"),
        ({"popularity": Values(column=pa.array([1]), rows=np.array([1]))}, "not there"),
        ({"popularity": Values(column=pa.array([1]), rows=np.array([-2]))}, "not there"),
        ({"similar": Lists(offsets=np.array([0, 3]), codes=np.array([0]), names=IDS)}, "do not fit"),
        ({"similar": Lists(offsets=np.array([0, 1]), codes=np.array([5]), names=IDS)}, "no name"),
    ],
)
def test_columns_that_do_not_fit_are_errors(parts, why: str) -> None:
    with pytest.raises(AlgosyncError, match=why):
        product_records(["a"], parts, TARGET)


def test_a_product_comes_once() -> None:
    with pytest.raises(AlgosyncError, match="occurs twice"):
        product_records(["a", "a"], {}, TARGET)


def test_a_large_catalog_takes_seconds() -> None:
    products, groups, length = 92_000, 60_000, 12
    rng = np.random.default_rng(0)
    object_ids = [str(1_000_000 + i) for i in range(products)]
    rows = rng.integers(-1, groups, products)

    def column() -> Lists:
        codes = rng.integers(0, products, groups * length)
        return Lists(offsets=np.arange(groups + 1) * length, codes=codes, names=object_ids, rows=rows)

    parts = {kind: column() for kind in ("similar", "bought_together", "viewed_together", "related")}
    parts["popularity"] = Values(column=pa.array(rng.integers(0, 11, products)))
    started = time.process_time()
    result = product_records(object_ids, parts, Target(index="p"))
    assert time.process_time() - started < 2.5
    assert len(result.payloads) == products
