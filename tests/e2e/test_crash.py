"""A pulled plug in the middle of a push: the next run leaves what an undisturbed one would have left."""

from __future__ import annotations

import subprocess
import sys

import pytest

from algosync.algolia.client import WriteClient

pytestmark = pytest.mark.e2e

KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from algosync.algolia.client import WriteClient
from algosync.runtime.commands import Runtime
from algosync.sync.stages import Silent
waits = 0
def wait(self, *_, **__):
    global waits
    waits += 1
    if waits == 2:
        os._exit(9)
    return 0.0
WriteClient.wait = wait
Runtime.open(Path(sys.argv[1]), progress=Silent(), clock=lambda: datetime.fromisoformat(sys.argv[2])).sync()
"""


class PulledPlugError(BaseException):
    """Nothing of algosync catches this."""


def _unfinished(shop) -> dict[str, dict[str, int]]:
    return shop.runtime().status()["ledger"]


@pytest.mark.parametrize("lost", ["the request", "the answer"])
def test_a_crash_between_two_batches(small, synced_content, monkeypatch, lost):
    batch, sent = WriteClient.batch, []

    def second_time_unlucky(client, *arguments):
        sent.append(arguments)
        if len(sent) < 2:
            return batch(client, *arguments)
        if lost == "the answer":
            batch(client, *arguments)
        raise PulledPlugError

    small.runtime().pull()
    monkeypatch.setattr(WriteClient, "batch", second_time_unlucky)
    with pytest.raises(PulledPlugError):
        small.sync()
    monkeypatch.undo()
    assert any(status != "published" for held in _unfinished(small).values() for status in held)
    assert small.content() != synced_content

    report = small.sync()

    assert small.content() == synced_content
    assert _unfinished(small) == {
        "profiles": {"published": 5},
        "related": {"published": 18},
        "rules": {"published": 2},
        "segments": {"published": 2},
    }
    assert 0 < report["pushed"]["operations"] < 27


def test_a_process_that_is_killed_while_it_waits(small, synced_content):
    command = [sys.executable, "-c", KILLED, str(small.config), small.now.isoformat()]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert killed.returncode == 9, killed.stderr
    held = _unfinished(small)
    assert {status for by_status in held.values() for status in by_status} == {"published", "sent"}

    report = small.sync()

    assert small.content() == synced_content
    assert {status for by_status in _unfinished(small).values() for status in by_status} == {"published"}
    assert report["pushed"]["operations"] == 0  # everything had arrived
    assert report["events"]["read"] == 0
