"""`sync --target mock`: the whole way against a mock, and searches compared before and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from algosync.errors import PushRefusedError
from algosync.payloads.encode import Family
from algosync.runtime import approving
from algosync.runtime.opening import Opening, Session
from algosync.runtime.pushing import allowance, held_back, reported, storefront
from algosync.settings import rules as made
from algosync.stores.state import memory_state
from algosync.sync.cycle import Computed
from algosync.sync.push import refuse_unless_private
from algosync.sync.rehearsal import Wish, rehearse
from algosync.sync.report import RehearsalReport
from algosync.sync.setup import apply_changes, facet_changes
from algosync.sync.standin import StandIn, copy_indices, stand_in


def rehearsed(
    opening: Opening, wish: Wish, only: tuple[Family, ...], data: Path | None, *, declare: bool
) -> RehearsalReport:
    """Goes the whole way against a mock; see `Runtime.rehearse`."""
    with ExitStack() as stack:
        mock = stack.enter_context(stand_in(opening.target.app_id))
        session = stack.enter_context(opening.session(only, writable=False, reader=mock.reader))
        notes, requests = _fill(opening, mock, session, data)
        if declare:
            changes = facet_changes(mock.reader, session.rules.indices, made.needed_facets(opening.settings))
            apply_changes(mock.writer, [change for change in changes if change["added"]])
        mock.algolia.max_record_bytes = session.rules.max_record_bytes
        scratch = stack.enter_context(memory_state(opening.directory))
        hands = replace(session.hands, ledger=session.ledger.copy(scratch.engine, mock.target))
        done = rehearse(session.rules, hands, mock.writer, wish)
        notes = (*notes, *_obstacles(opening, session, done.computed, asks=data is None))
        run = replace(reported(opening.settings, session, done.computed, done.pushed, notes), requests=requests)
        return RehearsalReport(run=run, comparisons=done.comparisons)


def _fill(opening: Opening, mock: StandIn, session: Session, data: Path | None) -> tuple[tuple[str, ...], int]:
    """Fills the mock; says what people should know of it, and how many requests that took."""
    with session.hands.stages.stage("seed", "Filling the mock") as advance:
        if data is not None:
            mock.load(data)
            return (), 0
        with opening.reader() as source:
            notes = copy_indices(mock.algolia, source, session.rules.indices, session.rules.payload_index, advance)
            return notes, source.requests


def _obstacles(opening: Opening, session: Session, computed: Computed, *, asks: bool) -> Iterator[str]:
    """What would keep a real sync from doing all that the rehearsal did; `asks`: Algolia may be asked."""
    if why := held_back(opening, session):
        yield f"a sync would push nothing: {why}"
    allowed, todo = allowance(opening.settings, session.ledger, session.hands.now), len(computed.plan.operations)
    if allowed.operations is not None and todo > allowed.operations:
        yield f"a sync would leave {todo - allowed.operations:,} operations to the next run: {allowed.of} is spent"
    for stop in approving.verdict(opening, session, computed).stops:
        yield f"a sync would stop: {stop}"
    if asks:
        try:
            refuse_unless_private(computed.plan, storefront(opening, session.rules))
        except PushRefusedError as error:
            yield f"a sync would stop: {error}"
