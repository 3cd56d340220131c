from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.serve.preview.pages import movement
from algosync.serve.preview.search import DEPTH, SHOWN, Place, Sides, both_sides

PLACE = Place(index="products", query="red shoe")


class FakeSearcher:
    """Gives the plain list for a search without filters, another for one with."""

    def __init__(self, plain: list[dict[str, Any]], personal: list[dict[str, Any]]) -> None:
        self._plain, self._personal = plain, personal
        self.asked: list[Mapping[str, Any]] = []

    def search(self, index: str, query: str, params: Mapping[str, Any], hits: int) -> list[dict[str, Any]]:
        self.asked.append(params)
        return (self._personal if "optionalFilters" in params else self._plain)[:hits]


def _hit(name: str, exact: int = 2, typos: int = 0, **more: Any) -> dict[str, Any]:
    return {"objectID": name, "name": name.upper(), "_rankingInfo": {"nbExactWords": exact, "nbTypos": typos}, **more}


def _sides(plain: list[dict[str, Any]], personal: list[dict[str, Any]], place: Place = PLACE, **more: Any) -> Sides:
    searcher = FakeSearcher(plain, personal)
    return both_sides(searcher, place, {"optionalFilters": [["brand:A<score=5>"]], **more}, "name")


def test_what_moved_and_where_from() -> None:
    a, b, c, d = (_hit(name) for name in "abcd")
    sides = _sides([a, b, c], [c, a, d, b])
    assert [(card.object_id, card.rank, card.other, card.moved) for card in sides.personal] == [
        ("c", 1, 3, 2),
        ("a", 2, 1, -1),
        ("d", 3, None, 0),
        ("b", 4, 2, -2),
    ]
    assert [movement(card)["words"] for card in sides.personal] == [
        "up 2, was 3",
        "down 1, was 1",
        "new here",
        "down 2, was 2",
    ]
    assert (sides.up, sides.down, sides.new, sides.gone, sides.same) == (1, 2, 1, 0, False)


def test_hits_from_beyond_the_page_are_new_on_it() -> None:
    plain = [_hit(f"p{n:02}") for n in range(20)]
    sides = _sides(plain, [plain[19], *plain[:19]])
    assert (sides.personal[0].other, sides.new, sides.gone) == (20, 1, 1)
    assert len(sides.plain) == len(sides.personal) == SHOWN


@pytest.mark.parametrize(
    ("personal", "pushed"),
    [("eflx", 0), ("lefx", 2), ("elfx", 1), ("felx", 0), ("lfx", 2), ("exf", 0)],
    ids=["same", "below a loose one", "one of them", "among themselves", "off the list", "behind an exact one"],
)
def test_exact_matches_that_a_looser_one_overtook(personal: str, pushed: int) -> None:
    """Two exact matches, a loose one, and one more exact match."""
    hits = {"e": _hit("e"), "f": _hit("f"), "l": _hit("l", exact=1), "x": _hit("x")}
    sides = _sides([hits[name] for name in "eflx"], [hits[name] for name in personal])
    assert sides.exact_down == pushed


def test_a_typo_is_no_exact_match_and_without_words_there_is_none() -> None:
    assert not _sides([_hit("a", typos=1)], []).plain[0].exact
    sides = _sides([_hit("a")], [_hit("b"), _hit("a")], Place(index="products", query=" "))
    assert sides.exact_down is None
    assert not sides.plain[0].exact


def test_filters_are_named_on_the_hits_that_they_match() -> None:
    hits = [_hit("a", brand="A", tags={"kind": ["x", 2]}), _hit("b", brand=["B", "A"]), _hit("c")]
    filters = [["brand:A<score=50>", "tags.kind:2<score=7>"], "brand:-B<score=3>", "no filter at all"]
    cards = _sides(hits, hits, optionalFilters=filters).personal
    assert [card.boosted for card in cards] == [
        (("brand", "A", 50), ("tags.kind", "2", 7), ("brand", "B", 3)),
        (("brand", "A", 50),),
        (("brand", "B", 3),),
    ]
    assert [card.boosted for card in _sides(hits, hits).plain] == [(), (), ()]


@pytest.mark.parametrize(
    ("price", "shown"),
    [(9, 9.0), (1.5, 1.5), (None, None), ("9", None), (True, None), (float("nan"), None), ([9], None)],
    ids=["whole", "broken", "none", "text", "truth", "not a number", "list"],
)
def test_prices_that_are_numbers_are_shown(price: Any, shown: float | None) -> None:
    assert _sides([_hit("a", price=price)], []).plain[0].price == shown


def test_a_hit_without_a_name_goes_by_its_id() -> None:
    assert _sides([{"objectID": "a", "name": None}], []).plain[0].title == "a"


def test_nobodys_behaviour_is_told_to_algolia() -> None:
    searcher = FakeSearcher([], [])
    place = Place(index="products", query="", refined=("categories:Books",))
    parameters = {"userToken": "somebody", "analyticsTags": ["algosync"], "optionalFilters": [["a:b"]]}
    both_sides(searcher, place, parameters, "name")
    page = {"facetFilters": ["categories:Books"]}
    assert searcher.asked == [page, {**page, "optionalFilters": [["a:b"]]}]


def test_without_parameters_one_search_is_enough() -> None:
    searcher = FakeSearcher([_hit("a")], [])
    sides = both_sides(searcher, PLACE, {"userToken": "somebody"}, "name")
    assert len(searcher.asked) == 1
    assert sides.same


@given(st.permutations(range(25)), st.permutations(range(25)))
def test_ups_and_downs_belong_together(before: list[int], after: list[int]) -> None:
    sides = _sides([_hit(f"p{n}") for n in before], [_hit(f"p{n}") for n in after])
    for card in sides.personal:
        assert before.index(int(card.object_id[1:])) + 1 == card.other
        assert after.index(int(card.object_id[1:])) + 1 == card.rank
    assert sides.up + sides.down + sum(card.moved == 0 for card in sides.personal) == SHOWN
    assert sides.new == sides.gone
    assert sides.exact_down == 0, "all are exact"
    assert DEPTH > SHOWN
