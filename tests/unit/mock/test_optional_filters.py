"""optionalFilters: the documentation's worked examples, and a plain reference that must agree on any input."""

from __future__ import annotations

import orjson
import pytest
from algoliasearch.http.exceptions import RequestException
from hypothesis import given
from hypothesis import strategies as st

from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.server import MockAlgolia

HEADERS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}
DECLARED = ["brand", "filterOnly(type)", "searchable(color)", "afterDistinct(deep.kind)", "flag", "number"]


def ask(algolia, path, body, method="POST"):
    call = Call(method=method, path=f"/1/indexes/p/{path}", headers=HEADERS, body=orjson.dumps(body))
    answer = handle(algolia, call)
    assert answer.status == 200, answer
    return orjson.loads(answer.body)


def loaded(records):
    algolia = MockAlgolia()
    ask(algolia, "settings", {"attributesForFaceting": DECLARED}, "PUT")
    ask(algolia, "batch", {"requests": [{"action": "addObject", "body": record} for record in records]})
    return algolia


def scores(algolia, **params):
    hits = ask(algolia, "query", {"getRankingInfo": True, "hitsPerPage": 1000, **params})["hits"]
    return {hit["objectID"]: hit["_rankingInfo"]["filters"] for hit in hits}


CLOTHES = [
    {"objectID": "both", "brand": "Apple", "type": "tablet", "color": ["red", "blue"]},
    {"objectID": "brand", "brand": "Apple", "type": "phone", "color": "blue"},
    {"objectID": "none", "brand": "Other", "type": "jeans", "color": "green"},
]


# https://www.algolia.com/doc/guides/managing-results/rules/merchandising-and-promoting/in-depth/optional-filters
@pytest.mark.parametrize(
    ("optional", "sum_or", "expected"),
    [
        (["brand:Apple<score=2>", "type:tablet"], False, {"both": 3, "brand": 2, "none": 0}),
        ([["color:red<score=2>", "color:blue"]], False, {"both": 2, "brand": 1, "none": 0}),
        ([["color:red<score=2>", "color:blue"]], True, {"both": 3, "brand": 1, "none": 0}),
        ([["color:red<score=2>", "color:blue"], "type:-jeans"], False, {"both": 3, "brand": 2, "none": 0}),
        (["color:red<score=2>", "color:blue"], False, {"both": 3, "brand": 1, "none": 0}),
        (
            ["brand:Apple<score=3>", "brand:S<score=2>", "brand:-Huawei"],
            False,
            {"both": 4, "brand": 4, "none": 1},
        ),
        (["objectID:none<score=500>"], False, {"none": 500, "both": 0, "brand": 0}),
        ([], False, {"both": 0, "brand": 0, "none": 0}),
    ],
)
def test_worked_examples(optional, sum_or, expected):
    found = scores(loaded(CLOTHES), query="", optionalFilters=optional, sumOrFiltersScores=sum_or)
    assert found == expected
    assert list(found) == sorted(expected, key=lambda name: (-expected[name], name)), "best first, ties by objectID"


# https://www.algolia.com/doc/guides/managing-results/refine-results/filtering/in-depth/filter-scoring
@pytest.mark.parametrize(("sum_or", "expected"), [(False, 3), (True, 6)])
def test_scores_of_hard_filters(sum_or, expected):
    algolia = loaded([{"objectID": "a", "brand": ["Google", "Amazon", "Facebook"]}, {"objectID": "b", "brand": "x"}])
    text = "(brand:Google<score=3> OR brand:Amazon<score=2> OR brand:Facebook<score=1>)"
    assert scores(algolia, query="", filters=text, sumOrFiltersScores=sum_or) == {"a": expected}


def test_what_counts():
    record = {"objectID": "a", "deep": [{"kind": "x"}, {"kind": "y"}], "flag": True, "number": 3, "undeclared": "z"}
    algolia = loaded([record])
    for item, score in {
        "deep.kind:y": 1,
        "flag:true": 1,
        "flag:-false": 1,
        "number:3": 0,  # exact strings and booleans only
        "undeclared:z": 0,
        "undeclared:-other": 0,
        "deep.kind:X": 0,  # values are compared exactly
    }.items():
        assert scores(algolia, query="", optionalFilters=[item]) == {"a": score}, item


def test_order_beats_custom_ranking_and_yields_to_typos():
    algolia = loaded([{"objectID": "typo", "name": "phome", "brand": "x"}, {"objectID": "right", "name": "phone"}])
    assert list(scores(algolia, query="phone", optionalFilters=["brand:x<score=100>"])) == ["right", "typo"]
    ask(algolia, "settings", {"customRanking": ["desc(popularity)"]}, "PUT")
    ask(algolia, "batch", {"requests": [{"action": "addObject", "body": {"objectID": "top", "popularity": 9}}]})
    assert list(scores(algolia, query="")) == ["top", "right", "typo"]
    assert list(scores(algolia, query="", optionalFilters=["brand:x"])) == ["typo", "top", "right"]


def test_refusals_through_the_client(client):
    client.save_object("p", {"objectID": "a"})
    for wrong in (["a:b<score=65536>"], ["price > 3"], [[["a:b"]]]):
        with pytest.raises(RequestException, match="optionalFilters") as refused:
            client.search_single_index("p", {"optionalFilters": wrong})
        assert refused.value.status_code == 400


ATTRIBUTES = ("brand", "type", "color", "deep.kind", "flag", "undeclared")
VALUES = ("a", "b", "c", "-a", "true", "false")


def reference_score(record, optional, *, sum_or):
    """The documentation's words, one record at a time, sharing nothing with the code under test."""

    def values(attribute):
        if attribute == "deep.kind":
            found = [inner.get("kind") for inner in record.get("deep", [])]
        else:
            found = record.get(attribute, [])
            found = found if isinstance(found, list) else [found]
        return {str(value).lower() if isinstance(value, bool) else value for value in found}

    def worth(item):
        name, value, negative, points = item
        if name == "undeclared":
            return 0
        return points if (value in values(name)) != negative else 0

    total = 0
    for item in optional:
        members = [worth(member) for member in item] if isinstance(item, list) else [worth(item)]
        total += sum(members) if sum_or else max(members, default=0)
    return total


def written(item):
    name, value, negative, points = item
    value = f"-{value}" if negative else (f"\\{value}" if value.startswith("-") else value)
    return f"{name}:{value}" + (f"<score={points}>" if points != 1 else "")


ITEMS = st.tuples(
    st.sampled_from(ATTRIBUTES), st.sampled_from(VALUES), st.booleans(), st.integers(0, 9) | st.just(65535)
)
OPTIONAL = st.lists(ITEMS | st.lists(ITEMS, min_size=1, max_size=4), max_size=5)
WORDS = st.sampled_from(VALUES[:4])
RECORDS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "brand": WORDS,
            "type": st.lists(WORDS, max_size=3),
            "color": WORDS | st.none(),
            "deep": st.lists(st.fixed_dictionaries({"kind": WORDS}), max_size=3),
            "flag": st.booleans(),
            "undeclared": WORDS,
        },
    ),
    min_size=1,
    max_size=6,
)


@given(records=RECORDS, optional=OPTIONAL, sum_or=st.booleans(), late=RECORDS)
def test_scores_agree_with_the_reference(records, optional, sum_or, late):
    records = [{"objectID": f"r{i}"} | record for i, record in enumerate(records)]
    algolia = loaded(records)
    late = [{"objectID": f"r{2 * i}"} | record for i, record in enumerate(late)]
    items = [[written(member) for member in item] if isinstance(item, list) else written(item) for item in optional]
    params = {"query": "", "optionalFilters": items, "sumOrFiltersScores": sum_or}

    def agree(now):
        expected = {r["objectID"]: reference_score(r, optional, sum_or=sum_or) for r in now}
        found = scores(algolia, **params)
        assert found == expected
        assert list(found) == sorted(expected, key=lambda name: (-expected[name], name))

    agree(records)
    ask(algolia, "batch", {"requests": [{"action": "updateObject", "body": record} for record in late]})
    agree(({r["objectID"]: r for r in records} | {r["objectID"]: r for r in late}).values())
