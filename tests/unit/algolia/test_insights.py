"""Events to Insights: the request of the official client, one try, and the hosts of the region."""

from __future__ import annotations

import orjson
import pytest
from algoliasearch.http.transporter_sync import EchoTransporterSync
from algoliasearch.insights.client import InsightsClientSync
from algoliasearch.insights.config import InsightsConfig

from algosync.algolia.insights import InsightsClient
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError, AlgoliaUnavailableError, ConfigError

VIEW = {"eventType": "view", "eventName": "Gesehen", "index": "products", "userToken": "u1", "objectIDs": ["ü"]}
OK = {"status": 200, "message": "OK"}


@pytest.fixture
def client(server):
    made = InsightsClient(server.target, "secret-key-4711")
    yield made
    made.close()


def test_the_request_is_the_one_that_the_official_client_makes(server, client):
    server.will(OK)
    client.push([VIEW])
    (asked,) = server.asked
    config = InsightsConfig("APP", "secret-key-4711")
    config.set_default_hosts()
    echo = InsightsClientSync.create_with_config(config, EchoTransporterSync(config))
    official = echo.push_events_with_http_info({"events": [VIEW]})
    assert (asked.verb, asked.path) == (official.verb, official.path)
    assert orjson.loads(asked.body) == orjson.loads(official.data)
    for name in ("x-algolia-application-id", "x-algolia-api-key", "content-type"):
        assert asked.headers[name] == official.headers[name]


@pytest.mark.parametrize("answer", [(500, b"{}", {}), (429, b"{}", {"retry-after": "7"}), None], ids=str)
def test_there_is_one_try_and_no_more(server, client, answer):
    """What was sent twice would be counted twice."""
    server.will(answer, OK)
    with pytest.raises(AlgoliaUnavailableError) as failed:
        client.push([VIEW])
    assert len(server.asked) == 1
    assert failed.value.retry_after_s == (7 if answer and answer[0] == 429 else None)
    client.push([VIEW])
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 413, 422])
def test_a_refusal_has_its_status_and_not_the_key(server, client, status):
    server.will((status, b'{"status":%d,"message":"no, secret-key-4711"}' % status, {}))
    with pytest.raises(AlgoliaError, match="no, …") as refused:
        client.push([VIEW])
    assert refused.value.status == status
    assert refused.value.action == "stop"


@pytest.mark.parametrize(
    ("region", "host"),
    [(None, "insights.algolia.io"), ("us", "insights.us.algolia.io"), ("eu", "insights.de.algolia.io")],
)
def test_without_hosts_of_ones_own_events_go_to_the_region(region, host):
    client = InsightsClient(Target(app_id="APP"), "key", region)
    assert [found.url for found in client._wire._config.hosts.write()] == [host]
    assert [found.scheme for found in client._wire._config.hosts.write()] == ["https"]


def test_an_application_that_is_none_is_refused_at_once():
    with pytest.raises(ConfigError):
        InsightsClient(Target(app_id=""), "key")
