from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from starlette.routing import Route

from algosync.errors import StoreError
from algosync.experience.answer import answer
from algosync.experience.question import Known, Question
from algosync.experience.shop import Rollout, ShopAnswers
from algosync.payloads.encode import OpaqueIds
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.actions import parse_actions
from algosync.profiles.definitions import parse_segments
from algosync.serve import collect, explain, segment
from algosync.serve.app import Parts, make_app
from algosync.serve.auth import Gate, Keys
from algosync.serve.desk import Condition
from algosync.serve.door import Door
from algosync.serve.health import Also, report
from algosync.serve.limits import Limits
from algosync.serve.openapi import document
from algosync.serve.schemas import EXAMPLES, SCHEMAS

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KINDS = {
    "object": Mapping,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "null": type(None),
}


def check(value: Any, schema: Mapping[str, Any], at: str = "$") -> None:
    """The part of JSON Schema that the description uses."""
    if "$ref" in schema:
        check(value, SCHEMAS[schema["$ref"].rpartition("/")[2]], at)
    if "anyOf" in schema:
        assert any(_fits(value, option, at) for option in schema["anyOf"]), f"{at}: {value!r}"
    kind = schema.get("type")
    if kind is not None:
        assert isinstance(value, KINDS[kind]), f"{at}: {value!r} is no {kind}"
        assert kind != "integer" or not isinstance(value, bool), at
    assert "enum" not in schema or value in schema["enum"], f"{at}: {value!r}"
    if isinstance(value, str):
        assert re.search(schema.get("pattern", ""), value), f"{at}: {value!r}"
        assert schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9), at
    if isinstance(value, list):
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9), at
        for number, item in enumerate(value):
            check(item, schema.get("items", {}), f"{at}[{number}]")
    if isinstance(value, Mapping):
        assert set(schema.get("required", ())) <= set(value), f"{at}: {sorted(value)}"
        for name, item in value.items():
            rest = schema.get("additionalProperties", True)
            known = schema.get("properties", {}).get(name, rest)
            assert known is not False, f"{at}.{name} is not described"
            check(item, known if isinstance(known, Mapping) else {}, f"{at}.{name}")


def _fits(value: Any, schema: Mapping[str, Any], at: str) -> bool:
    try:
        check(value, schema, at)
    except AssertionError:
        return False
    return True


class Desk:
    """A desk in some condition."""

    waits = False

    def __init__(self, condition: Condition) -> None:
        self._condition = condition

    def answer(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("health asks for no answer")

    def person(self, token: str) -> None:
        return None

    def condition(self) -> Condition:
        return self._condition


def get(path: str, condition: Condition | None = None) -> httpx.Response:
    door = Door(gate=Gate(Keys(), lambda _: None), limits=Limits(address=None, caller=None), clock=lambda: NOW)
    app = make_app(Parts(door=door, desk=Desk(condition or Condition())))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api.example") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_the_process_answers() -> None:
    assert get("/healthz").json() == {"alive": True}


def test_ready_tells_generation_and_age() -> None:
    response = get("/readyz", Condition(generation=7, as_of="2026-11-23T11:59:00+00:00"))
    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "generation": 7,
        "as_of": "2026-11-23T11:59:00+00:00",
        "age_s": 60,
        "problems": [],
    }
    check(response.json(), SCHEMAS["Ready"])


def test_forwarding_is_told_and_makes_nobody_unready() -> None:
    told = {"waiting": 3, "oldest_s": 40, "refused": 1, "expired": 0, "lost": 2, "problem": "Insights answers 500"}
    also = Also(forwarding=lambda now: told)
    made = report(Condition(generation=7), NOW, also)
    assert (made["ready"], made["forwarding"]) == (True, told)
    check(made, SCHEMAS["Ready"])
    full = report(Condition(generation=7), NOW, Also(problems=lambda: ("the inbox is full",)))
    assert (full["ready"], full["problems"]) == (False, ["the inbox is full"])
    assert "forwarding" not in full

    def locked(_: datetime) -> None:
        raise StoreError("database is locked")

    assert report(Condition(generation=7), NOW, Also(forwarding=locked))["ready"]


@pytest.mark.parametrize("as_of", [None, "", "yesterday", "2026-11-23T11:59:00"])
def test_not_ready_tells_why(as_of: str | None) -> None:
    response = get("/readyz", Condition(as_of=as_of, problems=("there is no snapshot yet",)))
    assert response.status_code == 503
    assert response.json()["problems"] == ["there is no snapshot yet"]
    assert response.json()["age_s"] is None
    check(response.json(), SCHEMAS["Ready"])


def test_the_description_is_served_and_sound() -> None:
    response = get("/openapi.json")
    assert response.json() == document()
    assert response.json()["openapi"].startswith("3.1")
    found = re.findall(r"#/components/schemas/(\w+)", response.text)
    assert set(found) == set(SCHEMAS)
    operations = [operation for path in document()["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] and "200" in operation["responses"] for operation in operations)


def test_every_route_is_described_and_nothing_else() -> None:
    anything: Any = None
    told: list[Route] = [
        *collect.routes(collect.Collector(inbox=anything, gate=anything, now=lambda: NOW)),
        *segment.routes(segment.Webhook(segment=anything, inbox=anything, now=lambda: NOW)),
        *explain.routes(anything, anything),
    ]
    door = Door(gate=Gate(Keys(), lambda _: None), limits=Limits(address=None, caller=None), clock=lambda: NOW)
    app: Any = make_app(Parts(door=door, desk=Desk(Condition()), routes=told))
    while not hasattr(app, "routes"):
        app = app._app
    served = {(route.path, method.lower()) for route in app.routes for method in route.methods - {"HEAD"}}
    described = {(path, method) for path, methods in document()["paths"].items() for method in methods}
    assert served == described


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_examples_are_as_described(name: str) -> None:
    check(EXAMPLES[name], SCHEMAS[name])


class Shelf:
    """A shelf that has something for everything."""

    generation, as_of = 3, "2026-11-23T11:00:00+00:00"

    def top(self, scope: str, bucket: str) -> list[str]:
        return ["book-1", "book-2"]

    def related(self, object_id: str) -> dict[str, list[str]]:
        return {"related": ["book-3"], "similar": ["book-4"]}

    def hits_possible(self, index: str | None, category: str | None) -> int:
        return 100

    def declared(self, index: str | None) -> frozenset[str]:
        return frozenset({"brand", "categories", "algosync.boosts"})


ACTIONS = {
    "hello": {"when": {"visit": "new"}, "effect": {"message": {"title": "Hello"}}},
    "colours": {"where": ["home"], "effect": {"data": {"colour": "red", "sizes": [1, 2]}}},
    "books": {"where": ["category:Books"], "effect": {"boost": {"categories": "Books", "score": 20}}},
}
PERSON = {
    "person": "anna",
    "visit": "returning",
    "state": "buyer",
    "last_seen": "2026-11-22T10:00:00+00:00",
    "ready": True,
    "reason": "12 events",
    "affinities": {"brand": {"Apple": 20, "Sony": 10}},
    "segments": ["fans"],
}


@pytest.mark.parametrize("person", [None, PERSON, {**PERSON, "ready": False}, {**PERSON, "visit": "new"}])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
@pytest.mark.parametrize(
    "question",
    [
        {},
        {"where": "home", "consent": "not_personalized"},
        {"where": "product", "object_id": "book-9"},
        {"where": "search", "query": "phone", "optional_filters": ["size:L", ["colour:red", "colour:blue"]]},
        {"where": "category:Books", "rule_contexts": ("autumn",), "index": "products"},
    ],
)
def test_real_answers_are_as_described(question: dict[str, Any], share: float, person: dict[str, Any] | None) -> None:
    segments = parse_segments(
        {"fans": {"name": "Fans", "when": {"affinity": {"facet": "brand", "value": "Apple"}}}},
        affinity_facet=None,
        facets=("brand", "categories"),
    )
    shop = ShopAnswers(
        indices=("products",),
        policy=FilterPolicy(weights={"brand": 100, "categories": 60}),
        segments=segments,
        actions=parse_actions(ACTIONS, segments=segments),
        ids=OpaqueIds(key=b"a secret of the shop's own"),
        rollout=Rollout(share=share),
        curated={"editors": ("book-7",)},
    )
    asked = Question(user_token="anna", **question)
    made = answer(asked, Known(person=person), shop, Shelf(), now=NOW).document()
    check(orjson.loads(orjson.dumps(made)), SCHEMAS["Experience"])


def test_errors_are_as_described() -> None:
    check(get("/nowhere").json(), SCHEMAS["Error"])
