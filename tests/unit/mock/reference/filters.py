r"""Filters and their scores, as Algolia's documentation describes them. Plain and slow.

A filter is a list of groups (AND), a group a list of terms (OR). Shares nothing with the code under test. Pages of
algolia.com/doc: api-reference/api-parameters/{filters,facetFilters,numericFilters,tagFilters,optionalFilters,
sumOrFiltersScores}, guides/managing-results/refine-results/filtering/in-depth/{combining-boolean-operators,
filter-scoring}, guides/…/merchandising-and-promoting/in-depth/optional-filters.
"""

from __future__ import annotations

import re

COMPARE = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
NUMBER = r"-?\d+(?:\.\d+)?"


def values(record, path: str) -> list:
    """The plain values of an attribute: nested by dots, every element of arrays, no null (…/attributesForFaceting)."""
    if isinstance(record, list):
        return [value for item in record for value in values(item, path)]
    if not path:
        return [] if record is None or isinstance(record, dict) else [record]
    if not isinstance(record, dict):
        return []
    if path in record:
        return values(record[path], "")
    head, _, tail = path.partition(".")
    return values(record[head], tail) if tail and head in record else []


def declared(settings: dict) -> list[str]:
    """Attributes that facet filters may use: those of attributesForFaceting, `_tags` and objectID."""
    names = [line.split("(")[-1].rstrip(")") for line in settings.get("attributesForFaceting") or []]
    return [*names, "_tags", "objectID"]


def is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def holds(record: dict, name: str, value: str, settings: dict, *, numbers: bool) -> bool:
    """Whether a facet has a value.

    Facet values are compared without regard to case, tags with (…/filters); true matches true and "true" (…/filters);
    a facet filter matches strings and numbers (…/facetFilters, "Escape minus signs"), an optional filter no number
    (…/optionalFilters).
    """
    if name not in declared(settings):
        return False
    for found in values(record, name):
        if is_number(found):
            if numbers and re.fullmatch(NUMBER, value) and float(value) == found:
                return True
            continue
        text = {True: "true", False: "false"}[found] if isinstance(found, bool) else found
        if text == value or (name not in ("_tags", "objectID") and text.lower() == value.lower()):
            return True
    return False


def compares(record: dict, name: str, low: float, sign: str, high: float) -> bool:
    """Whether any number of an attribute compares so.

    Any element of an array (…/filters); ranges include both ends, precision is three decimals (…/numericFilters).
    """
    found = [round(value * 1000) for value in values(record, name) if is_number(value)]
    low, high = round(low * 1000), round(high * 1000)
    if sign == "TO":
        return any(low <= value <= high for value in found)
    return any(COMPARE[sign](value, low) for value in found)


def facet_score(item: str, record: dict, settings: dict, *, numbers: bool = True) -> int | None:
    r"""The score a record earns from `facet:value`, `facet:-value`, `facet:\-value`, `…<score=N>`; None for none."""
    name, _, value = item.partition(":")
    found = re.search(r"<score=(\d+)>$", value)
    score = int(found[1]) if found else 1
    value = (value[: found.start()] if found else value).strip()
    negative = value.startswith("-")
    if negative or value.startswith("\\-"):
        value = value[1:]
    if name.strip() not in declared(settings):
        # Without attributesForFaceting an optional filter does nothing (algolia/vue-instantsearch#704); NOT holds.
        return 0 if negative else None
    return score if holds(record, name.strip(), value, settings, numbers=numbers) != negative else None


def numeric_score(item: str, record: dict, *, negative: bool = False) -> int | None:
    """0 for a comparison or range that holds, None otherwise; comparisons carry no score.

    NOT turns a comparison into its opposite (Algolia's published filter validator), so that a record without the
    number is left out either way; a range is negated as a whole.
    """
    if found := re.fullmatch(rf"\s*(\S+?)\s*:\s*({NUMBER})\s+TO\s+({NUMBER})\s*", item):
        held = compares(record, found[1], float(found[2]), "TO", float(found[3])) != negative
    else:
        found = re.fullmatch(rf"\s*(\S+?)\s*(<=|>=|!=|=|<|>)\s*({NUMBER})\s*", item)
        held = compares(record, found[1], float(found[3]), OPPOSITE[found[2]] if negative else found[2], 0)
    return 0 if held else None


def text_score(term: str, record: dict, settings: dict) -> int | None:
    """One term of the text form: NOT, quotes, facet:value, a bare tag, a comparison or a range (…/filters)."""
    term = term.strip()
    negative = term.startswith("NOT ")
    term = term[4:].strip() if negative else term
    if re.search(rf"(?:[<>=]|: *{NUMBER} +TO ) *{NUMBER}$", term):
        return numeric_score(term, record, negative=negative)
    found = re.fullmatch(
        r"""(?:("[^"]*"|'[^']*'|[^:"'<]+):)?("[^"]*"|'[^']*'|[^"'<]+)(?:<score=(\d+)>)?""", term, re.DOTALL
    )
    name, value = (part.strip(" \"'") if part else "_tags" for part in (found[1], found[2]))
    if name not in declared(settings):
        return 0 if negative else None
    if holds(record, name, value, settings, numbers=True) == negative:
        return None
    return int(found[3] or 1)


def text_groups(text: str) -> list[list[str]]:
    """`A AND (B OR C)` as groups of terms: AND between groups, OR within one (…/combining-boolean-operators)."""
    inside = r"""(?:"[^"]*"|'[^']*'|(?! AND | OR )[^"'()])+"""
    groups = re.findall(rf"\(?({inside}(?: OR {inside})*)\)?(?: AND |$)", text)
    return [re.findall(rf"(?: OR |^)({inside})", group) for group in groups]


def groups(given) -> list[list[str]]:
    """A list whose nested lists are alternatives (…/facetFilters, "Combining filters with AND and OR")."""
    given = [given] if isinstance(given, str) else given or []
    return [group for group in ([item] if isinstance(item, str) else item for item in given) if group]


def total(scored: list[list[int | None]], *, sum_or: bool) -> int:
    """Groups add up; within a group the highest counts, or the sum with sumOrFiltersScores (…/filter-scoring)."""
    earned = [[score for score in group if score is not None] for group in scored]
    return sum((sum(group) if sum_or else max(group)) for group in earned if group)


def judge(record: dict, settings: dict, params: dict) -> int | None:
    """The filter score of a record, or None where a filter leaves it out. Optional filters leave none out."""
    filters = [
        [[text_score(term, record, settings) for term in group] for group in text_groups(params.get("filters", ""))],
        [[facet_score(item, record, settings) for item in group] for group in groups(params.get("facetFilters"))],
        [
            [facet_score(f"_tags:{item}", record, settings) for item in group]
            for group in groups(params.get("tagFilters"))
        ],
        [[numeric_score(item, record) for item in group] for group in groups(params.get("numericFilters"))],
    ]
    scored = [group for part in filters for group in part]
    if any(all(score is None for score in group) for group in scored):
        return None
    optional = [
        [facet_score(item, record, settings, numbers=False) for item in group]
        for group in groups(params.get("optionalFilters"))
    ]
    return total(scored + optional, sum_or=params.get("sumOrFiltersScores", False))
