"""Rules: saved, found, triggered, and what they do to a search."""

from __future__ import annotations

import pytest
from algoliasearch.http.exceptions import RequestException

from algosync.mock.server import MockAlgolia


@pytest.fixture(autouse=True)
def _products(client):
    client.set_settings("p", {"attributesForFaceting": ["brand"]})
    client.save_objects(
        "p", [{"objectID": o, "name": "thing", "brand": b} for o, b in zip("abcd", "wxyz", strict=True)]
    )


def rule(object_id, context=None, pattern=None, anchoring="contains", **more):
    condition = {"context": context} if context else {}
    condition |= {"pattern": pattern, "anchoring": anchoring} if pattern is not None else {}
    consequence = {name: more.pop(name) for name in list(more) if name not in {"enabled", "validity", "description"}}
    return (
        {"objectID": object_id, "consequence": consequence} | ({"conditions": [condition]} if condition else {}) | more
    )


def boost(value, score=1):
    return {"optionalFilters": [f"brand:{value}<score={score}>"]}


def search(client, query="", **params):
    answer = client.search_single_index("p", {"query": query, "getRankingInfo": True, **params})
    return answer, {hit.object_id: hit.ranking_info.filters for hit in answer.hits}


def test_context_rules_are_applied(client):
    client.save_rules("p", [rule("r1", "seg-a", params=boost("z"), userData={"m": 1})])
    plain, order = search(client)
    assert (plain.applied_rules, list(order)) == (None, ["a", "b", "c", "d"])
    for contexts in (["other"], []):
        assert search(client, ruleContexts=contexts)[0].applied_rules is None
    answer, order = search(client, ruleContexts=["x", "seg-a"])
    assert (answer.applied_rules, answer.user_data) == ([{"objectID": "r1"}], [{"m": 1}])
    assert order == {"d": 1, "a": 0, "b": 0, "c": 0}
    assert search(client, ruleContexts=["seg-a"], enableRules=False)[0].applied_rules is None


@pytest.mark.parametrize("merging", ["first", "merge"])
def test_two_rules_and_the_querys_own_filters(client, algolia: MockAlgolia, merging):
    algolia.rules_merge = merging
    rules = [rule("r2", "two", params=boost("x", 20)), rule("r1", "one", params=boost("w", 10) | {"hitsPerPage": 3})]
    client.save_rules("p", rules)
    answer, order = search(client, ruleContexts=["two", "one"], optionalFilters=["brand:y<score=5>"], hitsPerPage=4)
    assert answer.applied_rules == [{"objectID": "r1"}, {"objectID": "r2"}]
    assert answer.hits_per_page == 3
    expected = {"first": {"a": 10, "b": 0, "c": 0}, "merge": {"b": 20, "a": 10, "c": 5}}
    assert order == expected[merging]


def test_precedence_is_pattern_then_context_then_id(client):
    client.save_rules(
        "p",
        [
            rule("a-always", params={"hitsPerPage": 1}),
            rule("b-context", "c", params={"hitsPerPage": 2}),
            rule("c-pattern", pattern="thing", params={"hitsPerPage": 3}),
        ],
    )
    answer, _ = search(client, "thing", ruleContexts=["c"])
    assert [applied["objectID"] for applied in answer.applied_rules] == ["c-pattern", "b-context", "a-always"]
    assert answer.hits_per_page == 3


@pytest.mark.parametrize(
    ("anchoring", "query", "triggered"),
    [
        ("is", "red thing", True),
        ("is", "big red thing", False),
        ("startsWith", "Red THING new", True),
        ("startsWith", "a red thing", False),
        ("endsWith", "a red thing", True),
        ("endsWith", "red thing new", False),
        ("contains", "a red thing new", True),
        ("contains", "red new thing", False),
    ],
)
def test_anchoring(client, anchoring, query, triggered):
    client.save_rules("p", [rule("r", pattern="red thing", anchoring=anchoring, params={"query": "thing"})])
    answer, _ = search(client, query)
    assert (answer.applied_rules is not None) is triggered
    assert (answer.nb_hits == 4) is triggered


def test_enabled_and_validity(client):
    ended = [{"from": 0, "until": 10}]
    running = [{"from": 0, "until": 10}, {"from": 1_600_000_000, "until": 9_999_999_999}]
    client.save_rules(
        "p",
        [
            rule("off", params=boost("x"), enabled=False),
            rule("ended", params=boost("y"), validity=ended),
            rule("running", params=boost("z"), validity=running),
        ],
    )
    assert search(client)[0].applied_rules == [{"objectID": "running"}]


def test_promote_and_hide(client):
    promote = [{"objectID": "d", "position": 0}, {"objectIDs": ["c", "gone"], "position": 2}]
    client.save_rules("p", [rule("r", pattern="thing", promote=promote, hide=[{"objectID": "a"}])])
    answer, order = search(client, "thing")
    assert list(order) == ["d", "b", "c"]
    assert [hit.ranking_info.promoted for hit in answer.hits] == [True, None, True]
    assert list(search(client, "thing", filters="brand:x")[1]) == ["d", "b", "c"]
    client.save_rules("p", [rule("r", pattern="thing", promote=promote, filterPromotes=True)])
    assert list(search(client, "thing", filters="brand:x OR brand:y")[1]) == ["b", "c"]
    client.save_rules("p", [rule("r", pattern="other", promote=promote)])
    answer, order = search(client, "other")
    assert list(order) == ["d", "c"], "promoted records need not match the query"


def test_rules_change_the_query(client):
    client.save_rules("p", [rule("r", pattern="cheap", params={"query": {"remove": ["cheap"]}, "filters": "brand:w"})])
    answer, order = search(client, "cheap thing")
    assert (answer.query, list(order)) == ("thing", ["a"])


def test_a_condition_on_filters(client):
    conditions = [{"filters": "brand:x"}]
    client.save_rules("p", [{"objectID": "r", "conditions": conditions, "consequence": {"params": {"hitsPerPage": 1}}}])
    assert search(client, filters="brand:x")[0].applied_rules == [{"objectID": "r"}]
    assert search(client, facetFilters=["brand:x"])[0].applied_rules == [{"objectID": "r"}]
    assert search(client, filters="brand:y")[0].applied_rules is None


def test_keeping_rules(client, algolia):
    client.save_rules(
        "p", [rule(f"r{i:02}", f"ctx-{i % 2}", params=boost("x"), description=f"no {i}") for i in range(25)]
    )
    assert algolia.operations["saveRule"] == 25
    page = client.search_rules("p", {"hitsPerPage": 10, "page": 2})
    assert ([each.object_id for each in page.hits], page.nb_hits, page.nb_pages) == (
        [f"r{i}" for i in range(20, 25)],
        25,
        3,
    )
    assert client.search_rules("p", {"context": "ctx-1"}).nb_hits == 12
    assert client.search_rules("p", {"query": "no 7"}).nb_hits == 1
    assert client.get_rule("p", "r07").description == "no 7"
    client.delete_rule("p", "r07")
    with pytest.raises(RequestException, match="ObjectID does not exist"):
        client.get_rule("p", "r07")
    client.save_rule("p", "solo", rule("solo", params=boost("x"), enabled=False))
    assert client.search_rules("p", {"enabled": False}).nb_hits == 1
    seen = []
    client.browse_rules("p", lambda answer: seen.extend(each.object_id for each in answer.hits))
    assert len(seen) == 25
    client.save_rules("p", [rule("only", params=boost("x"))], clear_existing_rules=True)
    assert list(algolia.content()["p"]["rules"]) == ["only"]
    client.clear_rules("p")
    assert algolia.content()["p"]["rules"] == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"objectID": "r"},
        {"consequence": {}},
        {"objectID": "r", "consequence": {"params": {"unknown": 1}}},
        {"objectID": "r", "consequence": {"params": {"optionalFilters": ["a:b<score=70000>"]}}},
        {"objectID": "r", "consequence": {}, "conditions": [{"context": "not a context!"}]},
        {"objectID": "r", "consequence": {}, "conditions": [{"pattern": "x"}]},
        {"objectID": "r", "consequence": {}, "conditions": [{"filters": "a:b OR a:c"}]},
        {"objectID": "r", "consequence": {}, "conditions": [{"context": "a"}] * 26},
        {"objectID": "r", "consequence": {"promote": [{"objectID": "a"}]}},
        {"objectID": "r", "consequence": {"hide": ["a"]}},
        {"objectID": "r", "consequence": {}, "validity": [{"from": "x"}]},
        {"objectID": "r", "consequence": {}, "nonsense": 1},
    ],
)
def test_rules_that_are_refused(client, algolia, wrong):
    good = rule("good", params=boost("x"))
    with pytest.raises(RequestException) as refused:
        client.save_rules("p", [good, wrong])
    assert refused.value.status_code == 400
    assert algolia.content()["p"]["rules"] == {}, "all or nothing"


def test_an_index_may_switch_rules_off(client):
    client.save_rules("p", [rule("r", params=boost("z"))])
    client.set_settings("p", {"enableRules": False})
    assert search(client)[0].applied_rules is None
    assert search(client, enableRules=True)[0].applied_rules == [{"objectID": "r"}]
