"""Search parameters: what is taken, what is refused and how, what is taken without being acted on."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from algoliasearch.http.exceptions import RequestException
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.errors import AlgoliaError
from algosync.mock.engine.coverage import not_acted_on
from algosync.mock.engine.options import SEARCH_ONLY, SHARED
from algosync.mock.engine.parameters import KNOWN, check, echo, from_body, from_text

WHOLE = "integer between 0 and 9223372036854775807"


def raw(client, **params):
    return json.loads(client.search_single_index_with_http_info("p", params).raw_data)


@pytest.fixture
def one(client):
    client.save_object("p", {"objectID": "a"})
    return client


def test_every_parameter_of_the_client_is_known():
    from algoliasearch.search.models import search_for_facets, search_params_object

    assert set(search_params_object._ALIASES.values()) <= KNOWN
    of_requests = {"params", "facet", "indexName", "facetQuery", "type"}
    assert set(search_for_facets._ALIASES.values()) - of_requests <= KNOWN


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"foo": 1}, "Unknown parameter: foo"),
        ({"searchableAttributes": ["a"]}, "Unknown parameter: searchableAttributes"),
        ({"page": "three"}, f'Value "three" outside of the range for "page" parameter, expected {WHOLE}'),
        ({"hitsPerPage": 1.5}, 'Value "1.5" outside of the range for "hitsPerPage"'),
        ({"page": -1}, 'Value "-1" outside of the range for "page"'),
        ({"personalizationImpact": 101}, "expected integer between 0 and 100"),
        ({"getRankingInfo": "yes"}, 'Invalid value for "getRankingInfo" parameter, expected boolean'),
        ({"query": "é" * 300}, 'Invalid value for "query" parameter, expected string shorter than 512 bytes'),
        ({"query": 5}, 'Invalid value for "query" parameter, expected string'),
        ({"ruleContexts": [str(i) for i in range(11)]}, "at most 10 contexts"),
        ({"filters": "a AND"}, "filters: Unexpected token end of filter expected filter at col 5"),
        ({"facets": 3}, "array of strings"),
        ({"queryType": "odd"}, 'Invalid value for "queryType" parameter, expected one of prefixAll'),
        ({"ignorePlurals": ["xx"]}, 'Invalid value for "ignorePlurals" parameter'),
        ({"params": 5}, 'Invalid value for "params" parameter, expected string'),
        ({"params": "foo=1"}, "Unknown parameter: foo"),
    ],
)
def test_refused_parameters(one, params, message):
    """The messages for unknown names, integers and long queries are those of the service."""
    with pytest.raises(RequestException) as refused:
        one.search_single_index("p", params)
    assert refused.value.status_code == 400
    assert message in str(refused.value)


def test_a_missing_index(client):
    with pytest.raises(RequestException, match="Index nowhere does not exist") as missing:
        client.search_single_index("nowhere", {})
    assert missing.value.status_code == 404


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"getRankingInfo": 1, "analytics": 0}, {"getRankingInfo": True, "analytics": False}),
        ({"hitsPerPage": "5", "page": "0"}, {"hitsPerPage": 5, "page": 0}),
        ({"hitsPerPage": 5000, "maxValuesPerFacet": 2000}, {"hitsPerPage": 1000, "maxValuesPerFacet": 1000}),
        ({"facets": "a, b,", "attributesToRetrieve": "*"}, {"facets": ["a", "b"], "attributesToRetrieve": ["*"]}),
        ({"distinct": True, "typoTolerance": "strict"}, {"distinct": True, "typoTolerance": "strict"}),
        (
            {"ignorePlurals": ["en", "fr"], "removeStopWords": "false"},
            {"ignorePlurals": ["en", "fr"], "removeStopWords": "false"},
        ),
        ({"query": None, "page": None}, {}),
    ],
)
def test_lenient_readings(given, read):
    assert check(given) == read


def test_parameters_as_text():
    text = "query=5&hitsPerPage=2&getRankingInfo=1&facets=%5B%22a%22%5D&optionalWords=%5B%22x%22%5D&userToken=007"
    assert from_body({"params": text, "hitsPerPage": 3}) == {
        "query": "5",
        "hitsPerPage": 3,
        "getRankingInfo": True,
        "facets": ["a"],
        "optionalWords": ["x"],
        "userToken": "007",
    }
    assert from_body({"params": "query=[red&optionalWords=[x&distinct=true&typoTolerance=true&filters="}) == {
        "query": "[red",
        "optionalWords": "[x",
        "distinct": True,
        "typoTolerance": "true",
        "filters": "",
    }
    listed = {"ruleContexts": ["2024"], "analyticsTags": ["true"], "attributesToRetrieve": ["null", "7"]}
    assert from_body({"params": "ruleContexts=2024&analyticsTags=true&attributesToRetrieve=null,7"}) == listed
    for wrong in ([], None, "x", 3):
        with pytest.raises(AlgoliaError, match="expected a JSON object"):
            from_body(wrong)


VALUES = {
    "flag": st.booleans(),
    "integer": st.integers(1, 7),
    "text": st.text(max_size=20),
    "texts": st.lists(st.text("abc*-", min_size=1), max_size=3),
}


@st.composite
def parameters(draw):
    taken = {}
    for name in draw(st.lists(st.sampled_from(sorted(KNOWN)), unique=True, max_size=6)):
        option = (SEARCH_ONLY | SHARED)[name]
        if option.kind == "free" or name == "filters":
            continue
        taken[name] = draw(st.sampled_from(sorted(option.choices)) if option.choices else VALUES[option.kind])
        if option.kind == "texts" and option.choices:
            taken[name] = [taken[name]]
    return taken


@given(parameters())
@settings(max_examples=60, deadline=None)
def test_as_text_and_as_json_are_the_same(params):
    """What an answer echoes in `params` means what was asked for."""
    read = check(params)
    assert check(from_text(echo(read))) == read
    encoded = urlencode({k: v if isinstance(v, str) else json.dumps(v) for k, v in params.items()})
    assert from_body({"params": encoded}) == read


@given(
    st.dictionaries(
        st.sampled_from([*sorted(KNOWN), "odd"]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(1 << 63), (1 << 63) - 1)
            | st.floats(allow_nan=False)
            | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
            max_leaves=5,
        ),
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None)
def test_anything_is_taken_or_refused(params):
    from algosync.mock.engine.index import Index
    from algosync.mock.engine.search import Reading, search

    index = Index("p", 0)
    index.records = {name: b'{"objectID":"%s","a":["x",1,{"b":true}],"g":"red"}' % name.encode() for name in "ab"}
    index.set_settings({"attributesForFaceting": ["a"], "attributeForDistinct": "g"})
    status = 200
    try:
        search(index, check(params), Reading(now_s=0, merging="first"))
    except AlgoliaError as refusal:
        status = refusal.status
    assert status in {200, 400}


def test_what_is_not_acted_on_is_named_in_the_answer_and_in_a_header(one):
    for harmless in (
        {"userToken": "u", "analytics": False, "analyticsTags": ["x"], "enableABTest": False},
        {"synonyms": True, "replaceSynonymsInHighlight": True, "queryLanguages": ["en"], "aroundLatLngViaIP": False},
        {"mode": "keywordSearch", "enablePersonalization": False, "decompoundQuery": True, "ignorePlurals": "false"},
    ):
        answer = one.search_single_index_with_http_info("p", harmless)
        assert "x-algosync-mock-warning" not in answer.headers
        assert "message" not in json.loads(answer.raw_data)
    answer = one.search_single_index_with_http_info("p", {"aroundLatLng": "1,2", "ignorePlurals": ["en"]})
    told = "Ignored by the mock: aroundLatLng, ignorePlurals"
    assert (answer.headers["x-algosync-mock-warning"], json.loads(answer.raw_data)["message"]) == (told, told)
    requests = [{"indexName": "p"}, {"indexName": "p", "mode": "neuralSearch"}, {"indexName": "p", "query": "x"}]
    several = one.search_with_http_info({"requests": requests})
    assert several.headers["x-algosync-mock-warning"] == "Ignored by the mock: mode"
    assert ["message" in result for result in json.loads(several.raw_data)["results"]] == [False, True, False]


def test_browsers_may_read_the_header(one, server):
    import httpx

    headers = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin", "origin": "http://shop.test"}
    with httpx.Client(trust_env=False) as http:
        answer = http.post(f"{server.url}/1/indexes/p/query", headers=headers, json={"aroundLatLng": "1,2"})
    assert "x-algosync-mock-warning" in answer.headers["access-control-expose-headers"].lower()
    assert "x-algosync-mock-warning" in answer.headers


def test_a_parameter_overrules_the_setting_that_is_not_heeded():
    assert not_acted_on({"ignorePlurals": False}, {"ignorePlurals": True}) == []
    assert not_acted_on({}, {"ignorePlurals": True, "separatorsToIndex": "+"}) == ["ignorePlurals", "separatorsToIndex"]
    assert not_acted_on({"relevancyStrictness": 90}, {"indexLanguages": ["ja"]}) == [
        "indexLanguages",
        "relevancyStrictness",
    ]
