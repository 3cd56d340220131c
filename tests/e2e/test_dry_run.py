"""A dry run changes nothing, anywhere: not the mock, not a table, not a file, not a cursor."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy import inspect as reflect

from algosync.algolia.client import ReadClient, WriteClient

pytestmark = pytest.mark.e2e

MORE = [
    {"at": "2026-11-19T10:00:00Z", "who": "looker", "what": "view", "product": "book-3"},
    {"at": "2026-11-19T10:01:00Z", "who": "looker", "what": "view", "product": "book-5"},
    {"at": "2026-11-19T10:01:00Z", "who": "looker", "what": "view", "product": "not-there-yet"},
    {"at": "2026-11-19T10:02:00Z", "who": "looker", "what": "click", "product": "book-5"},
    {"at": "2026-11-19T10:03:00Z", "who": "caller-1", "what": "view", "product": "lamp-4"},
    {"at": "yesterday", "who": "looker", "what": "view", "product": "book-5"},
]


def _tables(url: str) -> dict[str, list[Any]]:
    """Every table of a database, whole."""
    if url == "sqlite":
        return {}
    engine = create_engine(url)
    with engine.connect() as connection:
        names = sorted(reflect(engine).get_table_names())
        held = {name: sorted(map(repr, connection.execute(text(f'SELECT * FROM "{name}"')))) for name in names}
    engine.dispose()
    return held


def test_where_there_is_no_state_none_is_made(small, state_url):
    small.lighten()
    small.configure(state={"url": state_url})
    there, asked = small.content(), len(small.algolia.requests)

    report = small.sync(dry_run=True)

    assert report["dry_run"] is True
    assert report["events"]["accepted"] == 39
    assert report["plan"]["operations"] == 5
    assert report["pushed"]["operations"] == 0
    assert not small.state.exists()
    assert _tables(state_url) == {}
    assert small.content() == there
    made = list(small.algolia.requests)[asked:]
    assert made
    assert {request.key for request in made} == {"mock-read"}


def test_what_is_there_stays_as_it_is(small, state_url):
    if state_url != "sqlite":  # the database is what matters here
        small.lighten()
    small.configure(state={"url": state_url})
    small.sync()
    small.events(MORE)
    small.feed(
        [{"objectID": "book-1", "name": "Novel number 1, second edition", "categories": ["Books"], "price": 9.5}]
    )
    there, files, tables, writes = small.content(), small.files(), _tables(state_url), small.writes()

    shown = small.sync(dry_run=True)

    assert shown["events"]["read"] == 6
    assert (shown["events"]["accepted"], shown["events"]["rejected"], shown["events"]["waiting"]) == (5, 1, 1)
    if state_url == "sqlite":
        assert shown["segments"]["segment2"]["entered"] == 1
    assert shown["plan"]["operations"] > 0
    assert small.content() == there
    assert small.files() == files
    assert _tables(state_url) == tables
    assert small.writes() == writes

    pushed = small.sync()  # the real one does what was shown, and is not ahead of it in anything
    assert pushed["events"] == shown["events"]
    assert pushed["plan"] == shown["plan"]
    assert pushed["pushed"]["operations"] == shown["plan"]["operations"]


def test_the_client_of_a_dry_run_has_no_method_that_writes(small):
    with small.runtime()._opening.session((), writable=False) as session:
        client = session.hands.client
        assert type(client) is ReadClient
        writing = {name for name, _ in inspect.getmembers(WriteClient, inspect.isfunction)} - set(dir(ReadClient))
        assert writing >= {"batch", "save_rules", "delete_rule", "set_settings"}
        assert not any(hasattr(client, name) for name in writing)


def test_a_dry_run_needs_no_key_that_writes(small):
    small.lighten()
    small.configure(algolia={"write_api_key": None})
    assert small.sync(dry_run=True)["plan"]["operations"] == 5
