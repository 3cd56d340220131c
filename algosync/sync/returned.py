"""Whether the log names people who were forgotten, as one restored from a backup of before does.

Looking is a hash for every name, so it is done once for each state of the tombstones, and noted in the state: a
restored one bears the note of its own time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import duckdb
import pyarrow as pa
from sqlalchemy import select

from algosync.errors import StoreError
from algosync.events.duck import arrow, lent
from algosync.events.log import EventLog
from algosync.events.segments import scan
from algosync.stores.control import tell, told
from algosync.stores.state import State
from algosync.stores.tables import erasures
from algosync.stores.tombstones import Forgotten

_KEY: Final = "tombstones"
_LIFTED: Final = pa.schema([("id", pa.int32()), ("name", pa.string()), ("moment", pa.timestamp("us", tz="UTC"))])


def returned(state: State, forgotten: Forgotten) -> dict[str, datetime | None]:
    """The names of people who were forgotten and are in the log all the same, in order.

    Each with None, or with the moment from which on it counts again, where the log goes further back than that.

    Raises:
        StoreError: The log cannot be read.
    """
    if not forgotten.names:
        return {}
    ids = EventLog(state).ids("token")
    known = forgotten.among(ids["value"].to_pylist())
    lifted = {name: moment for name, moment in known.items() if moment is not None}
    back = _before(state, ids, lifted) if lifted else frozenset()
    return {name: moment for name, moment in sorted(known.items()) if moment is None or name in back}


def _before(state: State, ids: pa.Table, lifted: Mapping[str, datetime]) -> frozenset[str]:
    """Those of some names of which the log has events up to their moments."""
    rows = [
        {"id": number, "name": name, "moment": lifted[name]}
        for number, name in zip(ids["id"].to_pylist(), ids["value"].to_pylist(), strict=True)
        if name in lifted
    ]
    events = scan("events", EventLog(state).paths()["events"])
    with duckdb.connect() as con, lent(con, lifted=pa.Table.from_pylist(rows, schema=_LIFTED)):
        past = f"SELECT name FROM {events} JOIN lifted ON id IN (token, auth) WHERE ts <= moment"  # noqa: S608
        return frozenset(arrow(con, past)["name"].to_pylist())


def refuse_returned(state: State, forgotten: Forgotten, at: datetime) -> None:
    """Stops where somebody who was forgotten is back; one whose erasure broke off is about to go.

    Args:
        state: The log's state; what was found is noted where it may be written.
        forgotten: Who was forgotten.
        at: Now.

    Raises:
        StoreError: The log names somebody who was forgotten.
    """
    if not forgotten.names:
        return
    looked = told(state, _KEY)
    if looked is not None and looked["changes"] == forgotten.history.stand:
        return
    found, under_way = returned(state, forgotten), _under_way(state)
    if back := set(found) - under_way:
        raise StoreError(
            f"the log names {len(back)} people who were forgotten, as a restored backup of before would",
            where="log",
            hint="Run `algosync forget --pending`, which takes them out again",
        )
    if state.writable and not found:
        tell(state, _KEY, {"changes": forgotten.history.stand}, at)


def _under_way(state: State) -> set[str]:
    """The names of erasures that are not at their end."""
    with state.read() as connection:
        docs = connection.scalars(select(erasures.c.doc).where(erasures.c.status != "done")).all()
    return {name for doc in docs for name in json.loads(doc).get("names", ())}
