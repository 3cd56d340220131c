"""The fault matrix: crash at each step of a command, under each fault, then the command again until it is done.

A step is an effect that outlives the process, see effects.py; the same effect several times in a row is one step. Each
case must end as the undisturbed run did: the same at Algolia, in the ledger, the log and the snapshot; and whoever is
told by webhook has heard the same, each of it under one id.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import create_engine, text

from algosync.mock.algolia import MockAlgolia
from algosync.mock.server import MockServer
from tests.e2e.conftest import NOW, Shop

from .driver import Ended, Zygote
from .receiver import SECRET, Receiver
from .shops import SCENARIOS, Scenario, furnished

FAULTS: dict[str, tuple[str, ...]] = {
    "none": (),
    "429": ("write:every2:x2:429", "read:every7:x2:429"),
    "500": ("write:every2:x2:500", "read:every7:x2:500"),
    "503": ("write:every2:x2:503", "read:every7:x2:503"),
    "lost": ("write:every2:x2:lost", "read:every7:x2:lost"),
    "reset": ("write:every2:x2:reset", "read:every7:x2:reset"),
    "truncated": ("write:every2:x2:truncated", "read:every7:x2:truncated"),
    "unpublished": ("write:every2:x2:unpublished",),
    "oversize": ("batch:every2:x2:oversize",),
}
RUNS_MAX = 8
LIFTED_AFTER = 2

Databases = Callable[[str | None], str]
"""Makes a database, empty or as a copy of the one of this address, and gives its address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An effect before which a process is killed.

    Attributes:
        number: Of the effect, from 1.
        name: What it is.
        turn: Which of the steps of this name it is, from 1.
    """

    number: int
    name: str
    turn: int

    @property
    def key(self) -> tuple[str, int]:
        """Tells it from other steps, whatever the fault."""
        return self.name, self.turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What came of one case.

    Attributes:
        fault: The fault.
        step: The step before which the process was killed; None for a run that was not.
        runs: How many runs it took, with the one that was killed.
        operations: That Algolia took.
        differs: Where the end is not that of the undisturbed run; empty where all is well.
    """

    fault: str
    step: Step | None
    runs: int
    operations: int
    differs: tuple[str, ...] = ()


class Bench:
    """One scenario on one database.

    Args:
        scenario: What is done.
        folder: A folder of its own.
        server: The mock; what it serves is replaced.
        zygote: Forks the processes.
        databases: For PostgreSQL; None for SQLite.
        receiver: Is told by webhook.

    Attributes:
        minimum: The operations of the undisturbed run.
    """

    def __init__(
        self,
        scenario: Scenario,
        folder: Path,
        server: MockServer,
        zygote: Zygote,
        databases: Databases | None = None,
        *,
        receiver: Receiver,
    ) -> None:
        self.scenario, self.server, self.zygote, self.databases = scenario, server, zygote, databases
        self.receiver = receiver
        self._live, self._kept = folder / "live", folder / "kept"
        self._wanted: dict[str, Any] = {}
        self._listed: dict[str, list[Step]] = {}
        self._shop, self._given = self._furnished(here=True)
        for run in range(2):
            self._do(run, here=True)
        self._shop, self._given = self._furnished()
        self._url = self._shop.settings["state"]["url"]
        self._there = self.server.algolia.snapshot()
        shutil.copytree(self._live, self._kept)
        undisturbed = self.case("none", None)
        assert not undisturbed.differs, undisturbed
        self.minimum = undisturbed.operations
        self._wanted = self._state()

    def _furnished(self, *, here: bool = False) -> tuple[Shop, Mapping[str, Any]]:
        """The shop as it is before the scenario's command, and what that is given."""
        shutil.rmtree(self._live, ignore_errors=True)
        self._live.mkdir(parents=True)
        self.server.algolia = MockAlgolia()
        self.receiver.reset(fails=False)
        url = self.databases(None) if self.databases else "sqlite"
        settings = {**self.scenario.settings, "state": {"url": url}}
        if self.scenario.told:
            on = ["entered:*", "left:*"]
            settings["webhooks"] = [{"name": "crm", "url": self.receiver.url, "on": on, "secret": SECRET}]
        shop = furnished(self._live, self.server, **settings)
        given = self.scenario.before(shop, partial(self._run, run=0, here=here))
        return shop, {**self.scenario.given, **given}

    def _run(self, do: str, run: int, kill_at: int | None = None, *, here: bool = False, **given: Any) -> Ended:
        now = (NOW + run * timedelta(minutes=5)).isoformat()
        return self.zygote.run(do, self._live / "algosync.toml", now, kill_at=kill_at, here=here, **given)

    def reset(self) -> None:
        """Puts everything back to before the scenario's command."""
        shutil.rmtree(self._live)
        shutil.copytree(self._kept, self._live)
        if self.databases:
            self._shop.configure(state={"url": self.databases(self._url)})
        self.server.algolia = MockAlgolia()
        self.server.algolia.restore(self._there)
        self.receiver.reset()

    def steps(self, fault: str) -> list[Step]:
        """The steps of the first run under a fault."""
        if fault not in self._listed:
            self._listed[fault] = self._found(fault)
        return self._listed[fault]

    def _found(self, fault: str) -> list[Step]:
        self.reset()
        self.server.algolia.faults.put(list(FAULTS[fault]))
        found: list[Step] = []
        turns: dict[str, int] = {}
        before = None
        for number, name in enumerate(self._do(0).effects, start=1):
            if name != before:
                turns[name] = turns.get(name, 0) + 1
                found.append(Step(number=number, name=name, turn=turns[name]))
            before = name
        return found

    def _do(self, run: int, kill_at: int | None = None, *, here: bool = False) -> Ended:
        return self._run(self.scenario.do, run + 1, kill_at, here=here, **self._given)

    def case(self, fault: str, step: Step | None) -> Case:
        """Kills a run under a fault before a step, and runs again until nothing is left to do."""
        self.reset()
        algolia = self.server.algolia
        algolia.faults.put(list(FAULTS[fault]))
        trouble: list[str] = []
        runs = 0
        if step is not None:
            ended, runs = self._do(0, step.number), 1
            if not ended.killed or ended.effects[-1] != step.name:
                trouble.append(f"step {step.number} was not {step.name}, but {ended.effects[-1]}")
        while runs < RUNS_MAX:
            if runs == LIFTED_AFTER:
                algolia.faults.clear()
            ended, runs = self._do(runs), runs + 1
            if ended.action == "stop":
                trouble.append(f"run {runs} stopped: {ended.failed}")
            if self._finished(ended):
                if not (refused := self._rows("SELECT object_id FROM refused")):
                    break
                algolia.faults.clear()
                self._run("retry", runs + 1)
                assert fault == "oversize", refused
        else:
            trouble.append(f"not done after {runs} runs: {ended.failed or ended.done.get('pushed')}")
        algolia.faults.clear()
        operations = sum(algolia.operations.values())
        return Case(fault=fault, step=step, runs=runs, operations=operations, differs=(*trouble, *self._differences()))

    def _finished(self, ended: Ended) -> bool:
        if ended.failed is not None or self._rows("SELECT object_id FROM ledger WHERE status != 'published'"):
            return False
        if self._rows("SELECT id FROM deliveries WHERE status IN ('pending', 'waiting')"):
            return False
        return self.scenario.ended(ended.done)

    def _differences(self) -> Iterator[str]:
        is_now = self._state()
        for name, wanted in self._wanted.items():
            if is_now[name] != wanted:
                yield f"{name}: {_difference(wanted, is_now[name])}"

    def _state(self) -> dict[str, Any]:
        """All that must be the same, however it came about."""
        content = orjson.loads(orjson.dumps(self.server.algolia.content(), option=orjson.OPT_SORT_KEYS))
        return {
            "algolia": content,
            "ledger": self._rows('SELECT "index", family, object_id, hash, wanted, status FROM ledger'),
            "log": self._rows("SELECT kind, sum(rows) FROM segments GROUP BY kind"),
            "files": sorted(p.name for p in (self._live / "state" / "results").glob("*")),
            "people": self._rows("SELECT person, doc FROM people", "snapshot"),
            "members": self._rows("SELECT person, segment, left_at IS NULL FROM memberships", "snapshot"),
            "deliveries": self._rows("SELECT kind, target, status FROM deliveries"),
            "told": self.receiver.heard(),
        }

    def _rows(self, query: str, book: str = "state") -> list[list[Any]]:
        url = self._shop.settings["state"]["url"]
        engine = create_engine(f"sqlite:///{self._live}/state/{book}.sqlite" if url == "sqlite" else url)
        with engine.connect() as connection:
            rows = sorted((list(row) for row in connection.execute(text(query))), key=str)
        engine.dispose()
        return rows


def _difference(wanted: Any, found: Any) -> str:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted({*wanted, *found}):
            if wanted.get(key) != found.get(key):
                return f"{key} › {_difference(wanted.get(key), found.get(key))}"
    if isinstance(wanted, list) and isinstance(found, list):
        missing = [row for row in wanted if row not in found]
        more = [row for row in found if row not in wanted]
        return f"missing {missing[:2]}, more {more[:2]}"
    return f"{str(wanted)[:200]} is now {str(found)[:200]}"


def spread(bench: Bench, faults: Sequence[str], every: int = 1) -> list[tuple[str, Step]]:
    """Every step that any of the faults brings about, each once, under one fault or another in turn."""
    listed = {fault: {step.key: step for step in bench.steps(fault)} for fault in faults}
    chosen: list[tuple[str, Step]] = []
    keys = list(dict.fromkeys(key for steps in listed.values() for key in steps))
    for place, key in enumerate(keys[::every]):
        under = [fault for fault in faults if key in listed[fault]]
        fault = under[place % len(under)]
        chosen.append((fault, listed[fault][key]))
    return chosen


__all__ = ["FAULTS", "SCENARIOS", "Bench", "Case", "Step", "spread"]
