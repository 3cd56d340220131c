"""The commands. Each opens the runtime, calls it once, and hands the report to a renderer; there is no logic here.

Exit codes: 0 done or nothing to do, 1 error, 2 usage, 3 the plan has changes (`plan --check`), 4 a push ended early:
Algolia asks to come again.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from algosync import __version__
from algosync.cli import receipts, render, service
from algosync.cli.audience import audience
from algosync.cli.forget import export, forget, retention
from algosync.cli.mock import mock
from algosync.cli.options import DEFAULT_CONFIG, Config, Family, Json, Only, Target, Verbose, Yes
from algosync.cli.pausing import pause, resume
from algosync.cli.quarantine import quarantine
from algosync.cli.remove import remove
from algosync.cli.running import Options
from algosync.cli.running import run as _run
from algosync.cli.serve import serve
from algosync.cli.verify import verify
from algosync.cli.webhooks import webhooks
from algosync.cli.worker import worker
from algosync.errors import AlgosyncError

if TYPE_CHECKING:
    from algosync.payloads.encode import Family as FamilyName
    from algosync.runtime.commands import Runtime
    from algosync.sync.report import RehearsalReport

app = typer.Typer(
    name="algosync",
    help="Personalization on Algolia that a shop owns.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(quarantine, name="quarantine")
app.add_typer(webhooks, name="webhooks")


def main() -> None:
    """The `algosync` command."""
    # Runs hold millions of small objects that live to the end: looking for cycles among them is a tenth of the time.
    gc.set_threshold(200_000, 50, 1000)
    app()


def _version(value: bool) -> None:  # Typer's callback shape
    if value:
        typer.echo(f"algosync {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Personalization on Algolia that a shop owns."""


@app.command()
def demo(
    directory: Annotated[Path, typer.Option(help="Where the demo leaves its files.")] = Path("algosync-demo"),
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings to use in place of the demo's own.")
    ] = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """The guided tour: a year of a real shop, into a mock Algolia and back."""
    render.configure_logging(verbose=verbose)
    try:
        from algosync.cli.teller import QuietTeller, Teller
        from algosync.demo.tour import tour

        report = tour(directory, QuietTeller() if json else Teller(), config)
    except AlgosyncError as error:
        raise typer.Exit(render.error(error, json=json)) from None
    except KeyboardInterrupt:
        raise typer.Exit(render.interrupted(json=json)) from None
    if json:
        render.document(report)


@app.command()
def setup(
    config: Config = DEFAULT_CONFIG,
    yes: Yes = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Declare algosync's own facets on the indices: shows the change, asks, applies."""

    def work(runtime: Runtime) -> dict[str, Any]:
        return runtime.setup(confirm=(lambda _: True) if yes else render.confirm_setup(json=json))

    _run(work, Options(config, json, verbose), render.setup)


@app.command()
def pull(config: Config = DEFAULT_CONFIG, json: Json = False, verbose: Verbose = False) -> None:
    """Read what is new in the sources into the event log."""
    _run(lambda runtime: runtime.pull(), Options(config, json, verbose), render.pull)


@app.command()
def rebuild(
    config: Config = DEFAULT_CONFIG,
    refacet: Annotated[
        bool, typer.Option("--refacet", help="Give past events the facets of today's catalog that they lack.")
    ] = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Build profiles, segments and related items from the event log anew; pulls and pushes nothing."""
    _run(lambda runtime: runtime.rebuild(refacet=refacet), Options(config, json, verbose), render.rebuild)


@app.command()
def sync(
    config: Config = DEFAULT_CONFIG,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do all but write: no table, file, cursor or index.")
    ] = False,
    only: Only = None,
    approve: Annotated[
        str | None, typer.Option(metavar="HASH", help="Push the plan of this hash, even where the brake stops it.")
    ] = None,
    target: Annotated[
        Target, typer.Option(help="mock: into a mock filled from Algolia; writes nothing else, compares searches.")
    ] = Target.algolia,
    data: Annotated[
        Path | None,
        typer.Option(help="With --target mock: fill it from files in place of Algolia, see `algosync mock --data`."),
    ] = None,
    query: Annotated[
        list[str] | None, typer.Option(help="With --target mock: what is typed; may be repeated. Nothing by default.")
    ] = None,
    user: Annotated[
        list[str] | None, typer.Option(help="With --target mock: who searches; the liveliest three by default.")
    ] = None,
    segment: Annotated[
        list[str] | None, typer.Option(help="With --target mock: a segment; the highest five by default.")
    ] = None,
    hits: Annotated[int, typer.Option(help="With --target mock: hits to compare.", min=1, max=1000)] = 10,
    declare: Annotated[
        bool, typer.Option("--setup", help="With --target mock: as if `algosync setup` had been run before.")
    ] = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """The whole way: pull, profiles, segments, related items, plan, push."""
    families, options = _names(only), Options(config, json, verbose)
    if approve and (dry_run or target is Target.mock):
        raise typer.BadParameter("--approve is for a sync that pushes: without --dry-run, and to Algolia")
    if target is Target.mock:
        _rehearse(options, families, (data, declare), (query or [""], user or [], segment or [], hits))
        return
    if data or query or user or segment or declare:
        raise typer.BadParameter("--data, --query, --user, --segment and --setup need --target mock")
    report = _run(lambda runtime: runtime.sync(dry_run=dry_run, only=families, approve=approve), options, render.sync)
    if report.pushed is not None and report.pushed.stopped is not None:
        raise typer.Exit(4)


def _rehearse(
    options: Options,
    families: tuple[FamilyName, ...],
    start: tuple[Path | None, bool],
    searches: tuple[list[str], list[str], list[str], int],
) -> None:
    def work(runtime: Runtime) -> RehearsalReport:
        from algosync.sync.rehearsal import Wish

        queries, users, segments, hits = searches
        wish = Wish(queries=tuple(queries), users=tuple(users), segments=tuple(segments), hits=hits)
        return runtime.rehearse(wish, only=families, data=start[0], declare=start[1])

    def show(report: RehearsalReport) -> None:
        from algosync.cli.searches import show as show_searches

        render.sync(report.run, target="the mock")
        show_searches(report.comparisons, render.out)

    _run(work, options, show)


def _names(only: list[Family] | None) -> tuple[FamilyName, ...]:
    return tuple(family.value for family in only or ())


@app.command()
def plan(
    config: Config = DEFAULT_CONFIG,
    check: Annotated[bool, typer.Option("--check", help="Exit with 3 if the plan has changes.")] = False,
    only: Only = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show what a sync would push, and what it costs; changes nothing."""
    families = _names(only)
    report = _run(
        lambda runtime: runtime.sync(dry_run=True, only=families), Options(config, json, verbose), render.plan
    )
    if check and report.plan.operations:
        raise typer.Exit(3)


@app.command()
def explain(
    user: Annotated[str, typer.Argument(help="A customer id, or any of her tokens.")],
    where: Annotated[
        str, typer.Option("--where", "--place", help="Where she is: any, home, search, product, category:Books …")
    ] = "any",
    query: Annotated[str | None, typer.Option(help="What she typed.")] = None,
    at: Annotated[
        str | None, typer.Option(help="A moment in the past: 2026-11-21T18:00:00+01:00, or a day for its end (UTC).")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """One person's answer: the events behind each boost, her segments and why, the actions that fire."""

    def work(runtime: Runtime) -> dict[str, Any]:
        from algosync.serve.explain import moment

        return runtime.explain(user, place=where, query=query, at=None if at is None else moment(at))

    _run(work, Options(config, json, verbose), receipts.explain)


@app.command()
def reset(
    user: Annotated[str, typer.Argument(help="A customer id, or any of her tokens.")],
    yes: Yes = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Start one person's profile anew: what she did until now counts in aggregates only."""
    _order("reset", user, yes, Options(config, json, verbose))


@app.command()
def suppress(
    user: Annotated[str, typer.Argument(help="A customer id, or any of her tokens.")],
    lift: Annotated[bool, typer.Option("--lift", help="End it: she is personalized again.")] = False,
    yes: Yes = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Keep no profile of one person and never personalize, whatever she chooses, until it is lifted."""
    _order("lift" if lift else "suppress", user, yes, Options(config, json, verbose))


def _order(kind: Literal["reset", "suppress", "lift"], user: str, yes: bool, options: Options) -> None:
    def work(runtime: Runtime) -> dict[str, Any]:
        confirm = (lambda _: True) if yes else receipts.confirm_order(json=options.json)
        return runtime.order(kind, user, confirm=confirm)

    _run(work, options, receipts.order)


@app.command()
def status(config: Config = DEFAULT_CONFIG, json: Json = False, verbose: Verbose = False) -> None:
    """What algosync holds and how its service is: events, people, jobs, what is served, quarantine, the last runs."""

    def work(runtime: Runtime) -> dict[str, Any]:
        from algosync.scheduler import due_at

        return runtime.status(due_at)

    _run(work, Options(config, json, verbose), render.status)


@app.command()
def runs(
    config: Config = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 20,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """The last runs, with outcome and duration, newest first."""
    _run(lambda runtime: runtime.runs(limit), Options(config, json, verbose), service.runs)


for command in (forget, export, retention):
    app.command()(command)
app.command()(audience)
app.command()(pause)
app.command()(resume)
app.command()(mock)
app.command()(serve)
app.command()(worker)
app.command()(verify)
app.command()(remove)
