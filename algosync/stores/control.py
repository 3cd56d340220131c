"""Facts about the service itself, by key: that it is paused, which plan was approved, what was served last.

What a value says is for those to know who put it there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from algosync.stores.state import State
from algosync.stores.tables import control

PAUSED = "paused"
APPROVED = "approved"
SERVED = "served"
DEFERRED = "deferred"


def told(state: State, key: str) -> dict[str, Any] | None:
    """What is kept under a key, with the moment it was put there as `at`; None where nothing is.

    Raises:
        StoreError: The state cannot be read.
    """
    with state.read() as connection:
        row = connection.execute(select(control.c.value, control.c.at).where(control.c.key == key)).first()
    return None if row is None else {**json.loads(row.value), "at": row.at}


def tell(state: State, key: str, value: Mapping[str, Any], at: datetime) -> None:
    """Keeps a value under a key, in place of the one before.

    Raises:
        StoreError: The state cannot be written.
    """
    dialect = postgresql if state.dialect == "postgresql" else sqlite
    row = {"key": key, "value": json.dumps(value), "at": at.isoformat()}
    insert = dialect.insert(control).values(row)
    new = {"value": insert.excluded.value, "at": insert.excluded.at}
    with state.write() as connection:
        connection.execute(insert.on_conflict_do_update(index_elements=["key"], set_=new))


def forget(state: State, key: str) -> bool:
    """Keeps nothing under a key any more; says whether there was something.

    Raises:
        StoreError: The state cannot be written.
    """
    with state.write() as connection:
        return connection.execute(delete(control).where(control.c.key == key)).rowcount > 0
