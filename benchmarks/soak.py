"""The worker for as long as one likes: `python benchmarks/soak.py --minutes 30`, or `--rounds 12`.

One worker in a process of its own does its jobs without pauses against a mock that fails now and then, while events
flow in and the shop's feed overwrites products. Round by round its memory (resident, MB), open file handles and threads
are noted. In the end the faults are lifted, and what is at Algolia must be what the ledger says and the plan wants,
every event must be in the log, and memory and handles must be flat: the growth over the second half, at the least that
its 95 % confidence allows, is no more than 2 % of the memory and no handle. Exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import linear_regression
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

FAULTS = ("write:12%:503", "write:10%:lost", "write:8%:429=0", "write:8%:truncated", "read:1%:reset", "read:1%:500")
JOBS = ("pull", "push", "catalog", "related", "push", "verify", "retention")
GROWTH = 0.02


def child(config: Path) -> None:
    """The worker: a round of jobs for each line that comes, answered with how it is."""
    import gc

    from algosync.cli.run_worker import log_json
    from algosync.runtime.stopping import Stopping
    from algosync.runtime.working import Worker
    from algosync.settings.load import load

    log_json(verbose=False)
    page = os.sysconf("SC_PAGE_SIZE")
    with Worker(load(config), config.parent, Stopping(20)) as worker, worker.leading(0):
        known = worker._jobs
        for line in sys.stdin:
            names = [name for name in json.loads(line) if name in known]
            outcomes = [(name, ended.outcome, ended.error) for name in names for ended in [worker.run(name)]]
            gc.collect()
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * page / 1e6
            about = {"mb": resident, "handles": _entries("/proc/self/fd"), "jobs": outcomes}
            print(json.dumps(about | {"threads": _entries("/proc/self/task")}), flush=True)


def _entries(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


def slope(values: Sequence[float]) -> tuple[float, float]:
    """Growth of a value a round over the second half of the rounds, and half the width of its 95 % confidence."""
    half = list(values[len(values) // 2 :])
    rounds = list(range(len(half)))
    if len(half) < 3:
        return 0.0, float("inf")
    found = linear_regression(rounds, half)
    middle = sum(rounds) / len(rounds)
    left = sum((y - found.intercept - found.slope * x) ** 2 for x, y in zip(rounds, half, strict=True))
    error = (left / (len(half) - 2) / sum((x - middle) ** 2 for x in rounds)) ** 0.5
    return found.slope, 1.96 * error


def grown(values: Sequence[float]) -> float:
    """Growth over the second half, at the least that the confidence allows."""
    per_round, error = slope(values)
    return (per_round - error) * (len(values) - len(values) // 2)


def soak(minutes: float, rounds: int | None, say: Any = print) -> dict[str, Any]:
    """Runs it, and says what came of it."""
    from algosync.mock.server import MockServer
    from tests.e2e.conftest import VISITS
    from tests.faults.shops import SOLD, furnished

    found: list[dict[str, Any]] = []
    sent = 0
    with tempfile.TemporaryDirectory(prefix="soak-") as place, MockServer() as server:
        folder = Path(place) / "shop"
        folder.mkdir()
        shop = furnished(folder, server, schedule={"jitter_seconds": 0})
        server.algolia.faults.put({"seed": 7, "faults": list(FAULTS)})
        strikes: Counter[str] = Counter()
        ends = time.monotonic() + minutes * 60
        log = (Path(place) / "log").open("wb")
        command = [sys.executable, __file__, "--child", str(shop.config)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None

            def one(jobs: Sequence[str]) -> dict[str, Any]:
                process.stdin.write(json.dumps(jobs) + "\n")
                process.stdin.flush()
                told: dict[str, Any] = json.loads(process.stdout.readline())
                return told

            while len(found) < rounds if rounds is not None else time.monotonic() < ends:
                number = len(found)
                visit = VISITS[number % len(VISITS)]
                shop.events([{**visit, "who": f"{visit['who']}-{number % 40}", "session": f"s{number}"}])
                sent += 1
                if number % 5 == 4:
                    server.algolia.faults.put({"seed": number, "faults": []})
                    shop.feed([SOLD[number % len(SOLD)]])  # the shop's own feed is no part of what is shown
                    server.algolia.faults.put({"seed": number, "faults": list(FAULTS)})
                found.append(one(JOBS))
                strikes.update(strike.kind for strike in server.algolia.faults.strikes)
                server.algolia.faults.strikes.clear()
            server.algolia.faults.clear()
            lasts = [one(("catalog", "pull", "related", "push")) for _ in range(3)]
            process.stdin.close()
        log.close()
        held = shop.runtime().status()["log"]["events"]
        lines = len((shop.folder / "events.jsonl").read_bytes().splitlines())
        plan = shop.runtime().sync(dry_run=True).document()["plan"]
        drift = dict(shop.runtime().verify(confirm=lambda _: False).document()["found"])
        drift.pop("foreign")  # the shop's own record, where algosync has its payloads
    outcomes = Counter(f"{name} {outcome}" for each in found for name, outcome, _ in each["jobs"])
    memory, handles = [each["mb"] for each in found], [each["handles"] for each in found]
    summary = {
        "rounds": len(found),
        "jobs": dict(sorted(outcomes.items())),
        "faults met": dict(sorted(strikes.items())),
        "events while it ran": sent,
        "events in the source, and in the log": [lines, held],
        "operations left": plan["operations"],
        "drift": drift,
        "delivered": held == lines and plan["operations"] == 0 and not any(drift.values()),
        "last": lasts[-1]["jobs"],
        "memory MB": {"first": memory[0], "middle": memory[len(memory) // 2], "last": memory[-1]},
        "memory MB a round, second half": slope(memory),
        "handles": {"most, first half": max(handles[: len(handles) // 2 + 1]), "most, second half": max(handles)},
        "handles a round, second half": slope(handles),
        "threads": found[-1]["threads"],
        "flat": grown(memory) <= GROWTH * memory[-1] and grown(handles) < 1,
    }
    say(json.dumps(summary, indent=1, default=str))
    return summary


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rounds", type=int, help="so many rounds, however long they take")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return 0
    summary = soak(given.minutes, given.rounds)
    return 0 if summary["flat"] and summary["delivered"] else 1


if __name__ == "__main__":
    sys.exit(main())
