"""Sensitive values."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.catalog.never import expression, is_sensitive, withheld


@pytest.mark.parametrize(
    ("patterns", "values", "kept"),
    [
        (["Health/*"], ["Health/Vitamins", "Books", "Healthy food"], ["Books", "Healthy food"]),
        (["Health/*"], ["health", "HEALTH/x"], []),
        (["Health/*"], ["Health > Vitamins"], []),
        (["Health/*"], ["Health", "Vitamins", "B12"], []),
        (["Health/*"], ["Books", "Health"], ["Books"]),
        (["Beauty/Intimate/*"], ["Beauty", "Hair"], ["Beauty", "Hair"]),
        (["Beauty/Intimate/*"], ["Beauty", "Intimate", "X"], ["Beauty"]),
        (["Health > *"], ["Health", "Health/x", " Health\u00a0>\u00a0y ", "Sex"], ["Sex"]),
        (["Straße*"], ["STRASSE 1", "straße 2"], []),
        (["Sex"], ["Sex\n", "sex "], []),
        (["*medicine*"], ["Natural medicine", "Books"], ["Books"]),
        ([], ["Anything"], ["Anything"]),
    ],
)
def test_patterns_withhold_values(patterns, values, kept):
    hidden = withheld(patterns)(values)
    assert [v for v, hide in zip(values, hidden, strict=True) if not hide] == kept


VALUES = st.text(alphabet="aAé/> \u00a0\n*?.[]()^$\\+-|{}'ß", max_size=6)


@given(st.lists(VALUES.filter(bool), min_size=1, max_size=3), VALUES)
def test_the_engine_and_python_withhold_the_same(patterns, value):
    said = duckdb.execute("SELECT regexp_matches(?, ?)", [value, expression(tuple(patterns))]).fetchone()[0]
    assert said == is_sensitive(value, patterns) == withheld(patterns)([value])[0]


@given(st.text(alphabet="ab.[]()^$\\+-|{}", min_size=1, max_size=6))
def test_a_pattern_without_wildcards_means_itself(text):
    assert is_sensitive(text, (text,))
    assert not is_sensitive(f"{text}x", (text,))
    assert not is_sensitive(f"x{text}", (text,))
