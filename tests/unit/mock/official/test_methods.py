"""The official clients of either kind: every method that they have, against the mock over real HTTP."""

from __future__ import annotations

import inspect

import pytest

from algosync.mock.server import MockAlgolia, MockServer

from .clients import CLIENTS, Api, Kind
from .methods import METHODS, SCENARIOS
from .playing import play, refuse_absent, wait_while_the_clock_is_moved

both_kinds = pytest.mark.parametrize("kind", ["sync", "async"])


def methods_of(client: type) -> set[str]:
    public = {name for name, _ in inspect.getmembers(client, callable) if not name.startswith("_")}
    return {name for name in public if not name.endswith("_with_http_info")}


@pytest.mark.parametrize("api", CLIENTS)
def test_the_table_names_every_method(api: Api) -> None:
    for client in CLIENTS[api].values():
        assert methods_of(client) == set(METHODS[api])


@both_kinds
@pytest.mark.parametrize("late", [False, True], ids=["at-once", "late"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario(scenario: str, server: MockServer, late: bool, kind: Kind) -> None:
    play(scenario, server, kind, late=late)


@both_kinds
@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")
def test_what_is_absent_is_refused(server: MockServer, kind: Kind) -> None:
    refuse_absent(server, kind)


@both_kinds
def test_waiting_takes_as_long_as_publishing(server: MockServer, kind: Kind) -> None:
    clock = [0]
    server.algolia = MockAlgolia(clock_ms=lambda: clock[0], publish_after_ms=100)
    wait_while_the_clock_is_moved(server, clock, kind)
