"""Sensitive values."""

from __future__ import annotations

import pytest

from algosync.catalog.never import withheld


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
        (["*medicine*"], ["Natural medicine", "Books"], ["Books"]),
        ([], ["Anything"], ["Anything"]),
    ],
)
def test_patterns_withhold_values(patterns, values, kept):
    hidden = withheld(patterns)(values)
    assert [v for v, hide in zip(values, hidden, strict=True) if not hide] == kept
