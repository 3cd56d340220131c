"""Events that were sent change the very next answer, over real HTTP, and nobody else's."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from algosync.experience.keys import sign
from algosync.runtime.serving import open_api
from algosync.settings.load import load

pytestmark = pytest.mark.e2e

ADMIN = "the key of the shop's own servers"
PUBLIC = "what every page of the storefront holds"
SECRET = "the secret that visitor keys are signed with"
WEB = {"name": "web", "type": "collector"}
BOOKS = ("book-2", "book-4", "book-6", "book-7", "book-4")
PHONES = ("phone-1", "phone-3", "phone-5", "phone-6", "phone-3", "phone-1")


class Storefront:
    """What a shop's pages do: they send and ask."""

    def __init__(self, shop, url):
        self.shop, self.url = shop, url

    def post(self, path, body, key=ADMIN):
        return httpx.post(f"{self.url}{path}", json=body, headers={"authorization": f"Bearer {key}"})

    def saw(self, who, *products, key=ADMIN, seconds=20, **more):
        """Views, one after the other up to now."""
        first = self.shop.now - timedelta(seconds=seconds * (len(products) - 1))
        events = [
            {
                "eventType": "view",
                "eventName": "Product Viewed",
                "index": "products",
                "userToken": who,
                "objectIDs": [product],
                "timestamp": millis(first + timedelta(seconds=seconds * number)),
                **more,
            }
            for number, product in enumerate(products)
        ]
        answer = self.post("/1/events", {"events": events}, key)
        assert answer.status_code == 200, answer.text

    def asks(self, who, key=ADMIN, **more):
        answer = self.post("/v1/experience", {"userToken": who, "where": "category:Books", **more}, key)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def visitor_key(self, who):
        return sign(who, secrets=[SECRET], valid_for=timedelta(hours=1), now=self.shop.now)


def millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.fixture
def database(request):
    """SQLite, but for the tests that say otherwise."""
    return getattr(request, "param", "sqlite")


@pytest.fixture
def shop(request, small, database):
    url = "sqlite" if database == "sqlite" else request.getfixturevalue("postgresql_url")
    serve = {"admin_key": ADMIN, "public_keys": [PUBLIC], "visitor_secrets": [SECRET]}
    files = small.settings["sources"]
    small.configure(sources=[*files, WEB], state={"as_of": "clock", "url": url}, serve=serve)
    small.configure(related={"kinds": []}, push={"related": False})
    small.sync()
    return small


@pytest.fixture
def storefront(shop, on_loopback):
    with open_api(load(shop.config), shop.folder, clock=lambda: shop.now) as (app, _), on_loopback(app) as port:
        yield Storefront(shop, f"http://127.0.0.1:{port}")


def filters(answer):
    return [text for group in answer["search"].get("optionalFilters", []) for text in group]


def strengths(answer):
    return {text.rsplit("<", 1)[0]: int(text.rsplit("=", 1)[1].rstrip(">")) for text in filters(answer)}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_a_stranger_is_personalized_within_her_first_session_once_she_is_ready(shop, storefront):
    assert storefront.asks("new")["reason"] == "nothing is known of this visitor"
    storefront.saw("new", "lamp-1")
    told = storefront.asks("new")
    assert told["strategy"] == "content"
    short = "not ready: 1 of 3 distinct products, 1 of 3 events, 0 of 60 s and 1 of 2 sessions; in no segment"
    assert told["reason"] == short
    shop.now += timedelta(seconds=100)
    storefront.saw("new", *PHONES)
    told = storefront.asks("new")
    assert (told["strategy"], told["visitor"]) == ("one-to-one", {"visit": "new", "state": "visitor"})
    assert told["reason"] == "ready: 5 distinct products, 10 distinct values, 7 events, 100 s, 1 sessions"
    assert any(text.startswith("categories:Phones") for text in filters(told))
    assert told["segments"]  # of those who look at phones
    assert storefront.asks("other")["strategy"] == "content"

    shop.sync()  # what was laid over is stored now, and says the same
    again = storefront.asks("new")
    assert {**again, "generation": 0} == {**told, "generation": 0}


def test_the_session_wins_where_it_disagrees_with_the_account(shop, storefront, on_loopback):
    """The article's shared account: the profile says the father's books, this session the child's phones."""
    before = storefront.asks("reader-1")
    assert "categories:Books<score=1200>" in filters(before)
    shop.now += timedelta(hours=1)
    storefront.saw("reader-1", "book-4")
    agreeing = filters(storefront.asks("reader-1"))
    assert "categories:Books<score=1200>" in agreeing
    assert not any("Phones" in text for text in agreeing)
    shop.now += timedelta(hours=1)
    storefront.saw("reader-1", *PHONES * 3)
    told = strengths(storefront.asks("reader-1"))
    shop.configure(profiles={"session": {"weight": 0}})
    with open_api(load(shop.config), shop.folder, clock=lambda: shop.now) as (app, _), on_loopback(app) as port:
        unweighed = strengths(Storefront(shop, f"http://127.0.0.1:{port}").asks("reader-1"))
    assert unweighed["categories:Books"] == 1200 > unweighed.get("categories:Phones", 0)
    assert told["categories:Phones"] == 1200
    shop.now += timedelta(minutes=31)
    assert "categories:Books<score=1200>" in filters(storefront.asks("reader-1"))


def test_a_login_joins_what_was_anonymous_and_a_logout_leaves_no_trace(shop, storefront):
    browser = str(uuid4())
    storefront.saw(browser, *PHONES, key=PUBLIC)
    shop.now += timedelta(minutes=1)
    assert any("Phones" in text for text in filters(storefront.asks(browser, key=PUBLIC, where="category:Phones")))
    customer = storefront.visitor_key("reader-1")
    storefront.saw(browser, "book-2", key=customer, authenticatedUserToken="reader-1")
    shop.now += timedelta(minutes=1)
    told = storefront.asks("reader-1", key=customer)
    assert told["visitor"]["state"] == "buyer"
    assert any("Phones" in text for text in filters(told))
    # By the public key the browser opens nothing of the account that it is logged in at.
    refused = storefront.post("/v1/experience", {"userToken": browser}, PUBLIC)
    assert refused.status_code == 403, refused.text
    assert "optionalFilters" not in refused.text

    storefront.saw(browser, "book-2", key=PUBLIC, eventName="logout")
    shop.now += timedelta(minutes=1)
    told = storefront.asks(browser, key=PUBLIC)
    assert (told["strategy"], told["visitor"]) == ("content", {"visit": "new", "state": "visitor"})
    shop.sync()
    told = storefront.asks(browser, key=PUBLIC)
    assert (told["strategy"], told["visitor"]) == ("content", {"visit": "new", "state": "visitor"})
    storefront.saw(browser, "lamp-1", key=PUBLIC)
    assert storefront.asks(browser, key=PUBLIC)["reason"].startswith("not ready: 1 of 3 distinct products")


def test_whoever_withdraws_is_not_personalized_by_the_next_answer(shop, storefront):
    storefront.saw("new", *PHONES)
    shop.now += timedelta(seconds=1)
    assert storefront.asks("new")["strategy"] == "one-to-one"
    assert storefront.post("/v1/consent", {"userToken": "new", "consent": "not_personalized"}).status_code == 200
    assert storefront.asks("new")["strategy"] == "content"


def test_sent_twice_it_counts_once(shop, storefront):
    for _ in range(2):
        storefront.saw("new", "phone-1", eventID="e-1")
    assert "1 of 3 events" in storefront.asks("new")["reason"]
    shop.sync()
    storefront.saw("new", "phone-1", eventID="e-1")
    assert "1 of 3 events" in storefront.asks("new")["reason"]
