"""Tombstones: hashes alone, found by whoever has the key, lifted from a moment on, followed by those who serve."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta

import pytest

from algosync.errors import ConfigError
from algosync.stores.state import open_state
from algosync.stores.tombstones import (
    NOBODY,
    TOMBSTONES,
    ForgottenAtHand,
    Tombstones,
    event_name,
    open_forgotten,
)
from algosync.stores.witness import History, Needed, needed, witness

KEY = b"a secret of the shop"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def opened(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True, book=TOMBSTONES) as state:
        yield state


@pytest.fixture
def book(opened):
    return Tombstones(opened, KEY)


def test_a_name_is_found_by_its_hash_and_no_other_is(book):
    assert book.bury("e1", ["anna", "phone", "anna"], [event_name(1, 2)], NOW) == 3
    found = book.forgotten()
    assert found.among(["anna", "ben", "phone"]) == {"anna": None, "phone": None}
    assert found.holds("anna")
    assert not found.holds("ben")
    assert found.has_event(1, 2)
    assert not found.has_event(2, 1)
    assert bool(found)
    assert not bool(NOBODY)
    assert NOBODY.among(["anna"]) == {}
    assert not NOBODY.has_event(1, 2)


def test_all_names_of_an_erasure_are_lifted_by_any_of_them(book):
    book.bury("e1", ["anna", "phone"], [event_name(1, 2)], NOW)
    book.bury("e2", ["ben"], [], NOW)
    later = NOW + timedelta(days=3)
    assert book.lift("phone", later) == 2
    assert book.lift("phone", later) == 0
    assert book.lift("nobody", later) == 0
    found = book.forgotten()
    assert found.among(["anna", "ben"]) == {"anna": later, "ben": None}
    assert not found.holds("anna")
    assert found.has_event(1, 2)  # what was removed stays away
    book.bury("e3", ["anna"], [], later)
    assert book.forgotten().among(["anna", "phone"]) == {"anna": None, "phone": later}


def test_whoever_is_forgotten_twice_returns_with_all_of_her_names(book):
    book.bury("e1", ["anna", "phone"], [event_name(1, 2)], NOW)
    book.bury("e2", ["anna", "tablet"], [], NOW)  # by then nothing links the phone to her any more
    book.bury("e3", ["ben"], [], NOW)
    later = NOW + timedelta(days=3)
    assert book.lift("tablet", later) == 3
    assert book.forgotten().among(["anna", "phone", "tablet", "ben"]) == {
        "anna": later,
        "phone": later,
        "tablet": later,
        "ben": None,
    }


def test_another_key_or_none_is_refused_since_it_would_find_nobody(opened, book):
    Tombstones(opened, None)  # nobody was forgotten yet
    book.bury("e1", ["anna"], [], NOW)
    for key, what in ((b"another secret of it", "is another one"), (None, "is missing")):
        with pytest.raises(ConfigError, match=what):
            Tombstones(opened, key)


def test_nobody_is_buried_without_a_key(opened):
    with pytest.raises(ConfigError, match="ALGOSYNC_IDENTITY__HASH_KEY"):
        Tombstones(opened, None).bury("e1", ["anna"], [], NOW)


def test_the_file_is_its_owners_and_holds_no_name(tmp_path):
    assert open_forgotten("sqlite", tmp_path, KEY, Needed()) is not None
    assert list(tmp_path.iterdir()) == []  # looking makes nothing
    with open_state("sqlite", tmp_path, create=True, book=TOMBSTONES) as state:
        Tombstones(state, KEY).bury("e1", ["anna-4711"], [], NOW)
    path = tmp_path / "tombstones.sqlite"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"anna-4711" not in path.read_bytes()
    assert open_forgotten("sqlite", tmp_path, KEY, Needed()).holds("anna-4711")
    assert "anna" not in repr(open_forgotten("sqlite", tmp_path, KEY, Needed()))
    assert "secret" not in repr(open_forgotten("sqlite", tmp_path, KEY, Needed()))


def test_those_who_serve_follow_what_is_made_and_lifted(state_url, tmp_path):
    at_hand = ForgottenAtHand(state_url, tmp_path, KEY)
    assert not at_hand()
    with open_state(state_url, tmp_path, create=True, book=TOMBSTONES) as state:
        book = Tombstones(state, KEY)
        book.bury("e1", ["anna"], [], NOW)
        assert at_hand().holds("anna")
        assert at_hand() is at_hand()
        book.lift("anna", NOW)
        assert not at_hand().holds("anna")
    at_hand.close()
    if state_url == "sqlite":
        (tmp_path / "tombstones.sqlite").unlink()
        assert not at_hand()
        at_hand.close()


def test_every_change_has_a_place_in_the_history(book):
    assert book.history() == History()
    book.bury("e1", ["anna"], [], NOW)
    before = book.history()
    book.lift("nobody", NOW)
    assert book.history() == before
    book.lift("anna", NOW)
    after = book.history()
    assert (before.changes, after.changes) == ("1", "2")
    assert before.every == {before.last} < after.every
    assert before.stand != after.stand


def test_a_book_is_good_where_it_goes_as_far_as_the_state_saw_or_further():
    one, two = (History(changes=str(n), last=str(n), every=frozenset(map(str, range(1, n + 1)))) for n in (1, 2))
    other = History(changes="2", last="x", every=frozenset("1x"))
    assert Needed().lacks(History()) is None
    saw = Needed(changes=2, last="2")
    assert saw.lacks(two) is None
    assert Needed(changes=1, last="1").lacks(two) is None
    assert "lack 1 changes" in saw.lacks(one)
    assert "not those of this state" in saw.lacks(other)
    assert "lost" in saw.lacks(History())
    assert Needed(changes=1).lacks(History(changes="3")) is None  # of a version that did not note which


def test_a_state_knows_the_last_that_it_saw(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True) as state:
        assert needed(state) == Needed()
        witness(state, History(changes="3", last="3 e1", every=frozenset({"3 e1"})), NOW)
        assert needed(state) == Needed(changes=3, last="3 e1")
        witness(state, History(), NOW)
        assert needed(state) == Needed()
