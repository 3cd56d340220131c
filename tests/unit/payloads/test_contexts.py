"""The contexts of one person."""

from __future__ import annotations

import pytest

from algosync.errors import ConfigError
from algosync.payloads.contexts import context_name, rule_contexts


def test_the_highest_come_first_and_the_rest_is_said() -> None:
    contexts, cut = rule_contexts([("low", 1), ("b", 5), ("a", 5), ("top", 9), ("a", 5)], limit=3)
    assert contexts == ("algosync-top", "algosync-a", "algosync-b")
    assert [(c.value, c.reason) for c in cut] == [("low", "cut: more than 3 contexts")]
    assert rule_contexts([], limit=0) == ((), ())


@pytest.mark.parametrize("limit", [-1, 11])
def test_algolia_takes_ten(limit: int) -> None:
    with pytest.raises(ConfigError, match="0 to 10"):
        rule_contexts([], limit)


@pytest.mark.parametrize("slug", ["", "a b", "é", "a.b", "a\n"])
def test_the_alphabet_of_contexts(slug: str) -> None:
    with pytest.raises(ConfigError, match="letters"):
        context_name(slug)
