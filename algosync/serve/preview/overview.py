"""The overview as a page shows it: rates out of sums, and the charts that go with the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from markupsafe import Markup

from algosync.profiles.visitors import STATES, VISITS
from algosync.serve.preview.charts import Bar, Column, bars, columns
from algosync.serve.preview.pages import number, share

SEGMENTS_DRAWN: Final = 12
_SUMS: Final = ("sessions", "bounces", "converted", "orders", "paid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table of sessions: whose, and the sums behind its rates; `paid` in units of the currency."""

    label: str
    sessions: int
    bounces: int
    converted: int
    orders: int
    paid: float

    @property
    def order_value(self) -> float:
        """The mean value of an order."""
        return self.paid / self.orders if self.orders else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The overview of one run.

    Attributes:
        people, visits, states: Rows of the tables; the last row of either is all of them.
        days, segments: As in the document.
        charts: By name.
        currency: Of amounts; empty where the shop names none.
    """

    people: tuple[tuple[str, int, int], ...]
    visits: tuple[Row, ...]
    states: tuple[Row, ...]
    days: Sequence[Mapping[str, Any]]
    segments: Sequence[Mapping[str, Any]]
    charts: Mapping[str, Markup]
    currency: str


def overview_of(sums: Mapping[str, Any], currency: str) -> Shown:
    """What the page shows of the sums of sync/overview.py."""
    rows = sums["sessions"]
    visits = _rows(rows, "visit", VISITS)
    states = _rows(rows, "state", STATES)
    return Shown(
        people=tuple(_people(sums["people"])),
        visits=visits,
        states=states,
        days=sums["days"],
        segments=sums["segments"],
        charts=_charts(sums, visits, states, currency),
        currency=currency,
    )


def _rows(rows: Iterable[Mapping[str, Any]], key: str, values: Sequence[str]) -> tuple[Row, ...]:
    found = [_summed(value, [row for row in rows if row[key] == value]) for value in values]
    return (*found, _summed("all", list(rows)))


def _summed(label: str, rows: Sequence[Mapping[str, Any]]) -> Row:
    return Row(label=label, **{name: sum(row[name] for row in rows) for name in _SUMS})


def _people(rows: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, int, int]]:
    for state in (*STATES, "all"):
        mine = [row for row in rows if state in ("all", row["state"])]
        new, returning = (sum(r["people"] for r in mine if r["visit"] == visit) for visit in VISITS)
        yield state, new, returning


def _charts(sums: Mapping[str, Any], visits: Sequence[Row], states: Sequence[Row], currency: str) -> dict[str, Markup]:
    days = [Column(label=_day(row["day"]), parts=(row["returning"], row["new"])) for row in sums["days"]]
    new, returning, whole = visits
    by_state = states[:-1]
    segments = [
        Bar(label=_short(row["name"]), value=row["members"], text=number(row["members"])) for row in sums["segments"]
    ]
    return {
        "days": columns(
            "days",
            "Sessions by day",
            f"{number(new.sessions)} first sessions and {number(returning.sessions)} later ones in all; "
            "each column is a day, first sessions on top.",
            days,
        ),
        "bounce": _rates("bounce", "Bounce rate by visitor state", by_state, "bounces"),
        "conversion": _rates("conversion", "Conversion by visitor state", by_state, "converted"),
        "value": bars(
            "value",
            "Mean order value by visitor state",
            f"An order is worth {_money(whole.order_value, currency)} on average.",
            [
                Bar(
                    label=row.label,
                    value=row.order_value,
                    text=_money(row.order_value, currency) if row.orders else "no order",
                )
                for row in by_state
            ],
        ),
        "segments": bars(
            "segments",
            "Members by segment",
            f"The {min(len(segments), SEGMENTS_DRAWN)} segments of highest priority.",
            segments[:SEGMENTS_DRAWN],
        ),
    }


def _rates(name: str, title: str, rows: Sequence[Row], part: str) -> Markup:
    drawn = [
        Bar(
            label=row.label,
            value=getattr(row, part) / row.sessions if row.sessions else 0.0,
            text=share(getattr(row, part), row.sessions),
        )
        for row in rows
    ]
    return bars(name, title, "; ".join(f"{bar.label} {bar.text}" for bar in drawn), drawn)


def _money(amount: float, currency: str) -> str:
    return f"{number(amount, 2)} {currency}".strip()


def _day(text: str) -> str:
    day = date.fromisoformat(text)
    return f"{day.day} {day:%b}"


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:39]}…"
