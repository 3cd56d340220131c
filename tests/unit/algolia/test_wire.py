"""The traps of the official client, each of them sprung."""

from __future__ import annotations

import gzip
import socket
import traceback

import algoliasearch
import orjson
import pytest
import stamina
from algoliasearch.http.transporter_sync import EchoTransporterSync
from algoliasearch.search.client import SearchClientSync
from algoliasearch.search.config import SearchConfig

from algosync.algolia import calls, wire
from algosync.algolia.answers import retry_after
from algosync.algolia.client import ReadClient, WriteClient
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError, AlgoliaUnavailableError, ConfigError

KEY = "secret-key-4711"
HTML = b"<html><head><title>message: Bad Gateway</title></head><body><h1>No</h1> luck</body></html>"


@pytest.fixture
def client(server):
    with WriteClient(server.target, KEY) as client:
        yield client


def test_the_pinned_version_is_the_one_whose_private_names_are_used():
    assert algoliasearch.__version__ == "4.48.0"
    transporter = wire.Wire(Target(app_id="APP"), KEY)._transporter
    assert transporter._retry_strategy.valid_hosts([]) == []
    assert transporter._session is None


OFFICIAL = {
    "browse": (
        calls.browse("i/ü", ["a"], 7, "c"),
        lambda c: c.browse_with_http_info("i/ü", {"hitsPerPage": 7, "attributesToRetrieve": ["a"], "cursor": "c"}),
    ),
    "get_objects": (
        calls.get_objects("i", ["1", "ü"], ["a"]),
        lambda c: c.get_objects_with_http_info(
            {
                "requests": [
                    {"indexName": "i", "objectID": "1", "attributesToRetrieve": ["a"]},
                    {"indexName": "i", "objectID": "ü", "attributesToRetrieve": ["a"]},
                ]
            }
        ),
    ),
    "search": (
        calls.search("i", {"query": "é", "optionalFilters": [["a:b<score=2>"]]}),
        lambda c: c.search_single_index_with_http_info("i", {"query": "é", "optionalFilters": [["a:b<score=2>"]]}),
    ),
    "list_indices": (calls.list_indices(3), lambda c: c.list_indices_with_http_info(3, 100)),
    "get_settings": (calls.get_settings("i"), lambda c: c.get_settings_with_http_info("i")),
    "search_rules": (
        calls.search_rules("i", 2),
        lambda c: c.search_rules_with_http_info("i", {"query": "", "page": 2, "hitsPerPage": 1000}),
    ),
    "get_rule": (calls.get_rule("i", "a/b c"), lambda c: c.get_rule_with_http_info("i", "a/b c")),
    "get_task": (calls.get_task("i", 12), lambda c: c.get_task_with_http_info("i", 12)),
    "batch": (
        calls.batch("i", b'{"requests":[{"action":"updateObject","body":{"objectID":"1"}}]}'),
        lambda c: c.batch_with_http_info("i", {"requests": [{"action": "updateObject", "body": {"objectID": "1"}}]}),
    ),
    "save_rules": (
        calls.save_rules("i", b'[{"objectID":"r","consequence":{"params":{}}}]'),
        lambda c: c.save_rules_with_http_info("i", [{"objectID": "r", "consequence": {"params": {}}}], False, False),
    ),
    "delete_rule": (
        calls.delete_rule("i", "r"),
        lambda c: c.delete_rule_with_http_info("i", "r", False),
    ),
    "set_settings": (
        calls.set_settings("i", {"attributesForFaceting": ["a"]}),
        lambda c: c.set_settings_with_http_info("i", {"attributesForFaceting": ["a"]}, False),
    ),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_each_call_is_the_one_that_the_official_client_makes(server, name):
    ours, theirs = OFFICIAL[name]
    config = SearchConfig("APP", KEY)
    echo = theirs(SearchClientSync.create_with_config(config, EchoTransporterSync(config)))
    server.will({"taskID": 1})
    with WriteClient(server.target, KEY) as client:
        client._wire.send(ours)

    asked = server.asked[0]
    path, _, query = asked.path.partition("?")
    wanted = "&".join(f"{k}={v}" for k, v in sorted((echo.query_parameters or {}).items()))
    assert (asked.verb, path) == (echo.verb.value, echo.path)
    assert "&".join(sorted(query.split("&"))) == wanted
    assert loaded(asked.body) == loaded((echo.data or "").encode() if isinstance(echo.data, str) else b"")
    assert ours.read == (name not in ("batch", "save_rules", "delete_rule", "set_settings"))
    for header, value in echo.headers.items():
        if header != "request-id":
            assert asked.headers[header] == value


def loaded(body: bytes):
    """The document; an empty one and none at all are the same on the wire."""
    return orjson.loads(body or b"{}") or {}


def test_after_one_500_the_healthy_server_is_asked_again(server, client):
    server.will((500, b'{"message":"oops"}', {}), {"name": "kept"})

    assert client.get_settings("i") == {"name": "kept"}
    assert len(server.asked) == client.requests == 2


def test_a_server_that_stays_down_is_named_with_its_status_and_can_come_back(server, client):
    server.will((503, b'{"message":"maintenance"}', {}))

    with pytest.raises(AlgoliaUnavailableError, match="maintenance") as caught:
        client.get_settings("i")

    assert caught.value.status == 503
    assert len(server.asked) == 4
    server.will({"back": True})
    assert client.get_settings("i") == {"back": True}


def test_too_many_requests_carry_what_the_server_said(server, client):
    server.will((429, b'{"message":"Too many requests"}', {"Retry-After": "7"}))

    with pytest.raises(AlgoliaUnavailableError, match="Too many requests") as caught:
        client.get_settings("i")

    assert (caught.value.status, caught.value.retry_after_s) == (429, 7.0)
    assert len(server.asked) == 4  # the client's own three rounds are off


def test_a_server_that_wants_more_patience_than_a_run_has_is_not_waited_for(server, client):
    server.will((429, b'{"message":"Too many requests"}', {"Retry-After": "3600"}))

    with pytest.raises(AlgoliaUnavailableError) as caught:
        client.get_settings("i")

    assert caught.value.retry_after_s == 3600.0
    assert len(server.asked) == 1


def test_retry_after_as_a_date_counts_from_the_servers_own_clock():
    dates = {"date": "Mon, 23 Nov 2026 10:00:00 GMT", "retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}
    assert retry_after(dates) == 3600.0
    assert retry_after({**dates, "date": "Mon, 23 Nov 2026 12:00:00 GMT"}) == 0.0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_a_refused_connection_is_unavailable_and_says_why(server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = ReadClient(Target(app_id="APP", hosts=(f"http://127.0.0.1:{port}",)), KEY)

    with pytest.raises(AlgoliaUnavailableError, match="Connection refused") as caught:
        client.get_settings("i")

    assert client.requests == 4
    assert str(port) in str(caught.value)


def test_a_refused_connection_goes_on_to_the_next_host(server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}"
    server.will({"ok": True})

    with ReadClient(Target(app_id="APP", hosts=(dead, server.url)), KEY) as client:
        assert client.get_settings("i") == {"ok": True}
        assert client.get_settings("i") == {"ok": True}
        assert client.requests == 3


def test_a_connection_closed_without_an_answer_is_tried_again(server, client):
    server.will(None, {"ok": True})

    assert client.get_settings("i") == {"ok": True}


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refusal_in_html_is_a_refusal(server, client, status):
    server.will((status, HTML, {"content-type": "text/html"}))

    with pytest.raises(AlgoliaError, match="Bad Gateway No luck") as caught:
        client.get_settings("i")

    assert caught.value.action == "stop"
    assert caught.value.status == status
    assert "<" not in caught.value.what
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b'["message"]', b'{"message": 5}', b'{"messages": []}', b"message", b""])
def test_a_refusal_of_any_shape_is_a_refusal(server, client, body):
    server.will((400, body, {}))

    with pytest.raises(AlgoliaError) as caught:
        client.get_settings("i")

    assert caught.value.status == 400


@pytest.mark.parametrize("body", [HTML, b'{"hits": [', b"", b"\xff\xfe"])
def test_a_good_status_with_something_else_than_json_is_not_an_answer(server, client, body):
    server.will((200, body, {}))

    with pytest.raises(AlgoliaUnavailableError, match="not JSON"):
        client.get_settings("i")


def test_an_oversize_record_is_named(server, client):
    message = "Record at the position 76 objectID=p76 is too big size=14072/10000 bytes."
    server.will((400, b'{"message":"%s","position":76,"objectID":"p76","status":400}' % message.encode(), {}))

    with pytest.raises(AlgoliaError, match="too big") as caught:
        client.batch("i", b'{"requests":[]}', 100)

    assert (caught.value.position, caught.value.object_id) == (76, "p76")
    assert client.operations == 0


def test_a_forbidden_call_names_the_permission_it_needs(server, client):
    server.will((403, b'{"message":"Method not allowed with this API key","status":403}', {}))

    with pytest.raises(AlgoliaError, match="'browse'") as caught:
        list(client.browse("products"))

    assert "index 'products'" in str(caught.value)


@pytest.mark.parametrize(
    "answer", [(403, f'{{"message":"key {KEY} is bad"}}'.encode(), {}), (200, KEY.encode(), {}), (503, b"{}", {}), None]
)
def test_the_key_is_in_no_message_no_repr_and_no_traceback(server, client, answer):
    server.will(answer)

    with pytest.raises(AlgoliaError) as caught:
        client.get_settings("i")

    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(client)
    assert KEY not in shown


def test_hiding_the_key_does_not_bend_good_answers(server):
    server.will({"taskID": 5})
    with WriteClient(server.target, "a") as client:
        assert client.batch("i", b'{"requests":[]}', 0) == 5


@pytest.mark.parametrize("key", ["", "with space", "line\n", "clé"])
def test_an_unusable_key_is_refused_before_it_could_be_shown(key):
    with pytest.raises(ConfigError) as caught:
        ReadClient(Target(app_id="APP"), key)

    assert key == "" or key not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:8108", "ftp://x", "http://", "http://h/path", "http://u:p@h", "http://h:x"])
def test_an_ill_formed_host_is_refused(url):
    with pytest.raises(ConfigError, match="is not a host"):
        ReadClient(Target(app_id="APP", hosts=(url,)), KEY)


def test_proxies_of_the_environment_are_not_used_for_given_hosts(server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.will({"direct": True})

    with ReadClient(server.target, KEY) as client:
        assert client.get_settings("i") == {"direct": True}


def test_proxies_of_the_environment_are_used_for_algolias_own_hosts(server, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hidden@127.0.0.1:9")
    with (
        stamina.set_testing(True, attempts=1),
        ReadClient(Target(app_id="APP"), KEY) as client,
        pytest.raises(AlgoliaUnavailableError) as caught,
    ):
        client.get_settings("i")

    assert "hidden" not in str(caught.value)
    assert [host.up for host in client._wire._hosts(read=True)] == [False, True, True, True]


def test_a_redirect_is_not_followed_with_the_key(server, client):
    server.will((307, b"", {"Location": f"{server.url}/elsewhere"}))

    with pytest.raises(AlgoliaUnavailableError):
        client.get_settings("i")

    assert {asked.path for asked in server.asked} == {"/1/indexes/i/settings"}


def test_netrc_is_not_read(server, client, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.will({})

    client.get_settings("i")

    assert "authorization" not in server.asked[0].headers


def test_connections_are_kept_and_reopened_after_close(server, client):
    server.will({"ok": True})
    client.get_settings("i")
    client.close()
    assert client.get_settings("i") == {"ok": True}


def test_bodies_are_packed_for_algolias_own_hosts_only(server, client):
    body = b'{"requests":[' + b" " * 1000 + b"]}"
    server.will({"taskID": 3})
    assert client.batch("i", body, 0) == 3
    assert server.asked[0].body == body

    options = wire.Wire(Target(app_id="APP"), KEY)._options(calls.batch("i", body))
    assert options.headers["content-encoding"] == "gzip"
    assert gzip.decompress(options.data) == body
    assert "content-encoding" not in wire.Wire(Target(app_id="APP"), KEY)._options(calls.get_settings("i")).headers


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@localhost",
        "http://:hunter2@localhost",
        "http://@localhost/hunter2",
        "http://user:hunter2@localhost:port",
        "http://localhost?key=hunter2",
        "user:hunter2@localhost",
    ],
)
def test_the_password_of_a_host_is_refused_and_not_repeated(url):
    with pytest.raises(ConfigError, match="is not a host") as caught:
        ReadClient(Target(app_id="APP", hosts=(url,)), KEY)

    assert "hunter2" not in "".join(traceback.format_exception_only(caught.value))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_write_goes_to_one_host_and_the_next_write_to_the_next(server, answering):
    asked = []

    def broken(verb, path, headers, body):
        asked.append(path)
        return 500, b'{"message":"oops"}', {}

    server.will({"taskID": 3})
    with answering(broken) as url, WriteClient(Target(app_id="APP", hosts=(url, server.url)), KEY) as client:
        with pytest.raises(AlgoliaUnavailableError, match="oops"):
            client.batch("i", b'{"requests":[]}', 1)
        assert (len(asked), len(server.asked)) == (1, 0)

        assert client.batch("i", b'{"requests":[]}', 1) == 3
        assert (len(asked), len(server.asked)) == (1, 1)


def test_a_write_that_never_left_is_tried_again(server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}"
    server.will({"taskID": 3})

    with WriteClient(Target(app_id="APP", hosts=(dead, server.url)), KEY) as client:
        assert client.batch("i", b'{"requests":[]}', 1) == 3
    with WriteClient(Target(app_id="APP", hosts=(dead,)), KEY) as client:
        with pytest.raises(AlgoliaUnavailableError, match="no connection") as caught:
            client.batch("i", b'{"requests":[]}', 1)
        assert caught.value.undone
