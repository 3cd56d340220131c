"""A search from its parameters to the answer: rules, matching, distinct, facets, pages, promoted records.

Owns the shape of search answers. The order of hits comes from ranking.py.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from algosync.mock.engine.filters import Filter, facet_filters, numeric_filters, tag_filters
from algosync.mock.engine.grammar import parse_filters
from algosync.mock.engine.grouping import best_of_each, facet_counts, facet_stats
from algosync.mock.engine.highlight import Marker
from algosync.mock.engine.index import Index
from algosync.mock.engine.parameters import IGNORED, echo
from algosync.mock.engine.ranking import Hits, Query, attributes_read, matching, rank
from algosync.mock.engine.records import Record, project
from algosync.mock.engine.rules import Merging, Outcome, apply_rules
from algosync.mock.engine.segments import Segment
from algosync.mock.engine.settings import DEFAULTS, facets, ranking, searchables
from algosync.mock.engine.text import Word
from algosync.mock.engine.words import split

WORDS_MAX = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a search needs besides its parameters.

    Attributes:
        now_s: The time, for rules that are valid for a while.
        merging: How rules' parameters combine.
        privileged: Whether unretrievable attributes are shown.
    """

    now_s: int
    merging: Merging
    privileged: bool = False


class Search:
    """One search under way."""

    def __init__(self, index: Index, given: Mapping[str, Any], reading: Reading) -> None:
        self.index = index
        self.reading = reading
        self.settings = index.all_settings
        enabled = given.get("enableRules", self.settings.get("enableRules", True))
        rules = index.rules.values() if enabled else ()
        self.outcome: Outcome = apply_rules(given, rules, now_s=reading.now_s, merging=reading.merging)
        self.params = self.outcome.params
        self.facets = facets(index.settings)
        self.query = self._query()
        self.parts: list[Segment] = []

    def option(self, name: str, default: Any = None) -> Any:
        """A parameter, else the setting, else the default."""
        value = self.params.get(name, self.settings.get(name))
        return default if value is None else value

    def run(self) -> Hits:
        """All hits in their order, before pages and promoted records."""
        extra = set(self._counted()) | ({self._distinct_by} if self._distinct else set())
        self.parts = self.index.segments(attributes_read(self.query) | extra)
        return rank(self.parts, self.query)

    def _query(self) -> Query:
        restricted = self.params.get("restrictSearchableAttributes")
        return Query(
            words=self._words(),
            filters=filters_of(self.params),
            optional=facet_filters(self.params.get("optionalFilters", []), "optionalFilters"),
            sum_or=self.params.get("sumOrFiltersScores", False),
            facets=self.facets,
            formula=ranking(self.settings | {"ranking": self.option("ranking")}),
            attributes=None if restricted is None else tuple(restricted),
            exact_on_single=self.option("exactOnSingleWordQuery"),
            typo_tolerance=self.option("typoTolerance", True),
        )

    def _words(self) -> tuple[Word, ...]:
        words = split(self.params.get("query", ""))[:WORDS_MAX]
        kind = self.option("queryType")
        tolerant = self.option("typoTolerance", True) not in {False, "false"}
        one, two = self.option("minWordSizefor1Typo"), self.option("minWordSizefor2Typos")
        given = self.option("optionalWords", [])
        lines = given if isinstance(given, list) else [given]
        optional = {word for line in lines if isinstance(line, str) for word in split(line)}
        return tuple(
            Word(
                text=word,
                prefix=kind == "prefixAll" or (kind == "prefixLast" and place == len(words)),
                typos_max=((len(word) >= one) + (len(word) >= two)) if tolerant else 0,
                optional=word in optional,
            )
            for place, word in enumerate(words, 1)
        )

    @property
    def _distinct_by(self) -> str:
        return str(self.option("attributeForDistinct", ""))

    @property
    def _distinct(self) -> int:
        return max(0, int(self.option("distinct", 0))) if self._distinct_by else 0

    def _counted(self) -> list[str]:
        asked = self.params.get("facets", [])
        shown = {facet.attribute for facet in self.facets.values() if not facet.filter_only}
        return sorted(shown) if "*" in asked else sorted(shown.intersection(asked))

    def deduplicated(self, hits: Hits) -> Hits:
        """The hits that `distinct` leaves."""
        return best_of_each(self.parts, hits, self._distinct_by, self._distinct) if self._distinct else hits

    def facet_answer(self, hits: Hits, most: int | None = None) -> dict[str, Any]:
        """The `facets` and `facets_stats` of an answer, where facets were asked for."""
        if "facets" not in self.params:
            return {}
        names = self._counted()
        most = self.option("maxValuesPerFacet", 100) if most is None else most
        stats = facet_stats(self.parts, hits, names)
        return {"facets": facet_counts(self.parts, hits, names, most)} | ({"facets_stats": stats} if stats else {})


def filters_of(params: Mapping[str, Any]) -> Filter:
    """All hard filters of a search as one."""
    return (
        parse_filters(params.get("filters", ""))
        + facet_filters(params.get("facetFilters", []), "facetFilters")
        + numeric_filters(params.get("numericFilters", []))
        + tag_filters(params.get("tagFilters", []))
    )


def matching_ids(index: Index, params: Mapping[str, Any]) -> list[str]:
    """Sorted objectIDs of the records that a query and its filters match; rules play no part."""
    found = Search(index, {**params, "enableRules": False}, Reading(now_s=0, merging="first"))
    hits = found.run()
    return sorted(found.parts[p].ids[d] for p, d in zip(hits.part.tolist(), hits.doc.tolist(), strict=True))


def search(index: Index, given: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    """The answer to a search.

    Args:
        index: The index.
        given: Checked search parameters.
        reading: Time, rules' merging, rights.
    """
    began = time.perf_counter()
    under_way = Search(index, given, reading)
    all_hits = under_way.run()
    hits = under_way.deduplicated(all_hits)
    listed = _listed(under_way, hits)
    page = _page(under_way, len(listed))
    shown = [_hit(under_way, hits, *listed[at]) for at in range(page.start, page.stop)]
    took = int((time.perf_counter() - began) * 1000) + 1
    answer = (
        {"hits": shown}
        | page.answer
        | under_way.facet_answer(all_hits)
        | _notes(under_way, given)
        | {"query": under_way.params.get("query", ""), "params": echo(given)}
        | {"processingTimeMS": took, "serverTimeMS": took, "renderingContent": {}}
    )
    return _chosen_fields(answer, under_way.option("responseFields", ["*"]))


def _notes(under_way: Search, given: Mapping[str, Any]) -> dict[str, Any]:
    notes: dict[str, Any] = {
        "exhaustiveNbHits": True,
        "exhaustiveTypo": True,
        "exhaustive": {"nbHits": True, "typo": True},
    }
    if "facets" in given:
        notes["exhaustiveFacetsCount"] = notes["exhaustive"]["facetsCount"] = True
    if under_way.outcome.applied:
        notes["appliedRules"] = [{"objectID": object_id} for object_id in under_way.outcome.applied]
    if under_way.outcome.user_data:
        notes["userData"] = under_way.outcome.user_data
    if under_way.params.get("clickAnalytics"):
        notes["queryID"] = uuid.uuid4().hex
    changed = {name for name, value in under_way.settings.items() if value != DEFAULTS.get(name)}
    if ignored := sorted((under_way.params.keys() | changed) & IGNORED):
        notes["message"] = f"Ignored by the mock: {', '.join(ignored)}"
    return notes


def _chosen_fields(answer: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    if "*" in fields:
        return answer
    return {name: value for name, value in answer.items() if name in fields or name == "hits"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    start: int
    stop: int
    answer: dict[str, Any]


def _page(under_way: Search, total: int) -> _Page:
    limit = under_way.option("paginationLimitedTo")
    reachable = min(total, limit)
    offset, length = under_way.params.get("offset"), under_way.params.get("length")
    if offset is not None or length is not None:
        start, size = offset or 0, under_way.option("hitsPerPage") if length is None else length
        answer: dict[str, Any] = {"nbHits": total, "offset": start, "length": size}
    else:
        number, size = under_way.params.get("page", 0), under_way.option("hitsPerPage")
        start = number * size
        answer = {"nbHits": total, "page": number, "nbPages": -(-reachable // size) if size else 0, "hitsPerPage": size}
    if start and start >= limit:
        answer["message"] = f"you can only fetch the {limit} hits for this query. You can extend it with the "
        answer["message"] += "paginationLimitedTo setting"
    return _Page(start=min(start, reachable), stop=min(start + size, reachable), answer=answer)


def _listed(under_way: Search, hits: Hits) -> Sequence[tuple[int, str | None]]:
    """Hits as (place in `hits`, or -1; objectID if promoted), with hidden and promoted records seen to."""
    outcome = under_way.outcome
    gone = outcome.hide | {object_id for object_id, _ in outcome.promote}
    if not gone:
        return _Plain(len(hits.doc))
    places = {_name(under_way, hits, at): at for at in range(len(hits.doc))}
    listed: list[tuple[int, str | None]] = [(at, None) for name, at in places.items() if name not in gone]
    promoted = {name: position for name, position in reversed(outcome.promote) if name not in outcome.hide}
    allowed = _satisfying(under_way) if outcome.filter_promotes else None
    for name, position in sorted(promoted.items(), key=lambda pair: pair[1]):
        if name in under_way.index.records and (allowed is None or name in allowed):
            listed.insert(position, (places.get(name, -1), name))
    return listed


class _Plain(Sequence[tuple[int, str | None]]):
    """(0, None), (1, None) … without making the list."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, at: Any) -> Any:
        return (at, None)


def _satisfying(under_way: Search) -> set[str]:
    masks = [matching(part, under_way.query.filters, under_way.facets) & part.alive for part in under_way.parts]
    return {part.ids[doc] for part, mask in zip(under_way.parts, masks, strict=True) for doc in np.flatnonzero(mask)}


def _name(under_way: Search, hits: Hits, at: int) -> str:
    return under_way.parts[int(hits.part[at])].ids[int(hits.doc[at])]


def _hit(under_way: Search, hits: Hits, at: int, promoted: str | None) -> Record:
    object_id = promoted if promoted is not None else _name(under_way, hits, at)
    hidden = () if under_way.reading.privileged else under_way.option("unretrievableAttributes", ())
    record = orjson.loads(under_way.index.records[object_id])
    shown = project(record, under_way.option("attributesToRetrieve"), hidden)
    highlighted = _highlighted(under_way, record, hidden)
    if highlighted:
        shown = shown | {"_highlightResult": highlighted}
    if under_way.params.get("getRankingInfo"):
        shown = shown | {"_rankingInfo": _ranking_info(hits, at, promoted=promoted is not None)}
    return shown


def _highlighted(under_way: Search, record: Record, hidden: Sequence[str]) -> dict[str, Any]:
    names = under_way.option("attributesToHighlight")
    if names is None:
        lines = searchables(under_way.index.settings)
        names = ["*"] if lines is None else [name for line in lines for name in line.attributes]
    marker = Marker(
        words=under_way.query.words,
        before=under_way.option("highlightPreTag"),
        after=under_way.option("highlightPostTag"),
    )
    return marker.record(project(record, None, hidden) if hidden else record, names) if names else {}


def _ranking_info(hits: Hits, at: int, *, promoted: bool) -> dict[str, Any]:
    value = {name: int(values[at]) if at >= 0 else 0 for name, values in hits.scores.items()}
    info: dict[str, Any] = {
        "nbTypos": value["typo"],
        "firstMatchedWord": value["attribute"],
        "proximityDistance": value["proximity"],
        "userScore": len(hits.doc) - at if at >= 0 else 0,
        "geoDistance": 0,
        "geoPrecision": 1,
        "nbExactWords": value["exact"],
        "words": value["words"],
        "filters": value["filters"],
    }
    return info | ({"promoted": True} if promoted else {})
