"""Dotted paths and the conditions on availability."""

from __future__ import annotations

from decimal import Decimal

import pytest

from algosync.catalog.paths import condition, getter, number
from algosync.errors import ConfigError


@pytest.mark.parametrize(
    ("path", "record", "values"),
    [
        ("brand", {"brand": "Apple"}, ["Apple"]),
        ("brand", {}, []),
        ("brand", {"brand": None}, []),
        ("tags", {"tags": ["a", None, ["b"]]}, ["a", "b"]),
        ("a.b", {"a": {"b": 1}}, [1]),
        ("a.b", {"a": [{"b": "x"}, {"c": 1}, {"b": ["y", "z"]}, 5]}, ["x", "y", "z"]),
        ("a.b.c", {"a": {"b": [{"c": False}]}}, [False]),
        ("h.lvl0", {"h.lvl0": "Books", "h": {"lvl0": "no"}}, ["Books"]),
        ("a.b", {"a": "text"}, []),
    ],
)
def test_values_at_a_path(path, record, values):
    assert getter(path)(record) == values


@pytest.mark.parametrize(
    ("source", "record", "holds"),
    [
        ("in_stock:true", {"in_stock": True}, True),
        ("in_stock:true", {"in_stock": "true"}, True),
        ("in_stock:true", {"in_stock": False}, False),
        ("in_stock:true", {}, False),
        ("stock:>0", {"stock": 3}, True),
        ("stock:>0", {"stock": 0}, False),
        ("stock:>0", {"stock": "2"}, True),
        ("stock:>0", {"stock": "many"}, False),
        ("stock:>0", {"stock": True}, False),
        ("stock:>=1", {"stock": 1}, True),
        ("stock: < 5", {"stock": 4.5}, True),
        ("stock:<=5", {"stock": 5}, True),
        ("status:!=archived", {"status": "active"}, True),
        ("status:!=archived", {"status": "archived"}, False),
        ("status:=active", {"status": "active"}, True),
        ("shops.stock:>0", {"shops": [{"stock": 0}, {"stock": 2}]}, True),
        ("a:b:c", {"a": "b:c"}, True),
        ("status:active AND stock:>0", {"status": "active", "stock": 0}, False),
        ("status:active AND stock:>0", {"status": "active", "stock": 1}, True),
    ],
)
def test_conditions(source, record, holds):
    assert condition(source)(record) is holds


@pytest.mark.parametrize("source", ["in_stock", "", "stock:>", "stock:>many", ":true", "a:1 AND "])
def test_what_is_no_condition_is_an_error(source):
    with pytest.raises(ConfigError):
        condition(source)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        ("1.5", 1.5),
        (Decimal("2.5"), 2.5),
        (True, None),
        ("", None),
        ("inf", None),
        (None, None),
        (10**400, None),
    ],
)
def test_numbers(value, expected):
    assert number(value) == expected
