"""The ranking criteria: the documentation's worked examples. test_against_reference.py has any others."""

from __future__ import annotations

import pytest

from .asking import hits, loaded


def named(**names):
    return [{"objectID": object_id, "name": name} for object_id, name in names.items()]


def values(found, name):
    return {object_id: info[name] for object_id, info in found.items()}


# https://www.algolia.com/doc/guides/managing-results/relevance-overview/in-depth/ranking-criteria
def test_proximity():
    algolia = loaded(named(a="George Timothy Clooney", b="George Clooney"))
    assert values(hits(algolia, "george clooney"), "proximityDistance") == {"b": 1, "a": 2}
    assert list(hits(algolia, "george clooney")) == ["b", "a"]
    assert values(hits(algolia, "george"), "proximityDistance") == {"a": 0, "b": 0}


# https://www.algolia.com/doc/api-reference/api-parameters/minProximity
def test_least_proximity():
    algolia = loaded(named(a="JavaScript charting framework", b="JavaScript framework"))
    assert list(hits(algolia, "javascript framework")) == ["b", "a"]
    assert list(hits(algolia, "javascript framework", minProximity=2)) == ["a", "b"]
    assert set(values(hits(algolia, "javascript framework", minProximity=2), "proximityDistance").values()) == {2}


# https://discourse.algolia.com/t/proximitydistance-issue-with-an-array/2532
def test_proximity_across_an_array():
    records = [{"objectID": "1", "k": ["foo", "bar"]}, {"objectID": "2", "k": ["foo", "cat", "bar"]}]
    found = hits(loaded(records, searchableAttributes=["k"]), "foo bar")
    assert values(found, "proximityDistance") == {"1": 8, "2": 8}


def test_proximity_is_cut_and_adds_up_over_one_place_for_each_word():
    far = "one x x x x x x x x x x two"
    algolia = loaded(named(far=far, near="one two x three", both="one two one x three"))
    assert values(hits(algolia, "one two"), "proximityDistance") == {"near": 1, "both": 1, "far": 8}
    assert values(hits(algolia, "two one three"), "proximityDistance") == {"both": 3, "near": 4}


def test_proximity_goes_past_an_optional_word_that_is_missing():
    algolia = loaded(named(a="one three", b="one x three", c="one x two x three"))
    found = hits(algolia, "one two three", optionalWords=["two"])
    assert values(found, "proximityDistance") == {"c": 4, "a": 1, "b": 2}


# https://www.algolia.com/doc/guides/managing-results/relevance-overview/in-depth/ranking-criteria
def test_words_are_those_of_the_query():
    algolia = loaded(named(often="phone phone phone phone", both="phone case", other="case"))
    found = hits(algolia, "phone case", optionalWords="phone case")
    assert values(found, "words") == {"both": 2, "often": 1, "other": 1}
    assert next(iter(found)) == "both"
    assert list(hits(algolia, "phone case")) == ["both"]
    assert sorted(hits(algolia, "phone case", optionalWords=["case"])) == ["both", "often"]


# https://www.algolia.com/doc/api-reference/api-parameters/searchableAttributes
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["title", "text"], {"early": 0, "late": 2, "text": 1001}),
        (["text", "title"], {"text": 1, "early": 1000, "late": 1002}),
        (["unordered(title)", "unordered(text)"], {"early": 0, "late": 0, "text": 1000}),
        (["title,text"], {"early": 0, "late": 0, "text": 0}),
        (["title"], {"early": 0, "late": 2}),
        (None, {"early": 0, "late": 0, "text": 0}),
    ],
)
def test_attribute(lines, expected):
    records = [
        {"objectID": "late", "title": "a dark star"},
        {"objectID": "early", "title": "star dark"},
        {"objectID": "text", "title": "sun", "text": "a star"},
    ]
    found = hits(loaded(records, searchableAttributes=lines), "star")
    assert values(found, "firstMatchedWord") == expected
    assert list(found) == sorted(expected, key=lambda name: (expected[name], name))


def test_a_parent_attribute_covers_what_is_nested_in_it():
    """https://www.algolia.com/doc/api-reference/api-parameters/searchableAttributes."""
    record = {"objectID": "a", "categories": [{"lvl0": {"label": "Shoes"}, "n": 5}], "other": "Bags"}
    for line in ("categories", "categories.lvl0", "categories.lvl0.label"):
        algolia = loaded([record], searchableAttributes=[line])
        assert list(hits(algolia, "shoes")) == ["a"]
        assert not hits(algolia, "bags")
    assert list(hits(loaded([record], searchableAttributes=["categories"]), "5")) == ["a"]
    assert not hits(loaded([record]), "5"), "all string attributes, where none is named"


# https://www.algolia.com/doc/api-reference/api-parameters/getRankingInfo
def test_first_matched_word():
    record = {"objectID": "a", "x": "none", "y": "none", "z": "the rains", "w": "rains"}
    found = hits(loaded([record], searchableAttributes=["x", "y", "z", "w"]), "rains")
    assert values(found, "firstMatchedWord") == {"a": 2001}


# https://www.algolia.com/doc/api-reference/api-parameters/attributeCriteriaComputedByMinProximity
# https://www.algolia.com/doc/api-reference/api-parameters/attributeCriteriaComputedBy
@pytest.mark.parametrize(
    ("chosen", "place"),
    [
        ({}, 2000),
        ({"ranking": ["attribute", "proximity"]}, 0),
        ({"ranking": ["attribute", "proximity"], "attributeCriteriaComputedByMinProximity": True}, 2000),
        ({"ranking": ["attribute", "proximity"], "attributeCriteriaComputedBy": "minProximity"}, 2000),
        ({"attributeCriteriaComputedBy": "best"}, 2000),
        ({"attributeCriteriaComputedBy": "sum"}, 6),
    ],
)
def test_attribute_and_proximity(chosen, place):
    record = {"objectID": "a", "title": "old x x x x x sea", "author": "x", "description": "old sea"}
    algolia = loaded([record], searchableAttributes=["title", "author", "description"], **chosen)
    assert values(hits(algolia, "old sea"), "firstMatchedWord") == {"a": place}


def test_a_missing_word_is_a_large_penalty_in_the_sum():
    """https://www.algolia.com/doc/api-reference/api-parameters/attributeCriteriaComputedBy."""
    records = [{"objectID": "one", "title": "old"}, {"objectID": "two", "title": "x", "text": "x sea old"}]
    asked = {"optionalWords": "old sea", "attributeCriteriaComputedBy": "sum"}
    chosen = {"searchableAttributes": ["title", "text"], "ranking": ["attribute"]}
    assert list(hits(loaded(records, **chosen), "old sea", **asked)) == ["two", "one"]


# https://www.algolia.com/doc/api-reference/api-parameters/exactOnSingleWordQuery
@pytest.mark.parametrize(
    ("mode", "query", "expected"),
    [
        ("attribute", "road", {"road": 1, "trip": 0, "roads": 0}),
        ("word", "road", {"road": 1, "trip": 1, "roads": 0}),
        ("none", "road", {"road": 0, "trip": 0, "roads": 0}),
        ("word", "ro", {"road": 0, "trip": 0, "roads": 0}),
    ],
)
def test_exact_on_single_word(mode, query, expected):
    algolia = loaded(named(roads="roads", trip="Road Trip", road="Road"), exactOnSingleWordQuery=mode)
    found = values(hits(algolia, query), "nbExactWords")
    assert found == expected
    assert list(found) == sorted(expected, key=lambda name: (-expected[name], name))


def test_a_short_word_is_not_exact():
    """https://www.algolia.com/doc/api-reference/api-parameters/exactOnSingleWordQuery: three letters at least."""
    algolia = loaded(named(a="tv"), exactOnSingleWordQuery="word")
    assert values(hits(algolia, "tv"), "nbExactWords") == {"a": 0}


# https://www.algolia.com/doc/guides/managing-results/optimize-search-results/override-search-engine-defaults/in-depth/adjust-exact-settings
@pytest.mark.parametrize(
    ("name", "query", "words", "exact"),
    [
        ("iPhone 14", "iPhon 14", 2, 1),
        ("dog food", "dog food", 2, 2),
        ("dog food", "dog foo", 2, 1),
        ("food for dogs", "food dogs", 2, 2),
        ("dog dog dog food", "dog food", 2, 2),
    ],
)
def test_exact_counts_words(name, query, words, exact):
    (info,) = hits(loaded(named(a=name)), query).values()
    assert (info["words"], info["nbExactWords"]) == (words, exact)


def test_exact_can_be_off_for_an_attribute():
    """https://www.algolia.com/doc/api-reference/api-parameters/disableExactOnAttributes."""
    records = [{"objectID": "a", "text": "dog food"}, {"objectID": "b", "title": "dog", "text": "food"}]
    chosen = {"searchableAttributes": ["title", "text"], "disableExactOnAttributes": ["text"]}
    found = values(hits(loaded(records, **chosen), "dog food"), "nbExactWords")
    assert found == {"a": 0, "b": 1}


# https://www.algolia.com/doc/api-reference/api-parameters/customRanking
@pytest.mark.parametrize(
    ("custom", "order"),
    [
        (["desc(likes)"], "bacd"),
        (["asc(likes)"], "abcd"),
        (["desc(featured)"], "acbd"),
        (["asc(featured)"], "bacd"),
        (["desc(featured)", "asc(likes)"], "acbd"),
        (["asc(title)"], "cabd"),
        (["asc(deep.n)"], "dcab"),
        ([], "abcd"),
    ],
)
def test_custom_ranking(custom, order):
    records = [
        {"objectID": "a", "likes": 1, "featured": True, "title": "b", "deep": {"n": 3}},
        {"objectID": "b", "likes": 5, "featured": False, "title": "c"},
        {"objectID": "c", "likes": None, "featured": True, "title": "a", "deep": {"n": 2}},
        {"objectID": "d", "deep": {"n": 1}},
    ]
    assert "".join(hits(loaded(records, customRanking=custom))) == order


# https://www.algolia.com/doc/api-reference/api-parameters/ranking
@pytest.mark.parametrize(
    ("formula", "order"),
    [
        (None, "bac"),
        (["words", "exact", "typo"], "bac"),
        (["desc(n)", "typo"], "cab"),
        (["custom"], "bac"),
        ([], "bac"),
        (["exact", "desc(n)"], "bca"),
    ],
)
def test_another_formula(formula, order):
    rows = {"a": ("phones", 1), "b": ("phone", 0), "c": ("phome", 2)}
    records = [{"objectID": name, "t": text, "n": number} for name, (text, number) in rows.items()]
    assert "".join(hits(loaded(records, ranking=formula, customRanking=["asc(n)"]), "phone")) == order
