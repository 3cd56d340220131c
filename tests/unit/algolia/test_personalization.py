"""Forgetting at Algolia: the requests of the official client, answers without a body, the hosts of the region."""

from __future__ import annotations

import pytest
from algoliasearch.http.transporter_sync import EchoTransporterSync
from algoliasearch.insights.client import InsightsClientSync
from algoliasearch.insights.config import InsightsConfig
from algoliasearch.personalization.client import PersonalizationClientSync
from algoliasearch.personalization.config import PersonalizationConfig

from algosync.algolia.insights import InsightsClient
from algosync.algolia.personalization import PersonalizationClient
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError, ConfigError

TOKEN = "a+b/c=d"


@pytest.fixture
def client(server):
    made = PersonalizationClient(server.target, "secret-key-4711")
    yield made
    made.close()


def official(config, client, method):
    config.set_default_hosts()
    made = client.create_with_config(config, EchoTransporterSync(config))
    return getattr(made, f"{method}_with_http_info")(TOKEN)


def test_the_requests_are_those_that_the_official_clients_make(server, client):
    insights = InsightsClient(server.target, "secret-key-4711")
    server.will(
        {"userToken": TOKEN, "deletedUntil": "2026-11-23T12:00:00Z"},
        {"userToken": TOKEN, "lastEventAt": "2026-11-23T12:00:00Z", "scores": {}},
        (204, b"", {}),
    )
    assert client.delete_profile(TOKEN) == "2026-11-23T12:00:00Z"
    assert client.profile(TOKEN)["scores"] == {}
    insights.delete_user(TOKEN)
    insights.close()
    made = [
        official(PersonalizationConfig("APP", "k", "eu"), PersonalizationClientSync, "delete_user_profile"),
        official(PersonalizationConfig("APP", "k", "eu"), PersonalizationClientSync, "get_user_token_profile"),
        official(InsightsConfig("APP", "k"), InsightsClientSync, "delete_user_token"),
    ]
    assert [(one.verb, one.path) for one in server.asked] == [(one.verb, one.path) for one in made]


def test_who_is_not_known_has_no_profile(server, client):
    server.will((404, b'{"message":"User profile not found","status":404}', {}))
    assert client.profile("nobody") is None
    with pytest.raises(AlgoliaError) as refused:
        client.delete_profile("nobody")
    assert refused.value.status == 404


@pytest.mark.parametrize("answer", [[], {"userToken": TOKEN}])
def test_an_answer_of_another_shape_is_none(server, client, answer):
    server.will(answer)
    with pytest.raises(AlgoliaError):
        client.delete_profile(TOKEN)
    server.will([])
    with pytest.raises(AlgoliaError, match="not a JSON object"):
        client.profile(TOKEN)


@pytest.mark.parametrize(
    ("region", "host"), [("us", "personalization.us.algolia.com"), ("eu", "personalization.eu.algolia.com")]
)
def test_without_hosts_of_ones_own_it_is_the_regions(region, host):
    client = PersonalizationClient(Target(app_id="APP"), "key", region)
    assert [found.url for found in client._wire._config.hosts.write()] == [host]


def test_without_hosts_the_region_must_be_known():
    with pytest.raises(ConfigError, match=r"algolia\.region"):
        PersonalizationClient(Target(app_id="APP"), "key")
