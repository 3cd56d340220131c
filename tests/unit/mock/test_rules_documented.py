"""Rules: the worked examples of Algolia's documentation.

Paths are below algolia.com/doc/guides/managing-results/rules.
"""

from __future__ import annotations

import pytest


@pytest.fixture
def shop(client):
    def make(records, rules, **settings):
        client.set_settings("p", settings)
        client.save_objects("p", [{"objectID": str(number)} | record for number, record in enumerate(records)])
        client.save_rules("p", rules, clear_existing_rules=True)

        def search(query="", **params):
            return client.search_single_index("p", {"query": query, **params})

        return search

    return make


def titles(answer, name="title"):
    return [getattr(hit, name) for hit in answer.hits]


def applied(answer):
    return [each["objectID"] for each in answer.applied_rules or []]


def rule(object_id, pattern, anchoring="contains", **consequence):
    conditions = [{"pattern": pattern, "anchoring": anchoring}]
    return {"objectID": object_id, "conditions": conditions, "consequence": consequence}


def test_one_of_two_rules_about_the_same_word(shop):
    """rules-overview/in-depth/rule-matching-algorithm: two rules on *potter* promote to the first result."""
    records = [{"objectID": o, "title": o} for o in ("dvd", "film-8", "book")]
    rules = [rule(f"rule-{o}", "potter", promote=[{"objectID": o, "position": 0}]) for o in ("film-8", "dvd")]
    answer = shop(records, rules)("harry potter")
    assert (applied(answer), titles(answer)) == (["rule-dvd"], ["dvd"])


def test_promotions_of_two_rules_to_the_same_position(shop):
    """rules-overview/in-depth/rule-matching-algorithm: the smaller objectID is first, the other moves down."""
    records = [{"objectID": o, "title": f"shakespeare prices {o}"} for o in ("1-diaries", "2-prices", "0-other")]
    rules = [
        rule("a", "prices", promote=[{"objectID": "2-prices", "position": 0}]),
        rule("b", "shakespeare", promote=[{"objectID": "1-diaries", "position": 0}]),
    ]
    answer = shop(records, rules)("prices shakespeare")
    assert applied(answer) == ["a", "b"]
    assert [hit.object_id for hit in answer.hits] == ["1-diaries", "2-prices", "0-other"]


def test_promote_a_single_item(shop):
    """merchandising-and-promoting/how-to/promote-hits: Harry Potter."""
    records = [{"objectID": o, "title": f"Harry Potter {o}"} for o in ("HP-1", "HP-12345")]
    promote = [{"objectID": "HP-12345", "position": 0}]
    search = shop(records, [rule("promote-harry-potter-box-set", "Harry Potter", promote=promote)])
    answer = search("harry potter", getRankingInfo=True)
    assert [(hit.object_id, hit.ranking_info.promoted) for hit in answer.hits] == [("HP-12345", True), ("HP-1", None)]
    assert [hit.object_id for hit in search("potter").hits] == ["HP-1", "HP-12345"]


def test_hide_an_item(shop):
    """merchandising-and-promoting/how-to/how-to-hide-hits: cheap laptops."""
    records = [{"objectID": o, "title": f"cheap laptop {o}"} for o in ("to-hide-12345", "other")]
    search = shop(records, [rule("hide-12345", "cheap", hide=[{"objectID": "to-hide-12345"}])])
    assert [hit.object_id for hit in search("cheap laptop").hits] == ["other"]
    assert search("laptop").nb_hits == 2


RED = [
    {"title": "FM", "category": "Clothing", "brand": "LondonLook", "color": "Red"},
    {"title": "The Mandal", "category": "Toaster", "brand": "Black & Decker", "color": "Red"},
    {"title": "Vans", "category": "Shoes", "brand": "Red Wing", "color": "Blue"},
]


def test_dynamic_filter_with_one_rule_per_value(shop):
    """detecting-intent/how-to/applying-a-filter-if-the-query-match-a-facet-value: filters."""
    params = {"query": {"remove": ["red"]}, "filters": "color:Red"}
    search = shop(RED, [rule("red-color", "red", params=params)], attributesForFaceting=["color"])
    answer = search("red")
    assert (titles(answer), answer.query) == (["FM", "The Mandal"], "")
    assert "filters=color%3ARed" in answer.params, "rules-overview/in-depth/debugging-rules: params show what rules did"


def test_dynamic_filter_with_facets(shop):
    """detecting-intent/how-to/applying-a-filter-if-the-query-match-a-facet-value: automaticFacetFilters."""
    params = {"query": {"remove": ["{facet:color}"]}, "automaticFacetFilters": ["color"]}
    search = shop(RED, [rule("color-facets", "{facet:color}", params=params)], attributesForFaceting=["color"])
    assert titles(search("red")) == ["FM", "The Mandal"]
    assert titles(search("red toaster")) == ["The Mandal"]
    assert titles(search("blue wing")) == ["Vans"]
    assert search("green").applied_rules is None


def test_positive_filter(shop):
    """detecting-intent/how-to/applying-a-custom-filter-for-a-specific-query: diet."""
    records = [
        {"title": "Chicken Stuffed Baked Avocados", "_tags": ["low-carb"]},
        {"title": "Spinach Quiche", "_tags": ["low-carb", "vegetarian"]},
        {"title": "Pizza Chicken Bake", "_tags": ["cheese"]},
        {"title": "Strawberry Sorbet", "_tags": ["low-fat", "vegetarian", "vegan"]},
    ]
    params = {"filters": "'low-carb' OR 'low-fat'", "query": {"edits": [{"type": "remove", "delete": "diet"}]}}
    search = shop(records, [rule("diet-rule", "diet", params=params)])
    assert len(titles(search("diet"))) == 3
    assert titles(search("diet chicken")) == ["Chicken Stuffed Baked Avocados"]


def test_several_consequences(shop):
    """merchandising-and-promoting/how-to/combining-multiple-consequences: clint eastwood director."""
    records = [
        {"title": "Dirty Harry", "director": "Don Siegel", "actors": ["Clint Eastwood", "Andy Robinson"]},
        {"title": "Million Dollar Baby", "director": "Clint Eastwood", "actors": ["Clint Eastwood", "Hilary Swank"]},
        {"title": "Invictus", "director": "Clint Eastwood", "actors": ["Morgan Freeman", "Matt Damon"]},
    ]
    params = {"query": {"remove": ["director"]}, "restrictSearchableAttributes": ["director"]}
    search = shop(
        records, [rule("director", "director", params=params)], searchableAttributes=["title", "director", "actors"]
    )
    assert len(titles(search("clint eastwood"))) == 3
    assert sorted(titles(search("clint eastwood director"))) == ["Invictus", "Million Dollar Baby"]


def test_merchandise_on_an_empty_query(shop):
    """merchandising-and-promoting/how-to/merchandise-on-empty-query: clearance for the context landing."""
    condition = {"pattern": "", "anchoring": "is", "context": "landing"}
    consequence = {"params": {"optionalFilters": "clearance:true"}}
    records = [{"title": "shoes new", "clearance": False}, {"title": "shoes old", "clearance": True}]
    rules = [{"objectID": "clearance-category", "conditions": [condition], "consequence": consequence}]
    search = shop(records, rules, attributesForFaceting=["clearance"])
    assert titles(search("", ruleContexts=["landing"])) == ["shoes old", "shoes new"]
    assert titles(search("shoes", ruleContexts=["landing"])) == ["shoes new", "shoes old"]
    assert titles(search("")) == ["shoes new", "shoes old"]


def test_one_rule_of_each_segment(shop):
    """algolia.com/doc/guides/personalization/advanced-personalization/implement/guides/segment-users-with-rule-contexts."""
    rules = [
        {
            "objectID": segment,
            "conditions": [{"context": segment}],
            "consequence": {"params": {"optionalFilters": [f"brand:{brand}<score=2>"]}},
        }
        for segment, brand in (("runners", "acme"), ("climbers", "zoom"))
    ]
    records = [{"title": brand, "brand": brand} for brand in ("acme", "mid", "zoom")]
    search = shop(records, rules, attributesForFaceting=["filterOnly(brand)"])
    assert titles(search(ruleContexts=["climbers"])) == ["zoom", "acme", "mid"]
    assert titles(search(ruleContexts=["runners"])) == ["acme", "mid", "zoom"]
    assert applied(search(ruleContexts=["neither"])) == []
