"""How the service looks to people: its jobs, what it serves, its last runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from algosync.cli import render


def runs(report: Mapping[str, Any]) -> None:
    """Shows the last runs."""
    if not report["runs"]:
        render.out.print("no runs yet: run algosync sync, or algosync worker")
        return
    columns = ["run", "started", "command", "outcome", "seconds", "events read", "operations"]
    rows = [
        [
            run["number"],
            _moment(run["started_at"]),
            run["command"],
            run["outcome"],
            run["seconds"],
            run["read"],
            run["operations"],
        ]
        for run in report["runs"]
    ]
    render.out.print(render.table("Last runs", columns, rows))


def status(report: Mapping[str, Any]) -> None:
    """Shows how the service is."""
    rows = [
        [name, _outcome(job), _moment(job["started_at"]), job["seconds"], _moment(job["due"])]
        for name, job in report["jobs"].items()
    ]
    render.out.print(render.table("Jobs", ["job", "last outcome", "started", "seconds", "due"], rows))
    for family, age in report["served"]["ages_s"].items():
        render.out.print(f"{family} at Algolia are of {_age(age)} ago")
    if report["served"]["deferred_since"]:
        render.out.print(f"changes wait to be pushed since {_moment(report['served']['deferred_since'])}")
    if report["operations_left"] is not None:
        render.out.print(f"{report['operations_left']:,} operations are left of the budgets")
    if report["paused"]:
        why = f": {report['paused']['reason']}" if report["paused"].get("reason") else ""
        render.out.print(escape(f"pushing is paused since {_moment(report['paused']['at'])}{why}; algosync resume"))
    if report["quiet"]:
        render.out.print(f"nothing is pushed now: {report['quiet']} is a quiet time")
    for problem in report["problems"]:
        render.out.print(escape(problem), style="yellow", soft_wrap=True)


def erasures(found: Sequence[Mapping[str, Any]]) -> None:
    """Shows the erasures that are not at their end."""
    for one in found:
        waits = "Algolia still deletes" if one["status"] == "pending" else "it broke off"
        render.out.print(escape(f"erasure {one['erasure']}: {waits}; algosync forget --pending"), style="yellow")


def _outcome(job: Mapping[str, Any]) -> str:
    if job["running"]:
        return "running, or broke off"
    return str(job["outcome"] or "–")


def _moment(text: str | None) -> str | None:
    return None if text is None else text[:19].replace("T", " ")


def _age(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"
