"""Stages: named, timed, and shown to whoever watches."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from algosync.sync.stages import Silent, Stages, steps


class Watcher:
    def __init__(self):
        self.seen = []

    @contextmanager
    def stage(self, name, total=None):
        self.seen.append((name, total))
        yield self.seen.append
        self.seen.append("end")


def test_stages_are_shown_and_timed():
    watcher = Watcher()
    stages = Stages(watcher)
    with stages.stage("pull", "Pulling", 10) as advance:
        advance(4)
    with stages.stage("pull", "Pulling again"):
        pass
    assert watcher.seen == [("Pulling", 10), 4, "end", ("Pulling again", None), "end"]
    assert set(stages.seconds) == {"pull"}
    assert 0 <= stages.seconds["pull"] < 1


def test_a_stage_that_fails_has_no_time():
    stages = Stages(Silent())
    with pytest.raises(KeyError), stages.stage("pull", "Pulling"):
        raise KeyError
    assert stages.seconds == {}


def test_running_totals_become_steps():
    taken = []
    total = steps(taken.append)
    for done in (3, 3, 10):
        total(done)
    assert taken == [3, 0, 7]
