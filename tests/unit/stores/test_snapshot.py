"""The snapshot: what is published is what is read, and nothing moves without a reason."""

from __future__ import annotations

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
