"""The parent of secured keys, shown anywhere beside any other key, ends their scheme."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from algosync.serve import collect, segment
from algosync.serve.app import Parts, make_app
from algosync.serve.auth import Gate, Keys
from algosync.serve.desk import Condition
from algosync.serve.door import Door
from algosync.serve.limits import Limits

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PARENT, ADMIN = "a-search-key-made-for-this", "the shop's own key, of 32 characters"
GOOD = {"authorization": f"Bearer {ADMIN}"}


class Desk:
    waits = False

    def condition(self) -> Condition:
        return Condition(generation=1)


@pytest.fixture
def gate() -> Gate:
    return Gate(Keys(admin=ADMIN, secured_parent=PARENT), lambda _: None)


@pytest.fixture
def ask(gate: Gate) -> Any:
    door = Door(gate=gate, limits=Limits(address=None, caller=None), clock=lambda: NOW)
    nothing: Any = None
    routes = [
        *collect.routes(collect.Collector(inbox=nothing, gate=door, now=lambda: NOW)),
        *segment.routes(
            segment.Webhook(segment=segment.Segment(secret="s", index="i"), inbox=nothing, now=lambda: NOW)
        ),
    ]
    app = make_app(Parts(door=door, desk=Desk(), routes=routes))  # type: ignore[arg-type]

    def asked(method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as client:
                return await client.request(method, path, headers=headers, content=b"{}")

        return asyncio.run(send())

    return asked


ROUTES = [
    "POST /v1/experience",
    "POST /1/events",
    "POST /v1/events",
    "POST /v1/consent",
    "POST /v1/impressions",
    "POST /v1/segment",
    "GET /readyz",
    "GET /healthz",
    "GET /openapi.json",
    "GET /nowhere",
]
PLACES: dict[str, tuple[str, dict[str, str]]] = {
    "header": ("", {"x-algolia-api-key": PARENT}),
    "our header": ("", {"x-algosync-key": PARENT}),
    "bearer": ("", {"authorization": f"Bearer {PARENT}"}),
    "any header": ("", {"x-shop": PARENT}),
    "cookie": ("", {"cookie": f"a=b; key={PARENT}"}),
    "query": (f"?X-Algolia-API-Key={PARENT}", {}),
    "query, encoded": (f"?key=%61{PARENT[1:]}", {}),
    "query, empty names": (f"?={PARENT}", {}),
}


@pytest.mark.parametrize("place", list(PLACES))
@pytest.mark.parametrize("route", ROUTES)
def test_whoever_shows_it_ends_the_scheme_on_every_route(ask: Any, gate: Gate, route: str, place: str) -> None:
    method, path = route.split()
    query, headers = PLACES[place]
    with capture_logs() as logs:
        response = ask(method, path + query, {**GOOD, **headers})
    assert response.status_code == 401
    assert not gate.secured.on
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["secured API keys are switched off"]
    assert PARENT not in response.text + str(logs)


def test_others_are_served_as_ever(ask: Any, gate: Gate) -> None:
    assert ask("GET", "/healthz?x=1&y=%ff", {**GOOD, "cookie": "a=b; c", "x-shop": "=;,="}).status_code == 200
    assert gate.secured.on
