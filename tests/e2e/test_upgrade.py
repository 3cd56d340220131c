"""A shop whose databases an earlier version made goes on where it was, on either database."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from algosync.stores.snapshot import SNAPSHOT
from algosync.stores.state import STATE

pytestmark = pytest.mark.e2e

SINCE = {
    STATE: ("control", "spent", "refused", "deliveries", "jobs", "certificates", "erasures"),
    SNAPSHOT: ("tallies", "standings", "entered"),
}
"""The tables that version 2 of a book did not have yet."""


@pytest.fixture
def older(small, state_url):
    """A shop that was synced, its databases as version 2 would have left them."""
    small.configure(state={"url": state_url})
    small.sync()
    for book, tables in SINCE.items():
        engine = create_engine(f"sqlite:///{small.state / book.file}" if state_url == "sqlite" else state_url)
        with engine.begin() as connection:
            for table in tables:
                connection.execute(text(f"DROP TABLE {table}"))
            connection.execute(text(f"DELETE FROM {book.meta.name} WHERE key = 'tallies_mark'"))
            connection.execute(text(f"UPDATE {book.meta.name} SET value = '2' WHERE key = 'schema'"))
        engine.dispose()
    return small


def test_the_next_sync_brings_it_up_to_date_and_sends_nothing_again(older):
    refused = older.call("status")
    assert refused.returncode != 0
    assert "schema version 2, this program knows 3" in refused.stderr
    assert "Run `algosync sync`" in refused.stderr
    content, written = older.content(), older.writes()
    older.sync()
    assert (older.content(), older.writes()) == (content, written)
    assert older.call("status").returncode == 0
