"""Drives a zygote: commands in processes of their own, killed at any of their effects."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended.

    Attributes:
        effects: What it did, in order; the last is what it was killed before, if it was.
        killed: Whether it was.
        done: Its report.
        failed: Its error; `action` is what the error advises.
        hash: Of the plan that the brake stopped.
        seconds: Of processor time.
    """

    effects: tuple[str, ...]
    killed: bool = False
    done: Mapping[str, Any] = field(default_factory=dict)
    failed: str | None = None
    action: str | None = None
    hash: str | None = None
    seconds: float = 0.0


class Zygote:
    """A loaded process that forks one child for each command.

    Args:
        log: What the children print goes there.
        env: Environment variables for them.
    """

    def __init__(self, log: Path, env: Mapping[str, str] | None = None) -> None:
        self._log = log.open("ab")
        program = [sys.executable, str(Path(__file__).with_name("zygote.py"))]
        self._process = subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **ONE_THREAD, **(env or {})},
        )

    def run(
        self, do: str, config: Path, now: str, *, kill_at: int | None = None, here: bool = False, **given: Any
    ) -> Ended:
        """Runs a command to its end, or to the effect at which it is killed.

        Args:
            do: See zygote.py.
            config: Of the shop.
            now: What the clock says.
            kill_at: The effect before which it is killed, from 1.
            here: In the zygote itself, so that its children find everything loaded; of that no effects are known.
            **given: With what.
        """
        told = {"do": do, "config": str(config), "folder": str(config.parent), "now": now, "kill_at": kill_at}
        answer = self._ask({**told, "here": here, "with": given})
        if "broken" in answer:
            raise AssertionError(f"{do} broke off after {answer['effects'][-3:]}:\n{answer['broken']}")
        return Ended(
            effects=tuple(answer["effects"]),
            killed="killed" in answer,
            done=answer.get("done", {}),
            failed=answer.get("failed"),
            action=answer.get("action"),
            hash=answer.get("hash"),
            seconds=answer["seconds"],
        )

    def _ask(self, told: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(told) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the process that forks is gone; see {self._log.name}"
        answered: dict[str, Any] = orjson.loads(line)
        return answered

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
