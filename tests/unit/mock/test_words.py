"""Words and typos: the documentation's examples, and a plain definition that must agree on any words."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from algosync.mock.engine.text.typos import typos
from algosync.mock.engine.text.words import normalise, spans, split

from .asking import hits, loaded
from .reference import words as plain

TYPO_PAGE = "guides/managing-results/optimize-search-results/typo-tolerance"


# https://www.algolia.com/doc/guides/managing-results/optimize-search-results/typo-tolerance
@pytest.mark.parametrize(
    ("word", "other", "count"),
    [
        ("michael", "michael", 0),
        ("mickael", "michael", 1),
        ("micael", "michael", 1),
        ("mickhael", "michael", 1),
        ("micheal", "michael", 1),
        ("mickaell", "michael", 2),
        ("tichael", "michael", 2),
        ("tickael", "michael", 3),
        ("hllo", "hello", 1),
        ("heello", "hello", 1),
        ("hlelo", "hello", 1),
        ("heilo", "hello", 1),
        ("strm", "storm", 1),
        ("strm", "strum", 1),
    ],
)
def test_counting_typos(word, other, count):
    assert typos(word, other, 2, prefix=False) == count


@pytest.mark.parametrize(
    ("query", "counts"),
    [
        ("Michael", {"full": 0}),
        ("micheal", {"full": 1}),
        ("tichael", {"full": 2}),
        ("tickael", {}),  # seven letters allow one edit
        ("mickaell", {"full": 2}),
        ("tickaell", {}),
        ("tichaeel", {"full": 3}),  # "three typos if the first letter is misspelled"
        ("mic", {"full": 0}),
        ("mxc", {}),  # typos from four letters on
        ("mxch", {"full": 1}),
        ("日本語大学", {}),
    ],
)
def test_typos_of_a_search(query, counts):
    found = hits(loaded([{"objectID": "full", "name": "Michael 日本語大字"}]), query)
    assert {name: info["nbTypos"] for name, info in found.items()} == counts, TYPO_PAGE


# https://www.algolia.com/doc/guides/managing-results/optimize-search-results/typo-tolerance/in-depth/configuring-typo-tolerance
@pytest.mark.parametrize(
    ("chosen", "query", "expected"),
    [
        ({}, "geographi", ["none", "one"]),
        ({"typoTolerance": False}, "geographi", ["none"]),
        ({"typoTolerance": "min"}, "geographi", ["none"]),
        ({"typoTolerance": "min"}, "geographa", ["none", "one"]),
        ({"typoTolerance": "strict"}, "geographi", ["none", "one"]),
        ({"typoTolerance": "min", "ranking": ["custom"]}, "geographi", ["none"]),
        ({"minWordSizefor1Typo": 10, "minWordSizefor2Typos": 20}, "geographi", ["none"]),
        ({"minWordSizefor2Typos": 9}, "eographi", ["none"]),  # one edit: the missing letter
        ({"minWordSizefor2Typos": 8}, "eographi", ["none", "one"]),
        ({"disableTypoToleranceOnWords": ["geographi"]}, "geographi", ["none"]),
        ({"disableTypoToleranceOnAttributes": ["name"]}, "geographi", ["none"]),
        ({"disableTypoToleranceOnAttributes": ["other"]}, "geographi", ["none", "one"]),
    ],
)
def test_tolerance(chosen, query, expected):
    records = [{"objectID": "none", "name": "geographic"}, {"objectID": "one", "name": "geographyc"}]
    assert sorted(hits(loaded(records, searchableAttributes=["name", "other"], **chosen), query)) == expected


# https://www.algolia.com/doc/guides/managing-results/optimize-search-results/override-search-engine-defaults/in-depth/prefix-searching
@pytest.mark.parametrize(
    ("query", "kind", "expected"),
    [
        ("j", "prefixLast", "12345"),
        ("j", "prefixAll", "12345"),
        ("j", "prefixNone", ""),
        ("je b", "prefixLast", ""),
        ("je b", "prefixAll", "35"),
        ("je b", "prefixNone", ""),
        ("jet b", "prefixLast", "5"),
        ("jet b", "prefixAll", "5"),
        ("jet b", "prefixNone", ""),
        ("jet black", "prefixLast", "5"),
        ("jet black", "prefixAll", "5"),
        ("jet black", "prefixNone", "5"),
    ],
)
def test_prefixes(query, kind, expected):
    sentences = [
        "Let's play Jenga tomorrow.",
        "Check out the fighter jets flying over my town!",
        "Beef jerky is a great source of protein.",
        "Jack and Jill went up the hill.",
        "Jacqueline bought me a jet black iPhone.",
    ]
    algolia = loaded([{"objectID": str(number), "text": text} for number, text in enumerate(sentences, 1)])
    assert "".join(sorted(hits(algolia, query, queryType=kind))) == expected


def test_prefixes_can_be_off_for_an_attribute():
    """https://www.algolia.com/doc/api-reference/api-parameters/disablePrefixOnAttributes."""
    records = [{"objectID": "sku", "sku": "abc123"}, {"objectID": "name", "name": "abc123"}]
    algolia = loaded(records, searchableAttributes=["sku", "name"], disablePrefixOnAttributes=["sku"])
    assert list(hits(algolia, "abc")) == ["name"]
    assert list(hits(algolia, "abc123")) == ["sku", "name"]


# https://www.algolia.com/doc/guides/managing-results/optimize-search-results/handling-natural-languages-nlp/in-depth/tokenization
# https://www.algolia.com/doc/guides/managing-results/optimize-search-results/handling-natural-languages-nlp/in-depth/normalization
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("L'Été, 2-in-1 foo_bar!", ["l", "ete", "2", "in", "1", "foo", "bar"]),
        ("ÅNGSTRÖM", ["angstrom"]),
        ("C# & C++", ["c", "c"]),
        ("日本 語", ["日本", "語"]),
        ("Smørrebrød", ["smorrebrod"]),
        ("한국어", ["한국어"]),
        ("", []),
    ],
)
def test_words(text, expected):
    assert split(text) == expected == plain.words(text)


# https://www.algolia.com/doc/guides/managing-results/optimize-search-results/handling-natural-languages-nlp/in-depth/splitting-and-concatenation
@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("katherinejohnson", "Katherine Johnson"),
        ("parkbench", "park bench"),
        ("nano second", "nanosecond"),
        ("jamesearl jones", "James Earl Jones"),
        ("hello world", "helloworld"),
        ("don't", "dont"),
        ("dont", "don't"),
        ("a wonderful day in the neighborhood", "awonderfuldayintheneighborhood"),
    ],
)
def test_splitting_and_concatenation(query, name):
    algolia = loaded([{"objectID": "a", "name": name}])
    assert hits(algolia, query)["a"]["nbTypos"] == 1
    assert not hits(algolia, query, typoTolerance=False)
    assert list(hits(algolia, name)) == ["a"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("jamesearljones", "James Earl Jones"),  # into two parts only
        ("abcdefghijklmnopq", "abcdefghijklm nopq"),  # the first part has at most twelve letters
        ("abc", "a bc"),  # from minWordSizefor1Typo on
        ("one two three four five six", "one two three four fivesix"),  # pairs of the first five words
    ],
)
def test_no_splitting_and_concatenation(query, name):
    assert not hits(loaded([{"objectID": "a", "name": name}]), query)


def test_the_split_with_most_matches_is_taken():
    records = [{"objectID": "a", "name": "no where"}, {"objectID": "b", "name": "now here"}]
    more = {"objectID": "c", "name": "here and now"}
    assert list(hits(loaded([*records, more]), "nowhere")) == ["b", "c"]
    assert not hits(loaded([*records, more], disableTypoToleranceOnWords=["nowhere"]), "nowhere")


LETTERS = st.text(alphabet="abcd", min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(word=LETTERS, other=LETTERS, most=st.sampled_from([1, 2]), prefix=st.booleans())
def test_typos_are_those_of_the_definition(word, other, most, prefix):
    assert typos(word, other, most, prefix=prefix) == plain.typos(word, other, most, prefix=prefix)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=0x24F), max_size=20))
def test_words_are_those_of_the_definition(text):
    assert split(text) == plain.words(text)
    assert normalise(text) == plain.normalise(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Kindle™ Fire", ["kindle", "fire"]),
        ("cafe\u0301s du coin", ["cafes", "du", "coin"]),
        ("हिन्दी", ["ह", "नद"]),
        ("ｶﾞｶ", ["カカ"]),
        ("m² ½ İstanbul \u0301x", ["m2", "1", "2", "istanbul", "x"]),
    ],
)
def test_words_of_other_scripts_and_signs(text, expected):
    assert split(text) == expected
    assert [word for start, stop in spans(text) for word in split(text[start:stop])] == expected


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20) | st.text(alphabet="a\u0301\u0327\uff9eé_ ½™한\u1112\u1161", max_size=12))
def test_words_stand_where_they_are_found(text):
    """What is highlighted is what is searched."""
    places = spans(text)
    assert [word for start, stop in places for word in split(text[start:stop])] == split(text)
    assert all(split(text[start:stop]) for start, stop in places)
    assert places == sorted(places)


@settings(max_examples=40, deadline=None)
@given(
    words=st.lists(LETTERS, min_size=1, max_size=12, unique=True),
    query=st.text(alphabet="abcd", min_size=4, max_size=9),
)
def test_no_word_within_reach_is_overlooked(words, query):
    """The index narrows the words down before it counts typos; none that has few enough may go missing."""
    assume(not any(query[:cut] in words and query[cut:] in words for cut in range(1, len(query))))
    algolia = loaded([{"objectID": word, "name": word} for word in words])
    for kind in ("prefixNone", "prefixLast"):
        most = plain.allowed(query, {})
        expected = {word: plain.typos(query, word, most, prefix=kind == "prefixLast") for word in words}
        assert {name: info["nbTypos"] for name, info in hits(algolia, query, queryType=kind).items()} == {
            word: count for word, count in expected.items() if count is not None
        }
