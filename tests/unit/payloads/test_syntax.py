"""The text of one filter: what is said comes back, what cannot be said is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from algosync.errors import ConfigError
from algosync.payloads.syntax import (
    SCORE_MAX,
    OptionalFilter,
    facet_problem,
    parse,
    render,
    stands_for_nothing,
    value_problem,
)

tricky = st.text(alphabet=st.sampled_from(list("ab-:<>=score123\\\"' \n,é[](){}")), max_size=25)


@given(facet=st.text(max_size=12) | tricky, value=st.text(max_size=40) | tricky, score=st.integers(0, SCORE_MAX))
@example(facet="brand", value="-Apple", score=3)
@example(facet="brand", value="--", score=3)
@example(facet="brand", value="a<score", score=65_535)
@example(facet="a.b", value="x:y>z", score=0)
@example(facet="categories", value="Books > Novels", score=1)
def test_whatever_is_not_refused_comes_back(facet: str, value: str, score: int) -> None:
    if facet_problem(facet) or value_problem(value):
        with pytest.raises(ConfigError):
            render(facet, value, score)
        return
    assert parse(render(facet, value, score)) == OptionalFilter(facet=facet, value=value, score=score)


@given(tricky)
def test_text_is_read_in_one_way_or_refused(text: str) -> None:
    try:
        parts = parse(text)
    except ConfigError:
        return
    if not parts.negated:
        assert parse(render(parts.facet, parts.value, parts.score)) == parts


def test_examples_of_the_documentation() -> None:
    assert render("brand", "Apple", 2000) == "brand:Apple<score=2000>"
    assert render("category", "-movie", 1) == "category:\\-movie<score=1>"
    assert parse("type:tablet") == OptionalFilter(facet="type", value="tablet")
    assert parse("category:-movies<score=1>") == OptionalFilter(facet="category", value="movies", negated=True)
    assert parse("category:\\-movie") == OptionalFilter(facet="category", value="-movie")
    assert parse("on_sale:true<score=5>") == OptionalFilter(facet="on_sale", value="true", score=5)


@pytest.mark.parametrize(
    ("facet", "value", "why"),
    [
        ("brand", "x<score=9>", "<score="),
        ("brand", "x<SCORE=9>", "<score="),
        ("brand", "", "empty"),
        ("brand", " \t\n", "white space"),
        ("brand", "\\-x", "escaped minus"),
        ("brand", "x" * 501, "501 bytes"),
        ("brand", "\ud800", "Unicode"),
        ("a:b", "x", "colon"),
        ("a\nb", "x", "control"),
        ("a\x9f", "x", "control"),
        ("-brand", "x", "minus"),
        (" brand", "x", "white space"),
        ("", "x", "empty"),
    ],
)
def test_refused_with_the_reason(facet: str, value: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        render(facet, value, 1)


@pytest.mark.parametrize("score", [-1, SCORE_MAX + 1, 1.5, True])
def test_a_score_is_an_integer_in_range(score: int) -> None:
    with pytest.raises(ConfigError, match="a score is an integer"):
        render("brand", "Apple", score)


@pytest.mark.parametrize("text", ["", "brand", ":x", "brand:", "brand:x<score=70000>", "a:b<score=1><score=2>"])
def test_text_that_is_no_filter(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text)


def test_limits_count_bytes() -> None:
    assert value_problem("é" * 250) is None
    assert value_problem("é" * 251) is not None


@pytest.mark.parametrize("value", ["not-set", "{}", "Unknown", "***", "empty", "None", "N/A", "n/a", "NULL", " null "])
def test_stand_ins_for_no_value(value: str) -> None:
    assert stands_for_nothing(value)
    assert not stands_for_nothing(value + "x")
