"""Secured API keys: made by the official client, held to their restrictions, refused when tampered with."""

from __future__ import annotations

import base64

import pytest
from algoliasearch.http.exceptions import RequestException
from algoliasearch.search.client import SearchClientSync
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.errors import AlgoliaError
from algosync.mock.engine.parameters import check
from algosync.mock.keyring import KeyRing
from algosync.mock.keys import DEFAULT_KEYS, Caller, Key, restrict
from algosync.mock.secured import parent_of, parse_restrictions, sign
from algosync.mock.server import MockAlgolia

from .clock import Clock

NOW_S = 1_700_000_000
OUTSIDE = "Index not allowed with this API key"
UNKNOWN = "Invalid Application-ID or API key"
PARENT = "2640659426d5107b6e47d75db9cbaef8"

DOCUMENTS = [
    {"objectID": "myID1", "title": "Financial record", "visible_by": ["Angela", "group/Finance", "group/Shareholders"]},
    {"objectID": "myID2", "title": "Compliance audit", "visible_by": ["group/Finance"]},
    {"objectID": "myID3", "title": "Strategic partnership", "visible_by": ["Angela"]},
    {"objectID": "myID4", "title": "Healthcare coverage", "visible_by": ["group/Everyone"]},
]


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW_S * 1000)


@pytest.fixture
def algolia(clock) -> MockAlgolia:
    return MockAlgolia(clock_ms=clock)


@pytest.fixture(autouse=True)
def _content(client):
    faceting = ["searchable(visible_by)", "filterOnly(title)"]
    client.set_settings("products_docs", {"attributesForFaceting": faceting, "searchableAttributes": ["title"]})
    client.save_objects("products_docs", DOCUMENTS)
    client.save_object("products", {"objectID": "a"})
    client.save_object("other", {"objectID": "b"})


@pytest.fixture
def secured(client, connect):
    def make(restrictions, parent="mock-storefront-wide", **options) -> SearchClientSync:
        return connect(client.generate_secured_api_key(parent, restrictions), **options)

    return make


def ids(answer):
    return sorted(hit.object_id for hit in answer.hits)


def refused(call, message, status=403):
    with pytest.raises(RequestException) as error:
        call()
    assert error.value.status_code == status
    assert message in str(error.value)


def test_the_documented_user_restricted_access(secured):
    """Algolia.com/doc/guides/security/api-keys/how-to/user-restricted-access-to-data: its people and documents."""
    seen = {
        "Angela": ["myID1", "myID3", "myID4"],
        "group/Finance": ["myID1", "myID2", "myID4"],
        "Ruth": ["myID4"],
    }
    for who, documents in seen.items():
        key = secured({"filters": f"visible_by:{who} OR visible_by:group/Everyone"})
        assert ids(key.search_single_index("products_docs", {})) == documents


def test_filters_are_joined_by_and(secured):
    """Algolia.com/doc/libraries/sdk/v1/methods/generate-secured-api-key: `admin AND (press OR visitors)`."""
    key = secured({"filters": "visible_by:group/Finance"})
    both = {"filters": "visible_by:Angela OR visible_by:group/Everyone"}
    assert ids(key.search_single_index("products_docs", both)) == ["myID1"]
    assert ids(key.search_single_index("products_docs", {"facetFilters": ["visible_by:Angela"]})) == ["myID1"]
    assert ids(key.search_single_index("products_docs", {"filters": "   "})) == ["myID1", "myID2"]
    free = secured({"filters": "", "userToken": "u"})
    assert len(ids(free.search_single_index("products_docs", {}))) == len(DOCUMENTS), "no filter restricts nothing"
    assert ids(free.search_single_index("products_docs", {"filters": "visible_by:group/Everyone"})) == ["myID4"]
    refused(lambda: key.search_single_index("products_docs", {"filters": "a:b) OR (c:d"}), "filter", 400)


def test_restrictions_hold_in_every_kind_of_search(secured):
    key = secured({"filters": "visible_by:Angela"}, parent="mock-read")
    requests = [{"indexName": "products_docs"}, {"indexName": "products_docs", "params": "hitsPerPage=1"}]
    assert [result.actual_instance.nb_hits for result in key.search({"requests": requests}).results] == [2, 2]
    values = key.search_for_facet_values("products_docs", "visible_by", {})
    counted = {hit.value: hit.count for hit in values.facet_hits}
    assert counted == {"Angela": 2, "group/Finance": 1, "group/Shareholders": 1}
    facets = {"type": "facet", "indexName": "products_docs", "facet": "visible_by", "maxFacetHits": 1}
    found = key.search({"requests": [facets]}).results[0].actual_instance
    assert [(hit.value, hit.count) for hit in found.facet_hits] == [("Angela", 2)]
    first = key.browse("products_docs", {"hitsPerPage": 1})
    second = key.browse("products_docs", {"cursor": first.cursor})
    assert (ids(first), ids(second), second.cursor) == (["myID1"], ["myID3"], None)


@pytest.mark.parametrize("merging", ["first", "merge"])
def test_rules_cannot_widen_what_a_secured_key_sees(client, secured, algolia, merging):
    algolia.rules_merge = merging
    params = {"filters": "visible_by:group/Finance"}
    promote = [{"objectID": "myID3", "position": 0}, {"objectID": "myID2", "position": 1}]
    client.save_rules("products_docs", [{"objectID": "r", "consequence": {"params": params, "promote": promote}}])
    hits = [
        hit.object_id for hit in secured({"filters": "visible_by:Angela"}).search_single_index("products_docs").hits
    ]
    assert hits[0] == "myID3"
    assert "myID2" not in hits


def test_search_parameters_of_the_key_win_or_add(secured):
    """Support.algolia.com, article 6794170481041."""
    key = secured({"searchParams": {"hitsPerPage": 1, "attributesToRetrieve": ["title"], "analyticsTags": ["key"]}})
    asked = {"hitsPerPage": 50, "attributesToRetrieve": ["*"], "analyticsTags": ["mine"]}
    answer = key.search_single_index("products_docs", asked)
    assert [hit.to_dict().keys() & {"title", "visible_by"} for hit in answer.hits] == [{"title"}]
    assert (answer.hits_per_page, answer.nb_hits) == (1, 4)
    assert "analyticsTags=%5B%22key%22%2C%22mine%22%5D" in answer.params
    key = secured({"searchParams": {"facetFilters": ["visible_by:Angela"], "query": "record"}})
    narrowed = key.search_single_index("products_docs", {"facetFilters": [["visible_by:group/Finance"]], "query": "x"})
    assert (ids(narrowed), narrowed.query) == (["myID1"], "record")


def test_the_user_token_is_forced_and_has_its_own_limit(client, secured, clock):
    """Algolia.com/doc/guides/security/api-keys/in-depth/api-key-restrictions: per userToken and parent key."""
    limited = client.add_api_key({"acl": ["search"], "maxQueriesPerIPPerHour": 1}).key
    for token in ("user_42", "user_43"):
        key = secured({"userToken": token}, parent=limited, max_rate_limit_retries=0)
        answer = key.search_single_index("products", {"userToken": "somebody"})
        assert f"userToken={token}" in answer.params
        refused(lambda key=key: key.search_single_index("products", {}), "Too many requests", 429)
    other = secured({"userToken": "user_42", "filters": "a:b"}, parent=limited, max_rate_limit_retries=0)
    refused(lambda: other.search_single_index("products", {}), "Too many requests", 429)
    clock.now_ms += 3_600_000
    other.search_single_index("products", {})


def test_valid_until(client, secured, clock):
    """Status and message: support.algolia.com, article 35335250877329."""
    key = secured({"validUntil": NOW_S + 60})
    clock.now_ms += 60_000
    assert key.search_single_index("products", {}).nb_hits == 1
    clock.now_ms += 1
    expired = '"validUntil" parameter expired (less than current date)'
    refused(lambda: key.search_single_index("products", {}), expired, 400)
    text = client.generate_secured_api_key("mock-read", {"validUntil": NOW_S})
    assert client.get_secured_api_key_remaining_validity(text) < 0
    refused(lambda: secured({"validUntil": "2023-11-14"}).search_single_index("products", {}), "validUntil", 400)


def test_restricted_indices(secured):
    key = secured({"restrictIndices": ["products_*", "other"]})
    assert key.search_single_index("other", {}).nb_hits == 1
    assert key.search_single_index("products_docs", {}).nb_hits == 4
    refused(lambda: key.search_single_index("products", {}), OUTSIDE)
    mixed = {"requests": [{"indexName": "other"}, {"indexName": "products"}]}
    refused(lambda: key.search(mixed), OUTSIDE)
    refused(lambda: key.get_object("products", "a"), OUTSIDE)
    listing = secured({"restrictIndices": ["products*"]}, parent="mock-read")
    assert [item.name for item in listing.list_indices().items] == ["products", "products_docs"]
    both = secured({"restrictIndices": ["other", "products"]}, parent="mock-storefront")
    assert both.search_single_index("products", {}).nb_hits == 1
    refused(lambda: both.search_single_index("other", {}), OUTSIDE)


@pytest.mark.parametrize(
    ("source", "allowed"),
    [("127.0.0.1", True), ("127.0.0.0/8", True), ("192.168.1.0/24", False), ("::1", False)],
)
def test_restricted_sources(secured, source, allowed):
    """The network of algolia.com/doc/libraries/sdk/v1/methods/generate-secured-api-key, and loopback ones."""
    key = secured({"restrictSources": source})
    if allowed:
        assert key.search_single_index("products", {}).nb_hits == 1
    else:
        refused(lambda: key.search_single_index("products", {}), "Method not allowed with this source")


def test_a_record_by_its_id_is_not_filtered_and_that_is_said(secured):
    """Documented is what holds for searches: algolia.com/doc/libraries/sdk/v1/methods/generate-secured-api-key."""
    key = secured({"filters": "visible_by:Angela", "searchParams": {"attributesToRetrieve": ["title"]}})
    warning = "Ignored by the mock: attributesToRetrieve of the API key, filters of the API key"
    one = key.get_object_with_http_info("products_docs", "myID2")
    assert one.headers["x-algosync-mock-warning"] == warning
    asked = {"requests": [{"indexName": "products_docs", "objectID": "myID2"}]}
    assert key.get_objects_with_http_info(asked).headers["x-algosync-mock-warning"] == warning
    plain = secured({"userToken": "u"}).get_object_with_http_info("products_docs", "myID2")
    assert "x-algosync-mock-warning" not in plain.headers


def test_a_secured_key_may_do_no_more_than_its_parent(client, connect, secured):
    key = secured({"userToken": "u"})
    for call in (
        lambda: key.save_object("products", {"objectID": "x"}),
        lambda: key.get_settings("products"),
        lambda: key.browse("products", {}),
        key.list_indices,
        key.list_api_keys,
        lambda: key.get_api_key("mock-storefront-wide"),
    ):
        refused(call, "Method not allowed with this API key")
    text = client.generate_secured_api_key("mock-storefront-wide", {"userToken": "u"})
    refused(lambda: connect(text).get_api_key(text), "Method not allowed with this API key")
    refused(lambda: client.get_api_key(text), "Key does not exist", 404)


def test_the_parent_lays_down_more_than_its_child(client, secured):
    body = {"acl": ["search"], "queryParameters": "hitsPerPage=2&filters=visible_by%3AAngela", "maxHitsPerQuery": 1}
    parent = client.add_api_key(body).key
    key = secured({"searchParams": {"hitsPerPage": 9}, "filters": "visible_by:group/Finance"}, parent=parent)
    answer = key.search_single_index("products_docs", {})
    assert (answer.hits_per_page, ids(answer)) == (1, ["myID1"])
    client.delete_api_key(parent)
    refused(lambda: key.search_single_index("products_docs", {}), UNKNOWN)


def test_no_parents_are_admin_keys_secured_keys_and_strangers(client, secured):
    """Specification of generateSecuredApiKey; a key that restricts nothing is refused as well."""
    nested = client.generate_secured_api_key("mock-read", {"userToken": "u"})
    for parent in ("mock-admin", nested, "stranger", ""):
        refused(lambda parent=parent: secured({"filters": "a:b"}, parent).search_single_index("products", {}), UNKNOWN)
    refused(lambda: secured({}).search_single_index("products", {}), UNKNOWN)


def test_unknown_parameters_of_a_key_are_named(secured):
    key = secured({"nonsense": 1})
    refused(lambda: key.search_single_index("products", {}), "Unknown parameter: nonsense", 400)


def test_requests_are_recorded_under_the_parent(secured, algolia):
    secured({"userToken": "u"}).search_single_index("products", {})
    last = algolia.requests[-1]
    assert (last.key, last.secured, last.operation) == ("mock-storefront-wide", True, "searchSingleIndex")


@pytest.mark.parametrize(
    "garbage", ["", "x", "====", "YQ==", "ü" * 90, "A" * 400, base64.b64encode(b"\xff" * 90).decode()]
)
def test_garbage_is_no_key(garbage):
    assert parent_of(garbage, ["mock-read"]) is None


MOVIES = {"validUntil": 2524604400, "restrictIndices": ["Movies"]}
BATMAN = {
    "validUntil": 2524604400,
    "restrictIndices": ["Movies", "cts_e2e_settings"],
    "restrictSources": "192.168.1.0/24",
    "filters": "category:Book OR category:Ebook AND _tags:published",
    "userToken": "user123",
    "searchParams": {
        "query": "batman",
        "typoTolerance": "strict",
        "aroundRadius": "all",
        "mode": "neuralSearch",
        "hitsPerPage": 10,
        "optionalWords": ["one", "two"],
    },
}


@pytest.mark.parametrize("restrictions", [MOVIES, BATMAN], ids=["basic", "searchParams"])
def test_the_keys_of_the_clients_common_tests_are_read(client, restrictions):
    """github.com/algolia/api-clients-automation, tests/CTS/client/search/generateSecuredApiKey.json."""
    key = client.generate_secured_api_key(PARENT, dict(restrictions))
    found = parent_of(key, ["another", PARENT])
    assert found is not None
    assert found[0] == PARENT
    assert sign(*found) == key
    read = parse_restrictions(found[1])
    assert read.valid_until == 2524604400
    assert list(read.indexes) == restrictions["restrictIndices"]
    expected = {name: restrictions[name] for name in ("filters", "userToken") if name in restrictions}
    params = restrictions.get("searchParams", {})
    expected |= params | ({"optionalWords": "one,two"} if params else {})
    assert dict(read.params) == expected
    assert str(read.source) == restrictions.get("restrictSources", "None")


def test_the_key_printed_in_the_clients_common_tests():
    """The same file, "generate secured api key basic"."""
    printed = (
        "NjFhZmE0OGEyMTI3OThiODc0OTlkOGM0YjcxYzljY2M2NmU2NDE5ZWY0NDZjMWJhNjA2NzBkMjAwOTI2YWQyZnJlc3RyaWN0SW5kaWNlcz1N"
        "b3ZpZXMmdmFsaWRVbnRpbD0yNTI0NjA0NDAw"
    )
    assert parent_of(printed, [PARENT]) == (PARENT, "restrictIndices=Movies&validUntil=2524604400")


def test_lists_may_be_json():
    text = "restrictIndices=%5B%22a%22%2C%22b_*%22%5D&facetFilters=%5B%5B%22x%3A1%22%2C%22x%3A2%22%5D%2C%22y%3A3%22%5D"
    read = parse_restrictions(text)
    assert read.indexes == ("a", "b_*")
    assert read.params == {"facetFilters": [["x:1", "x:2"], "y:3"]}


def _ring() -> KeyRing:
    return KeyRing("MOCKAPP", DEFAULT_KEYS, Clock(NOW_S * 1000))


_TEXTS = st.text(min_size=1, max_size=12)
_WORDS = st.text(alphabet="abcXYZ_ é/+&=%#", min_size=1, max_size=10).filter(str.strip)
_RESTRICTIONS = st.fixed_dictionaries(
    {"userToken": _TEXTS},
    optional={
        "validUntil": st.integers(NOW_S, 2**40),
        "restrictIndices": st.lists(st.text(alphabet="abc_*é", min_size=1, max_size=6), min_size=1, max_size=3),
        "filters": _WORDS.map(lambda word: f'brand:"{word}"'),
        "restrictSources": st.ip_addresses().map(str),
        "query": _TEXTS,
        "hitsPerPage": st.integers(0, 1000),
        "facetFilters": _WORDS.map(lambda word: [f"brand:{word}"]),
        "sumOrFiltersScores": st.booleans(),
    },
)


@settings(max_examples=60, deadline=None)
@given(restrictions=_RESTRICTIONS)
def test_any_restrictions_come_back_as_they_were_given(restrictions):
    text = SearchClientSync("MOCKAPP", "mock-admin").generate_secured_api_key("mock-read", dict(restrictions))
    source = restrictions.get("restrictSources", "127.0.0.1")
    key = _ring().authenticate(Caller(app_id="MOCKAPP", key=text, address=source))
    (read,) = key.restrictions
    assert (key.value, key.secured) == ("mock-read", True)
    assert read.valid_until == restrictions.get("validUntil")
    assert list(read.indexes) == restrictions.get("restrictIndices", [])
    assert (read.source is None) == ("restrictSources" not in restrictions)
    own = {"validUntil", "restrictIndices", "restrictSources", "facetFilters"}
    assert {n: v for n, v in read.params.items() if n != "facetFilters"} == {
        n: v for n, v in restrictions.items() if n not in own
    }
    filters = restrictions.get("filters")
    given_too = restrict(key, check({"filters": "a:b", "userToken": "mine"}))
    assert given_too["userToken"] == restrictions["userToken"]
    assert given_too["filters"] == (f"({filters}) AND (a:b)" if filters else "a:b")
    check(given_too)


@settings(max_examples=60, deadline=None)
@given(restrictions=_RESTRICTIONS, data=st.data())
def test_any_tampering_is_refused(restrictions, data):
    text = SearchClientSync("MOCKAPP", "mock-admin").generate_secured_api_key("mock-read", dict(restrictions))
    place = data.draw(st.integers(0, len(text) - 1))
    kind = data.draw(st.sampled_from(["cut", "drop", "change", "add", "inside"]))
    if kind == "inside":
        raw = bytearray(base64.b64decode(text))
        raw[place % len(raw)] ^= data.draw(st.integers(1, 255))
        tampered = base64.b64encode(bytes(raw)).decode()
    else:
        other = data.draw(st.characters(codec="utf-8"))
        tampered = {
            "cut": text[:place],
            "drop": text[:place] + text[place + 1 :],
            "change": text[:place] + other + text[place + 1 :],
            "add": text[:place] + other + text[place:],
        }[kind]
    if tampered == text:
        return
    with pytest.raises(AlgoliaError) as error:
        _ring().authenticate(Caller(app_id="MOCKAPP", key=tampered, address="127.0.0.1"))
    assert (error.value.status, error.value.what) == (403, UNKNOWN)


def test_filters_of_a_key_hold_whatever_else_is_said():
    key = Key(value="k", acl=frozenset({"search"}), restrictions=(parse_restrictions("filters=a%3Ab&query=x"),))
    assert len(key.filters) == 1
    assert Key(value="k", acl=frozenset()).filters == ()
