"""What bounds a run: chosen families, budgets, quiet days, the clock, and data that are mostly unusable."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from algosync.algolia.client import WriteClient
from algosync.errors import ConfigError, RejectedShareError

pytestmark = pytest.mark.e2e


class PulledPlugError(BaseException):
    """Nothing of algosync catches this."""


def test_one_family_alone(small):
    small.configure(push={"profiles": False})
    with pytest.raises(ConfigError, match=r"push\.profiles is switched off"):
        small.sync(only=("profiles",))
    rules = small.sync(only=("rules",))
    assert rules["pushed"]["families"] == {"rules": 2}
    assert rules["plan"]["off"] == ["related", "segments", "profiles"]
    assert "algosync_payloads" not in small.content()
    assert small.sync()["pushed"]["families"] == {"related": 18, "segments": 2}


def test_the_budget_of_an_hour_defers_the_rest_and_later_hours_finish_it(small, synced_content):
    small.configure(push={"operations_per_hour": 15, "quiet": ["2026-11-23"]})
    quiet = small.sync()
    assert quiet["pushed"]["operations"] == 0
    assert quiet["dry_run"] is False
    assert quiet["notes"][0] == "nothing was pushed: 2026-11-23 is a quiet time"
    assert not any(record.get("algosync") for record in small.records().values())

    small.now += timedelta(days=1)
    first = small.sync()
    assert (first["pushed"]["operations"], first["pushed"]["deferred"]) == (15, 12)
    small.now += timedelta(minutes=30)
    second = small.sync()
    assert (second["pushed"]["operations"], second["pushed"]["deferred"]) == (0, 12)
    small.now += timedelta(minutes=31)
    third = small.sync()
    assert (third["pushed"]["operations"], third["pushed"]["deferred"]) == (12, 0)
    assert small.content() == synced_content


def test_the_clock_or_the_last_event(small):
    small.lighten()
    assert small.sync(dry_run=True)["as_of"] == "2026-11-18T10:00:00+00:00"
    small.configure(state={"as_of": "clock"})
    assert small.sync(dry_run=True)["as_of"] == small.now.isoformat()
    small.now += timedelta(days=800)  # by now all events are older than events may be
    with pytest.raises(RejectedShareError, match="older than events may be"):
        small.sync(dry_run=True)


def test_mostly_unusable_data_stop_the_run_before_anything_is_pushed(synced):
    there, writes = synced.content(), synced.writes()
    seen = [
        {"at": "2026-11-20T10:00:00Z", "who": "looker", "what": what, "product": "book-1"}
        for what in ("view", "view ", "transaction", "transaction", "glance")
    ]
    seen = [{**row, "at": f"2026-11-20T10:0{n}:00Z"} for n, row in enumerate(seen)]
    synced.events(seen)

    with pytest.raises(RejectedShareError, match=r"3 of 5 rows \(60%\) cannot be used") as stopped:
        synced.sync()
    assert "event_type is unknown" in str(stopped.value)
    assert synced.content() == there
    assert synced.writes() == writes
    held = synced.runtime().quarantine_list(source="shop", limit=10)
    assert held["total"] == 3
    shown = synced.runtime().quarantine_show(held["rows"][0]["id"])
    assert '"what":"transaction"' in shown["row"].replace(" ", "")
    assert shown["field"] == "event_type"
    assert synced.runtime().status()["log"]["events"] == 39

    # The mapping is mended: the run goes on where it stopped, and the rows leave the quarantine.
    synced.source("events.jsonl", values={"event_type": {"transaction": "purchase"}})
    report = synced.runtime().pull()
    assert (report["events"]["read"], report["events"]["accepted"], report["events"]["rejected"]) == (5, 4, 1)
    assert [row["reason"] for row in synced.runtime().quarantine_list(source=None, limit=9)["rows"]] == [
        held["rows"][2]["reason"]
    ]

    # What was accepted in spite of rejections is read no second time: those rows wait for a retry.
    synced.source("events.jsonl", values={"event_type": {"transaction": "purchase", "glance": "view"}})
    assert synced.runtime().pull()["events"]["read"] == 0
    retried = synced.runtime().quarantine_retry(source="shop")
    assert (retried["events"]["read"], retried["events"]["accepted"]) == (1, 1)
    assert synced.runtime().quarantine_list(source=None, limit=9)["total"] == 0
    assert synced.runtime().quarantine_retry(source=None)["events"]["read"] == 0
    assert synced.runtime().status()["log"]["events"] == 44
    with pytest.raises(ConfigError, match="no source is named 'elsewhere'"):
        synced.runtime().quarantine_retry(source="elsewhere")


def test_what_a_broken_off_run_pushed_counts_towards_the_budget(small, monkeypatch):
    small.configure(push={"operations_per_hour": 15})
    send, sent = WriteClient.batch, []

    def once(client, index, body, count):
        sent.append(count)
        if len(sent) == 2:
            raise PulledPlugError
        return send(client, index, body, count)

    monkeypatch.setattr(WriteClient, "batch", once)
    with pytest.raises(PulledPlugError):
        small.sync()
    monkeypatch.undo()

    small.now += timedelta(minutes=5)
    assert 0 < sent[0] < 15
    assert small.sync()["pushed"]["operations"] == 15 - sent[0]


def test_a_robot_counts_nowhere(synced):
    content = synced.content()
    synced.configure(events={"ignore": {"events_per_hour_max": 40}})
    visits = [
        {"at": f"2026-11-19T10:{n % 60:02d}:{n // 60:02d}Z", "who": "robot", "what": "view", "product": "lamp-3"}
        for n in range(90)
    ]
    with (synced.folder / "events.jsonl").open("a", encoding="utf-8") as out:
        out.writelines(json.dumps(visit) + "\n" for visit in visits)
    crawled = synced.sync()
    assert crawled["events"]["accepted"] == 90
    assert crawled["left_out_of_profiles"] == {"ignored:rate": 90}
    assert crawled["plan"]["operations"] == 0
    assert synced.content() == content

    synced.configure(events={"ignore": {"events_per_hour_max": 100}})
    assert synced.sync()["plan"]["operations"] > 0
