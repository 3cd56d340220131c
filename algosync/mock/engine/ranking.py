"""Matching and ranking, as Algolia documents them: criteria one by one, each breaking the ties of the one before.

Pure: segments and a query in, numbered hits out. A record's *match* of a query word are its occurrences with fewest
typos. From these:

* typo: typos summed over the query's words; fewer first
* words: query words found; more first (differs only with optionalWords)
* filters: the filter score; more first
* proximity: over neighbouring query words the smallest distance, at most 8; smaller first
* attribute: the best place of a match: rank of the attribute times 1000, plus the position where order counts
* exact: query words found whole and without typos; for one word, the whole value must be that word
  (exactOnSingleWordQuery = attribute)
* custom, asc(…), desc(…): the attribute's values, records without one last

geo is left out: nothing here knows where a record is. What still ties is in the order of objectIDs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from algosync.mock.engine.columns import Floats, Ints, Mask, sort_keys
from algosync.mock.engine.filters import FacetTerm, Filter, Group, NumericTerm, Operator, Term
from algosync.mock.engine.segments import Segment, tie_order
from algosync.mock.engine.settings import Facet, Order
from algosync.mock.engine.text import GAP, Found, Word

_NO_PLACE = 1 << 40


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


def rank(parts: Sequence[Segment], query: Query) -> Hits:
    """All hits of a query in their order."""
    found = [_match(part, query) for part in parts]
    docs = [docs for docs, _ in found]
    scores = {
        name: np.concatenate([values[name] for _, values in found] or [np.empty(0, np.int64)]) for name in _CRITERIA
    }
    part = np.repeat(np.arange(len(parts)), [len(each) for each in docs])
    hits = Hits(part=part, doc=np.concatenate(docs or [np.empty(0, np.int64)]), scores=scores)
    if query.typo_tolerance in {"min", "strict"} and len(hits.doc):
        counts = np.unique(scores["typo"])
        most = counts[0] if query.typo_tolerance == "min" else counts[:2][-1]
        hits = hits.take(np.flatnonzero(scores["typo"] <= most))
    return hits.take(_order(parts, query, hits))


_CRITERIA = ("typo", "words", "filters", "proximity", "attribute", "exact")
_MORE_FIRST = frozenset({"words", "filters", "exact"})


def _order(parts: Sequence[Segment], query: Query, hits: Hits) -> Ints:
    keys: list[Ints | Floats] = []
    for criterion in query.formula:
        if isinstance(criterion, Order):
            keys.append(_sort_key(parts, criterion, hits))
        elif criterion in hits.scores:
            values = hits.scores[criterion]
            keys.append(-values if criterion in _MORE_FIRST else values)
    telling = [key for key in keys if len(key) and not (key == key[0]).all()]
    ties = tie_order(parts)
    tie = np.empty(len(hits.doc), np.int64)
    for number in range(len(parts)):
        mine = hits.part == number
        tie[mine] = ties(number, hits.doc[mine])
    return np.lexsort([tie, *reversed(telling)])


def _sort_key(parts: Sequence[Segment], order: Order, hits: Hits) -> Floats:
    key = np.empty(len(hits.doc))
    for number, values in enumerate(sort_keys([part.columns[order.attribute] for part in parts])):
        mine = hits.part == number
        key[mine] = values[hits.doc[mine]]
    key = -key if order.descending else key
    return np.where(np.isnan(key), np.inf, key)


def _match(part: Segment, query: Query) -> tuple[Ints, dict[str, Ints]]:
    allowed = part.alive & matching(part, query.filters, query.facets)
    found = [part.text.find(word, allowed, query.attributes) for word in query.words]
    hit = allowed.copy()
    needed = [each for word, each in zip(query.words, found, strict=True) if not word.optional]
    for each in needed:
        hit &= each.typos >= 0
    if found and not needed:
        hit &= np.any([each.typos >= 0 for each in found], axis=0)
    docs = np.flatnonzero(hit)
    scored = score(part, query.optional, query, string_only=True) + score(part, query.filters, query)
    values = {"filters": scored[docs]} | _criteria(part, query, found, docs)
    return docs, values


def _criteria(part: Segment, query: Query, found: Sequence[Found], docs: Ints) -> dict[str, Ints]:
    size = len(part)
    typo, words, exact = (np.zeros(size, np.int64) for _ in range(3))
    attribute = np.full(size, _NO_PLACE, np.int64)
    single = len(found) == 1 and query.exact_on_single != "word"
    for each in found:
        present = each.typos >= 0
        typo += np.maximum(each.typos, 0)
        words += present
        whole = np.zeros(size, np.bool_)
        if not single or query.exact_on_single == "attribute":
            whole[each.docs[each.alone if single else each.whole]] = True
        exact += whole
        np.minimum.at(attribute, each.docs, each.places)
    attribute[attribute == _NO_PLACE] = 0
    near = np.zeros(size, np.int64)
    for first, second in pairwise(found):
        near += _proximity(first, second, size)
    return {
        "typo": typo[docs],
        "words": words[docs],
        "proximity": near[docs],
        "attribute": attribute[docs],
        "exact": exact[docs],
    }


def _proximity(first: Found, second: Found, size: int) -> Ints:
    near = np.full(size, GAP, np.int64)
    if not len(first.lines) or not len(second.lines):
        return near
    line = np.sort(second.lines)
    after = np.searchsorted(line, first.lines, side="right")
    before = np.searchsorted(line, first.lines, side="left") - 1
    distance = np.full(len(first.lines), GAP, np.int64)
    ahead, behind = after < len(line), before >= 0
    distance[ahead] = np.minimum(GAP, line[after[ahead]] - first.lines[ahead])
    distance[behind] = np.minimum(distance[behind], first.lines[behind] - line[before[behind]])
    np.minimum.at(near, first.docs, distance)
    return near


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
    if term.attribute == "objectID":
        place = part.place(term.value)
        return np.array([] if place is None else [place], np.int64)
    column = part.columns[term.attribute]
    docs = column.with_value(term.value)
    return docs if string_only else np.unique(np.concatenate([docs, column.with_number(term.value)]))


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
    if term.operator == "TO":
        return (numbers >= term.value) & (numbers <= term.upper)
    return _COMPARE[term.operator](numbers, term.value)


def attributes_read(query: Query) -> set[str]:
    """Attributes whose columns `rank` needs."""
    terms = [term for group in (*query.filters, *query.optional) for term in group]
    compared = {term.attribute for term in terms if isinstance(term, NumericTerm)}
    chosen = {term.attribute for term in terms if isinstance(term, FacetTerm) and term.attribute != "objectID"}
    sorted_by = {criterion.attribute for criterion in query.formula if isinstance(criterion, Order)}
    return compared | {name for name in chosen if _declared(name, query.facets)} | sorted_by
