"""The desk over real stores, on either database: what it answers from, and what it says when they are not there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from algosync.errors import ForbiddenError, RequestError, StoreError
from algosync.experience.question import Question
from algosync.experience.shop import ShopAnswers
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.actions import parse_actions
from algosync.profiles.conditions import Segments
from algosync.serve.anonymous import refuse_known
from algosync.serve.stored import Place, Stored, open_inbox
from algosync.stores.inbox import Choice, Inbox
from algosync.stores.snapshot import SNAPSHOT, Delta, Snapshot
from algosync.stores.state import open_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SHOP = ShopAnswers(indices=("products",), policy=FilterPolicy(weights={"brand": 100}))


class Stores:
    """Stores that begin empty, and a desk over them."""

    def __init__(self, place: Place, inbox: Any) -> None:
        self.place = place
        self.inbox = Inbox(inbox)
        self.desk = Stored(place, SHOP, inbox)

    def publish(self, people: dict[str, Any], at: str = "2026-11-23T11:00:00+00:00") -> None:
        with open_state(self.place.url, self.place.directory, create=True, book=SNAPSHOT) as state:
            Snapshot(state).publish(Delta(people=people, tokens={"phone": "anna"}, as_of=at))

    def ask(self, token: str = "anna", allow: Any = lambda _: None, **more: Any) -> dict[str, Any]:
        return dict(self.desk.answer(Question(user_token=token, **more), allow, now=NOW))


@pytest.fixture
def stores(state_url: str, tmp_path: Path) -> Iterator[Stores]:
    place = Place(url=state_url, directory=tmp_path)
    with open_inbox(place) as inbox:
        made = Stores(place, inbox)
        yield made
        made.desk.close()


def test_there_is_no_snapshot_and_then_there_is(stores: Stores, anna: dict[str, Any]) -> None:
    stores.desk.check()
    with pytest.raises(RequestError, match="algosync sync") as caught:
        stores.ask()
    assert caught.value.status == 503
    assert stores.desk.person("anna") is None
    assert stores.desk.condition().generation is None
    assert stores.desk.condition().problems == ("there is no snapshot yet: Run `algosync sync`",)
    stores.publish({"anna": anna})
    assert stores.ask()["strategy"] == "one-to-one"
    condition = stores.desk.condition()
    assert (condition.generation, condition.as_of, condition.problems) == (1, "2026-11-23T11:00:00+00:00", ())


def test_the_next_generation_is_seen_at_once(stores: Stores, anna: dict[str, Any]) -> None:
    stores.publish({"anna": anna})
    assert stores.ask()["generation"] == 1
    stores.publish({"anna": {**anna, "ready": False}})
    assert (stores.ask()["generation"], stores.ask()["strategy"]) == (2, "content")


def test_a_token_leads_to_its_person_and_whoever_may_not_is_stopped(stores: Stores, anna: dict[str, Any]) -> None:
    stores.publish({"anna": anna})
    assert stores.ask("phone")["strategy"] == "one-to-one"
    assert stores.ask("stranger")["strategy"] == "content"
    with pytest.raises(ForbiddenError):
        stores.ask("phone", lambda person: refuse_known("phone", person))


def test_a_choice_holds_for_the_person_behind_the_token(stores: Stores, anna: dict[str, Any]) -> None:
    stores.publish({"anna": anna})
    stores.inbox.put_choice("anna", Choice(consent="not_personalized", at=NOW, source="storefront"))
    assert stores.ask("phone")["strategy"] == "content"
    stores.inbox.put_choice("phone", Choice(consent="for_you", at=NOW + timedelta(seconds=1), source="storefront"))
    assert stores.ask("phone")["strategy"] == "one-to-one"


def test_impressions_use_up_a_cap(stores: Stores, anna: dict[str, Any]) -> None:
    hello = {"effect": {"message": {"title": "Hello"}}, "cap": {"per_visitor": 1, "within_days": 7}}
    actions = parse_actions({"hello": hello}, segments=Segments())
    stores.desk = Stored(stores.place, replace(SHOP, actions=actions), stores.desk._inbox_state)
    stores.publish({"anna": anna})
    assert [action["id"] for action in stores.ask("phone")["actions"]] == ["hello"]
    stores.inbox.put_impression("anna", "hello", NOW - timedelta(days=1))
    assert stores.ask("phone")["actions"] == []
    stores.desk.close()


def test_without_the_inbox_there_is_no_answer(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, anna: dict[str, Any]
) -> None:
    """Somebody may have chosen not to be personalized."""

    def broken(*_: Any, **__: Any) -> None:
        raise StoreError("disk I/O error")

    stores.publish({"anna": anna})
    monkeypatch.setattr(Inbox, "visitor", broken)
    with pytest.raises(StoreError):
        stores.ask()


def test_only_another_machine_is_waited_for(stores: Stores) -> None:
    assert stores.desk.waits is (stores.place.url != "sqlite")


def test_a_disk_without_space_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("algosync.serve.inbox_health.SPARE_BYTES", 1 << 62)
    place = Place(url="sqlite", directory=tmp_path)
    with open_inbox(place) as inbox:
        assert "the disk of the inbox is full" in Stored(place, SHOP, inbox).condition().problems


def test_an_inbox_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    place = Place(url="sqlite", directory=tmp_path)
    with open_inbox(place) as inbox:
        inbox.writable = False
        told = Stored(place, SHOP, inbox).condition().problems
    assert "the inbox cannot be written; see the server's log" in told


def test_more_ask_at_once_of_an_old_snapshot_than_there_are_connections(stores: Stores, anna: dict[str, Any]) -> None:
    stores.publish({"anna": anna})  # an hour old, so that each looks again whether it still holds
    begin = Barrier(40)

    def ask(_: int) -> Any:
        begin.wait()
        return stores.ask()["strategy"]

    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(ask, range(40))) == ["one-to-one"] * 40


def test_a_choice_by_any_of_her_tokens_holds_for_all_of_them(stores: Stores, anna: dict[str, Any]) -> None:
    with open_state(stores.place.url, stores.place.directory, create=True, book=SNAPSHOT) as state:
        linked = {"phone": "anna", "laptop": "anna", "other": "berta"}
        Snapshot(state).publish(Delta(people={"anna": anna}, tokens=linked, as_of=anna["last_seen"]))
    stores.inbox.put_choice("other", Choice(consent="not_personalized", at=NOW, source="storefront"))
    assert stores.ask("laptop")["strategy"] == "one-to-one"
    stores.inbox.put_choice("phone", Choice(consent="not_personalized", at=NOW, source="storefront"))
    assert {stores.ask(token)["strategy"] for token in ("phone", "laptop", "anna")} == {"content"}
