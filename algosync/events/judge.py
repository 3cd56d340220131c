"""The one query that judges a batch: fields brought into one form, each row's verdict and key.

Puts together the expressions of `normal`, `checks` and `keys`; decides nothing of its own but which events are kept
out of profiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

from algosync.events import keys, normal
from algosync.events.checks import Check, verdict
from algosync.events.duck import arrow, lent, literal
from algosync.events.rules import CleanRules
from algosync.events.vocabulary import SESSION_EVENTS
from algosync.events.words import worked_out

_CHUNK = 30_720  # rows; a multiple of DuckDB's vectors


def judged(
    con: duckdb.DuckDBPyConnection, table: pa.Table, positions: pa.Array, rules: CleanRules, made: Sequence[Check]
) -> pa.Table:
    """Return a row per row of `table`, in its order: the normalised fields, `key_hi`, `key_lo`, `excluded`, `verdict`.

    Args:
        con: A connection to work on.
        table: A canonical batch that went through `normal.instants`.
        positions: Where each row was read.
        rules: How the source's rows are judged.
        made: The checks; `verdict` is the number of the first that fails, null for a usable row.

    Raises:
        StoreError: DuckDB refused, for example for want of memory.
    """
    table = worked_out(con, table)
    if not normal.absent(table, "context"):
        table = table.append_column("said", keys.said(table.column("context")))
    if rules.identity == "row":
        table = table.append_column("place", positions)
    table = table.append_column("n", pa.array(np.arange(table.num_rows, dtype=np.int64)))
    # DuckDB's threads share a table by its chunks.
    chunks = pa.Table.from_batches(table.to_batches(max_chunksize=_CHUNK), schema=table.schema)
    with lent(con, canonical=chunks):
        found = arrow(
            con,
            f"SELECT *, {keys.halves('key')} FROM ("  # noqa: S608 - names and literals of our own
            f"SELECT n, us, token, auth, session_id, kind, event_name, facets, order_id, n_price, n_quantity, "
            f'n_discount, currency, query_id, n_position, "index", consented, product, {_excluded(rules)}, '
            f"{verdict(made)} AS verdict, {keys.digest(table, rules.source, rules.identity)} AS key "
            f"FROM ({_prepared(table, rules)}))",
        ).drop_columns(["key"])
    numbers = found.column("n").to_numpy()
    return found if (numbers[1:] > numbers[:-1]).all() else found.sort_by("n")


def _prepared(table: pa.Table, rules: CleanRules) -> str:
    """SQL for the columns that checks and keys speak of; each step uses those of the one before."""
    moment = normal.moment(table, rules.timezone)
    texts = ("event_id", "session_id", "order_id", "query_id", "index", "product", "event_name")
    numbers = ("price", "quantity", "discount", "position")
    columns = [
        f"{moment.micros} AS us",
        f"{moment.naive} AS naive",
        f"{normal.text(table, 'user_token')} AS token",
        f"{normal.text(table, 'authenticated_user_token')} AS auth",
        f"{normal.text(table, 'event_type')} AS type",
        f"{normal.text(table, 'event_subtype')} AS subtype",
        f"{normal.facets(table)} AS facets",
        "money AS currency",
        *(f"{normal.text(table, name)} AS {normal.quoted(name)}" for name in texts),
        *(f"{normal.number(table, name)} AS n_{name}" for name in numbers),
    ]
    replaced = ", ".join(normal.quoted(name) for name in ("currency", *texts))
    read = f"(SELECT *, {moment.parts} FROM canonical)"  # noqa: S608
    first = f"SELECT * EXCLUDE ({replaced}), {', '.join(columns)} FROM {read}"  # noqa: S608
    session = ", ".join(literal(name) for name in SESSION_EVENTS)
    return (
        f"SELECT * EXCLUDE (event_name), base IN ({session}) AS session, "  # noqa: S608
        "CASE WHEN base = 'conversion' THEN coalesce(sub, base) WHEN session THEN 'view' ELSE base END AS kind, "
        "CASE WHEN session THEN base ELSE event_name END AS event_name FROM ("
        f"{first})"
    )


def _excluded(rules: CleanRules) -> str:
    globs = [literal(glob) for glob in rules.ignore_tokens]
    cases = [f"WHEN token GLOB {glob} OR auth GLOB {glob} THEN 'ignored:user_token'" for glob in globs]
    cases.append("WHEN consented = 'not_personalized' THEN 'no_consent:denied'")
    if rules.consent_missing == "deny":
        cases.append("WHEN consented IS NULL THEN 'no_consent:missing'")
    return f"CASE {' '.join(cases)} END AS excluded"
