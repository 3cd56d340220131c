"""A search from its parameters to the answer: rules, matching, distinct, promoted records, facets, pages.

Owns the order of these steps. What was asked for is read in choices.py, the order of hits comes from ranking.py, the
answer is written in answer.py.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from algosync.mock.engine.answer import Answered, Found, write
from algosync.mock.engine.choices import Choices, filters_of, relaxed
from algosync.mock.engine.coverage import not_acted_on
from algosync.mock.engine.filters import Filter
from algosync.mock.engine.grouping import FacetAnswer, best_of_each, count_facets, grouped
from algosync.mock.engine.hits import Show
from algosync.mock.engine.index import Index
from algosync.mock.engine.paging import page, reach
from algosync.mock.engine.ranking import Hits, attributes_read, rank, wordings_of
from algosync.mock.engine.rules.apply import Merging, Outcome, apply_rules
from algosync.mock.engine.rules.facet_values import IndexFacetValues
from algosync.mock.engine.rules.patterns import NOWHERE, Circumstances
from algosync.mock.engine.rules.promotions import Pin, Plan, arrange, gather
from algosync.mock.engine.segments import Segment
from algosync.mock.engine.text.criteria import Wording

__all__ = ["Reading", "Search", "answer", "filters_of", "matching_ids", "search"]

NATURAL = "natural_language"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a search needs besides its parameters.

    Attributes:
        now_s: The time, for rules that are valid for a while.
        merging: How rules' parameters combine.
        privileged: Whether unretrievable attributes are shown.
        filters: What every hit must satisfy, whatever rules and parameters say.
        hits_max: Most hits of one page; 0 for no limit.
    """

    now_s: int
    merging: Merging
    privileged: bool = False
    filters: Filter = ()
    hits_max: int = 0


class Search:
    """One search under way.

    Attributes:
        index: The index.
        reading: Time, rights.
        outcome: What the rules made of the parameters.
        choices: The options in force.
        query: What ranking.py is asked; words that had to be given up are optional in it.
        removed: The places of those words.
        parts: The segments that were searched.
        ways: The wordings of the query.
    """

    def __init__(self, index: Index, given: Mapping[str, Any], reading: Reading) -> None:
        self.index = index
        self.reading = reading
        given = _natural(given)
        enabled = given.get("enableRules", index.settings.get("enableRules", True))
        rules = index.rules.values() if enabled else ()
        self.outcome: Outcome = apply_rules(given, rules, self._circumstances(), merging=reading.merging)
        self.choices = Choices(self.outcome.params, index.settings, reading.filters)
        self.query = self.choices.query()
        self.removed: frozenset[int] = frozenset()
        self.parts: list[Segment] = []
        self.ways: list[Wording] = []
        self._pins: list[Pin] = []

    def run(self, shown: int | None = None) -> Hits:
        """All hits; promoted records come first until `in_place`, hidden ones are left out.

        Args:
            shown: How many of them must be in order, where `distinct` leaves all; None for all.
        """
        extra = {*self.choices.counted, *([self.choices.distinct_by] if self.choices.distinct_by else [])}
        self.parts = self.index.segments(attributes_read(self.query) | extra)
        moved = len(self.outcome.hide) + sum(len(each.object_ids) for each in self.outcome.promote)
        hits = self._ranked(None if shown is None or self.choices.distinct else shown + moved)
        if self.outcome.promote or self.outcome.hide:
            plan = Plan(
                promote=self.outcome.promote,
                hide=self.outcome.hide,
                filters=self.query.filters,
                required=self.reading.filters,
                facets=self.choices.facets,
            )
            hits, self._pins = gather(self.parts, hits, plan)
        return hits

    def _ranked(self, most: int | None) -> Hits:
        self.ways = wordings_of(self.parts, self.query)
        hits = rank(self.parts, self.query, most, ways=self.ways)
        if len(hits.doc):
            return hits
        for query, removed in relaxed(self.query, self.choices.option("removeWordsIfNoResults", "none")):
            ways = wordings_of(self.parts, query)
            hits = rank(self.parts, query, most, ways=ways)
            if len(hits.doc):
                self.query, self.ways, self.removed = query, ways, removed
                break
        return hits

    def deduplicated(self, hits: Hits) -> Hits:
        """The hits that `distinct` leaves; the records of a group one after the other, unless some are promoted."""
        if not self.choices.distinct:
            return hits
        best = best_of_each(self.parts, hits, self.choices.distinct_by, self.choices.distinct)
        return best if self._pins else grouped(best)

    def in_place(self, hits: Hits) -> tuple[Hits, frozenset[int]]:
        """The hits with promoted records where rules want them, and their places."""
        return arrange(hits, self._pins) if self._pins else (hits, frozenset())

    def facets(self, hits: Hits, left: Hits, most: int | None = None) -> FacetAnswer:
        """The facets asked for, counted over all hits or over those that `distinct` left."""
        late = self.choices.counted_late
        early = [name for name in self.choices.counted if name not in late]
        most = self.choices.option("maxValuesPerFacet") if most is None else most
        by_name = self.choices.option("sortFacetValuesBy", "count") == "alpha"
        return count_facets(self.parts, hits, early, most, by_name=by_name) + count_facets(
            self.parts, left, sorted(late), most, by_name=by_name
        )

    def _circumstances(self) -> Circumstances:
        settings = self.index.all_settings
        tolerant = settings.get("typoTolerance", True) not in {False, "false"}
        return Circumstances(
            now_s=self.reading.now_s,
            values=IndexFacetValues(self.index),
            one_typo=settings["minWordSizefor1Typo"] if tolerant else NOWHERE,
            two_typos=settings["minWordSizefor2Typos"] if tolerant else NOWHERE,
        )


def _natural(given: Mapping[str, Any]) -> dict[str, Any]:
    """What naturalLanguages sets, as documented, but for plurals and stop words."""
    if not given.get("naturalLanguages"):
        return dict(given)
    contexts = [*given.get("ruleContexts", ()), NATURAL]
    return {"removeWordsIfNoResults": "allOptional", **given, "ruleContexts": contexts}


def matching_ids(index: Index, params: Mapping[str, Any]) -> list[str]:
    """Sorted objectIDs of the records that a query and its filters match; rules play no part."""
    found = Search(index, {**params, "enableRules": False}, Reading(now_s=0, merging="first"))
    hits = found.run(0)
    return sorted(found.parts[p].ids[d] for p, d in zip(hits.part.tolist(), hits.doc.tolist(), strict=True))


def search(index: Index, given: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    """The answer to a search, see `answer`."""
    return answer(index, given, reading).body


def answer(index: Index, given: Mapping[str, Any], reading: Reading) -> Answered:
    """The answer to a search, and what was not acted on.

    Args:
        index: The index.
        given: Checked search parameters.
        reading: Time, rules' merging, rights.
    """
    began = time.perf_counter()
    under_way = Search(index, given, reading)
    all_hits = under_way.run(reach(under_way.choices, reading.hits_max))
    left = under_way.deduplicated(all_hits)
    hits, promoted = under_way.in_place(left)
    choices = under_way.choices
    found = Found(
        index=index,
        parts=under_way.parts,
        hits=hits,
        promoted=promoted,
        show=Show(choices, under_way.query, under_way.ways, reading.privileged),
        page=page(choices, hits, reading.hits_max),
        facets=under_way.facets(all_hits, left) if "facets" in choices.params else None,
        outcome=under_way.outcome,
        removed=under_way.removed,
        ignored=sorted([*not_acted_on(choices.params, index.settings), *under_way.outcome.ignored]),
    )
    return write(found, began)
