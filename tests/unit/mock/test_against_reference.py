"""The mock against a plain, slow reference written from Algolia's documentation: order, criteria, scores, counts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from .asking import ask, loaded
from .reference.ranking import search

INFO = {
    "typo": "nbTypos",
    "words": "words",
    "proximity": "proximityDistance",
    "attribute": "firstMatchedWord",
    "exact": "nbExactWords",
    "filters": "filters",
}


def agree(algolia, records, chosen, params):
    """One search at the mock and in the reference."""
    asked = params | {"getRankingInfo": True, "hitsPerPage": 1000, "facets": ["brand", "deep.kind", "n"]}
    answer = ask(algolia, "query", asked)
    expected = search(records, chosen, asked)
    note(f"{chosen} {params}")
    found = {hit["objectID"]: {k: hit["_rankingInfo"][v] for k, v in INFO.items()} for hit in answer["hits"]}
    assert found == expected.criteria
    assert list(found) == expected.order
    assert answer["nbHits"] == len(expected.order)
    declared = {
        name: counts for name, counts in expected.facets.items() if counts and name in ("brand", "deep.kind", "n")
    }
    assert {name: counts for name, counts in answer["facets"].items() if counts} == declared


VOCABULARY = (
    *("red", "reds", "shoe", "shoes", "phone", "phones", "phome", "hpone", "xhone", "nano", "second", "nanosecond"),
    *("leather", "leathers", "laether", "keather", "kaether", "été", "ÉTÉ", "a", "bench", "park", "parkbench", "日本"),
)
WORD = st.sampled_from(VOCABULARY)
TEXT = st.lists(WORD, max_size=9).map(" ".join)
VALUE = st.sampled_from(["a", "A", "b", "-a", "true", "a b", "x:y", "12", "it's", "", "é", "日本"])
NUMBER = st.integers(-2, 3) | st.sampled_from([0.5, 0.5004, 0.501, 2.0])
RECORD = st.fixed_dictionaries(
    {},
    optional={
        "title": TEXT,
        "text": TEXT | st.lists(TEXT, max_size=3) | st.none(),
        "inner": st.fixed_dictionaries({}, optional={"name": TEXT, "more": st.lists(TEXT, max_size=2)}),
        "brand": VALUE | st.lists(VALUE, max_size=3) | st.none() | st.booleans(),
        "deep": st.lists(st.fixed_dictionaries({"kind": VALUE | st.integers(0, 12)}), max_size=3),
        "n": NUMBER | st.lists(NUMBER, max_size=2) | st.none(),
        "rank": st.none() | st.integers(-2, 3) | st.just(1.5),
        "name": st.none() | st.sampled_from(["a", "b", "ab", "B"]),
        "flag": st.none() | st.booleans(),
        "undeclared": VALUE,
        "_tags": st.lists(st.sampled_from(["new", "New", "sale"]), max_size=2),
    },
)
RECORDS = st.lists(RECORD, min_size=1, max_size=6)
CRITERIA = ["typo", "geo", "words", "filters", "proximity", "attribute", "exact", "custom"]
ORDERS = st.lists(
    st.builds("{}({})".format, st.sampled_from(["asc", "desc"]), st.sampled_from(["rank", "name", "flag"])), max_size=2
)
SEARCHED = ["title", "text", "inner", "inner.name", "title,text", "unordered(text)", "unordered(title)"]
CHOSEN = st.fixed_dictionaries(
    {"attributesForFaceting": st.just(["brand", "searchable(deep.kind)", "n", "filterOnly(flag)"])},
    optional={
        "searchableAttributes": st.lists(st.sampled_from(SEARCHED), min_size=1, max_size=3, unique=True),
        "customRanking": ORDERS,
        "ranking": st.builds(lambda orders, formula: orders + formula, ORDERS, st.permutations(CRITERIA))
        | st.lists(st.sampled_from(CRITERIA), unique=True, min_size=1),
        "attributeCriteriaComputedBy": st.sampled_from(["best", "minProximity", "sum"]),
        "attributeCriteriaComputedByMinProximity": st.booleans(),
        "disablePrefixOnAttributes": st.just(["text"]),
        "disableTypoToleranceOnAttributes": st.just(["title"]),
        "disableExactOnAttributes": st.just(["title"]),
        "disableTypoToleranceOnWords": st.just(["phone", "nano"]),
        "minWordSizefor1Typo": st.integers(3, 5),
        "minWordSizefor2Typos": st.integers(5, 8),
    },
)


def written(item):
    name, value, negative, points = item
    value = f"-{value}" if negative else (f"\\{value}" if value.startswith("-") else value)
    return f"{name}:{value}" + (f"<score={points}>" if points != 1 else "")


ITEM = st.tuples(
    st.sampled_from(["brand", "deep.kind", "flag", "n", "undeclared", "_tags", "objectID"]),
    VALUE | st.sampled_from(["false", "TRUE", "0.5", "r1", "new", "B"]),
    st.booleans(),
    st.integers(0, 9) | st.just(65535),
).map(written)
ITEMS = st.lists(ITEM | st.lists(ITEM, min_size=1, max_size=4), max_size=4)
COMPARISON = st.builds(
    "{} {} {}".format, st.sampled_from(["n", "rank"]), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), NUMBER
) | st.builds("{}:{} TO {}".format, st.sampled_from(["n", "rank"]), NUMBER, NUMBER)


def quoted(name, value, points):
    return f'{name}:"{value}"' + (f"<score={points}>" if points != 1 else "")


FACET = st.builds(quoted, st.sampled_from(["brand", "deep.kind", "flag"]), VALUE.filter(len), st.integers(0, 5))
TAG = st.sampled_from(["new", "_tags:sale", '_tags:"New"'])


def group(kind):
    """Alternatives of one kind, some of them negated."""
    term = st.builds(lambda no, text: f"NOT {text}" if no else text, st.booleans(), kind)
    return st.lists(term, min_size=1, max_size=3).map(
        lambda terms: f"({' OR '.join(terms)})" if terms[1:] else terms[0]
    )


FILTERS = st.lists(group(FACET) | group(TAG) | group(COMPARISON), max_size=2).map(" AND ".join)
PARAMS = st.fixed_dictionaries(
    {"query": st.just("") | st.lists(WORD, max_size=4).map(" ".join)},
    optional={
        "optionalFilters": ITEMS,
        "sumOrFiltersScores": st.booleans(),
        "filters": FILTERS,
        "facetFilters": ITEMS.map(lambda items: items[:2]),
        "numericFilters": st.lists(COMPARISON | st.lists(COMPARISON, min_size=1, max_size=2), max_size=1),
        "tagFilters": st.lists(st.sampled_from(["new", "-sale", "New"]), max_size=1),
        "optionalWords": TEXT | st.lists(TEXT, max_size=2),
        "queryType": st.sampled_from(["prefixLast", "prefixAll", "prefixNone"]),
        "typoTolerance": st.sampled_from([True, False, "min", "strict"]),
        "exactOnSingleWordQuery": st.sampled_from(["attribute", "none", "word"]),
        "minProximity": st.integers(1, 7),
    },
)


def numbered(records):
    return [{"objectID": f"r{number}"} | record for number, record in enumerate(records)]


def check(records, late, chosen, params):
    records = numbered(records)
    algolia = loaded(records, **chosen)
    agree(algolia, records, chosen, params)
    if late:
        late = numbered(late)[::2]
        ask(algolia, "batch", {"requests": [{"action": "updateObject", "body": record} for record in late]})
        now = {record["objectID"]: record for record in [*records, *late]}
        agree(algolia, list(now.values()), chosen, params)


@settings(max_examples=60, deadline=None)
@given(records=RECORDS, late=st.just([]) | RECORDS, chosen=CHOSEN, params=PARAMS)
def test_any_search_agrees(records, late, chosen, params):
    check(records, late, chosen, params)


FEW = st.lists(st.sampled_from(["red", "phone", "phones", "phnoe", "xhone", "leathers", "laether", "a"]), max_size=7)
FEW_RECORDS = st.lists(
    st.fixed_dictionaries({"title": FEW.map(" ".join), "text": FEW.map(" ".join)}), min_size=2, max_size=5
)
TEXTUAL = st.fixed_dictionaries(
    {"searchableAttributes": st.sampled_from([["title", "text"], ["unordered(title)", "text"], ["title,text"], []])},
    optional={
        "minProximity": st.integers(2, 7),
        "optionalWords": FEW,
        "queryType": st.sampled_from(["prefixAll", "prefixNone"]),
        "typoTolerance": st.sampled_from([False, "min", "strict"]),
        "disableExactOnAttributes": st.just(["title"]),
        "exactOnSingleWordQuery": st.sampled_from(["none", "word"]),
    },
)


@settings(max_examples=120, deadline=None)
@given(records=FEW_RECORDS, chosen=TEXTUAL, query=FEW.filter(len))
def test_any_words_agree(records, chosen, query):
    check(records, [], chosen, {"query": " ".join(query[:4])})


JOINED = st.lists(st.sampled_from(["ab", "cd", "abcd", "a", "bcd", "efgh", "abcdefgh", "xx"]), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(JOINED, min_size=2, max_size=6), query=JOINED)
def test_any_joined_and_split_words_agree(texts, query):
    check([{"title": " ".join(text)} for text in texts], [], {}, {"query": " ".join(query)})


FEW_VALUES = st.sampled_from(["a", "A", "-a", "12"])
SCORED = st.lists(
    st.fixed_dictionaries({"brand": st.lists(FEW_VALUES, max_size=3)}, optional={"n": st.sampled_from([12, 1, -1])}),
    min_size=3,
    max_size=7,
)
SCORES = st.tuples(
    st.sampled_from(["brand", "brand", "n"]), FEW_VALUES, st.booleans(), st.integers(0, 4) | st.just(65535)
).map(written)
OPTIONAL = st.lists(SCORES | st.lists(SCORES, min_size=1, max_size=4), min_size=1, max_size=4)


@settings(max_examples=120, deadline=None)
@given(records=SCORED, optional=OPTIONAL, sum_or=st.booleans())
def test_any_optional_filters_agree(records, optional, sum_or):
    chosen = {"attributesForFaceting": ["brand", "n"], "customRanking": ["desc(n)"]}
    check(records, [], chosen, {"query": "", "optionalFilters": optional, "sumOrFiltersScores": sum_or})


@pytest.mark.parametrize(
    ("query", "tolerance"),
    [("", True), ("phone", True), ("phone", "min"), ("red nano", True), ("parkbench", True), ("laether", "strict")],
)
def test_the_first_of_many_agree(many, query, tolerance):
    """More records than a page needs in order: the mock may sort the first of them alone."""
    records, algolia = many
    asked = {
        "query": query,
        "typoTolerance": tolerance,
        "optionalFilters": [["brand:a<score=2>", "brand:b"], "flag:true"],
    }
    expected = search(records, MANY, asked).order
    for params, span in (
        ({"page": 0}, slice(0, 10)),
        ({"page": 3}, slice(30, 40)),
        ({"offset": 95, "length": 7}, slice(95, 102)),
    ):
        answer = ask(algolia, "query", {**asked, "hitsPerPage": 10, **params})
        assert [hit["objectID"] for hit in answer["hits"]] == expected[span]
        assert answer["nbHits"] == len(expected)


MANY = {
    "attributesForFaceting": ["brand", "flag"],
    "searchableAttributes": ["title", "unordered(text)"],
    "customRanking": ["desc(n)"],
}


@pytest.fixture(scope="module")
def many():
    chance = random.Random(5)
    records = [
        {
            "objectID": str(number),
            "title": " ".join(chance.choices(VOCABULARY, k=3)),
            "text": " ".join(chance.choices(VOCABULARY, k=6)),
            "brand": chance.choices("abc", k=chance.randint(0, 2)),
            "flag": chance.random() < 0.3,
            "n": chance.randint(0, 20),
        }
        for number in range(1500)
    ]
    return records, loaded(records, **MANY)
