"""How reports look: tables for people on stdout, one JSON document for programs, progress and errors on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from algosync.errors import AlgosyncError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def configure_logging(*, verbose: bool) -> None:
    """Sends log lines to stderr: warnings and worse, or everything."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=err.is_terminal),
        ],
    )


class RichProgress:
    """Progress on stderr: a bar where somebody watches, a line a stage where nobody does."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Shows one stage; yields a function that takes how much more is done."""
        if not err.is_terminal:
            err.print(f"{name} …")
            yield lambda _: None
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=err, transient=True) as bar:
            task = bar.add_task(name, total=total)
            yield lambda more: bar.advance(task, more)


class NoProgress:
    """Says nothing."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Shows nothing; yields a function that does nothing."""
        yield lambda _: None


def progress(*, quiet: bool) -> RichProgress | NoProgress:
    """Progress for people; none for programs, which read stdout and log stderr."""
    return NoProgress() if quiet else RichProgress()


def document(report: Mapping[str, Any]) -> None:
    """Prints the one JSON document."""
    import orjson

    sys.stdout.buffer.write(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.flush()


def error(problem: AlgosyncError, *, json: bool) -> int:
    """Says what went wrong; returns the exit code."""
    if json:
        document({"error": {"type": type(problem).__name__, "message": str(problem), "action": problem.action}})
    err.print(f"[red]error:[/] {escape(str(problem))}", soft_wrap=True)
    return 1


def interrupted(*, json: bool) -> int:
    """Says that the run was stopped by hand; returns the exit code."""
    if json:
        document({"error": {"type": "Interrupted", "message": "stopped by hand", "action": "retry"}})
    err.print("stopped; what was committed is kept, run again to go on")
    return 1


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table whose number columns are right-aligned."""
    made = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    for number, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[number], int | float) for row in rows)
        made.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(escape(_cell(value)) for value in row))
    return made


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)
