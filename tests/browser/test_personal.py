"""/algosync.js with InstantSearch.js in a real browser, on a page of another origin than the API's: a real sync, a real
API and the mock. Searches are counted where they arrive.
"""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from algosync.events.transforms import safe
from algosync.experience.keys import sign
from algosync.mock.server import MockAlgolia
from algosync.personalizer.merge import search_parameters
from algosync.serve.browser import source, squeezed

pytestmark = pytest.mark.browser
FAN, NEWCOMER = "6f0b1c9e-52d4-4c3a-9b7e-2d8f4a6c1e05", "b81f7c3d-0e64-4f2b-8a95-7c1d3e5f9a20"
LINKED, CUSTOMER = "3a9d5e71-8c02-4b6f-9e14-0d7b2c8f6a53", "customer-1"
PUBLIC_KEY = "public-storefront"
SECRET = "a secret of the shop's, long enough"
PER_PAGE = 8
PATIENT = {"wait": 20_000}
"""For what is no test of the wait, on a machine that is busy."""

Catalog = dict[str, dict[str, Any]]


@pytest.fixture
def algolia(synced_algolia: MockAlgolia) -> MockAlgolia:
    """Of the synced shop, for `run` and `visit`."""
    return synced_algolia


def _choice(token: str = FAN, choice: str = "for_you") -> dict[str, str]:
    return {"token": token, "choice": choice}


def _key(token: str, **valid: float) -> str:
    return sign(token, secrets=[SECRET], valid_for=timedelta(hours=1), now=datetime.now(UTC) - timedelta(**valid))


def _searches(algolia: MockAlgolia) -> list[dict[str, Any]]:
    """The parameters of the first query of each search."""
    found = [request for request in algolia.requests if request.path.endswith("/queries")]
    return [request.json()["requests"][0] for request in found]


def _boosted(catalog: Catalog, asked: dict[str, Any]) -> list[str]:
    """The catalog in the order of a search with one group of filters on brands: the best that fits counts."""
    [group] = asked["optionalFilters"]
    boosts = dict(re.fullmatch(r"brand:(.+)<score=(\d+)>", text).groups() for text in group)
    return sorted(catalog, key=lambda key: (-int(boosts.get(catalog[key]["brand"], 0)), -catalog[key]["popularity"]))


def _plain(catalog: Catalog) -> list[str]:
    return sorted(catalog, key=lambda key: -catalog[key]["popularity"])


def test_a_personal_order_by_one_search_per_interaction(
    visit, serving, algolia: MockAlgolia, catalog, tmp_path
) -> None:
    picture = tmp_path / "personal.png"
    query = {
        **PATIENT,
        "public": PUBLIC_KEY,
        "own": json.dumps({"ruleContexts": ["page"], "optionalFilters": ["in_stock:true"]}),
    }
    with serving() as api:
        given = {"query": {**query, "api": api.url}, "known": _choice(), "picture": str(picture)}
        saw = visit("personal.look", **given, word="tent", brand="Vireo")
    assert saw["warned"] == []
    assert saw["userToken"] == FAN
    searches = _searches(algolia)
    assert len(searches) == 2 + len("tent") + 1, "one for the page, one for page 2, one a letter, one for the brand"
    for asked in searches:
        assert asked["optionalFilters"][0] == "in_stock:true"
        assert any("brand:Vireo" in text for text in asked["optionalFilters"][1])
        assert asked["ruleContexts"] == ["page"]
        assert asked["userToken"] == FAN
        assert asked["enablePersonalization"] is False
    assert len(api.questions()) == 1 + len("tent"), "a page and a refinement are of the query before"
    assert {question["userToken"] for question in api.questions()} == {FAN}
    brands = [catalog[key]["brand"] for key in saw["first"]]
    assert brands == ["Vireo"] * PER_PAGE
    assert not set(saw["first"]) & set(saw["second"])
    assert picture.stat().st_size > 10_000


def test_without_a_choice_nobody_is_asked_about_and_nothing_is_kept(
    visit, serving, algolia: MockAlgolia, catalog
) -> None:
    with serving() as api:
        saw = visit("personal.look", query={"public": PUBLIC_KEY, "api": api.url}, word="t")
        assert api.asked == []
        assert api.events() == []
    assert saw["first"] == _plain(catalog)[:PER_PAGE]
    assert (saw["userToken"], saw["stored"], saw["consent"]) == (None, {}, "not_personalized")
    assert len(_searches(algolia)) == 3
    assert not any({"optionalFilters", "enablePersonalization"} & set(asked) for asked in _searches(algolia))


def test_an_answer_that_comes_late_is_for_the_next_query(visit, serving, algolia: MockAlgolia, catalog) -> None:
    with serving() as api:
        api.hold()
        query = {"public": PUBLIC_KEY, "api": api.url}
        saw = visit("personal.late", query=query, known=_choice(), word="tent")
    order = _plain(catalog)
    assert (saw["first"], saw["second"]) == (order[:PER_PAGE], order[PER_PAGE : 2 * PER_PAGE])
    first, second, third = _searches(algolia)
    assert "optionalFilters" not in first
    assert "optionalFilters" not in second, "what a query began with, its pages go on with"
    assert third["optionalFilters"]
    tents = [key for key in _boosted(catalog, third) if "Tent" in catalog[key]["name"]]
    assert (
        saw["next"] == tents[:PER_PAGE] != [key for key in _plain(catalog) if "Tent" in catalog[key]["name"]][:PER_PAGE]
    )
    assert [one["inTime"] for one in saw["experiences"]] == [False, True]
    assert saw["warned"] == []


def _closed() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("status", [0, 503, 429, 403])
def test_search_goes_on_while_the_api_fails(visit, serving, algolia: MockAlgolia, catalog, status: int) -> None:
    words = ["t", "te", "ten", "tent"]
    with serving() as api:
        api.status = status
        query = {**PATIENT, "public": PUBLIC_KEY, "api": api.url if status else _closed(), "module": api.url}
        trouble = (str(status) if status else "ERR_CONNECTION_REFUSED",)
        saw = visit(
            "personal.failing", expected_trouble=trouble, query=query, known=_choice(), words=words, pause=1_000
        )
    assert saw["found"][0] == _plain(catalog)[:PER_PAGE]
    assert saw["found"][-1] == [key for key in _plain(catalog) if "Lamp" in catalog[key]["name"]][:PER_PAGE]
    assert len(_searches(algolia)) == 1 + len(words) + 1
    assert not any("optionalFilters" in asked for asked in _searches(algolia))
    if status:
        tries = 2 if status == 403 else 1  # a token that opens nothing is replaced once
        assert len(api.questions()) == 2 * tries, "once, and once more when the pause was over"
    assert len(saw["warned"]) == 1


@pytest.mark.parametrize("comes", [True, False], ids=["late", "never"])
def test_a_page_need_not_wait_for_the_module(visit, serving, algolia: MockAlgolia, catalog, comes: bool) -> None:
    trouble = () if comes else ("ERR_CONNECTION_REFUSED",)
    with serving() as api:
        query = {**PATIENT, "public": PUBLIC_KEY, "api": api.url if comes else _closed()}
        saw = visit("personal.later", expected_trouble=trouble, query=query, known=_choice(), word="tent")
    first, second = _searches(algolia)
    assert saw["first"] == _plain(catalog)[:PER_PAGE]
    assert ("optionalFilters" in first, "optionalFilters" in second) == (False, comes)
    order = _boosted(catalog, second) if comes else _plain(catalog)
    assert saw["next"] == [key for key in order if "Tent" in catalog[key]["name"]][:PER_PAGE]


def test_a_refused_question_is_no_outage(visit, serving, algolia: MockAlgolia) -> None:
    with serving() as api:
        api.status = 400
        query = {**PATIENT, "public": PUBLIC_KEY, "api": api.url}
        saw = visit("personal.failing", expected_trouble=("400",), query=query, known=_choice(), words=["t"], pause=0)
    assert len(api.questions()) == len(_searches(algolia)) == 3
    assert len(saw["warned"]) == 1


def test_the_toggle_turns_it_off_and_on(visit, serving, algolia: MockAlgolia, catalog, tmp_path) -> None:
    picture = tmp_path / "off.png"
    with serving() as api:
        query = {**PATIENT, "visitor": _key(FAN), "api": api.url}
        saw = visit("personal.toggling", query=query, known={"choice": "for_you"}, picture=str(picture))
        told = [body for path, body in api.asked if path == "/v1/consent"]
        events = api.events()
    on, off, back = _searches(algolia)
    assert saw["on"] == saw["back"] == _boosted(catalog, on)[:PER_PAGE]
    assert saw["off"] == _plain(catalog)[:PER_PAGE]
    assert on["optionalFilters"] == back["optionalFilters"]
    assert off["enablePersonalization"] is False
    assert off["userToken"] != FAN
    assert [choice["consent"] for choice in told] == ["not_personalized", "for_you"]
    assert saw["without"]["userToken"] is None
    assert saw["without"]["stored"] == {"choice": "not_personalized"}
    assert not any("Click" in event["eventName"] or "Purchase" in event["eventName"] for event in events)
    assert {event.name for event in algolia.events if event.type != "instantsearch"} == {"Hits Viewed"}
    assert picture.stat().st_size > 10_000


def test_a_withdrawn_token_is_gone_once_the_api_knows(visit, serving, algolia: MockAlgolia, catalog) -> None:
    with serving() as api:
        saw = visit("personal.toggling", query={**PATIENT, "public": PUBLIC_KEY, "api": api.url}, known=_choice())
        off, on = [body for path, body in api.asked if path == "/v1/consent"]
    assert off == {"userToken": FAN, "consent": "not_personalized", "source": "storefront"}
    assert saw["without"]["stored"] == {"choice": "not_personalized"}
    assert saw["stored"]["token"] == on["userToken"] != FAN
    assert saw["back"] == _plain(catalog)[:PER_PAGE], "she begins anew"
    assert not any(FAN in json.dumps(asked) for asked in _searches(algolia)[1:])


@pytest.mark.parametrize("closing", [False, True], ids=["stays", "leaves"])
@pytest.mark.parametrize("way", ["public", "visitor"])
def test_events_go_to_insights_and_a_copy_here(visit, serving, algolia, way: str, closing: bool) -> None:
    with serving() as api:
        query = {**PATIENT, way: PUBLIC_KEY if way == "public" else _key(FAN), "api": api.url}
        # A request that outlives its page is told as aborted; the style sheet in its place has no icon.
        left = ("ERR_ABORTED", "favicon", "404") if closing else ()
        saw = visit("personal.events", expected_trouble=left, query=query, known=_choice(), closing=closing)
    # The server has ended, so that everything that was sent has arrived.
    here = {event["eventName"]: event for event in api.events()}
    there = {event.name: event for event in algolia.events if event.type != "instantsearch"}
    assert set(there) == {"Hits Viewed", "Product Clicked", "Product Purchased", "Hit Clicked"}
    assert set(there) == set(here)
    assert here["Product Clicked"]["objectIDs"] == [saw["hits"][1]]
    assert here["Product Clicked"]["positions"] == [2]
    assert here["Product Clicked"]["queryID"] == there["Product Clicked"].sent["queryID"]
    bought = here["Product Purchased"]
    assert (bought["eventSubtype"], bought["orderID"], bought["consent"]) == ("purchase", "order-1", "for_you")
    assert not {"orderID", "consent", "eventID"} & set(there["Product Purchased"].sent)
    assert {event["userToken"] for event in here.values()} == {FAN} == {event.user_token for event in there.values()}


def test_a_login_is_another_visitor_until_the_logout(visit, serving, algolia, catalog) -> None:
    with serving() as api:
        query = {**PATIENT, "public": PUBLIC_KEY, "api": api.url}
        saw = visit("personal.account", query=query, known=_choice(NEWCOMER), key=_key(CUSTOMER))
        seen = [event for event in api.events() if event["eventName"] == "Seen"]
    assert saw["out"] == _plain(catalog)[:PER_PAGE]
    assert saw["back"] == _boosted(catalog, _searches(algolia)[1])[:PER_PAGE]
    assert {catalog[key]["brand"] for key in saw["back"]} == {"Halden"}
    assert saw["left"] == saw["out"]
    assert saw["userToken"] not in {NEWCOMER, CUSTOMER}
    assert [(event["userToken"], event["authenticatedUserToken"]) for event in seen] == [(NEWCOMER, CUSTOMER)]


def test_who_is_known_before_the_first_search_costs_none(visit, serving, algolia: MockAlgolia, catalog) -> None:
    with serving() as api:
        query = {**PATIENT, "public": PUBLIC_KEY, "api": api.url, "account": _key(CUSTOMER)}
        saw = visit("personal.look", query=query, known=_choice(NEWCOMER))
    assert {catalog[key]["brand"] for key in saw["first"]} == {"Halden"}
    assert saw["userToken"] == CUSTOMER
    assert len(_searches(algolia)) == 2, "the page and page 2"
    assert len(api.questions()) == 1


def test_a_key_that_ran_out_is_fetched_again(visit, serving, algolia: MockAlgolia, catalog) -> None:
    with serving() as api:
        query = {**PATIENT, "visitor": f"{_key(FAN, hours=2)},{_key(FAN)}", "api": api.url}
        saw = visit("personal.look", expected_trouble=("401",), query=query, known={"choice": "for_you"})
    assert saw["first"] == _boosted(catalog, _searches(algolia)[0])[:PER_PAGE]
    assert saw["warned"] == []
    assert len(api.questions()) == 2


def test_without_a_key_that_holds_search_goes_on(visit, serving, catalog) -> None:
    with serving() as api:
        query = {**PATIENT, "visitor": _key(FAN, hours=2), "api": api.url}
        saw = visit("personal.look", expected_trouble=("401",), query=query, known={"choice": "for_you"})
    assert saw["first"] == _plain(catalog)[:PER_PAGE]
    assert len(saw["warned"]) == 1


def test_a_token_that_an_account_has_taken_is_replaced(visit, serving, catalog) -> None:
    with serving() as api:
        query = {**PATIENT, "public": PUBLIC_KEY, "api": api.url}
        saw = visit("personal.look", expected_trouble=("403",), query=query, known=_choice(LINKED))
        asked = [question["userToken"] for question in api.questions()]
    assert asked == [LINKED, saw["userToken"]]
    assert saw["stored"]["token"] == saw["userToken"] != LINKED
    assert saw["first"] == _plain(catalog)[:PER_PAGE], "nothing of the account is shown"
    assert saw["warned"] == []


def test_a_message_that_was_seen_is_counted(visit, serving) -> None:
    with serving() as api:
        query = {**PATIENT, "public": PUBLIC_KEY, "api": api.url}
        # Events that are sent as the page is loaded again are told as aborted.
        saw = visit("personal.messages", expected_trouble=("ERR_ABORTED",), query=query, known=_choice())
        told = [body for path, body in api.asked if path == "/v1/impressions"]
    assert (saw["first"], saw["second"]) == ("Welcome back", ""), "once a day is its cap"
    assert told == [{"userToken": FAN, "action": "welcome"}]


def test_recommendations_and_other_indices(visit, serving, algolia: MockAlgolia, tmp_path) -> None:
    picture = tmp_path / "product.png"
    with serving() as api:
        query = {**PATIENT, "public": PUBLIC_KEY, "api": api.url, "product": "p-01"}
        saw = visit("personal.recommended", query=query, known=_choice(), picture=str(picture))
    [request] = [made for made in algolia.requests if made.path.endswith("/recommendations")]
    [asked] = request.json()["requests"]
    assert asked["queryParameters"]["filters"] == "brand:Vireo OR brand:Halden"
    assert any("brand:Vireo" in text for text in asked["queryParameters"]["optionalFilters"][0])
    assert "fallbackParameters" not in asked
    assert len(saw["related"]) == 4
    [search] = [made for made in algolia.requests if made.path.endswith("/queries")]
    products, articles = search.json()["requests"]
    assert "optionalFilters" in products
    assert "optionalFilters" not in articles
    assert len(api.questions()) == 1
    assert picture.stat().st_size > 10_000


OURS = {
    "optionalFilters": [["brand:Vireo<score=2000>", "brand:Halden<score=5>"]],
    "ruleContexts": ["seg-1", "seg-2"],
    "userToken": FAN,
    "enablePersonalization": False,
    "analyticsTags": ["algosync-personalized"],
    "filters": "in_stock:true AND (a:1 OR b:2)",
}
OWN = (
    {},
    {"query": "tent", "optionalFilters": "brand:Halden", "ruleContexts": ["page", "seg-1"], "analyticsTags": []},
    {"optionalFilters": ["brand:x", ["brand:Vireo<score=2000>", "brand:Halden<score=5>"]], "userToken": "page-1"},
    {"ruleContexts": [f"own-{number}" for number in range(12)], "enablePersonalization": True},
    {"ruleContexts": [f"own-{number}" for number in range(9)], "filters": "c:3 OR d:4"},
    {"filters": "in_stock:true AND price > 3"},
    {"filters": 'name:"this OR that" AND (x:1 OR y:2)'},
)
IDS = ("", "abc", "==", "=", "a b", "ä", "a" * 128, "a" * 129, "ä" * 60, "x@example.com", "==abc", "日本語", "\0")


def test_pages_and_backends_merge_alike_and_make_the_same_ids(run, tmp_path) -> None:
    module = tmp_path / "algosync.mjs"
    module.write_bytes(squeezed(source()))
    cases = [[own, ours] for own in OWN for ours in (OURS, {})]
    made = run("personal.pure", path=str(module), cases=cases, tokens=list(IDS))
    assert made["merged"] == [search_parameters(own, ours) for own, ours in cases]
    assert made["safe"] == [safe(value) for value in IDS]


@pytest.mark.parametrize("readable", [True, False], ids=["full", "blocked"])
def test_without_storage_a_page_remembers_by_itself(run, tmp_path, readable: bool) -> None:
    module = tmp_path / "algosync.mjs"
    module.write_bytes(squeezed(source()))
    made = run("personal.unstored", path=str(module), readable=readable)
    first, second, told = made["asked"]
    assert first == second == told
    assert first is not None
    assert made["consent"] == "not_personalized"
