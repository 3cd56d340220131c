"""What people see of erasures and of retention, and when the commands ask."""

from __future__ import annotations

import json

import pytest

from algosync.errors import ConfigError
from algosync.runtime.commands import Runtime

RECEIPT = {
    "person": "anna",
    "tokens": ["anna", "phone"],
    "shared": ["tablet"],
    "erasure": "0a1b2c3d4e5f-20261123T120000",
    "status": "pending",
    "steps": [
        {"step": "events", "status": "done", "events": 11, "names": 0},
        {"step": "insights", "status": "pending", "until": "2026-11-25T12:00:00+00:00"},
        {"step": "profiles", "status": "failed", "error": "no connection [refused]"},
    ],
    "proof": {
        "clean": False,
        "found": [{"where": "table runs, column report", "times": 2}],
        "tables": 31,
        "parquet_files": 8,
        "bytes": 1234567,
    },
    "not_erased": ["audiences that were exported"],
}


class Shop:
    """What the commands call; `asked` has what `confirm` was shown and what it said."""

    def __init__(self):
        self.asked, self.receipt, self.calls = [], RECEIPT, []

    def forget(self, user, *, confirm, insights):
        said = confirm({"tokens": ["anna", "phone"], "shared": ["tablet"], "events": 11})
        self.asked.append(said)
        self.calls.append((user, insights))
        return self.receipt if said else {**RECEIPT, "status": "not done", "erasure": None, "steps": []}

    def forget_pending(self, *, insights):
        self.calls.append(("pending", insights))
        return {"erasures": [self.receipt] if self.receipt else []}

    def forget_lift(self, user):
        return {"person": user, "lifted": 2 if user == "anna" else 0, "at": "2026-11-23T12:00:00+00:00"}

    def forget_accept_loss(self, *, confirm):
        lacks = "the tombstones are lost" if self.receipt else None
        return {"lacks": lacks, "accepted": bool(lacks) and confirm({"lacks": lacks})}

    def export(self, user):
        if user == "nobody":
            raise ConfigError("is missing", where="identity.hash_key")
        return {"person": user, "events": []}

    def retention(self, *, dry_run):
        gone = {"events": {"before": "2026-08-25T00:00:00+00:00", "rows": 7, "traces": 3}} if self.receipt else {}
        return {"dry_run": dry_run, "gone": gone, "erasures": [{"erasure": "0a1b", "status": "done"}]}


@pytest.fixture
def shop(monkeypatch):
    made = Shop()
    monkeypatch.setattr(Runtime, "open", lambda *args, **options: made)
    return made


def test_without_a_terminal_nothing_is_forgotten_unless_told_to(run, shop):
    refused = run("forget", "anna")
    assert refused.exit_code == 0
    assert shop.asked == [False]
    assert "11 events" in refused.output
    assert "tablet" in refused.output
    assert "--yes" in refused.output
    assert "nothing was changed" in refused.output
    run("forget", "anna", "--yes", "--no-insights")
    assert shop.asked == [False, True]
    assert shop.calls[-1] == ("anna", False)


def test_the_receipt_has_every_step_what_was_found_and_what_cannot_be_erased(run, shop):
    shown = run("forget", "anna", "--yes").stdout
    assert "11 events" in shown
    assert "0 names" not in shown
    assert "no connection [refused]" in shown
    assert "SOMETHING IS LEFT" in shown
    assert "table runs, column report: 2" in shown
    assert "1,234,567 bytes" in shown
    assert "audiences that were exported" in shown
    assert "forget --pending" in shown
    shop.receipt = {**RECEIPT, "proof": {**RECEIPT["proof"], "clean": True, "found": []}}
    assert "nothing of hers" in run("forget", "anna", "--yes").stdout


def test_what_is_left_to_do_is_an_exit_code(run, shop):
    assert run("forget", "anna", "--yes").exit_code == 0  # Algolia's 48 hours are nobody's fault
    shop.receipt = {**RECEIPT, "status": "unfinished", "proof": None}
    shown = run("forget", "anna", "--yes")
    assert shown.exit_code == 1
    assert "run it again" in shown.stdout
    assert run("forget", "--pending").exit_code == 1


def test_what_is_pending_is_gone_on_with(run, shop):
    assert json.loads(run("forget", "--pending", "--json").stdout)["erasures"][0]["erasure"] == RECEIPT["erasure"]
    shop.receipt = None
    assert "no erasure is under way" in run("forget", "--pending").stdout


@pytest.mark.parametrize(
    "arguments",
    [(), ("anna", "--pending"), ("--pending", "--lift"), ("anna", "--accept-loss"), ("--accept-loss", "--lift")],
)
def test_a_user_or_pending(run, shop, arguments):
    assert run("forget", *arguments).exit_code == 2


def test_lifting_says_from_when(run, shop):
    assert "anna heeded from 2026-11-23" in run("forget", "anna", "--lift").stdout
    assert "was not forgotten" in run("forget", "ben", "--lift").stdout


def test_a_loss_is_accepted_by_a_word_alone(run, shop):
    refused = run("forget", "--accept-loss")
    assert refused.exit_code == 0
    assert "the tombstones are lost; whoever is missing there comes back" in refused.output
    assert "--yes" in refused.output
    assert "nothing was changed" in refused.output
    assert "hold from now on" in run("forget", "--accept-loss", "--yes").stdout
    shop.receipt = None
    assert "nothing to accept" in run("forget", "--accept-loss").stdout


def test_an_export_is_one_document(run, shop):
    assert json.loads(run("export", "anna").stdout) == {"person": "anna", "events": []}
    refused = run("export", "nobody")
    assert refused.exit_code == 1
    assert "identity.hash_key" in refused.output


def test_retention_asks_first_and_shows_what_went(run, shop):
    refused = run("retention")
    assert refused.exit_code == 0
    assert "--yes" in refused.output
    shown = run("retention", "--yes").stdout
    assert "Gone by age" in shown
    assert "erasure 0a1b: done" in shown
    assert "Would go by age" in run("retention", "--dry-run").stdout
    shop.receipt = None
    assert "set [retention]" in run("retention", "--dry-run").stdout
    assert json.loads(run("retention", "--yes", "--json").stdout)["gone"] == {}
