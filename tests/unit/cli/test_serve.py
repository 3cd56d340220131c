"""What `algosync serve` says when it listens."""

from __future__ import annotations

from typing import Any

import pytest

from algosync.cli.serve import _ready

REPORT: dict[str, Any] = {
    "url": "http://127.0.0.1:8300",
    "keys": True,
    "generation": 3,
    "as_of": "2026-11-23T12:00:00+00:00",
    "problems": (),
    "forwarding": {"on": False, "segment": False},
}


def test_where_it_listens_and_from_what(capsys: pytest.CaptureFixture[str]) -> None:
    _ready(REPORT)
    told = capsys.readouterr()
    assert "http://127.0.0.1:8300" in told.out
    assert "Generation 3" in told.out
    assert told.err == ""
    assert "Insights" not in told.out
    _ready({**REPORT, "forwarding": {"on": True, "segment": False}})
    assert "Events are forwarded to Algolia Insights" in capsys.readouterr().out


def test_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    _ready({**REPORT, "keys": False, "generation": None, "problems": ("there is no snapshot yet",)})
    told = capsys.readouterr()
    assert "Generation" not in told.out
    assert "there is no snapshot yet" in told.err
    assert "[serve]" in told.err
