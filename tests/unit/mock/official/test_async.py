"""The asynchronous official clients: every method that they have, against the mock over real HTTP."""

from __future__ import annotations

import pytest

from algosync.mock.server import MockAlgolia, MockServer

from .methods import SCENARIOS
from .playing import play, refuse_absent, wait_while_the_clock_is_moved

KIND = "async"


@pytest.mark.parametrize("late", [False, True], ids=["at-once", "late"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario(scenario: str, server: MockServer, late: bool) -> None:
    play(scenario, server, KIND, late=late)


@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")
def test_what_is_absent_is_refused(server: MockServer) -> None:
    refuse_absent(server, KIND)


def test_waiting_takes_as_long_as_publishing(server: MockServer) -> None:
    clock = [0]
    server.algolia = MockAlgolia(clock_ms=lambda: clock[0], publish_after_ms=100)
    wait_while_the_clock_is_moved(server, clock, KIND)
