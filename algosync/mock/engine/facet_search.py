"""Search for the values of a facet."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.engine.index import Index
from algosync.mock.engine.search import Reading, Search
from algosync.mock.engine.settings import Facet, facets
from algosync.mock.engine.words import normalise, split

ALL = sys.maxsize


def search_facet(index: Index, name: str, body: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    """Values of a facet that begin with the words of `facetQuery`, most frequent first, 10 unless maxFacetHits.

    Raises:
        AlgoliaError: 400 where the attribute is not declared `searchable(…)`.
    """
    declared: Facet | None = facets(index.settings).get(name)
    if declared is None or not declared.searchable:
        what = f"Cannot search in `{name}` attribute, you need to add `searchable({name})` to attributesForFaceting."
        raise AlgoliaError(what, status=400)
    under_way = Search(index, {**{k: v for k, v in body.items() if k != "facetQuery"}, "facets": [name]}, reading)
    hits = under_way.run()
    counts: dict[str, int] = under_way.facet_answer(hits, most=ALL).get("facets", {}).get(name, {})
    words = split(str(body.get("facetQuery") or ""))
    found = [(value, count) for value, count in counts.items() if _begins(split(value), words)]
    shown = found[: under_way.option("maxFacetHits", 10)]
    marks = (under_way.option("highlightPreTag"), under_way.option("highlightPostTag"))
    facet_hits = [{"value": v, "highlighted": _marked(v, words, marks), "count": c} for v, c in shown]
    return {"facetHits": facet_hits, "exhaustiveFacetsCount": True, "processingTimeMS": 1}


def _begins(value: list[str], words: list[str]) -> bool:
    return all(any(part.startswith(word) for part in value) for word in words)


def _marked(value: str, words: list[str], marks: tuple[str, str]) -> str:
    for word in words:
        at = normalise(value).find(word)
        if at >= 0:
            return f"{value[:at]}{marks[0]}{value[at : at + len(word)]}{marks[1]}{value[at + len(word) :]}"
    return value
