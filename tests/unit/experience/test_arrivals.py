"""An event of the inbox is, here and in the log after a pull, the same to the last field."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.events.clean import clean
from algosync.events.insights import check
from algosync.events.log import EventLog
from algosync.events.mapping import ROW_ID, EventMapping, apply
from algosync.events.rules import CleanRules
from algosync.events.schema import PRODUCT_REFS
from algosync.events.sources.collector import MAPPING, CollectorSource
from algosync.events.writer import CommittingWriter
from algosync.experience.arrivals import FUTURE_S, ArrivalRules, named, ordered, read
from algosync.stores.inbox import INBOX, Choice, Inbox
from algosync.stores.state import open_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
CONTEXT = {"country": ("context.country", "index")}
RULES = ArrivalRules(source="web", ignore_tokens=("staff-*", "robot"), context=CONTEXT)
MAPPED = EventMapping(context=CONTEXT).over(MAPPING)
PRODUCTS = {
    "p1": {"facets": {"brand": ("Apple",), "categories": ("Electronics", "Phones")}, "price": 499.5},
    "p2": {"facets": {}, "price": None},
}

texts = st.text(st.sampled_from("ab ,'\"\\:=[](){}\té%2NULnul"), min_size=1, max_size=5)
amounts = st.one_of(
    st.none(), st.integers(-2, 30), st.floats(-2, 99), st.sampled_from(["7", "-1", "0.25", "12.50", 1e30, 2**31])
)
good = st.fixed_dictionaries(
    {}, optional={"price": amounts, "discount": amounts, "quantity": st.sampled_from([None, -3, 0, 1, 2, 2**31])}
)
moments = st.sampled_from(
    [None, NOW_MS, NOW_MS - 1, NOW_MS - 60_000, NOW_MS + 1, NOW_MS + 3_600_000, NOW_MS * 1000, (NOW_MS - 7) * 10**6]
)
TOKENS = ["desk", "phone", "staff-1", "robot", "x" * 129]


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """An event that Insights would take, with all that may be said in one."""
    kind, subtype = draw(
        st.sampled_from(
            [("view", None), ("click", None), ("conversion", None)]
            + [("conversion", name) for name in ("addToCart", "purchase")]
        )
    )
    event: dict[str, Any] = {"eventType": kind, "eventSubtype": subtype, "index": "products"}
    event["eventName"] = draw(st.sampled_from(["Seen", "logout", "LogOut"]))
    event["userToken"] = draw(st.sampled_from(TOKENS))
    event["authenticatedUserToken"] = draw(st.sampled_from([None, None, "ann", "staff-2", "y" * 129]))
    event["timestamp"] = draw(moments)
    event["eventID"] = draw(st.sampled_from([None, None, "e1", "e2"]))
    event["sessionID"] = draw(st.sampled_from([None, "s1"]))
    event["consent"] = draw(st.sampled_from([None, "for_you", "not_personalized"]))
    event["context"] = draw(st.sampled_from([None, {}, {"country": "DE"}, {"country": "FR", "device": "phone"}]))
    if draw(st.integers(0, 3)) == 0:
        facets = st.tuples(st.sampled_from(["brand", "a b", "f:g"]), texts)
        event["filters"] = draw(st.lists(st.one_of(texts, facets.map(":".join)), min_size=1, max_size=3))
        return event
    names = draw(st.lists(st.sampled_from(["p1", "p2", "p3", "it's"]), min_size=1, max_size=4))
    event["objectIDs"] = names
    if kind == "conversion" and draw(st.booleans()):
        event["objectData"] = [draw(good) for _ in names]
        event["currency"] = "EUR"
    if kind == "click" and draw(st.booleans()):
        event["queryID"] = "0" * 32
        event["positions"] = [draw(st.sampled_from([1, 7, 2**31])) for _ in names]
    return event


def fill(inbox: Inbox, events: list[dict[str, Any]]) -> None:
    """Sends what Insights takes, one request each, a choice in between."""
    for number, event in enumerate(events):
        made = check({"events": [event]}, NOW_MS)
        if isinstance(made, list):
            inbox.append(made, NOW + timedelta(milliseconds=number % 3))
        if number == 2:
            inbox.put_choice("desk", Choice(consent="for_you", at=NOW, source="toggle"))


def pulled(place: Path, rules: CleanRules, mapping: EventMapping) -> list[dict[str, Any]]:
    """The log's rows after the real pull, as of NOW, in its order; those of ignored tokens count nowhere."""
    rows = [
        {
            "id": name,
            "price": held["price"],
            "digest": name,
            "facets": [{"facet": f, "value": value} for f, values in held["facets"].items() for value in values],
        }
        for name, held in PRODUCTS.items()
    ]
    refs = pa.Table.from_pylist(rows, schema=PRODUCT_REFS)
    source = CollectorSource(name="web", url="sqlite", directory=place, batch_rows=16)
    with open_state("sqlite", place, create=True) as state, duckdb.connect() as con:
        with CommittingWriter(state) as writer:
            for batch in source.batches(None):
                cleaned = clean(con, apply(batch, mapping), rules)
                writer.append(cleaned, cursor=batch.cursor, source="web", products=refs)
        log = EventLog(state)
        log.view(con)
        con.register("tokens", log.ids("token"))
        con.register("objects", log.ids("object"))
        found = con.sql(
            "SELECT key_hi, key_lo, epoch_us(ts) AS us, t.value AS token, a.value AS auth, session_id, kind, "
            "event_name, o.value AS object, i.facets, e.item, price, discount, quantity, consent, excluded, context "
            "FROM events e LEFT JOIN tokens t ON t.id = token LEFT JOIN tokens a ON a.id = auth "
            "LEFT JOIN objects o ON o.id = e.object LEFT JOIN items i ON i.item = e.item "
            f"WHERE ts <= to_timestamp({NOW.timestamp()}) AND coalesce(excluded NOT LIKE 'ignored:%', true) "
            "ORDER BY ts, key_hi, key_lo"
        ).to_arrow_table()
    return found.to_pylist()


def told(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the log as an arrival's fields."""
    step = None
    if row["excluded"] is None and (row["quantity"] is None or row["quantity"] >= 0):
        facets: dict[str, list[str]] = {}
        for held in row["facets"] or ():
            facets.setdefault(held["facet"], []).append(held["value"])
        step = {
            "at": row["us"] / 1e6,
            "kind": row["kind"],
            "object_id": row["object"],
            "facets": None if row["item"] is None else {facet: tuple(values) for facet, values in facets.items()},
            "price": row["price"],
            "discount": row["discount"],
            "quantity": row["quantity"],
            "authenticated": row["auth"] is not None,
            "context": dict(row["context"] or ()),
        }
    return {
        "key": row["key_hi"] << 64 | row["key_lo"],
        "token": row["token"],
        "consent": row["consent"],
        "micros": row["us"],
        "sign": {
            "second": row["us"] // 10**6,
            "login": row["auth"],
            "is_logout": (row["event_name"] or "").lower() == "logout",
            "session_id": row["session_id"],
        },
        "step": step,
    }


def seen(arrival: Any) -> dict[str, Any]:
    def fields(value: Any) -> Any:
        return {name: getattr(value, name) for name in value.__slots__}

    made = {name: getattr(arrival, name) for name in ("key", "token", "consent", "micros")}
    return made | {"sign": fields(arrival.sign), "step": None if arrival.step is None else fields(arrival.step)}


@settings(max_examples=12, deadline=None)
@given(
    events=st.lists(bodies(), min_size=40, max_size=80),
    missing=st.sampled_from(["deny", "allow"]),
    by_row=st.booleans(),
)
def test_an_event_is_what_the_log_makes_of_it(events, missing, by_row):
    rules = CleanRules(
        source="web",
        now=NOW,
        as_of=NOW,
        consent_missing=missing,
        ignore_tokens=RULES.ignore_tokens,
        identity="row" if by_row else "content",
    )
    mapping = EventMapping(columns={"event_id": ROW_ID}).over(MAPPED) if by_row else MAPPED
    own = replace(RULES, consent_missing=missing, by_row=by_row)
    with TemporaryDirectory() as folder, open_state("sqlite", Path(folder), create=True, book=INBOX) as state:
        inbox = Inbox(state)
        fill(inbox, events)
        rows = inbox.after(0, 9_999)
        expected = [told(row) for row in pulled(Path(folder), rules, mapping)]
    made = [arrival for row in rows for arrival in read(row, PRODUCTS, own)]
    assert [seen(arrival) for arrival in ordered(made, own, now=NOW)] == expected


def test_clocks_may_be_ahead_as_far_as_for_the_log():
    assert CleanRules(source="web", now=NOW).future_tolerance == timedelta(seconds=FUTURE_S)


class Row:
    """A row of the inbox."""

    def __init__(self, seq: int, event: dict[str, Any], received: datetime = NOW) -> None:
        self.seq, self.event = seq, {"eventType": "view", "userToken": "desk", "consent": "for_you", **event}
        self.id = f"id:{self.event.get('eventID', seq)}"
        self.received_ms = int(received.timestamp() * 1000)


def test_sent_again_counts_once_and_what_the_log_has_does_not_count_again():
    first, again, other = (
        arrival
        for seq, name in enumerate(["e1", "e1", "e2"], start=1)
        for arrival in read(Row(seq, {"eventID": name, "objectIDs": ["p1"]}), PRODUCTS, RULES)
    )
    assert {one.seq for one in ordered([first, again, other], RULES, now=NOW)} == {1, 3}
    assert ordered([again, other], RULES, now=NOW, known=[first]) == [other]


def test_too_old_is_too_old_and_the_future_waits_for_its_moment():
    rules = replace(RULES, max_age_s=60)
    at = (-61, -60, 0, 1)
    made = [one for n, s in enumerate(at) for one in read(Row(n, {"timestamp": NOW_MS + s * 1000}), {}, rules)]
    assert [one.seq for one in ordered(made, rules, now=NOW)] == [1, 2]
    assert [one.seq for one in ordered(made, rules, now=NOW + timedelta(seconds=1))] == [2, 3]


@pytest.mark.parametrize(("limit", "left"), [(2, 1), (3, 4), (None, 4)])
def test_a_token_that_is_faster_than_people_counts_nothing_in_that_hour(limit, left):
    rules = replace(RULES, events_per_hour_max=limit)
    at = [-1, -2, -3, -4000]
    made = [one for n, s in enumerate(at) for one in read(Row(n, {"timestamp": NOW_MS + s * 1000}), {}, rules)]
    assert len(ordered(made, rules, now=NOW)) == left


def test_the_products_that_events_name():
    rows = [Row(1, {"objectIDs": ["p1", "p2"]}), Row(2, {"filters": ["brand:Apple"]}), Row(3, {"objectIDs": ["p1"]})]
    assert named(rows) == {"p1", "p2"}
