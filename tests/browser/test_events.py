"""What a visitor does in a shop reaches the Insights API, through InstantSearch.js and search-insights alone."""

from __future__ import annotations

import pytest

from algosync.mock.server import MockAlgolia

pytestmark = pytest.mark.browser


def test_insights_events_arrive(visit, algolia: MockAlgolia) -> None:
    saw = visit("events.events", user="visitor-7", word="lamp")
    assert len(saw["queryID"]) == 32
    assert "clickAnalytics=true" in saw["params"]
    assert "userToken=visitor-7" in saw["params"]
    events = [event for event in algolia.events.of_user("visitor-7") if event.type != "instantsearch"]
    assert {event.user_token for event in algolia.events} == {"visitor-7"}
    views = [_told(event) for event in events if event.type == "view"]
    assert views[-1] == ("view", None, "Hits Viewed", tuple(saw["hits"]))
    first, second = saw["hits"][:2]
    assert [_told(event) for event in events if event.type != "view"] == [
        ("click", None, "Product Clicked", (second,)),
        ("conversion", "addToCart", "Product Added To Cart", (first,)),
        ("click", None, "Hit Clicked", (first,)),  # of InstantSearch itself, for the button inside the hit
        ("conversion", "purchase", "Product Purchased", (first,)),
    ]
    click, added, _, bought = (event.sent for event in events if event.type != "view")
    assert (click["queryID"], click["positions"]) == (saw["queryID"], [2])
    assert added["queryID"] == saw["queryID"]
    assert [data["queryID"] for data in bought["objectData"]] == [saw["queryID"]]


def test_insights_of_an_unknown_visitor(visit, algolia: MockAlgolia) -> None:
    visit("events.events", word="tent")
    [token] = {event.user_token for event in algolia.events}
    assert token.startswith("anonymous-")


KINDS = {
    "clickedObjectIDs": ("click", None),
    "clickedObjectIDsAfterSearch": ("click", None),
    "clickedFilters": ("click", None),
    "convertedObjectIDs": ("conversion", None),
    "convertedObjectIDsAfterSearch": ("conversion", None),
    "convertedFilters": ("conversion", None),
    "addedToCartObjectIDs": ("conversion", "addToCart"),
    "addedToCartObjectIDsAfterSearch": ("conversion", "addToCart"),
    "purchasedObjectIDs": ("conversion", "purchase"),
    "purchasedObjectIDsAfterSearch": ("conversion", "purchase"),
    "viewedObjectIDs": ("view", None),
    "viewedFilters": ("view", None),
}


@pytest.mark.parametrize("beacon", [True, False], ids=["sendBeacon", "XMLHttpRequest"])
def test_every_kind_of_event(visit, algolia: MockAlgolia, beacon: bool) -> None:
    saw = visit("events.methods", user="visitor-5", beacon=beacon, queryID="43b15df305339e827f0ac0bdc5ebcaa7")
    assert saw["names"] == list(KINDS)
    taken = {event.name: event for event in algolia.events if event.name in KINDS}
    assert {name: (event.type, event.subtype) for name, event in taken.items()} == KINDS
    for name, event in taken.items():
        assert event.index == "products"
        assert event.is_of("visitor-5")
        assert event.is_of("customer-1")
        about = ("brand%3AKestrel", "categories.lvl1%3AOutdoor%20%3E%20Tents")  # encoded by search-insights
        assert (event.object_ids, event.filters) == (((), about) if "Filters" in name else (("p-03", "p-04"), ()))


def test_a_profile_from_the_facets_that_a_visitor_chose(visit, shop, algolia: MockAlgolia) -> None:
    strategy = {
        "eventsScoring": [{"score": 10, "eventName": "Filter Applied", "eventType": "click"}],
        "facetsScoring": [{"score": 100, "facetName": "brand"}, {"score": 50, "facetName": "in_stock"}],
        "personalizationImpact": 50,
    }
    shop.ask("POST", "strategies/personalization", strategy)
    visit("storefront.refine", brand="Kestrel", other="Pomona", least=60)
    [token] = {event.user_token for event in algolia.events}
    scores = shop.ask("GET", f"profiles/personalization/{token}")["scores"]
    assert set(scores["brand"]) == {"Kestrel", "Pomona"}
    assert set(scores["in_stock"]) == {"true"}


def _told(event) -> tuple[str, str | None, str, tuple[str, ...]]:
    return event.type, event.subtype, event.name, event.object_ids
