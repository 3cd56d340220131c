"""How searches before and after a sync are shown: one table per search, one line on what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from algosync.sync.show import headed

if TYPE_CHECKING:
    from algosync.sync.comparison import Comparison, Hit


def show(comparisons: Sequence[Comparison], console: Console) -> None:
    """Writes every search that changes as a table, the others as a line."""
    if not comparisons:
        console.print("No search to compare: nobody is ready and no segment has members; name some with --user.")
    for compared in comparisons:
        who = f"{compared.kind} {compared.name}"
        what = escape(f"{who} searches {compared.index!r} for {compared.query!r}")
        if not compared.moved and not compared.gone:
            console.print(f"{what}: as before, {len(compared.hits)} hits.")
        else:
            console.print(_table(compared, what))
            console.print(_sentence(compared))


def _table(compared: Comparison, title: str) -> Table:
    made = headed(title)
    for name, justify in (("rank", "right"), ("was", "right"), ("", "left"), ("for anybody", "right")):
        made.add_column(name, justify="right" if justify == "right" else "left")
    made.add_column("objectID")
    made.add_column("title")
    for rank, hit in enumerate(compared.hits, 1):
        was, plain = (str(place) if place is not None else "–" for place in (hit.was, hit.plain))
        made.add_row(str(rank), was, _move(rank, hit), plain, escape(hit.object_id), escape(hit.title))
    return made


def _move(rank: int, hit: Hit) -> str:
    if hit.was is None:
        return "[green]new[/]"
    if hit.was == rank:
        return ""
    return f"[green]up {hit.was - rank}[/]" if hit.was > rank else f"[red]down {rank - hit.was}[/]"


def _sentence(compared: Comparison) -> str:
    new = sum(hit.was is None for hit in compared.hits)
    return f"{compared.moved} of {len(compared.hits)} hits stand elsewhere, {new} of them are new to this page."
