"""Who may do what, and how keys are managed."""

from __future__ import annotations

import re

import httpx
import orjson
import pytest
from algoliasearch.http.exceptions import RequestException
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.mock.keyring import KeyRing
from algosync.mock.keys import ALL_ACLS, DEFAULT_KEYS, Key
from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.secured import fits_any
from algosync.mock.server import MockAlgolia

from .clock import Clock

FORBIDDEN = "Method not allowed with this API key"
OUTSIDE = "Index not allowed with this API key"
UNKNOWN = "Invalid Application-ID or API key"


@pytest.fixture
def clock() -> Clock:
    return Clock(1_700_000_000_000)


@pytest.fixture
def algolia(clock) -> MockAlgolia:
    scoped = Key(value="scoped", acl=frozenset({"addObject", "search", "listIndexes"}), indexes=("products*",))
    return MockAlgolia(keys=(*DEFAULT_KEYS, scoped), clock_ms=clock)


@pytest.fixture(autouse=True)
def _content(client):
    client.save_object("products", {"objectID": "a"})
    client.save_object("algosync_payloads", {"objectID": "p"})


def refused(call, message, status=403):
    with pytest.raises(RequestException) as error:
        call()
    assert error.value.status_code == status
    assert message in str(error.value)


def test_a_reader_cannot_write(connect, algolia):
    reader = connect("mock-read")
    before = algolia.content()
    for call in (
        lambda: reader.save_object("products", {"objectID": "b"}),
        lambda: reader.save_objects("products", [{"objectID": "b"}]),
        lambda: reader.partial_update_object("products", "a", {"x": 1}),
        lambda: reader.delete_object("products", "a"),
        lambda: reader.set_settings("products", {"hitsPerPage": 1}),
        lambda: reader.save_rules("products", []),
        lambda: reader.clear_objects("products"),
        lambda: reader.delete_index("products"),
    ):
        refused(call, FORBIDDEN)
    assert algolia.content() == before
    assert reader.browse("products", {}).nb_hits == 1
    assert reader.get_settings("products").hits_per_page == 20


def test_a_writer_cannot_drop(connect, algolia):
    writer = connect("mock-write")
    before = algolia.content()
    for action in ("clear", "delete"):
        requests = [{"action": "addObject", "body": {}}, {"action": action, "body": {}}]
        refused(lambda requests=requests: writer.batch("products", {"requests": requests}), FORBIDDEN)
    assert algolia.content() == before
    writer.save_rules("products", [{"objectID": "r", "consequence": {"params": {"query": "x"}}}])
    writer.delete_object("products", "a")


def test_the_storefronts_keys(connect):
    narrow, wide = connect("mock-storefront"), connect("mock-storefront-wide")
    assert narrow.search_single_index("products", {}).nb_hits == 1
    assert wide.search_single_index("algosync_payloads", {}).nb_hits == 1
    assert wide.get_object("algosync_payloads", "p") == {"objectID": "p"}
    refused(lambda: narrow.search_single_index("algosync_payloads", {}), OUTSIDE)
    refused(lambda: narrow.get_object("algosync_payloads", "p"), OUTSIDE)
    several = {"requests": [{"indexName": "products"}, {"indexName": "algosync_payloads"}]}
    refused(lambda: narrow.search(several), OUTSIDE)
    asked = {"requests": [{"indexName": "algosync_payloads", "objectID": "p"}]}
    refused(lambda: narrow.get_objects(asked), OUTSIDE)
    for client in (narrow, wide):
        refused(lambda client=client: client.browse("products", {}), FORBIDDEN)
        refused(client.list_indices, FORBIDDEN)


def test_patterns_hold_for_lists_and_multiple_batches(connect, algolia):
    scoped = connect("scoped")
    assert [item.name for item in scoped.list_indices().items] == ["products"]
    requests = [{"action": "addObject", "indexName": name, "body": {}} for name in ("products_fr", "other")]
    before = algolia.content()
    refused(lambda: scoped.multiple_batch({"requests": requests}), OUTSIDE)
    assert algolia.content() == before
    assert set(scoped.multiple_batch({"requests": requests[:1]}).task_id) == {"products_fr"}


def test_a_key_sees_itself_and_an_admin_all(connect):
    narrow = connect("mock-storefront")
    own = narrow.get_api_key("mock-storefront")
    assert (own.acl, own.indexes) == (["search"], ["products*"])
    refused(lambda: narrow.get_api_key("mock-admin"), FORBIDDEN)
    assert connect().get_api_key("mock-read").indexes is None
    with pytest.raises(RequestException, match="Key does not exist"):
        connect().get_api_key("nothing")


def test_a_wrong_key_is_logged_without_its_value(connect, algolia):
    refused(lambda: connect("s3cret").search_single_index("products", {}), UNKNOWN)
    assert (algolia.requests[-1].key, algolia.requests[-1].status) == (None, 403)


def test_tasks_are_for_keys_that_write(connect):
    task = connect("mock-write").save_object("products", {"objectID": "b"}).task_id
    assert connect("mock-write").get_task("products", task).status == "published"
    refused(lambda: connect("mock-read").get_task("products", task), FORBIDDEN)


def test_keys_are_added_changed_deleted_and_restored(client, connect, clock):
    asked = {
        "acl": ["search", "addObject"],
        "description": "a test",
        "indexes": ["prod*"],
        "maxHitsPerQuery": 5,
        "maxQueriesPerIPPerHour": 1000,
        "queryParameters": "typoTolerance=strict",
        "referers": ["https://shop.example/*"],
        "validity": 600,
    }
    added = client.add_api_key(asked)
    assert added.created_at == "2023-11-14T22:13:20.000Z"
    shown = client.wait_for_api_key(added.key, "add")
    assert shown.to_dict() == asked | {"value": added.key, "createdAt": 1_700_000_000_000}
    changed = {"acl": ["search"], "description": "less"}
    assert client.update_api_key(added.key, changed).key == added.key
    clock.now_ms += 700_000
    shown = client.wait_for_api_key(added.key, "update", changed)
    assert (shown.indexes, shown.validity, shown.query_parameters) == (None, 0, "")
    assert connect(added.key).search_single_index("products", {}).nb_hits == 1
    assert client.delete_api_key(added.key).deleted_at == "2023-11-14T22:25:00.000Z"
    client.wait_for_api_key(added.key, "delete")
    refused(lambda: connect(added.key).search_single_index("products", {}), UNKNOWN)
    for call in (client.get_api_key, client.delete_api_key, lambda key: client.update_api_key(key, changed)):
        refused(lambda call=call: call(added.key), "Key does not exist", 404)
    assert client.restore_api_key(added.key).key == added.key
    refused(lambda: client.restore_api_key(added.key), "Key does not exist", 404)
    assert client.get_api_key(added.key).description == "less"
    assert connect(added.key).search_single_index("products", {}).nb_hits == 1


def test_the_list_holds_all_but_the_admin_key(client):
    added = client.add_api_key({"acl": ["search"]}).key
    listed = [key.value for key in client.list_api_keys().keys]
    assert listed == ["mock-write", "mock-read", "mock-storefront", "mock-storefront-wide", "scoped", added]


def test_only_the_admin_manages_keys_and_not_its_own(client, connect, algolia):
    every = sorted({"search", "addObject", "browse", "settings", "editSettings", "deleteIndex", "deleteObject", "logs"})
    almost = connect(client.add_api_key({"acl": every}).key)
    before = algolia.keys.state()
    body = {"acl": ["search"]}
    for other in (almost, connect("mock-write")):
        for call in (
            other.list_api_keys,
            lambda other=other: other.add_api_key(body),
            lambda other=other: other.update_api_key("mock-read", body),
            lambda other=other: other.delete_api_key("mock-read"),
            lambda other=other: other.restore_api_key("mock-read"),
        ):
            refused(call, FORBIDDEN)
    refused(lambda: client.update_api_key("mock-admin", body), "admin API key")
    refused(lambda: client.delete_api_key("mock-admin"), "admin API key")
    assert algolia.keys.state() == before


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, '"acl"'),
        ({"acl": "search"}, '"acl"'),
        ({"acl": ["admin"]}, "Unknown ACL: admin"),
        ({"acl": ["search"], "indexes": [1]}, '"indexes"'),
        ({"acl": ["search"], "validity": -1}, '"validity"'),
        ({"acl": ["search"], "maxHitsPerQuery": "5"}, '"maxHitsPerQuery"'),
        ({"acl": ["search"], "referers": "x"}, '"referers"'),
        ({"acl": ["search"], "queryParameters": {"filters": "a:b"}}, '"queryParameters"'),
        ({"acl": ["search"], "queryParameters": "nonsense=1"}, "Unknown parameter: nonsense"),
        ({"acl": ["search"], "queryParameters": "filters=a%3A"}, "filters"),
        ({"acl": ["search"], "queryParameters": "restrictSources=here"}, "restrictSources"),
        ({"acl": ["search"], "maxQueries": 1}, "maxQueries"),
    ],
)
def test_what_is_no_key_is_refused(client, algolia, body, message):
    before = algolia.keys.state()
    refused(lambda: client.add_api_key(body), message, 400)
    refused(lambda: client.update_api_key("mock-read", body), message, 400)
    assert algolia.keys.state() == before


def test_a_key_ends_with_its_validity_and_can_be_restored(client, connect, clock):
    key = client.add_api_key({"acl": ["search"], "validity": 60}).key
    clock.now_ms += 59_500
    assert client.get_api_key(key).validity == 1, "what remains, rounded up"
    assert connect(key).search_single_index("products", {}).nb_hits == 1
    clock.now_ms += 500
    refused(lambda: connect(key).search_single_index("products", {}), UNKNOWN)
    refused(lambda: client.get_api_key(key), "Key does not exist", 404)
    client.restore_api_key(key)
    clock.now_ms += 10**9
    assert client.get_api_key(key).validity == 0, "specification of restoreApiKey: validity is reset to 0"


def test_hits_of_one_query_are_limited(client, connect):
    client.save_objects("products", [{"objectID": str(n)} for n in range(9)])
    client.set_settings("products", {"hitsPerPage": 7})
    limited = connect(client.add_api_key({"acl": ["search", "browse"], "maxHitsPerQuery": 3}).key)
    for params in ({}, {"hitsPerPage": 100}, {"offset": 2, "length": 50}, {"page": 1}):
        answer = limited.search_single_index("products", params)
        assert (len(answer.hits), answer.nb_hits) == (3, 10)
    assert len(limited.search_single_index("products", {"hitsPerPage": 2}).hits) == 2
    assert len(limited.browse("products", {}).hits) == 3
    assert len(connect().search_single_index("products", {}).hits) == 7


def test_calls_of_an_hour_are_limited(client, connect, clock):
    """Algolia.com/doc/guides/security/api-keys/in-depth/api-key-restrictions: 429 once the hour holds the limit."""
    key = client.add_api_key({"acl": ["search"], "maxQueriesPerIPPerHour": 2}).key
    limited = connect(key, max_rate_limit_retries=0)
    limited.search_single_index("products", {})
    clock.now_ms += 1_800_000
    limited.search({"requests": [{"indexName": "products"}, {"indexName": "products"}]})
    refused(lambda: limited.search_single_index("products", {}), "Too many requests", 429)
    connect("mock-read").search_single_index("products", {})
    clock.now_ms += 1_800_000
    limited.search_single_index("products", {})
    refused(lambda: limited.search_single_index("products", {}), "Too many requests", 429)
    client.update_api_key(key, {"acl": ["search"], "maxQueriesPerIPPerHour": 3})
    limited.search_single_index("products", {})
    refused(lambda: limited.search_single_index("products", {}), "Too many requests", 429)


@pytest.mark.parametrize(
    ("patterns", "headers", "allowed"),
    [
        (["https://algolia.com/*"], {"Referer": "https://algolia.com/doc"}, True),
        (["https://algolia.com/*"], {"Referer": "https://algolia.org/doc"}, False),
        (["https://algolia.com/*"], {"Origin": "https://algolia.com"}, True),
        (["*.algolia.com"], {"Referer": "https://www.algolia.com"}, True),
        (["*.algolia.com"], {"Referer": "https://www.algolia.com/"}, False),
        (["*algolia.com*"], {"Referer": "https://www.algolia.com/doc"}, True),
        (["https://a.example/*", "https://b.example/*"], {"Referer": "https://b.example/"}, True),
        (["https://algolia.com/*"], {}, False),
        ([" "], {}, True),
    ],
)
def test_referers(client, connect, patterns, headers, allowed):
    """Patterns from the specification of apiKey; the message from github.com/algolia/places/issues/839."""
    narrow = connect(client.add_api_key({"acl": ["search"], "referers": patterns}).key)

    def call():
        return narrow.search_single_index("products", {}, request_options={"headers": headers})

    if allowed:
        assert call().nb_hits == 1
    else:
        refused(call, "Method not allowed with this referer")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost:3000", 200),
        ("http://127.0.0.1:8108", 200),
        ("http://[::1]:3000", 200),
        ("https://shop.test", 200),
        ("http://back.office.localhost", 200),
        ("https://shop.example", 403),
        ("https://localhost.shop.example", 403),
        ("https://attest", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
def test_pages_of_other_sites_cannot_use_the_admin_key_that_everybody_knows(algolia, origin, status):
    from_page = {} if origin is None else {"origin": origin}
    headers = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin", **from_page}
    for method, path in (("GET", "/1/keys"), ("GET", "/mock/indexes/products"), ("DELETE", "/1/indexes/products")):
        assert handle(algolia, Call(method=method, path=path, headers=headers)).status == status
    headers["x-algolia-api-key"] = "mock-storefront-wide"
    search = Call(method="POST", path="/1/indexes/algosync_payloads/query", headers=headers)
    assert handle(algolia, search).status == 200, "a storefront may be anywhere"


def test_a_private_key_serves_and_is_shown_to_nobody(client, connect, algolia):
    secret = "5ecret00of00the00shop"
    algolia.keys = KeyRing("MOCKAPP", (*DEFAULT_KEYS, Key(value=secret, acl=ALL_ACLS, is_private=True)), lambda: 0)
    assert connect(secret).search_single_index("products", {}).nb_hits == 1
    restricted = client.generate_secured_api_key(secret, {"userToken": "u"})
    assert connect(restricted).search_single_index("products", {}).nb_hits == 1
    assert [request.key for request in algolia.requests.of("searchSingleIndex")] == ["5ecr…", "5ecr…"]
    client.update_api_key(secret, {"acl": ["search"]})
    assert secret not in [key.value for key in client.list_api_keys().keys]


def test_query_parameters_are_forced_upon_searches(client, connect):
    client.set_settings("products", {"attributesForFaceting": ["searchable(rights)"]})
    client.save_objects("products", [{"objectID": "o", "rights": "public"}, {"objectID": "s", "rights": "secret"}])
    as_specified = "typoTolerance%3Dstrict%26ignorePlurals%3Dfalse%26filters%3Drights%3Apublic"
    for text in (as_specified, "filters=rights%3Apublic&typoTolerance=strict"):
        key = client.add_api_key({"acl": ["search", "browse"], "queryParameters": text}).key
        public = connect(key)
        assert public.get_api_key(key).query_parameters == text
        assert [hit.object_id for hit in public.search_single_index("products", {}).hits] == ["o"]
        assert public.search_single_index("products", {"filters": "rights:secret"}).nb_hits == 0
        values = public.search_for_facet_values("products", "rights", {})
        assert [(hit.value, hit.count) for hit in values.facet_hits] == [("public", 1)]
        assert [hit.object_id for hit in public.browse("products", {}).hits] == ["o"]


def test_a_key_for_other_networks_cannot_be_made_from_here(client, connect, algolia):
    """Specification of apiKey: creation fails from an address outside `restrictSources`."""
    before = algolia.keys.state()
    far = {"acl": ["search"], "queryParameters": "restrictSources=192.168.1.0%2F24"}
    refused(lambda: client.add_api_key(far), "source")
    assert algolia.keys.state() == before
    near = client.add_api_key({"acl": ["search"], "queryParameters": "restrictSources=127.0.0.0%2F8"}).key
    assert connect(near).search_single_index("products", {}).nb_hits == 1


def test_credentials_in_headers_win_over_the_query_string(server):
    def status(query, headers=None):
        with httpx.Client(trust_env=False, base_url=server.url) as http:
            return http.get("/1/indexes", params=query, headers=headers or {})

    both = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-read"}
    assert status(both).status_code == 200
    assert status({name.upper(): value for name, value in both.items()}).status_code == 200
    assert status({}, both).status_code == 200
    assert status(both | {"x-algolia-api-key": "wrong"}, both).status_code == 200
    assert status(both, {"x-algolia-api-key": "wrong"}).status_code == 403
    for name in both:
        lacking = {other: value for other, value in both.items() if other != name}
        for query in (lacking, lacking | {name: "wrong"}, lacking | {name: "mockapp"}):
            answer = status(query)
            assert (answer.status_code, answer.json()) == (403, {"message": UNKNOWN, "status": 403})


def test_an_index_out_of_reach_is_403_whether_it_exists_or_not(connect):
    narrow = connect("mock-storefront")
    for name in ("algosync_payloads", "nowhere"):
        refused(lambda name=name: narrow.search_single_index(name, {}), OUTSIDE)
    refused(lambda: narrow.search_single_index("products_fr", {}), "Index products_fr does not exist", 404)


def test_no_answer_holds_a_key(server, algolia):
    secret = "5ecre7" * 5
    calls = [
        ("GET", "/1/indexes", secret),
        ("GET", f"/1/keys/{secret}", "mock-admin"),
        ("GET", f"/1/keys/{secret}", "mock-read"),
        ("PUT", f"/1/keys/{secret}", "mock-admin"),
        ("DELETE", f"/1/keys/{secret}", "mock-admin"),
        ("POST", f"/1/keys/{secret}/restore", "mock-admin"),
        ("POST", f"/1/keys/{secret}/nonsense", "mock-admin"),
    ]
    with httpx.Client(trust_env=False, base_url=server.url) as http:
        for method, path, key in calls:
            headers = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": key}
            answer = http.request(method, path, headers=headers, content=orjson.dumps({"acl": ["search"]}))
            assert 400 <= answer.status_code < 500
            assert secret not in answer.text + str(answer.headers)


def test_keys_are_part_of_a_snapshot(client, connect, algolia):
    kept, gone = (client.add_api_key({"acl": ["search"]}).key for _ in range(2))
    client.delete_api_key(gone)
    snapshot = algolia.snapshot()
    client.restore_api_key(gone)
    client.update_api_key(kept, {"acl": []})
    later = client.add_api_key({"acl": ["search"]}).key
    algolia.restore(snapshot)
    assert connect(kept).search_single_index("products", {}).nb_hits == 1
    for key in (gone, later):
        refused(lambda key=key: connect(key).search_single_index("products", {}), UNKNOWN)
    client.restore_api_key(gone)


_NAMES = st.text(alphabet="ab_*?[", max_size=6)


@settings(max_examples=60, deadline=None)
@given(patterns=st.lists(_NAMES, max_size=3), name=_NAMES)
def test_patterns_match_as_a_plain_reading_of_the_documentation(patterns, name):
    def plain(pattern):
        core = re.sub(r"\A\*|\*\Z", "", pattern) if pattern != "*" else ""
        leads, trails = pattern[:1] == "*", pattern[-1:] == "*"
        return re.fullmatch((".*" if leads else "") + re.escape(core) + (".*" if trails else ""), name) is not None

    assert fits_any(patterns, name) == any(plain(pattern) for pattern in patterns)


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("dev_*", ["dev_", "dev_products"], ["prod_dev_", "dev"]),
        ("*_dev", ["_dev", "products_dev"], ["products_dev2"]),
        ("*_dev_*", ["_dev_", "a_dev_b"], ["a_dev", "dev_b"]),
        ("products", ["products"], ["products2", "Products"]),
    ],
)
def test_the_documented_patterns(pattern, inside, outside):
    """Algolia.com/doc/guides/security/api-keys/in-depth/api-key-restrictions, "Indices"."""
    key = Key(value="k", acl=frozenset(), indexes=(pattern,))
    assert all(key.reaches(name) for name in inside)
    assert not any(key.reaches(name) for name in outside)


_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), lambda x: st.lists(x, max_size=3))
_FIELDS = ["acl", "validity", "maxHitsPerQuery", "maxQueriesPerIPPerHour", "indexes", "referers", "queryParameters"]


@settings(max_examples=60, deadline=None)
@given(body=_JSON | st.dictionaries(st.sampled_from(_FIELDS) | st.text(max_size=5), _JSON, max_size=4))
def test_no_body_breaks_the_management_of_keys(body):
    algolia = MockAlgolia()
    headers = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}
    sent = orjson.dumps(body) if _fits_json(body) else b"{"
    for method, path in (("POST", "/1/keys"), ("PUT", "/1/keys/mock-read")):
        answer = handle(algolia, Call(method=method, path=path, headers=headers, body=sent))
        assert answer.status in {200, 400}
        assert (answer.status == 200) == ("key" in orjson.loads(answer.body))


def _fits_json(body):
    try:
        orjson.dumps(body)
    except TypeError:
        return False
    return True
