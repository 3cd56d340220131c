"""How far each source has got: the newest event that the log has of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from algosync.stores.state import State
from algosync.stores.tables import segments


def newest_by_source(state: State) -> dict[str, datetime]:
    """The moment of the newest event of each source that ever gave one.

    Raises:
        StoreError: The state cannot be read.
    """
    c = segments.c
    query = select(c.source, func.max(c.last_ts)).where(c.kind == "events", c.source.is_not(None)).group_by(c.source)
    with state.read() as connection:
        found = connection.execute(query.order_by(c.source)).all()
    return {source: datetime.fromisoformat(moment) for source, moment in found if moment is not None}
