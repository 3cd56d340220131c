"""Matching and the ranking criteria against plain, slow definitions that share nothing with the code."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.mock.engine.words import normalise, split, typos
from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle
from algosync.mock.server import MockAlgolia

HEADERS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}
LETTERS = st.text(alphabet="abcd", min_size=1, max_size=9)


def edits(a, b):
    """Optimal string alignment, straight from its recursive definition."""
    table = {}
    for i in range(len(a) + 1):
        for j in range(len(b) + 1):
            if not i or not j:
                table[i, j] = i + j
                continue
            options = [table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a[i - 1] != b[j - 1])]
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                options.append(table[i - 2, j - 2] + 1)
            table[i, j] = min(options)
    return table[len(a), len(b)]


def plain_typos(word, other, most, *, prefix):
    targets = [other[:end] for end in range(len(other) + 1)] if prefix else [other]
    count = min(edits(word, target) for target in targets) + (word[0] != other[0])
    return count if count <= most and (count <= 1 or most == 2) else None


@given(word=LETTERS, other=LETTERS, most=st.sampled_from([1, 2]), prefix=st.booleans())
def test_typos_are_those_of_the_definition(word, other, most, prefix):
    assert typos(word, other, most, prefix=prefix) == plain_typos(word, other, most, prefix=prefix)


def test_words():
    assert split("L'Été, 2-in-1 foo_bar!") == ["l", "ete", "2", "in", "1", "foo", "bar"]
    assert normalise("ÅNGSTRÖM") == "angstrom"


def ask(algolia, path, body, method="POST"):
    call = Call(method=method, path=f"/1/indexes/p/{path}", headers=HEADERS, body=orjson.dumps(body))
    answer = handle(algolia, call)
    assert answer.status == 200, answer
    return orjson.loads(answer.body)


VOCABULARY = ("red", "reds", "shoe", "shoes", "phone", "phones", "phome", "leather", "leathers", "a")
TEXT = st.lists(st.sampled_from(VOCABULARY), max_size=12).map(" ".join)
RECORDS = st.lists(
    st.fixed_dictionaries({"title": TEXT, "text": TEXT, "n": st.none() | st.integers(0, 3)}), min_size=1, max_size=7
)
QUERY = st.lists(st.sampled_from(VOCABULARY), max_size=3, unique=True)
ATTRIBUTES = ("title", "text")


def occurrences(record, word, last):
    """(typos, attribute, position, whole) of a query word in a record, those with fewest typos."""
    most = (len(word) >= 4) + (len(word) >= 8)
    found = []
    for rank, name in enumerate(ATTRIBUTES):
        for position, other in enumerate(record[name].split()):
            if other == word or (last and other.startswith(word)):
                found.append((0, rank, position, other == word))
            elif most and (count := plain_typos(word, other, most, prefix=last)) is not None:
                found.append((count, rank, position, False))
    fewest = min((each[0] for each in found), default=0)
    return [each for each in found if each[0] == fewest]


def plain_scores(record, query):
    """typo, words, proximity, attribute, exact: each as its sentence in ranking.py says; None for no match."""
    matches = [occurrences(record, word, place == len(query)) for place, word in enumerate(query, 1)]
    if not all(matches):
        return None
    near = 0
    for first, second in pairwise(matches):
        gaps = [abs(a[2] - b[2]) for a in first for b in second if a[1] == b[1] and a[2] != b[2]]
        near += min([8, *gaps])
    places = [each[1] * 1000 + (each[2] if ATTRIBUTES[each[1]] == "title" else 0) for m in matches for each in m]
    exact = sum(any(each[3] for each in match) for match in matches)
    if len(query) == 1:
        exact = int(any(each[3] and len(record[ATTRIBUTES[each[1]]].split()) == 1 for each in matches[0]))
    return (sum(m[0][0] for m in matches), len(query), near, min(places, default=0), exact)


@given(records=RECORDS, query=QUERY)
def test_criteria_and_order(records, query):
    algolia = MockAlgolia()
    settings = {"searchableAttributes": ["title", "unordered(text)"], "customRanking": ["desc(n)"]}
    ask(algolia, "settings", settings, "PUT")
    stored = [{"objectID": str(i)} | record for i, record in enumerate(records)]
    ask(algolia, "batch", {"requests": [{"action": "addObject", "body": record} for record in stored]})
    hits = ask(algolia, "query", {"query": " ".join(query), "getRankingInfo": True})["hits"]
    expected = {r["objectID"]: (plain_scores(r, query), r["n"]) for r in stored if plain_scores(r, query) is not None}
    names = ("nbTypos", "words", "proximityDistance", "firstMatchedWord", "nbExactWords")
    assert {h["objectID"]: tuple(h["_rankingInfo"][name] for name in names) for h in hits} == {
        object_id: scores for object_id, (scores, _) in expected.items()
    }

    def key(object_id):
        (typo, words, near, place, exact), n = expected[object_id]
        return typo, -words, near, place, -exact, -n if n is not None else 9, object_id

    assert [hit["objectID"] for hit in hits] == sorted(expected, key=key)


@pytest.mark.parametrize("formula", [["words", "exact", "typo"], ["desc(n)", "typo"], ["custom"], []])
def test_another_formula(formula):
    algolia = MockAlgolia()
    rows = {"a": ("phones", 1), "b": ("phone", 0), "c": ("phome", 2)}
    ask(algolia, "settings", {"ranking": formula, "customRanking": ["asc(n)"]}, "PUT")
    requests = [{"action": "addObject", "body": {"objectID": k, "t": t, "n": n}} for k, (t, n) in rows.items()]
    ask(algolia, "batch", {"requests": requests})
    found = "".join(hit["objectID"] for hit in ask(algolia, "query", {"query": "phone"})["hits"])
    assert found == {"words": "bac", "desc(n)": "cab", "custom": "bac"}.get(formula[0] if formula else "", "bac")


def test_highlighting():
    algolia = MockAlgolia()
    record = {"objectID": "1", "name": "Crème Phones", "tags": ["phone case", "other"], "deep": {"x": 5}, "flag": True}
    ask(algolia, "batch", {"requests": [{"action": "addObject", "body": record}]})
    (hit,) = ask(algolia, "query", {"query": "creme phone"})["hits"]
    none = {"matchLevel": "none", "matchedWords": []}
    assert hit["_highlightResult"] == {
        "name": {
            "value": "<em>Crème</em> <em>Phone</em>s",
            "matchLevel": "full",
            "fullyHighlighted": False,
            "matchedWords": ["creme", "phone"],
        },
        "tags": [
            {
                "value": "<em>phone</em> case",
                "matchLevel": "partial",
                "fullyHighlighted": False,
                "matchedWords": ["phone"],
            },
            {"value": "other", **none},
        ],
        "deep": {"x": {"value": "5", **none}},
    }
    chosen = {"query": "phome", "attributesToHighlight": ["name"], "highlightPreTag": "[", "highlightPostTag": "]"}
    (hit,) = ask(algolia, "query", chosen)["hits"]
    assert hit["_highlightResult"] == {
        "name": {"value": "Crème [Phones]", "matchLevel": "full", "fullyHighlighted": False, "matchedWords": ["phome"]}
    }
    assert "_highlightResult" not in ask(algolia, "query", {"query": "x5", "attributesToHighlight": []})
