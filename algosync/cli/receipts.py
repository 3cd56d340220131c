"""How receipts look: one person's answer and everything behind it, and the orders that the shop gives about her."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from algosync.cli.render import err, out, table

_EVENTS: Final = 5
_DONE: Final = {
    "reset": "starts anew: what was done until now counts in aggregates only",
    "suppress": "is suppressed: no profile, no personalization, until `algosync suppress --lift`",
    "lift": "is personalized again, by what she chose herself",
}


def explain(report: dict[str, Any]) -> None:
    """Shows one person, the arithmetic behind each boost, and the answer that comes of it."""
    _person(report)
    rows = [_affinity(found) for found in report["affinities"]]
    if rows:
        half_life = f"{report['half_life_days']:g} days"
        title = f"Affinities: points halve every {half_life}; score = 20 · points / the facet's largest"
        out.print(table(title, ["facet", "value", "points", "score", "integer", "· weight", "filter"], rows))
    for found in [f for f in report["affinities"] if f["filter"]][:3]:
        out.print(_arithmetic(found))
    for reason, values in _by_reason(report["left_out"]).items():
        shown = ", ".join(values[:3]) + (f" and {len(values) - 3} more" if len(values) > 3 else "")
        out.print(escape(f"left out ({reason}): {shown}"))
    for segment in report["segments"]:
        out.print(f"{'[green]in[/]' if segment['member'] else '[dim]not in[/]'} segment {escape(segment['id'])}")
        for reason in segment["why"]:
            mark = "✓" if reason["holds"] else "✗"
            out.print(escape(f"{'  ' * (reason['depth'] + 1)}{mark} {reason['condition']}"))
    for action in report["actions"]:
        out.print(
            escape(f"action {action['id']}: {'fires' if action['fires'] else 'does not fire'}: {action['reason']}")
        )
    _answer(report)


def _person(report: Mapping[str, Any]) -> None:
    who = f"[bold]{escape(report['person'])}[/]"
    if report["visit"] is None:
        out.print(f"{who}: {escape(report['reason'])}")
    else:
        out.print(
            f"{who}: {report['visit']} {report['state']}, {report['sessions']:,} sessions, "
            f"{report['events']:,} events, {report['products']:,} products, as of {report['as_of']}"
        )
        out.print(f"{'ready' if report['ready'] else 'not ready'}: {report['reason']}")
    if len(report["tokens"]) > 1:
        out.print(escape(f"also known as {', '.join(report['tokens'][1:])}"))
    if report["recent"]["events"]:
        out.print(f"{report['recent']['events']:,} events since the last run are among them")
    if report["attributes"]:
        out.print(escape(", ".join(f"{key} {value}" for key, value in report["attributes"].items())))
    for order_ in report["orders"]:
        out.print(escape(f"ordered by the shop: {order_['order']} {order_['token']} at {order_['at']}"))
    if report["settings"] is not None:
        used = report["settings"]
        out.print(f"by the settings {used['digest'][:12]}, in use since {used['since']}")
    for line in report["inexact"]:
        out.print(escape(f"not exact: {line}"), style="yellow")


def _session(session: Mapping[str, Any]) -> None:
    """The last step: what the session that is on does to each score."""
    shares = ", ".join(f"{facet} {found['share']:.0%}" for facet, found in session["facets"].items())
    rows = [
        [f["facet"], f["value"], f["profile"], f["session"], f["score"], f["before"], f["integer"]]
        for f in session["values"]
    ]
    title = f"The session's weight: {session['events']:,} events have a share of {shares}"
    out.print(table(title, ["facet", "value", "profile", "session", "blended", "before", "integer"], rows))


def _answer(report: Mapping[str, Any]) -> None:
    answer, behind = report["answer"], report["receipts"]
    if report["recent"]["session"] and report["recent"]["session"]["values"]:
        _session(report["recent"]["session"])
    out.print(f"[bold]The answer[/]: {answer['strategy']}, since {escape(answer['reason'])}")
    rows = [
        [f["filter"], f["source"], f["integer"], f["weight"], f["product"], f["level"], f["score"]]
        for f in behind["filters"]
    ]
    if rows:
        applied = behind["applied"]
        where = "which apply here" if applied["applies"] else f"which do not apply here: {applied['reason']}"
        title = f"Its filters, {where}; a product is raised to one of a few levels"
        out.print(table(title, ["filter", "from", "integer", "· weight", "product", "level", "score"], rows))


def _by_reason(left_out: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for left in left_out:
        reasons.setdefault(left["reason"], []).append(f"{left['facet']}:{left['value']}")
    return reasons


def _affinity(found: Mapping[str, Any]) -> list[Any]:
    said = found["filter"]
    shown = [None, None] if said is None else [said["product"], f"<score={said['score']}>"]
    integer = f"{found['integer']} (held)" if found["held"] else found["integer"]
    return [found["facet"], found["value"], found["points"], found["score"], integer, *shown]


def _arithmetic(found: Mapping[str, Any]) -> Table:
    events = found["events"][:_EVENTS]
    rows = [
        [e["id"][:8], e["kind"], e["objectID"], e["at"][:10], e["weight"], e["age_days"], e["points"]] for e in events
    ]
    more = found["event_count"] - len(rows)
    if more:
        rest = found["points"] - sum(event["points"] for event in events)
        rows.append([None, f"{more:,} more events", None, None, None, None, rest])
    title = f"{found['facet']}: {found['value']} = {found['points']:,.2f} points, each weight · 2^(-age / half-life)"
    return table(title, ["id", "event", "product", "day", "weight", "age in days", "points"], rows)


def order(report: dict[str, Any]) -> None:
    """Shows what became of an order."""
    who = ", ".join(report["tokens"])
    if report["given"]:
        out.print(escape(f"{who} {_DONE[report['order']]}"))
        out.print("answers heed it at once; records at Algolia follow with the next `algosync sync`")
    elif report["order"] == "lift" and not report["suppressed"]:
        out.print(escape(f"{who}: not suppressed, so that there is nothing to lift"))
    elif report["order"] == "suppress" and report["suppressed"] == report["tokens"]:
        out.print(escape(f"{who}: suppressed already"))
    else:
        out.print("nothing was changed")


def confirm_order(*, json: bool) -> Callable[[Mapping[str, Any]], bool]:
    """Asks on stderr; where nobody can answer, no."""

    def ask(concerns: Mapping[str, Any]) -> bool:
        err.print(escape(f"{concerns['order']}: {', '.join(concerns['tokens'])}"))
        if json or not sys.stdin.isatty():
            err.print("not done: run with --yes to do it")
            return False
        return err.input("Do it? [y/N] ").strip().lower() in ("y", "yes")

    return ask
