"""A pytest plugin: the fixture `algolia_mock`, an Algolia that runs on this machine, empty for every test.

    def test_my_shop(algolia_mock):
        algolia_mock.load("products", [{"objectID": "1", "name": "Lamp"}], settings={"searchableAttributes": ["name"]})
        algolia_mock.faults.add("searchSingleIndex:1:503")
        ...

The official clients reach it at a host of one's own; here the Python one::

    config = SearchConfig(algolia_mock.app_id, algolia_mock.keys.admin)
    config.hosts = HostsCollection([Host(url=algolia_mock.host, scheme="http", port=algolia_mock.port)])
    config.proxies = None
    client = SearchClientSync.create_with_config(config)

Options of the mock are set for one test by a marker, `@pytest.mark.algolia_mock(plan="build", publish_after_ms=200,
rules_merge="merge")`, for all of them by the settings `algolia_mock_plan`, `algolia_mock_publish_after_ms` and
`algolia_mock_rules_merge` of pytest. The marker also takes `max_record_bytes`, and `faults`: a list of them, such as
`["batch:3:429", {"on": "read", "fault": "slow"}]`, or a plan with its seed. A client of Algolia's that met a 500, a 503
or a broken connection asks the same host again after five minutes at the earliest: make one for each test.

Nothing but pytest is imported until a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections import Counter

    from algosync.algolia.client import ReadClient, WriteClient
    from algosync.mock.algolia import MockAlgolia, Snapshot
    from algosync.mock.faults import Faults
    from algosync.mock.recorder import Recorder
    from algosync.mock.server import MockServer
    from algosync.mock.services.events import Events

MARKER = "algolia_mock"
_SETTINGS = {
    "plan": "Limits of the mock: unlimited, build, grow or premium.",
    "publish_after_ms": "How long after a write to the mock it can be read, in milliseconds.",
    "rules_merge": "How the mock combines parameters of several Rules: first or merge.",
}
_OPTIONS = frozenset({*_SETTINGS, "max_record_bytes", "faults"})
_NUMBERS = frozenset({"publish_after_ms", "max_record_bytes"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Settings for pytest's own file of settings."""
    for name, text in _SETTINGS.items():
        parser.addini(f"{MARKER}_{name}", text, type="string")


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    line = f"{MARKER}(plan, publish_after_ms, rules_merge, max_record_bytes, faults): options of the mock Algolia"
    config.addinivalue_line("markers", line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The mock's API keys.

    Attributes:
        admin: May do everything.
        write: May write records, settings and rules, and read.
        read: May browse, search, and read settings.
        storefront: May search indices whose names begin with `products`.
        storefront_wide: May search every index.
    """

    admin: str = "mock-admin"
    write: str = "mock-write"
    read: str = "mock-read"
    storefront: str = "mock-storefront"
    storefront_wide: str = "mock-storefront-wide"


class AlgoliaMock:
    """A running mock Algolia, as a test sees it.

    Attributes:
        algolia: The application itself.
        keys: Its API keys.
    """

    def __init__(self, server: MockServer, options: Mapping[str, Any]) -> None:
        from algosync.mock.algolia import MockAlgolia, system_clock_ms

        given = dict(options)
        faults = given.pop("faults", ())
        self._ahead_ms = 0
        self._clients: list[ReadClient] = []
        self._server = server
        self.keys = Keys()
        self.algolia: MockAlgolia = MockAlgolia(clock_ms=lambda: system_clock_ms() + self._ahead_ms, **given)
        self.faults.put(faults if isinstance(faults, Mapping) else list(faults))
        server.algolia = self.algolia

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    @property
    def url(self) -> str:
        """Where it listens, as `http://127.0.0.1:PORT`."""
        return self._server.url

    @property
    def host(self) -> str:
        """The name of its host."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    @property
    def app_id(self) -> str:
        """The application's id."""
        return self.algolia.app_id

    @cached_property
    def client(self) -> WriteClient:
        """A client that reads and writes, with the admin key."""
        from algosync.algolia.client import WriteClient

        client = WriteClient(self._target(), self.keys.admin)
        self._clients.append(client)
        return client

    @cached_property
    def read_client(self) -> ReadClient:
        """A client that only reads."""
        from algosync.algolia.client import ReadClient

        client = ReadClient(self._target(), self.keys.read)
        self._clients.append(client)
        return client

    def _target(self) -> Any:
        from algosync.algolia.target import Target

        return Target(app_id=self.app_id, hosts=(self.url,))

    @property
    def requests(self) -> Recorder:
        """What was asked of it, oldest first; `requests.of("batch")` for one operation."""
        return self.algolia.requests

    @property
    def operations(self) -> Counter[str]:
        """Billable write operations by kind."""
        return self.algolia.operations

    @property
    def faults(self) -> Faults:
        """What goes wrong on purpose: `faults.add(on="batch", nth=3, fault="429")`, `faults.clear()`."""
        return self.algolia.faults

    @property
    def events(self) -> Events:
        """The Insights events that arrived."""
        return self.algolia.events

    def load(
        self,
        index: str,
        records: Iterable[Mapping[str, Any]],
        settings: Mapping[str, Any] | None = None,
        rules: Iterable[Mapping[str, Any]] = (),
    ) -> int:
        """Put an index in the place of the one of that name, at once, without a request.

        Returns:
            The number of records.

        Raises:
            ConfigError: A record, a setting or a rule is not one that Algolia would take.
        """
        from algosync.mock.files import load_index

        content = {"settings": dict(settings or {}), "rules": list(rules), "records": list(records)}
        return load_index(self.algolia, index, content)

    def dump(self, index: str) -> dict[str, Any]:
        """An index as `{"settings", "rules", "records"}`, with all accepted writes.

        Raises:
            AlgoliaError: There is no such index (404).
        """
        from algosync.mock.files import dump_index

        return dump_index(self.algolia, index)

    def snapshot(self) -> Snapshot:
        """A copy of everything the application holds."""
        return self.algolia.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Put everything back as it was."""
        self.algolia.restore(snapshot)

    def advance(self, milliseconds: int) -> None:
        """Move the mock's clock on: tasks are published, keys expire, rules come into force."""
        self._ahead_ms += milliseconds

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients:
            client.close()


@pytest.fixture(scope="session")
def _algolia_mock_server() -> Iterator[MockServer]:
    from algosync.mock.server import MockServer

    with MockServer() as running:
        yield running


@pytest.fixture
def algolia_mock(request: pytest.FixtureRequest, _algolia_mock_server: MockServer) -> Iterator[AlgoliaMock]:
    """A mock Algolia, empty and without faults; its server runs as long as the session."""
    from algosync.errors import ConfigError

    try:
        mock = AlgoliaMock(_algolia_mock_server, _options(request))
    except ConfigError as error:
        raise pytest.UsageError(f"{MARKER}: {error}") from None
    yield mock
    mock.close()


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name in _SETTINGS:
        value = request.config.getini(f"{MARKER}_{name}")
        if value:
            options[name] = value
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        options |= marker.kwargs
        unknown = sorted(marker.kwargs.keys() - _OPTIONS)
        if marker.args or unknown:
            what = f"there is no {unknown[0]}" if unknown else "it takes names only"
            raise pytest.UsageError(f"@pytest.mark.{MARKER}: {what}; options are {', '.join(sorted(_OPTIONS))}")
    for name in _NUMBERS & options.keys():
        text = str(options[name])
        if not (text.isascii() and text.isdecimal()):
            raise pytest.UsageError(f"{MARKER}: {name} is a whole number, not {text!r}")
        options[name] = int(text)
    return options
