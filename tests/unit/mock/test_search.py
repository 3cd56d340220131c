"""Search through the official client: what is found, in which order, and what of it an answer shows."""

from __future__ import annotations

import json
import re

import pytest
from algoliasearch.http.exceptions import RequestException


def found(client, query="", index="p", **params):
    answer = client.search_single_index(index, {"query": query, **params})
    return [hit.to_dict()["objectID"] for hit in answer.hits]


def info(client, query, **params):
    answer = client.search_single_index("p", {"query": query, "getRankingInfo": True, **params})
    return {hit.object_id: hit.ranking_info for hit in answer.hits}


def raw(client, **params):
    return json.loads(client.search_single_index_with_http_info("p", params).raw_data)


def load(client, *records, **settings):
    if settings:
        client.set_settings("p", settings)
    client.save_objects("p", list(records))


def names(**records):
    return [{"objectID": key, "name": name} for key, name in records.items()]


def test_words_prefixes_and_accents(client):
    load(client, *names(a="Crème brûlée", b="cream", c="creation"))
    assert found(client, "creme brulee") == ["a"]
    assert found(client, "cre") == ["a", "b", "c"]
    assert found(client, "cre", queryType="prefixNone") == []
    assert found(client, "cre bru") == []
    assert found(client, "cre bru", queryType="prefixAll") == ["a"]
    assert found(client, "nothing") == []
    assert found(client, "") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("query", "typos"),
    [
        ("keyboard", 0),
        ("keybord", 1),
        ("keyboaard", 1),
        ("ekyboard", 2),  # a swap that touches the first letter counts twice
        ("kyeboard", 1),
        ("keebord", None),
        ("kebobard", 2),
        ("leyboard", 2),
        ("layboard", 3),
        ("cat", 0),
        ("cut", None),
        ("mouse", 0),
        ("muose", 1),
        ("nouse", 2),
    ],
)
def test_typos_by_word_length(client, query, typos):
    load(client, *names(k="keyboard", c="cat", m="mouse"))
    assert [each.nb_typos for each in info(client, query).values()] == ([] if typos is None else [typos])
    if typos:
        assert found(client, query, typoTolerance=False) == []


def test_typo_tolerance_min(client):
    load(client, *names(a="phone", b="phome", c="phine"))
    assert found(client, "phone") == ["a", "b", "c"]
    assert found(client, "phone", typoTolerance="min") == ["a"]
    assert found(client, "phont", typoTolerance="min") == ["a"]


def test_ranking_criteria_in_their_order(client):
    load(
        client,
        {"objectID": "1-both-near-title", "title": "red shoe", "text": ""},
        {"objectID": "2-far-title", "title": "red and quite nice shoe", "text": ""},
        {"objectID": "3-near-text", "title": "zzz", "text": "red shoe"},
        {"objectID": "0-typo", "title": "red shoo", "text": ""},
        searchableAttributes=["title", "text"],
    )
    ranked = info(client, "red shoe")
    assert list(ranked) == ["1-both-near-title", "3-near-text", "2-far-title", "0-typo"]
    assert [each.proximity_distance for each in ranked.values()] == [1, 1, 4, 1]
    assert [each.first_matched_word for each in ranked.values()] == [0, 1000, 0, 0]
    assert [each.nb_exact_words for each in ranked.values()] == [2, 2, 2, 1]
    assert [each.words for each in ranked.values()] == [2, 2, 2, 2]


def test_position_counts_unless_unordered(client):
    load(client, {"objectID": "a", "t": "one two three"}, {"objectID": "b", "t": "three"}, searchableAttributes=["t"])
    assert {k: v.first_matched_word for k, v in info(client, "three").items()} == {"a": 2, "b": 0}
    client.set_settings("p", {"searchableAttributes": ["unordered(t)"]})
    assert {k: v.first_matched_word for k, v in info(client, "three").items()} == {"a": 0, "b": 0}


def test_exact_on_a_single_word_is_the_whole_value(client):
    load(client, *names(a="shoes extra", b="shoe polish", c="shoe"), searchableAttributes=["unordered(name)"])
    assert found(client, "shoe") == ["c", "a", "b"]
    assert found(client, "shoe", exactOnSingleWordQuery="word") == ["b", "c", "a"]
    assert found(client, "shoe", exactOnSingleWordQuery="none") == ["a", "b", "c"]


def test_equal_rank_and_restricted_attributes(client):
    load(
        client,
        {"objectID": "a", "x": "nothing", "y": "word"},
        {"objectID": "b", "x": "word", "y": "nothing"},
        searchableAttributes=["x,y"],
    )
    assert {v.first_matched_word for v in info(client, "word").values()} == {0}
    assert found(client, "word", restrictSearchableAttributes=["y"]) == ["a"]


def test_only_searchable_attributes_are_searched(client):
    load(client, {"objectID": "a", "name": "x", "secret": "treasure"}, searchableAttributes=["name"])
    assert found(client, "treasure") == []
    client.set_settings("p", {"searchableAttributes": None})
    assert found(client, "treasure") == ["a"]


def test_optional_words(client):
    load(client, *names(a="blue shoe", b="shoe", c="blue"))
    assert found(client, "blue shoe") == ["a"]
    assert found(client, "blue shoe", optionalWords=["blue"]) == ["a", "b"]
    assert found(client, "blue shoe", optionalWords="blue shoe") == ["a", "b", "c"]


def test_custom_ranking_and_sorts(client):
    rows = [(3, "x", True), (None, "y", False), (10, "z", True), (3, "a", None)]
    records = [{"objectID": str(i), "n": n, "s": s, "f": f} for i, (n, s, f) in enumerate(rows)]
    load(client, *records, customRanking=["desc(n)", "asc(s)"])
    assert found(client) == ["2", "3", "0", "1"]
    client.set_settings("p", {"customRanking": ["asc(n)"]})
    assert found(client) == ["0", "3", "2", "1"], "records without the attribute are last either way"
    client.set_settings("p", {"customRanking": ["desc(f)"]})
    assert found(client) == ["0", "2", "1", "3"]
    client.set_settings("p", {"ranking": ["desc(s)", "typo", "filters"]})
    assert found(client) == ["2", "1", "0", "3"]


def test_filters(client):
    records = [
        {"objectID": "a", "price": 10, "tags": ["x", "y"], "ok": True, "_tags": ["t"]},
        {"objectID": "b", "price": [5, 50], "tags": "x", "ok": False, "deep": {"k": [{"v": "in"}]}},
        {"objectID": "c", "price": 20.5},
    ]
    load(client, *records, attributesForFaceting=["tags", "ok", "deep.k.v", "price"])
    for text, expected in {
        "tags:x": "ab",
        "tags:x AND NOT tags:y": "b",
        "tags:y OR ok:false": "ab",
        "ok:true": "a",
        "deep.k.v:in": "b",
        "price > 10": "bc",
        "price = 10": "a",
        "price != 10": "bc",
        "price <= 10": "ab",
        "price:10 TO 25": "ac",
        "NOT price:10 TO 25": "b",
        "price:10": "a",
        "t": "a",
        "objectID:c": "c",
        "NOT objectID:c": "ab",
        "unknown:x": "",
        "NOT unknown:x": "abc",
    }.items():
        assert found(client, filters=text) == list(expected), text
    assert found(client, facetFilters=[["tags:y", "ok:false"], "tags:x"]) == ["a", "b"]
    assert found(client, facetFilters=["objectID:-a"]) == ["b", "c"]
    assert found(client, numericFilters=["price>10", "price<30"]) == ["b", "c"]
    assert found(client, tagFilters=["t"]) == ["a"]


def test_changes_are_seen_by_the_next_search(client):
    load(
        client,
        *({"objectID": f"{i:02}", "name": "shoe", "brand": "x", "n": i} for i in range(30)),
        searchableAttributes=["name"],
        attributesForFaceting=["brand"],
        customRanking=["asc(n)"],
    )
    assert found(client, "shoe", hitsPerPage=3) == ["00", "01", "02"]
    client.partial_update_object("p", "02", {"brand": "y"})
    assert found(client, "shoe", filters="brand:y") == ["02"]
    client.partial_update_object("p", "01", {"name": "boot", "n": 99})
    assert found(client, "boot") == ["01"]
    assert "01" not in found(client, "shoe", hitsPerPage=100)
    client.delete_object("p", "00")
    client.save_object("p", {"objectID": "new", "name": "shoe", "brand": "y", "n": -1})
    assert found(client, "shoe", hitsPerPage=2) == ["new", "02"]
    assert client.search_single_index("p", {"facets": ["brand"]}).facets == {"brand": {"x": 28, "y": 2}}
    client.save_object("p", {"objectID": "01", "name": "shoe", "n": 1})
    assert found(client, "shoe", hitsPerPage=3) == ["new", "01", "02"]
    client.clear_objects("p")
    assert found(client) == []


def test_the_answers_shape(client):
    load(client, *names(a="red shoe", b="blue shoe"), attributesForFaceting=["name"])
    answer = raw(client, query="shoe", hitsPerPage=1, clickAnalytics=True, facets=["name"])
    assert list(answer) == [
        *("hits", "nbHits", "page", "nbPages", "hitsPerPage", "facets", "exhaustiveFacetsCount", "exhaustiveNbHits"),
        *("exhaustiveTypo", "exhaustive", "query", "params", "queryID", "renderingContent", "processingTimeMS"),
        *("processingTimingsMS", "serverTimeMS"),
    ]
    assert (answer["nbHits"], answer["nbPages"], answer["page"], answer["hitsPerPage"]) == (2, 2, 0, 1)
    assert answer["exhaustive"] == {"facetsCount": True, "facetValues": True, "nbHits": True, "typo": True}
    assert answer["params"] == "query=shoe&hitsPerPage=1&clickAnalytics=true&facets=%5B%22name%22%5D"
    assert re.fullmatch("[0-9a-f]{32}", answer["queryID"])
    plain = raw(client, typoTolerance=False)
    assert plain["exhaustive"] == {"nbHits": True}
    assert not plain.keys() & {"exhaustiveTypo", "facets", "queryID", "index", "message", "parsedQuery", "abTestID"}


def test_ranking_info(client):
    records = [{"objectID": "a", "t": "red shoe", "b": "x"}, {"objectID": "b", "t": "red shoes", "b": "y"}]
    load(client, *records, searchableAttributes=["t"], attributesForFaceting=["b"])
    answer = raw(client, query="Red  shoe", getRankingInfo=True, optionalFilters=["b:y<score=3>"])
    assert (answer["indexUsed"], answer["parsedQuery"], answer["timeoutCounts"]) == ("p", "red shoe", False)
    assert [hit["_rankingInfo"] for hit in answer["hits"]] == [
        {
            "nbTypos": 0,
            "firstMatchedWord": 0,
            "proximityDistance": 1,
            "userScore": score,
            "geoDistance": 0,
            "geoPrecision": 1,
            "nbExactWords": exact,
            "words": 2,
            "filters": filters,
        }
        for score, exact, filters in ((2, 1, 3), (1, 2, 0))
    ]


def test_what_is_retrieved(client):
    load(client, {"objectID": "a", "x": 1, "y": {"z": 2, "w": 3}, "author": {"name": "Agatha Christie", "born": 1890}})

    def shown(*wanted):
        hit = client.search_single_index("p", {"attributesToRetrieve": list(wanted)}).hits[0].to_dict()
        return {name: value for name, value in hit.items() if not name.startswith("_")}

    assert shown("x") == {"objectID": "a", "x": 1}
    assert shown("y.z") == {"objectID": "a", "y": {"z": 2}}
    assert shown("y", "y.z") == {"objectID": "a", "y": {"z": 2, "w": 3}}
    assert shown("*", "-y", "-author") == {"objectID": "a", "x": 1}
    assert shown() == {"objectID": "a"}
    # algolia.com/doc/api-reference/api-parameters/attributesToRetrieve
    assert shown("author.name") == {"objectID": "a", "author": {"name": "Agatha Christie"}}


def test_unretrievable_attributes_are_hidden_everywhere_but_from_the_admin(connect):
    """algolia.com/doc/api-reference/api-parameters/unretrievableAttributes."""
    admin, reader = connect(), connect("mock-read")
    settings = {"unretrievableAttributes": ["total_sales", "deep.secret"], "attributesToSnippet": ["*"]}
    admin.set_settings("p", settings)
    admin.save_object("p", {"objectID": "a", "total_sales": "9", "name": "n", "deep": {"secret": "s", "open": "o"}})
    shown = raw(reader, attributesToRetrieve=["*", "total_sales"], attributesToHighlight=["*"])["hits"][0]
    assert shown.keys() == {"objectID", "name", "deep", "_highlightResult", "_snippetResult"}
    assert shown["deep"] == {"open": "o"}
    for part in ("_highlightResult", "_snippetResult"):
        assert shown[part].keys() == {"name", "deep"}
        assert shown[part]["deep"].keys() == {"open"}
    assert raw(admin)["hits"][0]["total_sales"] == "9"
    both = {"objectID": "a", "deep.secret": "s", "deep": [[{"secret": "s", "open": "o"}], {"secret": ["s"]}]}
    admin.save_object("p", both)
    shown = raw(reader, attributesToRetrieve=["*"], attributesToHighlight=["*"], query="s o")["hits"][0]
    assert shown["deep"] == [[{"open": "o"}], {}]
    assert not re.search(r"secret|total_sales", json.dumps(shown))


@pytest.mark.parametrize(
    ("strategy", "query", "expected", "removed"),
    [
        ("none", "iphone 5 32gb", [], None),
        ("lastWords", "iphone 5 32gb", ["5"], "iphone 5 <em>32gb</em>"),
        ("lastWords", "iphone 7 32gb", ["5", "x"], "iphone <em>7</em> <em>32gb</em>"),
        ("lastWords", "galaxy 5", [], None),
        ("firstWords", "sparkly green iPhone", ["5", "x"], "<em>sparkly</em> <em>green</em> iPhone"),
        ("firstWords", "iphone galaxy", [], None),
        ("allOptional", "sparkly iphone galaxy", ["5", "x"], "<em>sparkly</em> <em>iphone</em> <em>galaxy</em>"),
        ("allOptional", "galaxy", [], None),
        ("allOptional", "iphone", ["5", "x"], None),
    ],
)
def test_words_are_given_up_where_nothing_is_found(client, strategy, query, expected, removed):
    """algolia.com/doc/guides/managing-results/optimize-search-results/empty-or-insufficient-results/in-depth/
    why-use-remove-words-if-no-results."""
    load(client, *names(**{"5": "iphone 5 16gb", "x": "iphone x 64gb"}), removeWordsIfNoResults=strategy)
    assert sorted(found(client, query)) == expected
    assert raw(client, query=query).get("queryAfterRemoval") == removed


def test_at_most_five_words_are_given_up(client):
    load(client, *names(a="one"))
    words = [f"w{number}" for number in range(6)]
    assert found(client, f"one {' '.join(words[:5])}", removeWordsIfNoResults="lastWords") == ["a"]
    assert found(client, f"one {' '.join(words)}", removeWordsIfNoResults="lastWords") == []


def test_words_that_were_given_up_rank_those_that_match_them_first(client):
    load(client, *names(a="iphone x", b="iphone 5"))
    assert found(client, "iphone 5 gold", removeWordsIfNoResults="lastWords") == ["b"]
    answer = raw(client, query="iphone 5 gold", removeWordsIfNoResults="allOptional", getRankingInfo=True)
    assert [(hit["objectID"], hit["_rankingInfo"]["words"]) for hit in answer["hits"]] == [("b", 2), ("a", 1)]


def test_similar_query(client):
    """algolia.com/doc/api-reference/api-parameters/similarQuery: words optional, no prefixes, `words` ranks first."""
    load(client, *names(a="drama", b="comedy drama", c="crimes", d="comedi drama crimi"), ranking=["typo", "custom"])
    answer = raw(client, query="ignored", similarQuery="comedy drama crime")
    assert [hit["objectID"] for hit in answer["hits"]] == ["d", "b", "a", "c"]
    assert answer["message"] == "Ignored by the mock: similarQuery"


def test_typos_can_be_ruled_out_for_numbers_words_and_attributes(client):
    """algolia.com/doc/api-reference/api-parameters: allowTyposOnNumericTokens, disableTypoToleranceOn…"""
    load(
        client,
        {"objectID": "a", "sku": "12345", "name": "wheel"},
        {"objectID": "b", "sku": "wheal", "name": "12346"},
        searchableAttributes=["sku", "name"],
    )
    assert found(client, "12345") == ["a", "b"]
    assert found(client, "12345", allowTyposOnNumericTokens=False) == ["a"]
    assert found(client, "wheel") == ["a", "b"]
    assert found(client, "wheel", disableTypoToleranceOnAttributes=["sku"]) == ["a"]
    client.set_settings("p", {"disableTypoToleranceOnWords": ["Wheel", "1X2BCD"]})
    assert found(client, "wheel") == ["a"]


def test_restricted_to_what_is_not_searchable(client):
    load(client, {"objectID": "a", "x": "word"}, searchableAttributes=["x", "unordered(y)"])
    assert found(client, "word", restrictSearchableAttributes=[]) == ["a"]
    assert found(client, "word", restrictSearchableAttributes=["y"]) == []
    what = "invalid setting for restrictSearchableAttributes, attribute z is not in searchableAttributes setting"
    with pytest.raises(RequestException, match=what) as refused:
        client.search_single_index("p", {"restrictSearchableAttributes": ["x", "z"]})
    assert refused.value.status_code == 400


def test_only_the_fields_asked_for(client):
    """algolia.com/doc/api-reference/api-parameters/responseFields: some cannot be left out."""
    load(client, {"objectID": "a"})
    answer = raw(client, responseFields=["nbHits", "query"], getRankingInfo=True, ignorePlurals=True)
    assert answer.keys() == {
        *("nbHits", "query", "message", "serverUsed", "indexUsed", "parsedQuery", "timeoutCounts", "timeoutHits")
    }


def test_rendering_content_of_the_settings_unless_the_search_has_its_own(client):
    ordered = {"facetOrdering": {"facets": {"order": ["size", "brand"]}}}
    load(client, {"objectID": "a"}, renderingContent=ordered)
    assert raw(client)["renderingContent"] == ordered
    assert raw(client, renderingContent={"redirect": {"url": "/x"}})["renderingContent"] == {"redirect": {"url": "/x"}}


def test_natural_languages(client):
    """algolia.com/doc/api-reference/api-parameters/naturalLanguages: all words optional, a context for rules."""
    load(client, *names(a="cheap shoe", b="bag"))
    client.save_rule(
        "p",
        "r",
        {"objectID": "r", "conditions": [{"context": "natural_language"}], "consequence": {"userData": {"seen": True}}},
    )
    answer = raw(client, query="a very cheap shoe please", naturalLanguages=["en"])
    assert ([hit["objectID"] for hit in answer["hits"]], answer["userData"]) == (["a"], [{"seen": True}])
    assert answer["message"] == "Ignored by the mock: naturalLanguages"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("search -engine", "b"),
        ("search-engine", "acd"),
        ("-search", "e"),
        ("-search engine", ""),
        ('"-engine"', "acd"),
        ('"search engine"', "ad"),
        ('"serch engine"', ""),
        ('"search eng"', ""),
        ('best "search engine"', "a"),
        ('"search engine', "acd"),
        ('"" search', "abcd"),
        ('"search" -"engine"', "acd"),
        ("-nothing", "abcde"),
    ],
)
def test_advanced_syntax(client, query, expected):
    """algolia.com/doc/api-reference/api-parameters/advancedSyntax; open quotes and -"phrases" are not."""
    rows = {"a": "best search engine", "b": "search party", "c": "engine search", "d": "a search engine", "e": "other"}
    load(client, *names(**rows))
    assert sorted(found(client, query, advancedSyntax=True, typoTolerance=False)) == list(expected)


def test_features_of_the_advanced_syntax(client):
    """algolia.com/doc/api-reference/api-parameters/advancedSyntaxFeatures."""
    load(client, *names(a="search engine", b="engine search", c="search", d=["search", "engine"]))
    assert sorted(found(client, '"search engine"')) == ["a", "b", "d"]
    assert found(client, '"search engine"', advancedSyntax=True) == ["a"], "not across the items of an array"
    client.set_settings("p", {"advancedSyntax": True, "advancedSyntaxFeatures": ["excludeWords"]})
    assert sorted(found(client, '"search engine"')) == ["a", "b", "d"]
    assert found(client, "search -engine") == ["c"]
    assert sorted(found(client, "search -engine", advancedSyntaxFeatures=["exactPhrase"])) == ["a", "b", "d"]
    assert found(client, "-engine lost words search", removeWordsIfNoResults="allOptional") == ["c"]
    marked = raw(client, query="-engine lost search", removeWordsIfNoResults="firstWords")
    assert marked["queryAfterRemoval"].split() == ["<em>lost</em>", "search"]
