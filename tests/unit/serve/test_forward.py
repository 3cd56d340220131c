"""Forwarding to the mock's Insights: nothing lost, nothing twice but where an answer was lost, nobody's consent passed
over. Time is a number that the tests move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Event

import pytest

from algosync.algolia.insights import InsightsClient
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError, AlgoliaUnavailableError
from algosync.events.insights import VIA
from algosync.mock.server import MockAlgolia, MockServer
from algosync.serve import forward
from algosync.serve.forward import Forwarder, ForwardRules, document, running
from algosync.stores.inbox import INBOX, Choice, Inbox
from algosync.stores.state import open_state

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
VIEW = {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": "u1", "consent": "for_you"}


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def after(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def server():
    with MockServer() as running_server:
        yield running_server


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def mock(server, clock):
    server.algolia = MockAlgolia(clock_ms=lambda: int(clock.now.timestamp() * 1000))
    return server


@pytest.fixture
def insights(mock):
    client = InsightsClient(Target(app_id=mock.algolia.app_id, hosts=(mock.url,)), "mock-storefront-wide")
    yield client
    client.close()


@pytest.fixture
def inbox(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True, book=INBOX) as state:
        made = Inbox(state)
        made.forwarding.begin()
        yield made


@pytest.fixture
def lying(tmp_path):
    """An inbox in SQLite, for what is the same on every database."""
    with open_state("sqlite", tmp_path, create=True, book=INBOX) as state:
        made = Inbox(state)
        made.forwarding.begin()
        yield made


def forwarder(inbox, insights, clock, holder="one", **rules):
    return Forwarder(
        inbox=inbox, insights=insights, rules=ForwardRules(**rules), clock=clock, holder=holder, jitter=lambda: 1.0
    )


def views(*names, **more):
    return [VIEW | {"objectIDs": [name]} | more for name in names]


def arrived(mock):
    return [event.object_ids[0] for event in mock.algolia.events]


def counts(inbox):
    return dict(inbox.forwarding.backlog().progress.counts)


def test_what_came_in_goes_out_in_order_and_once(inbox, insights, clock, mock):
    inbox.append(views("a", "b"), clock.now)
    at_work = forwarder(inbox, insights, clock)
    assert at_work.step() == forward.POLL_S
    inbox.append(views("c"), clock.now)
    at_work.step()
    at_work.step()
    assert arrived(mock) == ["a", "b", "c"]
    assert counts(inbox) == {"sent": 3}
    assert len(mock.algolia.requests.of("pushEvents")) == 2
    (first, *_) = mock.algolia.events
    assert first.timestamp_ms == int(START.timestamp() * 1000)  # when it came in, not when it was sent on
    assert not {"consent", "eventID", VIA} & set(first.sent)


def test_only_what_comes_after_it_was_switched_on(state_url, tmp_path, insights, clock, mock):
    with open_state(state_url, tmp_path, create=True, book=INBOX) as state:
        inbox = Inbox(state)
        inbox.append(views("copied"), clock.now)
        inbox.forwarding.begin()
        inbox.append(views("a"), clock.now)
        forwarder(inbox, insights, clock).step()
        assert arrived(mock) == ["a"]


def test_a_server_that_was_killed_goes_on_where_it_was(inbox, insights, clock, mock):
    inbox.append(views("a", "b"), clock.now)
    forwarder(inbox, insights, clock).step()
    inbox.append(views("c"), clock.now)
    clock.after(forward.LEASE.total_seconds())  # nobody gave the lease back
    forwarder(inbox, insights, clock, holder="two").step()
    assert arrived(mock) == ["a", "b", "c"]


def test_one_of_two_servers_forwards(inbox, insights, clock, mock):
    one, other = (forwarder(inbox, insights, clock, holder=name) for name in ("one", "two"))
    one.step()
    inbox.append(views("a"), clock.now)
    assert other.step() > forward.POLL_S
    assert arrived(mock) == []
    one.step()
    one.stop()
    inbox.append(views("b"), clock.now)
    other.step()
    one.step()
    assert arrived(mock) == ["a", "b"]


def test_who_lost_the_lease_while_sending_notes_nothing(lying, clock):
    class Slow:
        def push(self, events):
            clock.after(forward.LEASE.total_seconds() + 1)
            forwarder(lying, Taking(), clock, holder="two").step()

    lying.append(views("a"), clock.now)
    forwarder(lying, Slow(), clock).step()
    assert counts(lying) == {"sent": 1}


class Taking:
    """An Insights that takes everything, or refuses what it is told to."""

    def __init__(self, refused=(), error=None):
        self.refused = refused
        self.error = error
        self.asked = []

    def push(self, events):
        names = [event["objectIDs"][0] for event in events]
        self.asked.append(names)
        if self.error is not None:
            raise self.error
        if any(name in self.refused for name in names):
            raise AlgoliaError("one of them will not do", status=422)


@pytest.mark.parametrize("fault", ["429", "500", "503", "reset"])
def test_what_was_not_taken_is_sent_again_later(inbox, insights, clock, mock, fault):
    mock.algolia.faults.add(on="pushEvents", fault=fault, times=2, retry_after=9)
    inbox.append(views("a", "b"), clock.now)
    at_work = forwarder(inbox, insights, clock)
    first = at_work.step()
    assert first == (9 if fault == "429" else 2 * forward.WAIT_FIRST_S)
    assert document(inbox.forwarding.backlog(), clock.now)["problem"]
    assert at_work.step() == pytest.approx(first)  # too early, and so nothing was asked
    clock.after(first)
    assert at_work.step() >= 2 * forward.WAIT_FIRST_S
    assert arrived(mock) == []
    assert len(mock.algolia.requests.of("pushEvents")) == 2
    clock.after(10)
    at_work.step()
    assert arrived(mock) == ["a", "b"]
    assert document(inbox.forwarding.backlog(), clock.now) == {
        "waiting": 0,
        "oldest_s": None,
        "refused": 0,
        "expired": 0,
        "lost": 0,
        "problem": None,
    }


@pytest.mark.parametrize("fault", ["lost", "truncated"])
def test_an_answer_that_was_lost_is_the_one_way_to_count_twice(lying, insights, clock, mock, fault):
    mock.algolia.faults.add(on="pushEvents", fault=fault, times=1)
    lying.append(views("a"), clock.now)
    at_work = forwarder(lying, insights, clock)
    clock.after(at_work.step())
    at_work.step()
    assert arrived(mock) == ["a", "a"]
    assert counts(lying) == {"sent": 1}


def test_waits_grow_to_a_bound_and_begin_anew(lying, clock):
    insights = Taking(error=AlgoliaUnavailableError("no answer in time"))
    lying.append(views("a"), clock.now)
    at_work = forwarder(lying, insights, clock)
    asked = []
    for _ in range(60):
        seconds = at_work.step()
        assert seconds <= forward.LEASE.total_seconds() / 3  # the lease is kept in the meantime
        clock.after(seconds)
        if len(insights.asked) > len(asked):
            asked.append(clock.now)
    spans = [(later - one).total_seconds() for one, later in pairwise(asked)]
    assert max(spans) <= forward.WAIT_MAX_S + 41
    assert len(asked) < 20
    insights.error = None
    clock.after(forward.WAIT_MAX_S)
    assert at_work.step() == forward.POLL_S
    insights.error = AlgoliaUnavailableError("no answer in time")
    lying.append(views("b"), clock.now)
    assert at_work.step() == 2 * forward.WAIT_FIRST_S


def test_a_refused_event_is_found_kept_aside_and_stops_no_other(inbox, insights, clock, mock):
    names = [f"p{n}" for n in range(40)]
    inbox.append(views(*names), clock.now)
    # The collector would not have taken it; an Insights with stricter rules than yesterday's would not either.
    bad = [VIEW | {"objectIDs": ["bad"], "eventName": "é" * 3}, VIEW | {"objectIDs": ["worse"], "index": ""}]
    inbox.append([bad[0], *views("between"), bad[1]], clock.now)
    forwarder(inbox, insights, clock).step()
    assert arrived(mock) == [*names, "between"]
    assert counts(inbox) == {"sent": 41, "refused": 2}
    kept = inbox.forwarding.set_aside()
    assert [(one.seq, one.event["objectIDs"]) for one in kept] == [(41, ["bad"]), (43, ["worse"])]
    assert "EventName" in kept[0].reason
    assert document(inbox.forwarding.backlog(), clock.now)["refused"] == 2
    inbox.forget(["u1"])
    assert inbox.forwarding.set_aside() == []


def test_a_crash_between_the_halves_of_a_refused_batch_doubles_nothing(lying, clock):
    names = [f"p{n}" for n in range(8)]
    lying.append(views(*names), clock.now)
    insights = Taking(refused={"p6"})
    real, taken = insights.push, []

    def failing(events):
        real(events)
        taken.extend(event["objectIDs"][0] for event in events)
        if len(taken) == 4:
            insights.error = AlgoliaUnavailableError("no answer in time")

    insights.push = failing
    forwarder(lying, insights, clock).step()
    assert taken == names[:4]
    insights.error = None
    clock.after(forward.LEASE.total_seconds())
    again = forwarder(lying, insights, clock, holder="two")
    again.step()
    assert taken == [name for name in names if name != "p6"]
    assert counts(lying) == {"sent": 7, "refused": 1}


def test_a_key_that_is_refused_is_told_and_loses_nothing(lying, mock, clock):
    target = Target(app_id=mock.algolia.app_id, hosts=(mock.url,))
    client = InsightsClient(target, "no-such-key")
    lying.append(views("a"), clock.now)
    at_work = forwarder(lying, client, clock)
    at_work.step()
    told = document(lying.forwarding.backlog(), clock.now + timedelta(seconds=30))
    assert "refuses the key (HTTP 401)" in told["problem"]
    assert (told["waiting"], told["oldest_s"], told["lost"]) == (1, 30, 0)
    client.close()


def test_without_consent_nothing_goes_out(inbox, insights, clock, mock):
    silent = {name: value for name, value in VIEW.items() if name != "consent"}
    inbox.append(
        [
            *views("told"),
            *views("refused", consent="not_personalized", userToken="u2"),
            silent | {"objectIDs": ["silent"], "userToken": "u3"},
            *views("later", userToken="u4"),
            *views("other", userToken="u5", authenticatedUserToken="u4"),
        ],
        clock.now,
    )
    inbox.put_choice("u4", Choice(consent="not_personalized", at=clock.now, source="banner"))  # before it was sent on
    forwarder(inbox, insights, clock).step()
    assert arrived(mock) == ["told"]
    assert counts(inbox) == {"sent": 1, "withheld": 4, "left_out": 1}  # left out: the choice itself
    inbox.append([silent | {"objectIDs": ["allowed"], "userToken": "u3"}], clock.now)
    forwarder(inbox, insights, clock, consent_missing="allow").step()
    assert arrived(mock) == ["told", "allowed"]


@pytest.mark.parametrize("asked", [False, True])
def test_segments_events_only_where_asked_for(lying, insights, clock, mock, asked):
    lying.append([*views("a", **{VIA: "segment"}), *views("b")], clock.now)
    forwarder(lying, insights, clock, segment=asked).step()
    assert arrived(mock) == (["a", "b"] if asked else ["b"])


def test_what_is_too_old_for_insights_is_counted_and_not_sent(lying, insights, clock, mock):
    lying.append(views("old"), clock.now)
    clock.after(forward.AGE_MAX.total_seconds())
    lying.append(views("new"), clock.now)
    forwarder(lying, insights, clock).step()
    assert arrived(mock) == ["new"]
    assert counts(lying) == {"sent": 1, "expired": 1}


def test_what_waits_is_bounded_and_the_loss_is_told(inbox, clock):
    insights = Taking(error=AlgoliaUnavailableError("no answer in time"))
    inbox.append(views(*map(str, range(7))), clock.now)
    at_work = forwarder(inbox, insights, clock, backlog_max=3)
    clock.after(at_work.step())
    told = document(inbox.forwarding.backlog(), clock.now)
    assert (told["waiting"], told["lost"]) == (3, 4)
    assert inbox.drop(99) == 4
    insights.error = None
    at_work.step()
    assert insights.asked[-1] == ["4", "5", "6"]
    assert inbox.drop(99) == 3


def test_the_worker_drops_nothing_that_is_still_to_be_forwarded(inbox, clock):
    inbox.append(views("a", "b"), clock.now)
    assert inbox.drop(2) == 0
    forwarder(inbox, Taking(), clock).step()
    inbox.append(views("c"), clock.now)
    assert (inbox.drop(3), inbox.size()) == (2, 1)
    inbox.forwarding.end(clock.now)  # another server is at it still
    assert inbox.drop(3) == 0
    inbox.forwarding.end(clock.now + forward.LEASE)
    assert (inbox.drop(3), inbox.size()) == (1, 0)
    assert document(inbox.forwarding.backlog(), clock.now) is None


def test_an_inbox_in_the_place_of_another_is_forwarded_from_its_beginning(tmp_path, insights, clock, mock):
    at_work = None
    for name in ("one", "two"):
        with open_state("sqlite", tmp_path / name, create=True, book=INBOX) as state:
            inbox = Inbox(state)
            if at_work is None:
                inbox.forwarding.begin()
                at_work = forwarder(inbox, insights, clock)
            at_work._inbox, at_work._book = inbox, inbox.forwarding
            inbox.append(views(name), clock.now)
            at_work.step()
    assert arrived(mock) == ["one", "two"]


def test_requests_are_bounded_in_events_and_in_bytes(lying, clock):
    insights = Taking()
    lying.append(views(*(f"p{n}" for n in range(1001))), clock.now)
    at_work = forwarder(lying, insights, clock)
    assert at_work.step() < forward.POLL_S  # there is more
    at_work.step()
    assert [len(names) for names in insights.asked] == [1000, 1]
    lying.append(views(*(f"{n}{'x' * 300_000}" for n in range(7))), clock.now)
    at_work.step()
    assert [len(names) for names in insights.asked[2:]] == [3, 3, 1]


def test_nothing_that_goes_wrong_ends_the_work(lying, clock, monkeypatch):
    insights = Taking(error=ZeroDivisionError("secret"))
    lying.append(views("a"), clock.now)
    at_work = forwarder(lying, insights, clock)
    assert at_work.step() > 0
    insights.error = None
    at_work.step()
    assert counts(lying) == {"sent": 1}


def test_the_thread_works_until_it_is_told_to_end(lying, clock):
    done = Event()

    class Telling(Taking):
        def push(self, events):
            super().push(events)
            done.set()

    insights = Telling()
    lying.append(views("a"), clock.now)
    with running(forwarder(lying, insights, clock)):
        assert done.wait(30)
    assert counts(lying) == {"sent": 1}
    assert lying.forwarding.backlog().progress.holder == ""


class Refusing:
    """Insights that does not take the key until it does."""

    def __init__(self):
        self.taken = []
        self.refuses = True

    def push(self, events):
        if self.refuses:
            raise AlgoliaError("Invalid credentials", status=401)
        self.taken += events


def test_a_clock_that_is_set_back_keeps_nobody_waiting(lying, clock):
    insights = Refusing()
    lying.append(views("a"), clock.now)
    one, two = (forwarder(lying, insights, clock, holder) for holder in ("one", "two"))
    one.step()
    clock.after(-86_400)  # the first had gone wrong by a day
    insights.refuses = False
    one.step()
    assert len(insights.taken) == 1
    clock.after(86_400)
    lying.append(views("b"), clock.now)
    one.step()
    clock.after(-86_400)  # and is gone now, with a lease of tomorrow
    lying.append(views("c"), clock.now)
    two.step()
    assert [event["objectIDs"] for event in insights.taken] == [["a"], ["b"], ["c"]]
