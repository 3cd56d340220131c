"""One word against many, against each in turn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.mock.engine.text import inverted
from algosync.mock.engine.text.typos import typos, typos_of_many

WORD = st.text("abcé", min_size=1, max_size=7)


@given(word=WORD, others=st.lists(WORD, max_size=12), most=st.integers(1, 2), prefix=st.booleans())
@settings(max_examples=60, deadline=None)
def test_many_distances_are_those_of_each(word, others, most, prefix):
    expected = [typos(word, other, most, prefix=prefix) for other in others]
    found = typos_of_many(word, others, most, prefix=prefix).tolist()
    assert found == [-1 if count is None else count for count in expected]


def test_misspellings_are_remembered_for_so_many_words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inverted, "MISSPELT_KEPT", 2)
    index = inverted.TextIndex(1, None)
    index.add(0, {"objectID": "1", "name": "lamp"})
    index.seal()
    for asked in ("lamo", "lump", "lamb", "lamo", "camp"):
        word = inverted.Word(text=asked, prefix=False, typos_max=1)
        found = index.find(word, np.ones(1, np.bool_), inverted.Scope())
        assert found.typos.tolist() == [2 if asked == "camp" else 1]
        assert len(index._misspellings) <= 2
