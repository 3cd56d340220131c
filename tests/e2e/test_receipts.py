"""Receipts over HTTP and by command: the same document, events of the inbox in it, and last Saturday's answer."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from algosync.errors import RequestError
from algosync.runtime.serving import open_api
from algosync.settings.load import load

pytestmark = pytest.mark.e2e

ADMIN = "the key of the shop's own servers"
WEB = {"name": "web", "type": "collector"}
AT_SEARCH = {"where": "search", "query": "novel"}


class Api:
    """The API, for whoever holds the admin key."""

    def __init__(self, shop, url):
        self.shop, self.url = shop, url

    def post(self, path, body, key=ADMIN):
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, timeout=60)

    def explain(self, user, status=200, **more):
        answer = self.post("/v1/explain", {"userToken": user, **more})
        assert answer.status_code == status, answer.text
        return answer.json() if status == 200 else answer.json()["error"]

    def ask(self, user, **more):
        answer = self.post("/v1/experience", {"userToken": user, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def saw(self, who, *products, **more):
        """Views, a minute apart, the last one a minute ago."""
        start = self.shop.now - timedelta(minutes=len(products))
        events = [
            {
                "eventType": "view",
                "eventName": "Product Viewed",
                "index": "products",
                "userToken": who,
                "objectIDs": [product],
                "timestamp": int((start + timedelta(minutes=minute)).timestamp() * 1000),
                **more,
            }
            for minute, product in enumerate(products)
        ]
        answer = self.post("/1/events", {"events": events})
        assert answer.status_code == 200, answer.text


@pytest.fixture
def shop(synced):
    """The small shop, which reads files and an inbox, and counts time by the clock."""
    synced.configure(
        sources=[*synced.settings["sources"], WEB],
        state={"as_of": "clock"},
        serve={"admin_key": ADMIN},
        related={"kinds": []},
        push={"related": False},
    )
    synced.sync()
    return synced


@pytest.fixture
def api(shop, on_loopback):
    with open_api(load(shop.config), shop.folder, clock=lambda: shop.now) as (app, _), on_loopback(app) as port:
        yield Api(shop, f"http://127.0.0.1:{port}")


def adds_up(document):
    """Every value's events make its points, the points its score, and the score its integer."""
    largest = {}
    for value in document["affinities"]:
        total = sum(event["points"] for event in value["events"]) + value["rest"]
        assert total == pytest.approx(value["points"], rel=1e-12)
        assert len(value["events"]) + value["rest_events"] == value["event_count"]
        for event in value["events"]:
            aged = 2 ** (-event["age_days"] / document["half_life_days"])
            assert event["points"] == pytest.approx(event["weight"] * aged, rel=1e-12)
        largest[value["facet"]] = max(largest.get(value["facet"], 0), value["points"])
    for value in document["affinities"]:
        assert value["largest"] == largest[value["facet"]]
        assert value["score"] == pytest.approx(20 * value["points"] / value["largest"], abs=1e-9)
        if value["held"]:
            assert value["integer"] == value["previous"]
            assert abs(value["integer"] - value["score"]) <= 0.6
        else:
            assert value["integer"] == int(value["score"] + 0.5)
    return len(document["affinities"])


def told(document):
    """The integers that the answer is made of: the profile's, with the session's weight in them."""
    session = document["recent"]["session"]
    blended = {(value["facet"], value["value"]): value for value in session["values"]}
    for (facet, _), value in blended.items():
        assert 0 < session["facets"][facet]["share"] < 1
        assert abs(value["integer"] - value["score"]) <= 0.6
    weighed = {key: value["integer"] for key, value in blended.items()}
    return {key: number for key, number in integers(document).items() if key[0] not in session["facets"]} | weighed


def integers(document):
    return {(value["facet"], value["value"]): value["integer"] for value in document["affinities"]}


def test_the_answer_is_taken_apart_to_its_events(shop, api):
    stored = api.explain("caller-1", **AT_SEARCH)

    assert adds_up(stored) > 5
    assert stored["answer"] == api.ask("caller-1", **AT_SEARCH)
    assert stored["answer"]["strategy"] == "one-to-one"
    assert stored["recent"]["events"] == 0
    said = [filter_ for group in stored["answer"]["search"]["optionalFilters"] for filter_ in group]
    receipts = stored["receipts"]["filters"]
    assert [f"{receipt['filter']}<score={receipt['score']}>" for receipt in receipts] == said
    for receipt in receipts:
        assert receipt["product"] == receipt["integer"] * receipt["weight"]
        if receipt["source"] == "profile":
            assert receipt["integer"] == integers(stored)[receipt["facet"], receipt["value"]]
    assert {receipt["source"] for receipt in receipts} > {"profile"}

    before = {event["id"] for value in stored["affinities"] for event in value["events"]}
    api.saw("caller-1", "book-2", "book-4", "lamp-1")
    recent = api.explain("caller-1", **AT_SEARCH)

    adds_up(recent)
    assert recent["answer"] == api.ask("caller-1", **AT_SEARCH)
    assert recent["recent"]["events"] == recent["recent"]["session"]["events"] == 3
    assert told(recent) != integers(recent)
    for receipt in recent["receipts"]["filters"]:
        if receipt["source"] == "profile":
            assert receipt["integer"] == told(recent)[receipt["facet"], receipt["value"]]
    assert recent["events"] == stored["events"] + 3
    after = {event["id"]: event for value in recent["affinities"] for event in value["events"]}
    assert before < set(after)
    assert sorted(after[name]["objectID"] for name in set(after) - before) == ["book-2", "book-4", "lamp-1"]
    assert ("categories", "Books") in integers(recent)
    shop.sync()
    synced = api.explain("caller-1", **AT_SEARCH)
    assert synced["recent"]["events"] == 0
    assert integers(synced) == integers(recent)
    assert synced["segments"] == recent["segments"]
    assert synced["answer"]["search"] == recent["answer"]["search"]


def test_a_visitor_of_this_minute_has_receipts_too(shop, api):
    api.saw("fresh", "book-2", "book-4", "book-6", "book-2")
    found = api.explain("fresh")
    assert adds_up(found) > 2
    assert found["answer"] == api.ask("fresh")
    assert found["answer"]["strategy"] != "content"
    assert (found["visit"], found["events"], found["recent"]["events"]) == ("new", 4, 4)
    assert shop.runtime().explain("fresh") == found
    assert "book-2" in {event["objectID"] for value in found["affinities"] for event in value["events"]}


def test_what_an_account_did_at_a_device_that_it_has_left_weighs_the_same_after_a_sync(shop, api):
    api.saw("tablet", "phone-1", "phone-3", "phone-5", "phone-6", "phone-1")
    shop.now += timedelta(minutes=1)
    api.saw("tablet", "book-2", authenticatedUserToken="reader-1")
    shop.now += timedelta(minutes=1)
    api.saw("tablet", "lamp-1", eventName="logout")
    before = api.ask("reader-1", where="category:Phones")
    shop.sync()
    after = api.ask("reader-1", where="category:Phones")
    assert after["search"] == before["search"]
    assert api.explain("reader-1", where="category:Phones")["answer"] == after


def test_whoever_lacks_the_key_learns_nothing(shop, api):
    for key, status in ((None, 401), ("a key of somebody else's", 401)):
        answer = api.post("/v1/explain", {"userToken": "caller-1"}, key=key)
        assert answer.status_code == status
        assert "caller-1" not in answer.text
    assert httpx.post(f"{api.url}/v1/explain?userToken=caller-1", json={}).status_code in {400, 401}
    assert "stranger" not in json.dumps(api.explain("stranger", status=404))
    api.explain("caller-1", status=400, at="last Saturday")
    api.explain("caller-1", status=400, at="2026-11-21T18:00:00")
    api.explain("caller-1", status=400, at=(shop.now + timedelta(days=1)).isoformat())
    api.explain("caller-1", status=400, colour="blue")
    api.explain("caller-1", status=400, draft={"colours": {}})
    assert "settings are kept since" in json.dumps(api.explain("caller-1", status=404, at="2026-11-01")).lower()


def test_a_draft_counts_for_this_explanation_alone(api):
    draft = {"segments": {"lamps": {"name": "Lamps", "when": {"events": {"type": "view", "count_min": 1}}}}}
    drafted = {one["id"]: one["member"] for one in api.explain("looker", draft=draft)["segments"]}
    assert drafted == {"lamps": True, "phones": False, "segment2": False}
    assert "lamps" not in {one["id"] for one in api.explain("looker")["segments"]}
    wrong = api.explain("looker", status=422, draft={"segments": {"lamps": {"when": {"colour": "blue"}}}})
    assert "lamps" in json.dumps(wrong)


def test_last_saturdays_answer(shop, api):
    then = shop.now + timedelta(minutes=5)
    before = api.explain("caller-1", **AT_SEARCH)
    shop.now += timedelta(days=2)
    api.saw("caller-1", "book-2", "book-4", "book-6")
    shop.configure(facets={"brand": 10}, events={"view": 5})
    shop.segments({})
    shop.actions({})
    shop.sync()
    now = shop.runtime().explain("caller-1", place="search", query="novel")
    assert now["segments"] == []
    assert integers(now) != integers(before)

    found = shop.runtime().explain("caller-1", place="search", query="novel", at=then)

    adds_up(found)
    assert found["as_of"] == before["as_of"]
    for value in (*found["affinities"], *before["affinities"]):
        value["previous"] = value["held"] = None  # what held then is not kept
    for name in ("affinities", "segments", "actions", "visit", "events", "receipts"):
        assert found[name] == before[name], name
    of_now = {"generation": 0, "content": {}}  # lists of products are those of now, as `inexact` says
    assert {**found["answer"], **of_now} == {**before["answer"], **of_now}
    assert found["settings"]["digest"]
    assert any("integers" in line for line in found["inexact"])
    with pytest.raises(RequestError, match="Settings are kept since 2026-11-23"):
        shop.runtime().explain("caller-1", at=then - timedelta(days=30))


def test_after_a_reset_only_what_comes_later_counts_before_any_sync(shop, api):
    shop.now += timedelta(minutes=5)
    shop.runtime().order("reset", "caller-1", confirm=lambda _: True)
    assert api.ask("caller-1")["strategy"] == "content"
    shop.now += timedelta(minutes=10)
    api.saw("caller-1", "book-2", "book-4", "book-6", "book-2")

    found = api.explain("caller-1")

    assert found["answer"] == api.ask("caller-1")
    assert (found["events"], found["state"], adds_up(found) > 2) == (4, "visitor", True)
    assert "Phones" not in {value["value"] for value in found["affinities"]}
    shop.runtime().order("suppress", "caller-1", confirm=lambda _: True)
    assert api.ask("caller-1", consent="for_you")["reason"] == "not personalized: suppressed by the shop"
    assert api.explain("caller-1")["answer"] == api.ask("caller-1")
