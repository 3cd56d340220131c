"""The whole fault matrix, printed as the README shows it: `python tests/faults/run.py --all`, or `make faults`.

Without `--all` every step that any fault brings about is covered once, under one fault or another in turn.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from algosync.mock.server import MockServer
from tests.conftest import copying_databases, running_postgresql
from tests.faults.driver import Zygote
from tests.faults.matrix import FAULTS, SCENARIOS, Bench, Case, Databases, spread


def cases(bench: Bench, *, whole: bool, faults: Iterable[str], every: int = 1) -> Iterator[Case]:
    """Case by case: all steps under all faults, or each step once; of these every so many."""
    faults = tuple(faults)
    if whole:
        for fault in faults:
            yield bench.case(fault, None)
            for step in bench.steps(fault)[::every]:
                yield bench.case(fault, step)
    else:
        yield from (bench.case(fault, step) for fault, step in spread(bench, faults, every))


def table(found: Mapping[tuple[str, str], list[Case]], minimum: Mapping[tuple[str, str], int]) -> str:
    """One row for each scenario, database and fault."""
    head = (
        "scenario",
        "database",
        "fault",
        "cases",
        "same end",
        "runs, most",
        "operations: least needed",
        "mean",
        "most",
    )
    rows = [head, tuple("---" for _ in head)]
    for (scenario, database), every in found.items():
        for fault in FAULTS:
            those = [case for case in every if case.fault == fault]
            if those:
                sent = [case.operations for case in those]
                same = sum(not case.differs for case in those)
                least = minimum[scenario, database]
                figures = (len(those), same, max(case.runs for case in those), least, f"{mean(sent):.1f}", max(sent))
                rows.append((SCENARIOS[scenario].title, database, fault, *map(str, figures)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@contextmanager
def databases(name: str) -> Iterator[Databases | None]:
    """What makes databases; nothing for SQLite."""
    with running_postgresql() if name == "postgresql" else nullcontext("") as server:
        yield copying_databases(server) if server else None


def run(options: argparse.Namespace) -> int:
    """Runs it all, tells as it goes, prints the table; 1 where any case ended otherwise."""
    found: dict[tuple[str, str], list[Case]] = {}
    minimum: dict[tuple[str, str], int] = {}
    with TemporaryDirectory(prefix="faults-") as place, MockServer() as server, Zygote(Path(place) / "log") as zygote:
        for database in options.database:
            with databases(database) as made:
                for scenario in options.scenario:
                    key = scenario, database
                    bench = Bench(SCENARIOS[scenario], Path(place) / "-".join(key), server, zygote, made)
                    minimum[key] = bench.minimum
                    for case in cases(bench, whole=options.all, faults=options.fault, every=options.every):
                        found.setdefault(key, []).append(case)
                        _tell(key, case, options)
    print(table(found, minimum))  # noqa: T201
    return int(any(case.differs for every in found.values() for case in every))


def _tell(key: tuple[str, str], case: Case, options: argparse.Namespace) -> None:
    name = "undisturbed" if case.step is None else f"killed before {case.step.name} ({case.step.turn})"
    line = f"{'-'.join(key)} {case.fault}: {name}: {case.runs} runs, {case.operations} operations"
    if case.differs or options.verbose:
        print(line, *case.differs, sep="\n  ", file=sys.stderr, flush=True)  # noqa: T201


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="every step under every fault")
    parser.add_argument("--database", action="append", choices=["sqlite", "postgresql"])
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS))
    parser.add_argument("--fault", action="append", choices=list(FAULTS))
    parser.add_argument("--every", type=int, default=1, help="of the cases every so many")
    parser.add_argument("--verbose", action="store_true")
    made: Any = parser.parse_args(arguments)
    made.database = made.database or ["sqlite", "postgresql"]
    made.scenario = made.scenario or list(SCENARIOS)
    made.fault = made.fault or list(FAULTS)
    return made


if __name__ == "__main__":
    sys.exit(run(options()))
