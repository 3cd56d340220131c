"""The contexts of one person."""

from __future__ import annotations

import pytest

from algosync.errors import ConfigError
from algosync.payloads.contexts import context_name


@pytest.mark.parametrize("slug", ["", "a b", "é", "a.b", "a\n"])
def test_the_alphabet_of_contexts(slug: str) -> None:
    with pytest.raises(ConfigError, match="letters"):
        context_name(slug)
