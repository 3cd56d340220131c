"""What people read: whole numbers grouped, nothing taken for markup, stdout and stderr apart."""

from __future__ import annotations

import json
from io import StringIO

import pytest
import structlog
from rich.console import Console

from algosync.cli import quarantine, render
from algosync.errors import ConfigError


def _text(renderable):
    console = Console(width=100, record=True, file=StringIO())
    console.print(renderable)
    return console.export_text()


def test_numbers_are_grouped_and_right_aligned_and_text_is_no_markup():
    shown = _text(render.table("T", ["name", "rows"], [["[bold]x[/]", 1234567], ["y", 2]]))
    assert "[bold]x[/]" in shown
    lines = shown.splitlines()
    (large,) = [line.rstrip() for line in lines if "1,234,567" in line]
    (small,) = [line.rstrip() for line in lines if line.split()[:1] == ["y"]]
    assert len(large) == len(small)


def test_absent_and_true_values_have_words():
    shown = _text(render.table("T", ["a", "b", "c"], [[None, True, 1.5]]))
    assert "–" in shown
    assert "yes" in shown
    assert "1.50" in shown


def test_the_document_goes_to_stdout_and_the_error_to_both(capfdbinary):
    assert render.error(ConfigError("is missing", where="a.b", hint="Set it."), json=True) == 1
    out, err = capfdbinary.readouterr()
    assert json.loads(out)["error"] == {"type": "ConfigError", "message": "a.b: is missing. Set it.", "action": "stop"}
    assert b"a.b: is missing. Set it." in err


def test_log_lines_go_to_stderr_and_debug_ones_only_when_asked(capsys):
    for verbose, seen in ((False, False), (True, True)):
        render.configure_logging(verbose=verbose)
        structlog.get_logger().debug("a detail")
        structlog.get_logger().warning("a warning")
        out, err = capsys.readouterr()
        assert out == ""
        assert "a warning" in err
        assert ("a detail" in err) is seen


def test_nobody_is_asked_where_nobody_can_answer(capsys):
    ask = render.confirm_setup(json=True)
    change = {"index": "products", "before": ["brand"], "added": ["filterOnly(algosync.boosts)"]}
    assert ask([change]) is False
    out, err = capsys.readouterr()
    assert out == ""
    assert "filterOnly(algosync.boosts)" in err
    assert "--yes" in err


def test_programs_see_no_progress(capsys):
    for quiet in (True, False):
        with render.progress(quiet=quiet).stage("Pulling", 3) as advance:
            advance(1)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Pulling …\n")


@pytest.mark.parametrize(("total", "payloads"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_the_quarantine(capsys, total, payloads):
    row = {"id": 1234, "source": "web", "position": "f:2", "field": None, "reason": "too [old]"}
    counted = [{"source": "web", "reason": "too [old]", "rows": 1}]
    refused = {"name": "related/products/p1", "reason": "too [big]", "at": "2026-11-23T10:00:00+00:00"}
    rows = {"total": total, "rows": [row] * total, "reasons": counted * total}
    quarantine.show_list({**rows, "payloads_total": payloads, "payloads": [refused] * payloads})
    shown = capsys.readouterr().out
    assert ("The quarantine is empty." in shown) is (total == payloads == 0)
    assert ("too [old]" in shown) is (total == 1)
    assert ("too [big]" in shown) is (payloads == 1)
    assert "1,234" not in shown  # a number to type in
