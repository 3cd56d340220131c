"""Tells the guided tour: prose and tables on stdout, progress on stderr; or nothing, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.rule import Rule

from algosync.cli import render

if TYPE_CHECKING:
    from algosync.sync.report import SyncReport
    from algosync.sync.stages import Progress


class Teller:
    """Tells it to people."""

    @property
    def progress(self) -> Progress:
        """Shows long work on stderr."""
        return render.progress(quiet=False)

    def heading(self, text: str) -> None:
        """Begins a scene."""
        render.out.print()
        render.out.print(Rule(escape(text), align="left", style="bold"))

    def say(self, text: str) -> None:
        """Explains."""
        render.out.print(escape(text))

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Shows rows."""
        render.out.print(render.table(title, columns, rows))

    def report(self, report: SyncReport) -> None:
        """Shows what a sync did."""
        render.sync(report, samples=2)


class QuietTeller:
    """Tells nobody."""

    @property
    def progress(self) -> Progress:
        """Shows nothing."""
        return render.progress(quiet=True)

    def heading(self, text: str) -> None:
        """Says nothing."""

    def say(self, text: str) -> None:
        """Says nothing."""

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Shows nothing."""

    def report(self, report: SyncReport) -> None:
        """Shows nothing."""
