"""Whether the log names people who were forgotten, as one restored from a backup of before does.

Looking is a hash for every name, so it is done once for each state of the tombstones, and noted in the state: a
restored one bears the note of its own time.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

from sqlalchemy import select

from algosync.errors import StoreError
from algosync.events.log import EventLog
from algosync.stores.control import tell, told
from algosync.stores.state import State
from algosync.stores.tables import erasures
from algosync.stores.tombstones import Forgotten

_KEY: Final = "tombstones"


def returned(state: State, forgotten: Forgotten) -> list[str]:
    """The names of people who were forgotten and are in the log all the same."""
    if not forgotten.names:
        return []
    known = forgotten.among(EventLog(state).ids("token")["value"].to_pylist())
    return sorted(name for name, lifted in known.items() if lifted is None)


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
    if looked is not None and looked["changes"] == forgotten.changes:
        return
    found, under_way = returned(state, forgotten), _under_way(state)
    if back := set(found) - under_way:
        raise StoreError(
            f"the log names {len(back)} people who were forgotten, as a restored backup of before would",
            where="log",
            hint="Run `algosync forget --pending`, which takes them out again",
        )
    if state.writable and not found:
        tell(state, _KEY, {"changes": forgotten.changes}, at)


def _under_way(state: State) -> set[str]:
    """The names of erasures that are not at their end."""
    with state.read() as connection:
        docs = connection.scalars(select(erasures.c.doc).where(erasures.c.status != "done")).all()
    return {name for doc in docs for name in json.loads(doc).get("names", ())}
