"""Events that storefronts sent to us: the inbox, read onwards along its sequence numbers.

The cursor names the inbox with the number: one that was put in the place of another is read from its beginning. What
may be forgotten is for others to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa

from algosync.errors import SourceError
from algosync.events.mapping import EventMapping
from algosync.events.presets import insights
from algosync.events.sources import arrays
from algosync.events.sources.base import RawBatch
from algosync.stores.inbox import INBOX, Collected, Inbox
from algosync.stores.state import open_state

_OWN: Final = {"event_id": "eventID", "session_id": "sessionID", "consent": "consent", "order_id": "orderID"}

MAPPING: Final = EventMapping(columns=_OWN, optional=frozenset(_OWN)).over(insights.MAPPING)
"""The fields of Insights and those that an event may carry beyond them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in an inbox: its identity, and the sequence number up to which it was read."""

    inbox: str | None = None
    seq: int = 0

    @classmethod
    def load(cls, cursor: str | None, *, where: str) -> Place:
        """Reads a cursor.

        Raises:
            SourceError: It is another kind of source's.
        """
        if cursor is None:
            return cls()
        try:
            document = orjson.loads(cursor)
            return cls(inbox=str(document["inbox"]), seq=int(document["seq"]))
        except (ValueError, KeyError, TypeError):
            hint = "Was another kind of source of this name read before? Give this one a new name"
            raise SourceError("the stored cursor is not one of a collector", where=where, hint=hint) from None

    def dump(self) -> str:
        """The cursor."""
        return orjson.dumps({"inbox": self.inbox, "seq": self.seq}).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorSource:
    """The inbox as a source of events.

    Args:
        name: The source's name.
        url: Where the state is, see `stores.state.open_state`.
        directory: The state directory.
        batch_rows: The most events of a batch.
    """

    name: str
    url: str = field(repr=False)
    directory: Path
    batch_rows: int = 250_000

    def batches(self, cursor: str | None) -> Iterator[RawBatch]:
        """Yield the events after `cursor` in the order they arrived; a position is `name:number`.

        Raises:
            SourceError: The cursor is another source's.
            StoreError: The inbox cannot be read.
        """
        with self._opened(cursor) as (inbox, begun):
            place = begun
            while rows := inbox.after(place.seq, self.batch_rows):
                place = replace(begun, seq=rows[-1].seq)
                yield self._batch(rows, place)

    def batches_of(self, tokens: Iterable[str], cursor: str | None) -> Iterator[RawBatch]:
        """Yield the events after `cursor` that name any of these tokens, or came from a token that does.

        Raises:
            SourceError: The cursor is another source's.
            StoreError: The inbox cannot be read.
        """
        with self._opened(cursor) as (inbox, begun):
            named = set(tokens)
            named |= {one.event["userToken"] for one in inbox.of_tokens(named, begun.seq)}
            if rows := inbox.of_tokens(named, begun.seq):
                yield self._batch(rows, replace(begun, seq=rows[-1].seq))

    def drop(self, cursor: str, received_before: datetime | None = None) -> int:
        """Forget the events up to a cursor.

        Args:
            cursor: Where reading goes on.
            received_before: Later ones stay, see `Inbox.drop`.

        Returns:
            How many there were.
        """
        place = Place.load(cursor, where=f"source {self.name}")
        with open_state(self.url, self.directory, create=True, book=INBOX) as state:
            inbox = Inbox(state)
            return inbox.drop(place.seq, received_before) if inbox.identity() == place.inbox else 0

    @contextmanager
    def _opened(self, cursor: str | None) -> Iterator[tuple[Inbox, Place]]:
        """The inbox, and where to go on in it: at the cursor, or at the beginning where that is of another inbox."""
        place = Place.load(cursor, where=f"source {self.name}")
        with open_state(self.url, self.directory, create=False, book=INBOX) as state:
            inbox = Inbox(state)
            identity = inbox.identity()
            yield inbox, place if place.inbox == identity else Place(inbox=identity)

    def _batch(self, collected: list[Collected], place: Place) -> RawBatch:
        rows: list[dict[str, Any]] = []
        positions: list[str] = []
        for one in collected:
            made = list(_rows(one))
            rows += made
            place_of = f"{self.name}:{one.seq}"
            positions += [place_of] if len(made) == 1 else [f"{place_of}.{n}" for n in range(1, len(made) + 1)]
        return RawBatch(
            table=arrays.table(rows),
            positions=pa.array(positions, pa.string()),
            bad=(),
            cursor=place.dump(),
            sparse=True,
        )


def _rows(one: Collected) -> Iterator[dict[str, Any]]:
    """An event as rows: more than one where it names a product twice, which one id could not tell apart."""
    event = {"timestamp": one.received_ms, **one.event, "eventID": one.id}
    objects = event.get("objectIDs", ())
    if len(set(objects)) == len(objects):
        yield event
        return
    for number, name in enumerate(objects):
        lists: dict[str, Any] = {key: [event[key][number]] for key in ("positions", "objectData") if key in event}
        yield {**event, **lists, "objectIDs": [name], "eventID": f"{one.id}#{number}"}
