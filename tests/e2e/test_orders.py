"""`algosync reset` and `algosync suppress`: heeded by the very next answer, by the next sync and by a rebuild."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from algosync.errors import RequestError
from algosync.runtime.serving import open_api
from algosync.settings.load import load
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.stores.state import open_state

pytestmark = pytest.mark.e2e

ADMIN = "the key of the shop's own servers"


def yes(_):
    return True


@pytest.fixture
def shop(small):
    """The small shop, with a customer of two devices, and a device of two customers."""
    home = [
        {"at": f"2026-11-19T09:{n:02d}:00Z", "who": "phone-of-anna", "what": "view", "product": f"book-{n}"}
        for n in range(1, 6)
    ]
    login = {"customer": "anna", "what": "view", "product": "book-2"}
    small.events(
        [
            *home,
            {**login, "at": "2026-11-19T09:10:00Z", "who": "phone-of-anna"},
            {**login, "at": "2026-11-19T11:00:00Z", "who": "family-tablet"},
            {**login, "at": "2026-11-19T19:00:00Z", "who": "family-tablet", "customer": "ben"},
            {**login, "at": "2026-11-19T19:01:00Z", "who": "family-tablet", "customer": "ben", "product": "phone-1"},
            {**login, "at": "2026-11-19T19:02:00Z", "who": "family-tablet", "customer": "ben", "product": "phone-3"},
            {**login, "at": "2026-11-19T19:03:00Z", "who": "family-tablet", "customer": "ben", "product": "phone-4"},
        ]
    )
    small.configure(state={"as_of": "clock"}, serve={"admin_key": ADMIN})
    small.configure(related={"kinds": []}, push={"related": False})
    return small


@pytest.fixture(params=["sqlite", "postgresql"])
def running(shop, request, on_loopback):
    """The synced shop and a way to ask its running server."""
    if request.param == "postgresql":
        shop.configure(state={"url": request.getfixturevalue("postgresql_url")})
    shop.sync()
    with open_api(load(shop.config), shop.folder, clock=lambda: shop.now) as (app, _), on_loopback(app) as port:

        def ask(user, **more):
            url, key = f"http://127.0.0.1:{port}/v1/experience", {"authorization": f"Bearer {ADMIN}"}
            answer = httpx.post(url, json={"userToken": user, **more}, headers=key, timeout=30)
            assert answer.status_code == 200, answer.text
            return answer.json()

        yield shop, ask


def kept(shop):
    url = shop.settings["state"].get("url", "sqlite")
    with open_state(url, shop.state, create=False, book=SNAPSHOT) as state, Snapshot(state).view() as view:
        names = ("anna", "phone-of-anna", "ben", "family-tablet", "reader-1")
        return {name for name in names if view.person(name) is not None}


def personalized(answer):
    return answer["strategy"] != "content" or "optionalFilters" in answer["search"]


def profiles(shop):
    return {name for name in shop.records("algosync_payloads") if not name.startswith("segment-")}


def test_suppressed_until_it_is_lifted(running):
    shop, ask = running
    records = profiles(shop)
    assert personalized(ask("phone-of-anna"))

    given = shop.runtime().order("suppress", "phone-of-anna", confirm=yes)

    assert (given["person"], given["tokens"], given["given"]) == ("anna", ["anna", "phone-of-anna"], True)
    for name in ("anna", "phone-of-anna"):
        answer = ask(name, consent="for_you")
        assert answer["reason"] == "not personalized: suppressed by the shop"
        assert not personalized(answer)
        assert answer["search"]["enablePersonalization"] is False
    assert personalized(ask("ben"))
    assert personalized(ask("reader-1"))

    report = shop.sync()

    assert kept(shop) == {"ben", "reader-1"}
    assert report["left_out_of_profiles"]["suppressed by the shop"] == 7
    assert len(profiles(shop)) < len(records)
    found = shop.runtime().explain("anna")
    assert (found["events"], found["answer"]["strategy"]) == (0, "content")
    assert "suppressed by the shop" in found["reason"]
    assert [one["order"] for one in found["orders"]] == ["suppress", "suppress"]
    shop.runtime().rebuild()
    assert kept(shop) == {"ben", "reader-1"}
    assert shop.runtime().order("suppress", "anna", confirm=yes)["given"] is False

    assert shop.runtime().order("lift", "phone-of-anna", confirm=yes)["tokens"] == ["anna", "phone-of-anna"]
    shop.sync()
    assert kept(shop) == {"anna", "phone-of-anna", "ben", "reader-1"}
    assert personalized(ask("phone-of-anna"))
    assert profiles(shop) == records
    assert shop.sync()["plan"]["operations"] == 0


def test_a_profile_starts_anew(running):
    shop, ask = running
    before = shop.runtime().explain("reader-1")
    assert (before["state"], personalized(ask("reader-1"))) == ("buyer", True)

    then = shop.now + timedelta(minutes=1)
    shop.now += timedelta(minutes=5)
    shop.runtime().order("reset", "reader-1", confirm=yes)

    answer = ask("reader-1")
    assert not personalized(answer)
    assert answer["visitor"] == {"visit": "new", "state": "visitor"}
    shop.now += timedelta(hours=1)
    seen = {"who": "reader-1", "what": "view", "product": "phone-1"}
    shop.events([{**seen, "at": (shop.now - timedelta(minutes=n)).isoformat()} for n in range(1, 4)])
    report = shop.sync()
    assert report["left_out_of_profiles"]["before a reset by the shop"] == before["events"]
    found = shop.runtime().explain("reader-1")
    assert (found["events"], found["sessions"], found["state"], found["visit"]) == (3, 1, "visitor", "new")
    assert {value["value"] for value in found["affinities"]} == {"Sony", "Phones", "Electronics", "100-500"}
    assert [one["order"] for one in found["orders"]] == ["reset"]
    left = {row["segment"]: row["left_at"] for row in found["history"]}
    assert left == {"segment2": report["as_of"], "phones": None}
    saturday = shop.runtime().explain("reader-1", at=then)
    assert (saturday["state"], saturday["events"]) == ("buyer", before["events"])
    shop.runtime().rebuild()
    assert shop.runtime().explain("reader-1")["events"] == 3


def test_a_login_brings_nothing_back_that_was_reset_before(shop):
    """A token is somebody else's from a login on; what was reset there stays away."""
    shop.sync()
    shop.runtime().order("reset", "looker", confirm=yes)
    shop.now += timedelta(hours=1)
    shop.events([{"at": shop.now.isoformat(), "who": "looker", "customer": "lou", "what": "view", "product": "book-1"}])
    shop.sync()
    found = shop.runtime().explain("lou")
    assert (found["events"], found["tokens"]) == (1, ["lou", "looker"])


def test_nothing_happens_by_mistake(shop):
    shop.sync()
    with pytest.raises(RequestError, match="nothing is known of this user"):
        shop.runtime().order("suppress", "stranger", confirm=yes)
    seen = []
    refused = shop.runtime().order("suppress", "anna", confirm=lambda concerns: bool(seen.append(concerns)))
    assert (refused["given"], seen[0]["tokens"]) == (False, ["anna", "phone-of-anna"])
    assert shop.runtime().order("lift", "anna", confirm=yes)["given"] is False
    asked = shop.call("suppress", "anna")
    assert (asked.returncode, "not done: run with --yes" in asked.stderr) == (0, True)
    done = shop.call("suppress", "anna", "--yes")
    assert "anna, phone-of-anna is suppressed" in done.stdout
    assert "suppressed already" in shop.call("suppress", "anna", "--yes").stdout
    shown = shop.call("explain", "anna", "--where", "search", "--query", "novel")
    assert "not personalized: suppressed by the shop" in shown.stdout
    assert "personalized again" in shop.call("suppress", "anna", "--lift", "-y").stdout
    assert '"given": true' in shop.call("reset", "anna", "--yes", "--json").stdout
