"""How the inbox is, without a lock at every look; and that it takes no more than it may hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from algosync.errors import RequestError
from algosync.serve.inbox_health import RETRY_S, TRIED_S, InboxWatch, Room
from algosync.stores.inbox import INBOX, Choice, Inbox
from algosync.stores.state import open_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VIEW = {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": "u1", "objectIDs": ["a"]}


@pytest.fixture
def state(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True, book=INBOX) as made:
        yield made


def test_it_is_tried_once_in_a_while_however_often_it_is_asked(state, tmp_path):
    begun, now = [], [100.0]
    event.listen(state.engine, "begin", begun.append)
    watch = InboxWatch(state, tmp_path, clock=lambda: now[0])
    assert [watch.problems() for _ in range(9)] == [()] * 9
    assert len(begun) == 1
    now[0] += TRIED_S
    watch.problems()
    assert len(begun) == 2


def test_a_lock_is_found_at_the_next_try_and_forgotten_after(state, tmp_path):
    now = [0.0]
    watch = InboxWatch(state, tmp_path, clock=lambda: now[0])
    assert watch.problems() == ()
    state.writable = False
    assert watch.problems() == ()
    now[0] += TRIED_S
    assert watch.problems() == ("the inbox cannot be written; see the server's log",)
    state.writable = True
    now[0] += TRIED_S
    assert watch.problems() == ()


def test_a_full_inbox_takes_no_more_until_it_was_read(state):
    inbox = Inbox(state)
    room = Room(inbox, events_max=3, bytes_max=10**9)
    room.need(3, NOW)
    inbox.append([VIEW] * 3, NOW)
    room.need(1, NOW + timedelta(seconds=0.9))  # it is looked at once a second
    for late in (1, 1.5):
        with pytest.raises(RequestError) as refused:
            room.need(2, NOW + timedelta(seconds=late))
        assert (refused.value.status, refused.value.retry_after_s) == (503, RETRY_S)
    assert room.refused == 4
    assert "run `algosync sync`" in room.problems()[0]
    inbox.put_choice("u1", Choice(consent="not_personalized", at=NOW, source="banner"))
    inbox.drop(3)
    room.need(1, NOW + timedelta(seconds=9))
    assert room.problems() == ()


def test_few_events_may_fill_it_too(state):
    inbox = Inbox(state)
    room = Room(inbox, events_max=1000, bytes_max=2_000_000)
    inbox.append([VIEW | {"objectIDs": [f"{n:05}" * 20_000]} for n in range(30)], NOW)
    # PostgreSQL packs what repeats itself.
    assert inbox.extent()[0] == 30
    assert 30_000 < inbox.extent()[1] < 40_000_000
    if state.dialect == "sqlite":
        with pytest.raises(RequestError):
            room.need(1, NOW)
        inbox.drop(30)
        room.need(1, NOW + timedelta(seconds=1))


def test_a_clock_that_is_set_back_looks_again(state):
    inbox = Inbox(state)
    room = Room(inbox, events_max=1, bytes_max=10**9)
    room.need(1, NOW)
    inbox.append([VIEW], NOW)
    with pytest.raises(RequestError):
        room.need(1, NOW - timedelta(hours=1))
