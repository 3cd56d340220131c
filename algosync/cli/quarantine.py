"""`algosync quarantine`: rows of events that were turned away, and payloads that Algolia refused."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from algosync.cli import render
from algosync.cli.options import DEFAULT_CONFIG, Config, Json, Verbose
from algosync.cli.render import out, table
from algosync.cli.running import Options, run

quarantine = typer.Typer(help="Rows and payloads that were turned away, and why.", no_args_is_help=True)


@quarantine.command("list")
def quarantine_list(
    config: Config = DEFAULT_CONFIG,
    source: Annotated[str | None, typer.Option(help="Rows of this source alone.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many of each.", min=1)] = 20,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List the rows that were turned away, and the payloads that Algolia refused."""
    run(lambda runtime: runtime.quarantine_list(source=source, limit=limit), Options(config, json, verbose), show_list)


@quarantine.command("show")
def quarantine_show(
    name: Annotated[str, typer.Argument(help="The row's number in the list, or the payload's name.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show one row as it came, or one payload, and why it was turned away."""
    run(lambda runtime: runtime.quarantine_show(name), Options(config, json, verbose), _show_one)


@quarantine.command("retry")
def quarantine_retry(
    config: Config = DEFAULT_CONFIG,
    source: Annotated[str | None, typer.Option(help="Rows of this source alone.")] = None,
    payloads: Annotated[bool, typer.Option("--payloads", help="Payloads that Algolia refused alone.")] = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Try rows again, with the settings of now, and let the next push try payloads again."""
    if payloads and source is not None:
        raise typer.BadParameter("--source is about rows, and --payloads about payloads")
    run(
        lambda runtime: runtime.quarantine_retry(source=source, payloads=payloads),
        Options(config, json, verbose),
        _show_retry,
    )


def show_list(report: dict[str, Any]) -> None:
    """Shows what was turned away."""
    if not report["total"] and not report["payloads_total"]:
        out.print("The quarantine is empty.")
        return
    if report["total"]:
        reasons = [[row["source"], row["reason"], row["rows"]] for row in report["reasons"]]
        out.print(table(f"{report['total']:,} rows in quarantine", ["source", "reason", "rows"], reasons))
        rows = [[str(row["id"]), row["source"], row["position"], row["field"], row["reason"]] for row in report["rows"]]
        out.print(table("Rows", ["number", "source", "position", "field", "reason"], rows))
    if report["payloads_total"]:
        refused = [[one["name"], one["reason"], one["at"][:19]] for one in report["payloads"]]
        title = f"{report['payloads_total']:,} payloads in quarantine, left out until they change"
        out.print(table(title, ["name", "reason", "since"], refused))
    out.print("One of them as it came: algosync quarantine show NUMBER|NAME. After a mend: algosync quarantine retry")


def _show_one(report: dict[str, Any]) -> None:
    for name, value in report.items():
        out.print(f"[bold]{name}[/] {escape(str(value))}", soft_wrap=True)


def _show_retry(report: dict[str, Any]) -> None:
    if "events" in report:
        render.pull(report)
    if report["readmitted"]:
        out.print(f"{report['readmitted']:,} payloads are tried again by the next sync.")
