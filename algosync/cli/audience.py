"""The command `algosync audience`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from algosync.cli.options import DEFAULT_CONFIG, Config, Json, Verbose
from algosync.cli.render import err
from algosync.cli.running import Options, run

if TYPE_CHECKING:
    from algosync.runtime.commands import Runtime


class Format(StrEnum):
    """What an audience is written as."""

    csv = "csv"
    jsonl = "jsonl"


def audience(
    segment: Annotated[str, typer.Argument(help="The segment's id.")],
    form: Annotated[Format, typer.Option("--format", help="csv, or jsonl: one JSON document a line.")] = Format.csv,
    out: Annotated[
        Path | None, typer.Option(help="The file to write, whole or not at all, mode 0600; stdout without it.")
    ] = None,
    top: Annotated[int, typer.Option(help="Affinities of each member.", min=0, max=50)] = 5,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Export a segment's members with what they like most: only those who may be named; counts are on stderr."""
    if json and out is None:
        raise typer.BadParameter("--json needs --out: stdout cannot hold both the report and the members")

    def work(runtime: Runtime) -> dict[str, Any]:
        return runtime.audience(segment, form=form.value, out=out or sys.stdout.buffer, top=top)

    run(work, Options(config, json, verbose), _show)


def _show(report: dict[str, Any]) -> None:
    left_out = "".join(f", {number:,} left out: {reason}" for reason, number in report["left_out"].items())
    err.print(escape(f"{report['segment']}: {report['exported']:,} of {report['members']:,} members{left_out}"))
