"""Lays the experience's parameters beside the caller's own, which always come first and are never taken away. Pure.

Lists are added to, `filters` must both hold, and of everything else the caller's word stands. Merging twice is merging
once, so that an answer which has the caller's own filters in it already does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from algosync.errors import ConfigError
from algosync.experience.question import CONTEXTS_MAX
from algosync.personalizer.conditions import from_facets, joined

LISTS: Final = ("optionalFilters", "ruleContexts", "analyticsTags")
PERSONAL: Final = ("optionalFilters", "ruleContexts")


def search_parameters(own: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """A search's parameters: the caller's, and what the experience adds.

    Args:
        own: The caller's; not changed.
        ours: `search` of the experience, or one of the two objects in its `recommend`.
    """
    made = {**ours, **own}
    for name in LISTS:
        if ours.get(name):
            made[name] = _added(own.get(name), ours[name])
        elif name not in own:
            made.pop(name, None)
    if ours.get("ruleContexts"):
        first = _listed(own.get("ruleContexts"))
        made["ruleContexts"] = made["ruleContexts"][: max(CONTEXTS_MAX, len(first))]
    if own.get("filters") and ours.get("filters"):
        made["filters"] = joined(own["filters"], ours["filters"])
    return {name: value for name, value in made.items() if value is not None or name in own}


def recommend_parameters(own: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """A recommendation's parameters: the caller's, and what the experience adds.

    Fallback parameters are added to and never introduced: with any at all, Algolia fills a short answer with whatever
    a search for nothing finds.

    Args:
        own: The caller's, in which `queryParameters` and `fallbackParameters` are merged; not changed.
        ours: `recommend` of the experience.

    Raises:
        ConfigError: The caller's queryParameters hold facetFilters, which Recommend ignores.
    """
    refuse_facet_filters(own.get("queryParameters") or {})
    made = dict(own)
    query = search_parameters(own.get("queryParameters") or {}, ours.get("queryParameters") or {})
    if query:
        made["queryParameters"] = query
    if own.get("fallbackParameters") is not None:
        made["fallbackParameters"] = search_parameters(own["fallbackParameters"], ours.get("fallbackParameters") or {})
    return made


def refuse_facet_filters(own: Mapping[str, Any]) -> None:
    """Recommend answers as if they were not there: the caller would never know.

    Raises:
        ConfigError: There are some.
    """
    if own.get("facetFilters"):
        raise ConfigError(
            "Recommend ignores facetFilters in queryParameters",
            where="queryParameters.facetFilters",
            hint=f"Say it in `filters`: {from_facets(own['facetFilters'])}",
        )


def adds(own: Mapping[str, Any], merged: Mapping[str, Any]) -> bool:
    """Whether a merge has added something of the visitor's."""
    return any(_listed(merged.get(name)) != _listed(own.get(name)) for name in PERSONAL)


def _added(own: Any, ours: Iterable[Any]) -> list[Any]:
    made = _listed(own)
    for item in _listed(ours):
        if item not in made:
            made.append(item)
    return made


def _listed(value: Any) -> list[Any]:
    """A list of texts and of lists of texts, whether it came as one text, a tuple or a list."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    return [item if isinstance(item, str) else list(item) for item in value]
