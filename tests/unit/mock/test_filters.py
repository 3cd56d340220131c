"""The languages of filters: what is read, what is refused and how the refusal reads."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import AlgoliaError
from algosync.mock.engine.filters import FacetTerm, NumericTerm, facet_filters, facet_term, numeric_filters, tag_filters
from algosync.mock.engine.grammar import parse_filters

from .asking import hits, loaded


def facet(attribute, value, **more):
    return FacetTerm(attribute=attribute, value=value, **more)


A, B, C = (facet("x", value) for value in "abc")


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("", ()),
        ("x:a", ((A,),)),
        ("x : a AND x:b", ((A,), (B,))),
        ("x:a AND x:b OR x:c", ((A,), (B, C))),
        ("(x:a OR x:b) AND x:c", ((A, B), (C,))),
        ("(((x:a) OR (x:b)) AND (x:c))", ((A, B), (C,))),
        ("NOT x:a", ((facet("x", "a", negated=True),),)),
        ("x:-a", ((facet("x", "-a"),),)),
        ('"my x":"two words"', ((facet("my x", "two words"),),)),
        ("x:'it\\'s'", ((facet("x", "it's"),),)),
        ('x:"a \\" AND (b"', ((facet("x", 'a " AND (b'),),)),
        ("tag", ((facet("_tags", "tag"),),)),
        ("x:a<score=3> OR x:b< score = 2 >", ((facet("x", "a", score=3), facet("x", "b", score=2)),)),
        ("tag<score=7>", ((facet("_tags", "tag", score=7),),)),
        ("deep.path:true", ((facet("deep.path", "true"),),)),
        ("x:10", ((facet("x", "10"),),)),
        ("p > 12.99", ((NumericTerm(attribute="p", operator=">", value=12.99),),)),
        ("p>=-1", ((NumericTerm(attribute="p", operator=">=", value=-1),),)),
        ("NOT p < 3", ((NumericTerm(attribute="p", operator=">=", value=3),),)),
        ("p:5.99 TO 100", ((NumericTerm(attribute="p", operator="TO", value=5.99, upper=100),),)),
        ("x\nAND\ry\tAND\fz", tuple((facet("_tags", name),) for name in "xyz")),
    ],
)
def test_filters(text, groups):
    assert parse_filters(text) == groups


# Texts and messages of Algolia's own filter validator (its published test suite).
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (":value1 AND name2:value2", "Unexpected token ':' expected filter at col 0"),
        ("name1: AND name2:value2", "Unexpected token 'AND' expected string at col 7"),
        ('name1:"" AND name2:value2', "Unexpected token empty string expected string at col 6"),
        ('"unclosed', "Unexpected token incomplete string expected filter at col 0"),
        ('a"b"c', "Unexpected token string(b) expected end of filter at col 1"),
        ("not a", "Unexpected token string(a) expected end of filter at col 4"),
        ("num:123 to 456", "Unexpected token string(to) expected end of filter at col 8"),
        ("NOT(a OR b)", "Unexpected token '(' expected filter at col 3"),
        ("(a AND b) OR c", "filter (X AND Y) OR Z is not allowed, only (X OR Y) AND Z is allowed"),
        ("a OR (b OR c AND d)", "filter (X AND Y) OR Z is not allowed, only (X OR Y) AND Z is allowed"),
        ("name:value OR num = 666", "Different types are not allowed in the same OR.\nExpected a facet filter"),
        ("a OR name:value", "Different types are not allowed in the same OR.\nExpected a tag filter"),
        ("a=10 OR B", "Different types are not allowed in the same OR.\nExpected a numeric filter"),
        ("num < 123 <score=789>", "Unexpected token < expected end of filter at col 10"),
        ("category.lvl2:Womens>Tailoring", "Unexpected token > expected end of filter at col 20"),
        ("(languages:pythonORlanguages:javascript)", "Unexpected token ':' expected ')' at col 28"),
        ("x:a<score=65536>", "Invalid filter score '65536'"),
        ("x:a<score=1.5>", "Invalid filter score '1.5'"),
        ("(" * 60 + "a", "nested parentheses"),
    ],
)
def test_refused_filters(text, message):
    with pytest.raises(AlgoliaError) as refused:
        parse_filters(text)
    assert refused.value.status == 400
    assert refused.value.what.startswith("filters: ")
    assert message in refused.value.what


@pytest.mark.parametrize(
    ("item", "term"),
    [
        ("brand:Apple", facet("brand", "Apple")),
        ("brand:-Apple", facet("brand", "Apple", negated=True)),
        ("brand:\\-Apple", facet("brand", "-Apple")),
        ("category:-movies<score=1>", facet("category", "movies", negated=True)),
        ("a:b:c<score=65535>", facet("a", "b:c", score=65535)),
        ("a:x < y > z<score=0>", facet("a", "x < y > z", score=0)),
        ("objectID:123<score=500>", facet("objectID", "123", score=500)),
    ],
)
def test_facet_items(item, term):
    assert facet_term(item, "optionalFilters") == term


@pytest.mark.parametrize("score", ["65536", "-1", "1.5", "", "x", "１", "99999999999"])
def test_scores_out_of_range(score):
    with pytest.raises(AlgoliaError, match="optionalFilters: Invalid filter score"):
        facet_term(f"a:b<score={score}>", "optionalFilters")


def test_array_forms():
    nested = ((A, B), (C,))
    assert facet_filters([["x:a", "x:b"], "x:c"], "facetFilters") == nested
    assert facet_filters('[["x:a","x:b"],"x:c"]', "facetFilters") == nested
    assert facet_filters("(x:a,x:b),x:c", "facetFilters") == nested
    assert facet_filters([[], []], "facetFilters") == ()
    assert tag_filters(["one", "-two"]) == ((facet("_tags", "one"),), (facet("_tags", "two", negated=True),))
    for wrong in ([[["x:a"]]], [1], {"x": "a"}, 3, ["no colon"], [":a"], "[1", ["price > 10"]):
        with pytest.raises(AlgoliaError) as refused:
            facet_filters(wrong, "optionalFilters")
        assert refused.value.status == 400


def test_numeric_forms():
    assert numeric_filters(["price >= 10", ["stock=0", "price:1 TO 2.5"]]) == (
        (NumericTerm(attribute="price", operator=">=", value=10),),
        (
            NumericTerm(attribute="stock", operator="=", value=0),
            NumericTerm(attribute="price", operator="TO", value=1, upper=2.5),
        ),
    )
    with pytest.raises(AlgoliaError, match="numeric comparison"):
        numeric_filters(["price ~ 10"])


QUOTED = st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\\"), min_size=1, max_size=12)


@given(name=QUOTED, value=QUOTED, score=st.integers(0, 65535), negated=st.booleans())
def test_quoted_names_and_values_come_through(name, value, score, negated):
    def quote(text):
        return '"' + text.replace('"', '\\"') + '"'

    text = f"{'NOT ' if negated else ''}{quote(name)}:{quote(value)}<score={score}>"
    assert parse_filters(text) == ((facet(name, value, negated=negated, score=score),),)


@given(st.text(alphabet=" ()ANDORNT:<>=!'\"\\ab1-,", max_size=30))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(AlgoliaError):
        assert isinstance(parse_filters(text), tuple)


BOOKS = [
    {"objectID": "a", "category": "Book", "author": "JK Rowling", "price": 12.5, "genres": ["fiction", "thriller"]},
    {"objectID": "b", "category": "Ebook", "author": "Stephen King", "price": 5.99, "date": 1441745506},
    {"objectID": "c", "category": "Movie", "price": [100, 1], "isEnabled": True, "_tags": ["published", "New"]},
    {"objectID": "d", "category": "-Movie", "count": -12, "isEnabled": "true", "authors": {"mainAuthor": "John Doe"}},
    {"objectID": "e", "category": None, "count": "-12", "isEnabled": False, "price": None, "is_discontinued": True},
]
FACETS = ["category", "author", "genres", "isEnabled", "count", "authors.mainAuthor", "is_discontinued"]


# Pages of https://www.algolia.com/doc: api-reference/api-parameters/filters and
# guides/managing-results/refine-results/filtering/in-depth/combining-boolean-operators
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price > 12.99", "c"),
        ("price:5.99 TO 100", "abc"),
        ("category:Book", "a"),
        ("category:book", "a"),  # facet values in any case
        ("Category:Book", ""),  # facet names as written
        ("_tags:published", "c"),
        ("published", "c"),
        ("_tags:Published OR new", ""),  # tags as written
        ("isEnabled:true", "cd"),  # true and "true"
        ("date: 1441745506 TO 1441755506", "b"),
        ("NOT is_discontinued:true", "abcd"),
        ('(category:Book OR category:Ebook) AND NOT author:"JK Rowling"', "b"),
        ("price:10 TO 50 AND (category:Book OR category:Movie)", "a"),
        ("genres:thriller", "a"),
        ('authors.mainAuthor:"John Doe"', "d"),
        ("genres:fiction AND genres:thriller", "a"),
        ("NOT category:Book AND NOT category:Ebook", "cde"),
        ("price != 100", "abc"),  # c has another number besides
        ("NOT price = 100", "abc"),
        ("NOT price:0 TO 50", "de"),
        ('category:"-Movie"', "d"),
        ("objectID:a OR objectID:B", "a"),
        ("title:anything", ""),  # not in attributesForFaceting
        ("NOT title:anything", "abcde"),
        ("price = 12.5004", "a"),  # three decimals
    ],
)
def test_documented_filters(text, expected):
    algolia = loaded(BOOKS, attributesForFaceting=FACETS)
    assert "".join(hits(algolia, filters=text)) == expected


# Pages of https://www.algolia.com/doc/api-reference/api-parameters: facetFilters, numericFilters, tagFilters
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"facetFilters": ["category:Book", "author:JK Rowling"]}, "a"),
        ({"facetFilters": [["category:Book", "category:Movie"], "author:JK Rowling"]}, "a"),
        ({"facetFilters": [["category:Book", "category:Movie"]]}, "ac"),
        ({"facetFilters": ["category:-Book"]}, "bcde"),
        ({"facetFilters": "category:\\-Movie"}, "d"),
        ({"facetFilters": ["count:\\-12"]}, "de"),  # string or number
        ({"numericFilters": ["count = -12"]}, "d"),
        ({"numericFilters": ["price < 13", ["price > 10", "price < 2"]]}, "ac"),
        ({"numericFilters": ["price < 10", "price > 10"]}, "c"),  # any element of an array
        ({"filters": "category:Book OR category:Ebook", "numericFilters": ["price > 6"]}, "a"),
        ({"tagFilters": ["published", "-New"]}, ""),
        ({"tagFilters": [["published", "old"]]}, "c"),
        ({"tagFilters": "-published"}, "abde"),
    ],
)
def test_documented_array_filters(params, expected):
    assert "".join(hits(loaded(BOOKS, attributesForFaceting=FACETS), **params)) == expected


# https://www.algolia.com/doc/guides/managing-results/refine-results/filtering/how-to/filter-by-null-or-missing-attributes
@pytest.mark.parametrize(
    ("text", "expected"),
    [("rating > -1", "a"), ("rating = 0", ""), ("rating != 5", ""), ("NOT rating = 4", "a"), ("is_rated", "a")],
)
def test_null_and_missing_attributes_have_no_number(text, expected):
    records = [
        {"objectID": "a", "title": "The Shining", "rating": 5, "_tags": ["is_rated"]},
        {"objectID": "b", "title": "Fantastic Beasts and Where to Find Them", "rating": None},
        {"objectID": "c", "title": "Run Away"},
    ]
    assert "".join(hits(loaded(records), filters=text)) == expected


# https://www.algolia.com/doc/guides/managing-results/refine-results/filtering/in-depth/combining-boolean-operators
@pytest.mark.parametrize(
    "text",
    ["A AND (B OR C)", "(A OR B) AND C", "A AND (B OR C) AND (D OR E)", "A AND B AND (C OR D) AND (E OR F)"],
)
def test_documented_combinations(text):
    assert parse_filters(text)


@pytest.mark.parametrize(
    "text", ["A OR (B AND C) OR (D AND E)", "NOT (filter1 OR filter2)", "num=3 OR tag1 OR facet:value"]
)
def test_documented_refusals(text):
    with pytest.raises(AlgoliaError) as refused:
        parse_filters(text)
    assert refused.value.status == 400


# https://www.algolia.com/doc/api-reference/api-parameters/numericFilters
@pytest.mark.parametrize(
    ("item", "expected"),
    [("n = 0.5", "ab"), ("n = 0.5004", "ab"), ("n > 0.5", "c"), ("n:0.501 TO 1", "c"), ("n != 0.501", "ab")],
)
def test_numbers_count_to_three_decimals(item, expected):
    records = [{"objectID": "a", "n": 0.5}, {"objectID": "b", "n": 0.5004}, {"objectID": "c", "n": 0.501}]
    assert "".join(hits(loaded(records), numericFilters=[item])) == expected
