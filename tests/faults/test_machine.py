"""Any sequence of syncs, crashes, late, doubled and reordered events, hand-made edits, merges and erasures.

After each sync that came to its end: a plan has nothing left, what others put there is as they put it, nobody is
anywhere who did not consent or was forgotten, and each event is in the log once.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import create_engine, text

from algosync.mock.algolia import MockAlgolia
from tests.e2e.conftest import NOW, SEGMENTS, VISITS

from .shops import FOREIGN, furnished

pytestmark = pytest.mark.e2e

PEOPLE = ("caller-1", "caller-2", "reader-3", "denied-1")
FOREIGN_RULE = FOREIGN["rule"]["objectID"]
FAULTS = ("batch:1:lost", "batch:2:503", "write:1:truncated", "batch:1:unpublished", "read:3:reset")
RUNS_MAX = 6


class Machine(RuleBasedStateMachine):
    """A shop, what happens to it, and what was expected to come of that."""

    zygote = server = None

    @initialize()
    def opened(self):
        self.server.algolia = MockAlgolia()
        self.folder = Path(mkdtemp(prefix="machine-"))
        self.shop = furnished(self.folder, self.server)
        self.now, self.written, self.forgotten, self.theirs = NOW, [], set(), {}
        self.segments = list(SEGMENTS)
        self.known = len((self.folder / "events.jsonl").read_bytes().splitlines())

    def _run(self, do, kill_at=None, **given):
        self.now += timedelta(minutes=5)
        return self.zygote.run(do, self.shop.config, self.now.isoformat(), kill_at=kill_at, **given)

    def _write(self, visits):
        self.shop.events(visits)
        self.written += visits

    @rule(who=st.sampled_from(PEOPLE), number=st.integers(0, 6), late=st.integers(0, 20), login=st.booleans())
    def events_come(self, who, number, late, login):
        """Late ones too, and of somebody who logs in, so that what was hers before is hers."""
        as_who = "caller-1" if who == "denied-1" else who
        base = [visit for visit in VISITS if visit["who"] == as_who][: number + 1]
        more = {"customer": f"customer-{who}"} if login else {}
        more |= {"consent": "not_personalized"} if who == "denied-1" else {}
        self._write([{**visit, **more, "who": who, "at": f"2026-11-{20 - late or 1:02d}T09:{n:02d}:00Z"}
                     for n, visit in enumerate(base)])  # fmt: skip

    @precondition(lambda self: self.written)
    @rule(data=st.data())
    def events_come_again_in_another_order(self, data):
        self.shop.events(data.draw(st.permutations(self.written))[:8])

    @rule(which=st.sampled_from(["change", "delete", "ours", "theirs"]))
    def somebody_edits_an_index(self, which):
        index, records = "products", self.shop.records()
        name = min(records)
        with self.shop.client("mock-admin") as client:
            if which == "delete" and len(records) > 3:
                request = {"action": "deleteObject", "body": {"objectID": name}}
            elif which == "ours" and (ours := sorted(self.shop.records("algosync_payloads").keys() - {"theirs"})):
                index, request = "algosync_payloads", {"action": "deleteObject", "body": {"objectID": ours[0]}}
            elif which == "theirs":
                self.theirs[name] = f"edited at {self.now}"
                body = {"objectID": name, "note": self.theirs[name]}
                request = {"action": "partialUpdateObjectNoCreate", "body": body}
            else:
                body = {key: value for key, value in records[name].items() if key != "algosync"}
                request = {"action": "updateObject", "body": body}
            if request["action"] == "deleteObject" and index == "products":
                self.theirs.pop(name, None)
            client.wait(index, client.batch(index, orjson.dumps({"requests": [request]}), 1))

    @rule(at=st.integers(1, 110))
    def a_sync_is_killed(self, at):
        self._run("sync", kill_at=at)

    @rule(fault=st.sampled_from(FAULTS), at=st.none() | st.integers(60, 110))
    def a_sync_meets_a_fault(self, fault, at):
        self.server.algolia.faults.put([fault])
        self._run("sync", kill_at=at)
        self.server.algolia.faults.clear()

    @rule(kept=st.sampled_from([["phones"], ["segment2"], ["phones", "segment2"]]))
    def the_shop_defines_other_segments(self, kept):
        self.segments = kept
        self.shop.segments({name: SEGMENTS[name] for name in kept})

    @precondition(lambda self: self._known())
    @rule(place=st.integers(0, 2), at=st.none() | st.integers(1, 30))
    def somebody_is_forgotten(self, place, at):
        """And what she did comes in once more, some of it later than all before."""
        who = self._known()[place % len(self._known())]
        self._run("sync")
        self._run("forget", kill_at=at, user=who)
        ended = self._run("forget", user=who)
        assert ended.failed is None, ended.failed
        assert ended.done["proof"]["clean"], ended.done["proof"]
        self.forgotten.add(who)
        hers = [visit for visit in self.written if visit["who"] == who]
        self._write([*hers, {**hers[-1], "at": "2026-11-21T10:00:00Z"}])

    def _known(self):
        return sorted({visit["who"] for visit in self.written} - {*self.forgotten, "denied-1"})

    @rule()
    def a_sync_comes_to_its_end(self):
        for _ in range(RUNS_MAX):
            ended = self._run("sync")
            unfinished = self._rows("SELECT object_id FROM ledger WHERE status != 'published'")
            if ended.failed is None and not ended.done["pushed"]["deferred"] and not unfinished:
                break
        else:
            raise AssertionError(f"not done after {RUNS_MAX} runs: {ended.failed or ended.done['pushed']}")
        before = self.shop.content()
        again = self._run("sync")
        assert again.done["pushed"]["operations"] == 0, again.done["plan"]
        assert self.shop.content() == before
        found = self._run("verify").done["found"]
        assert (found["missing"], found["changed"]) == (0, 0)
        self._hold(before)

    def _hold(self, content):
        """Promises of the design, section 6."""
        payloads = content["algosync_payloads"]["records"]
        assert payloads["theirs"] == FOREIGN["records"][0]
        kept = content["products"]["rules"]
        assert FOREIGN_RULE in kept
        for name, note in self.theirs.items():
            assert content["products"]["records"][name].get("note", note) == note
        gone = {*self.forgotten, *(f"customer-{who}" for who in self.forgotten), "denied-1", "customer-denied-1"}
        people = self._rows("SELECT person FROM people", "snapshot")
        members = self._rows("SELECT person FROM memberships WHERE left_at IS NULL", "snapshot")
        assert not {row[0] for row in (*people, *members)} & gone
        assert not [name for name in gone if name in str(payloads)]
        ours = {
            ("segments" if name.startswith("segment-") else "profiles", name) for name in payloads.keys() - {"theirs"}
        }
        ours |= {("rules", name) for name in kept.keys() - {FOREIGN_RULE}}
        ledger = self._rows("SELECT family, object_id FROM ledger WHERE family != 'related' AND hash IS NOT NULL")
        assert {tuple(row) for row in ledger} == ours
        assert {name for family, name in ours if family == "segments"} == {f"segment-{one}" for one in self.segments}
        unlike = {tuple(sorted((key, str(value)) for key, value in visit.items())) for visit in self.written}
        [[rows]] = self._rows("SELECT coalesce(sum(rows), 0) FROM segments WHERE kind = 'events'")
        assert rows <= self.known + len(unlike)
        if not self.forgotten:
            assert rows == self.known + len(unlike)

    def _rows(self, query, book="state"):
        engine = create_engine(f"sqlite:///{self.folder}/state/{book}.sqlite")
        with engine.connect() as connection:
            rows = [list(row) for row in connection.execute(text(query))]
        engine.dispose()
        return rows

    def teardown(self):
        if hasattr(self, "folder"):
            self.a_sync_comes_to_its_end()
            shutil.rmtree(self.folder)


def test_any_sequence_keeps_the_promises(zygote, server, tmp_path, pytestconfig):
    warm = furnished(tmp_path, server)
    zygote.run("sync", warm.config, NOW.isoformat(), here=True)
    kind = type("MachineOfThisRun", (Machine,), {"zygote": zygote, "server": server})
    thorough = settings().max_examples >= 300
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=60 if thorough else 2,
            stateful_step_count=20 if thorough else 6,
            deadline=None,
            derandomize=not thorough,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_this_sequence_keeps_the_promises(zygote, server):
    """A little of everything, whatever chance finds above."""
    machine = type("MachineOfThisRun", (Machine,), {"zygote": zygote, "server": server})()
    machine.opened()
    machine.events_come("reader-3", 6, 2, True)
    machine.events_come("denied-1", 3, 1, False)
    machine.a_sync_comes_to_its_end()
    machine.events_come("caller-1", 6, 0, False)
    machine.the_shop_defines_other_segments(["phones"])
    machine.somebody_edits_an_index("change")
    machine.a_sync_meets_a_fault("batch:1:503", None)
    machine.somebody_is_forgotten(0, 9)
    machine.teardown()
