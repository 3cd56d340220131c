"""What makes a row unusable: every check with its field, its reason and its SQL, in the order they are made.

The conditions speak of the columns that `clean` prepares. A row's first failing check is its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from algosync.events import normal
from algosync.events.insights import SUBJECT_CHARACTERS_MAX
from algosync.events.vocabulary import FOR_YOU, NOT_PERSONALIZED, SESSION_EVENTS

TOKEN_MAX = 128
"""Algolia's documentation says 129, its error message 128: the smaller one is safe."""

_TOKEN = "[a-zA-Z0-9_=/+-]+"  # noqa: S105 - an alphabet
_INT_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One reason to turn a row away.

    Args:
        field: The event field at fault.
        reason: What is wrong and what is allowed, in words that hold for every such row.
        sql: The condition under which a row fails.
    """

    field: str
    reason: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The moments an event may have, in microseconds since the epoch: not before `first`, not after `last`."""

    first: int | None
    last: int


def checks(table: pa.Table, window: Window) -> list[Check]:
    """Return the checks a batch needs; those of absent optional fields are left out."""
    return [
        *_timestamp(window),
        *_tokens(table),
        *_kinds(table),
        *_products(table),
        *_numbers(table),
        *_names(table),
    ]


def verdict(made: Sequence[Check]) -> str:
    """SQL for the number of the first failing check; NULL for a row that passes."""
    cases = " ".join(f"WHEN {check.sql} THEN {number}" for number, check in enumerate(made))
    return f"CASE {cases} END::USMALLINT"


def _timestamp(window: Window) -> list[Check]:
    found = [
        ("timestamp is missing", '"timestamp" IS NULL'),
        ("timestamp has no offset and the source no timezone", "us IS NULL AND naive"),
        ("timestamp cannot be read: allowed are ISO 8601 and epoch seconds or milliseconds", "us IS NULL"),
        ("timestamp is in the future", f"us > {window.last}"),
    ]
    if window.first is not None:
        found.append(("timestamp is older than events may be", f"us < {window.first}"))
    return [Check(field="timestamp", reason=reason, sql=sql) for reason, sql in found]


def _tokens(table: pa.Table) -> list[Check]:
    found = [
        Check(field="user_token", reason="user_token is empty", sql="token IS NULL"),
        *_token("user_token", "token"),
    ]
    if not normal.absent(table, "authenticated_user_token"):
        found += _token("authenticated_user_token", "auth")
    return found


def _token(field: str, column: str) -> list[Check]:
    return [
        Check(
            field=field,
            reason=f"{field} is longer than {TOKEN_MAX} characters",
            sql=f"length({column}) > {TOKEN_MAX}",
        ),
        Check(
            field=field,
            reason=f"{field} has characters other than a-z A-Z 0-9 _ = / + -",
            sql=f"NOT regexp_full_match({column}, '{_TOKEN}')",
        ),
    ]


def _kinds(table: pa.Table) -> list[Check]:
    allowed = ", ".join(("view", "click", "conversion", "add_to_cart", "purchase", *SESSION_EVENTS))
    found = [
        Check(field="event_type", reason="event_type is missing", sql="type IS NULL"),
        Check(field="event_type", reason=f"event_type is unknown: allowed are {allowed}", sql="base IS NULL"),
    ]
    if not normal.absent(table, "event_subtype"):
        unknown = "event_subtype is unknown: allowed are addToCart, purchase"
        alone = "event_subtype without the event_type conversion"
        found += [
            Check(field="event_subtype", reason=unknown, sql="subtype IS NOT NULL AND sub IS NULL"),
            Check(field="event_subtype", reason=alone, sql="sub IS NOT NULL AND base NOT IN ('conversion', sub)"),
        ]
    return found


def _products(table: pa.Table) -> list[Check]:
    found = []
    session = "a login, logout or pageview names a product or filters"
    if not normal.absent(table, "object_id"):
        found.append(Check(field="object_id", reason="object_id is empty", sql="object_id = ''"))
        # No text of PostgreSQL's may hold it.
        nul = "contains(object_id, chr(0))"
        long = f"length(object_id) > {SUBJECT_CHARACTERS_MAX}"
        found.append(Check(field="object_id", reason="object_id has the character NUL", sql=nul))
        reason = f"object_id is longer than {SUBJECT_CHARACTERS_MAX} characters"
        found.append(Check(field="object_id", reason=reason, sql=long))
        found.append(Check(field="object_id", reason=session, sql="session AND object_id IS NOT NULL"))
    if not normal.absent(table, "facet_filters"):
        ill_formed = "len(list_filter(facet_filters, lambda x: x IS NULL OR NOT regexp_matches(x, '(?s)^[^:]+:.'))) > 0"
        form = "facet_filters are not of the form facet:value"
        both = "object_id and facet_filters exclude each other"
        found += [
            Check(field="facet_filters", reason=both, sql="object_id IS NOT NULL AND len(facet_filters) > 0"),
            Check(field="facet_filters", reason=form, sql=ill_formed),
            Check(field="facet_filters", reason=session, sql="session AND len(facet_filters) > 0"),
        ]
    return found


def _numbers(table: pa.Table) -> list[Check]:
    found = []
    for field in ("price", "quantity", "discount", "position"):
        if normal.absent(table, field):
            continue
        given = f"{normal.given(table, field)} IS NOT NULL"
        found.append(Check(field=field, reason=f"{field} is not a number", sql=f"n_{field} IS NULL AND {given}"))
        found.append(Check(field=field, reason=f"{field} is NaN or infinite", sql=f"NOT isfinite(n_{field})"))
        found += _ranges(field)
    return found


def _ranges(field: str) -> list[Check]:
    whole = f"(n_{field} <> floor(n_{field}) OR abs(n_{field}) > {_INT_MAX})"
    ranges = {
        "price": [("price is negative", "n_price < 0")],
        "discount": [],
        "quantity": [
            ("quantity is not a whole number", whole),
            ("quantity is zero in a purchase", "n_quantity = 0 AND kind = 'purchase'"),
            ("quantity is negative: only a purchase can be returned", "n_quantity < 0 AND kind <> 'purchase'"),
        ],
        "position": [("position is not a positive whole number", f"({whole} OR n_position < 1)")],
    }
    return [Check(field=field, reason=reason, sql=sql) for reason, sql in ranges[field]]


def _names(table: pa.Table) -> list[Check]:
    found = []
    if not normal.absent(table, "currency"):
        found.append(Check(field="currency", reason="currency is not a code of three letters", sql="odd_money"))
    if not normal.absent(table, "consent"):
        allowed = ", ".join((*FOR_YOU, *NOT_PERSONALIZED))
        unknown = f"{normal.text(table, 'consent')} IS NOT NULL AND consented IS NULL"
        found.append(Check(field="consent", reason=f"consent is unknown: allowed are {allowed}", sql=unknown))
    return found
