"""optionalFilters: the documentation's worked examples. test_against_reference.py has any others."""

from __future__ import annotations

import pytest
from algoliasearch.http.exceptions import RequestException

from .asking import ask, hits
from .asking import loaded as loaded_with

DECLARED = ["brand", "filterOnly(type)", "searchable(color)", "afterDistinct(deep.kind)", "flag", "number"]


def loaded(records):
    return loaded_with(records, attributesForFaceting=DECLARED)


def scores(algolia, query="", **params):
    return {object_id: info["filters"] for object_id, info in hits(algolia, query, **params).items()}


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
        "number:3": 0,  # "Optional filters don't work with numeric attributes"
        "undeclared:z": 0,
        "undeclared:-other": 0,
        "deep.kind:X": 1,  # "Facet names are case-sensitive, facet values aren't"
        "Deep.kind:x": 0,
    }.items():
        assert scores(algolia, query="", optionalFilters=[item]) == {"a": score}, item


def test_order_beats_custom_ranking_and_yields_to_typos():
    algolia = loaded([{"objectID": "typo", "name": "phome", "brand": "x"}, {"objectID": "right", "name": "phone"}])
    assert list(scores(algolia, query="phone", optionalFilters=["brand:x<score=100>"])) == ["right", "typo"]
    ask(algolia, "settings", {"customRanking": ["desc(popularity)"]}, "PUT")
    ask(algolia, "batch", {"requests": [{"action": "addObject", "body": {"objectID": "top", "popularity": 9}}]})
    assert list(scores(algolia, query="")) == ["top", "right", "typo"]
    assert list(scores(algolia, query="", optionalFilters=["brand:x"])) == ["typo", "top", "right"]


# https://www.algolia.com/doc/api-reference/api-parameters/optionalFilters
@pytest.mark.parametrize(
    ("optional", "order"),
    [
        (["category:Book", "author:John Doe"], "bca"),
        (["category:-Books"], "bca"),
        (["category:\\-movie"], "cab"),
        (["category:-\\-movie"], "abc"),
        (["flag:true"], "bac"),
    ],
)
def test_promoting_demoting_and_escaping(optional, order):
    records = [
        {"objectID": "a", "category": "Books", "author": "Someone", "flag": False},
        {"objectID": "b", "category": "Book", "author": "John Doe", "flag": True},
        {"objectID": "c", "category": "-movie", "author": "John Doe"},
    ]
    algolia = loaded_with(records, attributesForFaceting=["category", "filterOnly(author)", "flag"])
    assert "".join(scores(algolia, optionalFilters=optional)) == order


# https://www.algolia.com/doc/guides/managing-results/rules/merchandising-and-promoting/in-depth/optional-filters
def test_some_first_some_last():
    brands = ("Huawei", "LG", "Apple", "Samsung")
    algolia = loaded([{"objectID": brand, "name": "phone", "brand": brand} for brand in brands])
    optional = ["brand:Apple<score=3>", "brand:Samsung<score=2>", "brand:-Huawei"]
    assert scores(algolia, "phone", optionalFilters=optional) == {"Apple": 4, "Samsung": 3, "LG": 1, "Huawei": 0}
    assert list(scores(algolia, "phone", optionalFilters=optional)) == ["Apple", "Samsung", "LG", "Huawei"]


def test_after_sort_by_attributes_and_only_with_the_filters_criterion():
    records = [{"objectID": "dear", "price": 9, "brand": "x"}, {"objectID": "cheap", "price": 1, "brand": "y"}]
    for ranking, order in ((["asc(price)", "filters"], ["cheap", "dear"]), (["custom"], ["cheap", "dear"])):
        algolia = loaded_with(records, attributesForFaceting=["brand"], ranking=ranking)
        assert list(scores(algolia, optionalFilters=["brand:x<score=9>"])) == order


def test_refusals_through_the_client(client):
    client.save_object("p", {"objectID": "a"})
    for wrong in (["a:b<score=65536>"], ["price > 3"], [[["a:b"]]]):
        with pytest.raises(RequestException, match="optionalFilters") as refused:
            client.search_single_index("p", {"optionalFilters": wrong})
        assert refused.value.status_code == 400
