"""Rules: the shapes that are kept, and those that are refused."""

from __future__ import annotations

from functools import reduce

import pytest

from algosync.errors import AlgoliaError
from algosync.mock.engine.rules.consequences import Automatic, Promotion, automatic, edits, promotions
from algosync.mock.engine.rules.shape import check_rule


def rule(**parts):
    return {"objectID": "r", "consequence": {}} | parts


def consequence(**parts):
    return rule(consequence=parts)


def condition(**parts):
    return rule(conditions=[parts])


def params(**parts):
    return consequence(params=parts)


@pytest.mark.parametrize(
    "good",
    [
        rule(),
        rule(enabled=None, description=None, validity=None, tags=["sale"], scope="x", conditions=[]),
        rule(condition={"context": "a"}),
        rule(conditions=[{}] * 25),
        condition(pattern="", anchoring="is"),
        condition(pattern="{facet:brand} shoes", anchoring="contains", alternatives=True, context="A-z_9"),
        condition(filters="type:house AND amenity:fireplace AND NOT amenity:pool"),
        rule(validity=[{"from": 1, "until": 2}, {"until": 5}]),
        consequence(promote=[{"objectIDs": [str(i) for i in range(100)], "position": p} for p in (0, 100, 300)]),
        consequence(hide=[{"objectID": str(i)} for i in range(50)], filterPromotes=True),
        consequence(userData={"text": "x" * 980}, redirect={"indexName": "other"}),
        params(query={"remove": ["a"], "edits": [{"type": "replace", "delete": "b", "insert": "c"}]}),
        params(query="shoes", filters="brand:x", optionalFilters=["a:b<score=3>"], renderingContent={"redirect": {}}),
        params(automaticFacetFilters=["a"], automaticOptionalFacetFilters=[{"facet": "b", "score": 9}]),
    ],
)
def test_what_is_kept_is_what_was_sent(good):
    assert check_rule(good) == good


def test_what_answers_add_to_a_rule_is_not_kept():
    assert check_rule(rule(_metadata={"lastUpdate": 1}, _highlightResult={})) == rule()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["r"], "expected a JSON object"),
        ({"consequence": {}}, "objectID is missing"),
        (rule(objectID=""), "objectID is missing"),
        (rule(objectID=7), "objectID is missing"),
        ({"objectID": "r"}, "consequence is missing"),
        (consequence(userData=reduce(lambda inner, _: {"n": inner}, range(250), {})), "too deeply nested"),
        (rule(nonsense=1), "unknown attribute nonsense in rule"),
        (rule(enabled="yes"), "enabled must be a boolean"),
        (rule(description=5), "description must be a string"),
        (rule(tags="sale"), "tags must be an array"),
        (rule(tags=[1]), "tags must be an array of strings"),
        (rule(conditions={}), "conditions must be an array"),
        (rule(conditions=[{}] * 26), "more than 25 conditions"),
        (rule(conditions=["x"]), "a condition must be a JSON object"),
        (condition(patern="x", anchoring="is"), "unknown attribute patern in condition"),
        (condition(pattern="x"), "pattern and anchoring belong together"),
        (condition(anchoring="is"), "pattern and anchoring belong together"),
        (condition(pattern="x", anchoring="begins"), "anchoring must be is, startsWith, endsWith or contains"),
        (condition(pattern=" ", anchoring="contains"), "an empty pattern needs the anchoring is"),
        (condition(pattern="{facet:} x", anchoring="is"), "a placeholder must be written"),
        (condition(pattern=5, anchoring="is"), "must be strings"),
        (condition(pattern="x", anchoring="is", alternatives="true"), "alternatives must be a boolean"),
        (condition(context="two words"), "context must only contain"),
        (condition(context=""), "context must only contain"),
        (condition(filters="a:b OR a:c"), "filters of a condition must be facet:value"),
        (condition(filters="price > 5"), "filters of a condition must be facet:value"),
        (rule(validity={"from": 1}), "validity must be an array"),
        (rule(validity=[{"from": "1"}]), "epoch seconds"),
        (rule(validity=[{"from": True}]), "epoch seconds"),
        (rule(validity=[{"from": 5, "until": 4}]), "ends before it begins"),
        (consequence(pin=[]), "unknown attribute pin in consequence"),
        (consequence(filterPromotes="yes"), "filterPromotes must be a boolean"),
        (consequence(promote={"objectID": "a", "position": 0}), "promote must be an array"),
        (consequence(promote=[{"position": 0}]), "either objectID or objectIDs"),
        (consequence(promote=[{"objectID": "a", "objectIDs": ["b"], "position": 0}]), "either objectID or objectIDs"),
        (consequence(promote=[{"objectID": "a"}]), "needs a position"),
        (consequence(promote=[{"objectID": "a", "position": 301}]), "between 0 and 300"),
        (consequence(promote=[{"objectID": "a", "position": -1}]), "between 0 and 300"),
        (consequence(promote=[{"objectIDs": ["a"] * 101, "position": 0}]), "more than 100 objectIDs"),
        (consequence(promote=[{"objectID": f"{i}", "position": i} for i in range(301)]), "more than 300"),
        (consequence(promote=[{"objectIDs": ["a"] * 100, "position": i} for i in range(4)]), "more than 300"),
        (consequence(promote=[{"objectID": o, "position": 3} for o in "ab"]), "the same position"),
        (consequence(hide=["a"]), "hide must be an array of"),
        (consequence(hide=[{"objectID": "a"}] * 51), "more than 50"),
        (consequence(userData={"text": "x" * 990}), "larger than 1000 bytes"),
        (consequence(userData="text"), "userData must be a JSON object"),
        (consequence(redirect={"index": "x"}), "redirect needs indexName"),
        (consequence(params=[]), "params must be a JSON object"),
        (params(unknown=1), "Unknown parameter: unknown"),
        (params(optionalFilters=["a:b<score=70000>"]), "Invalid filter score"),
        (params(filters="a:b AND"), "filters"),
        (params(query={"delete": ["x"]}), "unknown attribute delete in query"),
        (params(query={"remove": "x"}), "remove must be an array"),
        (params(query={"remove": [1]}), "remove must be an array of strings"),
        (params(query={"edits": [{"type": "add", "delete": "x"}]}), "must be remove or replace"),
        (params(query={"edits": [{"type": ["remove"], "delete": "x"}]}), "must be remove or replace"),
        (params(query={"edits": [{"type": "replace", "delete": "x"}]}), "needs insert"),
        (params(query={"edits": [{"type": "remove"}]}), "edits must be an array"),
        (params(automaticFacetFilters={"facet": "a"}), "automaticFacetFilters must be an array"),
        (params(automaticFacetFilters=[{"score": 1}]), "automaticFacetFilters must be an array of facets"),
        (params(automaticOptionalFacetFilters=[{"facet": "a", "score": 70000}]), "between 0 and 65535"),
        (params(automaticFacetFilters=[{"facet": "a", "disjunctive": 1}]), "disjunctive in automaticFacetFilters"),
    ],
)
def test_what_is_refused_says_why(wrong, why):
    with pytest.raises(AlgoliaError) as refused:
        check_rule(wrong)
    assert refused.value.status == 400
    assert why in refused.value.what


def test_the_object_id_of_the_path():
    assert check_rule({"consequence": {}}, "r") == rule()
    with pytest.raises(AlgoliaError, match="not that of the path"):
        check_rule(rule(), "other")


def test_how_parts_are_read():
    promote = [{"objectID": "b", "position": 4}, {"objectIDs": ["c", "a"], "position": 0}]
    assert promotions({"promote": promote, "filterPromotes": True}) == [
        Promotion(object_ids=("b",), position=4, filtered=True),
        Promotion(object_ids=("c", "a"), position=0, filtered=True),
    ]
    change = {"edits": [{"type": "replace", "delete": "b", "insert": "c"}, {"type": "remove", "delete": "d"}]}
    assert edits(change | {"remove": ["a"]}) == [("a", ""), ("b", "c"), ("d", "")]
    assert automatic({"x": ["a", {"facet": "b", "score": 2, "disjunctive": True}]}, "x") == [
        Automatic(facet="a"),
        Automatic(facet="b", score=2, disjunctive=True),
    ]
