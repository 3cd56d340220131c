"""The one deliberate rewriting of history: past product versions take the facets that they lack."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest

from algosync.events.clean import clean
from algosync.events.log import EventLog
from algosync.events.refacet import refacet
from algosync.events.rules import CleanRules
from algosync.events.writer import CommittingWriter

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RULES = CleanRules(source="web", now=NOW, as_of=NOW, consent_missing="allow")


def _row(product, minute=0, **more):
    at = f"2026-05-01T10:{minute:02d}:00Z"
    return {"timestamp": at, "user_token": "u", "event_type": "view", "object_id": product, **more}


def _facets(state):
    """What each event took with it, in the order of time."""
    with duckdb.connect() as con:
        EventLog(state).view(con)
        rows = con.sql(
            "SELECT list_sort(list(v.facet || '=' || v.value)) FROM events e LEFT JOIN item_values v USING (item) "
            "GROUP BY e.ts ORDER BY e.ts"
        ).fetchall()
    return [[value for value in row[0] if value] for row in rows]


@pytest.fixture
def append(state, batch):
    def appended(products, *rows):
        with CommittingWriter(state) as writer, duckdb.connect() as con:
            return writer.append(clean(con, batch(list(rows)), RULES), cursor="1", source="web", products=products)

    return appended


def test_what_is_missing_is_filled_in_and_what_was_said_stays(append, state, catalog):
    append(catalog(lamp={"brand": "Old"}, pen={}), _row("lamp"), _row("pen", 1))
    append(catalog(lamp={"brand": "New"}), _row("lamp", 2))
    before = EventLog(state).size()
    today = catalog(lamp={"brand": "Newest", "kind": "light"}, pen={"kind": "paper"})

    with duckdb.connect() as con:
        assert refacet(state, con, today) == 3

    assert _facets(state) == [["brand=Old", "kind=light"], ["kind=paper"], ["brand=New", "kind=light"]]
    assert EventLog(state).size().items == before.items
    with duckdb.connect() as con:
        assert refacet(state, con, today) == 0  # nothing is missing any more


def test_products_that_have_left_and_filter_events_stay_as_they_are(append, state, catalog):
    filters = {**_row(None, 1), "facet_filters": ["brand:Acme"]}
    append(catalog(lamp={"brand": "Old"}), _row("lamp"), filters)
    with duckdb.connect() as con:
        assert refacet(state, con, catalog(pen={"kind": "paper"})) == 0
        assert refacet(state, con, catalog().slice(0, 0)) == 0
    assert _facets(state) == [["brand=Old"], ["brand=Acme"]]


def test_an_empty_log_has_nothing_to_change(state, catalog):
    with duckdb.connect() as con:
        assert refacet(state, con, catalog(lamp={"kind": "light"})) == 0


def test_later_events_take_the_version_that_was_filled_in(append, state, catalog):
    append(catalog(lamp={"brand": "Old"}), _row("lamp"))
    today = catalog(lamp={"brand": "Old", "kind": "light"})
    with duckdb.connect() as con:
        refacet(state, con, today)
    append(today, _row("lamp", 5))
    assert _facets(state) == [["brand=Old", "kind=light"]] * 2
    assert EventLog(state).size().items == 1
