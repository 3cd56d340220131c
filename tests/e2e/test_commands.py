"""The commands around a sync: each one's document, and the tables that people read."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture
def run(synced):
    """run(*arguments) calls `algosync` in this process; with --json it returns the document."""

    def called(*arguments, code=0):
        done = synced.call(*arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    return called


BAD = [{"at": f"2026-11-19T10:0{n}:00Z", "who": "v", "what": "view", "product": f"book-{n}"} for n in range(1, 9)]


def test_a_plan_without_changes_passes_the_check(run, synced):
    planned = run("plan", "--check", "--json")
    assert (planned["plan"]["operations"], planned["plan"]["unchanged"]) == (0, 27)
    assert planned["dry_run"] is True
    synced.feed([{"objectID": "book-1", "name": "Novel number 1", "categories": ["Books"], "price": 9.99}])
    shown = run("plan", "--check", code=3)
    assert "1 operations; 26 saved" in shown
    assert run("sync", "--json")["pushed"]["operations"] == 1
    assert "Nothing to do: 27 payloads are there already" in run("sync")


def test_setup_declares_once(run, synced):
    declared = synced.content()["products"]["settings"]["attributesForFaceting"]
    assert [name for name in declared if "algosync" in name] == [
        "filterOnly(algosync.boosts)",
        "filterOnly(algosync.price_band)",
    ]
    said = run("setup", "--json", "--yes")
    assert said["applied"] is False
    assert said["indices"][0]["added"] == said["indices"][0]["yours_to_declare"] == []
    assert "every facet of algosync's own is declared" in run("setup")


def test_pull_quarantine_and_retry(run, synced):
    synced.events([*BAD, {"at": "2026-11-19T11:00:00Z", "who": "v w", "what": "view", "product": "book-1"}])
    said = run("pull", "--json")
    assert (said["events"]["accepted"], said["events"]["rejected"]) == (8, 1)
    assert "pull" in said["seconds"]
    listed = run("quarantine", "list", "--json")
    (row,) = listed["rows"]
    assert (listed["total"], row["source"], row["field"]) == (1, "shop", "user_token")
    assert str(row["id"]) in run("quarantine", "list")
    shown = run("quarantine", "show", str(row["id"]), "--json")
    assert json.loads(shown["row"])["who"] == "v w"
    assert '"v w"' in run("quarantine", "show", str(row["id"]))
    assert run("quarantine", "retry", "--json")["events"]["rejected"] == 1
    columns = {**synced.settings["sources"][0]["columns"], "user_token": {"from": "who", "transform": "safe"}}
    synced.source("events.jsonl", columns=columns)
    assert run("quarantine", "retry", "--source", "shop", "--json")["events"]["accepted"] == 1
    assert "The quarantine is empty." in run("quarantine", "list")
    assert run("quarantine", "show", "99", "--json", code=1)["error"]["type"] == "StoreError"


def test_rebuild_builds_what_is_there_and_refacet_fills_in_what_lacks(run, synced):
    there = synced.content()
    said = run("rebuild", "--json")
    assert (said["changed"], said["refaceted"]) == (0, 0)
    assert said["profiles"] == 6
    synced.configure(facets={"colour": 10})
    synced.feed([{**record, "colour": "red"} for record in synced.records().values()])
    there = synced.content()
    shown = run("rebuild", "--refacet")
    assert "past product versions were given facets" in shown
    assert "people changed" in shown
    assert "colour" in json.dumps(run("explain", "reader-1", "--json")["affinities"])
    assert synced.content() == there  # nothing is pushed


def test_explain_and_status_for_people(run, synced):
    shown = run("explain", "caller-1")
    assert "caller-1: returning buyer" in shown
    assert "in segment phones" in shown
    assert "points halve every 30 days" in shown
    status = run("status", "--json")
    assert status["log"]["events"] == 39
    assert status["snapshot"]["segment:segment2"] == 3
    assert status["ledger"]["related"] == {"published": 18}
    assert status["runs"][0]["operations"] == 27
    assert "nothing is known" in run("explain", "stranger", "--json", code=1)["error"]["message"]


def test_status_says_what_recommend_still_lacks(run):
    told = {one["model"]: one for one in run("status", "--json")["recommend"]["models"]}
    assert set(told) == {"bought-together", "related-products", "trending-items"}
    assert all(not one["ready"] and one["missing"] > 0 for one in told.values())
    assert "clicks and conversions to go" in run("status")
