"""How a command runs: opens the runtime, calls it once, hands the report to a renderer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import typer

from algosync.cli import render
from algosync.errors import AlgosyncError

if TYPE_CHECKING:
    from algosync.runtime.commands import Runtime


class Report(Protocol):
    """What says of itself what was done."""

    def document(self) -> dict[str, Any]:
        """As a JSON document."""
        ...


R = TypeVar("R", bound="dict[str, Any] | Report")


class Options(NamedTuple):
    """What every command takes."""

    config: Path
    json: bool
    verbose: bool


def run(work: Callable[[Runtime], R], options: Options, show: Callable[[R], None]) -> R:
    """Opens the runtime, does the work, shows the report; an error of ours becomes exit code 1."""
    config, json, verbose = options
    render.configure_logging(verbose=verbose)
    try:
        from algosync.runtime.commands import Runtime

        report = work(Runtime.open(config, progress=render.progress(quiet=json)))
    except AlgosyncError as error:
        raise typer.Exit(render.error(error, json=json)) from None
    except KeyboardInterrupt:
        raise typer.Exit(render.interrupted(json=json)) from None
    if json:
        render.document(report if isinstance(report, dict) else report.document())
    else:
        show(report)
    return report
