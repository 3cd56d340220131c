"""A preview over a shop that is made up, asked without a socket."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from algosync.errors import ConfigError, RequestError
from algosync.experience.question import Question
from algosync.experience.shop import ShopAnswers
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.definitions import parse_segments
from algosync.serve.app import Parts, make_app
from algosync.serve.auth import Gate, Keys
from algosync.serve.desk import Condition
from algosync.serve.door import Door
from algosync.serve.explain import Asked
from algosync.serve.limits import Limits, Rate
from algosync.serve.preview.backstage import Backstage
from algosync.serve.preview.routes import Preview, routes
from algosync.serve.preview.session import Sessions, session_secret
from algosync.serve.preview.stage import Stage
from algosync.stores.inbox import Collected

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ADMIN, PUBLIC = "the shop's own key, of 32 characters", "public-storefront"
SEGMENTS = {"fans": {"name": "Fans & <friends>", "when": {"affinity": {"facet": "brand", "value": "A"}}}}
_NEW, _BUYER = {"visit": "new", "state": "visitor"}, {"visit": "returning", "state": "buyer"}
SUMS: dict[str, Any] = {
    "people": [{**_NEW, "people": 1200}, {**_BUYER, "people": 3}],
    "sessions": [
        {**_NEW, "sessions": 1000, "bounces": 250, "converted": 10, "orders": 10, "paid": 500.0},
        {**_BUYER, "sessions": 3, "bounces": 0, "converted": 2, "orders": 4, "paid": 100.0},
    ],
    "days": [{"day": "2026-11-22", "new": 3, "returning": 0}, {"day": "2026-11-23", "new": 0, "returning": 1}],
    "segments": [{"id": "fans", "name": "Fans & <friends>", "members": 2}],
    "personas": [{"label": "returning buyer", "person": "ann"}, {"label": "withdrew", "person": "bob"}],
}


class View:
    """One moment of a snapshot: Ann has a second token, and Bob withdrew his consent."""

    generation, as_of = 7, "2026-11-23T11:00:00+00:00"

    def __init__(self, sums: Mapping[str, Any] | None) -> None:
        self._sums = sums

    def overview(self) -> Mapping[str, Any] | None:
        return self._sums

    def person(self, token: str) -> dict[str, Any] | None:
        return {"person": "ann"} if token in {"ann", "tablet"} else None

    def tokens_of(self, person: str) -> frozenset[str]:
        return frozenset({"ann", "tablet"})

    def declared(self, index: str | None) -> frozenset[str]:
        return frozenset({"brand"})

    def hits_possible(self, index: str | None, category: str | None) -> int:
        return 10

    def top(self, scope: str, bucket: str) -> list[str]:
        return []

    def related(self, object_id: str) -> dict[str, list[str]]:
        return {}


class World:
    """All that the preview looks at; a test changes what it needs to."""

    def __init__(self) -> None:
        self.now = NOW
        self.sums: Mapping[str, Any] | None = SUMS
        self.trouble: Exception | None = None
        self.search_trouble: Exception | None = None
        self.explains = True
        self.explained: list[Asked] = []
        self.searched: list[tuple[str, str, Mapping[str, Any]]] = []
        self.collected: list[Collected] = []
        self.waits = False

    @contextmanager
    def view(self) -> Iterator[View]:
        if self.trouble is not None:
            raise self.trouble
        yield View(self.sums)

    def answer(self, question: Question, allow: Any, *, now: datetime) -> dict[str, Any]:
        known = question.user_token in {"ann", "tablet"}
        found = {"optionalFilters": [["brand:A<score=2000>"]], "userToken": question.user_token} if known else {}
        return {
            "strategy": "one-to-one" if known else "content",
            "reason": "as tests have it",
            "search": found,
            "visitor": {"visit": "returning", "state": "buyer"},
            "holdout": False,
            "actions": [],
            "segments": [],
        }

    def person(self, token: str) -> None:
        return None

    def condition(self) -> Condition:
        return Condition(generation=7)

    def explain(self, asked: Asked) -> dict[str, Any]:
        self.explained.append(asked)
        if asked.user not in {"ann", "tablet"}:
            raise RequestError("nothing is known of this user", where="user", status=404)
        shop(asked.draft)
        return {
            "person": "ann",
            "sessions": 2,
            "events": 9,
            "products": 3,
            "half_life_days": 30.0,
            "affinities": [],
            "answer": self.answer(Question(user_token="ann"), None, now=NOW),
            "receipts": {
                "filters": [],
                "applied": {"applies": True, "reason": ""},
                "distinct_sums": 2,
                "left_out": [{"facet": "colour", "value": "<b>", "reason": "not declared"}],
            },
            "segments": [{"name": "<script>", "member": True, "why": [{"depth": 9, "condition": "&", "holds": False}]}],
            "actions": [{"name": "hello", "fires": False, "reason": "not here"}],
        }

    def search(self, index: str, query: str, params: Mapping[str, Any], hits: int) -> list[dict[str, Any]]:
        if self.search_trouble is not None:
            raise self.search_trouble
        self.searched.append((index, query, params))
        plain = [
            {"objectID": "p1", "name": "<img src=x>", "brand": "B"},
            {"objectID": "p2", "name": "Two", "brand": "A"},
        ]
        return plain[::-1] if "optionalFilters" in params else plain

    def of_tokens(self, tokens: Any, after: int) -> list[Collected]:
        return [row for row in self.collected if row.event["userToken"] in tokens]


def shop(draft: Any) -> ShopAnswers:
    drafted = (draft or {}).get("segments") or {}
    segments = parse_segments({**SEGMENTS, **drafted}, affinity_facet="brand", facets=["brand"], where="the draft")
    if "broken" in ((draft or {}).get("actions") or {}):
        raise ConfigError("1 problem\n  broken.when: no", where="the draft", hint="Correct the draft and try again")
    return ShopAnswers(
        indices=("products",),
        policy=FilterPolicy(weights={"brand": 100}),
        segments=segments,
        boosts={segment.id: () for segment in segments.items},
    )


class Browser:
    """Asks, with the cookies that it was given."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.cookies = httpx.Cookies()

    def get(self, path: str = "/preview", **headers: str) -> httpx.Response:
        return self._ask("GET", path, headers=headers)

    def post(self, path: str = "/preview", *, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        return self._ask("POST", path, data=fields, headers=headers or {})

    def log_in(self, key: str = ADMIN) -> httpx.Response:
        return self.post("/preview/login", key=key)

    def send(self, path: str = "/preview", **fields: str) -> httpx.Response:
        """A form with the token of the page."""
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', self.get().text)
        assert found is not None
        return self.post(path, form_token=found[1], **fields)

    def _ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, client=("192.0.2.1", 5000))
            base = "http://api.example"
            async with httpx.AsyncClient(transport=transport, base_url=base, cookies=self.cookies) as client:
                response = await client.request(method, path, **given)
                self.cookies = client.cookies
                return response

        return asyncio.run(ask())


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def browser(world: World) -> Browser:
    """Nobody is logged in."""
    door = Door(
        gate=Gate(Keys(admin=ADMIN, public=[PUBLIC]), lambda _: None),
        limits=Limits(address=Rate(per_second=1000, burst=1000), caller=Rate(per_second=1, burst=5)),
        clock=lambda: world.now,
    )
    backstage: Any = Backstage(world, world, world, shop)  # type: ignore[arg-type]
    stage = Stage(
        backstage=backstage,
        searcher=world,
        explainer=world,
        indices=("products", "shoes"),
        category="brand",
        currency="EUR",
    )
    sessions = Sessions(session_secret(ADMIN, "own"))
    made = Preview(gate=door.gate, limits=door.limits, clock=door.clock, sessions=sessions, stage=stage)
    return Browser(make_app(Parts(door=door, desk=world, routes=tuple(routes(made)))))


@pytest.fixture
def inside(browser: Browser) -> Browser:
    """Logged in."""
    assert browser.log_in().status_code == 303
    return browser


@pytest.fixture
def later() -> timedelta:
    """Longer than a session lasts."""
    return timedelta(hours=1, seconds=1)
