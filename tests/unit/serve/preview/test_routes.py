"""The preview over HTTP: who gets in, what a page shows, and that every mistake is a page that tells nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from algosync.errors import AlgoliaUnavailableError, RequestError, StoreError
from algosync.serve.preview.session import COOKIE
from algosync.stores.inbox import Collected

PAGES = ("/preview", "/preview/overview")
SECRET = "the shop's own key, of 32 characters"


def _is_page(response: Any, status: int) -> str:
    """A whole page, which nobody may keep or frame."""
    assert response.status_code == status, response.text
    text: str = response.text
    assert text.startswith("<!doctype html>")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-frame-options"] == "DENY"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "style=" not in text, "the policy forbids it"
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert "Traceback" not in text
    assert SECRET not in text
    return text


@pytest.mark.parametrize("path", PAGES)
def test_without_a_session_one_is_sent_to_the_door(browser: Any, path: str) -> None:
    response = browser.get(path)
    assert (response.status_code, response.headers["location"]) == (303, "/preview/login")
    assert "Admin key" in _is_page(browser.get("/preview/login"), 200)


def test_the_key_opens_and_is_not_kept(browser: Any) -> None:
    response = browser.log_in()
    assert (response.status_code, response.headers["location"]) == (303, "/preview")
    assert SECRET not in response.headers["set-cookie"]
    assert "Show results" in _is_page(browser.get(), 200)
    assert browser.send("/preview/logout").headers["location"] == "/preview/login"
    assert COOKIE not in browser.cookies
    assert browser.get().status_code == 303


@pytest.mark.parametrize("key", ["", "another-key", "public-storefront", "a.b.c", "ä" * 100], ids=str)
def test_other_keys_open_nothing(browser: Any, key: str) -> None:
    with capture_logs() as logs:
        text = _is_page(browser.log_in(key), 403)
    assert "not the admin key" in text
    assert key not in repr(logs) or not key
    assert COOKIE not in browser.cookies


def test_keys_cannot_be_tried_for_long(browser: Any) -> None:
    for _ in range(5):
        browser.log_in("wrong")
    response = browser.log_in()
    assert "too many requests" in _is_page(response, 429)
    assert int(response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", PAGES)
def test_a_session_that_ended_asks_for_the_key_again(inside: Any, world: Any, later: timedelta, path: str) -> None:
    world.now += later
    assert "The session has ended. Log in again." in _is_page(inside.get(path), 401)
    assert COOKIE not in inside.cookies


def test_a_forged_cookie_opens_nothing(inside: Any) -> None:
    held = inside.cookies[COOKIE]
    inside.cookies.clear()
    inside.cookies.set(COOKIE, held[:-4] + "AAAA", domain="api.example", path="/preview")
    assert "not one of ours" in _is_page(inside.get(), 401)


def test_another_site_posts_in_vain(inside: Any, world: Any) -> None:
    for path in ("/preview", "/preview/login", "/preview/logout", "/preview/events"):
        response = inside.post(path, headers={"origin": "https://evil.example"}, user="ann", key=SECRET)
        assert "sent by another site" in _is_page(response, 403)
    assert "another session" in _is_page(inside.post(user="ann"), 403)
    assert world.explained == []


def test_names_do_not_belong_into_urls(inside: Any) -> None:
    text = _is_page(inside.get("/preview?user=ann-the-customer"), 400)
    assert "ann-the-customer" not in text


def test_forms_are_read_with_care(inside: Any) -> None:
    assert "too large" in _is_page(inside.post(user="x" * 200_000), 413)
    many = {f"field{n}": "x" for n in range(40)}
    assert "cannot be read" in _is_page(inside.post(**many), 400)
    response = inside._ask("POST", "/preview", json={"user": "ann"})
    assert "is no form" in _is_page(response, 415)


def test_somebody_is_looked_at(inside: Any, world: Any) -> None:
    text = _is_page(inside.send(user="ann", query="shoe", index="shoes"), 200)
    (asked,) = world.explained
    assert (asked.user, asked.question.where, asked.question.query) == ("ann", "search", "shoe")
    assert [(index, query, sorted(params)) for index, query, params in world.searched] == [
        ("shoes", "shoe", []),
        ("shoes", "shoe", ["optionalFilters"]),
    ]
    assert "up 1, was 2" in text
    assert "brand: A <b>+2,000</b>" in text
    assert 'value="ann"' in text
    assert 'value="shoe"' in text


def test_what_comes_from_elsewhere_is_escaped(inside: Any) -> None:
    text = _is_page(inside.send(user="ann", query='"><script>alert(1)</script>'), 200)
    for raw in ("<script>alert", "<img", "<b>\n", "Fans & <"):
        assert raw not in text
    assert text.count("<script") == 1
    assert "&lt;img src=x&gt;" in text
    assert "Fans &amp; &lt;friends&gt;" in text


def test_a_category_page_shows_its_category(inside: Any, world: Any) -> None:
    _is_page(inside.send(user="ann", where="category", category="A", query="left over"), 200)
    assert world.explained[0].question.where == "category:A"
    assert [(query, params["facetFilters"]) for _, query, params in world.searched] == [("", ["brand:A"])] * 2


def test_an_unknown_user_gets_what_a_new_one_gets(inside: Any) -> None:
    text = _is_page(inside.send(user="nobody-here", query=""), 200)
    assert "Nothing is known of this visitor" in text
    assert "same products in the same order" in text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"user": "ann", "segment": '{\n"a": }'}, "segment draft, line 2 column 6"),
        ({"user": "ann", "action": "[1]"}, "action draft"),
        ({"segment": '{"a": {"when": {"affinity": {"facet": "nope", "value": "x"}}}}'}, "a.when.affinity.facet"),
        ({"user": "ann", "action": '{"broken": {}}'}, "broken.when"),
        ({"user": "white space"}, "userToken"),
        ({"user": "ann", "query": "x" * 513}, "at most 512"),
        ({"persona": "segment:gone"}, "is no segment"),
        ({}, "nobody is chosen"),
    ],
    ids=["json", "no object", "segment", "action", "token", "query", "persona", "nobody"],
)
def test_a_mistake_is_told_beside_what_was_typed(inside: Any, fields: dict[str, str], told: str) -> None:
    response = inside.send(**fields)
    text = _is_page(response, response.status_code)
    assert response.status_code in {400, 422}
    assert told in text
    assert 'role="alert"' in text
    assert 'id="results"' not in text


def test_a_draft_segment_is_tried_as_anybody(inside: Any, world: Any) -> None:
    text = _is_page(inside.send(segment='{"when": {"affinity": {"facet": "brand", "value": "A"}}}'), 200)
    assert "anybody in the draft segment" in text
    assert world.explained == []
    assert 'id="events"' not in text


def test_personas_are_those_who_may_be_personalized(inside: Any) -> None:
    text = inside.get().text
    assert 'value="ann"' in text
    assert "bob" not in text
    assert 'value="segment:fans"' in text


def test_algolia_out_of_reach_is_said_and_the_rest_holds(inside: Any, world: Any) -> None:
    world.search_trouble = AlgoliaUnavailableError("no connection (refused)", where="index at http://10.0.0.1:8108")
    text = _is_page(inside.send(user="ann"), 502)
    assert "Algolia cannot be searched: no connection (refused)" in text
    assert "10.0.0.1" not in text
    assert "not declared" in text


def test_no_snapshot_yet_is_said_with_what_to_do(inside: Any, world: Any) -> None:
    world.trouble = RequestError("there is no snapshot yet", hint="Run `algosync sync`", status=503, retry_after_s=5)
    for path in PAGES:
        response = inside.get(path)
        assert "algosync sync" in _is_page(response, 503)
        assert response.headers["retry-after"] == "5"


def test_stores_out_of_order_tell_nothing(inside: Any, world: Any) -> None:
    world.trouble = StoreError("the disk of /var/lib/shop is broken")
    with capture_logs() as logs:
        text = _is_page(inside.get(), 503)
    assert "/var/lib" not in text
    assert "/var/lib/shop" in repr(logs)


def test_the_overview_has_its_numbers_in_tables(inside: Any, world: Any) -> None:
    text = _is_page(inside.get("/preview/overview"), 200)
    for shown in ("1,200", "25.0 %", "1.0 %", "50.00", "66.7 %", "25.00 EUR", "Generation 7", "23 Nov 2026, 11:00 UTC"):
        assert shown in text
    assert text.count("<svg") == 5
    world.sums = None
    assert "No overview yet" in _is_page(inside.get("/preview/overview"), 200)


def test_events_as_they_arrive(inside: Any, world: Any) -> None:
    at = int(world.now.timestamp() * 1000)
    event = {"eventType": "conversion", "eventSubtype": "addToCart", "eventName": "<in>", "objectIDs": ["p1", "p2"]}

    def came(seq: int, token: str, minutes: int) -> Collected:
        received = at - minutes * 60_000
        return Collected(seq=seq, id=str(seq), received_ms=received, event={**event, "userToken": token})

    world.collected = [came(1, "ann", 121), came(2, "ann", 60), came(3, "somebody", 5), came(4, "tablet", 1)]
    response = inside.send("/preview/events", user="ann")
    assert response.status_code == 200
    assert response.text.count("<tr>") == 3
    assert response.text.index("11:59:00") < response.text.index("11:00:00")
    assert "addToCart" in response.text
    assert "&lt;in&gt;" in response.text
    assert "p1, p2" in response.text
    assert "None came in" in inside.send("/preview/events", user="else").text
    assert "None came in" in inside.send("/preview/events", persona="segment:fans").text


@pytest.mark.parametrize("name", ["preview.css", "preview.js"])
def test_assets_are_open_and_sent_once(browser: Any, name: str) -> None:
    response = browser.get(f"/preview/assets/{name}")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/")
    again = browser.get(f"/preview/assets/{name}", **{"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["base.html", "..%2Froutes.py", "nothing.css"])
def test_nothing_else_is_an_asset(browser: Any, name: str) -> None:
    assert browser.get(f"/preview/assets/{name}").status_code == 404
