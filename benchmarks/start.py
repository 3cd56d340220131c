"""`algosync --help` within 0.3 s of CPU, since a command line that dawdles is not used.

Read it against `python -c pass`, the floor of any Python program, and against importing the whole of what a run needs,
which the command line must put off until it is needed. CPU seconds of 5 processes, one after the other.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from measure import Benchmark, Clock, Median, Outcome, Variant

TIMES = 5
TARGET_S = 0.3


def _command(*command: str) -> Variant:
    def variant(_place: Path, _scale: float) -> Outcome:
        subprocess.run(command, check=True, capture_output=True)  # bytecode is compiled by now
        before, started = _children(), perf_counter()
        for _ in range(TIMES):
            subprocess.run(command, check=True, capture_output=True)
        wall, cpu = perf_counter() - started, _children() - before
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        return Outcome(clock=Clock(cpu=cpu / TIMES, wall=wall / TIMES), units=1, peak_mb=peak)

    return variant


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _target(medians: Mapping[str, Median]) -> tuple[str, bool]:
    cpu = medians["algosync --help"].cpu
    return f"--help takes {cpu:.2f} s of CPU, at most {TARGET_S} is allowed", cpu <= TARGET_S


BENCHMARK = Benchmark(
    name="start",
    title="how long the command line takes to answer",
    unit="starts",
    variants={
        "python -c pass": _command(sys.executable, "-c", "pass"),
        "algosync --help": _command(str(Path(sys.executable).with_name("algosync")), "--help"),
        "import algosync.runtime.commands": _command(sys.executable, "-c", "import algosync.runtime.commands"),
    },
    target=_target,
)
