"""What visitors see: the order of results before and after, by segment and by person."""

from __future__ import annotations

import pytest

from algosync.algolia.client import ReadClient
from algosync.algolia.target import Target
from algosync.payloads.encode import OpaqueIds

pytestmark = pytest.mark.e2e

HASH_KEY = b"a secret of the shop's own"
CHEAP_BOOKS = {"book-2", "book-3", "book-4", "book-5", "book-6"}  # 10.00 to 25.00, both ends included


def test_the_third_action_puts_exactly_the_books_of_10_to_25_first(synced):
    tagged = {name for name, record in synced.records().items() if (record["algosync"] or {}).get("boosts")}
    assert tagged == CHEAP_BOOKS
    assert all(synced.ours(name)["boosts"] == ["cheap-books-first"] for name in tagged)
    segment = synced.records("algosync_payloads")["segment-segment2"]

    before = synced.search(query="")
    after = synced.search(query="", optionalFilters=segment["optionalFilters"])

    assert set(after[:5]) == CHEAP_BOOKS
    assert after[:5] == [name for name in before if name in CHEAP_BOOKS]
    assert after[5:] == [name for name in before if name not in CHEAP_BOOKS]
    assert before[:5] != after[:5]


@pytest.mark.parametrize("merging", ["first", "merge"])
def test_the_rule_of_a_segment_does_the_same_by_its_context(synced, merging):
    synced.algolia.rules_merge = merging
    segment = synced.records("algosync_payloads")["segment-segment2"]
    by_filters = synced.search(query="", optionalFilters=segment["optionalFilters"])
    assert synced.search(query="", ruleContexts=[segment["ruleContext"]]) == by_filters
    assert synced.search(query="", ruleContexts=["somebody-elses"]) == synced.search(query="")


@pytest.mark.parametrize("merging", ["first", "merge"])
def test_a_persons_filters_reorder_as_their_scores_say(synced, merging):
    synced.algolia.rules_merge = merging
    record = synced.records("algosync_payloads")[OpaqueIds(key=HASH_KEY).token("reader-1")]
    filters = record["optionalFilters"]
    before = synced.search(query="")

    after = synced.search(query="", optionalFilters=filters)

    worth = {name: sum(max(_scores(group, product), default=0) for group in filters) for name, product in _all(synced)}
    assert len(set(worth.values())) > 2
    assert after == sorted(before, key=lambda name: -worth[name])
    assert after != before

    # With the context of her highest segment, its Rule and her own filters meet: either the Rule's alone count, or
    # both do. Which of the two Algolia does is documented nowhere, and neither loses the segment's products.
    both = synced.search(query="", optionalFilters=filters, ruleContexts=record["ruleContexts"])
    if merging == "first":
        assert both == synced.search(query="", ruleContexts=record["ruleContexts"])
    else:
        lifted = {name: worth[name] + 2000 * (name in CHEAP_BOOKS) for name in worth}
        assert both == sorted(before, key=lambda name: -lifted[name])


def test_products_bring_their_related_items(synced):
    book = synced.ours("book-4")
    assert book["bought_together"] == ["lamp-2"]
    assert book["related"][0] == "lamp-2"
    assert "book-4" not in book["similar"]
    with ReadClient(Target(app_id="MOCKAPP", hosts=(synced.server.url,)), "mock-storefront") as visitor:
        (hit,) = visitor.search("products", {"query": "novel number 4", "hitsPerPage": 1})["hits"]
    assert hit["algosync"] == book


def _all(shop):
    return shop.records().items()


def _scores(group, product):
    """The scores of a group's filters that a product matches."""
    for filter_ in group:
        facet, _, rest = filter_.partition(":")
        value, _, score = rest.removesuffix(">").rpartition("<score=")
        held = product
        for part in facet.split("."):
            held = (held or {}).get(part)
        if held == value or (isinstance(held, list) and value in held):
            yield int(score)
