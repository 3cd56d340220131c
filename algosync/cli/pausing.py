"""`algosync pause` and `algosync resume`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from algosync.cli.options import DEFAULT_CONFIG, Config, Json, Verbose
from algosync.cli.render import out
from algosync.cli.running import Options, run


def pause(
    reason: Annotated[str, typer.Option(help="Why, for whoever wonders.")] = "",
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Push nothing, from the next request of a running push on, until `algosync resume`; all else goes on."""
    run(lambda runtime: runtime.pause(reason), Options(config, json, verbose), _show)


def resume(config: Config = DEFAULT_CONFIG, json: Json = False, verbose: Verbose = False) -> None:
    """Push again."""
    run(lambda runtime: runtime.resume(), Options(config, json, verbose), _show)


def _show(report: dict[str, Any]) -> None:
    paused = report["paused"]
    if paused is not None:
        why = f": {paused['reason']}" if paused["reason"] else ""
        out.print(escape(f"Pushing is paused since {paused['at']}{why}. algosync resume ends it."))
    elif report["was_paused"]:
        out.print("Pushing goes on with the next run.")
    else:
        out.print("Pushing was not paused.")
