"""Which products a boost means."""

from __future__ import annotations

from algosync.catalog.build import build
from algosync.catalog.rules import CatalogRules, FacetRule
from algosync.catalog.tags import Boost, tags

RULES = CatalogRules(facets={n: FacetRule(attribute=n) for n in ("categories", "brand")})
RECORDS = [
    {"objectID": "novel", "categories": ["Books", "Novel"], "brand": "A", "price": 10},
    {"objectID": "atlas", "categories": ["Books"], "brand": "B", "price": 25.0},
    {"objectID": "bible", "categories": ["Books"], "brand": "B", "price": 25.01},
    {"objectID": "gift", "categories": ["Books"], "brand": "A"},
    {"objectID": "phone", "categories": ["Phones"], "brand": "A", "price": 15},
]


def _tags(*boosts):
    return tags(build(iter([RECORDS]), RULES), boosts)


def test_the_articles_third_action_books_of_ten_to_twentyfive():
    assert _tags(Boost(slug="cheap-books", conditions={"categories": "Books"}, price=(10, 25))) == {
        "atlas": ("cheap-books",),
        "novel": ("cheap-books",),
    }


def test_all_facets_and_any_value_of_each():
    boost = Boost(slug="x", conditions={"categories": ("Novel", "Phones"), "brand": "A"})
    assert sorted(_tags(boost)) == ["novel", "phone"]


def test_slugs_are_sorted_and_each_once():
    boosts = [Boost(slug=s, conditions={"brand": b}) for s, b in (("z", "B"), ("a", "B"), ("z", "B"))]
    assert _tags(*boosts) == {"atlas": ("a", "z"), "bible": ("a", "z")}


def test_an_unknown_facet_or_value_means_nothing_and_no_condition_means_all():
    assert _tags(Boost(slug="x", conditions={"size": "L"}), Boost(slug="y", conditions={"brand": "C"})) == {}
    assert len(_tags(Boost(slug="x"))) == len(RECORDS)
    assert _tags() == {}
