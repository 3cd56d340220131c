"""What the mock accepts without acting on it, or acts on in part: named in each answer that it may have changed.

Owns that list. An option at a value that changes nothing at Algolia either (such as `ignorePlurals: false`) is not
named, nor is one for a feature that the mock has no content for (synonyms, A/B tests, Dynamic Re-Ranking, analytics).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from algosync.mock.engine.options import LANGUAGES

WARNING_HEADER = "x-algosync-mock-warning"
"""The header that carries the list; CORS exposes it to browsers."""

_SPLIT_APART = frozenset({"ja", "zh", "ko", "th", "de", "nl", "fi", "da", "sv", "no", "nb"})
"""Languages whose words Algolia cuts in pieces; naming another changes nothing without plurals or stop words."""

_WHOLE_WORD_LANGUAGES = LANGUAGES - _SPLIT_APART


def _set(value: Any) -> bool:
    return bool(value) and value != "false"


def _other_than(*neutral: Any) -> Callable[[Any], bool]:
    return lambda value: value not in neutral


def _cut_languages(value: Any) -> bool:
    return not _WHOLE_WORD_LANGUAGES.issuperset(value or ())


_TELLING: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(
        (
            "similarQuery",
            "aroundLatLng",
            "aroundLatLngViaIP",
            "insideBoundingBox",
            "insidePolygon",
            "naturalLanguages",
            "ignorePlurals",
            "removeStopWords",
            "enablePersonalization",
            "attributesToTransliterate",
            "camelCaseAttributes",
            "decompoundedAttributes",
            "customNormalization",
            "keepDiacriticsOnCharacters",
            "separatorsToIndex",
            "replicas",
            "numericAttributesForFiltering",
        ),
        _set,
    ),
    "relevancyStrictness": _other_than(100),
    "mode": _other_than("keywordSearch"),
    "queryLanguages": _cut_languages,
    "indexLanguages": _cut_languages,
}


def not_acted_on(params: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Names of the parameters and settings, sorted, that would change this search at Algolia and do not here."""
    values = {**settings, **params}
    return sorted(name for name, telling in _TELLING.items() if values.get(name) is not None and telling(values[name]))


def warning(names: list[str]) -> str:
    """The names as a sentence for `message` and for the header."""
    return f"Ignored by the mock: {', '.join(names)}"
