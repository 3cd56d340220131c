"""Records that look like another: shared facet values and shared words. An approximation.

Algolia's model compares pictures and texts by a trained network; nothing of the kind is here. Half of the score is the
share of the record's facet values that the other has, half the share of the first words of its searchable text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from algosync.mock.engine.columns import leaves
from algosync.mock.engine.index import Index
from algosync.mock.engine.search import Reading
from algosync.mock.engine.settings import facets, searchables
from algosync.mock.engine.text.words import split
from algosync.mock.services.ranked import ranked

VALUES_MAX = 20
WORDS_MAX = 8


def alike(index: Index, record: Mapping[str, Any], reading: Reading, most: int) -> dict[str, float]:
    """Scores 0..100 by objectID of records that share a facet value or a word with a record."""
    values, words = _values(index, record), _words(index, record)
    parts: list[tuple[str, int, dict[str, Any]]] = []
    if values:
        optional = [f"{attribute}:{value}" for attribute, value in values]
        parts.append(("filters", len(values), {"optionalFilters": optional, "ranking": ["filters"]}))
    if words:
        query = {"query": " ".join(words), "optionalWords": words, "typoTolerance": False, "queryType": "prefixNone"}
        parts.append(("words", len(words), query | {"ranking": ["words"]}))
    total: defaultdict[str, float] = defaultdict(float)
    for criterion, number, params in parts:
        found = ranked(index, params, reading, most)
        for object_id, value in zip(found.object_ids, found.scores[criterion], strict=True):
            total[object_id] += 100 / len(parts) * value / number
    return {object_id: round(score, 2) for object_id, score in total.items() if score}


def _values(index: Index, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    values = [
        (attribute, value)
        for attribute in sorted(facets(index.settings))
        for value in leaves(record, attribute)
        if isinstance(value, str) and value and not value.startswith(("-", "\\")) and "<score=" not in value
    ]
    return list(dict.fromkeys(values))[:VALUES_MAX]


def _words(index: Index, record: Mapping[str, Any]) -> list[str]:
    lines = searchables(index.settings)
    attributes = (
        sorted(record.keys() - {"objectID"}) if lines is None else [a for line in lines for a in line.attributes]
    )
    words = [
        word
        for attribute in attributes
        for value in leaves(record, attribute)
        if isinstance(value, str)
        for word in split(value)
    ]
    return list(dict.fromkeys(words))[:WORDS_MAX]
