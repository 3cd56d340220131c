"""The commands `algosync webhooks list | retry | test`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from algosync.cli.options import DEFAULT_CONFIG, Config, Json, Verbose
from algosync.cli.render import out, table
from algosync.cli.running import Options, run

if TYPE_CHECKING:
    from algosync.runtime.commands import Runtime

webhooks = typer.Typer(help="What is told to other services, and what became of it.", no_args_is_help=True)


class Which(StrEnum):
    """What became of something that was to be told."""

    waiting = "waiting"
    delivered = "delivered"
    given_up = "given_up"
    withheld = "withheld"


Name = Annotated[str | None, typer.Option("--webhook", help="This webhook alone.")]


@webhooks.command("list")
def listing(
    webhook: Name = None,
    status: Annotated[Which | None, typer.Option(help="Only these; waiting and given_up by default.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 20,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List what waits or was given up, and how it stands with each webhook."""

    def work(runtime: Runtime) -> dict[str, Any]:
        return runtime.webhooks_list(webhook=webhook, status=None if status is None else status.value, limit=limit)

    run(work, Options(config, json, verbose), _list)


@webhooks.command("retry")
def retry(
    number: Annotated[str | None, typer.Argument(metavar="ID", help="One of them, by its id or how it begins.")] = None,
    webhook: Name = None,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Send again what was given up, all of it or some, under the same ids; and ask every webhook again at once."""
    run(lambda runtime: runtime.webhooks_retry(webhook=webhook, id=number), Options(config, json, verbose), _retried)


@webhooks.command("test")
def trial(
    webhook: Annotated[str, typer.Argument(help="The webhook's name.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Send a webhook something of the type `test`."""
    report = run(lambda runtime: runtime.webhooks_test(webhook), Options(config, json, verbose), _tested)
    if report["letter"]["status"] != "delivered":
        raise typer.Exit(1)


def standing(found: Sequence[Mapping[str, Any]]) -> None:
    """Shows how it stands with each webhook; nothing where there is none."""
    if not found:
        return
    columns = ["webhook", "waiting", "delivered", "given up", "withheld", "left alone until", "since"]
    rows = [
        [
            one["webhook"] if one["configured"] else f"{one['webhook']} (not in the settings)",
            *(one[status] for status in ("waiting", "delivered", "given_up", "withheld")),
            one["resting_until"],
            one["error"],
        ]
        for one in found
    ]
    out.print(table("Webhooks", columns, rows))


def _list(report: dict[str, Any]) -> None:
    standing(report["webhooks"])
    columns = ["id", "webhook", "what", "status", "tries", "created", "due", "error"]
    keys = ("id", "webhook", "what", "status", "tries", "created_at", "due_at", "error")
    if report["letters"]:
        out.print(table("Latest first", columns, [[one[key] for key in keys] for one in report["letters"]]))
    elif not report["webhooks"]:
        out.print("no webhooks: see \\[\\[webhooks]] in the settings")


def _retried(report: dict[str, Any]) -> None:
    out.print(f"{report['retried']:,} are sent again")
    for name, done in report["sent"].items():
        wrong = "" if done["error"] is None else f": {done['error']}"
        out.print(escape(f"{name}: {done['delivered']:,} delivered, {done['failed']:,} failed{wrong}"))


def _tested(report: dict[str, Any]) -> None:
    letter = report["letter"]
    wrong = "" if letter["error"] is None else f": {letter['error']}"
    out.print(escape(f"{letter['webhook']}: {letter['status']} ({letter['id']}){wrong}"))
