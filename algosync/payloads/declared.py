"""What an index declares for faceting, what is missing there, and what else would make optionalFilters do nothing.

Reads settings as Algolia returns them; proposes, never applies. Of its own accord it adds only what algosync writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

PREFIX: Final = "algosync."
"""Attributes of this prefix exist on products only because algosync writes them."""

_MODIFIER: Final = re.compile(r"\s*(?:searchable|filterOnly|afterDistinct)\((.*)\)\s*", re.DOTALL)
_SORTED_BY: Final = re.compile(r"(?:asc|desc)\(.*\)")


def declared_facets(attributes_for_faceting: Sequence[str] | None) -> frozenset[str]:
    """Give the attributes of an `attributesForFaceting` list without their modifiers, which may be nested."""
    return frozenset(_bare(entry) for entry in attributes_for_faceting or ())


def missing_declarations(settings: Mapping[str, Any], needed: Iterable[str]) -> list[str]:
    """Propose the `attributesForFaceting` that `needed` filters ask for.

    The shop's own entries stay as they are and in their order; `filterOnly(algosync.…)` is added at the end for
    needed attributes of algosync that are not declared. The shop's own attributes are never added: `undeclared`
    names them.
    """
    present = list(settings.get("attributesForFaceting") or ())
    added = (facet for facet in undeclared(settings, needed) if facet.startswith(PREFIX))
    return [*present, *(f"filterOnly({facet})" for facet in added)]


def is_own_declaration(entry: str) -> bool:
    """Whether an entry of `attributesForFaceting` is one that `missing_declarations` adds."""
    return entry.startswith(f"filterOnly({PREFIX}") and _bare(entry).startswith(PREFIX)


def undeclared(settings: Mapping[str, Any], needed: Iterable[str]) -> tuple[str, ...]:
    """Name the needed attributes that the index does not declare for faceting, ascending."""
    return tuple(sorted(set(needed) - declared_facets(settings.get("attributesForFaceting"))))


def declaration_hint(facet: str) -> str:
    """Say that an attribute is not declared and what to do about it."""
    if facet.startswith(PREFIX):
        return f"not in attributesForFaceting: `algosync setup` adds filterOnly({facet})"
    return f"not in attributesForFaceting: declare filterOnly({facet}) on the index, `algosync setup` shows how"


def inert_reasons(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Say why optionalFilters would do nothing, or less than expected, on an index of these settings.

    They act through the `filters` criterion of the ranking formula, after whatever stands before it; with
    `enablePersonalization` on, Algolia would boost a second time.
    """
    reasons = []
    ranking = settings.get("ranking")
    if ranking is not None and "filters" not in ranking:
        reasons.append("ranking has no `filters` criterion: optionalFilters do nothing on this index")
    before = [*ranking[: ranking.index("filters")]] if ranking and "filters" in ranking else []
    if any(_SORTED_BY.fullmatch(criterion) for criterion in before):
        reasons.append("the index sorts by an attribute before `filters`: optionalFilters only break its ties")
    if settings.get("enablePersonalization"):
        reasons.append("enablePersonalization is on: a search that carries filters must turn it off")
    return tuple(reasons)


def _bare(entry: str) -> str:
    while match := _MODIFIER.fullmatch(entry):
        entry = match.group(1)
    return entry.strip()
