"""How a service ends on SIGTERM: real signals to a real process, which says what it does and waits for us."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from algosync.errors import StoppedError
from algosync.runtime.stopping import Stopping

CHILD = """
import sys, threading
from algosync.errors import StoppedError
from algosync.runtime.stopping import Stopping

def say(what):
    print(what, flush=True)

grace, stubborn = float(sys.argv[1]), sys.argv[2] == "stubborn"
stopping = Stopping(grace, code=5 if stubborn else 0)
threading.Thread(target=lambda: stopping.asked.wait() and say("asked"), daemon=True).start()
with stopping.heeding():
    try:
        with stopping.work():
            say("begun")
            while True:
                try:
                    sys.stdin.read()
                    break
                except StoppedError:
                    if not stubborn:
                        raise
                    say("stays")
        say("finished")
        stopping.check()
    except StoppedError as error:
        say(error.what)
say("ended")
"""


@contextmanager
def child(grace_s, manner="polite"):
    """A process in the middle of a step, which ends when its input does."""
    command = [sys.executable, "-c", CHILD, str(grace_s), manner]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "begun\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_step_is_finished_and_the_next_not_begun(number):
    with child(600) as process:
        process.send_signal(number)
        assert process.stdout.readline() == "asked\n"
        said, _ = process.communicate()
        assert said.splitlines() == [
            "finished",
            "the service was told to end: the step was finished, the next is left for another time",
            "ended",
        ]
        assert process.returncode == 0


def test_a_step_that_takes_too_long_is_rolled_back():
    with child(600) as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGALRM)  # what the timer sends
        said = process.stdout.read()
        process.wait()
        assert said.splitlines() == [
            "the service was told to end, and the step took too long; it was rolled back",
            "ended",
        ]
        assert process.returncode == 0


def test_one_that_cannot_be_rolled_back_ends_all_the_same():
    with child(1, "stubborn") as process:
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read().splitlines()
        assert process.wait() == 5
        assert "ended" not in said


def test_the_second_signal_ends_it_at_once():
    with child(600) as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
        assert process.stdout.read() == ""


def test_nothing_is_left_of_it_afterwards():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)]
    stopping = Stopping(600)
    with stopping.heeding():
        signal.raise_signal(signal.SIGTERM)
        assert stopping.asked.wait(30)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)] == before
    assert not [timer for timer in stopping._timers if timer.is_alive() and not timer.finished.is_set()]
    with pytest.raises(StoppedError), stopping.work():
        pytest.fail("begun")
