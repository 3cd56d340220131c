"""A Recommend request: what it may hold, and the 400s for what it may not.

The shape is that of Algolia's specification; the sentences follow the pattern of search's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from algosync.errors import AlgoliaError
from algosync.mock.engine.parameters import KNOWN, check
from algosync.mock.engine.settings import KNOWN as SETTINGS
from algosync.mock.services.candidates import About, Model

MOST = 30
_NEED_ITEM = frozenset({"bought-together", "related-products", "looking-similar"})
_TRENDING = frozenset({"trending-items", "trending-facets"})
_COMMON = frozenset({"indexName", "model", "threshold", "maxRecommendations", "queryParameters", "fallbackParameters"})
_NAMES = _COMMON | {"objectID", "facetName", "facetValue"}
_PAGING = frozenset({"page", "hitsPerPage", "offset", "length"})
_OVERRIDDEN = _PAGING | {"ranking", "enableABTest"}
QUERY_IGNORES = _OVERRIDDEN | {"facetFilters"}
FALLBACK_IGNORES = _OVERRIDDEN | {"enableRules"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of a call, checked.

    Attributes:
        index: Its index.
        about: What recommendations are asked for.
        threshold: Smallest score, 0..100.
        most: Largest number of recommendations.
        query: Search parameters for the recommendations, without those that are ignored.
        fallback: Search parameters for what fills up, or None: where there are none, and also where no number was
            asked for ("no fallback request is made", algolia.com/doc/rest-api/recommend).
        ignored: Parameters that were sent and have no effect, by path.
    """

    index: str
    about: About
    threshold: float
    most: int = MOST
    query: Mapping[str, Any] = field(default_factory=dict)
    fallback: Mapping[str, Any] | None = None
    ignored: tuple[str, ...] = ()


def read_request(given: Any) -> Request:
    """A request as sent.

    Raises:
        AlgoliaError: 400 for what is missing, unknown or out of bounds.
    """
    if not isinstance(given, dict):
        raise AlgoliaError("Invalid request, expected a JSON object", status=400)
    sent = {name: value for name, value in given.items() if value is not None}
    if unknown := sorted(sent.keys() - _NAMES):
        raise AlgoliaError(f"Unknown parameter: {unknown[0]}", status=400)
    about, threshold = _about(sent), _number(sent, "threshold", (0, 100))
    most = _number(sent, "maxRecommendations", (0, MOST), whole=True) if "maxRecommendations" in sent else 0
    query, ignored = _parameters(sent, "queryParameters", QUERY_IGNORES)
    fallback, more = _parameters(sent, "fallbackParameters", FALLBACK_IGNORES)
    ignored += more + _out_of_place(sent, about.model)
    if about.model == "trending-facets":
        ignored += [f"queryParameters.{name}" for name in sorted(query)]
    falls_back = most > 0 and "fallbackParameters" in sent and about.model != "trending-facets"
    return Request(
        index=_text(sent, "indexName"),
        about=about,
        threshold=threshold,
        most=int(most) or MOST,
        query=query,
        fallback=fallback if falls_back else None,
        ignored=tuple(ignored),
    )


def _about(sent: Mapping[str, Any]) -> About:
    model = _text(sent, "model")
    if model not in get_args(Model):
        raise AlgoliaError(f"Unknown model: {model}, expected one of {', '.join(get_args(Model))}", status=400)
    if model in _NEED_ITEM:
        return About(model=cast("Model", model), object_id=_text(sent, "objectID"))
    if model == "trending-facets":
        return About(model="trending-facets", facet_name=_text(sent, "facetName"))
    if ("facetName" in sent) != ("facetValue" in sent):
        raise AlgoliaError("facetName and facetValue are used in combination", status=400)
    if "facetName" in sent:
        return About(model="trending-items", facet_name=_text(sent, "facetName"), facet_value=_text(sent, "facetValue"))
    return About(model="trending-items")


def _out_of_place(sent: Mapping[str, Any], model: str) -> list[str]:
    names = {"objectID"} if model in _TRENDING else {"facetName", "facetValue"}
    if model == "trending-facets":
        names |= {"facetValue", "fallbackParameters"}
    return sorted(names & sent.keys())


def _parameters(sent: Mapping[str, Any], name: str, without: frozenset[str]) -> tuple[dict[str, Any], list[str]]:
    given = sent.get(name, {})
    if not isinstance(given, dict):
        raise AlgoliaError(f"Invalid {name}, expected a JSON object", status=400)
    # Algolia's specification lists all settings here; those that are no search parameters change nothing.
    dropped = {key for key in given if key in without or (key in SETTINGS and key not in KNOWN)}
    checked = check({key: value for key, value in given.items() if key not in dropped})
    return checked, [f"{name}.{key}" for key in sorted(dropped)]


def _text(sent: Mapping[str, Any], name: str) -> str:
    value = sent.get(name)
    if value is None:
        raise AlgoliaError(f"{name} is missing", status=400)
    if not isinstance(value, str) or not value:
        raise AlgoliaError(f"Invalid {name}, expected a string", status=400)
    return value


def _number(sent: Mapping[str, Any], name: str, bounds: tuple[int, int], *, whole: bool = False) -> float:
    value, (low, high) = sent.get(name), bounds
    if value is None:
        raise AlgoliaError(f"{name} is missing", status=400)
    fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not fits or not low <= value <= high:
        kind = "an integer" if whole else "a number"
        raise AlgoliaError(f"Invalid {name}, expected {kind} between {low} and {high}", status=400)
    return float(value)
