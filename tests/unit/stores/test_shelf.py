"""The shelf: found by name, changed by what differs, never half, and of one generation with the people."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from algosync.errors import StoreError
from algosync.stores.shelf import Stocktaking, put
from algosync.stores.snapshot import SNAPSHOT, Delta, Snapshot
from algosync.stores.snapshot_tables import people, shelf
from algosync.stores.state import memory_state, open_state
from algosync.stores.view import HEEDED

from .earlier import make, unopened

ROWS = [
    ("popular:everywhere", "", '["a","b"]'),
    ("popular:category", "Books", '["b"]'),
    ("related", "a", '{"related":["b"],"similar":["c"]}'),
    ("variant", "a-red", '"a"'),
    ("count:products", "", "12"),
    ("count:products", "Books", "5"),
    ("count:other", "", "7"),
    ("declared", "products", '["brand","size"]'),
    ("declared", "other", '["brand"]'),
]


def _delta(rows=None, *, mark="m", people=None, extra=None, as_of="2026-11-20"):
    stock = None if rows is None else Stocktaking(mark=mark, rows=lambda: iter(rows))
    return Delta(people=people or {}, tokens={}, as_of=as_of, shelf=stock, extra=extra or {})


@pytest.fixture
def state(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True, book=SNAPSHOT) as opened:
        yield opened


@pytest.fixture
def snapshot(state):
    return Snapshot(state)


def test_everything_is_found_by_its_name(snapshot):
    snapshot.publish(_delta(ROWS))
    with snapshot.view() as view:
        assert (view.generation, view.as_of) == (1, "2026-11-20")
        assert view.top("popular:everywhere", "") == ["a", "b"]
        assert view.top("popular:category", "Nothing") == []
        assert view.related("a") == view.related("a-red") == {"related": ["b"], "similar": ["c"]}
        assert view.related("nothing") == {}
        assert view.declared("products") == {"brand", "size"}
        assert view.declared(None) == {"brand"}
        assert view.declared("unknown") is None


def test_possible_hits(snapshot):
    snapshot.publish(_delta(ROWS))
    with snapshot.view() as view:
        assert view.hits_possible("products", None) == 12
        assert view.hits_possible("products", "Books") == 5
        assert view.hits_possible("products", "uncounted") == 12
        assert view.hits_possible(None, None) == 12
        assert view.hits_possible(None, "Books") == 7
        assert view.hits_possible("unknown", None) is None


def test_before_the_first_run_nothing_is_known(snapshot):
    with snapshot.view() as view:
        assert (view.generation, view.as_of) == (0, "")
        assert view.hits_possible(None, None) is None
        assert view.declared(None) is None
        assert view.person("anna") is None


def test_a_changed_list_moves_the_generation_and_only_its_row_is_written(state, snapshot):
    snapshot.publish(_delta(ROWS))
    written = []
    event.listen(
        state.engine,
        "before_cursor_execute",
        lambda _c, _cur, statement, parameters, *_: written.append((statement, parameters)),
    )
    changed = [("popular:everywhere", "", '["b"]'), *ROWS[1:]]
    assert snapshot.publish(_delta(changed, mark="n")) == 0
    writes = [statement for statement, _ in written if statement.split()[0] != "SELECT" and "shelf" in statement]
    assert len(writes) == 1
    assert writes[0].startswith("UPDATE shelf")
    assert snapshot.about()["generation"] == "2"


def test_the_same_mark_is_not_even_looked_at(snapshot):
    snapshot.publish(_delta(ROWS))
    same = Stocktaking(mark="m", rows=lambda: pytest.fail("nobody asks for the rows"))
    snapshot.publish(Delta(people={}, tokens={}, as_of="2026-11-21", shelf=same))
    assert snapshot.about()["generation"] == "1"
    snapshot.publish(_delta(None))
    with snapshot.view() as view:
        assert view.top("popular:everywhere", "") == ["a", "b"]


def test_a_new_mark_over_the_same_rows_moves_no_generation(snapshot):
    snapshot.publish(_delta(ROWS))
    snapshot.publish(_delta(ROWS, mark="other", as_of="2026-11-21"))
    about = snapshot.about()
    assert (about["generation"], about["as_of"]) == ("1", "2026-11-20")


def test_notes_are_kept_even_where_nothing_else_changed(snapshot):
    snapshot.publish(_delta(ROWS, extra={"inbox_seq": "7"}))
    snapshot.publish(_delta(ROWS, extra={"inbox_seq": "9"}))
    about = snapshot.about()
    assert (about["inbox_seq"], about["generation"]) == ("9", "1")
    snapshot.publish(_delta(ROWS))
    assert snapshot.about() == about


def test_what_breaks_off_leaves_people_and_shelf_as_they_were(snapshot):
    snapshot.publish(_delta(ROWS, people={"anna": {"n": 1}}))

    def breaks():
        yield ROWS[1]
        raise RuntimeError("power cut")

    bad = Delta(
        people={"bert": {}}, tokens={}, as_of="2026-11-22", shelf=Stocktaking(mark="x", rows=breaks), extra={"k": "v"}
    )
    with pytest.raises(RuntimeError):
        snapshot.publish(bad)
    with snapshot.view() as view:
        assert (view.generation, view.person("anna"), view.person("bert")) == (1, {"n": 1}, None)
        assert view.top("popular:everywhere", "") == ["a", "b"]
        assert "k" not in view.about


def test_a_view_tells_the_last_order_that_the_run_knew(snapshot):
    with snapshot.view() as view:
        assert view.heeded == 0
    snapshot.publish(Delta(people={}, tokens={}, as_of="2026-11-22", extra={HEEDED: "17"}))
    with snapshot.view() as view:
        assert view.heeded == 17


def test_a_view_stays_in_its_generation_while_a_run_publishes(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True, book=SNAPSHOT) as writer:
        Snapshot(writer).publish(_delta(ROWS, people={"anna": {"n": 1}}))
        with open_state(state_url, tmp_path, create=False, book=SNAPSHOT) as reader, Snapshot(reader).view() as view:
            assert view.generation == 1
            Snapshot(writer).publish(_delta([("popular:everywhere", "", '["z"]')], mark="n", people={"anna": {"n": 2}}))
            assert (view.person("anna"), view.top("popular:everywhere", "")) == ({"n": 1}, ["a", "b"])
        with open_state(state_url, tmp_path, create=False, book=SNAPSHOT) as reader, Snapshot(reader).view() as view:
            assert (view.generation, view.person("anna"), view.top("popular:everywhere", "")) == (2, {"n": 2}, ["z"])


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_version_is_refused_by_readers_and_extended_by_writers(state_url, tmp_path, version):
    with unopened(state_url, tmp_path, SNAPSHOT) as connection:
        make(connection, SNAPSHOT, version)
        connection.execute(people.insert().values(person="anna", doc='{"n":1}'))
    with pytest.raises(StoreError, match=f"schema version {version}, this program knows 3") as error:
        open_state(state_url, tmp_path, create=False, book=SNAPSHOT)
    assert "algosync sync" in (error.value.hint or "")
    with open_state(state_url, tmp_path, create=True, book=SNAPSHOT) as state:
        Snapshot(state).publish(_delta(ROWS, people={"anna": {"n": 1}}))
        assert Snapshot(state).person("anna") == {"n": 1}
        assert Snapshot(state).about()["schema"] == "3"
        with Snapshot(state).view() as view:
            assert (view.is_counted, view.tallies(["anna"], ["anna"]), view.standings(["anna"])) == (False, {}, {})


def test_what_has_a_mark_of_its_own_is_written_when_that_moves_and_only_then(snapshot):
    def rows_of(*rows):
        return lambda: iter(rows)

    def unasked():
        raise AssertionError

    def publish(mark, rows, **beside):
        stock = Stocktaking(
            mark=mark, rows=rows, beside={k: Stocktaking(mark=m, rows=r) for k, (m, r) in beside.items()}
        )
        snapshot.publish(Delta(people={}, tokens={}, as_of="2026-11-20", shelf=stock))
        with snapshot.view() as view:
            return view.generation, view.declared("i"), view.products(["p", "q"])

    declared, other = rows_of(("declared", "i", '["a"]')), rows_of(("declared", "i", '["b"]'))
    first, second = rows_of(("product", "p", '{"n":1}')), rows_of(("product", "q", '{"n":2}'))
    assert publish("m", declared, product=("one", first)) == (1, {"a"}, {"p": {"n": 1}})
    assert publish("m", unasked, product=("one", unasked)) == (1, {"a"}, {"p": {"n": 1}})
    assert publish("m", unasked, product=("two", second)) == (2, {"a"}, {"q": {"n": 2}})
    assert publish("n", other, product=("two", unasked)) == (3, {"b"}, {"q": {"n": 2}})
    assert [key for key in snapshot.about() if "mark" in key] == []


def test_a_newer_version_is_refused_by_everybody(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True, book=SNAPSHOT) as state, state.write() as connection:
        connection.execute(SNAPSHOT.meta.update().where(SNAPSHOT.meta.c.key == "schema").values(value="99"))
    for create in (False, True):
        with pytest.raises(StoreError, match="schema version 99") as error:
            open_state(state_url, tmp_path, create=create, book=SNAPSHOT)
        assert "algosync sync" not in (error.value.hint or "")


CONTENTS = st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), st.integers(0, 2), max_size=6)


@given(first=CONTENTS, second=CONTENTS)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_shelf_becomes_what_is_put_and_counts_what_differs(tmp_path, first, second):
    with memory_state(tmp_path, SNAPSHOT) as state, state.write() as connection:
        for rows in (first, second):
            changed = put(connection, [(kind, name, json.dumps(doc)) for (kind, name), doc in rows.items()])
        held = {(row.kind, row.name): json.loads(row.doc) for row in connection.execute(select(shelf))}
    assert held == second
    assert changed == len(dict(first.items() ^ second.items()))


def test_what_is_kept_between_views_is_of_one_generation_only(state, snapshot):
    snapshot.publish(_delta(ROWS))
    asked = []
    event.listen(state.engine, "before_cursor_execute", lambda _c, _cur, statement, *_: asked.append(statement))

    def look(reader):
        with reader.view() as view:
            return view.top("popular:everywhere", ""), view.hits_possible(None, "Books"), view.declared(None)

    first, before = look(snapshot), len(asked)
    assert look(snapshot) == first == (["a", "b"], 7, {"brand"})
    again = [statement for statement in asked[before:] if "FROM" in statement]
    assert len(again) == 1
    assert "snapshot_meta" in again[0]
    Snapshot(state).publish(_delta([("popular:everywhere", "", '["z"]')], mark="n"))
    assert look(snapshot) == (["z"], None, None)
