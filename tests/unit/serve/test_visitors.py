"""Who is there and what is known of her: nobody's things to anybody else, nothing twice, nothing of another inbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from algosync.errors import ForbiddenError
from algosync.experience.arrivals import ArrivalRules
from algosync.experience.overlay import OverlayRules, Stored, document
from algosync.experience.question import Question
from algosync.experience.shop import ShopAnswers
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.affinity import AffinityRules
from algosync.profiles.definitions import parse_segments
from algosync.profiles.readiness import ReadinessRules
from algosync.profiles.streams import Standing
from algosync.profiles.tally import Step, Tally, tally
from algosync.profiles.tally_document import dump, dump_standing
from algosync.serve import overlaying
from algosync.serve.anonymous import refuse_known
from algosync.serve.stored import Place, open_inbox
from algosync.serve.stored import Stored as Desk
from algosync.serve.visitors import Visitors
from algosync.stores.inbox import Choice, Inbox
from algosync.stores.snapshot import SNAPSHOT, Delta, Snapshot
from algosync.stores.snapshot_tables import entered, meta, people, shelf, standings, tallies
from algosync.stores.state import open_state
from algosync.stores.view import COUNTED_BY, REFUSED, TALLIES_MARK

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RUN = NOW - timedelta(minutes=5)
RULES = OverlayRules(
    arrivals=ArrivalRules(source="web", consent_missing="allow"),
    affinity=AffinityRules(weights={"view": 1}, facets=("brand",)),
    readiness=ReadinessRules(min_seconds=0, min_sessions=1, min_events=1, min_products=1, min_values=1),
)
SHOP = ShopAnswers(indices=("products",), policy=FilterPolicy(weights={"brand": 100}), overlay=RULES)
BRANDS = {"a": "Apple", "s": "Sony"}
DESK = "5f0c2f0e-7a34-4d1a-9d3e-0b6f4d1c2a77"


def counted(*products: str, login: bool = False) -> Tally:
    """What views of the day before add up to."""
    steps = [
        Step(
            at=(NOW - timedelta(days=1, minutes=n)).timestamp(),
            kind="view",
            object_id=name,
            facets={"brand": (BRANDS[name],)},
            authenticated=login,
        )
        for n, name in enumerate(products)
    ]
    return tally(steps, RULES.affinity, RULES.segments, landmark=RULES.counting(NOW).landmark)


class Shop:
    """Stores with ann, who is logged in at the tablet, and an anonymous desk; and whoever answers from them."""

    def __init__(self, place: Place, state: Any) -> None:
        self.place, self.state, self.inbox = place, state, Inbox(state)
        self.seq = 0
        self.desk = Desk(place, SHOP, state)

    def publish(self, contained: int = 0, at: datetime = RUN, identity: str | None = None) -> None:
        people = {"ann": counted("a", "a", login=True), DESK: counted("s")}
        docs = {name: {**document(Stored(person=name), held, RULES, now=at)} for name, held in people.items()}
        notes = {"inbox": self.inbox.identity() or "" if identity is None else identity, "inbox_seq": str(contained)}
        with open_state(self.place.url, self.place.directory, create=True, book=SNAPSHOT) as state:
            delta = Delta(people=docs, tokens={"tablet": "ann"}, as_of=at.isoformat(), extra=notes)
            Snapshot(state).publish(delta)
            with state.write() as connection:
                for table in (tallies, standings, shelf):
                    connection.execute(table.delete())
                connection.execute(
                    tallies.insert(),
                    [
                        {"name": "ann", "kind": "settled", "doc": dump(people["ann"])},
                        {"name": DESK, "kind": "open", "doc": dump(people[DESK])},
                    ],
                )
                standing = Standing(epoch=0, login="ann", owner="ann", logged_in_before=True, epoch_after_login=True)
                row = {"token": "tablet", "owner": "ann", "doc": dump_standing(standing)}
                connection.execute(standings.insert(), [row])
                products = [
                    {
                        "kind": "product",
                        "name": name,
                        "doc": orjson.dumps({"facets": {"brand": [b]}, "price": 1}).decode(),
                    }
                    for name, b in BRANDS.items()
                ]
                connection.execute(shelf.insert(), products)
                connection.execute(meta.delete().where(meta.c.key == TALLIES_MARK))
                connection.execute(meta.insert(), [{"key": TALLIES_MARK, "value": "some"}])

    def send(self, token: str, product: str = "s", *, at: datetime = NOW, **more: Any) -> None:
        event = {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": token}
        event |= {"objectIDs": [product], "timestamp": int(at.timestamp() * 1000), **more}
        self.inbox.append([event], at)

    def known(self, token: str, allow: Callable[[Any], None] = lambda _: None, at: datetime = NOW) -> dict[str, Any]:
        with self.desk._snapshots.view() as view:
            return dict(self.desk._visitors.known(view, token, allow, now=at).person or {})

    def by_public_key(self, token: str) -> dict[str, Any]:
        return self.known(token, lambda person: refuse_known(token, person))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    place = Place(url="sqlite", directory=tmp_path)
    with open_inbox(place) as inbox:
        made = Shop(place, inbox)
        made.publish()
        yield made
        made.desk.close()


def test_nothing_recent_is_what_is_stored(shop: Shop) -> None:
    assert shop.known("tablet")["person"] == "ann"
    assert shop.known(DESK)["affinities"] == {"brand": {"Sony": 20}}
    assert "recent" not in shop.known(DESK)
    assert shop.known("stranger") == {}


def test_what_came_since_is_laid_over_and_only_what_is_new_is_read_again(shop: Shop) -> None:
    shop.send(DESK, "a")
    first = shop.known(DESK)
    assert (first["events"], first["recent"]["events"]) == (2, 1)
    assert set(first["affinities"]["brand"]) == {"Apple", "Sony"}
    with shop.desk._snapshots.view() as view:
        one, two = (shop.desk._visitors.known(view, DESK, lambda _: None, now=NOW) for _ in range(2))
    assert one.person is two.person
    shop.send(DESK, "a")
    assert shop.known(DESK)["events"] == 2  # sent again
    shop.send(DESK, "a", eventID="other")
    assert shop.known(DESK)["events"] == 3
    assert shop.inbox.forget([DESK]) == 3
    assert "recent" not in shop.known(DESK)


def test_an_event_of_the_future_counts_from_its_moment_on(shop: Shop) -> None:
    shop.send(DESK, at=NOW + timedelta(minutes=1))
    assert shop.known(DESK)["events"] == 1
    assert shop.known(DESK, at=NOW + timedelta(minutes=1))["events"] == 2


def test_what_the_snapshot_contains_is_not_laid_over_it_again(shop: Shop) -> None:
    shop.send(DESK, at=RUN)
    shop.publish(contained=1)
    assert (shop.known(DESK)["events"], shop.known(DESK)["recent"]["events"]) == (1, 0)
    shop.publish(contained=1, identity="another inbox")
    assert shop.known(DESK)["events"] == 2


def test_what_a_run_took_before_its_moment_had_come_is_laid_over_when_it_has(shop: Shop) -> None:
    shop.send(DESK, at=RUN + timedelta(minutes=1))
    shop.publish(contained=1)
    assert shop.known(DESK)["events"] == 2


def test_a_login_that_came_since_opens_the_account_to_nobody_who_may_not(shop: Shop) -> None:
    shop.send(DESK, "a")
    assert shop.by_public_key(DESK)["person"] == DESK
    shop.send(DESK, "a", authenticatedUserToken="ann", at=NOW)
    with pytest.raises(ForbiddenError):
        shop.by_public_key(DESK)
    joined = shop.known(DESK)
    assert (joined["person"], joined["events"], joined["authenticated"]) == ("ann", 5, True)
    assert shop.known("ann")["events"] == shop.known("tablet")["events"] == 5


def test_not_even_where_nothing_of_her_may_be_used(shop: Shop) -> None:
    """Somebody unknown logged in without consent: there is no document, and still it is not the browser's own."""
    shop.send(DESK, authenticatedUserToken="bob", consent="not_personalized")
    with pytest.raises(ForbiddenError):
        shop.by_public_key(DESK)


def test_a_token_that_somebody_logs_in_by_is_no_anonymous_one_any_more(shop: Shop) -> None:
    shop.send("phone", authenticatedUserToken=DESK)
    with pytest.raises(ForbiddenError):
        shop.by_public_key(DESK)


def test_a_logout_that_came_since_leaves_no_trace(shop: Shop) -> None:
    with pytest.raises(ForbiddenError):
        shop.by_public_key("tablet")
    shop.send("tablet", eventName="logout")
    assert shop.by_public_key("tablet") == {}
    shop.send("tablet", "s", at=NOW, eventID="after")
    left = shop.by_public_key("tablet")
    assert (left["person"], left["events"], left["authenticated"]) == ("tablet", 1, False)
    assert left["affinities"] == {"brand": {"Sony": 20}}
    assert shop.known("ann")["events"] == 3  # the logout is hers


def test_another_login_is_another_person(shop: Shop) -> None:
    shop.send("tablet", "s", authenticatedUserToken="bob")
    assert (shop.known("tablet")["person"], shop.known("tablet")["events"]) == ("bob", 1)
    assert shop.known("ann")["events"] == 2


def test_a_refusal_takes_effect_and_one_that_is_stored_stays(shop: Shop) -> None:
    shop.send(DESK, consent="not_personalized")
    assert shop.known(DESK) == {}
    with (
        open_state("sqlite", shop.place.directory, create=False, book=SNAPSHOT) as state,
        open_state("sqlite", shop.place.directory, create=True, book=SNAPSHOT) as state,
        state.write() as connection,
    ):
        connection.execute(entered.insert(), [{"person": "carl", "doc": orjson.dumps({REFUSED: "yes"}).decode()}])
    shop.send("phone", authenticatedUserToken="carl")
    assert shop.known("carl") == {}
    shop.send("phone", authenticatedUserToken="carl", consent="for_you", at=NOW, eventID="allowed")
    assert shop.known("carl")["person"] == "carl"


def test_her_choice_is_heeded_by_whichever_token_she_made_it(shop: Shop) -> None:
    shop.send(DESK, "a", authenticatedUserToken="ann")
    shop.inbox.put_choice("tablet", Choice(consent="not_personalized", at=NOW, source="toggle"))
    told = shop.desk.answer(Question(user_token=DESK), lambda _: None, now=NOW)
    assert told["strategy"] == "content"


def test_more_than_can_be_laid_over_is_left_to_the_next_run_and_said(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlaying, "EVENTS_MAX", 3)
    for number in range(5):
        shop.send(DESK, eventID=str(number))
    told = shop.known(DESK)
    assert (told["events"], told["recent"]["events"]) == (4, 3)
    assert told["reason"].endswith("; events after the first 3 wait for the next sync")
    shop.send(DESK, eventID="more")
    assert shop.known(DESK) == told


def test_a_strangers_flood_is_not_read_to_its_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlaying, "EVENTS_MAX", 3)
    monkeypatch.setattr("algosync.stores.inbox_visitor.COUNTED_MAX", 4)
    for number in range(20):
        shop.send(DESK, eventID=str(number), at=RUN)
    read, sizes = Inbox.stretch, list[int]()

    def counted_(inbox: Inbox, *given: Any, **named: Any) -> Any:
        rows = read(inbox, *given, **named)
        sizes.append(len(rows))
        return rows

    monkeypatch.setattr(Inbox, "stretch", counted_)
    assert shop.known(DESK)["recent"]["events"] == 3
    shop.publish(contained=12)
    assert shop.known(DESK)["recent"]["events"] == 3
    shop.publish(contained=20)
    shop.send(DESK, eventID="new")
    assert shop.known(DESK)["recent"]["events"] == 1
    assert max(sizes) <= 4


def test_another_inbox_or_snapshot_in_the_place_is_looked_at_anew(shop: Shop) -> None:
    """Both count from one again, so that their numbers are those of before."""

    def taken_away(book: str) -> None:
        for path in shop.place.directory.glob(f"{book}.sqlite*"):
            path.unlink()

    shop.send(DESK, "a")
    assert shop.known(DESK)["affinities"]["brand"]["Apple"] == 20
    taken_away("inbox")
    shop.send(DESK, "s")
    assert set(shop.known(DESK)["affinities"]["brand"]) == {"Sony"}

    def asked() -> Any:
        return shop.desk.answer(Question(user_token="new", where="home"), lambda _: None, now=NOW)["content"]

    assert asked() == {}
    taken_away("snapshot")
    shop.publish()
    with open_state("sqlite", shop.place.directory, create=True, book=SNAPSHOT) as state, state.write() as connection:
        connection.execute(shelf.insert(), [{"kind": "popular:everywhere", "name": "", "doc": '["a"]'}])
    assert asked() == {"popular": ["a"]}


def test_where_she_has_logged_out_nobody_takes_back_her_refusal(shop: Shop) -> None:
    """A device of several: what the next one at it allows is hers alone. What is refused there counts to be safe."""
    shop.inbox.put_choice("ann", Choice(consent="not_personalized", at=NOW, source="toggle"))

    def chosen(token: str, consent: Any, second: int) -> None:
        at = NOW + timedelta(seconds=second)
        also = shop.desk.tokens_of(token, now=at)
        shop.inbox.put_choice(token, Choice(consent=consent, at=at, source="toggle"), also=also)

    def reason(token: str) -> str:
        told = shop.desk.answer(Question(user_token=token), lambda _: None, now=NOW + timedelta(seconds=9))
        return str(told["reason"])

    assert shop.desk.tokens_of("tablet", now=NOW) == {"ann", "tablet"}
    shop.send("tablet", eventName="logout", at=NOW + timedelta(seconds=1))
    assert shop.desk.tokens_of("tablet", now=NOW + timedelta(seconds=1)) == {"tablet"}
    chosen("tablet", "for_you", 2)
    assert reason("ann").startswith("not personalized")
    assert not reason("tablet").startswith("not personalized")
    chosen("ann", "for_you", 3)
    assert not reason("ann").startswith("not personalized")
    chosen("tablet", "not_personalized", 4)
    assert reason("ann").startswith("not personalized")


@pytest.mark.parametrize("lack", [TALLIES_MARK, COUNTED_BY])
def test_a_snapshot_that_cannot_be_added_to_answers_as_it_is(shop: Shop, lack: str) -> None:
    """Made by an earlier version, or by other rules than those in force here."""
    shop.send(DESK, "a")
    if lack == TALLIES_MARK:
        with (
            open_state("sqlite", shop.place.directory, create=True, book=SNAPSHOT) as state,
            state.write() as connection,
        ):
            connection.execute(meta.delete().where(meta.c.key == TALLIES_MARK))
    else:
        rules = replace(RULES, counted_by="rules of today")
        shop.desk._visitors = Visitors(shop.inbox, shop.desk._orders, rules, shown=False)
    assert (shop.known(DESK)["events"], "recent" in shop.known(DESK)) == (1, False)


def test_a_run_that_drops_what_the_snapshot_at_hand_lacks_is_noticed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between snapshot and inbox a run published and dropped: looked at again, nothing is missing."""
    shop.send(DESK, "a")
    later = NOW + timedelta(hours=3)
    read, looks = Inbox.visitor, list[str]()

    def meanwhile(inbox: Inbox, *given: Any, **named: Any) -> Any:
        looks.append("look")
        if len(looks) == 1:
            shop.publish(contained=1, at=later)
            shop.inbox.forget([DESK])
        return read(inbox, *given, **named)

    monkeypatch.setattr(Inbox, "visitor", meanwhile)
    shop.desk.answer(Question(user_token=DESK), lambda _: None, now=later)
    assert len(looks) == 2
    looks[:] = ["look"]
    shop.desk.answer(Question(user_token=DESK), lambda _: None, now=later)
    assert len(looks) == 2  # the run is young: nobody has to look twice


def test_memory_is_bounded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("algosync.serve.visitors.KEPT_EVENTS", 5)
    for name in ("one", "two", "three"):
        shop.send(name, eventID="1")
        shop.send(name, eventID="2")
        assert shop.known(name)["events"] == 2
    assert set(shop.desk._visitors._laid) == {"three"}
    assert shop.desk._visitors._kept == 3


def test_whoever_is_there_now_brings_what_she_does_elsewhere_whoever_was_there_before(shop: Shop) -> None:
    shop.send("phone", authenticatedUserToken="ann")
    shop.send("tablet", authenticatedUserToken="bob", at=NOW + timedelta(seconds=1))
    shop.send("laptop", authenticatedUserToken="bob", at=NOW + timedelta(seconds=2))
    shop.send("laptop", "a", at=NOW + timedelta(seconds=3))
    found = shop.known("tablet", at=NOW + timedelta(seconds=4))
    assert (found["person"], found["events"]) == ("bob", 3)


def test_a_segment_that_looks_back_over_days_ends_with_the_day_though_nothing_came_since(shop: Shop) -> None:
    lately = {"name": "L", "when": {"events": {"type": "view", "brand": "Sony", "count_min": 1, "within_days": 1}}}
    segments = parse_segments({"lately": lately}, affinity_facet=None, facets=["brand"])
    rules = replace(RULES, segments=segments)
    shop.desk.close()
    shop.desk = Desk(shop.place, replace(SHOP, segments=segments, overlay=rules), shop.state)
    steps = [Step(at=RUN.timestamp(), kind="view", object_id="s", facets={"brand": ("Sony",)})]
    seen = tally(steps, RULES.affinity, segments, landmark=RULES.counting(NOW).landmark)
    stored = document(Stored(person=DESK), seen, rules, now=RUN)
    assert stored["segments"] == ["lately"]
    with open_state(shop.place.url, shop.place.directory, create=True, book=SNAPSHOT) as state, state.write() as told:
        told.execute(people.update().where(people.c.person == DESK).values(doc=orjson.dumps(stored).decode()))
        told.execute(tallies.update().where(tallies.c.name == DESK).values(doc=dump(seen)))
    assert shop.known(DESK)["segments"] == ["lately"]
    assert shop.known(DESK, at=NOW + timedelta(days=1))["segments"] == ["lately"]
    assert shop.known(DESK, at=NOW + timedelta(days=2))["segments"] == []
