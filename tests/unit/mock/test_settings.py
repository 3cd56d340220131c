"""Settings through the official client: defaults, changes, refusals."""

from __future__ import annotations

import json

import pytest
from algoliasearch.http.exceptions import RequestException

from algosync.mock.engine.settings import KNOWN, check_settings

FRESH = {
    "minWordSizefor1Typo": 4,
    "minWordSizefor2Typos": 8,
    "hitsPerPage": 20,
    "maxValuesPerFacet": 100,
    "searchableAttributes": None,
    "numericAttributesForFiltering": None,
    "attributesToRetrieve": None,
    "unretrievableAttributes": None,
    "optionalWords": None,
    "attributesForFaceting": None,
    "attributesToSnippet": None,
    "attributesToHighlight": None,
    "paginationLimitedTo": 1000,
    "attributeForDistinct": None,
    "exactOnSingleWordQuery": "attribute",
    "ranking": ["typo", "geo", "words", "filters", "proximity", "attribute", "exact", "custom"],
    "customRanking": None,
    "separatorsToIndex": "",
    "removeWordsIfNoResults": "none",
    "queryType": "prefixLast",
    "highlightPreTag": "<em>",
    "highlightPostTag": "</em>",
    "alternativesAsExact": ["ignorePlurals", "singleWordSynonym"],
    "version": 2,
}


def raw(client):
    return json.loads(client.get_settings_with_http_info("p").raw_data)


def test_defaults_and_changes(client):
    """The defaults are what the service shows of a new index."""
    client.save_object("p", {"objectID": "a"})
    assert raw(client) == FRESH
    client.set_settings("p", {"attributesForFaceting": ["brand"], "hitsPerPage": 3, "typoTolerance": "min"})
    client.set_settings("p", {"hitsPerPage": None, "userData": {"by": "us"}}, forward_to_replicas=True)
    assert raw(client) == FRESH | {
        "attributesForFaceting": ["brand"],
        "typoTolerance": "min",
        "userData": {"by": "us"},
    }
    before = raw(client)
    client.set_settings("p", before)
    assert raw(client) == before


def test_settings_make_an_index(client):
    client.set_settings("p", {"attributesToIndex": ["a"], "numericAttributesToIndex": ["n"], "slaves": []})
    settings = raw(client)
    assert (settings["searchableAttributes"], settings["numericAttributesForFiltering"]) == (["a"], ["n"])
    with pytest.raises(RequestException, match="Index nowhere does not exist"):
        client.get_settings("nowhere")


def test_every_setting_of_the_client_is_known():
    from algoliasearch.search.models import index_settings, settings_response

    assert set(index_settings._ALIASES.values()) | set(settings_response._ALIASES.values()) <= KNOWN


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optionalwords": "the"}, "Invalid object attributes: optionalwords near line:1 column:16"),
        (
            {"searchableAttributes": ["name"], "settings": {}},
            "Invalid object attributes: settings near line:1 column:45",
        ),
        (
            {"customRanking": ["popularity"]},
            "Invalid CustomRanking function(popularity), you should use asc() or desc() near line:1 column:16",
        ),
        (
            {"ranking": ["()"]},
            'ranking parameter: "()", you should use typo,geo,words,filters,proximity,attribute,exact,custom or asc(',
        ),
        ({"hitsPerPage": "x"}, "Invalid value for setting hitsPerPage, expected integer between 0"),
        (
            {"attributesForFaceting": "brand"},
            "Invalid value for setting attributesForFaceting, expected array of strings",
        ),
        ({"attributesForFaceting": ["filterOnly(searchable(a))"]}, "filterOnly and searchable cannot be combined"),
        ({"attributesForFaceting": ["bogus(a)"]}, "Invalid value for setting: attributesForFaceting"),
        ({"attributesForFaceting": ["searchable()"]}, "Invalid value for setting: attributesForFaceting"),
        ({"searchableAttributes": ["sorted(a)"]}, "Invalid value for setting: searchableAttributes"),
        ({"searchableAttributes": [" , "]}, "Invalid value for setting: searchableAttributes"),
        ({"queryType": "prefixFirst"}, "expected one of prefixAll, prefixLast, prefixNone"),
        ({"typoTolerance": "maybe"}, "expected one of false, min, strict, true"),
        ({"minProximity": 8}, "expected integer between 1 and 7"),
        ({"indexLanguages": ["xx"]}, "expected array of af, ar,"),
        ({"enableRules": "yes"}, "expected boolean"),
        ({"optionalWords": [1]}, "expected array of strings"),
    ],
)
def test_refused_settings(client, settings, message):
    client.save_object("p", {"objectID": "a"})
    with pytest.raises(RequestException) as refused:
        client.set_settings("p", settings)
    assert refused.value.status_code == 400
    assert message in str(refused.value)
    assert raw(client) == FRESH


def test_where_in_a_text_of_several_lines_the_mistake_is():
    text = b'{\n  "hitsPerPage": 2,\n  "odd" : 1}'
    with pytest.raises(Exception, match="Invalid object attributes: odd near line:3 column:7"):
        check_settings(json.loads(text), text)
    with pytest.raises(Exception, match="Invalid settings, expected a JSON object"):
        check_settings([])


def test_settings_that_are_not_heeded_are_named(client):
    given = {"ignorePlurals": True, "removeStopWords": False, "indexLanguages": ["en"], "hitsPerPage": 5}
    answer = client.set_settings_with_http_info("p", given)
    assert answer.headers["x-algosync-mock-warning"] == "Ignored by the mock: ignorePlurals"
    client.save_object("p", {"objectID": "a"})
    assert client.search_single_index("p", {}).message == "Ignored by the mock: ignorePlurals"
    assert client.search_single_index("p", {"ignorePlurals": False}).message is None
    replicas = client.set_settings_with_http_info("p", {"replicas": ["p_price_asc"], "ignorePlurals": None})
    assert replicas.headers["x-algosync-mock-warning"] == "Ignored by the mock: replicas"
    assert "x-algosync-mock-warning" not in client.set_settings_with_http_info("p", {"replicas": []}).headers
