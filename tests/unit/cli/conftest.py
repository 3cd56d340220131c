"""The command in this process, its output apart."""

from __future__ import annotations

import pytest
import structlog
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def _logging_as_before():
    yield
    structlog.reset_defaults()


@pytest.fixture
def run(monkeypatch, tmp_path):
    """run(*arguments) calls `algosync` in an empty folder."""
    from algosync.cli.app import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, list(arguments))
