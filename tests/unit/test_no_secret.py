"""What the search for secrets in the output of every test finds, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

KEY = "a-key-of-the-shop-and-no-other"
PRINTS = """
import logging, subprocess, sys
import pytest
from pydantic import SecretStr
KEY = "a-key-of-the-shop" + "-and-no-other"
@pytest.fixture(autouse=True)
def made(): SecretStr(KEY)
def test_quiet(): print("nothing of that kind", SecretStr(KEY))
def test_printed(): print("the key is", KEY)
def test_logged(): logging.getLogger("x").warning("key %s", KEY)
def test_in_a_process_of_its_own():
    subprocess.run([sys.executable, "-c", f"print({KEY!r})"], capture_output=True, check=True)
def test_mock():
    SecretStr("mock-storefront-wide"); print("mock-storefront-wide")
"""


def test_a_secret_in_any_output_fails_the_test(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)  # There pytest repeats every message in its summary.
    pytester.makeconftest((Path(__file__).parents[1] / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(PRINTS)
    done = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    done.assert_outcomes(passed=2, failed=3)
    told = [line for line in done.outlines if "printed a secret" in line]
    assert len(told) == 3
    assert KEY not in "".join(told)
