"""Search parameters and index settings: their names, and what values each takes.

One table for both, because most are both. Owns the check of a single value and nothing of what an option does.
Sources: `SearchParams.yml` and `IndexSettings.yml` of Algolia's OpenAPI specifications, and the answers of the service
where it is known to be more lenient (integers as text, 0 and 1 as booleans, sizes above their maximum cut to it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

INT64_MAX = (1 << 63) - 1

Kind = Literal["flag", "integer", "text", "texts", "free"]


class MisfitError(ValueError):
    """A value that an option does not take; the text says what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What values an option takes.

    Attributes:
        kind: `texts` is a list of strings; `free` is looked at elsewhere, or of no consequence.
        low: Smallest integer.
        high: Largest integer.
        cut: What larger integers are cut to, or None.
        choices: The strings allowed, if not all are; also for the items of a list.
        flag_too: Whether true and false are allowed besides.
        items: The items of a list allowed besides (empty: any strings), or None.
    """

    kind: Kind
    low: int = 0
    high: int = INT64_MAX
    cut: int | None = None
    choices: frozenset[str] = frozenset()
    flag_too: bool = False
    items: frozenset[str] | None = None

    def read(self, value: Any) -> Any:
        """The value in its type, or MisfitError."""
        if self.flag_too and isinstance(value, bool):
            return value
        if self.items is not None and isinstance(value, list):
            return _list_of(value, self.items)
        return _READERS[self.kind](self, value)

    def _flag(self, value: Any) -> bool:
        if isinstance(value, bool) or (isinstance(value, int) and value in {0, 1}):
            return bool(value)
        raise MisfitError("boolean")

    def _integer(self, value: Any) -> int:
        if isinstance(value, str) and value.removeprefix("-").isdecimal() and value.isascii() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise MisfitError(f"integer between {self.low} and {self.high}")
        return value if self.cut is None else min(value, self.cut)

    def _text(self, value: Any) -> str:
        if not isinstance(value, str) or (self.choices and value not in self.choices):
            raise MisfitError(f"one of {', '.join(sorted(self.choices))}" if self.choices else "string")
        return value

    def _texts(self, value: Any) -> list[str]:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        return _list_of(value, self.choices)

    def _free(self, value: Any) -> Any:
        return value


def _list_of(value: Any, items: frozenset[str]) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MisfitError("array of strings")
    if items and not items.issuperset(value):
        raise MisfitError(f"array of {', '.join(sorted(items))}")
    return value


_READERS: dict[Kind, Any] = {
    "flag": Option._flag,  # noqa: SLF001
    "integer": Option._integer,  # noqa: SLF001
    "text": Option._text,  # noqa: SLF001
    "texts": Option._texts,  # noqa: SLF001
    "free": Option._free,  # noqa: SLF001
}


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


LANGUAGES = _set(
    """
    af ar az bg bn ca cs cy da de el en eo es et eu fa fi fo fr ga gl he hi hu hy id is it ja ka kk ko ku ky lt lv mi
    mn mr ms mt nb nl no ns pl ps pt pt-br qu ro ru sk sq sv sw ta te th tl tn tr tt uk ur uz zh
    """
)

_FLAG = Option(kind="flag")
_INTEGER = Option(kind="integer")
_TEXT = Option(kind="text")
_TEXTS = Option(kind="texts")
_FREE = Option(kind="free")
_LANGUAGES = Option(kind="texts", choices=LANGUAGES)


def _choice(text: str, *, flag_too: bool = False) -> Option:
    return Option(kind="text", choices=_set(text), flag_too=flag_too)


def _plain(option: Option, names: str) -> dict[str, Option]:
    return dict.fromkeys(names.split(), option)


SEARCH_ONLY: dict[str, Option] = {
    **_plain(
        _FLAG,
        """
        sumOrFiltersScores facetingAfterDistinct aroundLatLngViaIP getRankingInfo synonyms clickAnalytics analytics
        percentileComputation enableABTest
        """,
    ),
    **_plain(_TEXT, "query similarQuery filters aroundLatLng userToken"),
    **_plain(_TEXTS, "restrictSearchableAttributes facets ruleContexts analyticsTags explain"),
    **_plain(
        _FREE,
        """
        facetFilters optionalFilters numericFilters tagFilters aroundRadius aroundPrecision insideBoundingBox
        insidePolygon extensions
        """,
    ),
    "page": _INTEGER,
    "offset": _INTEGER,
    "length": Option(kind="integer", cut=1000),
    "minimumAroundRadius": Option(kind="integer", low=1),
    "personalizationImpact": Option(kind="integer", high=100),
    "naturalLanguages": _LANGUAGES,
}
"""Options of a search that are no settings."""

FACET_ONLY: dict[str, Option] = {"facetQuery": _TEXT}
"""Options of a search for facet values alone."""

SHARED: dict[str, Option] = {
    **_plain(
        _FLAG,
        """
        restrictHighlightAndSnippetArrays allowTyposOnNumericTokens decompoundQuery enableRules enablePersonalization
        advancedSyntax replaceSynonymsInHighlight attributeCriteriaComputedByMinProximity enableReRanking
        """,
    ),
    **_plain(_TEXT, "highlightPreTag highlightPostTag snippetEllipsisText"),
    **_plain(
        _TEXTS,
        """
        attributesToRetrieve ranking attributesToHighlight attributesToSnippet disableTypoToleranceOnAttributes
        disableExactOnAttributes responseFields
        """,
    ),
    **_plain(_FREE, "semanticSearch renderingContent reRankingApplyFilter"),
    **_plain(_INTEGER, "relevancyStrictness minWordSizefor1Typo minWordSizefor2Typos"),
    "hitsPerPage": Option(kind="integer", cut=1000),
    "maxValuesPerFacet": Option(kind="integer", cut=1000),
    "maxFacetHits": Option(kind="integer", low=1, high=100),
    "minProximity": Option(kind="integer", low=1, high=7),
    "distinct": Option(kind="integer", flag_too=True),
    "queryType": _choice("prefixLast prefixAll prefixNone"),
    "removeWordsIfNoResults": _choice("none lastWords firstWords allOptional"),
    "mode": _choice("neuralSearch keywordSearch"),
    "exactOnSingleWordQuery": _choice("attribute none word"),
    "sortFacetValuesBy": _choice("count alpha"),
    "attributeCriteriaComputedBy": _choice("minProximity best sum"),
    "typoTolerance": _choice("true false min strict", flag_too=True),
    "ignorePlurals": Option(kind="text", choices=_set("true false"), flag_too=True, items=LANGUAGES),
    "removeStopWords": Option(kind="text", choices=_set("true false"), flag_too=True, items=LANGUAGES),
    "optionalWords": Option(kind="text", items=frozenset()),
    "queryLanguages": _LANGUAGES,
    "alternativesAsExact": Option(
        kind="texts", choices=_set("ignorePlurals singleWordSynonym multiWordsSynonym ignoreConjugations")
    ),
    "advancedSyntaxFeatures": Option(kind="texts", choices=_set("exactPhrase excludeWords")),
}
"""Options of a search whose defaults are settings."""

SETTINGS_ONLY: dict[str, Option] = {
    **_plain(
        _TEXTS,
        """
        attributesForFaceting replicas unretrievableAttributes disableTypoToleranceOnWords attributesToTransliterate
        camelCaseAttributes disablePrefixOnAttributes numericAttributesForFiltering searchableAttributes customRanking
        """,
    ),
    **_plain(_TEXT, "separatorsToIndex attributeForDistinct keepDiacriticsOnCharacters primary"),
    **_plain(_FREE, "decompoundedAttributes userData customNormalization version synonyms"),
    "allowCompressionOfIntegerArray": _FLAG,
    "indexLanguages": _LANGUAGES,
    "paginationLimitedTo": Option(kind="integer", cut=20_000),
}
"""Settings that no search can change."""
