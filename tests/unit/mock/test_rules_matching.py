"""Rules: which conditions a query meets, and which rules give way to others.

Precedence and conflicts: algolia.com/doc/guides/managing-results/rules/rules-overview/in-depth/rule-matching-algorithm
"""

from __future__ import annotations

import pytest

from algosync.mock.engine.rules.matching import asked, triggered
from algosync.mock.engine.rules.patterns import Circumstances
from algosync.mock.engine.text.words import split

NOW = 1000


class Values:
    """Facet values of an index that has these."""

    def __init__(self, **values):
        self._values = {facet: {tuple(split(value)): [value] for value in given} for facet, given in values.items()}

    def named(self, facet, words):
        return self._values.get(facet, {}).get(words, [])

    def longest(self, facet):
        return max(map(len, self._values.get(facet, ())), default=0)


AROUND = Circumstances(now_s=NOW, values=Values(color=["red", "Sky Blue", "blue", "sky"], brand=["Red Cross", "acme"]))


def rule(object_id, *conditions, **more):
    return {"objectID": object_id, "conditions": list(conditions), "consequence": {}} | more


def pattern(text, anchoring="contains", **more):
    return {"pattern": text, "anchoring": anchoring} | more


def acting(rules, query="", **params):
    return [each.rule["objectID"] for each in triggered(asked({"query": query} | params), rules, AROUND)]


def meets(condition, query="", **params):
    return acting([rule("r", condition)], query, **params) == ["r"]


@pytest.mark.parametrize(
    ("condition", "query", "met"),
    [
        (pattern("red thing", "is"), "Red  THING!", True),
        (pattern("red thing", "is"), "big red thing", False),
        (pattern("red thing", "startsWith"), "red thing new", True),
        (pattern("red thing", "startsWith"), "a red thing", False),
        (pattern("red thing", "endsWith"), "a red thing", True),
        (pattern("red thing", "endsWith"), "red thing new", False),
        (pattern("red thing"), "a red thing new", True),
        (pattern("red thing"), "red new thing", False),
        (pattern("red"), "infrared", False),
        (pattern("gluten-free"), "gluten free bread", True),
        (pattern("café"), "CAFE au lait", True),
        (pattern("cafe"), "grand café", True),
        (pattern("", "is"), "", True),
        (pattern("", "is"), "x", False),
        (pattern("x", "is"), "", False),
        (pattern("{facet:color}"), "a red dress", True),
        (pattern("{facet:color}"), "a green dress", False),
        (pattern("{facet:color}", "is"), "sky blue", True),
        (pattern("{facet:color}", "endsWith"), "dress sky blue", True),
        (pattern("{facet:color} blue jeans", "is"), "sky blue jeans", True),
        (pattern("{facet:color} {facet:brand}", "is"), "red acme", True),
        (pattern("{facet:color} {facet:brand}", "is"), "acme red", False),
        (pattern("{facet:unknown}"), "red", False),
    ],
)
def test_patterns(condition, query, met):
    assert meets(condition, query) is met


@pytest.mark.parametrize(
    ("query", "met"),
    [("smartphone", True), ("smartphones", True), ("smartphnoe", True), ("smrtphnoe", True), ("telephone", False)],
)
def test_alternatives(query, met):
    assert meets(pattern("smartphone", alternatives=True), f"a {query}") is met
    assert meets(pattern("smartphone"), f"a {query}") is (query == "smartphone")


@pytest.mark.parametrize(("word", "plural"), [("box", "boxes"), ("berry", "berries"), ("cap", "caps")])
def test_plurals_are_alternatives_where_typos_are_not(word, plural):
    strict = Circumstances(now_s=NOW, values=Values(), one_typo=99, two_typos=99)
    for one, other in ((word, plural), (plural, word)):
        rules = [rule("r", pattern(one, alternatives=True))]
        assert triggered(asked({"query": other}), rules, strict)
        assert not triggered(asked({"query": f"{other}x"}), rules, strict)


def test_contexts():
    assert meets({"context": "a"}, ruleContexts=["b", "a"])
    assert not meets({"context": "a"}, ruleContexts=["b"])
    assert not meets({"context": "a"})
    assert meets(pattern("x", context="a"), "x", ruleContexts=["a"])
    assert not meets(pattern("x", context="a"), "y", ruleContexts=["a"])


@pytest.mark.parametrize(
    ("params", "met"),
    [
        ({"filters": "type:house AND amenity:fireplace"}, True),
        ({"filters": "Type:house AND amenity:fireplace"}, False),
        ({"filters": "type:HOUSE", "facetFilters": [["amenity:pool", "amenity:fireplace"]]}, True),
        ({"facetFilters": ["type:house", "amenity:fireplace"]}, True),
        ({"filters": "type:house"}, False),
        ({"filters": "type:house AND NOT amenity:fireplace"}, False),
        ({"optionalFilters": ["type:house", "amenity:fireplace"]}, False),
    ],
)
def test_filters(params, met):
    assert meets({"filters": "type:house AND amenity:fireplace"}, **params) is met


def test_conditions_are_alternatives_and_none_is_always():
    several = rule("r", pattern("x"), {"context": "a"}, {"filters": "b:c"})
    assert acting([several], "x") == acting([several], ruleContexts=["a"]) == acting([several], filters="b:c") == ["r"]
    assert acting([several], "y", ruleContexts=["b"], filters="b:d") == []
    assert acting([rule("always"), {"objectID": "bare", "consequence": {}}]) == ["always", "bare"]
    assert acting([{"objectID": "old", "condition": pattern("x", "is"), "consequence": {}}], "x") == ["old"]


@pytest.mark.parametrize(
    ("times", "valid"),
    [
        ([{"from": NOW, "until": NOW + 1}], True),
        ([{"from": NOW + 1, "until": NOW + 2}], False),
        ([{"from": 0, "until": NOW}], False),
        ([{"from": 0, "until": 1}, {"from": NOW - 1, "until": NOW + 1}], True),
        ([{"from": NOW}], True),
        ([], True),
    ],
)
def test_validity(times, valid):
    assert acting([rule("r", validity=times)]) == (["r"] if valid else [])
    assert acting([rule("r", validity=times, enabled=False)]) == []


# Each pair differs in one criterion; what decides stands first. Ids speak against the winner.
PRECEDENCE = {
    "the match nearest the beginning": (pattern("one"), pattern("two three")),
    "the longer match": (pattern("one two"), pattern("one")),
    "a filter counts as a matched word": (pattern("one", filters="f:v"), pattern("one")),
    "is": (pattern("one two three", "is"), pattern("one two three", "startsWith")),
    "startsWith": (pattern("one two three", "startsWith"), pattern("one two three", "endsWith")),
    "endsWith": (pattern("one two three", "endsWith"), pattern("one two three", "contains")),
    "a context": (pattern("one", context="c"), pattern("one")),
    "a context, not a filter": (pattern("one two", context="c"), pattern("one", filters="f:v")),
    "a literal, not a placeholder": (pattern("red"), pattern("{facet:color}")),
    "a pattern, not a context": (pattern("one"), {"context": "c"}),
    "a filter, not a context": ({"filters": "f:v"}, {"context": "c"}),
    "a context, not nothing": ({"context": "c"}, {}),
}


@pytest.mark.parametrize(("first", "second"), PRECEDENCE.values(), ids=PRECEDENCE.keys())
def test_precedence(first, second):
    query = "red" if "red" in first.get("pattern", "") else "one two three"
    rules = [rule("a", second), rule("b", first)]
    assert acting(rules, query, ruleContexts=["c"], filters="f:v")[0] == "b"


def test_temporary_before_permanent_then_the_smaller_id():
    now = [{"from": NOW, "until": NOW + 1}]
    rules = [rule("b", pattern("x")), rule("a", pattern("x")), rule("c", pattern("x"), validity=now)]
    assert acting(rules, "x") == ["c"]
    assert acting(rules[:2], "x") == ["a"]


def test_an_alternative_has_no_advantage_over_a_placeholder():
    rules = [rule("b", pattern("reds", alternatives=True)), rule("a", pattern("{facet:color}"))]
    assert acting(rules, "red") == ["a"]


def test_rules_about_the_same_words_exclude_each_other():
    rules = [
        rule("r1", pattern("enchanted forest")),
        rule("r2", pattern("forest adventure")),
        rule("r3", pattern("adventure")),
        rule("r4", pattern("enchanted")),
        rule("r5", {"context": "c"}),
    ]
    assert acting(rules, "Enchanted forest adventure", ruleContexts=["c"]) == ["r1", "r3", "r5"]
    assert acting(rules[1:], "Enchanted forest adventure") == ["r4", "r2"]


def test_rules_about_the_same_filters_exclude_each_other():
    rules = [rule("a", {"filters": "f:v"}), rule("b", {"filters": "f:v AND g:w"}), rule("c", {"filters": "h:x"})]
    assert acting(rules, filters="f:v AND g:w AND h:x") == ["b", "c"]
    assert acting(rules, filters="f:v AND h:x") == ["a", "c"]


def test_a_rule_without_a_free_place_finds_another_one():
    rules = [rule("a", pattern("red cross")), rule("b", pattern("red"))]
    assert acting(rules, "red cross") == ["a"]
    assert acting(rules, "red cross in red") == ["a", "b"]


def test_what_placeholders_stood_for():
    [found] = triggered(asked({"query": "Red or sky blue ACME"}), [rule("r", pattern("{facet:color}"))], AROUND)
    assert [(each.facet, each.values, each.start, each.stop) for each in found.named] == [
        ("color", ("red",), 0, 1),
        ("color", ("Sky Blue",), 2, 4),
    ]


def test_a_literal_takes_the_word_and_leaves_the_others_to_the_placeholder():
    rules = [rule("a", pattern("{facet:color}")), rule("b", pattern("red"))]
    found = triggered(asked({"query": "red blue"}), rules, AROUND)
    assert [(each.rule["objectID"], [n.values for n in each.named]) for each in found] == [
        ("b", []),
        ("a", [("blue",)]),
    ]


def test_a_long_query_of_many_placeholders_takes_no_time():
    words = " ".join(["sky"] * 120)
    assert not meets(pattern(" ".join(["{facet:color}"] * 40) + " never"), words)
