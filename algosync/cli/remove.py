"""The command `algosync remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from algosync.cli import render
from algosync.cli.asking import agreed
from algosync.cli.options import DEFAULT_CONFIG, Config, Json, Verbose, Yes
from algosync.cli.running import Options, run

if TYPE_CHECKING:
    from algosync.operate.remove import Removal
    from algosync.runtime.commands import Runtime


def remove(config: Config = DEFAULT_CONFIG, yes: Yes = False, json: Json = False, verbose: Verbose = False) -> None:
    """Take everything of algosync's away from Algolia: records, Rules, attributes, facet declarations; nothing else.

    Pushing is paused from then on. Exit code 1 where something is left to do; run it again.
    """

    def work(runtime: Runtime) -> Removal:
        return runtime.remove(confirm=lambda found: yes or _confirmed(found, json=json))

    found = run(work, Options(config, json, verbose), _show)
    if found.confirmed and (found.left or not found.declared):
        raise typer.Exit(1)


def _confirmed(found: Removal, *, json: bool) -> bool:
    _plan(found, render.err)
    return agreed("Remove?", json=json)


def _plan(found: Removal, console: Console) -> None:
    from algosync.sync.show import render as show_plan

    show_plan(found.plan, console, samples=2)
    for one in found.declarations:
        for entry in one.removed:
            console.print(escape(f"{one.index}: {entry} goes from attributesForFaceting"))


def _show(found: Removal) -> None:
    if not found.is_needed:
        render.out.print("Nothing of algosync's is there.")
    elif not found.confirmed:
        render.out.print("Nothing was removed.")
    else:
        done = 0 if found.pushed is None else found.pushed.operations
        render.out.print(f"[bold]Removed with {done:,} operations[/]; {found.left:,} are left.")
        if found.left:
            render.out.print("Facet declarations go last: run algosync remove again.")
        render.out.print("Pushing is paused: algosync resume and the next sync would put everything back.")
        render.out.print("Products keep `algosync: null` until your feed writes them again: no update takes that away.")
    for index, name in found.foreign[:20]:
        render.out.print(escape(f"{index}: {name} is not algosync's, and stays"))
    if len(found.foreign) > 20:
        render.out.print(f"… and {len(found.foreign) - 20:,} more stay.")
