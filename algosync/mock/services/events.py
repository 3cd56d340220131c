"""The events an application received, the latest kept. Knows nothing of what makes an event good (insights.py)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

EVENTS_KEPT = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, as the Insights API took it.

    Attributes:
        type: click, view, conversion or instantsearch.
        subtype: addToCart, purchase, or None.
        name: Its `eventName`.
        index: Its index; empty for telemetry.
        user_token: Who did it.
        authenticated_user_token: The same person once signed in, or None.
        object_ids: Records it is about.
        filters: Facet filters it is about, as sent: values are percent-encoded.
        timestamp_ms: When it happened, in epoch milliseconds; the time of arrival where the sender gave none.
        received_ms: When it arrived.
        sent: All of it, as sent.
    """

    type: str
    subtype: str | None
    name: str
    index: str
    user_token: str
    authenticated_user_token: str | None
    object_ids: tuple[str, ...]
    filters: tuple[str, ...]
    timestamp_ms: int
    received_ms: int
    sent: Mapping[str, Any]

    def is_of(self, token: str) -> bool:
        """Whether it was done by the person, signed in or not."""
        return token in {self.user_token, self.authenticated_user_token}


class Events:
    """Events in the order of their arrival; the oldest go when there are too many.

    Args:
        kept: How many are kept.
    """

    def __init__(self, kept: int = EVENTS_KEPT) -> None:
        self._events: deque[Event] = deque(maxlen=kept)

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        # Over a copy: a test may read while the server takes more in.
        return iter(tuple(self._events))

    def append(self, event: Event) -> None:
        """Take one in."""
        self._events.append(event)

    def of(self, index: str) -> list[Event]:
        """The events of an index."""
        return [event for event in self if event.index == index]

    def of_user(self, token: str) -> list[Event]:
        """The events of a person."""
        return [event for event in self if event.is_of(token)]

    def forget(self, token: str) -> None:
        """Drop the events of a person."""
        self.replace(event for event in self if not event.is_of(token))

    def clear(self) -> None:
        """Drop all."""
        self._events.clear()

    def replace(self, events: Iterable[Event]) -> None:
        """Put other events in the place of all."""
        self._events = deque(events, self._events.maxlen)
