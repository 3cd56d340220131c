"""Rules over HTTP: kept, found, and what they make of a search's parameters."""

from __future__ import annotations

import pytest
from algoliasearch.http.exceptions import RequestException

from algosync.mock.server import MockAlgolia


@pytest.fixture(autouse=True)
def _products(client):
    client.set_settings("p", {"attributesForFaceting": ["brand", "color"], "searchableAttributes": ["name"]})
    colors = (["red"], ["blue"], ["red", "blue"], ["Sky Blue"])
    client.save_objects(
        "p",
        [
            {"objectID": o, "name": "thing", "brand": b, "color": c}
            for o, b, c in zip("abcd", "wxyz", colors, strict=True)
        ],
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


def test_at_most_ten_contexts(client):
    assert search(client, ruleContexts=[f"c{i}" for i in range(10)])[0].nb_hits == 4
    with pytest.raises(RequestException, match="ruleContexts"):
        search(client, ruleContexts=[f"c{i}" for i in range(11)])


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


@pytest.mark.parametrize(("merging", "expected"), [("first", "abc"), ("merge", "b")])
def test_hard_filters_of_rules_and_the_query(client, algolia: MockAlgolia, merging, expected):
    algolia.rules_merge = merging
    rules = [
        rule("r1", "c", params={"filters": "NOT brand:z", "facetFilters": [["color:red", "color:blue"]]}),
        rule("r2", "c", params={"filters": "NOT brand:w", "numericFilters": ["price = 1"], "tagFilters": ["t"]}),
    ]
    client.save_rules("p", rules)
    client.partial_update_objects("p", [{"objectID": o, "price": 1, "_tags": ["t"]} for o in "abc"])
    own = {"filters": "brand:x OR brand:w", "facetFilters": ["color:blue"], "numericFilters": ["price < 9"]}
    answer, order = search(client, ruleContexts=["c"], **own)
    assert "".join(sorted(order)) == expected
    assert len(answer.applied_rules) == 2


@pytest.mark.parametrize("merging", ["first", "merge"])
def test_other_parameters_are_the_first_rules(client, algolia: MockAlgolia, merging):
    algolia.rules_merge = merging
    rules = [
        rule("a-always", params={"hitsPerPage": 1, "attributesToRetrieve": ["brand"]}),
        rule("b-context", "c", params={"hitsPerPage": 2}),
        rule("c-pattern", pattern="thing", params={"hitsPerPage": 3}),
    ]
    client.save_rules("p", rules)
    answer, _ = search(client, "thing", ruleContexts=["c"], hitsPerPage=9)
    assert [applied["objectID"] for applied in answer.applied_rules] == ["c-pattern", "b-context", "a-always"]
    assert answer.hits_per_page == 3
    assert answer.hits[0].brand == "w"
    assert not hasattr(answer.hits[0], "name")


@pytest.mark.parametrize("merging", ["first", "merge"])
@pytest.mark.parametrize(
    ("query", "changes", "expected"),
    [
        ("Cheap Thing", [{"remove": ["cheap"]}], "Thing"),
        ("T-shirt, cheap!", [{"remove": ["cheap"]}], "T-shirt,"),
        ("cheap thing cheap", [{"edits": [{"type": "remove", "delete": "CHÉAP"}]}], "thing"),
        ("a phone", [{"edits": [{"type": "replace", "delete": "phone", "insert": "Smart Phone"}]}], "a Smart Phone"),
        ("new york shirt", [{"remove": ["new york", "york", "!"]}], "shirt"),
        ("one two", [{"remove": ["one"]}, {"edits": [{"type": "replace", "delete": "two", "insert": "2"}]}], "2"),
        ("one two", ["whole", {"remove": ["two"]}], "whole"),
        ("one two", [{"remove": ["one"]}, "whole"], "two"),
        ("one two", ["first", "second"], "first"),
        ("red shirt sky blue", [{"remove": ["{facet:color}"]}], "shirt"),
        ("sky blue shirt", [{"edits": [{"type": "replace", "delete": "{facet:color}", "insert": "any"}]}], "any shirt"),
        ("red blue shirt", [{"remove": ["{facet:color} shirt"]}], "red"),
        ("red shirt", [{"remove": ["{facet:brand}"]}], "red shirt"),
    ],
)
def test_rules_change_the_query(client, algolia: MockAlgolia, merging, query, changes, expected):
    algolia.rules_merge = merging
    # The second rule has no pattern, so that it comes second and shares no words with the first.
    names = ["{facet:color}" if "facet" in str(changes) else query, None]
    client.save_rules(
        "p",
        [rule(f"r{n}", pattern=names[n], params={"query": change}) for n, change in enumerate(changes)],
    )
    assert search(client, query)[0].query == expected


@pytest.mark.parametrize("merging", ["first", "merge"])
@pytest.mark.parametrize(
    ("disjunctive", "query", "expected"),
    [
        (False, "red", "ac"),
        (False, "red and BLUE", "c"),
        (True, "red and blue", "abc"),
        (True, "sky blue or red", "acd"),
    ],
)
def test_automatic_facet_filters(client, algolia: MockAlgolia, merging, disjunctive, query, expected):
    algolia.rules_merge = merging
    automatic = [{"facet": "color", "disjunctive": disjunctive}, "brand"]
    params = {"automaticFacetFilters": automatic, "query": ""}
    client.save_rules("p", [rule("r", pattern="{facet:color}", params=params)])
    assert "".join(search(client, query)[1]) == expected
    refined = search(client, query, facetFilters=["color:red"])[1]
    assert list(refined) == [object_id for object_id in expected if object_id in "ac"], "added to the query's own"


@pytest.mark.parametrize("merging", ["first", "merge"])
def test_automatic_optional_facet_filters(client, algolia: MockAlgolia, merging):
    algolia.rules_merge = merging
    automatic = [{"facet": "color", "score": 5}]
    params = {"automaticOptionalFacetFilters": automatic, "query": ""}
    client.save_rules("p", [rule("r", pattern="{facet:color}", params=params)])
    assert search(client, "red blue")[1] == {"c": 10, "a": 5, "b": 5, "d": 0}
    assert search(client, "red blue", optionalFilters=["brand:z<score=7>"])[1] == {"c": 10, "d": 7, "a": 5, "b": 5}
    automatic[0]["disjunctive"] = True
    client.save_rules("p", [rule("r", pattern="{facet:color}", params=params)])
    assert search(client, "red blue")[1] == {"a": 5, "b": 5, "c": 5, "d": 0}


def test_placeholders_know_the_values_of_the_records_as_they_are(client):
    params = {"automaticFacetFilters": ["color"], "query": {"remove": ["{facet:color}"]}}
    client.save_rules("p", [rule("r", pattern="{facet:color}", params=params)])
    client.save_object("p", {"objectID": "e", "name": "thing", "color": "green"})
    client.partial_update_object("p", "d", {"color": ["-dark", "1984"]})
    assert list(search(client, "green thing")[1]) == ["e"]
    assert list(search(client, "dark thing")[1]) == list(search(client, "1984 thing")[1]) == ["d"]
    assert search(client, "sky blue thing")[0].applied_rules == [{"objectID": "r"}], "blue is a color of others"
    client.delete_objects("p", ["b", "c"])
    assert search(client, "sky blue thing")[0].applied_rules is None
    client.set_settings("p", {"attributesForFaceting": ["brand"]})
    assert search(client, "green thing")[0].applied_rules is None, "a facet that is not declared"


def test_spellings_of_a_value_are_one(client):
    client.save_object("p", {"objectID": "e", "name": "thing", "color": "RED"})
    client.save_rules(
        "p", [rule("r", pattern="{facet:color}", params={"automaticFacetFilters": ["color"], "query": ""})]
    )
    assert "".join(search(client, "Red")[1]) == "ace"


def test_a_redirect_to_another_index_is_told_not_made(client):
    client.save_rules("p", [rule("r", redirect={"indexName": "other"}), rule("s", redirect={"indexName": "third"})])
    answer, order = search(client)
    assert len(order) == 4
    [told] = answer.redirect.index
    assert (told.source, told.dest, told.succeed, told.data.rule_object_id) == ("p", "other", False, "r")
    assert "redirect" in answer.message


def test_data_of_several_rules_comes_in_their_order(client):
    client.save_rules("p", [rule("b", userData={"m": 2}), rule("a", userData={"m": 1}), rule("c")])
    assert search(client)[0].user_data == [{"m": 1}, {"m": 2}]


def test_an_index_may_switch_rules_off(client):
    client.save_rules("p", [rule("r", params=boost("z"))])
    client.set_settings("p", {"enableRules": False})
    assert search(client)[0].applied_rules is None
    assert search(client, enableRules=True)[0].applied_rules == [{"objectID": "r"}]


def test_validity_goes_by_the_clock_of_the_application(client, algolia: MockAlgolia, monkeypatch):
    client.save_rules("p", [rule("r", validity=[{"from": 100, "until": 200}])])
    seen = []
    for now_s in (99, 100, 199, 200):
        monkeypatch.setattr(algolia, "now_ms", lambda now_s=now_s: now_s * 1000)
        seen.append(search(client)[0].applied_rules is not None)
    assert seen == [False, True, True, False]


def test_keeping_rules(client, algolia):
    saved = client.save_rules("p", [rule(f"r{i:02}", params=boost("x")) for i in range(3)], forward_to_replicas=True)
    client.wait_for_task("p", saved.task_id)
    assert algolia.operations["saveRule"] == 3
    assert client.get_rule("p", "r01").to_dict() == rule("r01", params=boost("x"))
    gone = client.delete_rule("p", "r01")
    assert (gone.task_id > saved.task_id, gone.updated_at[-1]) == (True, "Z")
    with pytest.raises(RequestException, match="ObjectID does not exist"):
        client.get_rule("p", "r01")
    client.delete_rule("p", "r01")
    assert client.save_rule("p", "solo", rule("solo")).task_id > gone.task_id
    assert sorted(algolia.content()["p"]["rules"]) == ["r00", "r02", "solo"]
    client.save_rules("p", [rule("only", params=boost("x"))], clear_existing_rules=True)
    assert list(algolia.content()["p"]["rules"]) == ["only"]
    client.clear_rules("p")
    assert algolia.content()["p"]["rules"] == {}


def test_finding_rules(client):
    kept = [rule(f"r{i:02}", f"ctx-{i % 2}", description=f"Number {i}", enabled=i != 7) for i in range(25)]
    client.save_rules("p", [*kept, rule("by-text", pattern="Red Shoes", anchoring="startsWith")])
    page = client.search_rules("p", {"hitsPerPage": 10, "page": 2})
    assert [each.object_id for each in page.hits] == [f"r{i}" for i in range(19, 25)]
    assert (page.nb_hits, page.nb_pages, page.page) == (26, 3, 2)

    def found(**asked):
        return [each.object_id for each in client.search_rules("p", asked).hits]

    assert len(found(context="ctx-1")) == 12
    assert found(context="ctx") == []
    assert found(query="number 7") == found(enabled=False) == ["r07"]
    assert len(found(enabled=True, hitsPerPage=100)) == 25
    assert len(found(enabled=None, hitsPerPage=100)) == 26
    assert found(query="shoe RED") == found(anchoring="startsWith") == found(query="by-text") == ["by-text"]
    assert found(query="elsewhere") == found(anchoring="is") == found(page=9) == []
    seen = []
    client.browse_rules("p", lambda answer: seen.extend(each.object_id for each in answer.hits), {"hitsPerPage": 5})
    assert len(seen) == len(set(seen)) == 26
    client.save_rules("p", client.search_rules("p", {"query": "red"}).hits)


@pytest.mark.parametrize(
    "wrong",
    [{"page": -1}, {"hitsPerPage": 0}, {"hitsPerPage": 1001}, {"page": True}, {"anchoring": "x"}, {"other": 1}]
    + [{name: 5} for name in ("query", "context", "enabled", "anchoring")],
)
def test_searches_for_rules_that_are_refused(client, wrong):
    with pytest.raises(RequestException) as refused:
        client.custom_post("1/indexes/p/rules/search", body=wrong)
    assert refused.value.status_code == 400
    assert next(iter(wrong)) in str(refused.value)


def test_a_search_for_rules_may_be_encoded(client):
    client.save_rules("p", [rule("a", "c"), rule("b", "c", enabled=False)])
    found = client.custom_post("1/indexes/p/rules/search", body={"params": "context=c&enabled=false&hitsPerPage=5"})
    assert [each["objectID"] for each in found["hits"]] == ["b"]


def test_a_batch_is_kept_whole_or_not_at_all(client, algolia):
    with pytest.raises(RequestException, match="Invalid rule: consequence is missing") as refused:
        client.save_rules("p", [rule("good"), {"objectID": "r"}])
    assert refused.value.status_code == 400
    with pytest.raises(RequestException, match="expected an array of rules"):
        client.custom_post("1/indexes/p/rules/batch", body={"objectID": "r", "consequence": {}})
    assert algolia.content()["p"]["rules"] == {}
    assert algolia.operations["saveRule"] == 0


def test_rules_of_an_index_that_is_not_there(client):
    calls = (
        lambda: client.get_rule("q", "r"),
        lambda: client.search_rules("q"),
        lambda: client.delete_rule("q", "r"),
        lambda: client.clear_rules("q"),
    )
    for call in calls:
        with pytest.raises(RequestException, match="Index q does not exist") as refused:
            call()
        assert refused.value.status_code == 404
    client.save_rules("q", [rule("r")])
    assert client.get_rule("q", "r").object_id == "r"
