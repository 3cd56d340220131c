"""How a push looks to people: what the brake says of its plan, what was left out and why, when to come again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape

from algosync.cli.render import out, table

_SHOWN = 10


def brake(report: Mapping[str, Any]) -> None:
    """Shows what a plan does to what is there, and whether it needs approval."""
    verdict = report["brake"]
    if verdict is None:
        return
    columns = ("there", "changes", "deletes", "restores", "adds")
    rows = [[family, *(share[name] for name in columns)] for family, share in verdict["families"].items()]
    if any(any(row[2:]) for row in rows):
        out.print(table("Against what is there", ["family", *columns], rows))
    for stop in verdict["stops"]:
        out.print(escape(f"over the limit: {stop['says']}"), style="red")
    if verdict["stops"]:
        out.print(f"A sync stops before it pushes this; algosync sync --approve {verdict['hash']} lets it through.")


def pushed(report: Mapping[str, Any]) -> None:
    """Shows what was left for another run, and what Algolia refused."""
    done = report["pushed"]
    if done["stopped"]:
        out.print(escape(f"the push ended early: {done['stopped']}"), style="yellow", soft_wrap=True)
    if done["waiting"]:
        out.print(f"{done['waiting']:,} operations were taken and are not published yet; the next run asks again.")
    for reason, count in done["deferred_for"].items():
        why = f"{done['budget']} is spent" if reason == "budget" else reason
        out.print(escape(f"{count:,} operations are left to the next run: {why}."))
    if done["again"]:
        out.print(f"Come again at {done['again']}.")
    for failure in done["failed"][:_SHOWN]:
        out.print(escape(f"refused: {failure['family']} {failure['object_id']}: {failure['reason']}"))
    if done["failed"]:
        out.print(f"{len(done['failed']):,} payloads were refused and are left out: algosync quarantine list")
