"""What a rule is: the shape that is accepted, and how its conditions are read. Every refusal is a 400.

Limits and forms are those of Algolia's API specification (search/rules) and of its guides on rules. Knows no query.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from algosync.mock.engine.filters import FacetTerm
from algosync.mock.engine.grammar import parse_filters
from algosync.mock.engine.rules.consequences import check_consequence, invalid, listed, only

Rule = dict[str, Any]

CONDITIONS_MAX = 25

ANCHORINGS = ("is", "startsWith", "endsWith", "contains")
"""From the strictest to the loosest, which is their precedence too."""

PLACEHOLDER = re.compile(r"\{facet:([^{}]+)\}")

_CONTEXT = re.compile(r"[A-Za-z0-9_-]+\Z")
_FIELDS = frozenset(
    {"objectID", "conditions", "condition", "consequence", "description", "enabled", "validity", "tags", "scope"}
)
_ANSWERED = frozenset({"_metadata", "_highlightResult"})
_CONDITION = frozenset({"pattern", "anchoring", "alternatives", "context", "filters"})


def check_rule(rule: Any, object_id: str | None = None) -> Rule:
    """A rule as it is kept, or 400 with what is wrong.

    Args:
        rule: The rule as sent. What answers add to a rule (`_metadata`, `_highlightResult`) is left out.
        object_id: The objectID of the path, where there is one; the rule's own must be the same.
    """
    if not isinstance(rule, dict):
        raise invalid("expected a JSON object")
    _check_depth(rule)
    checked: Rule = {name: value for name, value in rule.items() if name not in _ANSWERED}
    if object_id is not None and checked.setdefault("objectID", object_id) != object_id:
        raise invalid(f"objectID {checked['objectID']!r} is not that of the path, {object_id!r}")
    if not isinstance(checked.get("objectID"), str) or not checked["objectID"]:
        raise invalid("objectID is missing")
    only(checked, _FIELDS, "rule")
    _check_plain(checked)
    given = conditions(checked)
    if len(given) > CONDITIONS_MAX:
        raise invalid(f"more than {CONDITIONS_MAX} conditions")
    for condition in given:
        _check_condition(condition)
    _check_validity(checked.get("validity"))
    check_consequence(checked.get("consequence"))
    return checked


def conditions(rule: Mapping[str, Any]) -> list[Any]:
    """A rule's conditions, the single one of older rules included; none: the rule always applies."""
    given = rule.get("conditions")
    if given is None and rule.get("condition") is not None:
        given = [rule["condition"]]
    if not isinstance(given, list | None):
        raise invalid("conditions must be an array")
    return given or []


def _check_depth(rule: Rule) -> None:
    try:
        orjson.dumps([[[[[[[[rule]]]]]]]])  # as deep in an answer as a rule or a part of it may stand
    except TypeError:
        raise invalid("too deeply nested") from None


def _check_plain(rule: Rule) -> None:
    for name, kind in (("enabled", bool), ("description", str), ("scope", str)):
        if not isinstance(rule.get(name), kind | None):
            raise invalid(f"{name} must be a {'boolean' if kind is bool else 'string'}")
    if not all(isinstance(tag, str) for tag in listed(rule, "tags", None)):
        raise invalid("tags must be an array of strings")


def _check_condition(condition: Any) -> None:
    if not isinstance(condition, dict):
        raise invalid("a condition must be a JSON object")
    only(condition, _CONDITION, "condition")
    if not all(isinstance(condition.get(name, ""), str) for name in ("pattern", "anchoring", "context", "filters")):
        raise invalid("pattern, anchoring, context and filters must be strings")
    if not isinstance(condition.get("alternatives", False), bool):
        raise invalid("alternatives must be a boolean")
    if "context" in condition and not _CONTEXT.match(condition["context"]):
        raise invalid("context must only contain alphanumeric characters, hyphens and underscores")
    _check_pattern(condition)
    for group in parse_filters(condition.get("filters", "")):
        if len(group) > 1 or not isinstance(group[0], FacetTerm):
            raise invalid("filters of a condition must be facet:value, joined by AND")


def _check_pattern(condition: Mapping[str, Any]) -> None:
    if ("pattern" in condition) != ("anchoring" in condition):
        raise invalid("pattern and anchoring belong together")
    anchoring = condition.get("anchoring", "is")
    if anchoring not in ANCHORINGS:
        raise invalid(f"anchoring must be {', '.join(ANCHORINGS[:-1])} or {ANCHORINGS[-1]}")
    if anchoring != "is" and not condition["pattern"].strip():
        raise invalid("an empty pattern needs the anchoring is")
    if "{facet:" in PLACEHOLDER.sub("", condition.get("pattern", "")):
        raise invalid("a placeholder must be written {facet:ATTRIBUTE}")


def _check_validity(validity: Any) -> None:
    if not isinstance(validity, list | None):
        raise invalid("validity must be an array of {from, until}")
    for span in validity or []:
        ends = [span.get("from"), span.get("until")] if isinstance(span, dict) else []
        if not ends or not all(isinstance(end, int | None) and not isinstance(end, bool) for end in ends):
            raise invalid("validity must be an array of {from, until} in epoch seconds")
        if ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
            raise invalid("a time of validity ends before it begins")
