import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import ConfigError
from algosync.personalizer import merge

TERMS = st.sampled_from(["brand:Apple", "brand:Sony<score=3>", "categories:Phones<score=720>", "price_band:10-25"])
FILTERS = st.lists(TERMS | st.lists(TERMS, min_size=1, max_size=3), max_size=5)
CONTEXTS = st.lists(st.sampled_from([f"c{n}" for n in range(14)]), unique=True, max_size=10)
TAGS = st.lists(st.sampled_from(["web", "app", "algosync-holdout", "algosync-personalized"]), max_size=3)
CONDITIONS = st.sampled_from(["in_stock:true", "price > 10", "a:1 OR a:2", "in_stock:true AND price > 10"])


def given_parameters():
    return st.fixed_dictionaries(
        {},
        optional={
            "optionalFilters": FILTERS,
            "ruleContexts": CONTEXTS,
            "analyticsTags": TAGS,
            "filters": CONDITIONS,
            "userToken": st.sampled_from(["u-1", "u-2"]),
            "enablePersonalization": st.booleans(),
            "hitsPerPage": st.integers(1, 50),
        },
    )


@given(own=given_parameters(), ours=given_parameters())
def test_the_callers_word_comes_first_and_stands(own, ours):
    merged = merge.search_parameters(own, ours)
    assert merge.search_parameters(merged, ours) == merged
    for name in merge.LISTS:
        said = list(own.get(name, []))
        assert merged.get(name, [])[: len(said)] == said
        added = merged.get(name, [])[len(said) :]
        assert all(item not in said for item in added)
        assert len(added) == len({str(item) for item in added})
    assert len(merged.get("ruleContexts", [])) <= 10
    for name in ("userToken", "enablePersonalization", "hitsPerPage"):
        assert merged.get(name) == own.get(name, ours.get(name))


@given(own=given_parameters(), ours=given_parameters())
def test_neither_side_is_changed_nor_shared_by_what_is_added(own, ours):
    before = repr((own, ours))
    merged = merge.search_parameters(own, ours)
    for name in merge.LISTS:
        if ours.get(name):
            for item in merged[name]:
                if isinstance(item, list):
                    item.append("x:y")
            merged[name].append("z")
    assert repr((own, ours)) == before


@given(own=given_parameters(), ours=given_parameters())
def test_an_answer_that_has_the_callers_own_in_it_does_no_harm(own, ours):
    answered = merge.search_parameters(own, ours)
    assert merge.search_parameters(own, answered) == answered


def test_nothing_of_ours_leaves_everything_as_it_was():
    own = {"optionalFilters": "brand:Apple", "ruleContexts": None, "query": "x"}
    assert merge.search_parameters(own, {}) == own
    assert not merge.adds(own, own)


def test_nested_lists_stay_nested_and_one_text_becomes_a_list():
    made = merge.search_parameters(
        {"optionalFilters": "brand:Apple"}, {"optionalFilters": [["brand:Sony<score=2>", "brand:LG<score=1>"]]}
    )
    assert made["optionalFilters"] == ["brand:Apple", ["brand:Sony<score=2>", "brand:LG<score=1>"]]
    assert merge.adds({"optionalFilters": "brand:Apple"}, made)


def test_ten_contexts_in_all_and_none_of_the_callers_lost():
    ours = {"ruleContexts": [f"algosync-{n}" for n in range(5)]}
    made = merge.search_parameters({"ruleContexts": [f"own{n}" for n in range(8)]}, ours)["ruleContexts"]
    assert made == [*(f"own{n}" for n in range(8)), "algosync-0", "algosync-1"]
    many = [f"own{n}" for n in range(12)]
    assert merge.search_parameters({"ruleContexts": many}, ours)["ruleContexts"] == many


def test_recommend_merges_both_objects_and_leaves_the_rest():
    own = {"indexName": "products", "queryParameters": {"filters": "a:1 OR a:2", "optionalFilters": ["brand:LG"]}}
    ours = {
        "queryParameters": {"filters": "in_stock:true", "optionalFilters": [["brand:Sony<score=2>"]], "userToken": "u"},
        "fallbackParameters": {"filters": "in_stock:true"},
    }
    assert merge.recommend_parameters(own, ours) == {
        "indexName": "products",
        "queryParameters": {
            "filters": "(a:1 OR a:2) AND in_stock:true",
            "optionalFilters": ["brand:LG", ["brand:Sony<score=2>"]],
            "userToken": "u",
        },
    }
    assert merge.recommend_parameters({"indexName": "p"}, {}) == {"indexName": "p"}


def test_fallback_parameters_are_added_to_and_never_introduced():
    ours = {"queryParameters": {}, "fallbackParameters": {"filters": "in_stock:true"}}
    assert merge.recommend_parameters({"indexName": "p"}, ours) == {"indexName": "p"}
    own = {"fallbackParameters": {"filters": "c:Books"}}
    assert merge.recommend_parameters(own, ours) == {"fallbackParameters": {"filters": "c:Books AND in_stock:true"}}
    assert merge.recommend_parameters({"fallbackParameters": {}}, ours) == {
        "fallbackParameters": {"filters": "in_stock:true"}
    }


def test_facet_filters_that_recommend_would_ignore_are_refused_with_the_filters_that_say_the_same():
    with pytest.raises(ConfigError) as refused:
        merge.recommend_parameters({"queryParameters": {"facetFilters": [["c:Books", "c:Home Decor"], "b:-X"]}}, {})
    assert '`filters`: (c:"Books" OR c:"Home Decor") AND NOT b:"X"' in str(refused.value)
    merge.recommend_parameters({"fallbackParameters": {"facetFilters": ["c:Books"]}}, {})
