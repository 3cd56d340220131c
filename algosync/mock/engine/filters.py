"""Filters as values, and the readers of their array forms (facetFilters, optionalFilters, numericFilters, tagFilters).

A filter is a conjunction of groups, a group a disjunction of terms. The text form (`filters`) is read by grammar.py.
How a term is compared with a record is in ranking.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from algosync.errors import AlgoliaError

SCORE_MAX = 65535
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "TO"]

_SCORE = re.compile(r"<score=([^<>]*)>\Z")
_COMPARISON = re.compile(r"\s*(.+?)\s*(<=|>=|!=|=|<|>)\s*(-?\d+(?:\.\d+)?)\s*\Z", re.DOTALL)
_RANGE = re.compile(r"\s*(.+?)\s*:\s*(-?\d+(?:\.\d+)?)\s+(?i:to)\s+(-?\d+(?:\.\d+)?)\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetTerm:
    """`attribute:value`, worth `score` to the records that satisfy it (those without the value, if negated)."""

    attribute: str
    value: str
    negated: bool = False
    score: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericTerm:
    """A comparison, or an inclusive range where the operator is TO and `upper` its end. Has no score."""

    attribute: str
    operator: Operator
    value: float
    upper: float = 0.0
    negated: bool = False


Term = FacetTerm | NumericTerm
Group = tuple[Term, ...]
Filter = tuple[Group, ...]


def checked_score(text: str, where: str) -> int:
    """The number of `<score=N>`, an integer 0..65535 (400 otherwise)."""
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > SCORE_MAX:
        raise AlgoliaError(
            f"{where}: Invalid filter score {text!r}, expected an integer between 0 and {SCORE_MAX}", status=400
        )
    return int(text)


def facet_term(item: str, where: str) -> FacetTerm:
    r"""One item of facetFilters or optionalFilters: `facet:value`, `facet:-value`, `facet:\-value`, `…<score=N>`."""
    attribute, colon, value = item.partition(":")
    attribute = attribute.strip()
    if not colon or not attribute:
        raise AlgoliaError(f"{where}: Invalid syntax for {item!r}, expected facet:value", status=400)
    score = 1
    if found := _SCORE.search(value):
        score = checked_score(found[1], where)
        value = value[: found.start()]
    value = value.strip()
    negated = value.startswith("-")
    if negated or value.startswith("\\-"):
        value = value[1:]
    return FacetTerm(attribute=attribute, value=value, negated=negated, score=score)


def facet_filters(value: Any, where: str) -> Filter:
    """Facet filters as a list with at most one nested level (OR), or the same as a string."""
    return tuple(tuple(facet_term(item, where) for item in group) for group in groups(value, where))


def tag_filters(value: Any, where: str = "tagFilters") -> Filter:
    """Tag filters: items are values of `_tags`, `-` negates."""
    return tuple(
        tuple(facet_term(f"_tags:{item.removeprefix('_tags:')}", where) for item in group)
        for group in groups(value, where)
    )


def numeric_filters(value: Any, where: str = "numericFilters") -> Filter:
    """Numeric filters: `price >= 10`, `price:10 TO 20`."""
    return tuple(tuple(_numeric_term(item, where) for item in group) for group in groups(value, where))


def _numeric_term(item: str, where: str) -> NumericTerm:
    if found := _RANGE.match(item):
        return NumericTerm(attribute=found[1], operator="TO", value=float(found[2]), upper=float(found[3]))
    if found := _COMPARISON.match(item):
        operator: Operator = found[2]  # type: ignore[assignment]  # the pattern allows operators only
        return NumericTerm(attribute=found[1], operator=operator, value=float(found[3]))
    raise AlgoliaError(f"{where}: Invalid syntax for {item!r}, expected a numeric comparison", status=400)


def groups(value: Any, where: str) -> list[list[str]]:
    """The array form as a list of OR groups; empty groups left out (400 where it nests deeper or is no array)."""
    if isinstance(value, str):
        value = _from_text(value, where)
    if not isinstance(value, list):
        raise AlgoliaError(f"{where}: Invalid type, expected an array or a string", status=400)
    nested = [item if isinstance(item, list) else [item] for item in value]
    if not all(isinstance(item, str) for group in nested for item in group):
        raise AlgoliaError(f"{where}: Only strings, or one nested level of them, are allowed", status=400)
    return [group for group in nested if group]


def _from_text(text: str, where: str) -> Any:
    if text.lstrip().startswith("["):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            raise AlgoliaError(f"{where}: Invalid JSON array", status=400) from None
    found = re.findall(r"\(([^()]*)\)|([^,]+)", text)
    return [inner.split(",") if inner else outer.strip() for inner, outer in found if inner or outer.strip()]
