"""The collector in the place of Insights: from the page through the API to Algolia, with what goes wrong between."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from threading import Event

import httpx
import pytest

from algosync.algolia.insights import InsightsClient
from algosync.errors import ConfigError
from algosync.runtime.serving import open_api
from algosync.settings.load import load
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.state import open_state

pytestmark = pytest.mark.e2e

ADMIN = "the key of the shop's own servers"
VIEW = {"eventType": "view", "eventName": "Seen", "index": "products", "objectIDs": ["book-1"], "consent": "for_you"}


@pytest.fixture
def shop(small, monkeypatch):
    monkeypatch.setenv("ALGOSYNC_ALGOLIA__STOREFRONT_API_KEY", "mock-storefront-wide")
    small.configure(
        sources=[{"name": "web", "type": "collector"}],
        state={"as_of": "clock"},
        serve={"admin_key": ADMIN, "forward": {"enabled": True}},
    )
    small.lighten()
    monkeypatch.setattr(small.algolia, "now_ms", lambda: int(small.now.timestamp() * 1000))
    return small


@pytest.fixture
def sent(monkeypatch):
    """Set once so many events have arrived at Insights."""
    arrived, wanted = [], {"number": 0}
    there = Event()
    push = InsightsClient.push

    def telling(self, events):
        push(self, events)
        arrived.extend(events)
        if len(arrived) >= wanted["number"]:
            there.set()

    monkeypatch.setattr(InsightsClient, "push", telling)

    def wait(number):
        wanted["number"] = number
        if len(arrived) < number:
            there.clear()
            assert there.wait(30), f"{len(arrived)} of {number} events arrived"
        return arrived

    return wait


@contextmanager
def serving(shop, on_loopback):
    with ExitStack() as stack:
        app, _ = stack.enter_context(open_api(load(shop.config), shop.folder, clock=lambda: shop.now))
        port = stack.enter_context(on_loopback(app))
        headers = {"authorization": f"Bearer {ADMIN}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False) as client:
            yield client


def tell(client, *names):
    events = [VIEW | {"userToken": name} for name in names]
    assert client.post("/1/events", json={"events": events}).status_code == 200


def test_events_reach_algolia_and_wait_where_it_is_down(shop, sent, on_loopback):
    server = shop.server
    with serving(shop, on_loopback) as client:
        tell(client, "anna", "berta")
        sent(2)
        shop.sync()
        told = client.get("/readyz").json()
        assert told["ready"], told
        assert (told["forwarding"]["problem"], told["forwarding"]["lost"]) == (None, 0)
    with open_state("sqlite", shop.state, create=True, book=INBOX) as state:
        Inbox(state).append([VIEW | {"userToken": "carla"}], shop.now)  # as if the server had died right after
    with serving(shop, on_loopback) as client:
        tell(client, "dora")
        assert [event["userToken"] for event in sent(4)] == ["anna", "berta", "carla", "dora"]
    assert [event.user_token for event in server.algolia.events] == ["anna", "berta", "carla", "dora"]


def test_switched_off_nothing_is_kept_back(shop, on_loopback):
    shop.configure(serve={"forward": {"enabled": False}})
    with serving(shop, on_loopback) as client:
        tell(client, "anna")
        assert "forwarding" not in client.get("/readyz").json()
    assert not list(shop.algolia.events)


@pytest.mark.parametrize(
    ("over", "where"),
    [
        ({"sources": []}, "serve.forward"),
        ({"key": None}, "algolia.storefront_api_key"),
        ({"hosts": ["http://user:secret@127.0.0.1"]}, "algolia.hosts"),
    ],
)
def test_what_cannot_forward_does_not_start(shop, monkeypatch, over, where):
    if "sources" in over:
        shop.configure(sources=[])
    if "key" in over:
        monkeypatch.delenv("ALGOSYNC_ALGOLIA__STOREFRONT_API_KEY")
        algolia = {name: value for name, value in shop.settings["algolia"].items() if not name.endswith("_key")}
        shop.settings["algolia"] = algolia
        shop.configure()
    if "hosts" in over:
        shop.configure(algolia={**shop.settings["algolia"], "hosts": over["hosts"]})
    with pytest.raises(ConfigError) as refused, open_api(load(shop.config), shop.folder):
        pass
    assert refused.value.where == where
    assert "secret" not in str(refused.value)
