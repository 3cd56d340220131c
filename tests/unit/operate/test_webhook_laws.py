"""Whatever runs, crashes and receivers do: what was published is told at least once, under one id, of nobody else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from algosync.operate.webhooks import Hands, Receiver, deliver_due
from algosync.profiles.actions import parse_actions
from algosync.profiles.definitions import parse_segments
from algosync.stores.outbox import Outbox
from algosync.stores.snapshot import SNAPSHOT, Change, Delta, Snapshot
from algosync.stores.state import memory_state
from algosync.sync.occurrences import published
from algosync.sync.telling import TOLD, Announcer, Listener

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PEOPLE = ("ada", "ben", "cleo")
GROUPS = ("books", "phones")
SEGMENTS = parse_segments({name: {"when": {"events": {}}} for name in GROUPS}, affinity_facet=None, facets=[])
ACTIONS = parse_actions(
    {"mail": {"when": {"segments": ["books"]}, "effect": {"webhook": {"template": "books"}}}}, segments=SEGMENTS
)


class KilledError(BaseException):
    """The end of the process, at some line."""


class Dying:
    """A snapshot, an outbox: whatever it stands before, its process ends before or after one call."""

    def __init__(self, what: Any, where: tuple[str, str] | None) -> None:
        self._what, self._where = what, where

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._what, name)
        if self._where is None or name != self._where[0]:
            return call
        moment = self._where[1]

        def dying(*args: Any, **kwargs: Any) -> Any:
            if moment == "after":
                call(*args, **kwargs)
            raise KilledError

        return dying


@dataclass
class World:
    """A shop, its receiver, and what really happened."""

    state: Any
    shelf: Any
    url: str = ""
    now: datetime = NOW
    refused: set[str] = field(default_factory=set)
    ever_refused: set[str] = field(default_factory=set)
    members: set[tuple[str, str]] = field(default_factory=set)
    happened: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    answers: list[int | None] = field(default_factory=list)
    got: list[tuple[str, tuple[str, str, str]]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def tell(self, verb: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        doc = json.loads(body)
        data = doc["data"]
        what = (doc["type"], data.get("segment") or data["action"], data["userTokens"][0])
        if what[2] in self.refused:
            self.wrong.append(what[2])
        status = self.answers.pop(0) if self.answers else 204
        if status is None or status < 500:  # None: it took it, and the answer was lost
            self.got.append((headers["webhook-id"], what))
        return None if status is None else (status, b"", {})

    def refusals(self, people: Any) -> list[str | None]:
        return ["refused" if tokens[0] in self.refused else None for tokens in people]

    def run(self, members: set[tuple[str, str]], death: tuple[str, str] | None) -> None:
        """One run that finds these members, and may die."""
        outbox, snapshot = Outbox(self.state), Snapshot(self.shelf)
        listeners = [Listener(name="crm", on=("entered:*", "left:*", "action:mail"))]
        announcer = Announcer(
            Dying(outbox, death), listeners, self.refusals, definitions=(SEGMENTS, ACTIONS), clock=lambda: self.now
        )
        before = set(snapshot.members())
        docs = {
            person: {
                "person": person,
                "visit": "new",
                "state": "user",
                "segments": sorted(s for p, s in members if p == person),
            }
            for person in PEOPLE
        }
        delta = Delta(
            people=docs,
            tokens={},
            entered=[Change(person=p, segment=s, why="") for p, s in sorted(members - before)],
            left=[Change(person=p, segment=s, why="") for p, s in sorted(before - members)],
            as_of=self.now.isoformat(),
        )
        with suppress(KilledError):
            published(delta, Dying(snapshot, death), announcer, self.now)  # type: ignore[arg-type]
        if set(snapshot.members()) == members != before:
            self._note(before, members)

    def _note(self, before: set[tuple[str, str]], now: set[tuple[str, str]]) -> None:
        changes = [("entered", one) for one in now - before] + [("left", one) for one in before - now]
        changes += [("action", (person, "mail")) for person, segment in now - before if segment == "books"]
        for kind, (person, subject) in changes:
            if person not in self.refused:
                self.happened[kind, subject, person] += 1

    def deliver(self, death: tuple[str, str] | None = None) -> None:
        outbox = Outbox(self.state)
        outbox.release(Snapshot(self.shelf).about().get(TOLD))
        hands = Hands(outbox=Dying(outbox, death), refusals=self.refusals, clock=lambda: self.now, jitter=lambda: 0.0)
        to = Receiver(name="crm", url=self.url, keys=(b"x" * 24,), give_up_after=timedelta(days=365))
        with suppress(KilledError):
            deliver_due([to], hands, within_s=60)


MEMBERS = st.sets(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(GROUPS)))
DEATHS = st.none() | st.tuples(st.sampled_from(["expect", "publish", "release"]), st.sampled_from(["before", "after"]))
LATER = st.none() | st.tuples(st.sampled_from(["claim", "delivered", "postpone"]), st.sampled_from(["before", "after"]))
STEPS = st.one_of(
    st.tuples(st.just("run"), MEMBERS, DEATHS),
    st.tuples(st.just("deliver"), st.lists(st.sampled_from([204, 500, None]), max_size=4), LATER),
    st.tuples(st.just("refuse"), st.sampled_from(PEOPLE), st.booleans()),
)


@pytest.fixture(scope="module")
def receiver(answering):
    """One server for all examples; it asks the world of now."""
    held: dict[str, World] = {}

    def tell(*asked: Any) -> Any:
        return held["world"].tell(*asked)

    with answering(tell) as url:
        yield held, url


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=10))
def test_what_is_published_is_told_at_least_once_under_one_id(steps, receiver, tmp_path):
    held, url = receiver
    with memory_state(tmp_path) as state, memory_state(tmp_path, SNAPSHOT) as shelf:
        world = held["world"] = World(state=state, shelf=shelf, url=url)
        for kind, what, more in steps:
            world.now += timedelta(hours=7)  # nobody rests for longer
            if kind == "run":
                world.run(what, more)
            elif kind == "deliver":
                world.answers = list(what)
                world.deliver(more)
            elif more:
                world.refused.add(what)
                world.ever_refused.add(what)
            else:
                world.refused.discard(what)
        world.answers = []
        for _ in range(3):
            world.now += timedelta(hours=7)
            world.deliver()

        assert world.wrong == []
        meanings: dict[str, set[Any]] = {}
        for number, told in world.got:
            meanings.setdefault(number, set()).add(told)
        assert all(len(one) == 1 for one in meanings.values())
        heard = Counter(next(iter(one)) for one in meanings.values())
        assert heard.keys() <= world.happened.keys()
        for occurrence, times in world.happened.items():
            assert heard[occurrence] <= times
            if occurrence[2] not in world.ever_refused:
                assert heard[occurrence] == times
