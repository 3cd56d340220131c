"""Which events of the inbox a run's log contains, and the end of their stay there once its snapshot is live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from algosync.events.log import EventLog
from algosync.events.sources.collector import CollectorSource, Place
from algosync.stores.inbox import KEPT
from algosync.sync.pull import EventSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """How far a log has read the inbox.

    Attributes:
        source: The collector.
        cursor: Where it goes on.
    """

    source: CollectorSource
    cursor: str

    def notes(self) -> Mapping[str, str]:
        """What a snapshot made of that log says of it: `inbox_seq`, and the `inbox` that counts so."""
        place = Place.load(self.cursor, where=f"source {self.source.name}")
        return {"inbox": place.inbox or "", "inbox_seq": str(place.seq)}

    def drop(self, now: datetime) -> int:
        """Forgets those of these events that arrived more than KEPT ago; returns how many."""
        return self.source.drop(self.cursor, now - KEPT)


def drained(sources: Iterable[EventSource], log: EventLog) -> Drained | None:
    """How far a log has read the inbox; None where no collector is among the sources, or it was never read."""
    for one in sources:
        if isinstance(one.source, CollectorSource):
            cursor = log.cursor(one.source.name)
            return None if cursor is None else Drained(source=one.source, cursor=cursor)
    return None
