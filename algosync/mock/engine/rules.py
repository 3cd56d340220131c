"""Rules: their shape, which of them a query triggers, and what they do to it.

Precedence among triggered rules: longer matched pattern, then a condition with a context, then one with filters, then
the objectID. How the parameters of several rules and of the query combine is documented nowhere, so there are two
ways. *first*: for each parameter the first triggered rule that sets it wins, over later rules and over the query.
*merge*: optionalFilters, facetFilters, numericFilters and tagFilters are appended to the query's own, `filters` are
joined by AND; other parameters as in *first*. Patterns with `{facet:…}` placeholders never trigger.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from algosync.errors import AlgoliaError
from algosync.mock.engine.filters import FacetTerm, facet_filters, groups
from algosync.mock.engine.grammar import parse_filters
from algosync.mock.engine.parameters import KNOWN, check
from algosync.mock.engine.words import split

Merging = Literal["first", "merge"]
Rule = dict[str, Any]

CONDITIONS_MAX = 25
PROMOTED_MAX = 300
HIDDEN_MAX = 50

_APPENDED = frozenset({"optionalFilters", "facetFilters", "numericFilters", "tagFilters"})
_CONTEXT = re.compile(r"[A-Za-z0-9_-]+\Z")
_FIELDS = frozenset(
    {"objectID", "conditions", "condition", "consequence", "description", "enabled", "validity", "tags", "scope"}
)
_CONSEQUENCES = frozenset({"params", "promote", "filterPromotes", "hide", "redirect", "userData"})
_AUTOMATIC = frozenset({"query", "automaticFacetFilters", "automaticOptionalFacetFilters", "renderingContent"})


@dataclass(slots=True)
class Outcome:
    """A query after its rules.

    Attributes:
        params: The search parameters to use.
        promote: (objectID, position) in the order of the rules.
        hide: objectIDs that must not be shown.
        filter_promotes: Whether promoted records must satisfy the query's filters.
        user_data: userData of the rules that have some.
        applied: objectIDs of the rules that were applied.
    """

    params: dict[str, Any]
    promote: list[tuple[str, int]] = field(default_factory=list)
    hide: set[str] = field(default_factory=set)
    filter_promotes: bool = False
    user_data: list[Any] = field(default_factory=list)
    applied: list[str] = field(default_factory=list)


def check_rule(rule: Any, object_id: str | None = None) -> Rule:
    """The rule as given, with the objectID of the path where there is one, or 400 with what is wrong."""
    if not isinstance(rule, dict):
        raise _invalid("expected a JSON object")
    checked: Rule = dict(rule) | ({"objectID": object_id} if object_id is not None else {})
    if not isinstance(checked.get("objectID"), str) or not checked["objectID"]:
        raise _invalid("objectID is missing")
    if unknown := sorted(checked.keys() - _FIELDS - {"_metadata"}):
        raise _invalid(f"unknown attribute {unknown[0]}")
    if not isinstance(checked.get("enabled", True), bool):
        raise _invalid("enabled must be a boolean")
    conditions = _conditions(checked)
    if len(conditions) > CONDITIONS_MAX:
        raise _invalid(f"more than {CONDITIONS_MAX} conditions")
    for condition in conditions:
        _check_condition(condition)
    _check_validity(checked.get("validity"))
    _check_consequence(checked.get("consequence"))
    return checked


def _conditions(rule: Rule) -> list[Any]:
    conditions = rule.get("conditions")
    if conditions is None and rule.get("condition") is not None:
        conditions = [rule["condition"]]
    if not isinstance(conditions, list | None):
        raise _invalid("conditions must be an array")
    return conditions or []


def _check_condition(condition: Any) -> None:
    if not isinstance(condition, dict):
        raise _invalid("a condition must be a JSON object")
    texts = ("pattern", "anchoring", "context", "filters")
    if not all(isinstance(condition.get(name, ""), str) for name in texts):
        raise _invalid("pattern, anchoring, context and filters must be strings")
    if "context" in condition and not _CONTEXT.match(condition["context"]):
        raise _invalid("context must only contain alphanumeric characters, hyphens and underscores")
    if ("pattern" in condition) != ("anchoring" in condition):
        raise _invalid("pattern and anchoring belong together")
    if condition.get("anchoring", "is") not in {"is", "startsWith", "endsWith", "contains"}:
        raise _invalid("anchoring must be is, startsWith, endsWith or contains")
    for group in parse_filters(condition.get("filters", "")):
        if len(group) > 1 or not isinstance(group[0], FacetTerm):
            raise _invalid("filters of a condition must be facet:value")


def _check_validity(validity: Any) -> None:
    if validity is None:
        return
    spans = validity if isinstance(validity, list) else [None]
    for span in spans:
        ends = [span.get("from"), span.get("until")] if isinstance(span, dict) else [None]
        if not all(isinstance(end, int | None) and not isinstance(end, bool) for end in ends) or ends == [None]:
            raise _invalid("validity must be an array of {from, until} in epoch seconds")


def _check_consequence(consequence: Any) -> None:
    if not isinstance(consequence, dict):
        raise _invalid("consequence is missing")
    if unknown := sorted(consequence.keys() - _CONSEQUENCES):
        raise _invalid(f"unknown attribute {unknown[0]} in consequence")
    params = consequence.get("params")
    if params is not None:
        if not isinstance(params, dict):
            raise _invalid("params must be a JSON object")
        check({name: value for name, value in params.items() if name not in _AUTOMATIC}, KNOWN)
        _check_edits(params.get("query"))
    _promotions(consequence)
    hide = consequence.get("hide") or []
    if not isinstance(hide, list) or not all(isinstance(h, dict) and isinstance(h.get("objectID"), str) for h in hide):
        raise _invalid("hide must be an array of {objectID}")
    if len(hide) > HIDDEN_MAX:
        raise _invalid(f"more than {HIDDEN_MAX} hidden records")


def _check_edits(query: Any) -> None:
    if isinstance(query, dict):
        lists = [query.get("remove") or [], query.get("edits") or []]
        kinds: tuple[type, type] = (str, dict)
        if all(isinstance(x, list) and all(isinstance(i, k) for i in x) for x, k in zip(lists, kinds, strict=True)):
            return
    elif isinstance(query, str | None):
        return
    raise _invalid("query must be a string, or an object with remove (strings) or edits (objects)")


def _promotions(consequence: Mapping[str, Any]) -> list[tuple[str, int]]:
    promote = consequence.get("promote") or []
    if not isinstance(promote, list) or len(promote) > PROMOTED_MAX:
        raise _invalid(f"promote must be an array of at most {PROMOTED_MAX}")
    promoted: list[tuple[str, int]] = []
    for item in promote:
        ids = item.get("objectIDs", [item.get("objectID")]) if isinstance(item, dict) else [None]
        position = item.get("position") if isinstance(item, dict) else None
        if not isinstance(ids, list) or not all(isinstance(object_id, str) for object_id in ids):
            raise _invalid("promote needs objectID or objectIDs")
        if not isinstance(position, int) or isinstance(position, bool) or position < 0:
            raise _invalid("promote needs a position")
        promoted += [(object_id, position + offset) for offset, object_id in enumerate(ids)]
    return promoted


def _invalid(what: str) -> AlgoliaError:
    return AlgoliaError(f"Invalid rule: {what}", status=400)


def apply_rules(params: Mapping[str, Any], rules: Iterable[Rule], *, now_s: int, merging: Merging) -> Outcome:
    """What the triggered rules make of a query; the parameters as they are where none is triggered."""
    outcome = Outcome(dict(params))
    triggered = [(key, rule) for rule in rules if (key := _trigger(rule, params, now_s)) is not None]
    given: set[str] = set()
    for _, rule in sorted(triggered, key=lambda pair: pair[0]):
        consequence = rule["consequence"]
        _apply_params(outcome, consequence.get("params") or {}, given, merging)
        outcome.promote += _promotions(consequence)
        outcome.hide |= {item["objectID"] for item in consequence.get("hide") or []}
        outcome.filter_promotes |= consequence.get("filterPromotes") is True
        if consequence.get("userData") is not None:
            outcome.user_data.append(consequence["userData"])
        outcome.applied.append(rule["objectID"])
    return outcome


def _apply_params(outcome: Outcome, params: Mapping[str, Any], given: set[str], merging: Merging) -> None:
    for name, value in params.items():
        if value is None or name in {"automaticFacetFilters", "automaticOptionalFacetFilters"}:
            continue
        current = outcome.params.get(name)
        if merging == "merge" and current is not None and name in _APPENDED:
            outcome.params[name] = groups(current, name) + groups(value, name)
        elif merging == "merge" and current and name == "filters":
            outcome.params[name] = f"({current}) AND ({value})" if value else current
        elif name not in given:
            outcome.params[name] = _edited(outcome.params.get("query", ""), value) if name == "query" else value
        given.add(name)


def _edited(query: str, change: Any) -> str:
    if isinstance(change, str):
        return change
    words = split(query)
    edits = [{"type": "remove", "delete": word} for word in change.get("remove") or []]
    for edit in [*edits, *(change.get("edits") or [])]:
        insert = split(str(edit.get("insert", ""))) if edit.get("type") == "replace" else []
        gone = set(split(str(edit.get("delete", ""))))
        words = [new for word in words for new in (insert if word in gone else [word])]
    return " ".join(words)


def _trigger(rule: Rule, params: Mapping[str, Any], now_s: int) -> tuple[int, bool, bool, str] | None:
    if not rule.get("enabled", True) or not _valid_at(rule, now_s):
        return None
    conditions = _conditions(rule)
    if not conditions:
        return (0, True, True, rule["objectID"])
    keys = [key for condition in conditions if (key := _condition_key(condition, params)) is not None]
    return (*min(keys), rule["objectID"]) if keys else None


def _valid_at(rule: Rule, now_s: int) -> bool:
    spans = rule.get("validity") or []
    return not spans or any((s.get("from") or 0) <= now_s < (s.get("until") or now_s + 1) for s in spans)


def _condition_key(condition: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[int, bool, bool] | None:
    context, pattern, filters = (condition.get(name) for name in ("context", "pattern", "filters"))
    if context is not None and context not in params.get("ruleContexts", ()):
        return None
    length = 0
    if pattern is not None:
        wanted = split(pattern)
        if "{facet:" in pattern or not _anchored(split(params.get("query", "")), wanted, condition["anchoring"]):
            return None
        length = len(" ".join(wanted))
    if filters and not _chosen(params).issuperset(group[0] for group in parse_filters(filters)):
        return None
    return (-length, context is None, not filters)


def _anchored(query: list[str], pattern: list[str], anchoring: str) -> bool:
    if not pattern:
        return not query
    if anchoring == "is":
        return query == pattern
    if anchoring == "startsWith":
        return query[: len(pattern)] == pattern
    if anchoring == "endsWith":
        return query[-len(pattern) :] == pattern
    return any(query[at : at + len(pattern)] == pattern for at in range(len(query)))


def _chosen(params: Mapping[str, Any]) -> set[Any]:
    filters = parse_filters(params.get("filters", "")) + facet_filters(params.get("facetFilters", []), "facetFilters")
    return {term for group in filters for term in group}
