"""Splits a canonical batch into events the log accepts and rows it turns away, each with its reason.

Vectorised: one DuckDB query per batch. Accepted plus rejected is what was read, always; duplicates are the log's to
find. Writes nothing and reads no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from algosync.errors import RejectedShareError
from algosync.events import normal
from algosync.events.checks import Check, Window, checks
from algosync.events.duck import lent, run
from algosync.events.judge import judged
from algosync.events.rules import CleanRules
from algosync.events.schema import CLEAN, FACET_VALUES

REJECTED = pa.schema(
    [
        ("position", pa.string()),
        ("field", pa.string()),
        ("reason", pa.string()),
        ("row", pa.string()),
        ("incomplete", pa.bool_()),
    ]
)
"""A row that was turned away. `field` is null where the row could not be read at all; `row` is the row as it came, as
JSON; `incomplete` marks the cut last row of a file that may still grow."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_OUTLIER_FREE = 0.95


class BadRow(Protocol):
    """A row that a source could not even split into columns."""

    @property
    def position(self) -> str:
        """Where it was read."""

    @property
    def content(self) -> str:
        """What stood there."""

    @property
    def reason(self) -> str:
        """Why it cannot be used."""

    @property
    def incomplete(self) -> bool:
        """Whether it is the cut end of something that may still grow."""


class Canonical(Protocol):
    """A batch as a mapping leaves it: every column of `schema.FIELDS`, one row per event."""

    @property
    def table(self) -> pa.Table:
        """The events."""

    @property
    def positions(self) -> pa.Array:
        """Where each row of the table was read, as text."""

    @property
    def steps(self) -> int:
        """How many numbers like #1 the mapping added to the positions."""

    @property
    def bad(self) -> Sequence[BadRow]:
        """What could not be read."""

    def raw_json(self, rows: Sequence[int]) -> list[str]:
        """Return the rows of these numbers as they came, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """One batch, judged.

    Args:
        accepted: The usable events (CLEAN), in the order they came, repeats among them.
        positions: Where each accepted event was read.
        rejected: The others (REJECTED).
        read: Rows read: accepted plus rejected.
        judged_at: The clock at that time.
        steps: How many numbers like #1 the mapping added to the positions.
    """

    accepted: pa.Table
    positions: pa.Array
    rejected: pa.Table
    read: int
    judged_at: datetime
    steps: int = 0

    def reasons(self) -> dict[str, int]:
        """Return how many rows were turned away for each reason, most first."""
        counted = Counter(self.rejected.column("reason").to_pylist())
        return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def clean(con: duckdb.DuckDBPyConnection, canonical: Canonical, rules: CleanRules) -> Cleaned:
    """Judge one batch.

    A `last_event` shop has data of the past: the clock still says what is future, and `max_age` counts back from the
    newest event, see `newest`. Where such data spans more than `max_age`, give `as_of` to be independent of the order
    of the batches.

    Raises:
        StoreError: DuckDB refused, for example for want of memory.
    """
    table = normal.instants(canonical.table, rules.timezone)
    window = Window(
        first=_micros(anchor - rules.max_age) if (anchor := _anchor(con, table, rules)) else None,
        last=_micros(rules.now + rules.future_tolerance),
    )
    made = checks(table, window)
    found = judged(con, table, canonical.positions, rules, made)
    verdicts = found.column("verdict").combine_chunks()
    usable = pc.is_null(verdicts)
    events, positions = _shaped(found, table, rules), canonical.positions
    rejected = _unread(canonical.bad)
    if verdicts.null_count < len(verdicts):
        rejected = pa.concat_tables([_rejected(canonical, verdicts, made), rejected])
        events, positions = events.filter(usable), positions.filter(usable)
    return Cleaned(
        accepted=events,
        positions=positions,
        rejected=rejected,
        read=table.num_rows + len(canonical.bad),
        judged_at=rules.now,
        steps=canonical.steps,
    )


def newest(con: duckdb.DuckDBPyConnection, canonical: Canonical, rules: CleanRules) -> datetime | None:
    """Return the newest moment of a batch that can be believed, or None where there is none.

    Not in the future by the clock, and not more than `max_age` after 95 % of the batch: a single row of a wrong year
    must not make all the others ancient.
    """
    return _newest(con, normal.instants(canonical.table, rules.timezone), rules)


def check_share(cleaned: Cleaned, max_share: float) -> None:
    """Stop when too much of a batch was turned away; the cut last row of a growing file does not count.

    Args:
        cleaned: A judged batch.
        max_share: The largest share of rejected rows that is still fine, 0 to 1.

    Raises:
        RejectedShareError: With the reasons, their counts and where the first of each was read.
    """
    counted = cleaned.rejected.filter(pc.invert(cleaned.rejected.column("incomplete")))
    if not counted.num_rows or counted.num_rows <= max_share * cleaned.read:
        return
    first: dict[str, str] = {}
    for reason, position in zip(*(counted.column(c).to_pylist() for c in ("reason", "position")), strict=True):
        first.setdefault(reason, position)
    numbers = Counter(counted.column("reason").to_pylist())
    listed = "; ".join(f"{reason} ({n} rows, first at {first[reason]})" for reason, n in numbers.most_common(5))
    share = counted.num_rows / cleaned.read
    raise RejectedShareError(
        f"{counted.num_rows} of {cleaned.read} rows ({share:.0%}) cannot be used, {max_share:.0%} may be: {listed}",
        hint="See `algosync quarantine list`; correct the source's columns, values or timezone",
    )


def _anchor(con: duckdb.DuckDBPyConnection, table: pa.Table, rules: CleanRules) -> datetime | None:
    if rules.as_of is not None:
        return rules.as_of
    known = [moment for moment in (rules.newest, _newest(con, table, rules)) if moment is not None]
    return max(known, default=None)


def _newest(con: duckdb.DuckDBPyConnection, table: pa.Table, rules: CleanRules) -> datetime | None:
    moment = normal.moment(table, rules.timezone)
    believable = f"us <= {_micros(rules.now + rules.future_tolerance)}"
    age = rules.max_age // _MICROSECOND
    with lent(con, canonical=table.select(["timestamp"])):
        [(micros,)] = run(
            con,
            f"WITH m AS (SELECT {moment.micros} AS us FROM (SELECT *, {moment.parts} FROM canonical)), "  # noqa: S608
            f"most AS (SELECT quantile_disc(us, {_OUTLIER_FREE}) AS q FROM m WHERE {believable}) "
            f"SELECT max(us) FROM m, most WHERE {believable} AND us <= q + {age}",
        )
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _shaped(found: pa.Table, table: pa.Table, rules: CleanRules) -> pa.Table:
    """Bring the query's columns, and those that pass through, into the shape of CLEAN."""
    renamed = {
        "user_token": "token",
        "authenticated_user_token": "auth",
        "facet_filters": "facets",
        "price": "n_price",
        "quantity": "n_quantity",
        "discount": "n_discount",
        "position": "n_position",
        "consent": "consented",
    }

    def column(field: pa.Field) -> Any:
        if field.name == "source":
            return pa.repeat(pa.scalar(rules.source), table.num_rows)
        if field.name == "ts":
            return found.column("us").cast(pa.timestamp("us", tz="UTC"))
        if field.name in {"object_id", "context"}:
            return table.column(field.name).cast(field.type)
        values = found.column(renamed.get(field.name, field.name))
        if values.null_count == len(values):
            return pa.nulls(len(values), field.type)
        return values if field.type == FACET_VALUES else values.cast(field.type, safe=False)

    return pa.table([column(field) for field in CLEAN], schema=CLEAN)


def _rejected(canonical: Canonical, verdicts: pa.Array, made: list[Check]) -> pa.Table:
    numbers = pc.indices_nonzero(pc.is_valid(verdicts))
    failed = [made[number] for number in verdicts.drop_null().to_pylist()]
    return pa.table(
        [
            canonical.positions.take(numbers),
            pa.array([check.field for check in failed], pa.string()),
            pa.array([check.reason for check in failed], pa.string()),
            pa.array(canonical.raw_json(numbers.to_pylist()), pa.string()),
            pa.repeat(pa.scalar(value=False), len(failed)),
        ],
        schema=REJECTED,
    )


def _unread(bad: Sequence[BadRow]) -> pa.Table:
    rows = [
        {
            "position": row.position,
            "field": None,
            "reason": row.reason,
            "row": orjson.dumps(row.content).decode(),
            "incomplete": row.incomplete,
        }
        for row in bad
    ]
    return pa.Table.from_pylist(rows, schema=REJECTED)
