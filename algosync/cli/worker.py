"""The command `algosync worker`; what it does is in run_worker.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.markup import escape

from algosync.cli import render
from algosync.cli.options import DEFAULT_CONFIG, Config, Json, Verbose
from algosync.errors import AlgosyncError, BusyError

if TYPE_CHECKING:
    from algosync.runtime.working import Ended

ANOTHER_LEADS = 4
"""The exit code that says that there was nothing to do, since another worker does it."""


class Job(StrEnum):
    """What the worker does."""

    catalog = "catalog"
    pull = "pull"
    related = "related"
    push = "push"
    verify = "verify"
    retention = "retention"


def worker(
    jobs: Annotated[
        list[Job] | None, typer.Argument(help="With --once: these jobs; those that are due by default.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Do what is due, then end: for cron and Kubernetes jobs.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    host: Annotated[str | None, typer.Option(help="Where /healthz, /readyz and /metrics are, for worker.host.")] = None,
    port: Annotated[
        int | None, typer.Option(help="In place of worker.port; 0 for a free one.", min=0, max=65535)
    ] = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Do what the schedule says, until interrupted; log lines are JSON, on stderr.

    With --once the exit code is 0 if all went well, 1 if a job failed, 4 if another worker leads.
    """
    if jobs and not once:
        raise typer.BadParameter("jobs are named with --once; else the schedule says which")
    try:
        from algosync.cli.run_worker import WorkerOptions, run_once, run_worker

        options = WorkerOptions(config=config, host=host, port=port, verbose=verbose)
        if not once:
            run_worker(options, render.document if json else _ready, _nothing if json else _told)
            _leave()
        ended = run_once(options, [job.value for job in jobs or ()], _nothing if json else _told)
    except BusyError as error:
        render.error(error, json=json)
        raise typer.Exit(ANOTHER_LEADS) from None
    except AlgosyncError as error:
        raise typer.Exit(render.error(error, json=json)) from None
    if json:
        render.document({"jobs": [run.document() for run in ended]})
    elif not ended:
        render.out.print("nothing is due")
    if any(run.outcome not in {"done", "skipped"} for run in ended):
        raise typer.Exit(1)


def _leave() -> NoReturn:
    """Everything is closed: to take down the interpreter as well may outlast the time that the service was given."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _ready(report: Mapping[str, Any]) -> None:
    render.out.print(f"The worker says how it is at [bold]{report['url']}/readyz[/] and /metrics; stop it with ^C.")


def _told(run: Ended) -> None:
    """A line for people."""
    what = run.outcome if run.error is None else f"{run.outcome}: {run.error}"
    again = "" if run.again_in_s is None else f"; again in {run.again_in_s:.0f} s"
    line = f"{run.finished_at:%H:%M:%S}  {run.name:<9} {run.seconds:6.1f} s  {what}{again}"
    render.out.print(escape(line), style=None if run.error is None else "yellow", soft_wrap=True)


def _nothing(_run: Ended) -> None:
    """Programs read the log."""
