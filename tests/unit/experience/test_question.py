"""A question that Algolia could not carry is refused, and the refusal names the field and nobody's data."""

from __future__ import annotations

import pytest

from algosync.errors import RequestError
from algosync.experience.question import Question


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("user_token", "", "userToken"),
        ("user_token", "anna@example.com", "userToken"),
        ("user_token", "a" * 130, "userToken"),
        ("user_token", 7, "userToken"),
        ("where", "nowhere", "where"),
        ("where", "category:", "where"),
        ("where", ["home"], "where"),
        ("query", 7, "query"),
        ("query", "q" * 513, "query"),
        ("object_id", "a\nb", "objectID"),
        ("object_id", "", "objectID"),
        ("context", {"country": 7}, "context"),
        ("context", {str(n): "x" for n in range(11)}, "context"),
        ("context", ["FR"], "context"),
        ("consent", "maybe", "consent"),
        ("rule_contexts", "summer", "ruleContexts"),
        ("rule_contexts", ("summer sale",), "ruleContexts"),
        ("rule_contexts", tuple(f"c{n}" for n in range(11)), "ruleContexts"),
        ("optional_filters", "brand:Apple", "optionalFilters"),
        ("optional_filters", [[]], "optionalFilters"),
        ("optional_filters", [["a:b", ["c:d"]]], "optionalFilters"),
        ("optional_filters", [7], "optionalFilters"),
        ("optional_filters", [""], "optionalFilters"),
        ("optional_filters", ["brand:\ud800"], "optionalFilters"),
        ("index", "\x00", "index"),
        ("where", "category:\udfff", "where"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_field(field, value, where):
    with pytest.raises(RequestError) as error:
        Question(**{"user_token": "anna", field: value})
    assert error.value.where == where
    if isinstance(value, str) and len(value) > 4 and value != "category:":
        assert value not in str(error.value)


def test_unusual_spaces_and_letters_are_fine():
    odd = "category:Café\u00a0crème\u200b"
    assert (
        Question(user_token="a", where=odd, optional_filters=[odd], object_id=odd).category == "Café\u00a0crème\u200b"
    )


def test_the_category_and_the_words():
    assert Question(user_token="a", where="category:Books: old").category == "Books: old"
    assert Question(user_token="a", where="category").category is None
    assert [Question(user_token="a", query=query).words for query in (None, "", " ", "red  shoes ")] == [0, 0, 0, 2]
