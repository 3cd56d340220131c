"""Which rules a query triggers, and in what order they act. Pure; changes nothing.

The precedence is that of Algolia's rule-matching algorithm
(algolia.com/doc/guides/managing-results/rules/rules-overview/in-depth/rule-matching-algorithm): the match nearest the
query's beginning, the longer match (words and filters), the stricter anchoring, with context, with filters, literal
before placeholder or alternative, with a time of validity, the smaller objectID. Each condition, and each place where
it matches, competes by itself; one that shares a word or a filter with one of higher precedence is out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from algosync.mock.engine.filters import FacetTerm, Filter, facet_filters, tag_filters
from algosync.mock.engine.grammar import parse_filters
from algosync.mock.engine.rules.patterns import NOWHERE, Circumstances, Named, places
from algosync.mock.engine.rules.shape import ANCHORINGS, Rule, conditions
from algosync.mock.engine.text.words import normalise, spans, split

Chosen = frozenset[tuple[str, str, bool]]
"""Facet filters as (attribute, normalised value, negated)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A query as rules see it: its words and where they are in the text, its contexts, its facet filters."""

    text: str
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    contexts: frozenset[str]
    filters: Chosen


@dataclass(slots=True)
class Triggered:
    """A rule that acts, and the facet values that its placeholders stood for."""

    rule: Rule
    named: list[Named] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    key: tuple[Any, ...]
    rule: Rule
    words: range
    filters: Chosen
    named: tuple[Named, ...]


def asked(params: Mapping[str, Any]) -> Asked:
    """Read a query's parameters."""
    text = params.get("query", "")
    found = [(word, span) for span in spans(text) for word in split(text[span[0] : span[1]])]
    terms = parse_filters(params.get("filters", "")) + facet_filters(params.get("facetFilters", []), "facetFilters")
    return Asked(
        text=text,
        words=tuple(word for word, _ in found),
        spans=tuple(span for _, span in found),
        contexts=frozenset(params.get("ruleContexts", ())),
        filters=_chosen(terms + tag_filters(params.get("tagFilters", []))),
    )


def triggered(query: Asked, rules: Iterable[Rule], around: Circumstances) -> list[Triggered]:
    """The rules that act on a query, in the order of their precedence."""
    candidates = [
        candidate
        for rule in rules
        if rule.get("enabled") is not False and _valid_at(rule, around.now_s)
        for candidate in _candidates(rule, query, around)
    ]
    acting: dict[str, Triggered] = {}
    words: set[int] = set()
    filters: dict[tuple[str, str, bool], str] = {}
    for candidate in sorted(candidates, key=lambda each: each.key):
        object_id: str = candidate.rule["objectID"]
        if words.isdisjoint(candidate.words) and all(filters.get(f, object_id) == object_id for f in candidate.filters):
            words.update(candidate.words)
            filters |= dict.fromkeys(candidate.filters, object_id)
            acting.setdefault(object_id, Triggered(candidate.rule)).named.extend(candidate.named)
    return list(acting.values())


def _valid_at(rule: Rule, now_s: int) -> bool:
    times = rule.get("validity") or []
    return not times or any((t.get("from") or 0) <= now_s < (t.get("until") or now_s + 1) for t in times)


def _candidates(rule: Rule, query: Asked, around: Circumstances) -> Iterator[_Candidate]:
    permanent = not rule.get("validity")
    for condition in conditions(rule) or [{}]:
        context = condition.get("context")
        if context is not None and context not in query.contexts:
            continue
        wanted = _condition_filters(condition.get("filters") or "")
        if not wanted <= query.filters:
            continue
        for place in places(condition, query.words, around):
            anchoring = ANCHORINGS.index(condition["anchoring"]) if place.start != NOWHERE else len(ANCHORINGS)
            length = place.stop - place.start + len(wanted)
            key = (place.start, -length, anchoring, context is None, not wanted, place.loose, permanent)
            yield _Candidate(
                key=(*key, rule["objectID"]),
                rule=rule,
                words=range(place.start, place.stop),
                filters=wanted,
                named=place.named,
            )


@lru_cache(maxsize=1 << 14)
def _condition_filters(text: str) -> Chosen:
    return _chosen(parse_filters(text))


def _chosen(filters: Filter) -> Chosen:
    terms = (term for group in filters for term in group if isinstance(term, FacetTerm))
    return frozenset((term.attribute, normalise(term.value), term.negated) for term in terms)
