"""One leads, on either database; whoever dies or loses the lock is followed by another."""

from __future__ import annotations

import math
import stat
import subprocess
import sys
import threading
from contextlib import ExitStack
from queue import SimpleQueue

import pytest
from sqlalchemy import create_engine, text

from algosync.errors import BusyError, StoreError
from algosync.stores import leader
from algosync.stores.leader import leadership
from algosync.stores.state import open_state

WAIT_S = 30
"""Longer than anything takes that a test waits for."""

LEADS = """
import sys
from pathlib import Path
from algosync.stores.leader import leadership
from algosync.stores.state import open_state

with open_state(sys.argv[1], Path(sys.argv[2]), create=True) as state:
    with leadership(state, state.directory, name="worker") as led:
        print("leads", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def state(state_url, tmp_path):
    with open_state(state_url, tmp_path / "state", create=True) as opened:
        yield opened


@pytest.fixture
def server(postgresql_url, tmp_path):
    with open_state(postgresql_url, tmp_path / "state", create=True) as opened:
        yield opened


def _leads(state, **given):
    return leadership(state, state.directory, **{"name": "worker", **given})


class _Waiting:
    """Another one who waits for its turn, and ends as soon as it has had it."""

    def __init__(self, state):
        self.stop, self.led, self.failed = threading.Event(), threading.Event(), None
        self._state = state
        self._thread = threading.Thread(target=self._wait)
        self._thread.start()

    def _wait(self):
        try:
            with _leads(self._state, wait_s=math.inf, stop=self.stop):
                self.led.set()
        except StoreError as error:
            self.failed = error

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.stop.set()
        self._thread.join()


def _end_sessions(server, name="algosync worker"):
    """What a server does that is restarted, or an operator; gives how many there were."""
    engine = create_engine(server.engine.url)
    with engine.begin() as connection:
        ended = connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name AND datname = :d"
            ),
            {"name": name, "d": server.engine.url.database},
        ).rowcount
    engine.dispose()
    return ended


def test_one_leads_and_the_next_when_that_one_has_ended(state):
    for _ in range(2):
        with _leads(state) as led:
            led.check()
            with (
                pytest.raises(BusyError, match=r"another worker leads.*take over when that one has ended"),
                _leads(state),
            ):
                pass
            led.check()
            assert not led.lost.is_set()


def test_who_ends_gives_its_place_back_before_the_server_has_noticed(postgresql_url, tmp_path, monkeypatch):
    """A server ends a session some time after the client has closed it; here it does not until the test is over."""
    closing = []
    with monkeypatch.context() as slow:
        slow.setattr(leader._Session, "_leave", lambda session: closing.append(session._connection))
        with open_state(postgresql_url, tmp_path, create=True) as state:
            for _ in range(2):
                with _leads(state) as led:
                    led.check()
    for connection in closing:
        connection.close()


def test_leaders_of_other_names_do_not_know_each_other(state):
    with _leads(state) as one, _leads(state, name="another") as other:
        one.check()
        other.check()


def test_whoever_raises_leads_no_longer(state):
    with pytest.raises(RuntimeError), _leads(state):
        raise RuntimeError("broke off")
    with _leads(state) as led:
        led.check()


def test_a_leader_that_is_killed_is_followed_by_the_one_who_waits(state, state_url):
    process = subprocess.Popen(
        [sys.executable, "-c", LEADS, state_url, state.directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process, ExitStack() as ended:
        ended.callback(process.kill)
        assert process.stdout.readline() == "leads\n"
        with pytest.raises(BusyError), _leads(state):
            pass
        with _Waiting(state) as waiting:
            process.kill()
            assert waiting.led.wait(WAIT_S)
        assert waiting.failed is None


def test_who_waits_can_be_told_to_stop(state):
    with _leads(state), _Waiting(state) as waiting:
        waiting.stop.set()
    assert not waiting.led.is_set()
    assert isinstance(waiting.failed, BusyError)


def test_a_time_to_wait_ends(state):
    with _leads(state), pytest.raises(BusyError), _leads(state, wait_s=0.01):
        pass


def test_a_lost_connection_is_noticed_at_once_and_another_leads(server):
    with _leads(server) as led:
        assert _end_sessions(server) == 1
        assert led.lost.wait(WAIT_S)
        with pytest.raises(BusyError, match=r"worker leads no longer.*start again"):
            led.check()
        with _leads(server) as next_one:
            next_one.check()
            with pytest.raises(BusyError, match="no longer"):
                led.check()


def test_a_check_looks_for_itself(server, monkeypatch):
    monkeypatch.setattr(leader._Session, "watch", lambda _self, _lost: None)
    with _leads(server) as led:
        _end_sessions(server)
        with pytest.raises(BusyError, match="no longer"):
            led.check()
        assert led.lost.is_set()


def test_who_waits_outlives_its_own_connection(server, monkeypatch):
    take, tries = leader._Session.take, SimpleQueue()

    def told(self):
        try:
            taken = take(self)
        except StoreError:
            tries.put("failed")
            raise
        tries.put("taken" if taken else "another leads")
        return taken

    with create_engine(server.engine.url).connect() as other:
        number = leader._Session(server, "worker")._number
        assert other.scalar(leader._TAKE, number)
        monkeypatch.setattr(leader._Session, "take", told)
        with _Waiting(server) as waiting:
            assert tries.get(timeout=WAIT_S) == "another leads"
            assert _end_sessions(server) == 1
            while tries.get(timeout=WAIT_S) != "failed":
                pass
            assert tries.get(timeout=WAIT_S) == "another leads"
            assert other.scalar(text("SELECT pg_advisory_unlock(:ours, :name)"), number)
            assert waiting.led.wait(WAIT_S)
        assert waiting.failed is None
    other.engine.dispose()


def test_the_lock_of_a_file_is_the_owners_alone(tmp_path):
    with open_state("sqlite", tmp_path, create=True) as state, _leads(state):
        assert stat.S_IMODE((tmp_path / "worker.lock").stat().st_mode) == 0o600


def test_a_lock_whose_file_was_taken_away_is_lost(tmp_path):
    with open_state("sqlite", tmp_path, create=True) as state, _leads(state) as led:
        (tmp_path / "worker.lock").unlink()
        with pytest.raises(BusyError, match="no longer"):
            led.check()
        with _leads(state), pytest.raises(BusyError, match="no longer"):
            led.check()


def test_a_file_that_goes_away_while_it_is_locked_is_no_lock(tmp_path, monkeypatch):
    flock, locked = leader.fcntl.flock, []

    def gone(descriptor, operation):
        flock(descriptor, operation)
        locked.append(descriptor)
        if len(locked) == 1:
            (tmp_path / "worker.lock").unlink()

    monkeypatch.setattr(leader.fcntl, "flock", gone)
    with open_state("sqlite", tmp_path, create=True) as state, _leads(state, wait_s=WAIT_S) as led:
        led.check()
    assert len(locked) == 2


def test_a_place_without_room_for_a_lock_is_named(tmp_path):
    with (
        open_state("sqlite", tmp_path, create=True) as state,
        pytest.raises(StoreError, match=r"worker\.lock: the lock cannot be taken.*state\.directory"),
        leadership(state, tmp_path / "gone", name="worker"),
    ):
        pass
