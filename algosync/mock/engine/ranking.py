"""Matching and ranking, as Algolia documents them: criteria one by one, each breaking the ties of the one before.

Pure: segments and a query in, numbered hits out. A record's *match* of a query word are its occurrences with fewest
typos. From these (the folder text works them out):

* typo: typos summed over the query's words; fewer first
* words: query words found; more first (differs only with optionalWords)
* filters: the filter score; more first
* proximity: the sum of the distances, 8 at most, between neighbouring query words; smaller first
* attribute: rank of the attribute times 1000, plus the position where order counts, of the best place among the matches
  that lie closest (attributeCriteriaComputedBy minProximity), or among all of them (best, which needs attribute before
  proximity in the formula), or summed over the words
* exact: query words found whole and without typos; one word alone after exactOnSingleWordQuery
* custom, asc(…), desc(…): the attribute's values, records without one last

geo is left out: nothing here knows where a record is. What still ties is in the order of objectIDs.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from algosync.mock.engine.columns import Floats, Ints, Mask, sort_keys
from algosync.mock.engine.filters import FacetTerm, Filter, Group, NumericTerm, Operator, Term
from algosync.mock.engine.segments import Segment, tie_order
from algosync.mock.engine.settings import Facet, Order
from algosync.mock.engine.sorting import first
from algosync.mock.engine.text.criteria import CRITERIA, MORE_FIRST, Style, Wording, textual, wordings
from algosync.mock.engine.text.inverted import Scope, Word
from algosync.mock.engine.text.syntax import Syntax

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", re.ASCII)
_DECIMALS = 1000
"""Numbers are compared to three decimal places (algolia.com/doc/api-reference/api-parameters/numericFilters)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is searched.

    Attributes:
        words: The query's words.
        filters: What a record must satisfy.
        optional: What earns a record a score.
        sum_or: Whether an OR group's scores add up (sumOrFiltersScores) instead of the highest counting.
        facets: Declared facets by attribute; filters on others match nothing.
        attributes: restrictSearchableAttributes, or None.
        exact_on_single: exactOnSingleWordQuery.
        typo_tolerance: True, False, "min" or "strict".
        formula: The ranking criteria.
        no_typos_on: disableTypoToleranceOnAttributes.
        no_prefixes_on: disablePrefixOnAttributes.
        no_exact_on: disableExactOnAttributes.
        kept_words: disableTypoToleranceOnWords, normalised; their `typos_max` is 0 besides.
        min_proximity: minProximity.
        attribute_by: attributeCriteriaComputedBy.
        syntax: Phrases and excluded words, if there are some.
    """

    words: tuple[Word, ...]
    filters: Filter
    optional: Filter
    sum_or: bool
    facets: Mapping[str, Facet]
    formula: Sequence[str | Order]
    attributes: tuple[str, ...] | None = None
    exact_on_single: str = "attribute"
    typo_tolerance: Any = True
    no_typos_on: tuple[str, ...] = ()
    no_prefixes_on: tuple[str, ...] = ()
    no_exact_on: tuple[str, ...] = ()
    kept_words: frozenset[str] = frozenset()
    min_proximity: int = 1
    attribute_by: str = "best"
    syntax: Syntax | None = None

    @property
    def style(self) -> Style:
        """How the words are matched."""
        first = next((line for line in self.formula if line in {"attribute", "proximity"}), "proximity")
        best = self.attribute_by == "best"
        return Style(
            scope=Scope(
                attributes=self.attributes,
                no_typos=self.no_typos_on,
                no_prefixes=self.no_prefixes_on,
                no_exact=self.no_exact_on,
            ),
            exact_on_single=self.exact_on_single,
            min_proximity=self.min_proximity,
            attribute_by="minProximity" if best and first == "proximity" else self.attribute_by,
            joins=self.typo_tolerance not in {False, "false"},
            kept=self.kept_words,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Matching documents, best first: `part[i]` and `doc[i]` say which; `scores` holds the criteria's values."""

    part: Ints
    doc: Ints
    scores: Mapping[str, Ints]

    def take(self, chosen: Ints) -> Hits:
        """The hits at these places."""
        scores = {name: values[chosen] for name, values in self.scores.items()}
        return Hits(part=self.part[chosen], doc=self.doc[chosen], scores=scores)


def wordings_of(parts: Sequence[Segment], query: Query) -> list[Wording]:
    """The wordings of a query, as typed first."""
    return wordings(query.words, [(part.text, part.alive) for part in parts], query.style)


def rank(
    parts: Sequence[Segment], query: Query, most: int | None = None, *, ways: Sequence[Wording] | None = None
) -> Hits:
    """All hits of a query, the first `most` (None: all) in their order, the others after them in any.

    `ways` are the query's wordings, where they are known.
    """
    ways, style = wordings_of(parts, query) if ways is None else ways, query.style
    found = [_match(part, query, ways, style) for part in parts]
    docs = [docs for docs, _ in found]
    scores = {
        name: np.concatenate([values[name] for _, values in found] or [np.empty(0, np.int64)]) for name in _CRITERIA
    }
    part = np.repeat(np.arange(len(parts)), [len(each) for each in docs])
    hits = Hits(part=part, doc=np.concatenate(docs or [np.empty(0, np.int64)]), scores=scores)
    if query.typo_tolerance in {"min", "strict"} and len(hits.doc):
        counts = np.unique(scores["typo"])
        kept = counts[0] if query.typo_tolerance == "min" else counts[:2][-1]
        hits = hits.take(np.flatnonzero(scores["typo"] <= kept))
    return hits.take(_order(parts, query, hits, len(hits.doc) if most is None else most))


_CRITERIA = (*CRITERIA, "filters")


def _order(parts: Sequence[Segment], query: Query, hits: Hits, most: int) -> Ints:
    keys: list[Ints | Floats] = []
    for criterion in query.formula:
        if isinstance(criterion, Order):
            keys.append(_sort_key(parts, criterion, hits))
        elif criterion in hits.scores:
            values = hits.scores[criterion]
            keys.append(-values if criterion in MORE_FIRST else values)
    telling = [key for key in keys if len(key) and not (key == key[0]).all()]
    ties = tie_order(parts)
    tie = np.empty(len(hits.doc), np.int64)
    for number in range(len(parts)):
        mine = hits.part == number
        tie[mine] = ties(number, hits.doc[mine])
    return first([*telling, tie], most)


def _sort_key(parts: Sequence[Segment], order: Order, hits: Hits) -> Floats:
    key = np.empty(len(hits.doc))
    for number, values in enumerate(sort_keys([part.columns[order.attribute] for part in parts])):
        mine = hits.part == number
        key[mine] = values[hits.doc[mine]]
    key = -key if order.descending else key
    return np.where(np.isnan(key), np.inf, key)


def _match(part: Segment, query: Query, ways: Sequence[Wording], style: Style) -> tuple[Ints, dict[str, Ints]]:
    allowed = part.alive & matching(part, query.filters, query.facets)
    if query.syntax is not None:
        allowed = query.syntax.narrowed(part.text, allowed, style.scope)
    hit, values = textual(part.text, ways, allowed, style)
    docs = np.flatnonzero(hit)
    scored = score(part, query.optional, query, string_only=True) + score(part, query.filters, query)
    return docs, {name: value[docs] for name, value in (values | {"filters": scored}).items()}


def matching(part: Segment, filters: Filter, facets: Mapping[str, Facet]) -> Mask:
    """Which documents satisfy every group of a filter."""
    mask = np.ones(len(part), np.bool_)
    for group in filters:
        mask &= np.any([_satisfied(part, term, facets) for term in group], axis=0)
    return mask


def score(part: Segment, filters: Filter, query: Query, *, string_only: bool = False) -> Ints:
    """The filter score of every document: groups add up, a group counts its best (or with `sum_or` all) members.

    Numeric terms have no score. A term on an undeclared attribute gives nothing, negated or not.
    """
    total = np.zeros(len(part), np.int64)
    for group in filters:
        total += _group_score(part, group, query, string_only=string_only)
    return total


def _group_score(part: Segment, group: Group, query: Query, *, string_only: bool) -> Ints:
    result = np.zeros(len(part), np.int64)
    for term in group:
        if isinstance(term, NumericTerm) or not _declared(term.attribute, query.facets):
            continue
        docs = _with_value(part, term, string_only=string_only)
        if not term.negated and query.sum_or:
            result[docs] += term.score
        elif not term.negated:
            result[docs] = np.maximum(result[docs], term.score)
        else:
            earned = np.full(len(part), term.score, np.int64)
            earned[docs] = 0
            result = result + earned if query.sum_or else np.maximum(result, earned)
    return result


def _declared(attribute: str, facets: Mapping[str, Facet]) -> bool:
    return attribute in {"objectID", "_tags"} or attribute in facets


def _with_value(part: Segment, term: FacetTerm, *, string_only: bool) -> Ints:
    """Documents with the value: facet values in any letter case, tags and objectIDs as written.

    Optional filters match no numbers (algolia.com/doc/api-reference/api-parameters/optionalFilters), facet filters do
    (…/facetFilters).
    """
    if term.attribute == "objectID":
        place = part.place(term.value)
        return np.array([] if place is None else [place], np.int64)
    column = part.columns[term.attribute]
    docs = column.with_value(term.value) if term.attribute == "_tags" else column.with_text(term.value)
    if string_only or not _NUMBER.fullmatch(term.value):
        return docs
    numbers = column.with_number(term.value)
    if not len(docs):
        return numbers
    return np.unique(np.concatenate([docs, numbers])) if len(numbers) else docs


def _satisfied(part: Segment, term: Term, facets: Mapping[str, Facet]) -> Mask:
    mask = np.zeros(len(part), np.bool_)
    if isinstance(term, NumericTerm):
        column = part.columns[term.attribute]
        mask[column.number_docs[_compare(term, column.numbers)]] = True
    elif _declared(term.attribute, facets):
        mask[_with_value(part, term, string_only=False)] = True
    return ~mask if term.negated else mask


_COMPARE: dict[Operator, Callable[[Floats, float], Mask]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _compare(term: NumericTerm, numbers: Floats) -> Mask:
    precise: Floats = np.rint(numbers * _DECIMALS)
    value, upper = np.rint(term.value * _DECIMALS), np.rint(term.upper * _DECIMALS)
    if term.operator == "TO":
        within: Mask = (precise >= value) & (precise <= upper)
        return within
    return _COMPARE[term.operator](precise, value)


def attributes_read(query: Query) -> set[str]:
    """Attributes whose columns `rank` needs."""
    terms = [term for group in (*query.filters, *query.optional) for term in group]
    compared = {term.attribute for term in terms if isinstance(term, NumericTerm)}
    chosen = {term.attribute for term in terms if isinstance(term, FacetTerm) and term.attribute != "objectID"}
    sorted_by = {criterion.attribute for criterion in query.formula if isinstance(criterion, Order)}
    return compared | {name for name in chosen if _declared(name, query.facets)} | sorted_by
