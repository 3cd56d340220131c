"""The fault matrix, printed as the README shows it: `python tests/faults/run.py --all`, or `make faults`.

It covers every step by itself, and every fourth under each fault, others under each, so that two faults or more meet
each step; `--every 1` covers every step under every fault. Without `--all` every step that any fault brings about is
covered once, under one fault or another in turn.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from algosync.mock.server import MockServer
from tests.conftest import copying_databases, running_postgresql
from tests.faults.driver import Zygote
from tests.faults.matrix import FAULTS, SCENARIOS, Bench, Case, Databases, spread
from tests.faults.receiver import receiving

Key = tuple[str, str]
"""A scenario and a database."""
Found = dict[Key, tuple[int, list[Case]]]
"""What came of each: the fewest operations, and the cases."""
TOLD_EVERY = 25
"""Cases of a scenario."""
HEAD = (
    *("scenario", "database", "fault", "cases", "same end", "runs, most"),
    *("operations: least needed", "mean", "most"),
)


def cases(bench: Bench, options: argparse.Namespace) -> Iterator[Case]:
    """Case by case: steps under these faults, every so many of them, or each step once.

    Other steps under each fault, so that together they are all; four times as many where nothing but the crash happens.
    """
    if options.all:
        for place, fault in enumerate(FAULTS):
            if fault in options.fault:
                every = options.every if fault != "none" else max(1, options.every // 4)
                yield bench.case(fault, None)
                for step in bench.steps(fault)[place % every :: every]:
                    yield bench.case(fault, step)
    else:
        yield from (bench.case(fault, step) for fault, step in spread(bench, options.fault, options.every))


def table(found: Found, *, condensed: bool = False) -> str:
    """One row for each scenario, database and fault; or for each scenario and database, with the worst of each."""
    rows = [HEAD, tuple("---" for _ in HEAD)]
    for (scenario, database), (least, every) in found.items():
        by_fault: dict[str, list[Case]] = defaultdict(list)
        for case in every:
            by_fault["all" if condensed else case.fault].append(case)
        for fault in ["all"] if condensed else [fault for fault in FAULTS if fault in by_fault]:
            those = by_fault[fault]
            sent = [case.operations for case in those]
            same = sum(not case.differs for case in those)
            figures = (len(those), same, max(case.runs for case in those), least, f"{mean(sent):.1f}", max(sent))
            rows.append((SCENARIOS[scenario].title, database, fault, *map(str, figures)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@contextmanager
def databases(name: str) -> Iterator[Databases | None]:
    """What makes databases; nothing for SQLite."""
    with running_postgresql() if name == "postgresql" else nullcontext("") as server:
        yield copying_databases(server) if server else None


def unit(options: argparse.Namespace, key: Key) -> tuple[Key, int, list[Case]]:
    """One scenario on one database: the fewest operations, and the cases."""
    scenario, database = key
    found: list[Case] = []
    with (
        TemporaryDirectory(prefix="faults-") as place,
        MockServer() as server,
        Zygote(Path(place) / "log") as zygote,
        receiving() as receiver,
        databases(database) as made,
    ):
        bench = Bench(SCENARIOS[scenario], Path(place) / "shop", server, zygote, made, receiver=receiver)
        for case in cases(bench, options):
            found.append(case)
            _tell(key, found, options)
    return key, bench.minimum, found


def run(options: argparse.Namespace) -> int:
    """Runs it all, tells as it goes, prints the table; 1 where any case ended otherwise."""
    keys = [(scenario, database) for database in options.database for scenario in options.scenario]
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        found = {key: (least, every) for key, least, every in pool.map(partial(unit, options), keys)}
    print(table(found, condensed=options.condensed))  # noqa: T201
    return int(any(case.differs for _, every in found.values() for case in every))


def _tell(key: Key, found: list[Case], options: argparse.Namespace) -> None:
    case = found[-1]
    name = "undisturbed" if case.step is None else f"killed before {case.step.name} ({case.step.turn})"
    lines = []
    if case.differs or options.verbose:
        lines.append(f"{'-'.join(key)} {case.fault}: {name}: {case.runs} runs, {case.operations} operations")
        lines.extend(f"  {difference}" for difference in case.differs)
    if len(found) % TOLD_EVERY == 0:
        lines.append(f"{'-'.join(key)}: {len(found)} cases, {sum(not one.differs for one in found)} with the same end")
    if lines:
        print(*lines, sep="\n", file=sys.stderr, flush=True)  # noqa: T201


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="every step under every fault")
    parser.add_argument("--database", action="append", choices=["sqlite", "postgresql"])
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS))
    parser.add_argument("--fault", action="append", choices=list(FAULTS))
    parser.add_argument("--every", type=int, help="of the steps every so many; 4 with --all, otherwise 1")
    parser.add_argument("--jobs", type=int, default=2, help="scenarios at once, each with databases of its own")
    parser.add_argument("--condensed", action="store_true", help="a row for each scenario and database")
    parser.add_argument("--verbose", action="store_true")
    made: Any = parser.parse_args(arguments)
    made.database = made.database or ["sqlite", "postgresql"]
    made.scenario = made.scenario or list(SCENARIOS)
    made.fault = made.fault or list(FAULTS)
    made.every = made.every or (4 if made.all else 1)
    return made


if __name__ == "__main__":
    sys.exit(run(options()))
