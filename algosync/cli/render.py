"""How reports look: tables for people on stdout, one JSON document for programs, progress and errors on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from algosync.errors import AlgosyncError

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails

    from algosync.sync.report import SyncReport
    from algosync.sync.stages import Progress

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def configure_logging(*, verbose: bool) -> None:
    """Sends log lines to stderr: warnings and worse, or everything; retries are told in a sentence."""
    from stamina.instrumentation import set_on_retry_hooks

    set_on_retry_hooks([_tell_retry])
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=err.is_terminal),
        ],
    )


def _tell_retry(details: RetryDetails) -> None:
    wait = f"{details.wait_for:.1f} s"
    err.print(escape(f"{details.caused_by}; trying again in {wait}"), style="yellow", soft_wrap=True)


class RichProgress:
    """Progress on stderr: a bar where somebody watches, a line a stage where nobody does."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Shows one stage; yields a function that takes how much more is done."""
        if not err.is_terminal:
            err.print(f"{name} …")
            yield lambda _: None
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Bars(*columns, console=err, transient=True) as bar:
            task = bar.add_task(name, total=total)
            yield lambda more: bar.advance(task, more)


def progress(*, quiet: bool) -> Progress:
    """Progress for people; none for programs, which read stdout and log stderr."""
    from algosync.sync.stages import Silent

    return Silent() if quiet else RichProgress()


def document(report: Mapping[str, Any]) -> None:
    """Prints the one JSON document."""
    import orjson

    sys.stdout.buffer.write(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.flush()


def error(problem: AlgosyncError, *, json: bool) -> int:
    """Says what went wrong; returns the exit code."""
    if json:
        document({"error": {"type": type(problem).__name__, "message": str(problem), "action": problem.action}})
    err.print(f"[red]error:[/] {escape(str(problem))}", soft_wrap=True)
    return 1


def interrupted(*, json: bool) -> int:
    """Says that the run was stopped by hand; returns the exit code."""
    if json:
        document({"error": {"type": "Interrupted", "message": "stopped by hand", "action": "retry"}})
    err.print("stopped; what was committed is kept, run again to go on")
    return 1


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table whose number columns are right-aligned."""
    from algosync.sync.show import headed

    made = headed(title)
    for number, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[number], int | float) for row in rows)
        made.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(escape(_cell(value)) for value in row))
    return made


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)


def sync(report: SyncReport, samples: int = 5, target: str = "") -> None:
    """Shows what a sync did; `target` names a stand-in for Algolia."""
    document_ = report.document()
    _events(document_)
    _people(document_)
    from algosync.cli import pushes
    from algosync.sync.show import render as show_plan

    show_plan(report.plan, out, samples=samples)
    pushes.brake(document_)
    pushed = document_["pushed"]
    if target:
        out.print(f"[bold]Pushed {pushed['operations']:,} operations into {target}[/]; nothing else was written.")
    elif document_["dry_run"]:
        out.print("Dry run: nothing was written, here or at Algolia.")
    else:
        out.print(f"[bold]Pushed {pushed['operations']:,} operations[/] in {pushed['batches']:,} requests.")
    out.print(f"Reading took {document_['requests']:,} requests: {document_['requests_money']:,.2f} at your price.")
    pushes.pushed(document_)
    _notes(document_)
    _seconds(document_)


def plan(report: SyncReport) -> None:
    """Shows what a sync would push."""
    from algosync.cli import pushes
    from algosync.sync.show import render as show_plan

    show_plan(report.plan, out)
    document_ = report.document()
    pushes.brake(document_)
    _notes(document_)


def pull(report: dict[str, Any]) -> None:
    """Shows what a pull read."""
    _events(report)
    _seconds(report)


def rebuild(report: dict[str, Any]) -> None:
    """Shows what a rebuild found."""
    _people(report)
    out.print(f"{report['changed']:,} people changed.")
    if report["refaceted"]:
        out.print(f"{report['refaceted']:,} past product versions were given facets that they lacked.")
    _seconds(report)


def _events(report: dict[str, Any]) -> None:
    names = ("read", "accepted", "rejected", "duplicates", "waiting", "ignored", "no_consent")
    rows = [[source, *(counts[name] for name in names)] for source, counts in report["sources"].items()]
    if len(rows) != 1:
        rows.append(["all", *(report["events"][name] for name in names)])
    out.print(table("Events", ["source", *(name.replace("_", " ") for name in names)], rows))
    if report["events"]["rejected"]:
        out.print("Rejected rows are kept: algosync quarantine list")


def _people(report: dict[str, Any]) -> None:
    out.print(
        f"{report['people']:,} people, {report['profiles']:,} with a profile, {report['ready']:,} of them ready; "
        f"{report['catalog']['products']:,} products in {report['catalog']['groups']:,} groups; "
        f"as of {report['as_of']}"
    )
    if report["segments"]:
        rows = [[name, found["members"], found["entered"], found["left"]] for name, found in report["segments"].items()]
        out.print(table("Segments", ["segment", "members", "entered", "left"], rows))
    out.print(table("Related items", ["kind", "lists"], [list(row) for row in report["related"].items()]))
    for reason, events in report["left_out_of_profiles"].items():
        out.print(f"{events:,} events are in no profile: {reason}")


def _notes(report: dict[str, Any]) -> None:
    for facet in report["undeclared_facets"]:
        out.print(escape(f"not declared for faceting, so filters on it are left out: {facet} (algosync setup)"))
    for refused in report["refused_filters"]:
        out.print(
            escape(
                f"left out of segment {refused['segment']}: {refused['facet']}:{refused['value']}: {refused['reason']}"
            )
        )
    for unsent in report["unsent"][:10]:
        out.print(escape(f"not sent: {unsent['family']} {unsent['object_id']}: {unsent['reason']}"))
    for dropped in report["catalog"]["dropped"]:
        out.print(escape(f"catalog: {dropped['count']:,} times {dropped['reason']}, first at {dropped['example']}"))
    for line in (*report["catalog"]["warnings"], *report["notes"]):
        out.print(escape(line))


def _seconds(report: dict[str, Any]) -> None:
    spent = report["seconds"]
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in spent.items())
    out.print(f"[dim]{sum(spent.values()):.1f} s: {stages}[/]")


def status(report: dict[str, Any]) -> None:
    """Shows what algosync holds."""
    log = report["log"]
    out.print(
        f"{log['events']:,} events up to {log['newest'] or 'never'}, {log['tokens']:,} tokens, "
        f"{log['objects']:,} products named, {log['segments']:,} segments of {log['bytes'] / 1e6:,.1f} MB"
    )
    held = [[name, value] for name, value in report["snapshot"].items()]
    out.print(table("Snapshot", ["what", "value"], held) if held else "no snapshot yet: run algosync sync")
    if report["ledger"]:
        rows = [
            [family, status_, rows] for family, held_ in report["ledger"].items() for status_, rows in held_.items()
        ]
        out.print(table("Published at Algolia", ["family", "status", "objects"], rows))
    models = report["recommend"]["models"]
    rows = [[one["model"], one["days_30"], one["days_90"], one["needs"], _missing(one)] for one in models]
    out.print(table("Events for Algolia Recommend", ["model", "30 days", "90 days", "needs", ""], rows))
    if report["quarantine"]:
        rows = [[row["source"], row["reason"], row["rows"]] for row in report["quarantine"]]
        out.print(table("Quarantine", ["source", "reason", "rows"], rows))
    from algosync.cli import service, verify, webhooks

    out.print(verify.line(report["certificate"]))
    service.status(report["service"])
    service.erasures(report["erasures"])
    webhooks.standing(report["webhooks"])
    if report["runs"]:
        service.runs(report)
    for line in report["not_heeded"]:
        out.print(escape(f"not heeded in this version: {line}"))


def _missing(model: Mapping[str, Any]) -> str:
    return "enough" if model["ready"] else f"{model['missing']:,} {model['of']} to go"


def setup(report: dict[str, Any]) -> None:
    """Shows what was declared, and what is left for the shop to declare."""
    for index in report["indices"]:
        if not index["added"]:
            out.print(escape(f"{index['index']}: every facet of algosync's own is declared"))
        for facet in index["yours_to_declare"]:
            out.print(
                escape(f"{index['index']}: declare '{facet}' in attributesForFaceting, or filters on it are left out")
            )
        for line in index["notes"]:
            out.print(escape(f"{index['index']}: {line}"))
    if any(index["added"] for index in report["indices"]):
        out.print("applied" if report["applied"] else "nothing was changed")


def confirm_setup(*, json: bool) -> Callable[[Sequence[Mapping[str, Any]]], bool]:
    """Asks on stderr; where nobody can answer, no."""

    def ask(changes: Sequence[Mapping[str, Any]]) -> bool:
        for change in changes:
            err.print(escape(f"{change['index']}: attributesForFaceting"))
            for entry in change["before"]:
                err.print(escape(f"    {entry}"))
            for entry in change["added"]:
                err.print(f"  [green]+ {escape(entry)}[/]")
        if json or not sys.stdin.isatty():
            err.print("not applied: run with --yes to apply")
            return False
        return err.input("Apply? [y/N] ").strip().lower() in ("y", "yes")

    return ask
