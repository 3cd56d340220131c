"""Steps of an erasure where names mean something else too, or are written as nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from algosync.events.log import EventLog
from algosync.operate.erasing import erase_mentions, quarantined
from algosync.operate.search import Names
from algosync.operate.whose import Shelves, whose
from algosync.stores import tables
from algosync.stores.orders import give
from algosync.stores.snapshot import Delta, Snapshot
from tests.unit.operate.test_laws import pull, shop

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def held(tmp_path):
    with shop(tmp_path) as opened:
        yield opened


def row(who, at="2026-11-20T10:00:00Z", customer=None, product="42"):
    return {
        "at": at,
        "who": who,
        "customer": customer,
        "what": "view",
        "name": None,
        "product": product,
        "consent": None,
    }


def turned_away(held, source, text):
    with held.state.write() as connection:
        made = {"source": source, "position": text, "content_hash": text, "row": text}
        connection.execute(
            insert(tables.quarantine).values(**made, reason="cannot be read", status="open", seen_at=NOW.isoformat())
        )


def rows(held, names):
    numbers = quarantined(held, names)
    with held.state.read() as connection:
        found = connection.execute(select(tables.quarantine.c.row).where(tables.quarantine.c.id.in_(numbers)))
        return [row for (row,) in found]


def test_a_row_in_quarantine_is_hers_by_its_column_and_not_by_its_product(held):
    pull(held, [row("42", "never"), row("43", "never"), row("44", "never", customer="42")], 0)
    found = rows(held, Names(every=("42",)))
    assert ['"who":"42"' in one or '"customer":"42"' in one for one in found] == [True, True]


def test_rows_that_nothing_maps_any_more_are_hers_by_their_words(held):
    turned_away(held, "gone", '{"buyer":"42"}')
    turned_away(held, "gone", '{"buyer":"420"}')
    turned_away(held, "shop", '"a line that is cut: anna@example.org"')
    turned_away(held, "shop", '{"note":"as anna@example.org said"}')
    assert rows(held, Names(every=("42",))) == ['{"buyer":"42"}']
    assert len(rows(held, Names(every=("anna@example.org",)))) == 2


def test_texts_lose_her_name_and_deliveries_go(held):
    with held.state.write() as connection:
        run = {"command": "sync", "started_at": "x", "outcome": "row of anna-4711, and joanna-4711's", "report": "{}"}
        connection.execute(insert(tables.runs).values(**run))
        settled = {"status": "delivered", "tries": 1, "due_at": "x", "created_at": "x"}
        for number, doc in enumerate(('{"userTokens":["42"]}', '{"userTokens":["43"],"segment":"s"}')):
            letter = {"id": str(number), "kind": "entered", "target": "crm", "doc": doc}
            connection.execute(insert(tables.deliveries).values(**letter, **settled))
        connection.execute(insert(tables.control).values(key="paused", value='{"by":"42"}', at="x"))
    assert erase_mentions(held, Names(every=("anna-4711", "42"))) == {"rows": 1, "texts": 1}
    with held.state.read() as connection:
        outcome = connection.scalar(select(tables.runs.c.outcome))
        assert outcome == "row of (forgotten), and joanna-4711's"
        assert list(connection.scalars(select(tables.deliveries.c.id))) == ["1"]
        assert connection.scalar(select(tables.control.c.value)) == '{"by":"42"}'  # 42 of what, nobody knows


def found(held, user, aliases=()):
    log, snapshot = EventLog(held.state), Snapshot(held.snapshot)
    return whose(user, Shelves(backend=held.backend, log=log, snapshot=snapshot, inbox=held.inbox), aliases)


def test_whom_the_log_does_not_know_the_snapshot_and_orders_may(held):
    person = {"person": "anna", "events": 1}
    Snapshot(held.snapshot).publish(Delta(people={"anna": person}, tokens={"phone": "anna"}, as_of="2026-11-20"))
    give(held.state, "suppress", "ben", ["tablet"], NOW)
    assert found(held, "phone").names == ("anna", "phone")
    assert found(held, "tablet").names == ("ben", "tablet")
    assert found(held, "nobody").names == ("nobody",)
    assert found(held, "nobody").events.num_rows == 0


def test_what_sources_make_of_a_name_is_that_person_too(held):
    pull(held, [row("hashed-name"), row("hashed-name", "2026-11-20T11:00:00Z", customer="customer-7")], 0)
    one = found(held, "anna@example.org", ["hashed-name"])
    assert one.person == "customer-7"
    assert set(one.names) == {"customer-7", "hashed-name", "anna@example.org"}
    assert one.events.num_rows == 2
