"""Pulling: batch by batch into the log, and what becomes of it when a source fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest

from algosync.catalog.build import build
from algosync.catalog.rules import CatalogRules
from algosync.errors import RejectedShareError, SourceError
from algosync.events import quarantine
from algosync.events.mapping import EventMapping
from algosync.events.rules import CleanRules
from algosync.events.sources.base import RawBatch
from algosync.events.writer import CommittingWriter
from algosync.stores.state import open_state
from algosync.stores.tombstones import Forgotten, Hasher, event_name
from algosync.sync.catalog import FixedStock
from algosync.sync.pull import EventSource, Intake, pull, retry

NOW = datetime(2026, 11, 23, tzinfo=UTC)
MAPPING = EventMapping(columns={"timestamp": "at", "user_token": "who", "event_type": "what", "object_id": "product"})


class Batches:
    """A source that yields batches of rows from the cursor on, then fails if it is told to."""

    def __init__(self, name, *batches, fails=None):
        self.name, self.rows, self.fails = name, batches, fails

    def batches(self, cursor):
        for number, rows in enumerate(self.rows, start=1):
            if cursor is None or number > int(cursor):
                places = pa.array([f"{self.name}:{number}.{place}" for place in range(len(rows))], pa.string())
                yield RawBatch(table=pa.Table.from_pylist(rows), positions=places, bad=(), cursor=str(number))
        if self.fails:
            raise SourceError(self.fails, where=self.name)


def _row(who="v", what="view", product="book", at="2026-11-20T10:00:00Z"):
    return {"at": at, "who": who, "what": what, "product": product}


def _source(name, *batches, fails=None, as_of=NOW, values=None, share=0.5):
    mapping = MAPPING if values is None else EventMapping(columns=MAPPING.columns, values=values)
    return EventSource(
        source=Batches(name, *batches, fails=fails),
        mapping=mapping,
        rules=CleanRules(source=name, now=NOW, as_of=as_of, consent_missing="allow"),
        max_share=share,
    )


@pytest.fixture
def state(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True) as opened:
        yield opened


@pytest.fixture
def intake(state):
    products = FixedStock(build([[{"objectID": "book"}]], CatalogRules()))
    done = []
    with CommittingWriter(state) as writer, duckdb.connect() as con:
        made = Intake(con=con, writer=writer, products=products, advance=done.append)
        yield made
    assert all(rows > 0 for rows in done)


def test_every_source_is_counted_for_itself_and_only_what_is_new_is_read(intake):
    sources = [
        _source("web", [_row(), _row(who="w")], [_row(), _row(what="glance")]),
        _source("app", [_row(product="unknown")]),
    ]
    found = pull(sources, intake)
    web, app = found.sources["web"], found.sources["app"]
    assert (web.read, web.accepted, web.rejected, web.duplicates) == (4, 2, 1, 1)
    assert (app.read, app.accepted, app.waiting) == (1, 1, 1)
    assert (found.total.read, found.resolved) == (5, 0)
    again = pull(sources, intake)
    assert again.total.read == 0
    assert again.sources.keys() == {"web", "app"}


def test_a_source_that_fails_keeps_its_own_batches_and_lets_others_be_read(intake):
    sources = [_source("web", [_row()], fails="gone"), _source("app", [_row(who="a")])]
    with pytest.raises(SourceError, match="web: gone"):
        pull(sources, intake)
    assert intake.writer.log.size().events == 2
    assert intake.writer.log.cursor("web") == "1"
    with pytest.raises(SourceError, match="web: gone; app: away"):
        pull([_source("web", fails="gone"), _source("app", fails="away")], intake)


def test_too_many_bad_rows_stop_the_source_before_that_batch(intake, state):
    bad = [_row(what="glance"), _row(who="x y")]
    with pytest.raises(RejectedShareError, match=r"web: 2 of 3 rows \(67%\)"):
        pull([_source("web", [_row()], [_row(who="z"), *bad]), _source("app", [_row()])], intake)
    assert intake.writer.log.cursor("web") == "1"
    assert intake.writer.log.size().events == 1
    assert len(quarantine.listed(state, quarantine.Which(source="web"))) == 2
    # Once mended, the batch is read again and settles what it had left behind.
    mended = _source("web", [_row()], [_row(who="z"), *bad], values={"event_type": {"glance": "view"}})
    assert pull([mended], intake).total.accepted == 1
    assert [row.reason[:10] for row in quarantine.listed(state, quarantine.Which())] == ["user_token"]


def test_a_retry_takes_what_passes_now_and_moves_no_cursor(intake, state):
    pull([_source("web", [_row(), _row(), _row(what="glance")])], intake)
    assert retry([_source("web")], state, intake).total.rejected == 1
    mended = _source("web", values={"event_type": {"glance": "view"}})
    found = retry([mended, _source("app")], state, intake)
    assert found.sources.keys() == {"web"}
    assert (found.total.read, found.total.duplicates) == (1, 1)  # the same view as the first
    assert quarantine.listed(state, quarantine.Which()) == []
    assert intake.writer.log.cursor("web") == "1"


def test_ancient_is_judged_against_the_newest_event_known(intake):
    old = NOW - timedelta(days=3000)
    seen = [_row(at=(old - timedelta(days=days)).isoformat()) for days in (0, 700)]
    first = pull([_source("past", seen, as_of=None)], intake)
    assert (first.total.accepted, first.total.rejected) == (2, 0)
    # A later batch is measured by the log, not by itself.
    older = [_row(at=(old - timedelta(days=800)).isoformat(), who="late")]
    with pytest.raises(RejectedShareError, match="older than events may be"):
        pull([_source("other", older, as_of=None)], intake)


def test_products_that_appear_are_given_to_those_who_waited(intake):
    pull([_source("web", [_row(product="lamp"), _row(product="lamp", who="w")])], intake)
    more = FixedStock(build([[{"objectID": "book"}, {"objectID": "lamp"}]], CatalogRules()))
    later = Intake(con=intake.con, writer=intake.writer, products=more, advance=lambda _: None)
    assert pull([], later).resolved == 1
    assert pull([], later).resolved == 0


def test_rows_of_whoever_was_forgotten_are_neither_taken_in_nor_kept(intake, state):
    hasher = Hasher(key=b"a secret of the shop")
    lifted = datetime(2026, 11, 20, 12, tzinfo=UTC)
    gone = {hasher.of("name", "anna"): None, hasher.of("name", "carla"): lifted}
    rows = [
        _row(who="anna"),
        _row(who="anna", what="glance"),  # unusable, and not kept for that either
        _row(who="ben"),
        _row(who="carla", at="2026-11-20T11:00:00Z"),
        _row(who="carla", at="2026-11-20T13:00:00Z"),
        _row(who="dora", at="2026-11-20T14:00:00Z"),
    ]
    first = pull([_source("web", rows)], intake).total
    assert (first.accepted, first.rejected, first.forgotten) == (5, 1, 0)
    with duckdb.connect() as con:
        intake.writer.log.view(con)
        at_14 = con.sql("SELECT key_hi, key_lo FROM events WHERE hour(ts) = 14").fetchall()[0]
    forgotten = Forgotten(hasher=hasher, names=gone, events=frozenset({hasher.of("event", event_name(*at_14))}))
    heeding = replace(intake, forgotten=forgotten)
    again = pull([_source("again", rows), _source("web", rows, rows)], heeding).sources
    # Another source's name makes another key of the same event.
    assert (again["again"].read, again["again"].forgotten, again["again"].accepted) == (6, 3, 3)
    assert (again["web"].read, again["web"].forgotten, again["web"].duplicates) == (6, 4, 2)
    assert [row.source for row in quarantine.listed(state, quarantine.Which())] == ["web"]


def test_a_column_of_numbers_names_people_too(intake):
    hasher = Hasher(key=b"a secret of the shop")
    heeding = replace(intake, forgotten=Forgotten(hasher=hasher, names={hasher.of("name", "42"): None}))
    counts = pull([_source("web", [_row(who=42), _row(who=43)])], heeding).total
    assert (counts.read, counts.forgotten, counts.accepted) == (2, 1, 1)
