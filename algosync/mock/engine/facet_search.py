"""Search for the values of a facet.

Words are matched as in a search: the last one as a prefix, with typos where settings allow them. That values are listed
by count however well they match is how Algolia documents it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.engine.choices import Choices
from algosync.mock.engine.highlight import Tags
from algosync.mock.engine.index import Index
from algosync.mock.engine.search import Reading, Search
from algosync.mock.engine.settings import facets
from algosync.mock.engine.text.matches import Matcher

ALL = sys.maxsize
HITS = 10


def search_facet(index: Index, name: str, body: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    """Values of a facet that match `facetQuery`, most frequent first (sortFacetValuesBy), 10 unless maxFacetHits.

    Raises:
        AlgoliaError: 400 where the attribute is not declared `searchable(…)`.
    """
    began = time.perf_counter()
    declared = facets(index.settings).get(name)
    if declared is None or not declared.searchable:
        what = f"Cannot search in `{name}` attribute, you need to add `searchable({name})` to attributesForFaceting."
        raise AlgoliaError(what, status=400)
    params = {key: value for key, value in body.items() if key != "facetQuery"}
    under_way = Search(index, params, reading)
    # Whatever facets a rule asks for.
    under_way.choices = replace(under_way.choices, params={**under_way.choices.params, "facets": [name]})
    hits = under_way.run(0)
    counts = under_way.facets(hits, under_way.deduplicated(hits), most=ALL).counts.get(name, {})
    choices = under_way.choices
    matcher = Matcher(words=_words(choices, body.get("facetQuery") or ""))
    tags = Tags(before=choices.option("highlightPreTag"), after=choices.option("highlightPostTag"))
    shown: list[dict[str, Any]] = []
    for value, count in counts.items():
        spots = matcher.spots(value)
        found = frozenset[str]().union(*(spot.words for spot in spots))
        if all(word.text in found for word in matcher.words):
            shown.append({"value": value, "highlighted": tags.mark(value, spots), "count": count})
    most = choices.option("maxFacetHits", HITS)
    took = int((time.perf_counter() - began) * 1000) + 1
    return {"facetHits": shown[:most], "exhaustiveFacetsCount": True, "processingTimeMS": took}


def _words(choices: Choices, text: str) -> Any:
    """The words of a facetQuery, under the options of the search; none of them optional."""
    asked = replace(choices, params={**choices.params, "query": text, "similarQuery": None, "optionalWords": []})
    return asked.query().words
