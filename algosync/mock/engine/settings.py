"""Index settings: their defaults, their check, and the little languages inside them.

Owns the reading of attributesForFaceting, searchableAttributes and customRanking; what values a setting takes stands in
options.py. Stores nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from algosync.errors import AlgoliaError
from algosync.mock.engine.options import SETTINGS_ONLY, SHARED, MisfitError

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


OPTIONS = SHARED | SETTINGS_ONLY
KNOWN = frozenset(OPTIONS)

ALIASES = {
    "attributesToIndex": "searchableAttributes",
    "numericAttributesToIndex": "numericAttributesForFiltering",
    "slaves": "replicas",
}
"""Settings by their names of old."""

_MODIFIER = re.compile(r"\s*(\w+)\((.*)\)\s*\Z", re.DOTALL)
_CRITERIA = frozenset(DEFAULTS["ranking"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A declared facet.

    Attributes:
        attribute: Its name.
        searchable: Whether its values can be searched.
        filter_only: Whether its values are not counted.
        after_distinct: Whether its values are counted over what `distinct` leaves.
    """

    attribute: str
    searchable: bool = False
    filter_only: bool = False
    after_distinct: bool = False


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


def check_settings(given: Any, text: bytes = b"") -> dict[str, Any]:
    """The settings under their present names, or 400 naming the first that is unknown or of a wrong type.

    Args:
        given: What should be a JSON object.
        text: The JSON it was read from, to say where in it the mistake is, as Algolia does.
    """
    if not isinstance(given, dict):
        raise AlgoliaError("Invalid settings, expected a JSON object", status=400)
    checked: dict[str, Any] = {}
    for name, value in given.items():
        present = ALIASES.get(name, name)
        if present not in KNOWN:
            raise AlgoliaError(f"Invalid object attributes: {name}{_near(name, text)}", status=400)
        checked[present] = None if value is None else _checked(present, value, _near(name, text))
    facets(checked)
    searchables(checked)
    for line in checked.get("customRanking") or ():
        _order(line, "customRanking", _near("customRanking", text))
    for line in checked.get("ranking") or ():
        if line not in _CRITERIA:
            _order(line, "ranking", _near("ranking", text))
    return checked


def _checked(name: str, value: Any, near: str) -> Any:
    option = OPTIONS[name]
    try:
        if option.kind == "texts" and not isinstance(value, list):
            raise MisfitError("array of strings")
        return option.read(value)
    except MisfitError as misfit:
        raise AlgoliaError(f"Invalid value for setting {name}, expected {misfit}{near}", status=400) from None


def _near(name: str, text: bytes) -> str:
    """Where a name stands in a JSON text: its line and the column of its last character, both from 1."""
    at = text.find(b'"%s"' % name.encode(errors="replace"))
    if at < 0:
        return ""
    before = text[: at + len(name.encode()) + 2]
    return f" near line:{before.count(10) + 1} column:{len(before) - before.rfind(10) - 1}"


def facets(settings: Mapping[str, Any]) -> dict[str, Facet]:
    """Declared facets by attribute."""
    return {facet.attribute: facet for facet in map(_facet, settings.get("attributesForFaceting") or ())}


def _facet(line: str) -> Facet:
    names: set[str] = set()
    rest = line
    while found := _MODIFIER.match(rest):
        names.add(found[1])
        rest = found[2]
    if names - {"searchable", "filterOnly", "afterDistinct"} or not rest.strip("\"' "):
        raise AlgoliaError(f"Invalid value for setting: attributesForFaceting ({line})", status=400)
    if {"searchable", "filterOnly"} <= names:
        raise AlgoliaError(f"filterOnly and searchable cannot be combined: {line}", status=400)
    return Facet(
        attribute=rest.strip().strip("\"'"),
        searchable="searchable" in names,
        filter_only="filterOnly" in names,
        after_distinct="afterDistinct" in names,
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


def _order(line: str, where: str, near: str = "") -> Order:
    found = _MODIFIER.match(line)
    if found and found[1] in {"asc", "desc"} and found[2].strip():
        return Order(attribute=found[2].strip(), descending=found[1] == "desc")
    if where == "customRanking":
        raise AlgoliaError(f"Invalid CustomRanking function({line}), you should use asc() or desc(){near}", status=400)
    what = f'Invalid ranking parameter: "{line}", you should use {",".join(DEFAULTS["ranking"])}'
    raise AlgoliaError(f"{what} or asc(attribute),desc(attribute){near}", status=400)
