"""The command `algosync serve`; what it does is in run_api.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from algosync.cli import render
from algosync.cli.options import DEFAULT_CONFIG, Config, Json, Verbose
from algosync.errors import AlgosyncError


def serve(
    config: Config = DEFAULT_CONFIG,
    host: Annotated[str | None, typer.Option(help="Where to listen, in place of serve.host.")] = None,
    port: Annotated[
        int | None, typer.Option(help="In place of serve.port; 0 for a free one.", min=0, max=65535)
    ] = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Serve the HTTP API on this machine, until interrupted; log lines are JSON, on stderr."""
    try:
        from algosync.cli.run_api import ServeOptions, run_api

        options = ServeOptions(config=config, host=host, port=port, verbose=verbose)
        run_api(options, render.document if json else _ready)
    except AlgosyncError as error:
        raise typer.Exit(render.error(error, json=json)) from None


def _ready(report: Mapping[str, Any]) -> None:
    render.out.print(f"The API listens on [bold]{report['url']}[/]; stop it with ^C.")
    if report["generation"] is not None:
        render.out.print(f"Generation {report['generation']} of the snapshot, as of {report['as_of']}")
    if report["forwarding"]["on"]:
        render.out.print("Events are forwarded to Algolia Insights; /readyz says how many wait")
    for problem in report["problems"]:
        render.err.print(escape(problem), style="yellow", soft_wrap=True)
    if not report["keys"]:
        render.err.print("No key is configured, so it opens for nobody: see \\[serve]", style="yellow")
