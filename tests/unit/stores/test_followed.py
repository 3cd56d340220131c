"""What is accepted can be read: a file that was deleted or replaced is not written to any more."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from functools import partial

import pytest

from algosync.errors import StoreError
from algosync.stores.followed import Followed
from algosync.stores.inbox import INBOX, Choice, Inbox
from algosync.stores.plain import Plain
from algosync.stores.state import open_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VIEW = {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": "u1", "objectIDs": ["a"]}
NO = Choice(consent="not_personalized", at=NOW, source="banner")


@pytest.fixture
def place(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def state(place):
    with Followed(place / INBOX.file, partial(open_state, "sqlite", place, create=True, book=INBOX)) as made:
        yield made


def there(place):
    with open_state("sqlite", place, create=False, book=INBOX) as state:
        return Inbox(state).size()


def take_away(place):
    for path in place.glob("inbox.sqlite*"):
        path.unlink()


def take_away_alone(place):
    (place / INBOX.file).unlink()


@pytest.mark.parametrize("away", [take_away, take_away_alone, shutil.rmtree], ids=["files", "one file", "folder"])
def test_after_a_deletion_it_begins_anew(state, place, away):
    inbox = Inbox(state)
    inbox.append([VIEW], NOW)
    before = inbox.identity()
    away(place)
    inbox.append([VIEW, VIEW], NOW)
    assert there(place) == inbox.size() == 2
    assert inbox.identity() != before
    inbox.append([VIEW], NOW)
    assert there(place) == 3


def test_another_file_in_its_place_is_the_inbox_from_then_on(state, place, tmp_path):
    with open_state("sqlite", tmp_path / "other", create=True, book=INBOX) as other:
        Inbox(other).append([VIEW] * 5, NOW)
        Inbox(other).put_choice("u1", NO)
    plain = Plain(state)
    inbox = Inbox(state, plain)
    inbox.append([VIEW], NOW)
    assert inbox.choice(["u1"]) is None
    take_away(place)
    shutil.copy(tmp_path / "other" / INBOX.file, place / INBOX.file)
    assert inbox.choice(["u1"]) == NO
    assert inbox.append([VIEW], NOW) == 7
    assert there(place) == 7
    plain.close()


def test_what_was_written_while_it_went_away_is_not_accepted(state, place):
    with pytest.raises(StoreError, match="taken away"), state.write():
        take_away(place)
    Inbox(state).append([VIEW], NOW)
    assert there(place) == 1


def test_what_is_no_inbox_is_refused_for_as_long_as_it_lies_there(state, place):
    inbox = Inbox(state)
    take_away(place)
    (place / INBOX.file).write_bytes(b"this is no database" * 1000)
    for _ in range(2):
        with pytest.raises(StoreError):
            inbox.append([VIEW], NOW)
    take_away(place)
    inbox.append([VIEW], NOW)
    assert there(place) == 1


def test_a_look_that_was_under_way_goes_on_and_leaves_nothing_behind(state, place):
    plain = Plain(state)
    inbox = Inbox(state, plain)
    with plain.moment() as connection:
        take_away(place)
        inbox.put_choice("u1", NO)
        assert inbox.choice(["u1"]) == NO
        assert connection.execute("SELECT count(*) FROM choices").fetchone() == (0,)
    assert inbox.choice(["u1"]) == NO
    plain.close()
