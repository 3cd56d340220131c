"""Who gets what, on which page: the article's table row by row, and the story of user123, from events to answers."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import product

import orjson
import pytest
from algoliasearch.http.hosts import Host, HostsCollection
from algoliasearch.recommend.client import RecommendClientSync
from algoliasearch.recommend.config import RecommendConfig

from algosync.algolia.client import ReadClient
from algosync.algolia.target import Target
from algosync.demo.story import USER, play
from algosync.errors import StoreError
from algosync.experience.answer import answer
from algosync.experience.question import Known, Question
from algosync.mock.server import MockServer
from algosync.settings.answers import shop_answers
from algosync.settings.load import load
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.stores.state import open_state
from algosync.sync.stages import Silent

pytestmark = pytest.mark.e2e

VISITS, STATES = ("new", "returning"), ("visitor", "user", "buyer")
# What somebody did: looked at a lamp; at a phone, which makes her one of `phones`; at enough to be known.
EVIDENCE = {"glimpse": ["lamp-1"], "group": ["phone-1"], "known": ["phone-1", "phone-3", "phone-5", "phone-6"]}

PAGES = {
    "home": {"where": "home"},
    "product": {"where": "product", "object_id": "book-4"},
    "search": {"where": "search", "query": "smart phone"},
    "category": {"where": "category:Phones"},
}

# The article: content for those of whom too little is known, new or returning; segments for those in one; one-to-one
# for those who are ready, which a rich first session makes a new visitor too.
STRATEGY = {"glimpse": "content", "group": "segment", "known": "one-to-one"}
LISTS = {
    "home": {"popular", "editors"},
    "product": {"related", "bought_together", "similar"},
    "search": {"popular"},
    "category": {"popular"},
}


class Answers:
    """Answers of a shop, from the snapshot where it lies."""

    def __init__(self, config, state, now):
        self.state, self.now = state, now
        self.shop = shop_answers(load(config), config.parent)

    @contextmanager
    def view(self):
        with open_state("sqlite", self.state, create=False, book=SNAPSHOT) as opened, Snapshot(opened).view() as view:
            yield view

    def ask(self, token, *, now=None, choice=None, impressions=None, **question):
        with self.view() as view:
            known = Known(person=view.person(token), choice=choice, impressions=impressions or {})
            asked = Question(user_token=token, **question)
            return answer(asked, known, self.shop, view, now=now or self.now).document()


def _name(visit, state, evidence):
    return f"{visit}-{state}-{evidence}"


@pytest.fixture
def recommend(server):
    config = RecommendConfig("MOCKAPP", "mock-storefront")
    config.hosts = HostsCollection([Host(url="127.0.0.1", scheme="http", port=server.port)])
    config.proxies = None
    client = RecommendClientSync.create_with_config(config)

    def names(model, **more):
        request = {"indexName": "products", "model": model, "threshold": 0, **more}
        [found] = client.get_recommendations({"requests": [request]}).results
        return [hit.actual_instance.object_id for hit in found.hits]

    yield names
    client.close()


@pytest.fixture
def table(small):
    """The small shop with one person for each row of the table, synced a minute after the last of them acted."""
    day = {"new": "2026-11-23T11", "returning": "2026-11-21T09"}
    rows = []
    for visit, state, (evidence, products) in product(VISITS, STATES, EVIDENCE.items()):
        who = _name(visit, state, evidence)
        row = {"who": who, "customer": None if state == "visitor" else f"account-{who}"}
        for minute, item in enumerate(products):
            bought = state == "buyer" and minute == len(products) - 1
            more = {"order": f"order-{who}", "price": 60, "quantity": 1} if bought else {}
            what = "purchase" if bought else "view"
            rows.append({**row, "at": f"{day[visit]}:{50 + minute}:00Z", "what": what, "product": item, **more})
    small.events(rows)
    small.now = datetime(2026, 11, 23, 11, 55, tzinfo=UTC)
    small.configure(state={"as_of": "clock"}, content={"curated": {"editors": ["book-8", "lamp-4"]}})
    small.sync()
    return small


def test_the_table_of_who_gets_what(table):
    answers = Answers(table.config, table.state, table.now)
    for visit, state, evidence in product(VISITS, STATES, EVIDENCE):
        for page, question in PAGES.items():
            row = f"{visit} {state}, {evidence}, {page}"
            got = answers.ask(_name(visit, state, evidence), **question)
            strategy = STRATEGY[evidence]
            assert got["strategy"] == strategy, row
            assert got["visitor"] == {"visit": visit, "state": state}, row
            assert LISTS[page] <= got["content"].keys(), row
            assert ("popular_in_segment" in got["content"]) == (page == "home" and strategy != "content"), row
            assert bool(got["segments"]) == (strategy != "content"), row
            facets = {text.partition(":")[0] for group in got["search"].get("optionalFilters", ()) for text in group}
            expected = {"content": set(), "segment": {"brand"}, "one-to-one": {"brand", "categories"}}[strategy]
            assert expected <= facets, row
            assert ("categories" in facets) == (strategy == "one-to-one"), row
            hits = table.search(query=question.get("query", ""), **got["search"])
            if strategy == "one-to-one" and page in ("home", "category"):
                assert hits[0].startswith("phone-"), row


def test_whoever_nobody_knows_gets_content_on_every_page(table):
    answers = Answers(table.config, table.state, table.now)
    for page, question in PAGES.items():
        got = answers.ask("9f3b6f0e-stranger", **question)
        assert (got["strategy"], got["reason"]) == ("content", "nothing is known of this visitor")
        assert got["visitor"] == {"visit": "new", "state": "visitor"}
        assert (got["search"], got["segments"], got["actions"]) == ({}, [], [])
        assert got["content"].keys() == LISTS[page]
    assert answers.ask("stranger", where="home")["content"]["editors"] == ["book-8", "lamp-4"]
    assert all(
        item.startswith("phone-") for item in answers.ask("stranger", where="category:Phones")["content"]["popular"]
    )


def test_reasons_are_numbers(table):
    answers = Answers(table.config, table.state, table.now)
    asked = {name: answers.ask(_name("new", "visitor", name), where="home")["reason"] for name in EVIDENCE}
    assert asked["glimpse"].startswith("not ready: 1 of 3 distinct products, ")
    assert asked["glimpse"].endswith("0 of 60 s and 1 of 2 sessions; in no segment")
    assert asked["group"].endswith("; in 1 segment")
    assert asked["known"].startswith("ready: 4 distinct products, ")


def test_the_session_ends_by_itself(table):
    answers = Answers(table.config, table.state, table.now)
    token = _name("new", "visitor", "known")
    at = [answers.ask(token, now=table.now + timedelta(minutes=m))["visitor"]["visit"] for m in (0, 20, 40)]
    assert at == ["new", "new", "returning"]


def test_consent_and_holdout_take_everything_personal_away(table):
    answers = Answers(table.config, table.state, table.now)
    token = _name("returning", "buyer", "known")
    plain = {"enablePersonalization": False}
    for chosen in ({"consent": "not_personalized"}, {"choice": "not_personalized"}):
        got = answers.ask(token, where="home", **chosen)
        assert (got["strategy"], got["search"], got["segments"]) == ("content", plain, [])
        assert got["visitor"] == {"visit": None, "state": None}
        assert token not in orjson.dumps(got).decode()
    assert answers.ask(token, where="home", choice="not_personalized", consent="for_you")["strategy"] == "one-to-one"

    table.configure(rollout={"users": "0%"})
    got = Answers(table.config, table.state, table.now).ask(token, where="home")
    assert (got["strategy"], got["holdout"]) == ("content", True)
    assert got["search"] == {"analyticsTags": ["algosync-holdout"]}
    assert "100 % of visitors" in got["reason"]


def test_user123(tmp_path):
    """On the first visit the sign-up offer and the books, on the second free shipping and the books."""
    fired = []
    with MockServer() as server:
        target = Target(app_id=server.algolia.app_id, hosts=(server.url,))
        folder = tmp_path / "story"

        def look(moment):
            now = datetime.fromisoformat(moment.step.at).replace(tzinfo=UTC) + timedelta(minutes=1)
            answers = Answers(folder / "algosync.toml", folder / "state", now)
            pages = {page: answers.ask(USER, where=page) for page in ("home", "category:Books", "search")}
            fired.append({page: [action["id"] for action in got["actions"]] for page, got in pages.items()})
            asked = {"query": "", "facetFilters": ["category:Books"], **pages["category:Books"]["search"]}
            with ReadClient(target, "mock-read") as client:
                hits = client.search("products_story", asked)["hits"]
            assert [hit["objectID"] for hit in hits][:3] == ["product234", "product236", "product238"]

        play(folder, target, Silent(), look)
    books, offer, shipping = "3-cheap-books-first", "1-signup-discount", "2-free-shipping"
    expected = [[books], [offer, books], [offer, books], [offer, books], [shipping, books]]
    assert [at["home"] for at in fired] == expected
    assert [at["category:Books"] for at in fired] == expected


def test_a_reader_never_sees_half_a_generation(small):
    """People, lists and notes change in one transaction: whoever looks meanwhile sees all of it or nothing."""
    small.sync()
    answers = Answers(small.config, small.state, small.now)
    seen, done = set(), threading.Event()

    def look():
        while not done.is_set():
            with answers.view() as view:
                top = tuple(view.top("popular:category", "Home"))
                seen.add((view.generation, view.person("latecomer") is not None, "lamp-4" in top))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        small.events([{"at": "2026-11-20T10:00:00Z", "who": "latecomer", "what": "view", "product": "lamp-4"}])
        small.sync()
    finally:
        done.set()
        reader.join()
    look_again = {(1, False, False), (2, True, True)}
    assert seen <= look_again
    with answers.view() as view:
        assert (view.generation, "lamp-4" in view.top("popular:category", "Home")) == (2, True)


def test_a_second_sync_writes_nothing(synced):
    answers = Answers(synced.config, synced.state, synced.now)
    with answers.view() as view:
        before = view.about
    synced.sync()
    with answers.view() as view:
        assert view.about == before


def test_a_snapshot_of_an_older_version_is_refused_and_brought_up_to_date_by_a_sync(synced):
    path = synced.state / "snapshot.sqlite"
    with sqlite3.connect(path) as connection:
        for table in ("shelf", "tallies", "standings", "entered"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DELETE FROM snapshot_meta WHERE key LIKE '%_mark%'")
        connection.execute("UPDATE snapshot_meta SET value = '1' WHERE key = 'schema'")
    connection.close()
    answers = Answers(synced.config, synced.state, synced.now)
    with pytest.raises(StoreError, match="schema version 1, this program knows 3") as error, answers.view():
        pass
    assert "algosync sync" in (error.value.hint or "")
    synced.sync()
    assert answers.ask("reader-1", where="home")["content"]["popular"][0] == "book-4"


@pytest.mark.parametrize("merging", ["first", "merge"])
def test_a_segment_with_a_rule_is_boosted_once_however_algolia_merges(synced, merging):
    synced.algolia.rules_merge = merging
    got = Answers(synced.config, synced.state, synced.now).ask("reader-1", where="category:Books")
    assert "ruleContexts" not in got["search"]
    [first, *_] = _ranked(synced, got["search"])
    best = {"algosync.boosts": 2000, "brand": 2000, "categories": 1200, "algosync.price_band": 800}
    assert first["_rankingInfo"]["filters"] == sum(best.values())

    synced.configure(push={"rules": False})
    got = Answers(synced.config, synced.state, synced.now).ask("reader-1", where="category:Books")
    assert got["search"]["ruleContexts"] == ["algosync-segment2"]


def _ranked(shop, params):
    with ReadClient(Target(app_id="MOCKAPP", hosts=(shop.server.url,)), "mock-storefront") as client:
        return client.search("products", {"query": "", "getRankingInfo": True, **params})["hits"]


def test_recommend_shows_what_may_be_sold_and_her_own_first(small, recommend):
    records = [{**record, "in_stock": name != "book-7"} for name, record in small.records().items()]
    declared = ["brand", "categories", "in_stock", "algosync.price_band", "algosync.boosts"]
    small.feed(records, settings={"attributesForFaceting": declared})
    small.sync()
    small.configure(catalog={"available": "in_stock:true"})
    answers = Answers(small.config, small.state, small.now)
    known, stranger = (
        answers.ask(token, where="product", object_id="book-1")["recommend"] for token in ("reader-1", "stranger")
    )
    assert known["queryParameters"]["filters"] == 'in_stock:"true"'
    assert stranger == {name: {"filters": 'in_stock:"true"'} for name in ("queryParameters", "fallbackParameters")}
    plain = recommend("related-products", objectID="book-1")
    sold = recommend("related-products", objectID="book-1", queryParameters=stranger["queryParameters"])
    hers = recommend("related-products", objectID="book-1", queryParameters=known["queryParameters"])
    assert "book-7" in plain
    assert sold == [name for name in plain if name != "book-7"]
    assert sorted(hers) == sorted(sold)
    assert hers[0] == "book-4"  # House 1, $10-25: the one that she bought
    fallen = recommend("related-products", objectID="book-1", maxRecommendations=10, **known)
    assert "book-7" not in fallen
