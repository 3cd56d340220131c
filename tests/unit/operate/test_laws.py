"""Any order of events, syncs and forgets leaves no trace of whom was forgotten, and all of everybody else's; and what
is too old takes nothing with it that still holds.

Without Algolia, on logs as runs make them: a batch is pulled, a snapshot is published, somebody is forgotten.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import ibis
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.algolia.target import Target
from algosync.catalog.build import build
from algosync.catalog.rules import CatalogRules
from algosync.events.log import EventLog
from algosync.events.mapping import EventMapping
from algosync.events.rules import CleanRules
from algosync.events.sources.base import RawBatch
from algosync.events.writer import CommittingWriter
from algosync.operate.erasing import AtAlgolia, Held
from algosync.operate.forget import Forgetting, Order
from algosync.operate.retention import Ages, retain
from algosync.payloads.encode import OpaqueIds
from algosync.profiles.batch_visitors import visitors
from algosync.profiles.identity import consenting, denied_persons, identify, known
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.snapshot import SNAPSHOT, Change, Delta, Snapshot
from algosync.stores.state import STATE, open_state
from algosync.stores.tombstones import TOMBSTONES, Tombstones
from algosync.sync.catalog import FixedStock
from algosync.sync.ledger import Ledger
from algosync.sync.pull import EventSource, Intake
from algosync.sync.results import Results

KEY = b"a secret of the shop"
START = datetime(2026, 11, 1, 10, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PEOPLE = ("anna-1", "ben-22", "carla-333")
DEVICES = ("phone-a", "phone-b", "family-pad", "kiosk-1")
COLUMNS = {
    "timestamp": "at", "user_token": "who", "authenticated_user_token": "customer", "event_type": "what",
    "event_name": "name", "object_id": "product", "consent": "consent", "quantity": "quantity",
}  # fmt: skip


class Nowhere:
    """An Algolia that holds nothing."""

    def exists(self, index):
        return False


class Source:
    name = "shop"


SOURCE = EventSource(
    source=Source(),
    mapping=EventMapping(columns=COLUMNS),
    rules=CleanRules(source="shop", now=NOW, as_of=NOW, consent_missing="allow"),
    max_share=1.0,
)
PRODUCTS = FixedStock(build([[{"objectID": "book"}]], CatalogRules()))


@contextmanager
def shop(folder):
    with ExitStack() as stack:
        state, snapshot, inbox, tombstones = (
            stack.enter_context(open_state("sqlite", folder, create=True, book=book))
            for book in (STATE, SNAPSHOT, INBOX, TOMBSTONES)
        )
        backend = ibis.duckdb.connect()
        stack.callback(backend.disconnect)
        yield Held(
            state=state, snapshot=snapshot, inbox=inbox, tombstones=tombstones, directory=folder,
            results=Results(folder / "results"), backend=backend, sources=(SOURCE,),
        )  # fmt: skip


def pull(held, rows, number):
    places = pa.array([f"shop:{number}.{place}" for place in range(len(rows))], pa.string())
    batch = RawBatch(table=pa.Table.from_pylist(rows), positions=places, bad=(), cursor=str(number), sparse=True)
    gone = Tombstones(held.tombstones, KEY).forgotten()
    with CommittingWriter(held.state) as writer, duckdb.connect() as con:
        intake = Intake(con=con, writer=writer, products=PRODUCTS, advance=lambda _: None, forgotten=gone)
        counts, _ = intake.take(batch, SOURCE, cursor=str(number))
    assert counts.accepted + counts.rejected + counts.duplicates + counts.forgotten == counts.read == len(rows)


def publish(held, number):
    """A snapshot of whoever the log names, as a run leaves it, with what storefronts sent and tests of the past."""
    names = EventLog(held.state).ids("token")["value"].to_pylist()
    people = {name: {"person": name, "events": 1} for name in names if name in PEOPLE}
    entered = [Change(person=name, segment=f"s{number}", why=f"{name} was there") for name in people]
    snapshot = Snapshot(held.snapshot)
    snapshot.publish(Delta(people=people, tokens={}, entered=entered, as_of=f"2026-11-{number + 1:02d}"))
    gone = Tombstones(held.tombstones, KEY).forgotten()
    sent = [{"eventType": "view", "userToken": name, "timestamp": number} for name in names]
    Inbox(held.inbox, forgotten=lambda: gone).append(sent, NOW)


def forgetting(held):
    algolia = AtAlgolia(
        target=Target(app_id="APP"), ledger=Ledger(held.state.engine, Target(app_id="APP")),
        payload_index="payloads", ids=OpaqueIds(key=KEY), reader=Nowhere(),
        writer=lambda: None, insights=None, profiles=None,
    )  # fmt: skip
    return Forgetting(held, algolia, lambda: NOW)


def forget(held, user):
    return forgetting(held).forget(Order(user=user), lambda _: True)


def told(held):
    """The log as people would tell it."""
    log = EventLog(held.state)
    with duckdb.connect() as con:
        log.view(con)
        con.register("tokens", log.ids("token"))
        return con.sql(
            "SELECT epoch_us(ts), t.value, a.value, event_name, kind FROM events LEFT JOIN tokens t ON t.id = token "
            "LEFT JOIN tokens a ON a.id = auth ORDER BY ALL"
        ).fetchall()


@st.composite
def events(draw):
    """An event of a device; who is logged in there says so, now and then; some rows cannot be used."""
    minutes = draw(st.integers(0, 400))
    customer = draw(st.sampled_from((None, None, *PEOPLE)))
    return {
        "at": "never" if draw(st.integers(0, 11)) == 0 else (START + timedelta(minutes=10 * minutes)).isoformat(),
        "who": draw(st.sampled_from(DEVICES)),
        "customer": customer,
        "what": draw(st.sampled_from(("view", "click"))),
        "name": draw(st.sampled_from((None, None, None, "logout"))),
        "product": "book",
    }


STEPS = st.lists(
    st.one_of(
        st.lists(events(), min_size=1, max_size=6).map(lambda rows: ("events", rows)),
        st.just(("sync", None)),
        st.sampled_from(PEOPLE).map(lambda name: ("forget", name)),
    ),
    min_size=1,
    max_size=7,
)


@given(STEPS, st.sampled_from(PEOPLE))
@settings(max_examples=settings.default.max_examples // 5)
def test_no_trace_of_her_and_all_of_everybody_else(steps, last):
    with TemporaryDirectory() as folder, shop(Path(folder)) as held:
        every, forgotten, receipts = [], set(), []
        for number, (what, given_) in enumerate((*steps, ("forget", last))):
            if what == "events":
                every += given_
                pull(held, given_, number)
            elif what == "sync":
                publish(held, number)
            else:
                receipts.append(forget(held, given_))
                forgotten.add(given_)
        names = {name for receipt in receipts for name in receipt["tokens"]}
        assert {receipt["status"] for receipt in receipts} == {"done"}
        assert all(receipt["proof"]["clean"] for receipt in receipts)
        # Nothing as bytes, by a search of another kind.
        for path in held.directory.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert not any(name.encode() in content for name in names), path
        kept = told(held)
        assert not {name for row in kept for name in row[1:3]} & names
        # All of it once more, with everybody else: she does not come back, and nobody else's event is missing.
        if every:
            pull(held, every, 99)
        again = told(held)
        assert not {name for row in again for name in row[1:3]} & names
        strangers = [row for row in every if row["at"] != "never" and not hers(row, names)]
        apart = {row["who"] for row in every if row["customer"] in forgotten}
        surely = {row["at"] for row in strangers if row["who"] not in apart}
        assert surely <= {
            (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row[0])).isoformat() for row in again
        }


def hers(row, names):
    return row["who"] in names or row["customer"] in names


@given(st.lists(events(), min_size=1, max_size=12), st.sampled_from(PEOPLE))
@settings(max_examples=settings.default.max_examples // 5)
def test_the_log_of_everybody_else_is_that_of_a_shop_where_she_never_was(rows, who):
    rows = [row for row in rows if row["at"] != "never"] or [{**rows[0], "at": START.isoformat()}]
    with TemporaryDirectory() as folder, TemporaryDirectory() as other:  # noqa: SIM117
        with shop(Path(folder)) as held, shop(Path(other)) as never:
            pull(held, rows, 0)
            before = told(held)
            receipt = forget(held, who)
            after = told(held)
            assert set(after) <= set(before)
            left = {(row[0], row[1], row[2]) for row in after}
            stays = [row for row in rows if (_micros(row["at"]), row["who"], row["customer"]) in left]
            if stays:
                pull(never, stays, 0)
            assert told(never) == after
            # At a device of hers alone nothing is left, at another one what others did with their own names.
            assert all(row["who"] not in receipt["tokens"] and row["customer"] != who for row in stays)
            named = [row for row in rows if row["customer"] not in (None, who)]
            assert len([row for row in stays if row["customer"] is not None]) == len(
                {(row["at"], *map(str, row.values())) for row in named}
            )


def _micros(text):
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@st.composite
def visits(draw):
    """An event of some day, within one session of it."""
    at = START + timedelta(days=draw(st.integers(-60, 20)), minutes=draw(st.integers(0, 25)))
    return {
        **draw(events()),
        "at": at.isoformat(),
        "what": draw(st.sampled_from(("view", "view", "purchase"))),
        "consent": draw(st.sampled_from((None, None, None, "for_you", "not_personalized"))),
        "quantity": draw(st.sampled_from((None, None, 1, -1))),
    }


def who_is_who(held, since):
    """What is known of everybody, and whose each event since a day is."""
    log, backend = EventLog(held.state), held.backend
    log.view(backend.con)
    names = dict(zip(*(log.ids("token")[column].to_pylist() for column in ("id", "value")), strict=True))
    events_ = backend.table("events")
    identified = known(events_, as_of=NOW)
    people = visitors(consenting(identified), as_of=NOW).to_pyarrow().to_pylist()
    told = ("first_seen", "last_seen", "state", "visit", "authenticated", "purchased")
    refusing = denied_persons(identified).to_pyarrow()["person"].to_pylist()
    placed = identify(events_)
    later = placed.filter(placed.ts >= since).select("key_hi", "person").to_pyarrow().to_pylist()
    return (
        {names[row["person"]]: [row[name] for name in told] for row in people},
        {names[number] for number in refusing},
        {row["key_hi"]: names[row["person"]] for row in later},
    )


@given(st.lists(visits(), min_size=1, max_size=14))
@settings(max_examples=settings.default.max_examples // 5)
def test_what_is_too_old_takes_nothing_with_it_that_still_holds(rows):
    with TemporaryDirectory() as folder, shop(Path(folder)) as held:
        pull(held, rows, 0)
        since = (NOW - timedelta(days=30)).replace(hour=0)
        people, refusing, later = who_is_who(held, since)
        retain(held, Ages(events=timedelta(days=30)), NOW)
        people_then, refusing_then, later_then = who_is_who(held, since)
        assert later_then == later
        assert refusing_then == refusing
        assert people_then.items() <= people.items()
        gone = people.keys() - people_then.keys()
        assert all(people[name][2] == "visitor" and people[name][1] < since for name in gone)
        again = retain(held, Ages(events=timedelta(days=30)), NOW)["events"]
        assert (again["rows"], again["traces"], again["names"]) == (0, 0, 0)
