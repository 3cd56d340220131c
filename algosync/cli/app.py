"""The commands. Each opens the runtime, calls it once, and hands the report to a renderer; there is no logic here.

Exit codes: 0 done or nothing to do, 1 error, 2 usage, 3 the plan has changes (`plan --check`).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

import typer

from algosync import __version__
from algosync.cli import receipts, render
from algosync.cli.mock import mock
from algosync.cli.options import DEFAULT_CONFIG, Config, Family, Json, Only, Target, Verbose, Yes
from algosync.cli.serve import serve
from algosync.errors import AlgosyncError

if TYPE_CHECKING:
    from algosync.payloads.encode import Family as FamilyName
    from algosync.runtime.commands import Runtime
    from algosync.sync.report import RehearsalReport, SyncReport

app = typer.Typer(
    name="algosync",
    help="Personalization on Algolia that a shop owns.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
quarantine = typer.Typer(help="Rows that were turned away, and why.", no_args_is_help=True)
app.add_typer(quarantine, name="quarantine")

R = TypeVar("R", bound="dict[str, Any] | SyncReport | RehearsalReport")


class Options(NamedTuple):
    """What every command takes."""

    config: Path
    json: bool
    verbose: bool


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


def _run(work: Callable[[Runtime], R], options: Options, show: Callable[[R], None]) -> R:
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
    if target is Target.mock:
        _rehearse(options, families, (data, declare), (query or [""], user or [], segment or [], hits))
        return
    if data or query or user or segment or declare:
        raise typer.BadParameter("--data, --query, --user, --segment and --setup need --target mock")
    _run(lambda runtime: runtime.sync(dry_run=dry_run, only=families), options, render.sync)


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
    """What algosync holds: events, sources, people, segments, quarantine, the last runs."""
    _run(lambda runtime: runtime.status(), Options(config, json, verbose), render.status)


app.command()(mock)
app.command()(serve)


@quarantine.command("list")
def quarantine_list(
    config: Config = DEFAULT_CONFIG,
    source: Annotated[str | None, typer.Option(help="Rows of this source alone.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many rows.", min=1)] = 20,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List the rows that were turned away."""
    _run(
        lambda runtime: runtime.quarantine_list(source=source, limit=limit),
        Options(config, json, verbose),
        render.quarantine_list,
    )


@quarantine.command("show")
def quarantine_show(
    number: Annotated[int, typer.Argument(help="The row's number in the list.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show one row as it came, and why it was turned away."""
    _run(lambda runtime: runtime.quarantine_show(number), Options(config, json, verbose), render.quarantine_show)


@quarantine.command("retry")
def quarantine_retry(
    config: Config = DEFAULT_CONFIG,
    source: Annotated[str | None, typer.Option(help="Rows of this source alone.")] = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Try the rows again, with the settings of now; those that pass leave the quarantine."""
    _run(lambda runtime: runtime.quarantine_retry(source=source), Options(config, json, verbose), render.pull)
