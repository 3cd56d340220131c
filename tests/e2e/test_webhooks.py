"""Webhooks through `algosync sync`, a mock Algolia on one side and a receiver over real HTTP on the other."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from algosync.errors import AlgosyncError, BrakeError, ConfigError
from algosync.experience.strategy import arm_of
from algosync.operate.webhooks import KEPT, NOBODY_AFTER
from algosync.runtime.opening import Opening
from algosync.runtime.telling import sending, tell
from algosync.settings.answers import rollout
from algosync.settings.load import load
from algosync.stores.snapshot import Snapshot
from algosync.sync.occurrences import failed
from algosync.sync.stages import Silent

from .conftest import ACTIONS, SEGMENTS, Shop

SECRET = "whsec_" + base64.b64encode(b"a key of the shop's own, 32 byte").decode()


@dataclass
class Received:
    """What a receiver was sent, and what it answers."""

    url: str = ""
    requests: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    heard: Callable[[], None] = lambda: None

    def tell(self, verb: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        assert (verb, path) == ("POST", "/hook")
        self.requests.append((headers, body))
        self.heard()
        return self.status, b"", self.headers

    def bodies(self, kind: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(body) for _, body in self.requests]
        return [one for one in found if kind in (None, one["type"])]

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.requests]


@pytest.fixture
def crm(answering) -> Iterator[Received]:
    received = Received()
    with answering(received.tell) as url:
        received.url = f"{url}/hook"
        yield received


def listen(shop: Shop, crm: Received, *on: str, **more: Any) -> None:
    shop.configure(
        related={"kinds": []}, webhooks=[{"name": "crm", "url": crm.url, "on": list(on), "secret": SECRET, **more}]
    )


def test_who_enters_a_segment_is_told_once_and_signed(small, crm):
    listen(small, crm, "entered:segment2", "left:*")
    small.sync()
    told = crm.bodies()
    assert sorted(one["data"]["userTokens"][0] for one in told) == ["reader-1", "reader-2", "reader-3"]
    assert {one["type"] for one in told} == {"entered"}
    assert len(set(crm.ids())) == 3
    for headers, body in crm.requests:
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
    small.sync()
    assert len(crm.requests) == 3


def test_who_leaves_is_told_and_who_withdrew_her_consent_is_not(small, crm):
    listen(small, crm, "left:segment2")
    small.sync()
    small.events(
        [
            {
                "at": "2026-11-20T10:00:00Z",
                "who": "reader-1",
                "what": "view",
                "product": "book-4",
                "consent": "not_personalized",
            }
        ]
    )
    small.segments(
        {
            "segment2": {
                **SEGMENTS["segment2"],
                "definition": {"affinities": ["Books"], "activity": {"views": {"price_range": [900, 901]}}},
            }
        }
    )
    small.sync()
    assert sorted(one["data"]["userTokens"][0] for one in crm.bodies("left")) == ["reader-2", "reader-3"]
    assert not any(b"reader-1" in body for _, body in crm.requests)


def test_a_brake_is_told_with_the_hash_to_approve(synced, crm):
    listen(synced, crm, "failure", "brake")
    synced.configure(push={"brake": {"at_least": 1, "change_share": 0.3, "delete_share": 0.1}}, filters={"levels": 7})
    synced.configure(facets={"brand": 1})
    with pytest.raises(BrakeError) as stopped:
        synced.sync()
    (told,) = crm.bodies()
    assert (told["type"], told["data"]["hash"]) == ("brake", stopped.value.hash)


def test_a_failure_is_told_once_an_hour_however_often_it_is_met(small, crm):
    listen(small, crm, "failure", "brake")
    small.configure(algolia={"write_api_key": "wrong"})
    with pytest.raises(AlgosyncError):
        small.sync()
    with pytest.raises(AlgosyncError):
        small.sync()
    (told,) = crm.bodies()
    assert told["type"] == "failure"
    assert told["data"]["command"] == "sync"
    assert told["data"]["advice"] == "stop"
    assert "wrong" not in json.dumps(told)


def test_an_action_of_type_webhook_fires_once_for_each_who_newly_meets_it_and_in_no_answer(small, crm):
    small.actions(
        {**ACTIONS, "mail": {"when": {"segments": ["segment2"]}, "effect": {"webhook": {"template": "hello"}}}}
    )
    listen(small, crm, "action:mail")
    small.sync()
    told = crm.bodies("action")
    assert sorted(one["data"]["userTokens"][0] for one in told) == ["reader-1", "reader-2", "reader-3"]
    assert told[0]["data"]["webhook"] == {"template": "hello"}
    small.sync()
    assert len(crm.requests) == 3
    explained = small.runtime().explain("reader-1", place="home")
    (mail,) = [one for one in explained["actions"] if one["id"] == "mail"]
    assert mail["fires"] is False
    assert "webhook" in mail["reason"]
    assert explained["answer"]["actions"] == []


def test_a_dead_receiver_loses_nothing_and_is_shown(small, crm):
    listen(small, crm, "entered:*")
    crm.status = 503
    report = small.sync()
    assert any("HTTP 503" in note for note in report["notes"])
    first = crm.ids()
    (standing,) = small.runtime().status()["webhooks"]
    assert (standing["waiting"], standing["delivered"]) == (5, 0)
    assert standing["error"].startswith("HTTP 503")
    crm.status = 200
    small.now += timedelta(hours=7)
    small.sync()
    assert set(first) <= set(crm.ids())
    assert len(set(crm.ids())) == 5
    assert small.runtime().status()["webhooks"][0]["delivered"] == 5


def test_a_crash_between_publishing_and_telling_loses_nothing(small, crm, monkeypatch):
    listen(small, crm, "entered:*")
    publish = Snapshot.publish

    def killed(self: Snapshot, delta: Any) -> int:
        publish(self, delta)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Snapshot, "publish", killed)
        patch.setattr("algosync.runtime.telling.deliver", lambda *_, **__: {})
        with pytest.raises(KeyboardInterrupt):
            small.sync()
    assert crm.requests == []
    small.sync()
    assert len(crm.requests) == len(set(crm.ids())) == 5


def test_a_process_killed_while_sending_sends_again_under_the_same_id(small, crm):
    listen(small, crm, "entered:segment2")
    environment = {**os.environ, "ALGOSYNC_CONFIG": str(small.config)}
    process = subprocess.Popen(
        [str(small.program), "sync"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    crm.heard = process.kill
    process.wait(60)
    assert process.returncode == -signal.SIGKILL
    (first, *_) = crm.ids()
    crm.heard = lambda: None
    small.now = datetime(2100, 1, 1, tzinfo=UTC)  # whatever the machine's clock says, nobody holds a letter any more
    small.runtime().webhooks_retry(webhook=None, id=None)
    assert crm.ids().count(first) == 2
    assert len(set(crm.ids())) == 3


def test_a_webhook_for_what_there_is_not_is_refused(small, crm):
    listen(small, crm, "entered:segment9")
    with pytest.raises(ConfigError, match=r"entered:segment9.*no such segment"):
        small.sync(dry_run=True)


def test_an_audience_is_exported_with_what_its_members_like(small):
    small.sync()
    out = small.folder / "books.csv"
    done = small.call("audience", "segment2", "--out", str(out), "--top", "2")
    assert done.returncode == 0
    assert "3 of 3 members" in done.stderr
    header, *rows = out.read_text().splitlines()
    assert header.startswith("userToken,userTokens,segment,since,visit,state,affinity_1_facet")
    assert [row.split(",")[0] for row in rows] == ["reader-1", "reader-2", "reader-3"]
    assert out.stat().st_mode & 0o777 == 0o600
    small.call("suppress", "reader-2", "--yes")
    done = small.call("audience", "segment2", "--format", "jsonl")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["userToken"] for line in lines] == ["reader-1", "reader-3"]
    assert "1 left out: suppressed by the shop" in done.stderr
    runs = small.runtime().runs(10)["runs"]
    assert [one["command"] for one in runs][:2] == ["audience", "audience"]


def test_an_audience_of_what_there_is_not_or_to_where_it_cannot_be_is_refused(synced):
    done = synced.call("audience", "segment9")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no segment is named 'segment9'" in done.stderr
    assert "There are: phones, segment2" in done.stderr
    assert synced.call("audience", "segment2", "--json").returncode == 2
    out = synced.folder / "books.jsonl"
    done = synced.call("audience", "segment2", "--json", "--format", "jsonl", "--out", str(out))
    assert json.loads(done.stdout) == {
        "segment": "segment2",
        "format": "jsonl",
        "file": "books.jsonl",
        "members": 3,
        "exported": 3,
        "left_out": {},
    }
    assert len(out.read_text().splitlines()) == 3


def test_the_holdout_and_the_suppressed_are_in_no_webhook_and_no_audience(small, crm):
    listen(small, crm, "entered:*", "action:mail")
    small.actions({"mail": {"when": {}, "effect": {"webhook": {}}}})
    small.configure(rollout={"users": "50%"})
    small.sync()
    arms = {who: arm_of(who, rollout(small.runtime().settings)) for who in ("reader-1", "reader-2", "reader-3")}
    held_out = {who for who, arm in arms.items() if arm == "holdout"}
    told = {one["data"]["userTokens"][0] for one in crm.bodies()}
    assert not told & held_out
    assert {who for who in arms if who in told} == arms.keys() - held_out
    done = small.call("audience", "segment2", "--format", "jsonl")
    assert {json.loads(line)["userToken"] for line in done.stdout.splitlines()} == arms.keys() - held_out


def test_whoever_is_suppressed_before_it_is_sent_is_withheld(small, crm):
    listen(small, crm, "entered:segment2")
    crm.status = 503
    small.sync()
    crm.requests.clear()
    crm.status = 204
    small.call("suppress", "reader-1", "--yes")
    small.now += timedelta(hours=7)
    small.runtime().webhooks_retry(webhook=None, id=None)
    assert {one["data"]["userTokens"][0] for one in crm.bodies()} == {"reader-2", "reader-3"}
    (standing,) = small.runtime().status()["webhooks"]
    assert (standing["withheld"], standing["waiting"]) == (1, 0)
    assert b"reader-1" not in b"".join(body for _, body in crm.requests)


def test_what_was_given_up_is_listed_and_sent_again_for_whoever_asks(small, crm):
    listen(small, crm, "entered:segment2")
    crm.status = 410
    small.sync()
    listed = json.loads(small.call("webhooks", "list", "--json").stdout)
    assert [one["status"] for one in listed["letters"]] == ["given_up"] * 3
    assert "reader" not in json.dumps(listed)
    shown = small.call("webhooks", "list", "--status", "given_up")
    assert "HTTP 410 Gone" in shown.stdout
    assert "left alone until" in small.call("status").stdout
    crm.status = 204
    again = small.runtime().webhooks_retry(webhook="crm", id=listed["letters"][0]["id"])
    assert (again["retried"], again["sent"]["crm"]["delivered"]) == (1, 1)
    assert small.runtime().webhooks_retry(webhook=None, id=None)["retried"] == 2
    assert len(crm.ids()) == 6
    assert len(set(crm.ids())) == 3


def test_a_webhook_can_be_tried_by_hand(small, crm):
    listen(small, crm, "failure")
    done = small.call("webhooks", "test", "crm")
    assert (done.returncode, crm.bodies()[0]["type"]) == (0, "test")
    assert "crm: delivered" in done.stdout
    crm.status = 500
    done = small.call("webhooks", "test", "crm")
    assert done.returncode == 1
    assert "HTTP 500" in done.stdout
    done = small.call("webhooks", "test", "erp")
    assert "no webhook is named 'erp'. There are: crm" in done.stderr


def test_a_service_sends_beside_its_jobs(small, crm, monkeypatch):
    monkeypatch.setattr("algosync.runtime.telling.LOOKS_EVERY_S", 0.01)
    arrived = Event()
    listen(small, crm, "failure")
    opening = Opening(load(small.config), small.folder, progress=Silent(), clock=lambda: small.now)
    crm.heard = arrived.set
    with sending(opening), opening.state(create=True) as state:
        tell(opening, state, failed("push", ConfigError("wrong"), small.now))
        assert arrived.wait(30)
    assert crm.bodies()[0]["data"] == {"command": "push", "error": "wrong", "advice": "stop"}


def test_letters_do_not_outlive_the_last_webhook(small, crm):
    crm.status = 500
    listen(small, crm, "entered:segment2")
    small.sync()
    small.configure(webhooks=[])
    small.now += NOBODY_AFTER + timedelta(hours=1)
    small.sync()
    (left,) = small.runtime().status()["webhooks"]
    assert (left["configured"], left["waiting"], left["given_up"]) == (False, 0, 3)
    small.now += KEPT + timedelta(hours=1)
    small.sync()
    assert small.runtime().status()["webhooks"] == []


def test_a_dry_run_tells_nobody(small, crm):
    listen(small, crm, "entered:*", "failure")
    small.sync(dry_run=True)
    assert crm.requests == []
    assert small.files() == {}
