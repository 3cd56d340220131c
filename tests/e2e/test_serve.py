"""The API as a process of its own: from a real sync to answers over HTTP, and what must never come out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from algoliasearch.search.client import SearchClientSync

from algosync.experience.keys import sign
from algosync.runtime.serving import open_api
from algosync.settings.load import load

pytestmark = pytest.mark.e2e

SECRET, ADMIN, PUBLIC = (
    "a secret of the shop's, long enough",
    "the shop's own key, of 32 characters",
    "public-storefront",
)
ENV = {"ALGOSYNC_SERVE__VISITOR_SECRETS": json.dumps([SECRET]), "ALGOSYNC_SERVE__ADMIN_KEY": ADMIN}
READY, MEMBER, LOOKER = "caller-1", "reader-1", "looker"


class Api:
    """A running `algosync serve`."""

    def __init__(self, shop: Any) -> None:
        self.log = (shop.folder / "serve.log").open("w+b")
        self.process = subprocess.Popen(
            [str(shop.program), "serve", "--json", "--verbose", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **ENV, "ALGOSYNC_CONFIG": str(shop.config)},
        )
        self.report = self._document()
        self.client = httpx.Client(base_url=self.report["url"], timeout=20, trust_env=False)

    def _document(self) -> dict[str, Any]:
        text, out = b"", self.process.stdout
        assert out is not None
        while line := out.readline():
            text += line
            if line.rstrip() == b"}":
                return json.loads(text)
        raise AssertionError(f"it did not start: {self.logged()}")

    def ask(self, token: str | None, *, key: str | None = None, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {})
        key = visitor_key(token or "") if key is None else key
        body = {name: value for name, value in {"userToken": token, **more}.items() if value is not None}
        return self.client.post("/v1/experience", json=body, headers={"authorization": f"Bearer {key}", **headers})

    def logged(self) -> str:
        self.log.flush()
        self.log.seek(0)
        return self.log.read().decode()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.client.close()
        self.process.send_signal(number)
        code = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def visitor_key(token: str, valid_for: timedelta = timedelta(hours=1), now: datetime | None = None) -> str:
    return sign(token, secrets=[SECRET], valid_for=valid_for, now=now or datetime.now(UTC))


@pytest.fixture
def serving() -> Iterator[Callable[[Any], Api]]:
    started: list[Api] = []

    def start(shop: Any) -> Api:
        started.append(Api(shop))
        return started[-1]

    yield start
    for api in started:
        if api.process.poll() is None:
            api.stop()
        api.log.close()


def told(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    return response.json()["error"]


def test_who_gets_which_answer(synced: Any, serving: Callable[[Any], Api]) -> None:
    synced.configure(serve={"public_keys": [PUBLIC]})
    api = serving(synced)
    assert api.report["generation"] == 1
    assert api.report["problems"] == []
    assert api.client.get("/readyz").json()["generation"] == 1

    own = api.ask(READY, where="category:Phones").json()
    assert own["strategy"] == "one-to-one", own["reason"]
    assert any("Apple" in text for group in own["search"]["optionalFilters"] for text in group)
    assert own["search"]["enablePersonalization"] is False

    unknown = api.ask(str(uuid4()), key=PUBLIC, where="home").json()
    assert unknown["strategy"] == "content"
    assert "optionalFilters" not in unknown["search"]
    assert unknown["content"]["popular"]

    product = api.ask(LOOKER, where="product", objectID="book-4").json()
    assert product["strategy"] == "content"
    assert product["content"]["related"]


def test_consent_is_asked_and_kept(synced: Any, serving: Callable[[Any], Api]) -> None:
    api = serving(synced)
    denied = api.ask(READY, consent="not_personalized").json()
    assert denied["strategy"] == "content"
    assert not {"optionalFilters", "userToken"} & set(denied["search"])
    assert denied["segments"] == []
    key = {"authorization": f"Bearer {visitor_key(READY)}"}
    kept = api.client.post("/v1/consent", json={"userToken": READY, "consent": "not_personalized"}, headers=key)
    assert kept.status_code == 200
    assert api.ask(READY).json()["strategy"] == "content"
    # What she refused is refused for all that is kept of her: one request's word brings nothing back, her choice does.
    assert api.ask(READY, consent="for_you").json()["strategy"] == "content"
    taken_back = api.client.post("/v1/consent", json={"userToken": READY, "consent": "for_you"}, headers=key)
    assert taken_back.status_code == 200
    assert api.ask(READY).json()["strategy"] == "one-to-one"
    told(api.client.post("/v1/consent", json={"userToken": MEMBER, "consent": "for_you"}, headers=key), 403)


def test_the_holdout_is_not_personalized(synced: Any, serving: Callable[[Any], Api]) -> None:
    synced.configure(rollout={"users": "0%"})
    held = serving(synced).ask(READY, where="home").json()
    assert held["holdout"] is True
    assert held["strategy"] == "content"
    assert "optionalFilters" not in held["search"]


def test_keys_open_nothing_else(synced: Any, serving: Callable[[Any], Api]) -> None:
    synced.configure(serve={"public_keys": [PUBLIC]})
    api = serving(synced)
    forged = sign(READY, secrets=["x" * 40], valid_for=timedelta(hours=1), now=datetime.now(UTC))
    told(api.ask(READY, key=forged), 401)
    late = visitor_key(READY, timedelta(minutes=1), datetime.now(UTC) - timedelta(hours=1))
    assert "expired" in told(api.ask(READY, key=late), 401)["what"]
    told(api.ask(READY, key=visitor_key(MEMBER)), 403)
    told(api.ask(READY, key=PUBLIC), 403)
    told(api.client.post("/v1/experience", json={"userToken": READY}), 401)
    assert api.ask(READY, key=ADMIN).json()["strategy"] == "one-to-one"


def test_secured_keys_until_somebody_shows_the_parent(synced: Any, serving: Callable[[Any], Api]) -> None:
    parent = "a-search-key-made-for-this"
    synced.configure(serve={"secured_parent_key": parent})
    api = serving(synced)
    key = SearchClientSync("MOCKAPP", "unused").generate_secured_api_key(parent, {"userToken": READY})
    assert api.ask(None, key=key).json()["strategy"] == "one-to-one"
    told(api.ask(MEMBER, key=key), 403)
    told(api.ask(None, key=parent), 401)
    told(api.ask(None, key=key), 401)
    assert "secured API keys are switched off" in api.logged()
    assert parent not in api.logged()


def test_an_answer_that_is_held_is_not_sent_again(synced: Any, serving: Callable[[Any], Api]) -> None:
    api = serving(synced)
    first = api.ask(READY, where="home")
    again = api.ask(READY, where="home", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "private" in first.headers["cache-control"]
    with ThreadPoolExecutor(8) as pool:
        answers = {response.content for response in pool.map(lambda _: api.ask(READY, where="home"), range(20))}
    assert answers == {first.content}


def test_two_processes_give_the_same_answer(synced: Any, serving: Callable[[Any], Api]) -> None:
    one, other = serving(synced), serving(synced)
    assert one.ask(READY, where="home").content == other.ask(READY, where="home").content


def test_too_large_too_often_and_too_slow(synced: Any, serving: Callable[[Any], Api]) -> None:
    rate = {"per_second": 0.01, "burst": 3}
    synced.configure(serve={"per_visitor": rate})
    api = serving(synced)
    headers = {"authorization": f"Bearer {visitor_key(READY)}"}
    told(api.client.post("/v1/experience", content=b" " * 10_000_000, headers=headers), 413)
    told(api.client.post("/v1/experience", content=(b" " * 65_536 for _ in range(160)), headers=headers), 413)
    assert [api.ask(READY).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert int(api.ask(READY).headers["retry-after"]) > 1
    assert api.ask(MEMBER).status_code == 200
    with socket.create_connection(("127.0.0.1", api.client.base_url.port)) as half:
        half.sendall(b"POST /v1/experience HTTP/1.1\r\nHost: shop\r\nContent-Le")
        assert api.client.get("/healthz").status_code == 200


def test_no_snapshot_then_one_then_none_again(small: Any, serving: Callable[[Any], Api]) -> None:
    api = serving(small)
    assert api.report["generation"] is None
    for _ in range(2):
        assert told(api.ask(READY), 503)["hint"] == "Run `algosync sync`"
    assert api.client.get("/healthz").status_code == 200
    assert api.client.get("/readyz").status_code == 503
    small.sync()
    assert api.ask(READY).json()["generation"] == 1
    assert api.client.get("/readyz").status_code == 200
    for path in small.state.glob("snapshot.sqlite*"):
        path.unlink()
    told(api.ask(READY), 503)
    assert "there is no snapshot yet" in api.client.get("/readyz").text


def test_a_damaged_snapshot_is_a_503_that_tells_no_path(synced: Any, serving: Callable[[Any], Api]) -> None:
    api = serving(synced)
    (synced.state / "snapshot.sqlite").unlink()
    (synced.state / "snapshot.sqlite").write_bytes(b"this is no database" * 1000)
    response = api.ask(READY)
    told(response, 503)
    assert str(synced.folder) not in response.text
    assert response.headers["retry-after"]
    assert api.client.get("/readyz").status_code == 503


def test_a_locked_snapshot_is_a_503_and_passes(synced: Any, serving: Callable[[Any], Api]) -> None:
    lying, aside = synced.state / "snapshot.sqlite", synced.state / "aside"
    lying.rename(aside)
    api = serving(synced)
    aside.rename(lying)
    other = sqlite3.connect(lying, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    told(api.ask(READY), 503)
    assert api.client.get("/healthz").status_code == 200
    assert api.client.get("/readyz").status_code == 503
    other.close()
    assert api.ask(READY).status_code == 200


def test_a_snapshot_of_an_older_version_is_refused_at_the_start(synced: Any) -> None:
    with sqlite3.connect(synced.state / "snapshot.sqlite") as other:
        other.execute("UPDATE snapshot_meta SET value = '0' WHERE key = 'schema'")
    other.close()
    done = synced.command("serve", "--port", "0", env=ENV)
    assert done.returncode == 1
    assert "version 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_starts_no_further_than_wrong_settings(small: Any) -> None:
    done = small.command("serve", "--port", "0", env={"ALGOSYNC_SERVE__VISITOR_SECRETS": '["short"]'})
    assert done.returncode == 1
    assert "serve.visitor_secrets" in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = small.command("serve", "--json", "--port", port)
    assert done.returncode == 1
    assert port in json.loads(done.stdout)["error"]["message"]


def test_it_ends_well_and_has_logged_no_token(synced: Any, serving: Callable[[Any], Api]) -> None:
    api = serving(synced)
    key = visitor_key(READY)
    api.ask(READY, key=key)
    told(api.client.post(f"/v1/experience?key={key}&userToken={READY}", json={}), 400)
    told(api.client.get(f"/v1/experience/{READY}"), 404)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(api.ask, MEMBER) for _ in range(20)]
        assert {one.result().status_code for one in asked} == {200}
    assert api.stop() == 0
    lines = [json.loads(line) for line in api.logged().splitlines()]
    assert len([line for line in lines if line["event"] == "answered"]) == 23
    assert not any(secret in api.logged() for secret in (key, READY, MEMBER, SECRET, ADMIN))


def test_a_sync_while_it_serves_is_seen_whole_or_not_at_all(synced: Any, serving: Callable[[Any], Api]) -> None:
    """Every generation has one answer to one question, and no other is ever given."""
    synced.configure(
        serve={
            "per_visitor": {"per_second": 10_000, "burst": 10_000},
            "per_address": {"per_second": 10_000, "burst": 10_000},
        }
    )
    api = serving(synced)
    seen: dict[int, set[bytes]] = {}
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=api.report["url"], timeout=20, trust_env=False) as client:
            headers = {"authorization": f"Bearer {visitor_key(READY)}"}
            while not over.is_set():
                response = client.post("/v1/experience", json={"where": "category:Books"}, headers=headers)
                assert response.status_code == 200, response.text
                seen.setdefault(response.json()["generation"], set()).add(response.content)

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for day in range(3):
                at = f"2026-11-{18 + day}T10:00:00Z"
                synced.events(
                    [{"at": at, "who": READY, "what": "add_to_cart", "product": f"book-{n}"} for n in range(1, 4 + day)]
                )
                synced.sync()
        finally:
            over.set()
        for one in asking:
            one.result()
    assert max(seen) == 4
    assert {len(answers) for answers in seen.values()} == {1}


def test_from_an_anonymous_browser_to_an_account(synced: Any) -> None:
    """Guests are served by the public key, also when they buy; from the login on it takes the shop's own word."""
    synced.configure(
        sources=[*synced.settings["sources"], {"name": "web", "type": "collector"}],
        serve={"public_keys": [PUBLIC], "visitor_secrets": [SECRET]},
    )
    browser = f"anonymous-{uuid4()}"
    public = {"authorization": f"Bearer {PUBLIC}"}
    shopper = {"authorization": f"Bearer {visitor_key('customer-7', now=synced.now)}"}
    with open_api(load(synced.config), synced.folder, clock=lambda: synced.now) as (app, _):

        def post(path: str, body: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
            async def send() -> httpx.Response:
                async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as client:
                    return await client.post(path, json=body, headers=headers)

            return asyncio.run(send())

        def saw(products: str, headers: dict[str, str], **more: Any) -> int:
            event = {"eventType": "view", "eventName": "Seen", "index": "products", "userToken": browser, **more}
            events = [{**event, "objectIDs": [product]} for product in products.split()]
            return post("/1/events", {"events": events}, headers).status_code

        def ask(headers: dict[str, str], token: str | None) -> httpx.Response:
            return post("/v1/experience", {"where": "home"} | ({"userToken": token} if token else {}), headers)

        assert ask(public, browser).json()["reason"] == "nothing is known of this visitor"
        assert saw("phone-1 phone-3 phone-5", public) == 200
        buys = {"eventType": "conversion", "eventSubtype": "purchase", "orderID": "order-9"}
        assert saw("phone-6", public, **buys) == 200
        assert saw("phone-6", public, authenticatedUserToken="customer-7") == 403
        synced.sync()
        guest = ask(public, browser).json()
        assert guest["visitor"]["state"] == "buyer", guest
        assert guest["strategy"] != "content"

        synced.now += timedelta(minutes=1)
        assert saw("phone-5", shopper, authenticatedUserToken="customer-7") == 200
        synced.now += timedelta(minutes=1)
        synced.sync()
        assert told(ask(public, browser), 403)["what"] == "anonymous tokens open anonymous profiles only"
        assert ask(shopper, None).json()["visitor"]["state"] == "buyer"
        told(ask(shopper, browser), 403)


def test_what_she_chose_by_one_token_holds_for_the_others(synced: Any, serving: Callable[[Any], Api]) -> None:
    with sqlite3.connect(synced.state / "snapshot.sqlite") as snapshot:
        snapshot.execute("INSERT INTO tokens VALUES ('phone', ?), ('laptop', ?)", (READY, READY))
    api = serving(synced)
    assert api.ask("laptop").json()["strategy"] == "one-to-one"
    key = {"authorization": f"Bearer {visitor_key('phone')}"}
    chosen = {"userToken": "phone", "consent": "not_personalized"}
    assert api.client.post("/v1/consent", json=chosen, headers=key).status_code == 200
    assert {api.ask(token).json()["strategy"] for token in ("phone", "laptop", READY)} == {"content"}
    with sqlite3.connect(synced.state / "inbox.sqlite") as inbox:
        assert inbox.execute("SELECT token FROM choices ORDER BY 1").fetchall() == [(READY,), ("laptop",), ("phone",)]


def test_impressions_are_of_actions_that_there_are(synced: Any, serving: Callable[[Any], Api]) -> None:
    api = serving(synced)
    key = {"authorization": f"Bearer {visitor_key(READY)}"}
    shown = {"userToken": READY, "action": "no such action"}
    assert told(api.client.post("/v1/impressions", json=shown, headers=key), 404)["where"] == "action"
