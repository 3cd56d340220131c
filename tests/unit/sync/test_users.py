"""Visitor attributes: whose they are, and as which texts."""

from __future__ import annotations

import pytest

from algosync.errors import SourceError
from algosync.sync.users import UsersSource, read_users


def _source(*batches, token="user", attributes=None, transform=lambda text: text):
    return UsersSource(
        read=lambda: iter(batches), token=token, transform=transform, attributes=attributes, where="users.csv"
    )


def _rows(found):
    return sorted(tuple(row.values()) for row in found.to_pylist())


def test_known_visitors_take_their_attributes_others_are_counted():
    source = _source(
        [{"user": "anna", "age": 25.0, "city": "Ulm"}], [{"user": 7, "vip": True, "age": None}, {"user": "x"}]
    )
    found, unknown = read_users([source], {"anna": 1, "7": 2})
    assert _rows(found) == [(1, "age", "25"), (1, "city", "Ulm"), (2, "vip", "true")]
    assert unknown == 1


def test_the_first_source_wins_and_nan_is_nothing():
    first = _source([{"user": "anna", "age": 25, "size": float("nan")}])
    second = _source([{"user": "anna", "age": 99, "size": 1.5}])
    assert _rows(read_users([first, second], {"anna": 1})[0]) == [(1, "age", "25"), (1, "size", "1.5")]


def test_named_attributes_alone_and_a_transformed_token():
    source = _source(
        [{"mail": "A@X", "age": 25, "city": "Ulm"}], token="mail", attributes=("age",), transform=str.lower
    )
    assert _rows(read_users([source], {"a@x": 4})[0]) == [(4, "age", "25")]


def test_a_missing_token_column_names_those_that_are_there():
    with pytest.raises(SourceError, match=r"users\.csv: no column 'user'\. There are id, age") as error:
        read_users([_source([{"id": 1, "age": 2}])], {})
    assert "user_token" in str(error.value)


def test_no_source_no_attributes():
    found, unknown = read_users([], {"anna": 1})
    assert (found.num_rows, unknown) == (0, 0)
