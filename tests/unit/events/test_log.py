from __future__ import annotations

import hashlib
import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from algosync.errors import StoreError
from algosync.events import commit as committing
from algosync.events import writer as writing
from algosync.events.clean import clean
from algosync.events.log import EventLog, products_in
from algosync.events.rules import CleanRules
from algosync.events.schema import ITEMS, LOG, PRODUCT_REFS
from algosync.events.writer import Appended, CommittingWriter, ScratchWriter
from algosync.stores.state import open_state
from algosync.stores.tables import metadata

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
RULES = CleanRules(source="shop", now=NOW, as_of=NOW, consent_missing="deny", ignore_tokens=("staff-*",))
NOTHING = PRODUCT_REFS.empty_table()


def view(user="u1", product="p1", minute=0, **more):
    at = f"2026-05-01T10:{minute:02d}:00Z"
    return {
        "timestamp": at,
        "user_token": user,
        "event_type": "view",
        "object_id": product,
        "consent": "for_you",
        **more,
    }


def append(writer, con, made, products=NOTHING, cursor="1") -> Appended:
    return writer.append(clean(con, made, RULES), cursor=cursor, source="shop", products=products)


def content(log: EventLog) -> list[tuple]:
    """The log's events as people would tell them: ids as texts, items as their facet values."""
    with duckdb.connect() as con:
        log.view(con)
        con.register("tokens", log.ids("token"))
        con.register("objects", log.ids("object"))
        return con.sql(
            "SELECT key_hi, key_lo, epoch_us(ts), t.value, a.value, o.value, i.facets::VARCHAR, price, quantity, "
            "kind, excluded, context::VARCHAR, e.source FROM events e LEFT JOIN tokens t ON t.id = token "
            "LEFT JOIN tokens a ON a.id = auth LEFT JOIN objects o ON o.id = e.object "
            "LEFT JOIN items i ON i.item = e.item ORDER BY ALL"
        ).fetchall()


def whole(state) -> dict[str, object]:
    """Every file of the state directory and every row of its tables."""
    files = {
        str(path.relative_to(state.directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(state.directory.rglob("*"))
        if path.is_file() and not path.name.startswith("state.sqlite")
    }
    with state.read() as connection:
        rows = {name: connection.execute(select(table)).all() for name, table in metadata.tables.items()}
    return {"files": files, **rows}


def test_an_empty_log_has_the_right_types(con, state):
    log = EventLog(state)
    log.view(con)
    for name, schema in (("events", LOG), ("items", ITEMS)):
        found = con.sql(f"SELECT * FROM {name}").to_arrow_table()
        assert found.num_rows == 0
        assert found.schema.names == schema.names
        for field in schema:
            assert pa.types.is_timestamp(field.type) or found.schema.field(field.name).type == field.type, field
    assert con.sql("SELECT item, facet, value FROM item_values").fetchall() == []
    assert log.cursor("shop") is log.newest() is None
    assert log.size().events == log.size().segments == 0
    assert log.ids("token").num_rows == log.products(con).num_rows == 0


def test_a_batch_becomes_events_ids_and_a_cursor(con, state, batch, catalog):
    rows = [
        view(),
        view("u2", "p2", 1, authenticated_user_token="u1", price="7"),
        view("u1", "gone", 2),
        view("staff-1", "p1", 3),
        view("u3", "p1", 4, consent=None),
        view("u1", None, 5, event_type="login"),
        view("u1", "p1", 6, price="x"),
        view(),
    ]
    products = catalog(p1={"brand": "Apple", "colour": "red"}, p2={"brand": "Sony"})
    with CommittingWriter(state) as writer:
        found = append(writer, con, batch(rows), products, cursor="7")
    assert found == Appended(read=8, accepted=6, rejected=1, duplicates=1, waiting=1, ignored=1, no_consent=1)
    log = EventLog(state)
    assert log.cursor("shop") == "7"
    assert log.newest() == datetime(2026, 5, 1, 10, 5, tzinfo=UTC)
    assert sorted(log.ids("token")["value"].to_pylist()) == ["staff-1", "u1", "u2", "u3"]
    size = log.size()
    assert (size.events, size.items, size.tokens, size.objects, size.segments) == (6, 2, 4, 3, 2)
    log.view(con)
    events = con.sql("SELECT * FROM events ORDER BY ts").to_arrow_table().to_pylist()
    tokens = {row["value"]: row["id"] for row in log.ids("token").to_pylist()}
    assert events[1]["auth"] == events[0]["token"] == tokens["u1"]
    assert [event["price"] for event in events] == [10.0, 7.0, None, 10.0, 10.0, None]
    assert [event["item"] is None for event in events] == [False, False, True, False, False, True]
    assert (events[5]["event_name"], events[5]["object"]) == ("login", None)
    values = con.sql(
        "SELECT DISTINCT facet, value FROM events JOIN item_values USING (item) WHERE token = 1 ORDER BY ALL"
    ).fetchall()
    assert values == [("brand", "Apple"), ("colour", "red")]


def test_a_product_version_is_kept_while_its_digest_is_the_same(con, state, batch, catalog):
    first, changed = catalog(p1={"brand": "Apple"}), catalog(p1={"brand": "Sony"})
    with CommittingWriter(state) as writer:
        for minute, products in enumerate([first, first, changed, NOTHING, first]):
            append(writer, con, batch([view(minute=minute)]), products)
    with CommittingWriter(state) as writer:
        append(writer, con, batch([view(minute=9)]), first)
    EventLog(state).view(con)
    assert [i for (i,) in con.sql("SELECT item FROM events ORDER BY ts").fetchall()] == [1, 1, 2, 2, 3, 3]
    assert con.sql("SELECT value FROM item_values ORDER BY item").fetchall() == [("Apple",), ("Sony",), ("Apple",)]


def test_filter_events_share_a_version_per_set_of_values(con, state, batch, catalog):
    def filtered(minute, *filters):
        return view(product=None, minute=minute, facet_filters=list(filters))

    with CommittingWriter(state) as writer:
        append(
            writer, con, batch([filtered(0, "a:1", "b:2"), view(minute=1), filtered(2, "b:2", "a:1")]), catalog(p1={})
        )
        append(writer, con, batch([filtered(3, "a:1", "b:2"), filtered(4, "a:1")]))
    EventLog(state).view(con)
    assert [i for (i,) in con.sql("SELECT item FROM events ORDER BY ts").fetchall()] == [2, 1, 2, 2, 3]
    assert con.sql("SELECT item, facet FROM item_values ORDER BY ALL").fetchall() == [(2, "a"), (2, "b"), (3, "a")]
    assert con.sql("SELECT count(*) FROM items WHERE object IS NULL").fetchall() == [(2,)]


def test_events_wait_for_their_product_and_are_resolved_once(con, state, batch, catalog):
    with CommittingWriter(state) as writer:
        assert append(writer, con, batch([view(), view("u2", "p2"), view("u2", "p3", price="3")])).waiting == 3
        assert writer.resolve_waiting(NOTHING) == 0
        appeared = catalog(p1={"brand": "Apple"}, p3={"brand": "Sony"})
        assert writer.resolve_waiting(appeared) == 2
        assert writer.resolve_waiting(catalog(p1={"brand": "changed"})) == 0
        assert append(writer, con, batch([view(minute=1)]), appeared).waiting == 0
    with CommittingWriter(state) as writer:
        assert writer.resolve_waiting(appeared) == 0
    log = EventLog(state)
    log.view(con)
    con.register("objects", log.ids("object"))
    found = con.sql(
        "SELECT o.value, v.value, price FROM events e JOIN objects o ON o.id = object "
        "LEFT JOIN item_values v ON v.item = e.item ORDER BY ALL"
    ).fetchall()
    assert found == [("p1", "Apple", 10.0), ("p1", "Apple", 10.0), ("p2", None, None), ("p3", "Sony", 3.0)]


def test_products_that_events_bring_along(con, state, batch):
    def brings(minute, product, brand):
        return view(product=product, minute=minute, product_=None) | {"product": json.dumps({"brand": brand})}

    with CommittingWriter(state) as writer:
        append(
            writer, con, batch([brings(5, "p1", "new"), brings(1, "p1", "old"), brings(1, "p2", "b"), view("u", "p3")])
        )
        append(writer, con, batch([brings(3, "p1", "older"), brings(2, "p2", "c")]))
    log = EventLog(state)
    found = log.products(con).select(["object_id", "attributes"]).to_pylist()
    assert found == [
        {"object_id": "p1", "attributes": '{"brand": "new"}'},
        {"object_id": "p2", "attributes": '{"brand": "c"}'},
    ]
    accepted = clean(con, batch([brings(9, "p2", "d"), brings(0, "p4", "e")]), RULES).accepted
    assert products_in(con, accepted)["object_id"].to_pylist() == ["p2", "p4"]
    assert log.products(con, accepted)["attributes"].to_pylist() == [
        '{"brand": "new"}',
        '{"brand": "d"}',
        '{"brand": "e"}',
    ]


ROWS = st.lists(
    st.builds(
        view,
        user=st.sampled_from(["u1", "u2", "staff-1", "bad token"]),
        product=st.sampled_from(["p1", "p2", "unknown", None]),
        minute=st.integers(0, 3),
        price=st.sampled_from([None, "1", "x"]),
        authenticated_user_token=st.sampled_from([None, "u1"]),
    ),
    max_size=12,
)


def test_any_split_order_and_repetition_gives_the_same_log(con, batch, catalog):
    products = catalog(p1={"brand": "Apple"}, p2={"brand": "Sony"})

    @settings(max_examples=20)
    @given(ROWS, st.data())
    def law(rows, data):
        again = data.draw(st.lists(st.sampled_from(rows), max_size=4)) if rows else []
        shuffled = data.draw(st.permutations(rows + again))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=3)))
        parts = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
        logs = []
        for portions in ([rows], parts):
            with TemporaryDirectory() as place, open_state("sqlite", Path(place), create=True) as state:
                total = Appended()
                for portion in portions:
                    with CommittingWriter(state) as writer:
                        total += append(writer, con, batch(portion), products)
                assert total.accepted + total.rejected + total.duplicates == total.read == sum(map(len, portions))
                logs.append((content(EventLog(state)), total.accepted, total.waiting, total.ignored))
        assert logs[0] == logs[1]

    law()


def test_a_crash_before_the_commit_leaves_the_log_as_it_was(con, state, batch, catalog, monkeypatch):
    products = catalog(p1={"brand": "Apple"})
    with CommittingWriter(state) as writer:
        append(writer, con, batch([view()]), products)
        before, told = whole(state), content(writer.log)

        def plug_pulled(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(writing.quarantine, "settle", plug_pulled)
        with pytest.raises(KeyboardInterrupt):
            append(writer, con, batch([view("u2", "p2", 1), view("u2", "p1", 1)]), products, cursor="2")
        monkeypatch.undo()
        after = whole(state)
        assert set(after["files"]) - set(before["files"]) == {"log/events/00000003.parquet"}
        assert {**after, "files": 0} == {**before, "files": 0}
        assert content(writer.log) == told
    with CommittingWriter(state) as writer:
        assert writer.removed == ["log/events/00000003.parquet"]
        assert whole(state) == before
        found = append(writer, con, batch([view("u2", "p2", 1), view("u2", "p1", 1)]), products, cursor="2")
    assert (found.accepted, found.waiting, EventLog(state).cursor("shop")) == (2, 1, "2")


def test_the_same_writer_goes_on_after_a_failure(con, state, batch, monkeypatch):
    rows = batch([view(), view("u2", "p2", 1)])
    with CommittingWriter(state) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(committing, "_insert_ids", lambda *_: (_ for _ in ()).throw(StoreError("disk full")))
            with pytest.raises(StoreError, match="disk full"):
                append(writer, con, rows)
        assert append(writer, con, rows).accepted == 2
        assert append(writer, con, rows).duplicates == 2
        assert len(content(writer.log)) == 2


def test_a_scratch_writer_changes_nothing(con, state, batch, catalog):
    products = catalog(p1={"brand": "Apple"}, p2={"brand": "Sony"})
    with CommittingWriter(state) as writer:
        append(writer, con, batch([view(), view("u1", "p2", 1)]), cursor="2")
    before, told = whole(state), content(EventLog(state))
    news = batch([view(), view("u2", "p2", 2), view("u9", "p9", 3), view(price="x")])
    with ScratchWriter(state) as writer:
        found = append(writer, con, news, products, cursor="6")
        resolved = writer.resolve_waiting(products)
        assert (found.accepted, found.duplicates, found.rejected, found.waiting, resolved) == (2, 1, 1, 1, 2)
        assert writer.log.cursor("shop") == "6"
        assert writer.log.size().events == 4
        with_news = content(writer.log)
    assert whole(state) == before
    assert content(EventLog(state)) == told
    with CommittingWriter(state) as writer:
        assert append(writer, con, news, products, cursor="6") == found
        assert writer.resolve_waiting(products) == 2
    assert content(EventLog(state)) == with_news


def test_a_dry_run_where_there_is_nothing_makes_nothing(con, tmp_path, batch):
    place = tmp_path / "state"
    with open_state("sqlite", place, create=False) as state, ScratchWriter(state) as writer:
        assert append(writer, con, batch([view()])).accepted == 1
        assert len(content(writer.log)) == 1
    assert not place.exists()


def test_a_dry_run_leaves_every_byte(con, tmp_path, batch, catalog):
    place = tmp_path / "state"
    with open_state("sqlite", place, create=True) as state, CommittingWriter(state) as writer:
        append(writer, con, batch([view()]))
    before = {path: (path.read_bytes() if path.is_file() else None) for path in place.rglob("*")}
    with open_state("sqlite", place, create=False) as state, ScratchWriter(state) as writer:
        append(writer, con, batch([view(minute=1), view(price="x")]), catalog(p1={"brand": "Apple"}))
        writer.resolve_waiting(catalog(p1={"brand": "Apple"}))
    assert {path: (path.read_bytes() if path.is_file() else None) for path in place.rglob("*")} == before


def test_one_writer_at_a_time(state):
    with CommittingWriter(state), pytest.raises(StoreError, match="another process is writing"):
        CommittingWriter(state)
    with CommittingWriter(state):
        pass


def test_a_missing_segment_is_named(con, state, batch):
    with CommittingWriter(state) as writer:
        append(writer, con, batch([view()]))
    [path] = EventLog(state).paths()["events"]
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.unlink()
    with pytest.raises(StoreError, match=r"00000001\.parquet: a segment of the event log is missing"):
        EventLog(state).view(con)


def test_a_catalog_that_names_an_id_twice_is_refused(con, state, batch, catalog):
    twice = pa.concat_tables([catalog(p1={"a": "b"}), catalog(p1={"a": "c"})])
    with CommittingWriter(state) as writer:
        with pytest.raises(StoreError, match="one product id twice"):
            append(writer, con, batch([view()]), twice)
        assert content(writer.log) == []


@pytest.mark.parametrize(("name", "empty"), [("facet_filters", []), ("context", {})])
def test_an_empty_list_or_map_is_absent_whatever_stands_beside_it(con, state, batch, name, empty):
    said = {
        "facet_filters": view(minute=1, product=None, facet_filters=["brand:x"]),
        "context": view(minute=1, context={"country": "DE"}),
    }[name]
    with CommittingWriter(state) as writer:
        assert append(writer, con, batch([view(), said])).accepted == 2
        beside = append(writer, con, batch([view(**{name: empty}), said]))
    assert (beside.accepted, beside.duplicates) == (0, 2)
