"""Each page has its lists, none holds the product that is shown, and nothing is padded."""

from __future__ import annotations

import pytest

from algosync.experience.content import content
from algosync.experience.question import Question
from algosync.experience.strategy import Standing

ANYBODY = Standing(strategy="content", reason="")
READER = Standing(strategy="segment", reason="", segments=("quiet", "readers"))
EVERYWHERE = {"trending": ("p3", "p1"), "popular": ("p1", "p2", "p3")}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("home", {**EVERYWHERE, "editors": ("e1", "e2")}),
        ("any", {**EVERYWHERE, "editors": ("e1", "e2")}),
        ("search", EVERYWHERE),
        ("category", EVERYWHERE),
        ("category:Books", {"popular": ("b1", "b2")}),
        ("category:Nothing", {}),
        ("product", {}),
        ("cart", {}),
    ],
)
def test_the_lists_of_a_page(shop, shelf, where, found):
    assert content(Question(user_token="a", where=where), ANYBODY, shop, shelf) == found


def test_a_product_page_has_what_goes_with_the_product_once_and_not_itself(shop, shelf):
    question = Question(user_token="a", where="product", object_id="p1")
    assert content(question, ANYBODY, shop, shelf) == {"related": ("p2",), "bought_together": ("p3",)}
    unknown = Question(user_token="a", where="product", object_id="nothing")
    assert content(unknown, ANYBODY, shop, shelf) == {}


def test_what_is_popular_among_people_like_her_and_where_she_is(shop, shelf):
    french = Question(user_token="a", where="home", context={"country": "FR", "device": "phone"})
    assert content(french, READER, shop, shelf)["popular_in_segment"] == ("b2", "b1")
    assert content(french, READER, shop, shelf)["popular_here"] == ("f1", "p1")
    assert content(french, READER, shop, shelf)["popular_on_device"] == ("p2", "f1")
    assert "popular_in_segment" not in content(french, ANYBODY, shop, shelf)
    elsewhere = Question(user_token="a", where="home", context={"country": "XX"})
    assert "popular_here" not in content(elsewhere, READER, shop, shelf)


def test_lists_are_as_long_as_the_shop_wants(make_shop, shelf):
    shop = make_shop(list_size=1)
    found = content(Question(user_token="a", where="home"), ANYBODY, shop, shelf)
    assert {len(ids) for ids in found.values()} == {1}
