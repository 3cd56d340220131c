"""The pull stage of a run: what is new in the sources, mapped, judged and taken into the log, batch by batch.

Where the log keeps it is the writer's business: a dry run hands over another writer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import duckdb
import orjson
import pyarrow as pa
import structlog

from algosync.errors import RejectedShareError, SourceError
from algosync.events import quarantine
from algosync.events.clean import Cleaned, check_share, clean
from algosync.events.forgotten import without_events, without_rows
from algosync.events.mapping import EventMapping, apply
from algosync.events.rules import CleanRules
from algosync.events.schema import CLEAN
from algosync.events.sources import arrays
from algosync.events.sources.base import RawBatch, Source
from algosync.events.writer import Appended, LogWriter
from algosync.stores.state import State
from algosync.stores.tombstones import NOBODY, Forgotten

_logger = structlog.get_logger(__name__)
NO_EVENTS = CLEAN.empty_table()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """One source of events, what its columns mean and how its rows are judged.

    Attributes:
        source: Where the rows come from.
        mapping: What its columns mean.
        rules: How rows are judged; `newest` is filled in as the log grows.
        max_share: The largest share of unusable rows in a batch that is still fine.
    """

    source: Source
    mapping: EventMapping
    rules: CleanRules
    max_share: float


class Products(Protocol):
    """The catalog as the log needs it."""

    def refs(self, accepted: pa.Table) -> pa.Table:
        """The products (schema PRODUCT_REFS) at the moment these events are taken in."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull did.

    Attributes:
        sources: Counts by source.
        resolved: Products that events had waited for and that are known now.
    """

    sources: Mapping[str, Appended] = field(default_factory=dict)
    resolved: int = 0

    @property
    def total(self) -> Appended:
        """Counts over all sources."""
        return sum(self.sources.values(), Appended())


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Everything a batch passes through.

    Attributes:
        con: DuckDB, for the judging.
        writer: Where batches go.
        products: The catalog.
        advance: Called with the number of rows done.
        forgotten: Whose rows are left out.
    """

    con: duckdb.DuckDBPyConnection
    writer: LogWriter
    products: Products
    advance: Callable[[int], None]
    forgotten: Forgotten = NOBODY

    def take(self, batch: RawBatch, source: EventSource, *, cursor: str | None) -> tuple[Appended, Cleaned]:
        """Maps, judges and appends one batch; with its cursor, unless that is to stay where it is."""
        canonical, gone = without_rows(apply(batch, source.mapping), self.forgotten)
        name = source.source.name
        if canonical.unmapped:
            _logger.debug("columns that no field takes", source=name, columns=list(canonical.unmapped))
        rules = source.rules
        if rules.as_of is None:
            rules = replace(rules, newest=self.writer.log.newest())
        cleaned, more = without_events(clean(self.con, canonical, rules), self.forgotten)
        if cursor is not None:
            self._stop_at_share(cleaned, source)
        refs = self.products.refs(cleaned.accepted)
        appended = self.writer.append(cleaned, cursor=cursor, source=name, products=refs)
        gone += more
        self.advance(appended.read + gone)
        return replace(appended, read=appended.read + gone, forgotten=gone), cleaned

    def _stop_at_share(self, cleaned: Cleaned, source: EventSource) -> None:
        try:
            check_share(cleaned, source.max_share)
        except RejectedShareError as error:
            self.writer.set_aside(cleaned, source=source.source.name)
            error.where = source.source.name
            raise


def pull(sources: Sequence[EventSource], intake: Intake) -> Pulled:
    """Reads what is new in every source into the log.

    Raises:
        SourceError: A source cannot be read; what other sources gave, and its own batches before, are kept.
        RejectedShareError: Too much of a batch is unusable; its rows are in quarantine, its source stays before it.
    """
    counts: dict[str, Appended] = {}
    failed: list[SourceError] = []
    for source in sources:
        name = source.source.name
        counts[name] = Appended()
        try:
            for batch in source.source.batches(intake.writer.log.cursor(name)):
                counts[name] += intake.take(batch, source, cursor=batch.cursor)[0]
        except SourceError as error:
            failed.append(error)
    if failed:
        raise failed[0] if len(failed) == 1 else SourceError("; ".join(map(str, failed)))
    resolved = intake.writer.resolve_waiting(intake.products.refs(NO_EVENTS))
    return Pulled(sources=counts, resolved=resolved)


def retry(sources: Sequence[EventSource], state: State, intake: Intake) -> Pulled:
    """Takes the rows in quarantine through mapping and judgement again; those that pass leave it."""
    counts: dict[str, Appended] = {}
    for source in sources:
        name = source.source.name
        held = quarantine.held(state, name, steps=len(source.mapping.explode))
        if held.unreadable:
            _logger.warning("rows that no second look can mend", source=name, rows=held.unreadable)
        if held.rows:
            batch = RawBatch(
                table=arrays.table([orjson.loads(row) for row in held.rows]),
                positions=pa.array(held.positions, pa.string()),
                bad=(),
                cursor="",
                sparse=True,
            )
            counts[name] = intake.take(batch, source, cursor=None)[0]
    return Pulled(sources=counts)
