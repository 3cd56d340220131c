"""Fills a short answer of Recommend with the shop's own related products. Pure: the caller fetches.

What is filled in is known to belong there, and nothing else is: no random products, none twice, never the product
itself. It is fetched by a search that carries the request's own conditions, which looking records up by objectID would
not: what may not be recommended is not filled in either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

ALGOLIA: Final = "algolia"
ORIGIN: Final = "_origin"
MOST: Final = 30
"""Products that Algolia recommends at most, and if no number is given."""

_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "related-products": ("related", "viewed_together", "similar"),
    "bought-together": ("bought_together",),
    "looking-similar": ("similar",),
    "trending-items": ("trending", "popular"),
}
_SPARE: Final = 3
_ASKED_MOST: Final = 100
_CONDITIONS: Final = (
    "filters",
    "numericFilters",
    "tagFilters",
    "attributesToRetrieve",
    "aroundLatLng",
    "aroundRadius",
    "insideBoundingBox",
    "insidePolygon",
)
# A search for known products says nothing about what visitors look for, and must not be rearranged.
_QUIET: Final[Mapping[str, Any]] = {
    "query": "",
    "analytics": False,
    "clickAnalytics": False,
    "enableABTest": False,
    "enablePersonalization": False,
    "enableReRanking": False,
    "enableRules": False,
    "distinct": False,
    "attributesToHighlight": [],
    "attributesToSnippet": [],
}
_NOISE: Final = ("_highlightResult", "_snippetResult")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What is missing, and what could stand there.

    Attributes:
        wanted: How many.
        origins: objectID to the list that names it, the best first.
    """

    wanted: int
    origins: Mapping[str, str]


def tagged(hits: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Algolia's own products, marked as such."""
    return [{**hit, ORIGIN: ALGOLIA} for hit in hits]


def gap(request: Mapping[str, Any], hits: Sequence[Mapping[str, Any]], content: Mapping[str, Any]) -> Gap:
    """What a recommendation lacks.

    Args:
        request: The recommendation's request.
        hits: What came.
        content: Lists of objectIDs by name, of the experience.
    """
    limit = request.get("maxRecommendations") or MOST
    taken = {hit.get("objectID") for hit in hits} | {request.get("objectID")}
    origins: dict[str, str] = {}
    for name in _LISTS.get(request["model"], ()):
        for object_id in content.get(name) or ():
            if isinstance(object_id, str) and object_id not in taken:
                origins.setdefault(object_id, f"algosync:{name}")
    wanted = max(0, limit - len(hits))
    most = min(_ASKED_MOST, wanted * _SPARE)
    return Gap(wanted=wanted, origins=dict(list(origins.items())[:most]))


def request_for(missing: Gap, request: Mapping[str, Any]) -> dict[str, Any]:
    """The search that fetches what could stand in the gap, as far as it fulfils the request's conditions."""
    own = request.get("queryParameters") or {}
    made = {name: own[name] for name in _CONDITIONS if own.get(name)}
    facet, value = request.get("facetName"), request.get("facetValue")
    facets = [f"{facet}:{value}"] if facet and value else []
    named = [f"objectID:{object_id}" for object_id in missing.origins]
    return {**made, **_QUIET, "facetFilters": [*facets, named], "hitsPerPage": len(named)}


def filled(missing: Gap, found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The products for the gap, in the order of their lists."""
    by_id = {hit["objectID"]: hit for hit in found if hit.get("objectID") in missing.origins}
    best = [object_id for object_id in missing.origins if object_id in by_id][: missing.wanted]
    return [{**_clean(by_id[object_id]), ORIGIN: missing.origins[object_id]} for object_id in best]


def _clean(hit: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in hit.items() if name not in _NOISE}
