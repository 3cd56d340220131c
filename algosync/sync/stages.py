"""The stages of a run: progress for whoever watches, seconds for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import Protocol


class Progress(Protocol):
    """Whoever watches a run."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """Shows one stage; yields a function that takes how much more is done."""
        ...


class Silent:
    """Progress that nobody watches."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Shows nothing; yields a function that does nothing."""
        yield lambda _: None


class Stages:
    """Names and times the stages of one run.

    Attributes:
        seconds: Wall seconds by stage, a stage that runs twice added up.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, key: str, text: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Runs one stage under a key for programs and a text for people."""
        started = perf_counter()
        with self._progress.stage(text, total) as advance:
            yield advance
        self.seconds[key] = round(self.seconds.get(key, 0.0) + perf_counter() - started, 3)


def steps(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Turns running totals into steps for a progress bar."""
    before = 0

    def total(done: int) -> None:
        nonlocal before
        advance(done - before)
        before = done

    return total
