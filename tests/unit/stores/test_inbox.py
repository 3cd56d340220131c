"""The inbox on both databases: what was taken in stays, in order, until it is dropped; nothing comes back."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from algosync.errors import StoreError
from algosync.stores.inbox import IMPRESSIONS_KEPT, INBOX, Choice, Inbox
from algosync.stores.state import STATE, open_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def event(token="u1", **more):
    return {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": token, **more}


@pytest.fixture
def opened(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True, book=INBOX) as state:
        yield state


@pytest.fixture
def inbox(opened):
    return Inbox(opened)


def test_events_come_back_in_order_from_a_number_on(inbox):
    assert inbox.append([event(objectIDs=[str(n)]) for n in range(5)], NOW) == 5
    assert inbox.append([event("u2", timestamp=1)], NOW) == 6
    assert [one.event["objectIDs"] for one in inbox.after(0, 2)] == [["0"], ["1"]]
    assert [one.seq for one in inbox.after(2, 100)] == [3, 4, 5, 6]
    assert inbox.after(6, 1) == []
    assert inbox.size() == 6
    assert inbox.after(0, 1)[0].received_ms == int(NOW.timestamp() * 1000)


def test_nothing_is_taken_of_nothing(inbox):
    assert inbox.append([], NOW) == 0
    assert inbox.identity() is None


def test_a_number_never_comes_back(inbox):
    assert inbox.append([event()] * 3, NOW) == 3
    assert inbox.drop(3) == 3
    assert inbox.drop(3) == 0
    assert inbox.append([event()], NOW) == 4


def test_dropping_takes_what_is_not_above_and_nothing_else(inbox, monkeypatch):
    monkeypatch.setattr("algosync.stores.inbox._DROP_AT_ONCE", 2)
    inbox.append([event()] * 7, NOW)
    assert inbox.drop(5) == 5
    assert [one.seq for one in inbox.after(0, 100)] == [6, 7]


def test_what_came_lately_stays_and_all_that_came_after_it(inbox):
    for minutes in (0, 10, 30, 20, 40):
        inbox.append([event()] * 2, NOW + timedelta(minutes=minutes))
    assert inbox.drop(10, NOW) == 0
    assert inbox.drop(3, NOW + timedelta(minutes=30)) == 3  # the number is not passed, whatever the time
    assert inbox.drop(10, NOW + timedelta(minutes=30)) == 1  # an older one that came later stays
    assert [one.seq for one in inbox.after(0, 100)] == [5, 6, 7, 8, 9, 10]
    assert inbox.drop(9, NOW + timedelta(minutes=41)) == 5
    assert inbox.drop(9, NOW + timedelta(minutes=41)) == 0


def test_no_more_than_so_many_stay(inbox, monkeypatch):
    monkeypatch.setattr("algosync.stores.inbox.KEPT_MAX", 3)
    inbox.append([event()] * 9, NOW)
    assert inbox.drop(7, NOW) == 4
    assert [one.seq for one in inbox.after(0, 100)] == [5, 6, 7, 8, 9]


def test_a_visitor_is_found_by_each_of_her_tokens(inbox):
    inbox.append([event("a"), event("b"), event("c", authenticatedUserToken="a"), event("d")], NOW)
    assert [one.seq for one in inbox.of_tokens(["a", "b"], 0)] == [1, 2, 3]
    assert [one.seq for one in inbox.of_tokens(["a", "b"], 1)] == [2, 3]
    assert inbox.of_tokens([], 0) == []


def test_what_an_event_is_known_by(inbox):
    inbox.append([event(), event(timestamp=5), event(eventID="e-1"), event("u2", eventID="e-1", timestamp=5)], NOW)
    identity = inbox.identity()
    first, second, *others = [one.id for one in inbox.after(0, 9)]
    assert (first, others) == (f"seq:{identity}:1", ["id:u1:e-1", "id:u2:e-1"])
    assert second.startswith("sent:")
    assert [one.id for one in inbox.after(0, 9)] == [one.id for one in inbox.of_tokens(["u1", "u2"], 0)]


def test_an_event_that_is_sent_again_is_the_same_whatever_was_chosen_in_between(inbox):
    inbox.append([event(timestamp=5), event(timestamp=6)], NOW)
    inbox.put_choice("u1", Choice(consent="for_you", at=NOW, source="x"))
    inbox.append([event(timestamp=5)], NOW)
    inbox.put_choice("u1", Choice(consent="not_personalized", at=NOW, source="x"))
    sent, other, chosen, again, denied = (one.id for one in inbox.after(0, 9))
    assert sent == again
    assert len({sent, other, chosen, denied}) == 4


def test_the_latest_choice_counts_and_goes_with_later_events(inbox):
    assert inbox.choice(["a"]) is None
    inbox.append([event("a")], NOW)
    inbox.put_choice("a", Choice(consent="for_you", at=NOW, source="banner"))
    inbox.append([event("a"), event("a", consent="not_personalized"), event("b", authenticatedUserToken="a")], NOW)
    inbox.put_choice("a", Choice(consent="not_personalized", at=NOW + timedelta(days=1), source="account"))
    inbox.append([event("a"), event("b")], NOW)
    said = [one.event.get("consent") for one in inbox.after(0, 99)]
    assert said == [
        *(None, "for_you", "for_you", "not_personalized", "for_you"),
        *("not_personalized", "not_personalized", None),
    ]
    assert inbox.choice(["a", "b"]) == Choice(consent="not_personalized", at=NOW + timedelta(days=1), source="account")


def test_a_choice_is_an_event_of_its_own(inbox):
    seq = inbox.put_choice("a", Choice(consent="for_you", at=NOW, source="banner"))
    [one] = inbox.after(seq - 1, 9)
    assert one.event == {
        "eventType": "pageview",
        "userToken": "a",
        "consent": "for_you",
        "timestamp": int(NOW.timestamp() * 1000),
    }


def test_of_two_tokens_the_later_choice_counts(inbox):
    inbox.put_choice("a", Choice(consent="for_you", at=NOW + timedelta(seconds=1), source="x"))
    inbox.put_choice("b", Choice(consent="not_personalized", at=NOW, source="x"))
    inbox.append([event("a", authenticatedUserToken="b")], NOW)
    assert inbox.after(2, 1)[0].event["consent"] == "for_you"
    assert inbox.choice(["b", "a"]).consent == "for_you"


def test_impressions_are_counted_by_action_and_bounded(inbox, monkeypatch):
    monkeypatch.setattr("algosync.stores.inbox.IMPRESSIONS_KEPT", 3)
    inbox.put_impression("a", "discount", NOW)
    for n in range(5):
        inbox.put_impression("a", "banner", NOW + timedelta(minutes=n))
    inbox.put_impression("b", "banner", NOW)
    assert IMPRESSIONS_KEPT == 1000
    assert inbox.impressions(["a"]) == {
        "discount": [NOW],
        "banner": [NOW + timedelta(minutes=n) for n in (2, 3, 4)],
    }
    assert inbox.impressions(["a", "b"])["banner"] == [NOW, *(NOW + timedelta(minutes=n) for n in (2, 3, 4))]


def test_somebody_is_forgotten_and_nobody_else(inbox):
    inbox.append([event("a"), event("b", authenticatedUserToken="a"), event("c")], NOW)
    for token in ("a", "c"):
        inbox.put_choice(token, Choice(consent="for_you", at=NOW, source="x"))
        inbox.put_impression(token, "banner", NOW)
    assert inbox.forget(["a"]) == 3
    assert {one.event["userToken"] for one in inbox.after(0, 99)} == {"c"}
    assert (inbox.choice(["a"]), inbox.impressions(["a"])) == (None, {})
    assert inbox.choice(["c"]) is not None
    assert inbox.impressions(["c"]) == {"banner": [NOW]}


def test_many_who_append_at_once_lose_nothing_and_a_reader_skips_nothing(opened, state_url, tmp_path):
    """A reader that goes on from the last number it saw sees every event once, whoever commits when."""
    inbox, done, seen = Inbox(opened), threading.Event(), []

    def write(name):
        with open_state(state_url, tmp_path, create=True, book=INBOX) as state:
            for n in range(20):
                Inbox(state).append([event(name, eventID=f"{name}-{n}-{k}") for k in range(3)], NOW)

    def read():
        while True:
            last = done.is_set()
            seen.extend(inbox.after(seen[-1].seq if seen else 0, 10))
            if last and len(seen) == inbox.size():
                return

    writers = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(4)]
    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert len({one.id for one in seen}) == len(seen) == 240


def test_many_threads_of_one_server_are_served_together(inbox):
    numbers, threads = [], []

    def write(name):
        mine = [(inbox.append([event(name, eventID=f"{n}-{k}") for k in range(3)], NOW), name, n) for n in range(10)]
        numbers.append(mine)

    for n in range(8):
        threads.append(threading.Thread(target=write, args=(f"w{n}",)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    found = {one.seq: one.id for one in inbox.after(0, 999)}
    assert len(found) == 240
    assert {found[seq] for mine in numbers for seq, _, _ in mine} == {
        f"id:{name}:{n}-2" for mine in numbers for _, name, n in mine
    }


@pytest.mark.parametrize("broken", [StoreError("the disk is full"), RuntimeError("a fault")])
def test_what_goes_wrong_is_told_to_everybody_who_was_served_together(inbox, monkeypatch, broken):
    """A thread that had another one write for it must not take that one's failure for its own success."""
    told, busy, go_on = [], threading.Event(), threading.Event()

    def fail(*_):
        busy.set()
        go_on.wait(10)
        raise broken

    def write():
        try:
            told.append(inbox.append([event()], NOW))
        except (StoreError, RuntimeError) as error:
            told.append(error)

    monkeypatch.setattr("algosync.stores.inbox._append", fail)
    threads = [threading.Thread(target=write) for _ in range(4)]
    threads[0].start()
    busy.wait(10)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert told == [broken] * 4
    monkeypatch.undo()
    assert inbox.append([event()], NOW) == 1


def test_another_inbox_in_its_place_is_told_apart(tmp_path):
    identities = set()
    for n in range(2):
        with open_state("sqlite", tmp_path / str(n), create=True, book=INBOX) as state:
            Inbox(state).append([event()], NOW)
            identities.add(Inbox(state).identity())
    assert len(identities) == 2


def test_its_file_syncs_at_every_commit(tmp_path):
    with open_state("sqlite", tmp_path, create=True, book=INBOX) as state, state.read() as connection:
        assert connection.scalar(text("PRAGMA synchronous")) == 2
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
    assert (tmp_path / "inbox.sqlite").exists()


def test_its_writers_do_not_wait_for_those_of_the_state(postgresql_url, tmp_path):
    with (
        open_state(postgresql_url, tmp_path, create=True, book=STATE) as worker,
        open_state(postgresql_url, tmp_path, create=True, book=INBOX) as server,
        worker.write(),
    ):
        assert Inbox(server).append([event()], NOW) == 1


def test_for_reading_it_takes_nothing(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True, book=INBOX) as state:
        Inbox(state).append([event()], NOW)
    with open_state(state_url, tmp_path, create=False, book=INBOX) as state:
        assert Inbox(state).size() == 1
        with pytest.raises(StoreError, match="for reading only"):
            Inbox(state).append([event()], NOW)


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.state import open_state
inbox = Inbox(open_state(sys.argv[1], Path(sys.argv[2]), create=True, book=INBOX))
while True:
    seq = inbox.append([{"eventType": "view", "userToken": "u"}] * 20, datetime(2026, 11, 23, tzinfo=UTC))
    print(seq, flush=True)
"""


def test_what_was_acknowledged_survives_a_killed_process(state_url, tmp_path):
    command = [sys.executable, "-c", KILLED, state_url, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = [int(process.stdout.readline()) for _ in range(10)]
        process.kill()
        told += [int(line) for line in process.stdout if line.endswith("\n")]
    with open_state(state_url, tmp_path, create=True, book=INBOX) as state:
        size = Inbox(state).size()
    assert size >= told[-1]
    assert size % 20 == 0


def test_an_event_that_says_no_is_heeded_at_once_and_taken_back_only_by_its_like(inbox):
    no, yes = {"consent": "not_personalized"}, {"consent": "for_you"}
    later = [NOW + timedelta(seconds=second) for second in range(5)]
    inbox.append([event("a", **yes)], later[0])
    assert inbox.choice(["a"]) is None
    inbox.append([event("a", **no), event("a", timestamp=0, **yes)], later[1])
    assert inbox.choice(["a"]).consent == "not_personalized"
    inbox.append([event("a", **yes)], later[2])
    assert inbox.choice(["a"]).consent == "for_you"
    inbox.put_choice("a", Choice(consent="not_personalized", at=later[3], source="account"))
    inbox.append([event("a", **yes)], later[4])
    assert inbox.choice(["a"]) == Choice(consent="not_personalized", at=later[3], source="account")
