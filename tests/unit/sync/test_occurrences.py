"""What happens and who newly meets an action's conditions; and that all of it survives a kill, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from algosync.errors import AlgoliaUnavailableError, BrakeError, BusyError, ConfigError, StoppedError
from algosync.profiles.actions import parse_actions
from algosync.profiles.definitions import parse_segments
from algosync.stores.outbox import Outbox
from algosync.stores.snapshot import SNAPSHOT, Change, Delta, Snapshot
from algosync.stores.state import open_state
from algosync.sync.occurrences import TOKENS_MAX, Judged, failed, is_failure, judged, moved, newly_met, published
from algosync.sync.telling import TOLD, Announcer, Listener

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SEGMENTS = parse_segments(
    {"books": {"name": "Readers", "when": {"events": {}}}, "phones": {"when": {"events": {}}}},
    affinity_facet=None,
    facets=[],
)


def person(*segments: str, visit: str = "returning", state: str = "user") -> dict[str, Any]:
    return {"visit": visit, "state": state, "segments": list(segments)}


def delta(people: Any, *, entered: Any = (), left: Any = (), tokens: Any = None, at: datetime = NOW) -> Delta:
    return Delta(
        people=people,
        tokens=tokens or {},
        entered=[Change(person=who, segment=segment, why="") for who, segment in entered],
        left=[Change(person=who, segment=segment, why="") for who, segment in left],
        as_of=at.isoformat(),
    )


def actions(**action: Any) -> Any:
    return parse_actions({"mail": {"effect": {"webhook": {"template": "hello"}}, **action}}, segments=SEGMENTS)


def fired(wanted: Any, now: Delta, people: Any = None, last: Any = None, told: Any = None) -> list[str]:
    at = datetime.fromisoformat(now.as_of)
    found = newly_met(wanted, now, (last, people or {}), {"mail": told or {}}, at)
    return [occurrence.tokens[0] for occurrence in found]


def test_memberships_are_told_with_all_tokens_and_without_anything_else():
    change = delta(
        {"anna": person("books"), "ben": person()},
        entered=[("anna", "books"), ("anna", "phones")],
        left=[("ben", "books"), ("gone", "books")],
        tokens={"anon-2": "anna", "anon-1": "anna", "other": "ben"},
    )
    found = list(moved(change, SEGMENTS, {"entered:books", "left:books"}, NOW))
    assert [one.name for one in found] == ["entered:books", "left:books"]
    assert found[0].doc == {"segment": "books", "name": "Readers", "userTokens": ["anna", "anon-1", "anon-2"]}
    assert found[1].tokens == ("ben", "other")


def test_of_somebody_with_very_many_tokens_some_are_told():
    tokens = {f"anon-{n}": "anna" for n in range(500)}
    change = delta({"anna": person("books")}, entered=[("anna", "books")], tokens=tokens)
    (found,) = moved(change, SEGMENTS, {"entered:books"}, NOW)
    assert len(found.tokens) == TOKENS_MAX


def test_an_action_finds_those_who_meet_its_conditions_now_and_did_not_before():
    wanted = actions(when={"segments": ["books"], "state": ["buyer"]})
    last = judged(wanted.items, NOW - DAY)
    before = {"a": person("books", state="buyer"), "b": person("books"), "c": person("phones", state="buyer")}
    now = {
        "a": person("books", state="buyer"),
        "b": person("books", state="buyer"),
        "c": person("books", "phones", state="buyer"),
        "d": person("books", state="buyer"),
        "e": person("books"),
    }
    assert fired(wanted, delta(now), before, last) == ["b", "c", "d"]


def test_a_new_action_finds_everybody_and_one_with_other_conditions_those_who_did_not_meet_the_old_ones():
    people = {"a": person("books"), "b": person("phones")}
    old = actions(when={"segments": ["books"]})
    new = actions(when={"segments": ["books", "phones"]})
    assert fired(old, delta(people), people, None) == ["a"]
    assert fired(old, delta(people), people, Judged(at=NOW - DAY, conditions={})) == ["a"]
    assert fired(new, delta(people), people, judged(old.items, NOW - DAY)) == ["b"]
    assert fired(new, delta(people), people, judged(new.items, NOW - DAY)) == []


def test_on_an_actions_first_day_all_who_meet_the_rest_are_new_and_afterwards_nobody_is():
    people = {"a": person("books")}
    wanted = actions(**{"from": "2026-11-23", "until": "2026-11-24"})
    assert fired(wanted, delta(people, at=NOW - DAY), people, judged(wanted.items, NOW - 2 * DAY)) == []
    assert fired(wanted, delta(people), people, judged(wanted.items, NOW - DAY)) == ["a"]
    assert fired(wanted, delta(people, at=NOW + DAY), people, judged(wanted.items, NOW)) == []
    assert fired(wanted, delta({"b": person()}, at=NOW + 2 * DAY), people, judged(wanted.items, NOW)) == []


def test_what_the_last_run_judged_by_survives_being_kept():
    wanted = actions(when={"visit": "new", "segments": ["books"]}, **{"from": "2026-11-01"})
    kept = judged(wanted.items, NOW)
    again = Judged.restored(kept.document())
    assert (again.at.date(), again.conditions) == (NOW.date(), kept.conditions)


@pytest.mark.parametrize(
    ("cap", "told", "expected"),
    [
        ({"per_visitor": 1}, [], ["a"]),
        ({"per_visitor": 1}, [NOW - 900 * DAY], []),
        ({"per_visitor": 2}, [NOW - 900 * DAY], ["a"]),
        ({"per_visitor": 1, "within_days": 7}, [NOW - 7 * DAY], []),
        ({"per_visitor": 1, "within_days": 7}, [NOW - 8 * DAY], ["a"]),
    ],
)
def test_caps_count_what_was_told_before(cap, told, expected):
    wanted = actions(when={"segments": ["books"]}, cap=cap)
    assert fired(wanted, delta({"a": person("books")}), told={"a": told}) == expected


def test_a_login_makes_nobody_new_and_does_not_lift_a_cap():
    wanted = actions(when={"segments": ["books"]}, cap={"per_visitor": 1})
    now = delta({"anna": person("books")}, tokens={"anon": "anna"})
    last = judged(wanted.items, NOW - DAY)
    assert fired(wanted, now, {"anon": person("books")}, last) == []
    assert fired(wanted, now, {"anon": person()}, last) == ["anna"]
    assert fired(wanted, now, {"anon": person()}, last, {"anon": [NOW - DAY]}) == []


def test_actions_of_other_effects_are_left_to_the_storefront():
    shown = parse_actions({"a": {"effect": {"message": {"title": "Hello"}}}}, segments=SEGMENTS)
    assert fired(shown, delta({"a": person()})) == []


def test_a_failure_is_one_occurrence_an_hour_and_names_no_unexpected_text():
    first = failed("sync", AlgoliaUnavailableError("no answer after 3 tries", where="index products"), NOW)
    again = failed("push", AlgoliaUnavailableError("no answer after 5 tries", where="index products"), NOW)
    later = failed("sync", AlgoliaUnavailableError("no answer after 3 tries", where="index products"), NOW + DAY / 24)
    other = failed("sync", AlgoliaUnavailableError("no answer after 3 tries", where="index books"), NOW)
    assert first.key == again.key
    assert len({first.key, later.key, other.key}) == 3
    assert first.doc == {
        "command": "sync",
        "error": "index products: no answer after 3 tries",
        "advice": "retry",
    }
    unexpected = failed("sync", KeyError("anna@example.org"), NOW)
    assert unexpected.doc["error"] == "unexpected: KeyError"


def test_a_brake_tells_the_hash_to_approve():
    stopped = failed("sync", BrakeError("too much", hash="abc", hint="Approve it"), NOW)
    assert (stopped.kind, stopped.name) == ("brake", "brake")
    assert stopped.key == failed("push", BrakeError("too much", hash="def"), NOW + timedelta(minutes=59)).key
    assert stopped.key != failed("sync", BrakeError("too much", hash="abc"), NOW + timedelta(hours=1)).key
    assert stopped.doc == {"command": "sync", "hash": "abc", "error": "too much", "hint": "Approve it"}


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (ConfigError("wrong"), True),
        (ValueError("wrong"), True),
        (BusyError("another writes"), False),
        (StoppedError("told to end"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_that_somebody_stopped_it_is_no_failure(error, is_one):
    assert is_failure(error) is is_one


class Shop:
    """State and snapshot, and whoever listens."""

    def __init__(self, state: Any, shelf: Any, wanted: Any) -> None:
        self.state, self.snapshot, self.wanted = state, Snapshot(shelf), wanted
        self.refused: dict[str, str] = {}

    def announcer(self) -> Announcer:
        listeners = [
            Listener(name="crm", on=("entered:books", "left:*", "action:*", "failure")),
            Listener(name="erp", on=("entered:*",)),
        ]
        return Announcer(
            Outbox(self.state),
            listeners,
            lambda people: [self.refused.get(tokens[0]) for tokens in people],
            definitions=(SEGMENTS, self.wanted),
            clock=lambda: NOW,
        )

    def publish(self, change: Delta) -> None:
        published(change, self.snapshot, self.announcer(), NOW)

    def waiting(self) -> list[tuple[str, str, str]]:
        letters = Outbox(self.state).listed(statuses=["waiting"])
        return sorted((one.target, one.kind, one.doc["data"]["userTokens"][0]) for one in letters)


@pytest.fixture
def shop(state_url, tmp_path):
    with (
        open_state(state_url, tmp_path, create=True) as state,
        open_state(state_url, tmp_path, create=True, book=SNAPSHOT) as shelf,
    ):
        yield Shop(state, shelf, actions(when={"segments": ["books"]}, cap={"per_visitor": 1}))


BOTH = delta({"anna": person("books"), "ben": person("phones")}, entered=[("anna", "books"), ("ben", "phones")])


def test_each_listener_hears_what_it_asked_for(shop):
    shop.publish(BOTH)
    assert shop.waiting() == [
        ("crm", "action:mail", "anna"),
        ("crm", "entered:books", "anna"),
        ("erp", "entered:books", "anna"),
        ("erp", "entered:phones", "ben"),
    ]
    by_kind = {one.kind: one.occurrence for one in Outbox(shop.state).listed(target="crm")}
    assert by_kind["entered:books"] in {one.occurrence for one in Outbox(shop.state).listed(target="erp")}
    assert all("." not in number for number in by_kind.values())


def test_the_same_again_tells_nothing(shop):
    shop.publish(BOTH)
    before = shop.waiting()
    shop.publish(delta(BOTH.people))
    assert shop.waiting() == before


def test_whoever_may_not_be_named_is_not_even_written_down(shop):
    shop.refused = {"anna": "in the holdout"}
    shop.publish(BOTH)
    assert shop.waiting() == [("erp", "entered:phones", "ben")]


def test_a_cap_is_counted_from_what_is_written_and_not_given_up(shop):
    shop.publish(BOTH)
    shop.publish(delta({"anna": person()}, left=[("anna", "books")]))
    again = delta({"anna": person("books")}, entered=[("anna", "books")])
    shop.publish(again)
    assert shop.waiting().count(("crm", "action:mail", "anna")) == 1
    (mail,) = [one for one in Outbox(shop.state).listed() if one.kind == "action:mail"]
    Outbox(shop.state).give_up(mail, NOW, "HTTP 500")
    shop.publish(delta({"anna": person()}, left=[("anna", "books")]))
    shop.publish(again)
    assert shop.waiting().count(("crm", "action:mail", "anna")) == 1


def test_killed_before_publishing_nothing_happened(shop):
    shop.announcer().expect(BOTH, shop.snapshot, NOW)
    assert Outbox(shop.state).release(shop.snapshot.about().get(TOLD)) == 0
    assert shop.waiting() == []
    shop.publish(BOTH)
    assert len(shop.waiting()) == 4
    assert len(Outbox(shop.state).listed()) == 4


@pytest.mark.parametrize("caught_up_by", ["the next run", "whoever sends"])
def test_killed_after_publishing_nothing_is_lost_and_no_id_changes(shop, caught_up_by):
    notes = shop.announcer().expect(BOTH, shop.snapshot, NOW)
    shop.snapshot.publish(replace(BOTH, extra=notes))
    assert shop.waiting() == []
    ids = {one.id for one in Outbox(shop.state).listed()}
    if caught_up_by == "the next run":
        shop.publish(delta(BOTH.people))
    else:
        Outbox(shop.state).release(shop.snapshot.about().get(TOLD))
    assert len(shop.waiting()) == 4
    assert {one.id for one in Outbox(shop.state).listed()} == ids


def test_what_is_told_at_once_is_told_once_for_each_key(shop):
    announcer = shop.announcer()
    for _ in range(3):
        announcer.tell(failed("sync", ConfigError("wrong", where="algolia"), NOW))
    (letter,) = Outbox(shop.state).listed()
    assert (letter.kind, letter.target, letter.status) == ("failure", "crm", "waiting")


def test_the_same_in_another_application_is_another_occurrence(shop):
    wrong = failed("sync", ConfigError("wrong", where="algolia"), NOW)
    listeners = [Listener(name="crm", on=("failure",))]
    for realm in ("production", "staging", "production"):
        Announcer(
            Outbox(shop.state),
            listeners,
            lambda people: [None for _ in people],
            definitions=(SEGMENTS, shop.wanted),
            clock=lambda: NOW,
            realm=realm,
        ).tell(wrong)
    assert len(Outbox(shop.state).listed()) == 2


def test_a_state_that_cannot_be_written_is_said_in_the_log_alone(shop, tmp_path, capsys):
    with open_state("sqlite", tmp_path, create=True):
        pass
    with open_state("sqlite", tmp_path, create=False) as reading:
        shop.state = reading
        shop.announcer().tell(failed("sync", ConfigError("wrong"), NOW))
    assert "no webhook can be sent of this" in capsys.readouterr().out
