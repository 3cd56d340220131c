"""A part of the fault matrix: every step once on SQLite, a sample on PostgreSQL, every fault on either."""

from __future__ import annotations

import os
import signal
from functools import partial

import pytest
from sqlalchemy import create_engine, text

from .effects import Effects
from .matrix import FAULTS, SCENARIOS, Bench, spread

pytestmark = pytest.mark.e2e


def _told(case):
    return f"{case.fault}, killed before {case.step and case.step.name}: {case.differs}"


@pytest.mark.parametrize("half", [0, 1])
def test_every_step_of_a_first_sync(zygote, server, tmp_path, half):
    """Each under no fault, or where answers are lost; the two halves together are all steps."""
    bench = Bench(SCENARIOS["first"], tmp_path, server, zygote)
    steps = spread(bench, ["none", "lost"])
    cases = [bench.case(fault, step) for fault, step in steps[half::2]]
    assert [_told(case) for case in cases if case.differs] == []
    kinds = {step.name.split()[0] for _, step in steps}
    assert {"commit", "request", "mkdir", "write", "half", "rename", "sync"} <= kinds
    assert {case.operations for case in cases} == {bench.minimum}


@pytest.mark.parametrize("scenario", ["next", "forget"])
def test_every_fault(zygote, server, tmp_path, scenario):
    """What is sent is killed under each fault; the rest of the way is that of a first sync."""
    bench = Bench(SCENARIOS[scenario], tmp_path, server, zygote)
    faults = FAULTS if scenario == "next" else ("none", "503", "lost")
    cases = [bench.case(fault, None) for fault in faults]
    writes = ("request POST", "request DELETE", "commit")
    sending = [step for step in bench.steps("none") if step.name.startswith(writes)]
    for place, step in enumerate(sending[::4]):
        cases.append(bench.case("none", step) if place % 2 else _under(bench, step, place))
    assert [_told(case) for case in cases if case.differs] == []


def _under(bench, step, place):
    fault = ("lost", "503", "truncated")[place % 3]
    there = {found.key: found for found in bench.steps(fault)}
    return bench.case(fault, there[step.key]) if step.key in there else bench.case("none", step)


def test_on_postgresql(zygote, server, tmp_path, postgresql_server):
    from tests.conftest import copying_databases

    bench = Bench(SCENARIOS["next"], tmp_path, server, zygote, copying_databases(postgresql_server))
    steps = [step for step in bench.steps("lost") if step.name.startswith(("commit", "request POST"))]
    cases = [bench.case("lost", step) for step in steps[::4]]
    assert [_told(case) for case in cases if case.differs] == []


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
