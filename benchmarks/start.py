"""`algosync --help` within 0.3 s of CPU, since a command line that dawdles is not used; `algosync serve` within 1 s.

Read them against `python -c pass`, the floor of any Python program, and against importing the whole of what a run
needs, which the command line and the API must put off until it is needed. The API is stopped when it has first answered
`/healthz`, with no state yet and the configuration's segments and actions. CPU seconds of 5 processes, one after the
other.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from urllib.request import urlopen

from measure import Benchmark, Clock, Median, Outcome, Variant
from serve_data import write_settings

TIMES = 5
HELP, SERVE = "algosync --help", "algosync serve"
TARGETS_S = {HELP: 0.3, SERVE: 1.0}
ALGOSYNC = str(Path(sys.executable).with_name("algosync"))
KEY = """
[serve]
admin_key = "a key for benchmarks, and for nothing else"
"""


def _times(start: Callable[[Path], object]) -> Variant:
    def variant(place: Path, _scale: float) -> Outcome:
        start(place)  # bytecode is compiled by now
        before, started = _children(), perf_counter()
        for _ in range(TIMES):
            start(place)
        wall, cpu = perf_counter() - started, _children() - before
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        return Outcome(clock=Clock(cpu=cpu / TIMES, wall=wall / TIMES), units=1, peak_mb=peak)

    return variant


def _command(*command: str) -> Variant:
    return _times(lambda _place: subprocess.run(command, check=True, capture_output=True))


def _serve(place: Path) -> None:
    command = [ALGOSYNC, "serve", "--json", "--port", "0", "--config", str(place / "algosync.toml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            text = b""
            for line in server.stdout or ():
                text += line
                if line.rstrip() == b"}":
                    break
            with urlopen(f"{json.loads(text)['url']}/healthz") as answer:
                answer.read()
        finally:
            server.kill()


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _prepare(place: Path, _scale: float) -> None:
    write_settings(place, KEY)


def _target(medians: Mapping[str, Median]) -> tuple[str, bool]:
    told = [
        f"{name} takes {medians[name].cpu:.2f} s of CPU, at most {most} is allowed" for name, most in TARGETS_S.items()
    ]
    return "; ".join(told), all(medians[name].cpu <= most for name, most in TARGETS_S.items())


BENCHMARK = Benchmark(
    name="start",
    title="how long the command line takes to answer, and the API",
    unit="starts",
    variants={
        "python -c pass": _command(sys.executable, "-c", "pass"),
        HELP: _command(ALGOSYNC, "--help"),
        SERVE: _times(_serve),
        "import algosync.runtime.commands": _command(sys.executable, "-c", "import algosync.runtime.commands"),
    },
    target=_target,
    prepare=_prepare,
)
