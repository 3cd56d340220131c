"""SQL expressions that bring the fields of a canonical batch into one form, whatever type they came in.

Each function reads the Arrow type of its column and returns DuckDB SQL over it. Nothing is judged here: what cannot
be understood becomes NULL (NaN and infinity stay), and `checks` says why that is a reason to turn the row away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from algosync.events.duck import literal
from algosync.events.vocabulary import FOLDED, FOR_YOU, KINDS_OF_SUBTYPE, KINDS_OF_TYPE, NOT_PERSONALIZED

_SECONDS_BELOW, _MILLIS_BELOW, _MICROS_BELOW = "1e11", "1e14", "1e17"


def absent(table: pa.Table, name: str) -> bool:
    """Whether a column says nothing in this batch."""
    column = table.column(name)
    return bool(column.null_count == len(column))


def text(table: pa.Table, name: str) -> str:
    """A text field; an empty one is absent."""
    if absent(table, name):
        return "NULL::VARCHAR"
    return f"nullif({quoted(name)}::VARCHAR, '')"


def quoted(name: str) -> str:
    """The column as SQL names it."""
    return f'"{name}"'


def number(table: pa.Table, name: str) -> str:
    """A number as DOUBLE; NULL where it is none."""
    if absent(table, name):
        return "NULL::DOUBLE"
    return f"TRY_CAST({given(table, name)} AS DOUBLE)"


def given(table: pa.Table, name: str) -> str:
    """A field as it was given; an empty text is NULL."""
    return text(table, name) if _is_text(table.schema.field(name).type) else quoted(name)


def filled(table: pa.Table, name: str) -> bool:
    """Whether a column says something in every row of this batch: no null, no empty text.

    Lists and maps never count as filled: an empty one is absent.
    """
    column = table.column(name)
    if column.null_count or not len(column) or pa.types.is_nested(column.type):
        return False
    return not _is_text(column.type) or bool(pc.min(pc.binary_length(column)).as_py())


def word(expression: str) -> str:
    """A name of a vocabulary without regard to letter case, blanks, hyphens and underscores."""
    return f"lower(translate({expression}, '{FOLDED}', ''))"


def folded(column: pa.Array) -> pa.Array:
    """What `word` makes of a column of text, without a query."""
    return pc.utf8_lower(pc.replace_substring_regex(column, f"[{re.escape(FOLDED)}]", ""))


def kind_of_type(expression: str) -> str:
    """The meaning of an event_type after KINDS_OF_TYPE; NULL where it has none."""
    return _meant(expression, KINDS_OF_TYPE)


def kind_of_subtype(expression: str) -> str:
    """`add_to_cart` or `purchase`; NULL for anything else."""
    return _meant(expression, KINDS_OF_SUBTYPE)


def _meant(expression: str, meanings: Mapping[str, str]) -> str:
    cases = " ".join(f"WHEN {literal(said)} THEN {literal(kind)}" for said, kind in meanings.items())
    return f"CASE {word(expression)} {cases} END"


def consent(table: pa.Table) -> str:
    """`for_you` or `not_personalized`; NULL where nothing, or nothing known, was said."""
    if absent(table, "consent"):
        return "NULL::VARCHAR"
    said = f"lower({text(table, 'consent')})"
    granted, denied = (", ".join(map(literal, names)) for names in (FOR_YOU, NOT_PERSONALIZED))
    return f"CASE WHEN {said} IN ({granted}) THEN 'for_you' WHEN {said} IN ({denied}) THEN 'not_personalized' END"


def facets(table: pa.Table) -> str:
    """Filters `facet:value` as a list of structs, sorted and without repeats; an empty list is absent."""
    if absent(table, "facet_filters"):
        return "NULL"
    split = "{'facet': split_part(x, ':', 1), 'value': substr(x, strpos(x, ':') + 1)}"
    listed = f"list_sort(list_distinct(list_transform(facet_filters, lambda x: {split})))"
    return f"CASE WHEN len(facet_filters) > 0 THEN {listed} END"


def instants(table: pa.Table, timezone: str | None) -> pa.Table:
    """Replace a column of Arrow timestamps by microseconds since the epoch, UTC, where that is possible.

    Naive timestamps stay as they are without a timezone. Two moments of one local hour in autumn: the earlier; a local
    time that spring left out: the moment after the gap.
    """
    place = table.schema.get_field_index("timestamp")
    column = table.column(place)
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("us"))
    if not pa.types.is_timestamp(column.type):
        return table
    column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    if column.type.tz is None and timezone is not None:
        column = pc.assume_timezone(column, timezone, ambiguous="earliest", nonexistent="latest")
    if column.type.tz is not None:
        column = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        return table.set_column(place, pa.field("timestamp", pa.int64(), metadata={"unit": "us"}), column)
    return table.set_column(place, "timestamp", column)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """SQL for an event's moment, in two steps so that no text is parsed twice.

    Args:
        parts: Columns to compute first, beside those of the table.
        micros: Microseconds since the epoch, UTC, as BIGINT over `parts`; NULL where it cannot be told.
        naive: Whether only the timezone is missing.
    """

    parts: str
    micros: str
    naive: str


def moment(table: pa.Table, timezone: str | None) -> Moment:
    """How to read the timestamps of a table that went through `instants`.

    Understands ISO 8601 with an offset or a zone's name, naive times with `timezone`, and epoch seconds, milliseconds,
    microseconds and nanoseconds, told apart by their size; all of them within one column.
    """
    field = table.schema.field("timestamp")
    if absent(table, "timestamp"):
        return Moment(parts="NULL AS moment", micros="NULL::BIGINT", naive="false")
    if pa.types.is_timestamp(field.type):
        return Moment(parts="NULL AS moment", micros="NULL::BIGINT", naive="true")
    if field.metadata:
        return Moment(parts="NULL AS moment", micros='"timestamp"', naive="false")
    if not _is_text(field.type):
        return Moment(parts='TRY_CAST("timestamp" AS DOUBLE) AS epoch', micros=_epoch("epoch"), naive="false")
    # A cast to TIMESTAMP drops an offset in silence; one to TIMESTAMPTZ gives a naive time the session's zone.
    mended = "upper(replace(replace(\"timestamp\", ' +', '+'), ' -', '-'))"
    parts = (
        "regexp_matches(substr(\"timestamp\", 12), '[A-Za-z+-]') AS zoned, "
        'CASE WHEN zoned THEN epoch_us(coalesce(TRY_CAST("timestamp" AS TIMESTAMPTZ), '
        f"TRY_CAST({mended} AS TIMESTAMPTZ))) END AS absolute, "
        'CASE WHEN NOT zoned THEN TRY_CAST("timestamp" AS TIMESTAMP) END AS moment, '
        'CASE WHEN NOT zoned THEN TRY_CAST("timestamp" AS DOUBLE) END AS epoch'
    )
    micros = (
        f"CASE WHEN zoned THEN absolute WHEN epoch IS NOT NULL THEN {_epoch('epoch')} "
        f"WHEN isfinite(moment) THEN {_local(timezone)} END"
    )
    return Moment(parts=parts, micros=micros, naive="(epoch IS NULL AND isfinite(moment))")


def _local(timezone: str | None) -> str:
    if timezone is None:
        return "NULL::BIGINT"
    if timezone.upper() == "UTC":
        return "epoch_us(moment)"
    return f"epoch_us(timezone({literal(timezone)}, moment))"


def _epoch(x: str) -> str:
    return (
        f"TRY_CAST(CASE WHEN abs({x}) < {_SECONDS_BELOW} THEN {x} * 1e6 WHEN abs({x}) < {_MILLIS_BELOW} THEN {x} * 1e3"
        f" WHEN abs({x}) < {_MICROS_BELOW} THEN {x} ELSE {x} / 1e3 END AS BIGINT)"
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
