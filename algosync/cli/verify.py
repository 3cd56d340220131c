"""The command `algosync verify`, and how a certificate looks to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from algosync.cli import render
from algosync.cli.asking import agreed
from algosync.cli.options import DEFAULT_CONFIG, Config, Json, Verbose, Yes
from algosync.cli.running import Options, run

if TYPE_CHECKING:
    from algosync.operate.verify import Certificate
    from algosync.runtime.commands import Runtime

_KINDS = ("missing", "changed", "stale", "unrecorded", "foreign")


def verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what is missing or changed; asks before it sends anything.")
    ] = False,
    sample: Annotated[
        int | None, typer.Option(help="Look at so many records, drawn at random, in place of all.", min=1)
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 3 if anything is left to repair.")] = False,
    yes: Yes = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Compare what is really at Algolia with what was published; the result is kept as a certificate."""

    def work(runtime: Runtime) -> Certificate:
        return runtime.verify(sample=sample, repair=repair, confirm=lambda found: yes or _confirmed(found, json=json))

    found = run(work, Options(config, json, verbose), _show)
    if check and found.left:
        raise typer.Exit(3)


def line(certificate: Mapping[str, Any] | None) -> str:
    """The last certificate in a line; where there is none, how to get one."""
    if certificate is None:
        return "nobody has looked yet whether Algolia holds what was published: algosync verify"
    moment = certificate["at"][:19].replace("T", " ")
    foreign = certificate["found"]["foreign"]
    strangers = f"; {foreign:,} foreign" if foreign else ""
    return f"verified {moment}: {_says(certificate)}{strangers}{'; repaired' if certificate['repaired'] else ''}"


def _says(certificate: Mapping[str, Any]) -> str:
    known, looked, wrong = (certificate[name] for name in ("known", "looked", "wrong"))
    says = f"{looked:,} of {known:,} published objects looked at, {wrong:,} of them missing or changed"
    if looked == known:
        return says
    return f"{says}; at most {certificate['wrong_share_at_most']:.2%} of all are ({certificate['confidence']:.0%} sure)"


def _confirmed(found: Certificate, *, json: bool) -> bool:
    _table(found.document(), render.err)
    from algosync.sync.show import render as show_plan

    show_plan(found.plan, render.err, samples=3)
    if found.intruders:
        render.err.print(f"{found.intruders:,} Rules go that bear the name of algosync's and were not written by it.")
    return agreed("Repair?", json=json)


def _show(found: Certificate) -> None:
    report = found.document()
    _table(report, render.out)
    rows = [[one[name] for name in ("kind", "family", "index", "objectID")] for one in report["findings"]]
    if rows:
        render.out.print(render.table("Findings", ["kind", "family", "index", "objectID"], rows))
    render.out.print(f"{_says(report)}.")
    if report["under_way"]:
        render.out.print(f"Of {report['under_way']:,} objects a write is under way: nothing is said about them.")
    if report["repaired"]:
        pushed = report["pushed"]
        render.out.print(
            f"[bold]Repaired with {pushed['operations']:,} operations[/]; {pushed['deferred']:,} are left."
        )
    elif report["repair"]["operations"]:
        render.out.print(f"{report['repair']['operations']:,} operations repair it: algosync verify --repair")
    if report["corrected"]:
        render.out.print(f"{report['corrected']:,} rows of the ledger were put right.")
    for note in report["notes"]:
        render.out.print(escape(note))


def _table(report: Mapping[str, Any], console: Any) -> None:
    rows = [
        [family, one["looked"], one["known"], *(one["found"][kind] for kind in _KINDS)]
        for family, one in report["families"].items()
    ]
    console.print(render.table("Found at Algolia", ["family", "looked at", "published", *_KINDS], rows))
