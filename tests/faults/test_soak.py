"""A short soak of the worker: as many rounds as two minutes hold on a quiet machine, however long they take."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.mark.soak
def test_everything_is_delivered_and_no_handle_stays_open(tmp_path: Path) -> None:
    command = [sys.executable, str(SOAK), "--rounds", "12"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    found = json.loads(done.stdout)
    assert found["delivered"], found
    assert sum(found["faults met"].values()) > 0
    most = found["handles"]
    assert most["most, second half"] <= most["most, first half"] + 1
