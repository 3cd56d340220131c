"""The search structure after writes: an index that was written to step by step answers as one that was made at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.mock.engine import segments
from algosync.mock.server import MockAlgolia

from .asking import ask, loaded

NAMES = st.sampled_from([f"r{number}" for number in range(7)])
TEXTS = st.sampled_from(["red shoe", "red", "shoe rde", "blue hats", "hat", "redshoe", ""])
BRANDS = st.sampled_from(["A", "B", "C"])
ATTRIBUTES: dict[str, Any] = {
    "name": TEXTS,
    "note": TEXTS | st.lists(TEXTS, max_size=2),
    "brand": BRANDS | st.lists(BRANDS, max_size=2) | st.none(),
    "deep": st.fixed_dictionaries({}, optional={"size": st.integers(1, 3) | BRANDS, "more": TEXTS}),
    "rank": st.integers(0, 3) | st.sampled_from(["x", "y"]) | st.none(),
}
RECORDS = st.fixed_dictionaries({"objectID": NAMES}, optional=ATTRIBUTES)
PARTIAL = st.fixed_dictionaries(
    {"objectID": NAMES}, optional=ATTRIBUTES | {"count": st.just({"_operation": "Increment", "value": 2})}
)
ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["addObject", "updateObject"]), RECORDS),
    st.tuples(st.sampled_from(["partialUpdateObject", "partialUpdateObjectNoCreate"]), PARTIAL),
    st.tuples(st.just("deleteObject"), st.fixed_dictionaries({"objectID": NAMES})),
    st.tuples(st.sampled_from(["clear", "delete"]), st.just({})),
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "searchableAttributes": st.sampled_from([None, ["name"], ["unordered(note)", "name"], ["deep", "name,note"]]),
        "attributesForFaceting": st.sampled_from([["brand"], ["searchable(brand)", "deep.size", "rank"]]),
        "customRanking": st.sampled_from([None, ["desc(rank)"], ["asc(brand)", "desc(deep.size)"]]),
        "attributeForDistinct": st.sampled_from(["brand", "rank"]),
    },
)
CHOSEN = st.fixed_dictionaries(
    {
        "searchableAttributes": st.sampled_from([["name"], ["unordered(note)", "name"]]),
        "attributesForFaceting": st.just(["searchable(brand)", "deep.size", "rank"]),
        "customRanking": st.sampled_from([["desc(rank)"], ["asc(brand)", "desc(deep.size)"]]),
        "attributeForDistinct": st.sampled_from(["brand", "rank"]),
    }
)
UNSEARCHED = st.fixed_dictionaries({"objectID": NAMES}, optional={k: ATTRIBUTES[k] for k in ("brand", "deep", "rank")})
PARTIALS = st.lists(st.tuples(st.just("partialUpdateObjectNoCreate"), UNSEARCHED), min_size=3, max_size=8)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("batch"), st.lists(ACTIONS, min_size=1, max_size=5)),
        st.tuples(st.just("batch"), PARTIALS),
        st.tuples(st.just("batch"), PARTIALS),
        st.tuples(st.just("settings"), SETTINGS),
        st.tuples(st.sampled_from(["publish", "hold", "snapshot", "restore", "move"]), st.none()),
    ),
    max_size=6,
)
SEARCHES = [
    {"query": "red shoe"},
    {"query": "re", "facets": ["*"], "optionalFilters": ["brand:A<score=3>", "brand:-B"]},
    {"query": "", "facets": ["*"], "numericFilters": ["rank>=1"], "distinct": True},
    {"query": "hat", "distinct": 2, "sortFacetValuesBy": "alpha", "facets": ["brand"]},
]
TIMES = frozenset({"processingTimeMS", "processingTimingsMS", "serverTimeMS"})


def answers(algolia: MockAlgolia) -> list[Any]:
    found = [ask(algolia, "query", {"getRankingInfo": True, **params}) for params in SEARCHES]
    return [{name: value for name, value in answer.items() if name not in TIMES} for answer in found]


def written(algolia: MockAlgolia, kind: str, content: Any, kept: list[Any]) -> None:
    if kind == "batch":
        requests = [{"action": action, "body": body} for action, body in content]
        ask(algolia, "batch", {"requests": requests})
    elif kind == "settings":
        ask(algolia, "settings", content, "PUT")
    elif kind in {"publish", "hold"}:
        algolia.tasks.delay_ms = 0 if kind == "publish" else 1000
    elif kind == "snapshot":
        kept[:] = [algolia.snapshot()]
    elif kind == "restore" and kept:
        algolia.restore(kept[0])
    elif kind == "move" and "p" in algolia.tasks.head:
        ask(algolia, "operation", {"operation": "copy", "destination": "q"})
        ask(algolia, "batch", {"requests": [{"action": "clear", "body": {}}]})
        ask(algolia, "operation", {"operation": "move", "destination": "p"}, of="q")


def test_writes_and_searches_in_turn_do_not_build_ever_more(monkeypatch):
    built = []
    prepare = segments.Segment.prepare

    def counted(segment, records, attributes, lines):
        if segment._text is None:
            built.append(len(segment))
        prepare(segment, records, attributes, lines)

    monkeypatch.setattr(segments.Segment, "prepare", counted)
    algolia = loaded([{"objectID": str(number), "name": "red"} for number in range(300)])
    for number in range(300):
        body = {"objectID": str(number), "name": f"blue {number}"}
        ask(algolia, "batch", {"requests": [{"action": "updateObject", "body": body}]})
        assert ask(algolia, "query", {"query": "blue", "hitsPerPage": 0})["nbHits"] == number + 1
    assert sum(built) < 300 * 100


@pytest.mark.parametrize("small_min", [0, 2, 2000])
@settings(max_examples=40, deadline=None)
@given(rows=st.lists(RECORDS, min_size=4, max_size=12), chosen=CHOSEN, steps=STEPS)
def test_step_by_step_is_as_at_once(small_min, rows, chosen, steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SMALL_MIN", small_min)
        clock = [0]
        algolia = MockAlgolia(clock_ms=lambda: clock[0])
        kept: list[Any] = []
        first = ("batch", [("addObject", row) for row in rows])
        for kind, content in [("settings", chosen), first, *steps]:
            written(algolia, kind, content, kept)
            clock[0] += 600
            if now := algolia.content().get("p"):
                once = loaded(list(now["records"].values()), **now["settings"])
                assert answers(algolia) == answers(once)
