"""A short soak of the worker, and what makes a long one fail: memory, handles or threads that are not given back."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from algosync.mock.recorder import RecordedRequest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SOAK = BENCHMARKS / "soak.py"


@pytest.fixture(scope="module")
def worker() -> Any:
    """The module that judges."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield import_module("soak_worker")


@pytest.fixture
def tap() -> Any:
    """Counts what is asked of the mock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return import_module("soak").Tap()


@pytest.fixture
def life(worker: Any) -> Callable[..., Any]:
    """Judges a life of a hundred rounds of ten samples each, which hold 400 MB, noise, and what has leaked so far."""

    def judge(mb: float = 0, handles: float = 0, threads: float = 0, rounds: int = 100) -> Any:
        noise = random.Random(5)
        warm = [1 - 0.5 ** (number + 1) for number in range(rounds)]
        return worker.judged(
            [
                worker.Sample(
                    round=number,
                    mb=400 * warm[number] + mb * number + noise.gauss(0, 4) + noise.choice((0, 0, 60)),
                    handles=int(20 + handles * number) + noise.choice((0, 6, 100)),
                    threads=int(9 + threads * number) + noise.choice((0, 18)),
                )
                for number in range(rounds)
                for _ in range(10)
            ]
        )

    return judge


def test_a_life_is_flat_that_warms_up_and_needs_much_in_between(life: Callable[..., Any]) -> None:
    found = life()
    assert found.memory_is_flat
    assert found.handles_are_flat
    assert found.threads_are_flat


@pytest.mark.parametrize("mb", [0.4, 1.4, 20])
def test_memory_that_leaks_within_its_noise_is_not_flat(life: Callable[..., Any], mb: float) -> None:
    found = life(mb=mb)
    assert not found.memory_is_flat
    assert found.growth == pytest.approx(mb * 49 / (400 + mb * 75), rel=0.2)
    assert found.growth_kb == pytest.approx(mb * 1000, rel=0.2)
    assert found.handles_are_flat


@pytest.mark.parametrize("rounds", [60, 150, 1000])
def test_200_kb_that_each_of_four_jobs_leaves_in_a_round_are_found(life: Callable[..., Any], rounds: int) -> None:
    assert not life(mb=0.8, rounds=rounds).memory_is_flat


def test_a_handle_or_a_thread_that_is_left_every_fifth_round_is_found(life: Callable[..., Any]) -> None:
    assert not life(handles=0.2).handles_are_flat
    assert not life(threads=0.2).threads_are_flat
    assert life(handles=0.2).threads_are_flat


def test_too_short_a_life_is_not_judged(life: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="a life of 3 rounds is too short"):
        life(rounds=3)


def test_what_is_done_twice_is_counted_by_what_befell_the_first(tap: Any) -> None:
    def write(name: str, value: int, status: int = 200, fault: str | None = None, key: str = "mock-write") -> None:
        body = {"requests": [{"action": "updateObject", "body": {"objectID": name, "value": value}}]}
        path = "/1/indexes/products/batch"
        tap.append(
            RecordedRequest(
                operation="batch",
                method="POST",
                path=path,
                key=key,
                status=status,
                body=json.dumps(body).encode(),
                fault=fault,
            )
        )

    write("lost", 1, fault="lost")
    write("lost", 1)
    write("lost", 1)
    write("refused", 1, status=503, fault="503")
    write("refused", 1)
    write("changed", 1, fault="truncated")
    write("changed", 2)
    write("replaced", 1)
    write("replaced", 3, key="mock-admin")
    write("replaced", 1)

    assert tap.repeated == {"lost": 1, "none": 1}
    assert tap.struck == {"lost": 1, "503": 1, "truncated": 1}


@pytest.mark.soak
def test_nothing_is_lost_and_no_handle_stays_open(tmp_path: Path) -> None:
    command = [sys.executable, str(SOAK), "--rounds", "8", "--kills", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    broken = {promise for promise, kept in found["kept"].items() if not kept}
    assert broken <= {"memory is flat"}, found  # which eight rounds are too few for: all is still warming up
    assert sum(found["requests to Algolia, and those that failed"][1].values()) > 0
    assert sum(found["requests to the API of events, and those that failed"][1].values()) > 0
