"""What overlays are made from: found by key through either kind of connection, and written only where it changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import event

from algosync.errors import StoreError
from algosync.stores.plain import Plain
from algosync.stores.shelf import Stocktaking
from algosync.stores.snapshot import SNAPSHOT, Delta, Snapshot
from algosync.stores.state import State, open_state
from algosync.stores.tallies import Renewal, Tallies
from algosync.stores.view import Kept, View

AS_OF = "2026-11-20"


def renewal(*rows: tuple, keys: tuple[str, ...] | None = ()) -> Renewal:
    return Renewal(keys=keys, rows=lambda: iter(rows))


FIRST = Tallies(
    before="",
    mark="one",
    tallies=renewal(
        ("anna", "settled", b"A"), ("anna", "open", b"a"), ("phone", "open", b"p"), ("bert", "settled", b"B"), keys=None
    ),
    standings=renewal(("phone", None, "P"), ("desk", "anna", "D"), ("tablet", "anna", "T"), keys=None),
    entered=renewal(("anna", '{"age":"31"}'), keys=None),
)
PRODUCTS = [
    ("product", "p1", '{"facets":{"brand":["Acme"]},"price":9.5}'),
    ("product", "p2", '{"facets":{},"price":null}'),
    ("related", "p1", "{}"),
]


@pytest.fixture
def state(state_url: str, tmp_path) -> Iterator[State]:
    with open_state(state_url, tmp_path, create=True, book=SNAPSHOT) as opened:
        yield opened


@pytest.fixture
def snapshot(state: State) -> Snapshot:
    return Snapshot(state)


@pytest.fixture(params=["for the worker", "for answers"])
def view(request, state: State, snapshot: Snapshot) -> Iterator[View]:
    """The first tallies; those who answer read SQLite through a plain connection."""
    notes = {"inbox": "i", "inbox_seq": "7"}
    shelf = Stocktaking(mark="m", rows=lambda: iter(PRODUCTS))
    snapshot.publish(Delta(people={}, tokens={}, as_of=AS_OF, extra=notes, counted=FIRST, shelf=shelf))
    if request.param == "for answers" and state.dialect == "sqlite":
        plain = Plain(state)
        with plain.moment() as connection:
            yield View(connection, Kept())
        plain.close()
        return
    with snapshot.view() as found:
        yield found


def test_standings_are_found_by_token_and_by_who_is_logged_in(view: View) -> None:
    assert view.standings(["phone", "desk", "unknown", "desk"]) == {"phone": "P", "desk": "D"}
    assert view.standings([]) == {}
    assert view.tokens_standing_with("anna") == {"desk", "tablet"}
    assert view.tokens_standing_with("nobody") == set()


def test_tallies_are_found_by_kind_and_name(view: View) -> None:
    assert view.tallies(["anna", "bert", "nobody"], ["phone"]) == {
        ("settled", "anna"): b"A",
        ("settled", "bert"): b"B",
        ("open", "phone"): b"p",
    }
    assert view.tallies([], ["anna", "bert"]) == {("open", "anna"): b"a"}
    assert view.tallies([], []) == {}


def test_any_number_of_keys_may_be_asked_for(view: View) -> None:
    names = [f"n{number}" for number in range(2000)]
    assert view.tallies([*names, "bert"], names) == {("settled", "bert"): b"B"}


def test_what_was_entered_and_what_the_inbox_contained(view: View) -> None:
    assert view.entered("anna") == {"age": "31"}
    assert view.entered("bert") == {}
    assert view.inbox() == ("i", 7)
    assert view.is_counted
    assert "tallies_mark" not in view.about


def test_products_are_found_by_the_ids_of_events(view: View) -> None:
    found = {"p1": {"facets": {"brand": ["Acme"]}, "price": 9.5}, "p2": {"facets": {}, "price": None}}
    assert view.products(["p2", "p1", "p3"]) == found
    assert view.products(["p3"]) == {}
    assert view.products([]) == {}


def test_a_product_is_read_once_a_generation(state: State, snapshot: Snapshot) -> None:
    shelf = Stocktaking(mark="m", rows=lambda: iter(PRODUCTS))
    snapshot.publish(Delta(people={}, tokens={}, as_of=AS_OF, shelf=shelf))
    asked = []
    event.listen(state.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    for _ in range(3):
        with snapshot.view() as view:
            assert set(view.products(["p1", "p3"])) == {"p1"}
    assert sum("FROM shelf" in text for text in asked) == 1


def test_keys_are_looked_up_not_searched_for(tmp_path) -> None:
    with open_state("sqlite", tmp_path, create=True, book=SNAPSHOT) as state:
        Snapshot(state).publish(Delta(people={}, tokens={}, as_of=AS_OF, counted=FIRST))
        plain = Plain(state)
        with plain.moment() as connection:
            told: list[str] = []
            connection.set_trace_callback(told.append)
            view = View(connection, Kept())
            view.standings(["phone"])
            view.tallies(["anna"], ["phone"])
            view.tokens_standing_with("anna")
            view.entered("anna")
            view.products(["p1"])
            connection.set_trace_callback(None)
            asked = [text for text in told if "WHERE" in text]
            steps = [row[3] for text in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]
        plain.close()
    assert len(asked) == 5
    tables = ("standings", "tallies", "entered", "shelf")
    assert [step for step in steps if step.startswith(tuple(f"SCAN {table}" for table in tables))] == []


def test_nothing_there_is_nothing(snapshot: Snapshot) -> None:
    with snapshot.view() as view:
        assert (view.standings(["a"]), view.tallies(["a"], ["a"]), view.entered("a")) == ({}, {}, {})
        assert (view.products(["a"]), view.inbox(), view.is_counted) == ({}, ("", 0), False)


def test_only_what_changed_is_written(snapshot: Snapshot) -> None:
    snapshot.publish(Delta(people={}, tokens={}, as_of=AS_OF, counted=FIRST))
    assert (snapshot.tallies_mark(), snapshot.about()["generation"]) == ("one", "1")
    change = Tallies(
        before="one",
        mark="two",
        tallies=renewal(("anna", "settled", b"A2"), keys=("anna", "phone")),
        standings=renewal(("phone", "bert", "P2"), keys=("phone",)),
        entered=renewal(keys=("anna",)),
    )
    snapshot.publish(Delta(people={}, tokens={}, as_of=AS_OF, counted=change))
    with snapshot.view() as view:
        everybody = ["anna", "bert", "phone"]
        assert view.tallies(everybody, everybody) == {("settled", "anna"): b"A2", ("settled", "bert"): b"B"}
        assert view.standings(["phone", "desk"]) == {"phone": "P2", "desk": "D"}
        assert view.tokens_standing_with("bert") == {"phone"}
        assert (view.entered("anna"), view.generation) == ({}, 2)


def test_nothing_changed_moves_nothing(snapshot: Snapshot) -> None:
    snapshot.publish(Delta(people={}, tokens={}, as_of=AS_OF, counted=FIRST))
    before = snapshot.about()
    snapshot.publish(Delta(people={}, tokens={}, as_of="2026-11-21", counted=Tallies(before="one", mark="one")))
    assert snapshot.about() == before


def test_all_of_them_may_be_replaced(snapshot: Snapshot) -> None:
    snapshot.publish(Delta(people={}, tokens={}, as_of=AS_OF, counted=FIRST))
    nothing = renewal(keys=None)
    anew = Tallies(before="", mark="two", tallies=renewal(("z", "open", b"Z"), keys=None), standings=nothing)
    snapshot.publish(Delta(people={}, tokens={}, as_of=AS_OF, counted=anew))
    with snapshot.view() as view:
        assert view.tallies(["anna"], ["z", "phone"]) == {("open", "z"): b"Z"}
        assert (view.standings(["phone", "desk"]), view.entered("anna")) == ({}, {"age": "31"})


def test_changes_to_another_state_change_nothing(snapshot: Snapshot) -> None:
    snapshot.publish(Delta(people={}, tokens={}, as_of=AS_OF, counted=FIRST))
    with pytest.raises(StoreError, match="another run has published"):
        snapshot.publish(Delta(people={"x": {}}, tokens={}, as_of=AS_OF, counted=Tallies(before="zero", mark="two")))
    assert (snapshot.tallies_mark(), snapshot.person("x")) == ("one", None)
