"""A small part of the fault matrix, of each scenario and under each fault; `make faults` runs the whole of it."""

from __future__ import annotations

import os
import signal
from functools import partial

import pytest
from sqlalchemy import create_engine, text

from tests.conftest import copying_databases

from .effects import Effects
from .matrix import FAULTS, SCENARIOS, Bench, spread

pytestmark = pytest.mark.e2e

SAMPLE = {
    "first": (["none"], 3),
    "next": (["lost"], 3),
    "webhooks": (["none"], 1),
    "approve": (["none"], 1),
    "repair": (["503", "truncated", "unpublished", "oversize"], 4),
    "forget": (["429", "500", "lost", "reset"], 4),
}
"""Faults are met where a run costs least; the worker, which costs most, is met in the soak."""
KINDS = {"commit", "request", "mkdir", "write", "half", "rename", "sync"}


def test_each_scenario_and_each_fault_is_in_the_sample():
    assert SAMPLE.keys() == SCENARIOS.keys() - {"worker"}
    assert {fault for faults, _ in SAMPLE.values() for fault in faults} == FAULTS.keys()


def _sampled(bench, faults, number):
    """So many cases, from all over the way; what ended otherwise than undisturbed."""
    steps = spread(bench, faults)
    cases = [bench.case(fault, step) for fault, step in steps[len(steps) // (2 * number) :: len(steps) // number]]
    assert len(cases) >= number
    return steps, [f"{case.fault}, killed before {case.step.name}: {case.differs}" for case in cases if case.differs]


@pytest.mark.parametrize("scenario", SAMPLE)
def test_killed_and_run_again_it_ends_as_if_nothing_had_been(zygote, server, receiver, tmp_path, scenario):
    bench = Bench(SCENARIOS[scenario], tmp_path, server, zygote, receiver=receiver)
    steps, differ = _sampled(bench, *SAMPLE[scenario])
    assert differ == []
    if scenario == "first":
        assert {step.name.split()[0] for _, step in steps} >= KINDS


def test_on_postgresql(zygote, server, receiver, tmp_path, postgresql_server):
    databases = copying_databases(postgresql_server)
    bench = Bench(SCENARIOS["repair"], tmp_path, server, zygote, databases, receiver=receiver)
    assert _sampled(bench, ["lost"], 4)[1] == []


def _in_a_child(folder, work, kill_at=None):
    """What a child told of its effects, and whether it was killed."""
    into, out = os.pipe()
    pid = os.fork()
    if pid == 0:
        Effects(folder, lambda name: os.write(out, f"{name}\n".encode()), kill_at).instrument()
        work(folder)
        os._exit(0)
    os.close(out)
    with os.fdopen(into) as pipe:
        told = pipe.read().splitlines()
    return told, os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def _works(folder, *, more=False):
    engine = create_engine(f"sqlite:///{folder}/a.sqlite")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE made (n INTEGER)"))
    (folder / "fresh").write_text("x")
    if more:
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO made VALUES (1)"))
    (folder / "fresh").rename(folder / "there")
    with engine.begin() as connection:
        connection.execute(text("SELECT * FROM made"))
    os._exit(0)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_new_effect_is_a_new_step_by_itself(tmp_path):
    known, new = tmp_path / "known", tmp_path / "new"
    known.mkdir(), new.mkdir()
    before, _ = _in_a_child(known, _works)
    after, _ = _in_a_child(new, partial(_works, more=True))
    assert before == ["commit made", "make fresh", "opened fresh", "rename fresh"]
    assert after == [*before[:3], "commit made", before[3]]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_killed_before_an_effect_it_has_not_happened_and_all_before_have(tmp_path, number):
    told, killed = _in_a_child(tmp_path, _works, number)
    assert killed
    assert signal.SIGKILL == 9
    assert len(told) == number
    assert (tmp_path / "fresh").exists() == (number >= 3)
    assert not (tmp_path / "there").exists()
    if number == 3:
        assert (tmp_path / "fresh").read_text() == ""
