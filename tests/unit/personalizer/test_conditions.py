import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from algosync.personalizer.conditions import from_facets, joined

TERM = st.sampled_from(['brand:"A AND B"', "brand:'x OR y'", "price > 10", "in_stock:true", 'c:"(1"', "NOT d:e"])
GROUP = st.lists(TERM, min_size=1, max_size=3, unique=True).map(
    lambda terms: terms[0] if len(terms) == 1 else f"({' OR '.join(terms)})"
)
TEXT = st.lists(GROUP, min_size=1, max_size=3, unique=True).map(" AND ".join)


@pytest.mark.parametrize(
    ("own", "ours", "both"),
    [
        ("a:1", "b:2", "a:1 AND b:2"),
        ("a:1 OR a:2", "b:2", "(a:1 OR a:2) AND b:2"),
        ("a:1", "b:2 or b:3", "a:1 AND (b:2 or b:3)"),
        ("(a:1 OR a:2) AND c:3", "c:3", "(a:1 OR a:2) AND c:3"),
        ('brand:"R OR D"', "b:2", 'brand:"R OR D" AND b:2'),
        ('brand:"say \\" OR"', "b:2", 'brand:"say \\" OR" AND b:2'),
        ("a:1  and  c:3", "c:3 AND d:4", "a:1 AND c:3 AND d:4"),
        ("BRAND:ANDROID", "b:ORANGE", "BRAND:ANDROID AND b:ORANGE"),
        ("", "b:2", "b:2"),
    ],
)
def test_both_hold(own, ours, both):
    assert joined(own, ours) == both


@given(own=TEXT, ours=TEXT)
def test_nothing_of_either_is_lost_and_twice_is_once(own, ours):
    both = joined(own, ours)
    assert both.startswith(own)
    assert joined(both, ours) == both
    assert joined(own, own) == own


def test_facet_filters_in_words():
    assert from_facets("a:b") == 'a:"b"'
    assert from_facets(["a:b:c", ["d:-e", "f:\\-g"], 'h:i"j']) == 'a:"b:c" AND (NOT d:"e" OR f:"-g") AND h:"i\\"j"'


RECORDS = [
    {"objectID": f"{brand}{category}{n}{stock}", "brand": brand, "c": category, "n": n, "in_stock": stock == "y"}
    for brand in ("A AND B", 'say "x"', "-dash")
    for category in ("x OR y", "d:e")
    for n in (1, 2)
    for stock in "yn"
]
FACETS = [
    ("brand", "A AND B"),
    ("brand", 'say "x"'),
    ("brand", "\\-dash"),
    ("c", "x OR y"),
    ("c", "d:e"),
    ("c", "-d:e"),
]
FACET_TERM = st.sampled_from([f"{facet}:{value}" for facet, value in FACETS])
FACET_FILTERS = st.lists(FACET_TERM | st.lists(FACET_TERM, min_size=1, max_size=3), min_size=1, max_size=3)
SAID = st.sampled_from(['brand:"A AND B"', "in_stock:true", 'c:"x OR y"', 'brand:"-dash"', 'NOT c:"d:e"'])
COUNTED = st.sampled_from(["n > 1", "n:1 TO 2", "n = 1"])
# Algolia refuses alternatives of several types.
ALTERNATIVES = st.one_of(st.lists(kind, min_size=1, max_size=2, unique=True) for kind in (SAID, COUNTED))
CONDITION = st.lists(ALTERNATIVES.map(" OR ".join), min_size=1, max_size=3, unique=True).map(
    lambda groups: groups[0] if len(groups) == 1 else " AND ".join(f"({group})" for group in groups)
)


@pytest.fixture
def found(algolia_mock):
    """The records that a search finds."""
    declared = ["brand", "c", "in_stock"]
    algolia_mock.load("things", RECORDS, settings={"attributesForFaceting": declared})
    client = algolia_mock.client

    def search(**params):
        return {hit["objectID"] for hit in client.search("things", {"hitsPerPage": 100, **params})["hits"]}

    return search


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(own=CONDITION, ours=CONDITION)
def test_a_search_finds_what_both_find(found, own, ours):
    assert found(filters=joined(own, ours)) == found(filters=own) & found(filters=ours)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facets=FACET_FILTERS)
def test_facet_filters_in_words_find_the_same(found, facets):
    assert found(filters=from_facets(facets)) == found(facetFilters=facets)
