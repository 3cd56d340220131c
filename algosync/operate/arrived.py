"""What of the inbox is somebody's though it does not say so: what a device of several people sent without a name.

The log and what has arrived since are read as one, as the next run would, so that the same rule says whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

import duckdb
import pyarrow as pa

from algosync.events.log import EventLog
from algosync.events.schema import PRODUCT_REFS
from algosync.events.sources.collector import CollectorSource
from algosync.events.writer import LogWriter, ScratchWriter
from algosync.operate.whose import Shelves, Whose, whose
from algosync.sync.pull import EventSource, Intake

_PLACE: Final = re.compile(r":(\d+)[.#\d]*$")
"""The end of a position: the number in the inbox, and which of the event's products."""


def with_arrived(
    user: str, shelves: Shelves, sources: Sequence[EventSource], aliases: Sequence[str], known: Collection[str]
) -> Whose:
    """What is of whoever is called so, with what has arrived of her since the last pull or lately.

    Args:
        user: A customer id, or any of her tokens.
        shelves: Where people are named.
        sources: The sources of events; only collectors have an inbox.
        aliases: What the shop's sources make of such a name.
        known: Names that were found to be hers before.

    Raises:
        RequestError: Several customers use this token.
        StoreError: Something cannot be read.
    """
    found = whose(user, shelves, aliases, known)
    collectors = [(one, one.source) for one in sources if isinstance(one.source, CollectorSource)]
    if not collectors:
        return found
    state, con = shelves.log.states[0], shelves.backend.con
    try:
        with closing(ScratchWriter(state)) as writer:
            places = dict(_taken_in(writer, con, collectors, {*found.names, *found.shared}))
            if not places:
                return found
            found = whose(user, replace(shelves, log=writer.log), aliases, known)
    finally:
        EventLog(state).view(con)  # the other one's files are gone
    keys = zip(found.apart["key_hi"].to_pylist(), found.apart["key_lo"].to_pylist(), strict=True)
    return replace(found, arrived=tuple(sorted({places[key] for key in keys if key in places})))


def _taken_in(
    writer: LogWriter,
    con: duckdb.DuckDBPyConnection,
    collectors: Sequence[tuple[EventSource, CollectorSource]],
    tokens: Collection[str],
) -> Iterator[tuple[tuple[int, int], int]]:
    """Takes the events of some tokens into a log: the key of each, and its number in the inbox."""
    intake = Intake(con=con, writer=writer, products=_NoProducts(), advance=lambda _: None)
    for one, source in collectors:
        for batch in source.batches_of(tokens, None):
            _, cleaned = intake.take(batch, one, cursor=None)
            places = cleaned.positions.to_pylist()
            keys = (cleaned.accepted[name].to_pylist() for name in ("key_hi", "key_lo"))
            for high, low, place in zip(*keys, places, strict=True):
                yield (high, low), int(_PLACE.split(place)[-2])


class _NoProducts:
    """Whose an event is does not hang on what it is about."""

    def refs(self, accepted: pa.Table) -> pa.Table:  # noqa: ARG002
        """None."""
        return PRODUCT_REFS.empty_table()
