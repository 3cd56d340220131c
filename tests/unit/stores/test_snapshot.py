"""The snapshot: what is published is what is read, and nothing moves without a reason."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import orjson
import pytest

from algosync.stores.snapshot import SNAPSHOT, Change, Delta, Snapshot
from algosync.stores.state import open_state


@pytest.fixture
def snapshot(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True, book=SNAPSHOT) as state:
        yield Snapshot(state)


def _delta(people, *, tokens=None, entered=(), left=(), as_of="2026-11-20T00:00:00+00:00"):
    def change(pairs):
        return [Change(person=person, segment=segment, why=f"{person} and {segment}") for person, segment in pairs]

    return Delta(people=people, tokens=tokens or {}, entered=change(entered), left=change(left), as_of=as_of)


def test_what_was_published_is_found_by_every_token(snapshot):
    moved = snapshot.publish(_delta({"anna": {"person": "anna", "n": 1}, "bert": {}}, tokens={"phone": "anna"}))
    assert moved == 2
    assert snapshot.person("anna") == snapshot.person("phone") == {"person": "anna", "n": 1}
    assert snapshot.person("nobody") is None
    assert snapshot.tokens_of("anna") == ["anna", "phone"]
    assert snapshot.tokens_of("bert") == ["bert"]


def test_the_generation_moves_with_a_change_and_only_then(snapshot):
    same = _delta({"anna": {"b": 1, "a": [2]}}, tokens={"phone": "anna"})
    assert "generation" not in snapshot.about()
    snapshot.publish(same)
    first = snapshot.about()
    assert (first["generation"], first["as_of"]) == ("1", same.as_of)
    later = _delta({"anna": {"a": [2], "b": 1}}, tokens={"phone": "anna"}, as_of="2026-11-21T00:00:00+00:00")
    assert snapshot.publish(later) == 0
    assert snapshot.about() == first
    for generation, changed in enumerate(
        [
            _delta({"anna": {"a": [3]}}, tokens={"phone": "anna"}),  # a document
            _delta({"anna": {"a": [3]}}),  # a token
            _delta({"anna": {"a": [3]}}, entered=[("anna", "s")]),  # a membership
            _delta({}),  # a person who is gone
        ],
        start=2,
    ):
        snapshot.publish(changed)
        assert snapshot.about()["generation"] == str(generation)
    assert snapshot.person("anna") is None


def test_a_token_may_change_hands(snapshot):
    snapshot.publish(_delta({"anna": {"n": 1}, "bert": {"n": 2}}, tokens={"tablet": "anna", "old": "bert"}))
    snapshot.publish(_delta({"anna": {"n": 1}, "bert": {"n": 2}}, tokens={"tablet": "bert"}))
    assert snapshot.person("tablet") == {"n": 2}
    assert snapshot.tokens_of("bert") == ["bert", "tablet"]
    assert snapshot.person("old") is None


def test_memberships_remember_when_and_why(snapshot):
    docs = {"anna": {}}
    snapshot.publish(_delta(docs, entered=[("anna", "s"), ("anna", "t")], as_of="2026-11-01"))
    snapshot.publish(_delta(docs, left=[("anna", "s")], as_of="2026-11-02"))
    snapshot.publish(_delta(docs, entered=[("anna", "s")], as_of="2026-11-03"))
    assert snapshot.members() == {("anna", "s"): "2026-11-03", ("anna", "t"): "2026-11-01"}
    past, other, present = snapshot.history("anna")
    assert (past["segment"], past["left_at"], past["left_why"]) == ("s", "2026-11-02", "anna and s")
    assert (other["segment"], other["left_at"]) == ("t", None)
    assert (present["segment"], present["entered_at"], present["left_at"]) == ("s", "2026-11-03", None)
    assert snapshot.counts() == {"people": 1, "segment:s": 1, "segment:t": 1}
    assert snapshot.history("bert") == []
    assert orjson.loads(orjson.dumps(snapshot.history("anna")))[1] == other


def test_leaving_and_coming_back_within_one_moment_reopens_the_row(snapshot):
    docs = {"anna": {}}
    for step in ({"entered": [("anna", "s")]}, {"left": [("anna", "s")]}, {"entered": [("anna", "s")]}):
        snapshot.publish(_delta(docs, **step))
    (row,) = snapshot.history("anna")
    assert (row["left_at"], row["left_why"]) == (None, None)
    assert snapshot.members() == {("anna", "s"): row["entered_at"]}


def test_who_comes_back_within_one_moment_does_so_for_the_new_reason(snapshot):
    def entry(why):
        return Change(person="anna", segment="vip", why=why)

    people, as_of = {"anna": {}}, "2026-11-20T00:00:00+00:00"
    snapshot.publish(Delta(people=people, tokens={}, entered=[entry("first")], as_of=as_of))
    snapshot.publish(Delta(people=people, tokens={}, left=[entry("none")], as_of=as_of))
    snapshot.publish(Delta(people=people, tokens={}, entered=[entry("second")], as_of=as_of))
    (found,) = snapshot.history("anna")
    assert (found["why"], found["left_at"], found["left_why"]) == ("second", None, None)


def test_several_readers_see_whole_generations_while_they_are_published(state_url, tmp_path):
    people, generations, torn = [f"p{n}" for n in range(20)], 15, []
    first, over = threading.Barrier(4, timeout=60), threading.Event()

    def delta(generation):
        document = {"n": generation}
        tokens = {f"t-{person}": people[generation % 20] for person in people}
        return _delta(dict.fromkeys(people, document), tokens=tokens, as_of=f"2026-11-20T00:00:{generation:02d}+00:00")

    def read():
        with open_state(state_url, tmp_path, create=False, book=SNAPSHOT) as state:
            first.wait()
            while not over.is_set():
                with Snapshot(state).view() as view:
                    found = {view.person(person)["n"] for person in people}
                    found |= {view.generation, view.person("t-p0")["n"], int(view.about["as_of"][17:19])}
                if len(found) > 1:
                    torn.append(found)

    with open_state(state_url, tmp_path, create=True, book=SNAPSHOT) as state:
        Snapshot(state).publish(delta(1))
        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        first.wait()
        for generation in range(2, generations + 1):
            Snapshot(state).publish(delta(generation))
        over.set()
        for thread in threads:
            thread.join()
        assert torn == []
        assert Snapshot(state).about()["generation"] == str(generations)


KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from algosync.stores.snapshot import SNAPSHOT, Delta, Snapshot
from algosync.stores.state import open_state

state = open_state(sys.argv[1], Path(sys.argv[2]), create=True, book=SNAPSHOT)

@event.listens_for(state.engine, "after_cursor_execute")
def kill(_connection, _cursor, statement, *_rest):
    if "INSERT INTO snapshot_meta" in statement:
        os.kill(os.getpid(), signal.SIGKILL)

Snapshot(state).publish(Delta(people={"anna": {"n": 2}}, tokens={"phone": "anna"}, as_of="2026-11-21"))
"""


def test_a_process_killed_while_it_publishes_leaves_the_generation_before(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True, book=SNAPSHOT) as state:
        Snapshot(state).publish(_delta({"anna": {"n": 1}, "bert": {}}))
        before = Snapshot(state).about()
        done = subprocess.run([sys.executable, "-c", KILLED, state_url, tmp_path], check=False)
        assert done.returncode == -signal.SIGKILL
        assert Snapshot(state).about() == before
        assert Snapshot(state).person("anna") == {"n": 1}
        assert Snapshot(state).person("phone") is None
        Snapshot(state).publish(_delta({"anna": {"n": 3}}))
        assert Snapshot(state).person("anna") == {"n": 3}
