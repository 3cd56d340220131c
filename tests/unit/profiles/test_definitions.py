from __future__ import annotations

import pytest

from algosync.errors import ConfigError
from algosync.profiles.conditions import AffinityIs, AnyOf, Boost, Bounds, EventsIs, FactSpec, MemberOf
from algosync.profiles.definitions import parse_segments
from algosync.profiles.segments import contexts

FACETS = ["categories", "brand"]


def parse(document, affinity_facet="categories"):
    return parse_segments(document, affinity_facet=affinity_facet, facets=FACETS)


def problems(document, affinity_facet="categories") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(document, affinity_facet)
    assert caught.value.where == "segments.json"
    count, *lines = caught.value.what.split("\n  ")
    assert count.split()[0] == str(len(lines))
    return lines


def when(condition) -> dict:
    return {"cheap-books": {"when": condition}}


FULL = {
    "cheap-books": {
        "name": "Budget-conscious book readers",
        "priority": 20,
        "when": {
            "all": [
                {"affinity": {"facet": "categories", "value": "Books", "score_min": 5}},
                {
                    "any": [
                        {"events": {"type": "view", "price": [10, 25], "count_min": 2, "within_days": 90}},
                        {"events": {"type": "purchase", "price": [10, 25], "sum_price_min": 20}},
                    ]
                },
                {"attribute": {"age": {"min": 18, "max": 29}}},
                {"visitor": {"visit": ["returning"], "state": ["user", "buyer"]}},
                {"not": {"segment": "staff"}},
            ]
        },
        "boost": [{"categories": "Books", "price": [10, 25], "score": 20}, {"popular": 10}],
    },
    "staff": {"when": {"attribute": {"role": ["staff", True]}}},
}


def test_the_tree_form_is_read_whole():
    segments = parse(FULL)
    assert [segment.id for segment in segments.items] == ["staff", "cheap-books"]
    assert segments.facts == (
        FactSpec(kinds=("purchase",), price=(10, 25)),
        FactSpec(kinds=("view",), price=(10, 25), by_day=True),
    )
    assert segments.windows == {1: 90}
    books = segments["cheap-books"]
    assert books.boosts == (Boost(facets=(("categories", ("Books",)),), price=(10, 25)), Boost(popular=10))
    assert (books.priority, books.context) == (20, "algosync-cheap-books")
    assert books.when.parts[0] == AffinityIs(facet="categories", values=("Books",), score_min=5)
    assert books.when.parts[-1].part == MemberOf(segments=("staff",))


def test_the_articles_form_means_any_activity_within_the_affinities():
    document = {"s": {"definition": {"affinities": ["Books"], "activity": {"views": {"price_range": [10, 25]}}}}}
    fact = FactSpec(kinds=("view",), facets=(("categories", ("Books",)),), price=(10, 25))
    assert parse(document)["s"].when == AnyOf(parts=(EventsIs(fact=fact, bounds=Bounds(count_min=1)),))


def test_the_articles_form_without_activity_means_the_affinities():
    assert parse({"s": {"definition": {"affinities": "Books"}}})["s"].when == AffinityIs(
        facet="categories", values=("Books",)
    )


def test_facets_stand_beside_the_other_keys_or_under_facet():
    beside = parse(when({"events": {"type": "view", "categories": ["B", "A"]}}))
    under = parse(when({"events": {"type": ["view"], "facet": {"categories": ["A", "B"]}}}))
    assert beside == under
    assert beside.facts[0].facets == (("categories", ("A", "B")),)


@pytest.mark.parametrize(
    ("condition", "path", "words"),
    [
        ({"every": []}, "when.every", "unknown key; allowed: affinity, all, any, attribute, events, not, segment"),
        ({}, "when", "0 operators"),
        ({"all": [], "any": []}, "when", "2 operators"),
        ({"all": []}, "when.all", "no conditions"),
        (3, "when", "3 is no object"),
        (
            {"affinity": {"facet": "colour", "value": "x"}},
            "when.affinity.facet",
            '"colour" is unknown; allowed: categories',
        ),
        (
            {"affinity": {"value": "x", "score_min": 21}},
            "when.affinity.score_min",
            "out of bounds; allowed: at least 0",
        ),
        (
            {"affinity": {"value": "x", "score_min": 5, "score_max": 4}},
            "when.affinity",
            "score_min 5 is above score_max 4",
        ),
        ({"affinity": {"facet": "brand"}}, "when.affinity", "`value` is missing"),
        ({"all": [{"events": {}}, {"events": {"price": [25, 10]}}]}, "when.all[1].events.price", "25 is above 10"),
        ({"events": {"price": 3}}, "when.events.price", "3 is no range; allowed: [low, high]"),
        ({"events": {"price": ["a", 3]}}, "when.events.price[0]", '"a" is no number'),
        ({"events": {"type": "look"}}, "when.events.type", "allowed: view, click, add_to_cart, purchase, conversion"),
        ({"events": {"colour": "red"}}, "when.events.colour", "unknown key; allowed: brand, categories, count_max"),
        (
            {"events": {"facet": {"colour": "red"}}},
            "when.events.facet.colour",
            "unknown key; allowed: brand, categories",
        ),
        ({"events": {"within_days": 1.5}}, "when.events.within_days", "no whole number"),
        ({"events": {"count_min": 3, "count_max": 2}}, "when.events", "count_min 3 is above count_max 2"),
        ({"events": {"discount_share_min": 20}}, "when.events.discount_share_min", "at most 1"),
        ({"events": {"categories": []}}, "when.events.categories", "an empty list"),
        ({"attribute": {}}, "when.attribute", "no attribute"),
        ({"attribute": {"age": {"least": 3}}}, "when.attribute.age.least", "unknown key; allowed: max, min"),
        ({"attribute": {"age": {"min": "x"}}}, "when.attribute.age.min", "no number"),
        ({"attribute": {"age": None}}, "when.attribute.age", "None is no value"),
        ({"visitor": {"visit": "often"}}, "when.visitor.visit", '"often" is unknown; allowed: new, returning'),
        ({"visitor": {}}, "when.visitor", "neither visit nor state"),
        ({"any": [{"not": {"segment": "gone"}}]}, "when.any[0].not.segment", 'the segment "gone" is unknown'),
        ({"segment": "cheap-books"}, "when.segment", "in a circle: cheap-books → cheap-books"),
    ],
)
def test_each_problem_is_told_with_its_path(condition, path, words):
    (line,) = problems(when(condition))
    assert line.startswith(f"cheap-books.{path}: ")
    assert words in line


@pytest.mark.parametrize(
    ("boost", "path", "words"),
    [
        ({}, "boost", "nothing to boost"),
        ("Books", "boost", "no boost"),
        ([{"categories": "B", "score": 0}], "boost[0].score", "0 is out of bounds"),
        ([{"categories": "B"}, {"colour": "B", "price": [1, 2]}], "boost[1].colour", "unknown key"),
        ([{"popular": 3, "categories": "B"}], "boost[0]", "goes with no other condition"),
    ],
)
def test_boosts_are_checked_too(boost, path, words):
    (line,) = problems({"s": {"when": {"events": {}}, "boost": boost}})
    assert line.startswith(f"s.{path}: ")
    assert words in line


def test_all_problems_are_told_at_once():
    document = {
        "a": {"when": {"segment": "b"}},
        "b": {"when": {"segment": "a"}},
        "x y": {"definition": {"affinities": ["A"], "activity": {"looks": {}}}, "colour": 1},
        "x.y": {"when": {"events": {}}, "definition": {"affinities": ["A"]}, "priority": "high"},
        "!": {"when": {"events": {}}},
    }
    lines = problems(document)
    assert [line.split(": ")[0] for line in lines] == [
        "x y.colour",
        "x y.definition.activity.looks",
        "x.y",
        "x.y.priority",
        "x.y",
        "!",
        "b.when.segment",
    ]
    assert "circle" in lines[-1]
    assert "x-y" in lines[4]


def test_bare_affinities_need_their_facet():
    assert "segments.affinity_facet" in problems({"s": {"definition": {"affinities": ["A"]}}}, affinity_facet=None)[0]
    assert (
        "bare affinities is size; allowed: one of categories, brand"
        in problems({"s": {"definition": {"affinities": ["A"]}}}, affinity_facet="size")[0]
    )


def test_sensitive_values_are_refused_everywhere():
    document = {
        "a": {"definition": {"affinities": ["Books", "health/x"]}},
        "b": {"when": {"not": {"affinity": {"value": "Health/y"}}}, "boost": {"categories": ["Health/z"]}},
        "c": {"when": {"events": {"categories": "Health"}}},
        "e": {"when": {"events": {"categories": "Healthy food"}}},
        "d": {"when": {"events": {"facet": {"categories": ["Health/w"]}}}},
    }
    with pytest.raises(ConfigError) as caught:
        parse_segments(document, affinity_facet="categories", facets=FACETS, never={"categories": ("Health/*",)})
    assert [line.split(": ")[:2] for line in caught.value.what.split("\n  ")[1:]] == [
        ["a.definition.affinities", '"health/x" is sensitive; allowed'],
        ["b.when.not.affinity.value", '"Health/y" is sensitive; allowed'],
        ["b.boost.categories", '"Health/z" is sensitive; allowed'],
        ["c.when.events.categories", '"Health" is sensitive; allowed'],
        ["d.when.events.facet.categories", '"Health/w" is sensitive; allowed'],
    ]


def test_contexts_keep_the_highest_priorities():
    documents = {
        name: {"when": {"events": {}}, "priority": p} for name, p in (("c", 1), ("b d", 5), ("a", 1), ("z", 9))
    }
    kept = contexts(["a", "c", "b d", "unheard"], parse(documents), 2)
    assert kept.names == ("algosync-b-d", "algosync-a")
    assert kept.left_out == ("c",)


def test_a_reference_belongs_to_the_segment_it_stands_in_whatever_the_ids():
    document = {
        "a": {"when": {"segment": "b"}},
        "a.when": {"when": {"affinity": {"value": "x"}}},
        "b": {"when": {"affinity": {"value": "y"}}},
    }
    order = [segment.id for segment in parse(document).items]
    assert order.index("b") < order.index("a")


def test_ids_too_long_for_a_tag_are_refused():
    assert "at most 48" in problems({"x" * 49: {"when": {"affinity": {"value": "x"}}}})[0]


@pytest.mark.parametrize("wrapped", [lambda inner: {"not": inner}, lambda inner: {"all": [inner]}], ids=["not", "all"])
def test_a_definition_too_deep_to_be_walked_through_is_refused(wrapped):
    condition = {"affinity": {"facet": "brand", "value": "x"}}
    for _ in range(2_000):
        condition = wrapped(condition)
    (line,) = problems(when(condition))
    assert "conditions within conditions; allowed: at most 100 deep" in line
