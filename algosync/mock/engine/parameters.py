"""Search parameters: their names and types, from a JSON object or from a URL-encoded string.

Owns the 400s for unknown parameters and wrong types. What the mock reads but does not act on is in `IGNORED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from algosync.errors import AlgoliaError
from algosync.mock.engine.filters import facet_filters, numeric_filters, tag_filters
from algosync.mock.engine.grammar import parse_filters

QUERY_BYTES_MAX = 512
CONTEXTS_MAX = 10
HITS_PER_PAGE_MAX = 1000


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FLAGS = _names(
    """
    sumOrFiltersScores facetingAfterDistinct aroundLatLngViaIP getRankingInfo synonyms clickAnalytics
    analytics percentileComputation enableABTest restrictHighlightAndSnippetArrays
    allowTyposOnNumericTokens decompoundQuery enableRules enablePersonalization advancedSyntax
    replaceSynonymsInHighlight attributeCriteriaComputedByMinProximity enableReRanking
    """
)
NUMBERS = _names(
    """
    page offset length hitsPerPage minimumAroundRadius personalizationImpact relevancyStrictness
    minProximity maxValuesPerFacet maxFacetHits minWordSizefor1Typo minWordSizefor2Typos
    """
)
TEXTS = _names(
    """
    query similarQuery filters aroundLatLng userToken highlightPreTag highlightPostTag
    snippetEllipsisText queryType removeWordsIfNoResults mode exactOnSingleWordQuery sortFacetValuesBy
    attributeCriteriaComputedBy
    """
)
LISTS = _names(
    """
    restrictSearchableAttributes facets naturalLanguages ruleContexts analyticsTags attributesToRetrieve
    ranking attributesToHighlight attributesToSnippet disableTypoToleranceOnAttributes queryLanguages
    disableExactOnAttributes alternativesAsExact advancedSyntaxFeatures responseFields explain
    """
)
ANYTHING = _names(
    """
    facetFilters optionalFilters numericFilters tagFilters aroundRadius aroundPrecision
    insideBoundingBox insidePolygon typoTolerance ignorePlurals removeStopWords semanticSearch
    optionalWords distinct renderingContent reRankingApplyFilter extensions
    """
)
KNOWN = FLAGS | NUMBERS | TEXTS | LISTS | ANYTHING

_SHAPES: dict[str, type | UnionType] = {
    "distinct": bool | int,
    "optionalWords": str | list,
    "typoTolerance": bool | str,
}

IGNORED = _names(
    """
    similarQuery aroundLatLng aroundLatLngViaIP aroundRadius aroundPrecision minimumAroundRadius
    insideBoundingBox insidePolygon naturalLanguages synonyms relevancyStrictness
    disableTypoToleranceOnAttributes ignorePlurals removeStopWords queryLanguages decompoundQuery
    enablePersonalization removeWordsIfNoResults mode semanticSearch advancedSyntax
    disableExactOnAttributes facetingAfterDistinct minProximity reRankingApplyFilter attributesToSnippet
    allowTyposOnNumericTokens
    """
)
"""Parameters that change results at Algolia and not here; a search or an index that sets one says so in `message`."""


def from_body(body: Any, known: frozenset[str] = KNOWN) -> dict[str, Any]:
    """Search parameters of a request body: direct, URL-encoded under `params`, or both (direct ones win).

    Raises:
        AlgoliaError: 400 for an unknown parameter or a value of a wrong type.
    """
    if not isinstance(body, dict):
        raise AlgoliaError("Invalid body, expected a JSON object", status=400)
    given = {name: value for name, value in body.items() if name != "params"}
    encoded = body.get("params")
    if encoded is not None:
        if not isinstance(encoded, str):
            raise _wrong("params", "a string")
        given = from_text(encoded) | given
    return check(given, known)


def from_text(encoded: str) -> dict[str, Any]:
    """Parameters from `a=b&c=d`, each turned into its type."""
    return {name: _decoded(name, text) for name, text in parse_qsl(encoded, keep_blank_values=True)}


def _decoded(name: str, text: str) -> Any:
    if name in TEXTS:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def check(given: Mapping[str, Any], known: frozenset[str] = KNOWN) -> dict[str, Any]:
    """Parameters with lists as lists and without nulls (400 for an unknown name, a wrong type, bad syntax)."""
    checked: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise AlgoliaError(f"Unknown parameter: {name}", status=400)
        if value is not None:
            checked[name] = _checked(name, value)
    _check_filters(checked)
    if len(checked.get("query", "").encode()) > QUERY_BYTES_MAX:
        raise _wrong("query", f"string shorter than {QUERY_BYTES_MAX} bytes")
    if len(checked.get("ruleContexts", ())) > CONTEXTS_MAX:
        raise _wrong("ruleContexts", f"at most {CONTEXTS_MAX} contexts")
    return checked


def _checked(name: str, value: Any) -> Any:
    if name in FLAGS and not isinstance(value, bool):
        raise _wrong(name, "boolean")
    if name in TEXTS and not isinstance(value, str):
        raise _wrong(name, "string")
    if name in NUMBERS:
        top = HITS_PER_PAGE_MAX if name in {"hitsPerPage", "length", "maxValuesPerFacet"} else 1_000_000_000
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= top:
            raise _wrong(name, f"integer between 0 and {top}")
    if name in _SHAPES and not isinstance(value, _SHAPES[name]):
        raise _wrong(name, "another type")
    if name in LISTS:
        value = value.split(",") if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _wrong(name, "array of strings")
    return value


def _check_filters(given: Mapping[str, Any]) -> None:
    parse_filters(given.get("filters", ""))
    facet_filters(given.get("facetFilters", []), "facetFilters")
    facet_filters(given.get("optionalFilters", []), "optionalFilters")
    numeric_filters(given.get("numericFilters", []))
    tag_filters(given.get("tagFilters", []))


def echo(given: Mapping[str, Any]) -> str:
    """Parameters as the URL-encoded string that answers carry in `params`."""
    return urlencode({n: v if isinstance(v, str) else orjson.dumps(v).decode() for n, v in given.items()})


def _wrong(name: str, expected: str) -> AlgoliaError:
    return AlgoliaError(f'Invalid value for "{name}" parameter, expected {expected}', status=400)
