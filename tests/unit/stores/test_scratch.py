from __future__ import annotations

import signal
import subprocess
import sys
import tempfile

import pytest

from algosync.stores.scratch import Scratch

KILLED = """
import os, signal
from algosync.stores.scratch import Scratch
made = Scratch()
(made.path / "spilled").write_text("x")
print(made.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_it_goes_with_what_is_in_it(place):
    with Scratch() as made:
        (made.path / "spilled").write_text("x")
        assert made.path.parent == place
    assert list(place.iterdir()) == []


def test_one_in_use_stays_whoever_comes(place):
    with Scratch() as first, Scratch() as second:
        assert sorted(place.iterdir()) == sorted([first.path, second.path])


def test_what_a_killed_process_left_goes_with_the_next(place):
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = place.iterdir()
    assert str(left) == killed.stdout.strip()
    with Scratch() as made:
        assert list(place.iterdir()) == [made.path]


def test_what_is_not_ours_stays(place):
    theirs = place / "algosync-of-the-shop"
    theirs.mkdir()
    outside = place / "outside"
    outside.mkdir()
    (place / "algosync-scratch-link").symlink_to(outside)
    with Scratch():
        assert theirs.exists()
        assert outside.exists()
