"""Facet values as text, of records and of events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from algosync.mock.engine.columns import leaves, number_text
from algosync.mock.engine.index import Index
from algosync.mock.services.events import Event


def held(record: Mapping[str, Any] | None, facet: str) -> Iterator[str]:
    """The values that a record holds of a facet, as facet counts name them."""
    for value in leaves(record, facet):
        if isinstance(value, bool):
            yield "true" if value else "false"
        else:
            yield value if isinstance(value, str) else number_text(float(value))


def touched(event: Event, facet: str, indices: Mapping[str, Index]) -> Iterator[str]:
    """The values of a facet that an event is about: those of its records, or of its own filters."""
    yield from named(event, facet)
    if (index := indices.get(event.index)) is not None:
        for object_id in event.object_ids:
            yield from held(index.record(object_id), facet)


def named(event: Event, facet: str) -> Iterator[str]:
    """The values of a facet in an event's own filters."""
    return (value for name, value in map(_facet_and_value, event.filters) if name == facet)


def _facet_and_value(line: str) -> tuple[str, str]:
    """Facet and value of an event's filter: `brand:Caf%C3%A9`, or encoded as a whole, as search-insights sends it."""
    if ":" in line:
        name, _, value = line.partition(":")
        return unquote(name), unquote(value)
    name, _, value = unquote(line).partition(":")
    return name, value
