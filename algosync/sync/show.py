"""Shows a plan: tables for people, a document for programs.

The other consumer of a plan besides push. Must not do anything but write to the console it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from algosync.payloads.encode import Family
from algosync.sync.plan import FAMILIES, Operation, Plan

_WIDTH: Final = 160
_COLUMNS: Final = ("add", "update", "delete", "unchanged", "operations")


def render(plan: Plan, console: Console, *, samples: int = 5) -> None:
    """Write the plan's totals, samples of each family and whatever is left out to a Rich console."""
    summary = plan.summary()
    console.print(_totals(summary))
    for line in _sentences(summary):
        console.print(line)
    for family in FAMILIES:
        chosen = _samples(plan, family, samples)
        if chosen:
            console.print(_sample_table(family, chosen))
    for line in _left_out(plan):
        console.print(line)


def document(plan: Plan, *, samples: int = 5) -> dict[str, Any]:
    """The plan as a JSON document: the summary, `samples` per family, and `refused` with reasons."""
    return {
        **plan.summary(),
        "samples": {family: [_sample(op) for op in _samples(plan, family, samples)] for family in FAMILIES},
        "refused_payloads": [
            {"family": r.family, "index": r.index, "objectID": r.object_id, "reason": r.reason} for r in plan.refused
        ],
    }


def headed(title: str) -> Table:
    """An empty table as all of them look: two blanks between columns, so that most fit a terminal of 80."""
    return Table(
        title=title,
        title_justify="left",
        header_style="bold",
        pad_edge=False,
        padding=(0, 1, 0, 0),
        box=box.SIMPLE_HEAD,
    )


def _totals(summary: dict[str, Any]) -> Table:
    table = headed("Plan")
    table.add_column("family")
    for name in (*_COLUMNS, "size"):
        table.add_column(name, justify="right")
    for family, totals in summary["families"].items():
        table.add_row(family, *_cells(totals))
    for family in summary["off"]:
        table.add_row(family, "off", style="dim")
    table.add_section()
    table.add_row("all", *_cells(summary), style="bold")
    return table


def _cells(totals: dict[str, Any]) -> list[str]:
    return [*(f"{totals[name]:,}" for name in _COLUMNS), _size(totals["bytes"])]


def _size(number: int) -> str:
    if number < 1000:
        return f"{number:,} B"
    if number < 1_000_000:
        return f"{number / 1000:,.0f} kB"
    return f"{number / 1_000_000:,.1f} MB"


def _sentences(summary: dict[str, Any]) -> Iterator[str]:
    saved = summary["unchanged"]
    if not summary["operations"]:
        yield f"Nothing to do: {saved:,} payloads are there already, and cost nothing again."
        return
    money = summary["money"]
    yield f"{summary['operations']:,} operations; {saved:,} saved, since those payloads are there already."
    yield (
        f"{summary['records_added']:+,} records. At your prices: {money['operations']:,.2f} for the operations, "
        f"{money['records']:+,.2f} a month for the records."
    )


def _samples(plan: Plan, family: Family, samples: int) -> list[Operation]:
    """The first operations of a family, one of each reason before a second of any."""
    mine = [op for op in plan.operations if op.family == family]
    first: dict[str, Operation] = {}
    for op in mine:
        first.setdefault(op.reason, op)
    leading = {(op.index, op.object_id) for op in first.values()}
    rest = (op for op in mine if (op.index, op.object_id) not in leading)
    return [*first.values(), *(op for op, _ in zip(rest, range(samples), strict=False))][:samples]


def _sample(op: Operation) -> dict[str, Any]:
    return {
        "index": op.index,
        "objectID": op.object_id,
        "action": op.action,
        "reason": op.reason,
        "before": op.previous,
        "after": op.hash,
        "says": op.summary or _short(op),
        "bytes": op.size,
    }


def _sample_table(family: Family, operations: list[Operation]) -> Table:
    table = headed(f"{family}: samples")
    table.add_column("objectID", overflow="ellipsis", no_wrap=True, max_width=24)
    table.add_column("reason", overflow="fold")
    table.add_column("before", no_wrap=True)
    table.add_column("after", no_wrap=True)
    table.add_column("says", overflow="fold", min_width=20)
    for op in operations:
        says = op.summary or _short(op)
        table.add_row(*map(escape, (op.object_id, op.reason, op.previous or "nothing", op.hash or "nothing", says)))
    return table


def _short(op: Operation) -> str:
    text = "" if op.body is None else op.body.decode(errors="replace")
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _left_out(plan: Plan) -> Iterator[str]:
    for family in plan.off:
        yield f"{family} is switched off: nothing of it is written, and what is there stays."
    for index, count in plan.absent.items():
        yield f"{count:,} products have something to say and are not in the index {escape(repr(index))}."
    for refused in plan.refused[:20]:
        yield escape(f"left out: {refused.family} {refused.object_id!r}: {refused.reason}")
    if len(plan.refused) > 20:
        yield f"… and {len(plan.refused) - 20:,} more left out."
