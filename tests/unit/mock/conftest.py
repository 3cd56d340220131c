"""A running mock, and the official client that talks to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from algoliasearch.http.hosts import Host, HostsCollection
from algoliasearch.search.client import SearchClientSync
from algoliasearch.search.config import SearchConfig

from algosync.mock.server import MockAlgolia, MockServer

Connect = Callable[..., SearchClientSync]


@pytest.fixture
def algolia() -> MockAlgolia:
    return MockAlgolia()


@pytest.fixture(scope="session")
def _running() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@pytest.fixture
def server(_running: MockServer, algolia: MockAlgolia) -> MockServer:
    _running.algolia = algolia
    return _running


@pytest.fixture
def connect(server: MockServer) -> Iterator[Connect]:
    opened: list[SearchClientSync] = []

    def make(key: str = "mock-admin", app_id: str = "MOCKAPP", **options: Any) -> SearchClientSync:
        config = SearchConfig(app_id, key)
        config.hosts = HostsCollection([Host(url="127.0.0.1", scheme="http", port=server.port)])
        config.proxies = None
        for name, value in options.items():
            setattr(config, name, value)
        opened.append(SearchClientSync.create_with_config(config))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def reach(server: MockServer) -> Iterator[Callable[..., Any]]:
    """Makes any of the official clients, from its class and its configuration."""
    opened: list[Any] = []

    def make(kind: Any, config: Any) -> Any:
        config.hosts = HostsCollection([Host(url="127.0.0.1", scheme="http", port=server.port)])
        config.proxies = None
        opened.append(kind.create_with_config(config))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(connect: Connect) -> SearchClientSync:
    return connect()
