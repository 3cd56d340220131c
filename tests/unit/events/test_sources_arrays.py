from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import orjson
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from algosync.events.sources import arrays

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
)


@given(st.lists(values, max_size=8))
def test_no_mixture_fails_and_nothing_is_lost(given_values: list) -> None:
    made = arrays.column(given_values)
    assert len(made) == len(given_values)
    assert [value is None for value in made.to_pylist()] == [value is None for value in given_values]
    if pa.types.is_string(made.type):
        for text, value in zip(made.to_pylist(), given_values, strict=True):
            assert text == value or orjson.loads(text) == value


def test_one_type_stays() -> None:
    assert arrays.column([1, None]).type == pa.int64()
    assert arrays.column([1, 2.5]).type == pa.float64()
    assert arrays.column([2**60, 2.5]).to_pylist() == [str(2**60), "2.5"]
    assert pa.types.is_timestamp(arrays.column([datetime(2026, 1, 1, tzinfo=UTC)]).type)


def test_only_the_field_that_disagrees_becomes_text() -> None:
    made = arrays.column([{"a": 1, "b": [1, 2]}, {"a": "x"}, None, {"b": ["y"]}])
    assert made.to_pylist() == [
        {"a": "1", "b": ["1", "2"]},
        {"a": "x", "b": None},
        None,
        {"a": None, "b": ["y"]},
    ]


def test_values_of_databases() -> None:
    found = arrays.column([Decimal("1.50"), "x", UUID(int=1), b"\xff", True, float("inf")])
    assert found.to_pylist() == ["1.50", "x", str(UUID(int=1)), "\\xff", "true", "inf"]
