"""Index settings: their names, types, defaults, and the little languages inside them.

Owns the reading of attributesForFaceting, searchableAttributes and customRanking. Stores nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any

from algosync.errors import AlgoliaError

DEFAULTS: dict[str, Any] = {
    "minWordSizefor1Typo": 4,
    "minWordSizefor2Typos": 8,
    "hitsPerPage": 20,
    "maxValuesPerFacet": 100,
    "searchableAttributes": None,
    "numericAttributesForFiltering": None,
    "attributesToRetrieve": None,
    "unretrievableAttributes": None,
    "optionalWords": None,
    "attributesForFaceting": None,
    "attributesToSnippet": None,
    "attributesToHighlight": None,
    "paginationLimitedTo": 1000,
    "attributeForDistinct": None,
    "exactOnSingleWordQuery": "attribute",
    "ranking": ["typo", "geo", "words", "filters", "proximity", "attribute", "exact", "custom"],
    "customRanking": None,
    "separatorsToIndex": "",
    "removeWordsIfNoResults": "none",
    "queryType": "prefixLast",
    "highlightPreTag": "<em>",
    "highlightPostTag": "</em>",
    "alternativesAsExact": ["ignorePlurals", "singleWordSynonym"],
}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STRINGS = _names(
    """
    attributesForFaceting replicas unretrievableAttributes disableTypoToleranceOnWords
    attributesToTransliterate camelCaseAttributes indexLanguages disablePrefixOnAttributes
    numericAttributesForFiltering searchableAttributes customRanking attributesToRetrieve ranking
    attributesToHighlight attributesToSnippet disableTypoToleranceOnAttributes queryLanguages
    advancedSyntaxFeatures disableExactOnAttributes alternativesAsExact responseFields attributesToIndex
    numericAttributesToIndex slaves
    """
)
_NUMBERS = _names(
    """
    paginationLimitedTo maxFacetHits relevancyStrictness hitsPerPage minWordSizefor1Typo
    minWordSizefor2Typos minProximity maxValuesPerFacet version
    """
)
_FLAGS = _names(
    """
    allowCompressionOfIntegerArray restrictHighlightAndSnippetArrays allowTyposOnNumericTokens
    decompoundQuery enableRules enablePersonalization advancedSyntax replaceSynonymsInHighlight
    attributeCriteriaComputedByMinProximity enableReRanking
    """
)
_TEXTS = _names(
    """
    separatorsToIndex attributeForDistinct keepDiacriticsOnCharacters highlightPreTag highlightPostTag
    snippetEllipsisText queryType removeWordsIfNoResults mode exactOnSingleWordQuery sortFacetValuesBy
    attributeCriteriaComputedBy primary
    """
)
_ANYTHING = _names(
    """
    decompoundedAttributes userData customNormalization typoTolerance ignorePlurals removeStopWords
    semanticSearch optionalWords distinct renderingContent reRankingApplyFilter synonyms
    """
)
KNOWN = _STRINGS | _NUMBERS | _FLAGS | _TEXTS | _ANYTHING

_SHAPES: dict[str, type | UnionType] = {
    "distinct": bool | int,
    "optionalWords": str | list,
    "typoTolerance": bool | str,
}

_MODIFIER = re.compile(r"\s*(\w+)\((.*)\)\s*\Z", re.DOTALL)
_CRITERIA = frozenset(DEFAULTS["ranking"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A declared facet."""

    attribute: str
    searchable: bool = False
    filter_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Searchable:
    """One line of searchableAttributes: attributes of equal rank."""

    attributes: tuple[str, ...]
    ordered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A sort by an attribute's value."""

    attribute: str
    descending: bool


def check_settings(given: Any) -> dict[str, Any]:
    """The settings as given, or 400 naming the first that is unknown or of a wrong type."""
    if not isinstance(given, dict):
        raise AlgoliaError("Invalid settings, expected a JSON object", status=400)
    for name, value in given.items():
        if name not in KNOWN:
            raise AlgoliaError(f"Invalid object attributes: {name}", status=400)
        if value is not None and not _fits(name, value):
            raise AlgoliaError(f"Invalid value for setting: {name}", status=400)
    facets(given)
    searchables(given)
    for line in given.get("customRanking") or ():
        _order(line, "customRanking")
    for line in given.get("ranking") or ():
        if line not in _CRITERIA:
            _order(line, "ranking")
    return given


def _fits(name: str, value: Any) -> bool:
    if name in _STRINGS:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if name in _NUMBERS:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000_000
    if name in _FLAGS:
        return isinstance(value, bool)
    return isinstance(value, _SHAPES.get(name, object) if name in _ANYTHING else str)


def facets(settings: Mapping[str, Any]) -> dict[str, Facet]:
    """Declared facets by attribute."""
    return {facet.attribute: facet for facet in map(_facet, settings.get("attributesForFaceting") or ())}


def _facet(line: str) -> Facet:
    names: set[str] = set()
    rest = line
    while found := _MODIFIER.match(rest):
        names.add(found[1])
        rest = found[2]
    if names - {"searchable", "filterOnly", "afterDistinct"} or not rest.strip():
        raise AlgoliaError(f"Invalid value for setting: attributesForFaceting ({line})", status=400)
    if {"searchable", "filterOnly"} <= names:
        raise AlgoliaError(f"filterOnly and searchable cannot be combined: {line}", status=400)
    return Facet(
        attribute=rest.strip().strip("\"'"), searchable="searchable" in names, filter_only="filterOnly" in names
    )


def searchables(settings: Mapping[str, Any]) -> tuple[Searchable, ...] | None:
    """Searchable attributes by rank, or None where every attribute is searchable."""
    lines = settings.get("searchableAttributes")
    return tuple(map(_searchable, lines)) if lines else None


def _searchable(line: str) -> Searchable:
    found = _MODIFIER.match(line)
    if found and found[1] not in {"unordered", "ordered"}:
        raise AlgoliaError(f"Invalid value for setting: searchableAttributes ({line})", status=400)
    attributes = tuple(name.strip() for name in (found[2] if found else line).split(",") if name.strip())
    if not attributes:
        raise AlgoliaError("Invalid value for setting: searchableAttributes (empty)", status=400)
    # Algolia knows no position within several attributes of one rank.
    return Searchable(attributes=attributes, ordered=not (found and found[1] == "unordered") and len(attributes) == 1)


def ranking(settings: Mapping[str, Any]) -> list[str | Order]:
    """The ranking formula, custom ranking written out in its place."""
    formula: list[str | Order] = []
    for line in settings.get("ranking") or DEFAULTS["ranking"]:
        if line == "custom":
            formula += [_order(custom, "customRanking") for custom in settings.get("customRanking") or ()]
        elif line in _CRITERIA:
            formula.append(line)
        else:
            formula.append(_order(line, "ranking"))
    return formula


def _order(line: str, where: str) -> Order:
    found = _MODIFIER.match(line)
    if not found or found[1] not in {"asc", "desc"} or not found[2].strip():
        raise AlgoliaError(f"Invalid value for setting: {where} ({line})", status=400)
    return Order(attribute=found[2].strip(), descending=found[1] == "desc")
