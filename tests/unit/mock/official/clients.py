"""The four official clients, sync or async, behind one face: whatever they return can be awaited.

Scenarios are written once, as coroutines, and run with either kind and with tasks that are published at once or late.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from algoliasearch.http.exceptions import RequestException
from algoliasearch.http.hosts import Host, HostsCollection
from algoliasearch.insights.client import InsightsClient, InsightsClientSync
from algoliasearch.insights.config import InsightsConfig
from algoliasearch.personalization.client import PersonalizationClient, PersonalizationClientSync
from algoliasearch.personalization.config import PersonalizationConfig
from algoliasearch.recommend.client import RecommendClient, RecommendClientSync
from algoliasearch.recommend.config import RecommendConfig
from algoliasearch.search.client import SearchClient, SearchClientSync
from algoliasearch.search.config import SearchConfig

from algosync.mock.server import MockAlgolia, MockServer

Api = Literal["search", "recommend", "insights", "personalization"]
Kind = Literal["sync", "async"]

CLIENTS: dict[Api, dict[Kind, Any]] = {
    "search": {"sync": SearchClientSync, "async": SearchClient},
    "recommend": {"sync": RecommendClientSync, "async": RecommendClient},
    "insights": {"sync": InsightsClientSync, "async": InsightsClient},
    "personalization": {"sync": PersonalizationClientSync, "async": PersonalizationClient},
}
CONFIGS: dict[Api, Callable[[str, str], Any]] = {
    "search": SearchConfig,
    "recommend": RecommendConfig,
    "insights": InsightsConfig,
    "personalization": lambda app_id, key: PersonalizationConfig(app_id, key, "eu"),
}


class Client:
    """An official client of which every method is a coroutine."""

    def __init__(self, official: Any, note: Callable[[str], None]) -> None:
        self.official = official
        self._note = note

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.official, name)

        async def call(*args: Any, **options: Any) -> Any:
            self._note(name)
            made = method(*args, **options)
            return await made if inspect.isawaitable(made) else made

        return call


@dataclass
class Story:
    """A mock, its official clients, and which of their methods were called."""

    server: MockServer
    kind: Kind

    def __post_init__(self) -> None:
        self.called: set[tuple[Api, str]] = set()
        self.opened: list[Any] = []
        self.search = self.connect()
        self.recommend = self.connect(api="recommend")
        self.insights = self.connect(api="insights")
        self.personalization = self.connect(api="personalization")

    @property
    def algolia(self) -> MockAlgolia:
        return self.server.algolia

    @property
    def hosts(self) -> HostsCollection:
        return HostsCollection([Host(url="127.0.0.1", scheme="http", port=self.server.port)])

    def connect(self, key: str = "mock-admin", api: Api = "search") -> Client:
        """A client with another key; closed when the story ends."""
        config = CONFIGS[api]("MOCKAPP", key)
        config.hosts = self.hosts
        config.proxies = None
        self.called.add((api, "create_with_config"))
        self.opened.append(CLIENTS[api][self.kind].create_with_config(config))
        return Client(self.opened[-1], lambda name: self.called.add((api, name)))

    def records(self, name: str) -> dict[str, Any]:
        """The records of an index as readers see them, by objectID."""
        return self.algolia.content()[name]["records"]

    async def done(self, name: str, answer: Any) -> Any:
        """Wait for the task of an answer; the official clients ask four times without a pause."""
        await self.search.wait_for_task(name, answer.task_id, max_retries=4)
        return answer

    async def refused(self, call: Awaitable[Any], message: str, status: int = 400) -> None:
        """The call is refused so, and nothing changes."""
        before = self.algolia.content()
        with pytest.raises(RequestException) as error:
            await call
        assert (message in str(error.value), error.value.status_code) == (True, status), str(error.value)
        assert self.algolia.content() == before

    async def close(self) -> None:
        for official in self.opened:
            closing = official.close()
            if inspect.isawaitable(closing):
                await closing


Scenario = Callable[[Story], Awaitable[None]]


def run(scenario: Scenario, server: MockServer, kind: Kind) -> set[tuple[Api, str]]:
    """Play a scenario with one kind of clients; returns what was called."""

    async def play() -> set[tuple[Api, str]]:
        story = Story(server, kind)
        try:
            await scenario(story)
        finally:
            await story.close()
        return story.called

    return asyncio.run(play())


def publish_when_asked(algolia: MockAlgolia, times: int = 2) -> None:
    """Publish a task only once so many requests asked for it or a later one: clients have to wait, without a clock."""

    def waits(task: int) -> bool:
        asked = [*algolia.requests.of("getTask"), *algolia.requests.of("getAppTask")]
        return sum(int(request.path.rpartition("/")[2]) >= task for request in asked) < times

    algolia.tasks.holds = waits
