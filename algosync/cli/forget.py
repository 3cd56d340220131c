"""The commands `forget`, `export` and `retention`, and how their reports look to people."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from algosync.cli import render
from algosync.cli.options import DEFAULT_CONFIG, Config, Json, Verbose, Yes
from algosync.cli.render import err, out, table
from algosync.errors import AlgosyncError

if TYPE_CHECKING:
    from pathlib import Path

    from algosync.runtime.commands import Runtime

_COLUMNS = ("step", "status", "what")


def forget(
    user: Annotated[str | None, typer.Argument(help="A customer id, or any of her tokens.")] = None,
    lift: Annotated[
        bool, typer.Option("--lift", help="She returns: what comes from now on is taken in again; the past stays away.")
    ] = False,
    pending: Annotated[
        bool, typer.Option("--pending", help="Go on with what broke off, and with what Algolia takes 48 hours for.")
    ] = False,
    accept_loss: Annotated[
        bool,
        typer.Option("--accept-loss", help="Go on though tombstones are lost: whoever is missing there may come back."),
    ] = False,
    insights: Annotated[
        bool, typer.Option("--insights/--no-insights", help="Whether the shop sends events to Algolia.")
    ] = True,
    yes: Yes = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Forget one person: everything held of her goes, here and at Algolia, and nothing brings it back.

    Exit code 1 where something is left to do; run it again. Algolia's 48 hours count as done: --pending asks then.
    """
    if [user is not None, pending, accept_loss].count(True) != 1 or (lift and user is None):
        raise typer.BadParameter("name a user, or say --pending or --accept-loss")

    def work(runtime: Runtime) -> dict[str, Any]:
        if accept_loss:
            return runtime.forget_accept_loss(confirm=(lambda _: True) if yes else _risk(json=json))
        if user is None:
            return runtime.forget_pending(insights=insights)
        if lift:
            return runtime.forget_lift(user)
        confirm = (lambda _: True) if yes else _confirm(json=json)
        return runtime.forget(user, confirm=confirm, insights=insights)

    report = _run(work, config, json=json, verbose=verbose, show=_shown)
    receipts = report.get("erasures", [report])
    if any(one.get("status") == "unfinished" for one in receipts):
        raise typer.Exit(1)


def export(
    user: Annotated[str, typer.Argument(help="A customer id, or any of her tokens.")],
    config: Config = DEFAULT_CONFIG,
    verbose: Verbose = False,
) -> None:
    """All that is held of one person, as one JSON document on stdout."""
    _run(lambda runtime: runtime.export(user), config, json=True, verbose=verbose, show=_shown)


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go, and change nothing.")] = False,
    yes: Yes = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Take away what is older than the settings under retention keep it."""
    if not dry_run and not yes and not _sure(json=json):
        raise typer.Exit
    _run(lambda runtime: runtime.retention(dry_run=dry_run), config, json=json, verbose=verbose, show=_retained)


def _run(
    work: Callable[[Runtime], dict[str, Any]],
    config: Path,
    *,
    json: bool,
    verbose: bool,
    show: Callable[[Mapping[str, Any]], None],
) -> dict[str, Any]:
    render.configure_logging(verbose=verbose)
    try:
        from algosync.runtime.commands import Runtime

        report = work(Runtime.open(config, progress=render.progress(quiet=json)))
    except AlgosyncError as error:
        raise typer.Exit(render.error(error, json=json)) from None
    except KeyboardInterrupt:
        raise typer.Exit(render.interrupted(json=json)) from None
    if json:
        render.document(report)
    else:
        show(report)
    return report


def _confirm(*, json: bool) -> Callable[[Mapping[str, Any]], bool]:
    """Asks on stderr; where nobody can answer, no."""

    def ask(concerns: Mapping[str, Any]) -> bool:
        err.print(escape(f"forget {', '.join(concerns['tokens'])}: {concerns['events']:,} events and all else of hers"))
        if concerns["shared"]:
            err.print(escape(f"others use {', '.join(concerns['shared'])} too: there only her own events go"))
        return _sure(json=json)

    return ask


def _risk(*, json: bool) -> Callable[[Mapping[str, Any]], bool]:
    """Asks on stderr; where nobody can answer, no."""

    def ask(concerns: Mapping[str, Any]) -> bool:
        err.print(escape(f"{concerns['lacks']}; whoever is missing there comes back with the sources"), soft_wrap=True)
        return _sure(json=json)

    return ask


def _sure(*, json: bool) -> bool:
    if json or not sys.stdin.isatty():
        err.print("not done: run with --yes to do it")
        return False
    return err.input("It cannot be undone. Do it? [y/N] ").strip().lower() in ("y", "yes")


def _shown(report: Mapping[str, Any]) -> None:
    if "lifted" in report:
        lifted = report["lifted"]
        said = f"heeded from {report['at']} on" if lifted else "was not forgotten, so that there is nothing to lift"
        out.print(escape(f"{report['person']} {said}"))
        return
    if "lacks" in report:
        said = "the tombstones as they are hold from now on" if report["accepted"] else "nothing was changed"
        out.print(said if report["lacks"] else "the tombstones are in order, so that there is nothing to accept")
        return
    receipts = report.get("erasures", [report])
    for receipt in receipts:
        _receipt(receipt)
    if not receipts:
        out.print("no erasure is under way")


def _receipt(receipt: Mapping[str, Any]) -> None:
    if receipt["erasure"] is None:
        out.print("nothing was changed")
        return
    rows = [[step["step"], step["status"], _said(step)] for step in receipt["steps"]]
    out.print(table(f"Erasure {receipt['erasure']}: {receipt['status']}", list(_COLUMNS), rows))
    proof = receipt["proof"]
    if proof is not None:
        what = f"{proof['tables']} tables, {proof['parquet_files']} Parquet files, {proof['bytes']:,} bytes"
        out.print(f"searched {what}: {'nothing of hers' if proof['clean'] else 'SOMETHING IS LEFT'}")
        for found in proof["found"]:
            out.print(escape(f"  {found['where']}: {found['times']}"), style="red")
    out.print("what algosync cannot erase:")
    for left in receipt["not_erased"]:
        out.print(escape(f"  {left}"), soft_wrap=True)
    if receipt["status"] == "pending":
        out.print("Algolia deletes within 48 hours; then run algosync forget --pending, or let the worker do it")
    elif receipt["status"] == "unfinished":
        out.print("run it again to finish", style="yellow")


def _said(step: Mapping[str, Any]) -> str:
    told = {name: value for name, value in step.items() if name not in ("step", "status") and value}
    return ", ".join(f"{value} {name}" if isinstance(value, int) else str(value) for name, value in told.items())


def _retained(report: Mapping[str, Any]) -> None:
    rows = [
        [name, gone["before"][:16], gone["rows"], gone.get("traces") or ""] for name, gone in report["gone"].items()
    ]
    would = "Would go" if report["dry_run"] else "Gone"
    if rows:
        out.print(table(f"{would} by age", ["what", "before", "rows", "kept as traces"], rows))
    else:
        out.print("nothing goes by its age: set \\[retention]")
    for one in report["erasures"]:
        out.print(escape(f"erasure {one['erasure']}: {one['status']}"))
