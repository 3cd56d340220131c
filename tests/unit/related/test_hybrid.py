"""The mix of behaviour and content."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from algosync.related.hybrid import HybridRules, related
from algosync.related.topk import Lists, from_rows

N = 6


def _lists(rows: list[dict[int, float]]) -> Lists:
    ordered = [sorted(row.items(), key=lambda p: (-p[1], p[0])) for row in rows]
    plain = from_rows([[item for item, _ in row] for row in ordered])
    return Lists(indptr=plain.indptr, related=plain.related, score=np.array([s for row in ordered for _, s in row]))


ROWS = st.lists(
    st.dictionaries(st.integers(0, N - 1), st.sampled_from([0.1, 0.2, 0.5, 1.0]), max_size=4), min_size=N, max_size=N
)


@given(ROWS, ROWS, st.lists(st.booleans(), min_size=N, max_size=N), st.integers(1, 4))
def test_the_mix_is_the_formula_over_the_union(behaviour, content, here, n):
    for i in range(N):
        behaviour[i].pop(i, None)
        content[i].pop(i, None)
    got = related(
        _lists(behaviour),
        _lists(content),
        n=n,
        available=np.array(here),
        popularity=np.arange(N, dtype=float) % 2,
        rules=HybridRules(behaviour=2.0, content=1.0),
    )
    for i in range(N):
        sources = [(w, row) for w, row in ((2.0, behaviour[i]), (1.0, content[i])) if row]
        total = sum(w for w, _ in sources)
        score = {
            j: round(sum(w * row.get(j, 0.0) / max(row.values()) for w, row in sources) / total, 9)
            for j in {j for _, row in sources for j in row if here[j]}
        }
        want = sorted(score, key=lambda j: (-score[j], -(j % 2), j))[:n]
        assert [j for j, _ in got.of(i)] == want


def test_an_item_without_behaviour_keeps_its_content_list_on_the_full_scale():
    got = related(
        _lists([{}, {0: 0.01}]), _lists([{1: 0.2}, {}]), n=2, available=np.ones(2, bool), popularity=np.zeros(2)
    )
    assert [got.of(0), got.of(1)] == [[(1, 1.0)], [(0, 1.0)]]


def test_a_source_of_weight_zero_is_absent():
    got = related(
        _lists([{1: 1.0}, {}]),
        _lists([{1: 1.0}, {0: 1.0}]),
        n=2,
        available=np.ones(2, bool),
        popularity=np.zeros(2),
        rules=HybridRules(content=0.0),
    )
    assert [got.of(0), got.of(1)] == [[(1, 1.0)], []]
