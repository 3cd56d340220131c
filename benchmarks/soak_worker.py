"""A life of `algosync worker`, seen from outside: its memory and handles, its log, and what it says of itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

import httpx
from prometheus_client.parser import text_string_to_metric_families
from scipy.stats import theilslopes

TICK_S = 0.05
"""So short that the moments between two jobs are seen, in which no job's memory and handles are counted."""
GROWTH = 0.03
MORE = 6
"""Handles and threads that may be under way at the quietest moment that was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A process at one moment.

    Attributes:
        round: Pushes that had ended by then.
        mb: Memory resident, in MB.
        handles: Open files, sockets and pipes.
        threads: Threads.
    """

    round: int
    mb: float
    handles: int
    threads: int


class Life:
    """One process, from its start to its end; a context that leaves none behind.

    Args:
        command: The worker, with `--json` and port 0.
        place: Where its output goes.
        number: Of this life.

    Attributes:
        samples: What was seen.
        lines: Its log.
        no_json: Lines of its log that are none.
        jobs: How many have ended, by name and outcome.
        accepted: Events, by its log.
        answers: How many answers it gave, by path and status.
        unready: How often it said that it is not ready, by reason.
    """

    def __init__(self, command: Sequence[str], place: Path, number: int) -> None:
        self.samples: list[Sample] = []
        self.lines: list[dict[str, Any]] = []
        self.no_json: list[str] = []
        self.jobs: Counter[tuple[str, str]] = Counter()
        self.accepted = 0
        self.answers: Counter[str] = Counter()
        self.unready: Counter[str] = Counter()
        self._log, said = place / f"log-{number}.jsonl", place / f"said-{number}.json"
        self._read, self._rest = 0, b""
        with self._log.open("wb") as log, said.open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=log, cwd=place)
        self._proc = Path(f"/proc/{self._process.pid}")
        self._asking = httpx.Client(timeout=60)
        while not said.read_bytes().endswith(b"}\n"):
            self.rest()
        self._asking.base_url = json.loads(said.read_bytes())["url"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._asking.close()
        self._process.kill()
        self._process.wait()

    def rest(self) -> None:
        """Lets it work for a moment."""
        try:
            code = self._process.wait(TICK_S)
        except subprocess.TimeoutExpired:
            return
        raise AssertionError(f"the worker ended by itself with {code}:\n{self._log.read_text()[-2000:]}")

    @property
    def rounds(self) -> int:
        """How many pushes have ended."""
        return sum(number for (job, _), number in self.jobs.items() if job == "push")

    def look(self) -> None:
        """Takes a sample, and reads what is new in the log."""
        self.read()
        pages = int((self._proc / "statm").read_text().split()[1])
        handles, threads = (sum(1 for _ in (self._proc / name).iterdir()) for name in ("fd", "task"))
        mb = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        self.samples.append(Sample(round=self.rounds, mb=mb, handles=handles, threads=threads))

    def read(self) -> None:
        """Reads what is new in the log; a line that a kill has cut off is none."""
        with self._log.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            try:
                said = json.loads(line)
            except ValueError:
                self.no_json.append(line.decode(errors="replace"))
                continue
            self.lines.append(said)
            if said["event"] == "job ended":
                self.jobs[said["job"], said["outcome"]] += 1
                self.accepted += said.get("accepted", 0)

    def ask(self, path: str) -> httpx.Response:
        """Asks it how it is."""
        answer = self._asking.get(path)
        self.answers[f"{path} {answer.status_code}"] += 1
        if answer.status_code == 503:
            self.unready.update(answer.json()["problems"])
        return answer

    def until(self, job: str) -> None:
        """Waits until that job runs."""
        while not self.ask("/readyz").json()["jobs"].get(job, {}).get("running"):
            self.rest()

    def end(self, how: signal.Signals, within_s: float) -> tuple[int, float]:
        """Ends it; its exit code, and how many seconds that took."""
        started = time.monotonic()
        self._process.send_signal(how)
        code = self._process.wait(within_s)
        seconds = time.monotonic() - started
        self.read()
        return code, seconds

    def agrees(self) -> bool:
        """Whether its metrics are plausible: they say what its log says, which goes on meanwhile."""
        self.read()
        jobs, accepted = Counter(self.jobs), self.accepted
        told = metrics(self.ask("/metrics").text)
        self.read()
        runs = {(labels["job"], labels["outcome"]): value for labels, value in told["algosync_job_runs_total"]}
        taken = _sum(told["algosync_events_total"], result="accepted")
        return (
            all(jobs[run] <= value <= self.jobs[run] for run, value in runs.items())
            and accepted <= taken <= self.accepted
            and _sum(told["algosync_leader"]) == 1
            and _sum(told["algosync_quarantine_rows"]) == 0
            and _sum(told["algosync_ledger_objects"], status="published") > 0
        )


def metrics(page: str) -> Mapping[str, list[tuple[Mapping[str, str], float]]]:
    """Labels and values of each metric of a page in Prometheus' text format."""
    told = defaultdict(list)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            told[sample.name].append((sample.labels, sample.value))
    return told


def _sum(told: Sequence[tuple[Mapping[str, str], float]], **wanted: str) -> float:
    return sum(value for labels, value in told if wanted.items() <= labels.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Whether a life was flat.

    Attributes:
        mb: Memory resident in each round, in MB: the least of its samples.
        growth: The likeliest growth of that over the second half of the rounds, as a share of its level.
        growth_kb: The same in each of these rounds, in KB.
        handles, threads: The fewest in the second quarter of the rounds, and in the last.
    """

    mb: tuple[float, ...]
    growth: float
    growth_kb: float
    handles: tuple[int, int]
    threads: tuple[int, int]

    @property
    def memory_is_flat(self) -> bool:
        """Whether it grows by no more than GROWTH."""
        return self.growth <= GROWTH

    @property
    def handles_are_flat(self) -> bool:
        """Whether there are no more than MORE more."""
        return self.handles[1] <= self.handles[0] + MORE

    @property
    def threads_are_flat(self) -> bool:
        """Whether there are no more than MORE more."""
        return self.threads[1] <= self.threads[0] + MORE


def judged(samples: Sequence[Sample]) -> Judged:
    """Looks at a life's samples, round by round, at what is held between jobs: what one needs while it runs is no leak.

    The growth is that of the line of Theil and Sen: what is likeliest, so that noise excuses nothing.

    Raises:
        ValueError: The life had fewer than four rounds.
    """
    rounds: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        rounds[sample.round].append(sample)
    seen = [rounds[number] for number in sorted(rounds)]
    if len(seen) < 4:
        raise ValueError(f"a life of {len(seen)} rounds is too short to be judged")
    mb = tuple(min(sample.mb for sample in each) for each in seen)
    half, quarter = mb[len(mb) // 2 :], len(seen) // 4
    slope = float(theilslopes(half).slope)
    second, last = (
        [sample for each in part for sample in each] for part in (seen[quarter : 2 * quarter], seen[-quarter:])
    )
    return Judged(
        mb=mb,
        growth=slope * (len(half) - 1) / median(half),
        growth_kb=slope * 1000,
        handles=(min(sample.handles for sample in second), min(sample.handles for sample in last)),
        threads=(min(sample.threads for sample in second), min(sample.threads for sample in last)),
    )
