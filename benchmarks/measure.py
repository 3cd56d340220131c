"""How a variant is measured: in a process of its own, by CPU seconds, wall seconds and peak memory.

CPU seconds hold on a busy machine, wall seconds do not; so ratios are those of CPU seconds unless a benchmark says
otherwise. Imports and preparation happen before the clock starts.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any


@dataclass(slots=True)
class Clock:
    """What one block of work took."""

    cpu: float = 0.0
    wall: float = 0.0


@contextmanager
def timed() -> Iterator[Clock]:
    """Time a block: CPU seconds of this process with all its threads, and wall seconds."""
    clock = Clock()
    before, started = _cpu(), perf_counter()
    yield clock
    clock.wall = perf_counter() - started
    clock.cpu = _cpu() - before


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a variant did.

    Attributes:
        clock: What it took.
        units: How many things were worked on.
        result: What came out, in a form that can be compared; None where there is nothing to compare.
        peak_mb: Peak memory, where it is not that of the measuring process.
        p99_ms: The 99th percentile of single latencies, where these were measured.
    """

    clock: Clock
    units: int
    result: Any = None
    peak_mb: float | None = None
    p99_ms: float = 0.0


Variant = Callable[[Path, float], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One question, its variants, and the answer hoped for.

    Attributes:
        name: What it is called on the command line.
        title: What is compared.
        unit: What is counted.
        variants: By name; the first is what the others are compared with.
        target: A sentence and whether the medians fulfil it.
        runs: How often each variant runs.
        prepare: Writes what the variants read; may leave what is there already.
        missing: Why it cannot run here, or None.
    """

    name: str
    title: str
    unit: str
    variants: Mapping[str, Variant]
    target: Callable[[Mapping[str, Median]], tuple[str, bool]] | None = None
    runs: int = 3
    prepare: Callable[[Path, float], None] = field(default=lambda _place, _scale: None)
    missing: Callable[[], str | None] = field(default=lambda: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Median:
    """The middle of several runs of one variant; `rate` is units per wall second."""

    cpu: float
    wall: float
    peak_mb: float
    units: int
    p99_ms: float = 0.0

    @property
    def rate(self) -> float:
        """Units per wall second."""
        return self.units / self.wall if self.wall else 0.0


def peak_mb() -> float:
    """The most memory this process ever held, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage counts what the parent held before the program started
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
