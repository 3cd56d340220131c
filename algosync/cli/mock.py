"""The command `mock`: its options, and how it says what it serves. What it does is run_mock.py's."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from algosync.cli import render
from algosync.cli.options import Json, Verbose
from algosync.errors import AlgosyncError

_FAULT = (
    "Something that goes wrong on purpose: ON:FAULT, ON:WHEN:FAULT or ON@INDEX:WHEN:FAULT. ON is an operation of "
    "Algolia's API (batch, searchSingleIndex, …), a helper of its clients (saveObjects), read, write or *; WHEN is 3 "
    "(the third), every5, 10%, or x2 (twice at the most); FAULT is 429=SECONDS, 500, 503, slow=MS, reset, truncated, "
    "lost, unpublished or oversize=OBJECTID. For example batch:3:429 or read:10%:slow=250."
)


class Plan(StrEnum):
    """Plans whose limits the mock may keep."""

    unlimited = "unlimited"
    build = "build"
    grow = "grow"
    premium = "premium"


class Merging(StrEnum):
    """How the parameters of several Rules combine."""

    first = "first"
    merge = "merge"


def mock(
    port: Annotated[int, typer.Option(help="Where to listen; 0 for a free port.", min=0, max=65535)] = 8108,
    host: Annotated[str, typer.Option(help="The address to listen on: 0.0.0.0 in a container.")] = "127.0.0.1",
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings whose application and keys the mock takes on.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Indices to start with: a folder of NAME.json or NAME.jsonl, or one such file.")
    ] = None,
    save: Annotated[bool, typer.Option("--save", help="Write every index back to --data at the end.")] = False,
    load: Annotated[
        list[str] | None, typer.Option("--load", help="INDEX=FILE: records to start with (JSON, JSONL or Parquet).")
    ] = None,
    facets: Annotated[
        list[str] | None, typer.Option("--facets", help="INDEX=A,B,C: attributesForFaceting of that index.")
    ] = None,
    plan: Annotated[Plan, typer.Option(help="Keep the limits of this plan of Algolia's.")] = Plan.unlimited,
    publish_after: Annotated[
        int, typer.Option(help="Milliseconds after which a write can be read.", min=0, metavar="MS")
    ] = 0,
    rules_merge: Annotated[
        Merging, typer.Option(help="Of several Rules that match, the first one's parameters hold, or all of them.")
    ] = Merging.first,
    fault: Annotated[list[str] | None, typer.Option(help=_FAULT)] = None,
    faults: Annotated[Path | None, typer.Option(help="A plan of such faults, as JSON.", metavar="FILE")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the faults that are drawn by chance.")] = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run a mock Algolia on this machine, until interrupted."""
    render.configure_logging(verbose=verbose)
    try:
        from algosync.cli.run_mock import MockOptions, run_mock

        options = MockOptions(
            port=port,
            host=host,
            config=config,
            data=data,
            save=save,
            load=tuple(load or ()),
            facets=tuple(facets or ()),
            plan=plan.value,
            publish_after_ms=publish_after,
            rules_merge=rules_merge.value,
            faults=tuple(fault or ()),
            faults_file=faults,
            seed=seed,
        )
        run_mock(options, render.document if json else _ready, _saved)
    except AlgosyncError as error:
        raise typer.Exit(render.error(error, json=json)) from None


def _ready(report: Mapping[str, Any]) -> None:
    render.out.print(
        f"A mock Algolia listens on [bold]{report['url']}[/] as application {report['app_id']}; stop it with ^C."
    )
    rows = [[key["key"], ", ".join(key["acl"]), ", ".join(key["indexes"]) or "every index"] for key in report["keys"]]
    render.out.print(render.table("Keys", ["key", "may", "on"], rows))
    for index, records in report["indices"].items():
        render.out.print(f"{records:,} records in {escape(index)}")
    if report["plan"] != "unlimited":
        render.out.print(f"The limits of the plan {report['plan']} hold.")
    if report["publish_after_ms"]:
        render.out.print(f"A write can be read after {report['publish_after_ms']:,} ms.")
    for fault in report["faults"]:
        where = f" of {escape(fault['index'])}" if "index" in fault else ""
        asked = escape(", ".join(fault["on"]))
        render.out.print(f"On purpose: [bold]{fault['fault']}[/] on {asked}{where}{_when(fault)}")


def _when(fault: Mapping[str, Any]) -> str:
    told = (
        ("nth", "request {}"),
        ("every", "every {} requests"),
        ("probability", "a share of {:g} of the requests"),
        ("times", "at most {} times"),
    )
    said = [text.format(fault[name]) for name, text in told if name in fault]
    return f": {', '.join(said)}" if said else ""


def _saved(directory: Path, held: Mapping[str, int]) -> None:
    """Says, on stderr, what was written back."""
    render.err.print(f"{sum(held.values()):,} records of {len(held):,} indices are saved in {escape(str(directory))}")
