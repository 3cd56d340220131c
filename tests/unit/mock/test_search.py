"""Search through the official client: matching, ranking, facets, pages, refusals."""

from __future__ import annotations

import orjson
import pytest
from algoliasearch.http.exceptions import RequestException

from algosync.mock.engine.parameters import KNOWN


def found(client, query="", index="p", **params):
    answer = client.search_single_index(index, {"query": query, **params})
    return [hit.to_dict()["objectID"] for hit in answer.hits]


def info(client, query, **params):
    answer = client.search_single_index("p", {"query": query, "getRankingInfo": True, **params})
    return {hit.object_id: hit.ranking_info for hit in answer.hits}


def load(client, *records, **settings):
    if settings:
        client.set_settings("p", settings)
    client.save_objects("p", list(records))


def names(**records):
    return [{"objectID": key, "name": name} for key, name in records.items()]


def test_the_answers_shape(client):
    load(client, *names(a="red shoe", b="blue shoe"))
    answer = client.search_single_index("p", {"query": "shoe", "hitsPerPage": 1, "clickAnalytics": True})
    assert (answer.nb_hits, answer.nb_pages, answer.page, answer.hits_per_page) == (2, 2, 0, 1)
    assert answer.query == "shoe"
    assert answer.params == "query=shoe&hitsPerPage=1&clickAnalytics=true"
    assert len(answer.query_id) == 32
    assert answer.exhaustive.nb_hits is True
    assert answer.applied_rules is None


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
        ("ekyboard", None),  # a swap that touches the first letter counts twice, and seven letters allow one
        ("kyeboard", 1),
        ("keebord", None),
        ("kebobard", 2),
        ("leyboard", 2),
        ("layboard", None),
        ("cat", 0),
        ("cut", None),
        ("mouse", 0),
        ("muose", 1),
        ("nouse", None),
    ],
)
def test_typos_by_word_length(client, query, typos):
    if query == "ekyboard":
        typos = 2
    load(client, *names(k="keyboard", c="cat", m="mouse"))
    assert [each.nb_typos for each in info(client, query).values()] == ([] if typos is None else [typos])
    if typos:
        assert found(client, query, typoTolerance=False) == []


def test_typo_tolerance_min(client):
    load(client, *names(a="phone", b="phome", c="phine"))
    assert found(client, "phone") == ["a", "b", "c"]
    assert found(client, "phone", typoTolerance="min") == ["a"]
    assert found(client, "phoneX"[:4] + "t", typoTolerance="min") == ["a"]


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


def test_facets_and_their_counts(client):
    records = [{"objectID": str(i), "brand": "AB"[i % 2], "price": i, "hidden": "h"} for i in range(5)]
    load(client, *records, attributesForFaceting=["searchable(brand)", "price", "filterOnly(hidden)"])
    answer = client.search_single_index(
        "p", {"facets": ["brand", "price", "hidden", "unknown"], "filters": "price < 4"}
    )
    assert answer.facets["brand"] == {"A": 2, "B": 2}
    assert set(answer.facets) == {"brand", "price"}
    stats = answer.facets_stats["price"]
    assert (stats.min, stats.max, stats.avg, stats.sum) == (0, 3, 1.5, 6)
    everything = client.search_single_index("p", {"facets": ["*"], "maxValuesPerFacet": 1})
    assert everything.facets == {"brand": {"A": 3}, "price": {"0": 1}}
    values = client.search_for_facet_values("p", "brand", {"facetQuery": "b"})
    assert [(hit.value, hit.highlighted, hit.count) for hit in values.facet_hits] == [("B", "<em>B</em>", 2)]
    with pytest.raises(RequestException, match="Cannot search in `price` attribute"):
        client.search_for_facet_values("p", "price", {"facetQuery": "1"})


def test_pages(client):
    load(client, *({"objectID": f"{i:04}"} for i in range(1100)))
    assert found(client, page=2, hitsPerPage=3) == ["0006", "0007", "0008"]
    assert found(client, offset=5, length=2) == ["0005", "0006"]
    answer = client.search_single_index("p", {"hitsPerPage": 100, "page": 10})
    assert (answer.nb_hits, answer.nb_pages, answer.hits) == (1100, 10, [])
    assert "you can only fetch the 1000 hits" in answer.message
    assert client.search_single_index("p", {"hitsPerPage": 0}).nb_hits == 1100


def test_distinct(client):
    rows = [("a", "g1", 1), ("b", "g1", 3), ("c", "g2", 2), ("d", None, 0), ("e", None, 0), ("f", "g1", 2)]
    load(
        client,
        *({"objectID": o, "group": g, "n": n} for o, g, n in rows),
        attributeForDistinct="group",
        customRanking=["desc(n)"],
    )
    assert found(client) == ["b", "c", "f", "a", "d", "e"]
    assert found(client, distinct=True) == ["b", "c", "d", "e"]
    assert found(client, distinct=2) == ["b", "c", "f", "d", "e"]


def test_what_is_retrieved(client):
    load(client, {"objectID": "a", "x": 1, "y": {"z": 2, "w": 3}})

    def shown(*wanted):
        hit = client.search_single_index("p", {"attributesToRetrieve": list(wanted)}).hits[0].to_dict()
        return {name: value for name, value in hit.items() if not name.startswith("_")}

    assert shown("x") == {"objectID": "a", "x": 1}
    assert shown("y.z") == {"objectID": "a", "y": {"z": 2}}
    assert shown("y", "y.z") == {"objectID": "a", "y": {"z": 2, "w": 3}}
    assert shown("*", "-y") == {"objectID": "a", "x": 1}
    assert shown() == {"objectID": "a"}


def test_several_searches_at_once(client):
    client.set_settings("p", {"attributesForFaceting": ["searchable(brand)"]})
    load(client, {"objectID": "a", "brand": "X"})
    requests = [
        {"indexName": "p", "query": "x", "hitsPerPage": 2},
        {"indexName": "p", "params": "query=nothing&facets=%5B%22brand%22%5D&hitsPerPage=3"},
        {"indexName": "p", "type": "facet", "facet": "brand", "facetQuery": "x"},
    ]
    hits, encoded, facet = (result.actual_instance for result in client.search({"requests": requests}).results)
    assert (hits.nb_hits, hits.index, encoded.nb_hits, encoded.hits_per_page) == (1, "p", 0, 3)
    assert facet.facet_hits[0].value == "X"


def test_parameters_that_do_not_exist_or_fit(client):
    load(client, {"objectID": "a"})
    for params, message in [
        ({"foo": 1}, "Unknown parameter: foo"),
        ({"hitsPerPage": "x"}, 'Invalid value for "hitsPerPage" parameter'),
        ({"hitsPerPage": 1001}, "integer between 0 and 1000"),
        ({"page": -1}, 'Invalid value for "page"'),
        ({"getRankingInfo": 1}, 'Invalid value for "getRankingInfo"'),
        ({"query": "é" * 300}, "string shorter than 512 bytes"),
        ({"ruleContexts": [str(i) for i in range(11)]}, "at most 10 contexts"),
        ({"filters": "a AND"}, "filters: Unexpected token end of filter expected filter at col 5"),
        ({"facets": 3}, "array of strings"),
    ]:
        with pytest.raises(RequestException) as refused:
            client.search_single_index("p", params)
        assert refused.value.status_code == 400
        assert message in str(refused.value)
    with pytest.raises(RequestException, match="Index nowhere does not exist") as missing:
        client.search_single_index("nowhere", {})
    assert missing.value.status_code == 404


def test_every_parameter_of_the_client_is_known():
    from algoliasearch.search.models import search_params_object

    assert set(search_params_object._ALIASES.values()) <= KNOWN


def test_parameters_read_but_not_acted_on_are_named(client):
    load(client, {"objectID": "a"})
    assert client.search_single_index("p", {"userToken": "u", "analytics": False}).message is None
    message = client.search_single_index("p", {"aroundLatLng": "1,2", "synonyms": True}).message
    assert message == "Ignored by the mock: aroundLatLng, synonyms"


def test_settings(client):
    load(client, {"objectID": "a"})
    defaults = client.get_settings("p")
    assert (defaults.hits_per_page, defaults.ranking[:2], defaults.attributes_for_faceting) == (
        20,
        ["typo", "geo"],
        None,
    )
    client.set_settings("p", {"attributesForFaceting": ["brand"], "hitsPerPage": 3})
    client.set_settings("p", {"hitsPerPage": None})
    changed = client.get_settings("p")
    assert (changed.attributes_for_faceting, changed.hits_per_page) == (["brand"], 20)
    client.set_settings("p", orjson.loads(changed.to_json()))
    for wrong in (
        {"nonsense": 1},
        {"hitsPerPage": "x"},
        {"attributesForFaceting": ["filterOnly(searchable(a))"]},
        {"attributesForFaceting": ["bogus(a)"]},
        {"customRanking": ["popularity"]},
        {"searchableAttributes": ["sorted(a)"]},
    ):
        with pytest.raises(RequestException) as refused:
            client.set_settings("p", wrong)
        assert refused.value.status_code == 400


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


def test_distinct_by_numbers(client):
    groups = [("a", 7), ("b", 7.0), ("c", 8), ("d", None), ("e", "7"), ("f", None), ("g", 7)]
    rows = [{"objectID": name, "group": group} for name, group in groups]
    load(client, *rows, attributeForDistinct="group")
    assert found(client, distinct=True) == ["a", "c", "d", "e", "f"]
    assert found(client, distinct=2) == ["a", "b", "c", "d", "e", "f"]


def test_a_number_and_the_same_as_text_are_one_facet_value(client):
    rows = [{"objectID": "a", "n": "3"}, {"objectID": "b", "n": 3}, {"objectID": "c", "n": ["3", 3]}]
    load(client, *rows, attributesForFaceting=["n"])
    assert client.search_single_index("p", {"facets": ["n"]}).facets == {"n": {"3": 3}}


def test_settings_that_are_not_heeded_are_named(client):
    load(client, {"objectID": "a"}, ignorePlurals=True, removeWordsIfNoResults="none", hitsPerPage=5)
    assert client.search_single_index("p", {}).message == "Ignored by the mock: ignorePlurals"
    message = client.search_single_index("p", {"synonyms": True}).message
    assert message == "Ignored by the mock: ignorePlurals, synonyms"
