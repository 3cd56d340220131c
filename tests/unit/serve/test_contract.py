"""The description at /openapi.json held against the API itself: data made from it, good and bad, with every key.

Schemathesis makes the data and judges the answers: no error of the server's, only statuses, types and shapes that are
described, nothing refused that is described as good, nothing taken that is described as bad, no method but those.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route

from algosync.experience.keys import sign
from algosync.runtime.serving import open_api
from algosync.serve import openapi
from algosync.serve.schemas import TOKEN
from algosync.settings.load import load
from algosync.stores.snapshot import SNAPSHOT, Delta, Snapshot
from algosync.stores.state import open_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECRET, ADMIN, PUBLIC = (
    "a secret of the shop's, long enough",
    "the-shops-own-key-of-32-characters",
    "public-storefront",
)
HOOK = "the secret that Segment signs with"
SETTINGS = f"""
[algolia]
app_id = "SHOP"
indices = [{{name = "products"}}]
[state]
directory = "state"
[facets]
brand = 100
[[sources]]
name = "web"
type = "collector"
segment = {{ secret = "{HOOK}", index = "products" }}
[consent]
default = "for_you"
[actions]
file = "actions.json"
[serve]
public_keys = ["{PUBLIC}"]
admin_key = "{ADMIN}"
visitor_secrets = ["{SECRET}"]
per_address = {{ per_second = 1000000, burst = 1000000 }}
per_visitor = {{ per_second = 1000000, burst = 1000000 }}
"""
ACTIONS = {"free-shipping": {"effect": {"message": {"title": "Free shipping today"}}}}


def _shop(folder: Path, anna: dict[str, Any]) -> Path:
    (folder / "actions.json").write_text(json.dumps(ACTIONS), encoding="utf-8")
    (folder / "algosync.toml").write_text(SETTINGS, encoding="utf-8")
    with open_state("sqlite", folder / "state", create=True, book=SNAPSHOT) as state:
        people = {TOKEN: {**anna, "person": TOKEN}}
        Snapshot(state).publish(Delta(people=people, tokens={}, as_of="2026-11-23T11:00:00+00:00"))
    return folder / "algosync.toml"


class Open:
    """The API over a shop's stores while a test runs; before that, what tests are made from."""

    def __init__(self):
        self.app = Starlette(routes=[Route("/openapi.json", openapi.answer)])

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


served = Open()
described = schemathesis.openapi.from_asgi("/openapi.json", served)
sketched = schemathesis.openapi.from_asgi("/openapi.json", served)
sketched.config.phases.coverage.enabled = False


@pytest.fixture(scope="module", autouse=True)
def _api(tmp_path_factory, anna):
    folder = tmp_path_factory.mktemp("shop")
    with open_api(load(_shop(folder, anna)), folder, clock=lambda: NOW) as (served.app, _):
        yield


seeded = settings(
    max_examples=6, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def _meant(case: Any) -> Any:
    """What no schema can say: the admin key names nobody, events are of the last 30 days, and 3.0 is no integer."""
    body = case.body
    if isinstance(body, dict) and case.path == "/v1/experience" and body.get("userToken") is None:
        body["userToken"] = TOKEN
    if isinstance(body, dict) and case.path.endswith("/events") and isinstance(body.get("events"), list):
        body["events"] = integral(body["events"])
        for event in body["events"]:
            if isinstance(event, dict) and type(event.get("timestamp")) is int:
                event["timestamp"] = int(NOW.timestamp() * 1000)
    return case


def integral(value: Any) -> Any:
    """A JSON value whose whole numbers are integers, as encoders write them that know no other numbers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [integral(item) for item in value]
    return {name: integral(item) for name, item in value.items()} if isinstance(value, dict) else value


def test_whole_numbers_become_integers_wherever_they_stand():
    assert json.dumps(integral([{"quantity": -3.0}, 2.5, "1.0", None])) == '[{"quantity": -3}, 2.5, "1.0", null]'


ACCEPTANCE = schemathesis.checks.CHECKS.get_one("positive_data_acceptance")
# Shapes of many kinds, of which all boundaries would take minutes; /v1/events is another name of /1/events.
WIDE = ["/1/events", "/v1/explain"]


@described.exclude(path=[*WIDE, "/v1/events"]).parametrize()
@seeded
def test_every_route_answers_as_described(case):
    _meant(case).call_and_validate(headers={"Authorization": f"Bearer {ADMIN}"})


@sketched.include(path=WIDE).parametrize()
@settings(seeded, max_examples=10)
def test_so_do_those_that_take_much(case):
    headers = {"Authorization": f"Bearer {ADMIN}"}
    # That a draft means something, and a text a moment, is no matter of shapes.
    excluded = [ACCEPTANCE] if case.path == "/v1/explain" else []
    _meant(case).call_and_validate(headers=headers, excluded_checks=excluded)


KEYS = {
    "visitor": sign(TOKEN, secrets=[SECRET], valid_for=timedelta(hours=1), now=NOW),
    "expired": sign(TOKEN, secrets=[SECRET], valid_for=timedelta(hours=1), now=NOW - timedelta(days=1)),
    "public": PUBLIC,
    "unknown": "x" * 32,
    "none": "",
}


@pytest.mark.parametrize("key", list(KEYS))
@sketched.parametrize()
@settings(seeded, max_examples=3)
def test_whatever_the_key(case, key):
    headers = {"Authorization": f"Bearer {KEYS[key]}"} if KEYS[key] else {}
    response = _meant(case).call_and_validate(headers=headers, excluded_checks=[ACCEPTANCE])
    if key in {"expired", "unknown", "none"} and case.method == "POST":
        assert response.status_code in {400, 401, 422}, response.text


def test_every_example_is_answered_as_it_was_meant():
    """What somebody copies out of the description works, for as long as there is the product, the action, the key."""
    held = json.loads(json.dumps(openapi.document()))
    asked = 0
    for path, methods in held["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None or path == "/v1/explain":  # which explains what a log holds, and there is none here
                continue
            name = content["schema"]["$ref"].rpartition("/")[2]
            body = json.dumps(held["components"]["schemas"][name]["examples"][0]).encode()
            signature = hmac.new(HOOK.encode(), body, "sha1").hexdigest()
            headers = {"authorization": f"Bearer {ADMIN}", "x-signature": signature}
            response = ask(method, path, body, headers)
            assert response.status_code == 200, (path, response.text)
            told = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            whole = {"$ref": f"#/components/schemas/{told}", "components": held["components"]}
            assert jsonschema_rs.is_valid(whole, response.json()), (path, response.text)
            asked += 1
    assert asked >= 6


def ask(method, path, body, headers):
    async def send():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://api.example") as client:
            return await client.request(method, path, content=body, headers=headers)

    return asyncio.run(send())


@given(
    calls=st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "event", "properties", "products", "product_id", "userId", "timestamp", "batch"]
                )
                | st.text(max_size=3),
                inner | st.sampled_from(["track", "Order Completed", "Product Viewed"]),
            )
        ),
        max_leaves=12,
    )
)
@settings(seeded, max_examples=40)
def test_whatever_segment_signs_is_taken_or_left_out(calls):
    body = json.dumps(calls).encode()
    signature = hmac.new(HOOK.encode(), body, "sha1").hexdigest()
    response = ask("POST", "/v1/segment", body, {"x-signature": signature})
    assert response.status_code in {200, 400}, response.text
