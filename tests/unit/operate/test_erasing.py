"""Steps of an erasure where names mean something else too, or are written as nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from algosync.errors import StoreError
from algosync.events.log import EventLog
from algosync.operate.erasing import erase_mentions, note, quarantined, unfinished
from algosync.operate.forget import Order
from algosync.operate.search import Names
from algosync.operate.whose import Shelves, whose
from algosync.stores import tables
from algosync.stores.erase import compact
from algosync.stores.orders import give
from algosync.stores.settings_kept import keep_settings, settings_at
from algosync.stores.snapshot import Delta, Snapshot
from algosync.stores.tombstones import Tombstones
from algosync.sync.results import Results
from tests.unit.operate.test_laws import forget, forgetting, pull, shop, told

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


@pytest.mark.parametrize(("kind", "name"), [(Tombstones, "bury"), (Results, "forget")])
def test_nothing_leaves_the_log_before_what_goes_by_it_is_done(held, monkeypatch, kind, name):
    hers = [row("family-pad", f"2026-11-20T10:0{n}:00Z", customer="anna-1" if n == 1 else None) for n in (1, 2, 3)]
    pull(held, [*hers, row("family-pad", "2026-11-21T10:00:00Z", customer="ben-22")], 0)
    before, done = told(held), getattr(kind, name)

    def failing(*given):
        monkeypatch.setattr(kind, name, done)
        raise StoreError("no space left on the device")

    monkeypatch.setattr(kind, name, failing)
    broken = forget(held, "anna-1")
    assert (broken["status"], broken["proof"]) == ("unfinished", None)
    assert told(held) == before
    assert forget(held, "anna-1")["status"] == "done"
    assert len(told(held)) == 1
    pull(held, hers, 1)  # read again, what was anonymous on the pad that others use too stays away as well
    assert len(told(held)) == 1


def test_settings_of_past_runs_that_name_her_do_not_any_more(held):
    pull(held, [row("anna-1")], 0)
    kept = keep_settings(held.state, {"events": {"ignore": {"user_tokens": ["anna-1", "staff-*"]}}}, NOW)
    receipt = forget(held, "anna-1")
    assert (receipt["status"], receipt["proof"]["clean"]) == ("done", True)
    assert "settings" in str(receipt["not_erased"])
    found = settings_at(held.state, NOW)
    assert (found.digest, found.document["events"]["ignore"]["user_tokens"][1]) == (kept, "staff-*")


def test_files_that_could_not_be_emptied_are_gone_on_with(held, monkeypatch):
    def read_by_somebody(_):
        monkeypatch.setattr("algosync.operate.forget.compact", compact)
        raise StoreError("somebody reads it")

    pull(held, [row("anna-1")], 0)
    monkeypatch.setattr("algosync.operate.forget.compact", read_by_somebody)
    assert forget(held, "anna-1")["status"] == "unfinished"
    ((number, _),) = unfinished(held.state)
    receipt = forget(held, "anna-1")
    assert (receipt["erasure"], receipt["status"], receipt["proof"]["clean"]) == (number, "done", True)
    assert not unfinished(held.state)
    assert not [path for path in held.directory.rglob("*") if path.is_file() and b"anna-1" in path.read_bytes()]


class Killed(BaseException):
    """As if the process were gone."""


def kill(monkeypatch, after):
    """Dies instead of compacting, once some databases were."""
    left = iter(range(after))

    def dying(state):
        if next(left, None) is None:
            monkeypatch.setattr("algosync.operate.forget.compact", compact)
            raise Killed
        return compact(state)

    monkeypatch.setattr("algosync.operate.forget.compact", dying)


def files_naming(held, name):
    return [path for path in held.directory.rglob("*") if path.is_file() and name in path.read_bytes()]


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("by", ["resume", "another"])
def test_an_erasure_is_not_done_before_the_files_are_written_anew(held, monkeypatch, after, by):
    pull(held, [row("anna-1"), row("ben-22")], 0)
    kill(monkeypatch, after)
    with pytest.raises(Killed):
        forget(held, "anna-1")
    assert after or files_naming(held, b"anna-1")
    ((number, document),) = unfinished(held.state)
    assert (document["status"], "anna-1" in str(document)) == ("unfinished", False)
    if by == "resume":
        (receipt,) = forgetting(held).resume()
        assert (receipt["erasure"], receipt["status"], receipt["proof"]) == (number, "done", None)
        assert "no bytes were searched" in str(receipt["steps"])
    else:
        assert forget(held, "ben-22")["status"] == "done"
    assert not unfinished(held.state)
    assert not files_naming(held, b"anna-1")
    assert forgetting(held).resume() == []


def test_whoever_returns_meanwhile_leaves_no_erasure_half_done_either(held, monkeypatch):
    pull(held, [row("anna-1")], 0)
    receipt = forget(held, "anna-1")
    document = {"status": "pending", "who": [], "shared": 0, "steps": {"insights": {"status": "pending"}}}
    note(held.state, receipt["erasure"], {**document, "asked_at": None, "person": "anna-1", "names": ["anna-1"]}, NOW)
    kill(monkeypatch, 0)
    with pytest.raises(Killed):
        forgetting(held).lift(Order(user="anna-1"))
    assert files_naming(held, b"anna-1")
    assert [one["status"] for one in forgetting(held).resume()] == ["done"]
    assert not files_naming(held, b"anna-1")


def test_somebody_of_many_devices_is_forgotten_too(held):
    """A browser that keeps no cookie for longer than a week makes fifty a year."""
    devices = [f"device-number-{number:04d}" for number in range(300)]
    pull(held, [row(device, customer="anna-1") for device in devices], 0)
    with held.state.write() as connection:
        note = f"{devices[0]} was seen before {devices[-1]}"
        connection.execute(insert(tables.runs).values(command="sync", started_at="x", outcome=note, report="{}"))
    receipt = forget(held, "anna-1")
    assert (receipt["status"], len(receipt["tokens"]), receipt["proof"]["clean"]) == ("done", 301, True)
    (mentions,) = [step for step in receipt["steps"] if step["step"] == "mentions"]
    assert mentions["texts"] == 1


def test_a_name_that_is_a_word_of_ours_takes_nothing_else_with_it(held):
    pull(held, [row("verify"), row("phone-a", customer="verify")], 0)
    with held.state.write() as connection:
        connection.execute(insert(tables.jobs).values(name="verify", started_at="x"))
        connection.execute(insert(tables.runs).values(command="verify", started_at="x", outcome="done", report="{}"))
    keep_settings(held.state, {"schedule": {"verify": "off"}}, NOW)
    receipt = forget(held, "verify")
    assert (receipt["status"], receipt["tokens"], told(held)) == ("done", ["verify", "phone-a"], [])
    assert settings_at(held.state, NOW).document == {"schedule": {"verify": "off"}}
    with held.state.read() as connection:
        assert connection.scalar(select(tables.runs.c.command)) == "verify"
        assert connection.scalar(select(tables.jobs.c.name)) == "verify"
