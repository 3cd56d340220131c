from __future__ import annotations

import re
from decimal import Decimal

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import ConfigError, SourceError
from algosync.events.mapping import Canonical, ColumnRef, EventMapping, apply
from algosync.events.schema import FIELDS
from algosync.events.sources import arrays
from algosync.events.sources.base import BadRow, RawBatch
from algosync.events.sources.explode import Explode
from algosync.events.transforms import hashed, safe

BASIC = {"timestamp": "at", "user_token": "who", "event_type": "what"}


def batch(table: pa.Table | list[dict], *, sparse: bool = False, bad=()) -> RawBatch:
    table = table if isinstance(table, pa.Table) else pa.Table.from_pylist(table)
    places = pa.array([f"e:{number}" for number in range(1, table.num_rows + 1)], pa.string())
    return RawBatch(table=table, positions=places, bad=bad, cursor="{}", sparse=sparse)


def mapped(rows, *, sparse: bool = False, **options) -> Canonical:
    columns = BASIC | options.pop("columns", {})
    base = [{"at": "2026-01-01", "who": "u", "what": "view"} | row for row in rows] if isinstance(rows, list) else rows
    return apply(batch(base, sparse=sparse), EventMapping(columns=columns, **options))


def column(made: Canonical, name: str) -> list:
    return made.table.column(name).to_pylist()


def test_every_field_is_there_and_in_order() -> None:
    made = mapped([{}, {}])
    assert tuple(made.table.column_names) == FIELDS
    assert column(made, "user_token") == ["u", "u"]
    assert column(made, "object_id") == [None, None]
    assert made.table.schema.field("facet_filters").type == pa.list_(pa.string())
    assert made.table.schema.field("context").type == pa.map_(pa.string(), pa.string())
    assert made.positions.to_pylist() == ["e:1", "e:2"]


def test_constants_fill_what_the_column_lacks() -> None:
    made = mapped([{"c": None}, {"c": "EUR"}], columns={"currency": "c"}, constants={"currency": "USD", "index": "p"})
    assert column(made, "currency") == ["USD", "EUR"]
    assert column(made, "index") == ["p", "p"]


def test_values_are_translated_case_sensitively_and_others_pass() -> None:
    rows = [{"what": what} for what in ("transaction", "Transaction", "view", None)]
    made = mapped(rows, values={"event_type": {"transaction": "purchase"}})
    assert column(made, "event_type") == ["purchase", "Transaction", "view", None]


def test_ids_of_all_types_become_text() -> None:
    table = pa.table(
        {
            "at": pa.array([1, 2]),
            "who": pa.array([5.0, None]),
            "what": pa.array(["view", "view"]).dictionary_encode(),
            "o": pa.array([Decimal("1.50"), None]),
            "s": pa.array([1.5, 2.0]),
            "i": pa.array([{"a": 1}, None]),
            "x": pa.array([True, None]),
        }
    )
    columns = BASIC | {"object_id": "o", "session_id": "s", "index": "i", "consent": "x"}
    made = apply(batch(table), EventMapping(columns=columns))
    assert column(made, "timestamp") == [1, 2]
    assert column(made, "user_token") == ["5", None]
    assert column(made, "event_type") == ["view", "view"]
    assert column(made, "object_id") == ["1.50", None]
    assert column(made, "session_id") == ["1.5", "2"]
    assert column(made, "index") == ['{"a":1}', None]
    assert column(made, "consent") == ["true", None]


def test_numbers_and_times_stay_as_found() -> None:
    table = pa.table(
        {
            "at": pa.array([0], pa.timestamp("ms", "UTC")),
            "who": ["u"],
            "what": ["view"],
            "p": [1.5],
            "q": ["2"],
            "d": pa.array([Decimal("0.10")]),
        }
    )
    columns = BASIC | {"price": "p", "quantity": "q", "discount": "d"}
    made = apply(batch(table), EventMapping(columns=columns)).table.schema
    assert made.field("timestamp").type == pa.timestamp("ms", "UTC")
    assert made.field("price").type == pa.float64()
    assert made.field("quantity").type == pa.string()
    assert made.field("discount").type == pa.string()


def test_nested_paths_and_names_with_dots() -> None:
    rows = [{"o": {"a": {"b": "x"}}, "n.m": "y", "j": '{"k": {"l": 7}}'}]
    made = mapped(rows, columns={"object_id": "o.a.b", "session_id": "n.m", "order_id": "j.k.l"})
    assert [column(made, name) for name in ("object_id", "session_id", "order_id")] == [["x"], ["y"], ["7"]]


def test_the_first_of_several_columns_that_has_a_value() -> None:
    made = mapped([{"a": None, "b": "x"}, {"a": "y", "b": "z"}], columns={"query_id": ("a", "b")})
    assert column(made, "query_id") == ["x", "y"]


def test_context_holds_what_is_there() -> None:
    rows = [{"c": "DE", "d": None}, {"c": None, "d": 7}, {"c": None, "d": None}]
    made = mapped(rows, context={"country": "c", "device": "d"})
    assert [dict(row) for row in column(made, "context")] == [{"country": "DE"}, {"device": "7"}, {}]


def test_product_is_json_without_what_is_absent() -> None:
    rows = [
        {"b": 'A"b\\ü', "p": "33.20", "c": ["x", "y"], "n": None},
        {"b": None, "p": "cheap", "c": None, "n": 2},
        {"b": None, "p": None, "c": None, "n": None},
    ]
    made = mapped(rows, product={"brand": "b", "price": "p", "categories": "c", "it's": "n"})
    found = [None if text is None else orjson.loads(text) for text in column(made, "product")]
    assert found == [
        {"brand": 'A"b\\ü', "price": 33.2, "categories": ["x", "y"]},
        {"price": "cheap", "it's": 2},
        None,
    ]


def test_numbers_that_are_none_make_no_bad_json() -> None:
    made = mapped([{"p": float("nan"), "t": "nan"}, {"p": 1.5, "t": "inf"}], product={"n": "p", "price": "t"})
    assert [orjson.loads(text) for text in column(made, "product")] == [{"price": "nan"}, {"n": 1.5, "price": "inf"}]


def test_row_ids() -> None:
    made = mapped([{}, {}], columns={"event_id": "row"})
    assert column(made, "event_id") == ["e:1", "e:2"]
    made = mapped([{"row": "x"}], columns={"event_id": ColumnRef(column="row")})
    assert column(made, "event_id") == ["x"]


def test_unmapped_columns_are_named_and_bad_rows_handed_on() -> None:
    given_bad = BadRow(position="e:9", content="x", reason="y")
    made = apply(
        batch([{"at": "1", "who": "u", "what": "view", "z": 1, "y": 2}], bad=(given_bad,)), EventMapping(columns=BASIC)
    )
    assert made.unmapped == ("z", "y")
    assert made.bad == (given_bad,)


def test_a_missing_column_is_told_with_the_closest() -> None:
    table = [{"event_time": "1", "who": "u", "what": "view"}]
    with pytest.raises(SourceError) as caught:
        apply(batch(table), EventMapping(columns=BASIC | {"timestamp": "event_tme"}))
    assert str(caught.value) == (
        "e:1: no column event_tme for timestamp; there are event_time, who, what. Did you mean event_time?"
    )


def test_optional_columns_may_be_absent_where_it_was_said_or_rows_are_sparse() -> None:
    with pytest.raises(SourceError, match="no column q for query_id"):
        mapped([{}], columns={"query_id": "q"})
    assert column(mapped([{}], columns={"query_id": "q"}, optional=frozenset({"query_id"})), "query_id") == [None]
    assert column(mapped([{}], columns={"query_id": "q"}, sparse=True), "query_id") == [None]
    with pytest.raises(SourceError, match="user_token"):
        mapped([{}], columns={"user_token": "nobody"}, sparse=True)
    with pytest.raises(SourceError, match=r"product\.brand"):
        mapped([{}], product={"brand": "b"})


def test_a_required_field_may_be_a_constant_but_not_nothing() -> None:
    table = [{"at": "1", "who": "u"}]
    columns = {"timestamp": "at", "user_token": "who"}
    made = apply(batch(table), EventMapping(columns=columns, constants={"event_type": "view"}))
    assert column(made, "event_type") == ["view"]
    with pytest.raises(ConfigError, match="nothing fills event_type"):
        apply(batch(table), EventMapping(columns=columns))


def test_a_batch_without_rows() -> None:
    empty = RawBatch(table=pa.table({}), positions=pa.array([], pa.string()), bad=(), cursor="{}")
    made = apply(empty, EventMapping(columns=BASIC, context={"a": "b"}, product={"a": "b"}))
    assert made.table.num_rows == 0
    assert tuple(made.table.column_names) == FIELDS


def test_mistakes_in_a_mapping() -> None:
    with pytest.raises(ConfigError, match="Did you mean user_token"):
        EventMapping(columns={"user_tokn": "x"})
    with pytest.raises(ConfigError, match="hmac"):
        EventMapping(columns={"user_token": ColumnRef(column="x", transform="hmac")})
    made = EventMapping(columns={"user_token": ColumnRef(column="x", transform="hmac")}, hash_key=b"secret")
    assert "secret" not in repr(made)


def test_laying_one_mapping_over_another() -> None:
    base = EventMapping(
        columns=BASIC | {"price": "p"},
        values={"event_type": {"a": "b", "c": "d"}},
        constants={"currency": "USD"},
        optional=frozenset({"price"}),
        order_from=("session_id",),
    )
    made = EventMapping(columns={"price": "cost"}, values={"event_type": {"c": "e"}}).over(base)
    assert made.columns == BASIC | {"price": "cost"}
    assert made.values == {"event_type": {"a": "b", "c": "e"}}
    assert made.constants == {"currency": "USD"}
    assert (made.optional, made.order_from) == (frozenset(), ("session_id",))


def test_an_order_of_25_products_is_25_rows() -> None:
    lines = [{"id": f"p{n}", "price": float(n)} for n in range(25)]
    rows = [{"lines": lines, "order": "o1"}, {"lines": [], "order": None}, {"lines": None, "order": None}]
    made = mapped(
        rows,
        columns={"object_id": "lines.id", "price": "lines.price", "order_id": "order"},
        explode=(Explode(columns=("lines",)),),
    )
    assert column(made, "object_id") == [*(f"p{n}" for n in range(25)), None, None]
    assert column(made, "price")[:25] == [float(n) for n in range(25)]
    assert column(made, "order_id")[:25] == ["o1"] * 25
    assert made.positions.to_pylist() == [*(f"e:1#{n}" for n in range(1, 26)), "e:2", "e:3"]
    assert [orjson.loads(text)["order"] for text in made.raw_json([3, 24, 26])] == ["o1", "o1", None]


def test_lists_side_by_side_and_json_text() -> None:
    rows = [{"ids": '["a", "b"]', "n": [1, 2]}, {"ids": "c", "n": [3]}, {"ids": '["d"]', "n": [4, 5]}]
    made = mapped(rows, columns={"object_id": "ids", "position": "n"}, explode=(Explode(columns=("ids", "n")),))
    assert column(made, "object_id") == ["a", "b", "c"]
    assert column(made, "position") == [1, 2, 3]
    ((position, reason),) = [(row.position, row.reason) for row in made.bad]
    assert (position, reason) == ("e:3", "n has 2 entries, ids has 1")


@given(st.lists(st.none() | st.lists(st.integers(0, 99), max_size=4), max_size=10))
def test_taking_apart_keeps_every_element(values) -> None:
    table = pa.table({"l": pa.array(values, pa.list_(pa.int64())), "n": list(range(len(values)))})
    raw = batch(table.append_column("at", pa.nulls(len(values), pa.string())))
    made = apply(
        raw,
        EventMapping(
            columns={"timestamp": "at", "user_token": "n", "event_type": "at", "object_id": "l"},
            explode=(Explode(columns=("l",)),),
        ),
    )
    wanted = [(str(n), None if x is None else str(x)) for n, value in enumerate(values) for x in value or [None]]
    assert list(zip(column(made, "user_token"), column(made, "object_id"), strict=True)) == wanted
    assert len(set(made.positions.to_pylist())) == len(wanted)


@given(st.text(max_size=60) | st.text(st.sampled_from("=abA3D_+-/"), max_size=140))
def test_safe_ids_are_in_the_alphabet_and_stay(value: str) -> None:
    made = safe(value)
    assert made == safe(value)
    assert re.fullmatch(r"[a-zA-Z0-9_=/+-]{0,128}", made)
    if re.fullmatch(r"[a-zA-Z0-9_=/+-]{1,128}", value) and not value.startswith("=="):
        assert made == value


alike = st.text(st.sampled_from("=aA3D é"), max_size=9)


@given(st.sets(alike | alike.map(safe) | alike.map(lambda text: safe(safe(text))), max_size=30))
def test_safe_ids_of_different_ids_differ(values: set[str]) -> None:
    assert len({safe(value) for value in values}) == len(values)


def test_ids_that_a_browser_must_make_too() -> None:
    assert safe("a@b.c") == "==a=40b=2Ec"
    assert safe("==") == "===3D=3D"
    assert safe("é") == "===C3=A9"
    assert safe("abc==") == "abc=="
    assert safe("a" * 128) == "a" * 128
    assert safe("a" * 129) == "====wSywJKLlVRzKDgj86PHF4xRVXMP-9jKe6ZSj23UhZq4"
    assert safe("") == ""
    assert hashed("a@b.c", b"key") == "Oa5JxQQmsr0IVDUIs3btkA"


def test_transforms_are_made_over_columns() -> None:
    made = mapped(
        [{"who": "a b"}, {"who": None}, {"who": "a b"}],
        columns={
            "user_token": ColumnRef(column="who", transform="safe"),
            "authenticated_user_token": ColumnRef(column="who", transform="hmac"),
        },
        hash_key=b"key",
    )
    assert column(made, "user_token") == ["==a=20b", None, "==a=20b"]
    assert column(made, "authenticated_user_token") == [hashed("a b", b"key"), None, hashed("a b", b"key")]


@pytest.mark.parametrize("said", ["purchase", "Purchase", "PUR-CHASE", " pur_chase "])
def test_an_order_is_named_for_a_purchase_however_it_is_written(said: str) -> None:
    made = mapped(
        [{"what": said, "sub": None}, {"what": "conversion", "sub": said}, {"what": "view"}],
        order_from=("user_token",),
        columns={"event_subtype": "sub"},
    )
    assert column(made, "order_id") == ["u", "u", None]


def test_a_number_is_one_id_whatever_stands_beside_it() -> None:
    batches = [[1.0, 1e30, 0.5], [1.0, 1e30, 0.5, "x"], [1, 1e30, 0.5, None]]
    for ids in batches:
        table = pa.table({name: ["u"] * len(ids) for name in BASIC.values()} | {"id": arrays.column(ids)})
        assert column(mapped(table, columns={"object_id": "id"}), "object_id")[:3] == ["1", "1e+30", "0.5"]
