"""Which records match, and in which order, as Algolia's documentation describes it. Plain and slow.

Shares nothing with the code under test. Each rule names its page of algolia.com/doc.
"""

from __future__ import annotations

from collections import Counter, namedtuple
from itertools import pairwise, product

from .filters import is_number, judge, values
from .readings import Asked, readings, typed
from .texts import lines, searched, spoken
from .words import typos, words

FORMULA = ["typo", "geo", "words", "filters", "proximity", "attribute", "exact", "custom"]
TEXTUAL = ["typo", "words", "proximity", "attribute", "exact"]
FAR = 8

Answer = namedtuple("Answer", "order criteria facets")
# `rank` is the line of searchableAttributes, `value` tells one string from another, `place` is the word's position in
# its attribute, where a string of an array begins 8 words after the one before.
Match = namedtuple("Match", "rank value place ordered typos exact alone")


def matches(asked: Asked, record: dict, settings: dict) -> list[Match]:
    """Every place where a query word matches, of the fewest typos only: typos are compared before all else."""
    found = []
    for rank, (names, ordered) in enumerate(lines(record, settings)):
        for name in names:
            begin = 0
            for number, text in enumerate(searched(record, name, settings)):
                said = words(text)
                for place, other in enumerate(said, begin):
                    count = typos(
                        asked.word,
                        other,
                        0 if name in settings.get("disableTypoToleranceOnAttributes", []) else asked.most,
                        prefix=asked.prefix and name not in settings.get("disablePrefixOnAttributes", []),
                    )
                    if count is not None:
                        exact = asked.word == other and name not in settings.get("disableExactOnAttributes", [])
                        alone = exact and said == [asked.word]
                        found.append(Match(rank, (name, number), place, ordered, count, exact, alone))
                begin += len(said) + FAR if said else 0
    fewest = min((match.typos for match in found), default=0)
    return [match for match in found if match.typos == fewest]


def distance(one: Match, other: Match, least: int) -> int:
    """How far apart two matched words are: 1 for neighbours, 8 at most, 8 between attributes or array elements.

    guides/managing-results/relevance-overview/in-depth/ranking-criteria ("George Clooney" 1, "George Timothy Clooney"
    2); …/minProximity; discourse.algolia.com/t/2532 for arrays.
    """
    apart = min(abs(one.place - other.place), FAR) if one.value == other.value else FAR
    return max(apart, least) if apart else FAR


def criteria(query: list[Asked], spent: int, record: dict, settings: dict) -> dict | None:
    """The textual criteria of a record, or None where a word that is not optional matches nothing."""
    found = [matches(asked, record, settings) for asked in query]
    if any(not hits and not asked.optional for asked, hits in zip(query, found, strict=True)):
        return None
    pairs = [(asked, hits) for asked, hits in zip(query, found, strict=True) if hits]
    if query and not pairs:
        return None
    proximity, attribute = where([hits for _, hits in pairs], len(query) - len(pairs), settings)
    return {
        "typo": spent + sum(hits[0].typos for _, hits in pairs),
        "words": -sum(asked.weight for asked, _ in pairs),
        "proximity": proximity,
        "attribute": attribute,
        "exact": -exactness(query, pairs, settings),
    }


def where(found: list[list[Match]], missing: int, settings: dict) -> tuple[int, int]:
    """Proximity and attribute: the closest choice of one place for each word, then its best attribute.

    Proximity is the sum over neighbouring words of the query (…/getRankingInfo). Attribute is 1000 for each line of
    searchableAttributes and 1 for each word before the match (…/getRankingInfo), of the places that form the best
    proximity; of all places with `best`, which needs attribute before proximity in the formula; with `sum` of one place
    for every word and a large penalty for each that is missing (…/attributeCriteriaComputedBy). Off where
    searchableAttributes is unset (…/searchableAttributes).
    """
    if not found:
        return 0, 0
    least = settings.get("minProximity", 1)
    choices = list(product(*found))
    sums = [sum(distance(*pair, least) for pair in pairwise(choice)) for choice in choices]
    closest = min(sums)
    if not settings.get("searchableAttributes"):
        return (closest if least <= 7 else 0), 0
    formula = [line for line in settings.get("ranking") or FORMULA if line in ("attribute", "proximity")]
    strategy = settings.get("attributeCriteriaComputedBy", "best")
    if strategy == "sum":
        return (closest if least <= 7 else 0), sum(min(map(spot, hits)) for hits in found) + missing * 1_000_000
    free = strategy == "best" and formula[:1] == ["attribute"]
    free = free and not settings.get("attributeCriteriaComputedByMinProximity")
    considered = [choice for choice, total in zip(choices, sums, strict=True) if free or total == closest]
    return (closest if least <= 7 else 0), min(spot(match) for choice in considered for match in choice)


def spot(match: Match) -> int:
    return match.rank * 1000 + (min(match.place, 999) if match.ordered else 0)


def exactness(query: list[Asked], pairs: list[tuple[Asked, list[Match]]], settings: dict) -> int:
    """How many words match exactly (…/adjust-exact-settings); one word alone after …/exactOnSingleWordQuery."""
    exact = sum(asked.exact and any(match.exact for match in hits) for asked, hits in pairs)
    if len(query) != 1:
        return exact
    mode = settings.get("exactOnSingleWordQuery", "attribute")
    if mode == "none":
        return 0
    if mode == "word":
        return exact if len(query[0].word) >= 3 else 0
    return int(query[0].exact and any(match.alone for match in pairs[0][1]))


def sort_key(record: dict, attribute: str, *, descending: bool) -> tuple:
    """Numbers and texts in order, booleans by their names, missing and null last (…/customRanking)."""
    found = values(record, attribute)
    if not found:
        return (2, 0)
    value = found[0]
    if is_number(value):
        return (0, -value if descending else value)
    letters = [ord(letter) for letter in spoken(value)]
    return (0, [-letter for letter in letters] + [1] if descending else letters)


def keys(record: dict, found: dict, formula: list[str], custom: list[str]) -> list:
    built = []
    for line in formula:
        if line == "custom":
            built += keys(record, found, custom, [])
        elif "(" in line:
            direction, _, attribute = line.rstrip(")").partition("(")
            built.append(sort_key(record, attribute, descending=direction == "desc"))
        else:
            built.append(found.get(line, 0))
    return built


def search(records: list[dict], settings: dict, params: dict) -> Answer:
    """The records that match, best first, with their filter scores and the counts of the facets asked for.

    Ties are broken criterion by criterion in the order of the formula
    (guides/managing-results/relevance-overview/in-depth/ranking-criteria), at last by objectID.
    """
    merged = settings | params
    query = words(params.get("query", ""))
    ways = readings(typed(query, merged), records, merged)
    tolerance = merged.get("typoTolerance")
    formula = list(merged.get("ranking") or FORMULA)
    if tolerance in ("min", "strict"):
        formula = ["typo", *(line for line in formula if line != "typo")]
    hits = []
    for record in records:
        score = judge(record, settings, params)
        if score is None:
            continue
        found = [values for way, spent in ways if (values := criteria(way, spent, record, merged))]
        if found:
            best = min(found, key=lambda values: [values[name] for name in TEXTUAL])
            hits.append((record, best | {"filters": -score}))
    if tolerance in ("min", "strict"):
        kept = sorted({found["typo"] for _, found in hits})[: 1 if tolerance == "min" else 2]
        hits = [hit for hit in hits if hit[1]["typo"] in kept]
    custom = merged.get("customRanking") or []
    hits.sort(key=lambda hit: (keys(hit[0], hit[1], formula, custom), hit[0]["objectID"]))
    return Answer(
        order=[record["objectID"] for record, _ in hits],
        criteria={record["objectID"]: {name: abs(value) for name, value in found.items()} for record, found in hits},
        facets={name: counts([record for record, _ in hits], name) for name in params.get("facets", [])},
    )


def counts(records: list[dict], name: str) -> dict[str, int]:
    """How many of the records hold each value of a facet (guides/managing-results/refine-results/faceting)."""
    return dict(Counter(text for record in records for text in {spoken(value) for value in values(record, name)}))
