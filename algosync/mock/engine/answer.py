"""The answer to a search as Algolia writes it: hits, counts, notes on how they came about, and what was ignored.

Owns the fields of an answer and their order. Must not search.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from algosync.mock.engine.coverage import warning
from algosync.mock.engine.grouping import FacetAnswer
from algosync.mock.engine.hits import Show, ranking_info
from algosync.mock.engine.index import Index
from algosync.mock.engine.paging import Page
from algosync.mock.engine.parameters import echo
from algosync.mock.engine.ranking import Hits
from algosync.mock.engine.records import Record
from algosync.mock.engine.rules.apply import Outcome
from algosync.mock.engine.segments import Segment
from algosync.mock.engine.text.words import spans

SERVER = "mock"
"""`serverUsed`: the service names one of its machines."""

_ALWAYS = frozenset(
    {
        "message",
        "warning",
        "cursor",
        "abTestVariantID",
        "serverUsed",
        "indexUsed",
        "parsedQuery",
        "timeoutCounts",
        "timeoutHits",
    }
)
"""What responseFields cannot leave out: algolia.com/doc/api-reference/api-parameters/responseFields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer, the names of the options that it did not heed, and whether there are hits enough for a page."""

    body: dict[str, Any]
    ignored: list[str]
    enough: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that an answer tells of.

    Attributes:
        index: The index.
        parts: Its segments.
        hits: All hits in their final order.
        promoted: The places of those that rules promoted.
        show: How a hit is shown.
        page: Which of them are.
        facets: Counts, where facets were asked for.
        outcome: What rules did.
        removed: The places of the query's words that were given up.
        ignored: Options not heeded.
    """

    index: Index
    parts: Sequence[Segment]
    hits: Hits
    promoted: frozenset[int]
    show: Show
    page: Page
    facets: FacetAnswer | None
    outcome: Outcome
    removed: frozenset[int]
    ignored: list[str]


def write(found: Found, began: float) -> Answered:
    """The answer.

    Args:
        found: What was found.
        began: `time.perf_counter()` at the beginning of the search.
    """
    choices = found.show.choices
    body: dict[str, Any] = {"hits": [_hit(found, at) for at in range(found.page.start, found.page.stop)]}
    body |= found.page.answer
    body |= _counts(found)
    body["query"] = choices.params.get("query", "")
    if found.removed:
        body["queryAfterRemoval"] = _marked(choices.syntax.text, found.removed)
    # As rules left them: /doc/guides/managing-results/rules/rules-overview/in-depth/debugging-rules
    body["params"] = echo(choices.params)
    body |= _notes(found)
    body["renderingContent"] = choices.option("renderingContent", {})
    took = int((time.perf_counter() - began) * 1000) + 1
    body |= {"processingTimeMS": took, "processingTimingsMS": {"total": took}, "serverTimeMS": took}
    messages = [body["message"]] if "message" in body else []
    if found.ignored:
        body["message"] = "; ".join([*messages, warning(found.ignored)])
    enough = body["nbHits"] >= body.get("hitsPerPage", 0) > 0
    fields = choices.option("responseFields", ["*"])
    if "*" not in fields:
        body = {name: value for name, value in body.items() if name in fields or name in _ALWAYS}
    return Answered(body=body, ignored=found.ignored, enough=enough)


def _hit(found: Found, at: int) -> Record:
    part = found.parts[int(found.hits.part[at])]
    shown = found.show.hit(found.index.records[part.ids[int(found.hits.doc[at])]])
    scores = found.hits.scores
    extra: dict[str, Any] = {}
    if found.show.choices.params.get("getRankingInfo"):
        values = {name: int(column[at]) for name, column in scores.items()}
        extra["_rankingInfo"] = ranking_info(values, len(found.hits.doc) - at, promoted=at in found.promoted)
    if found.page.grouped:
        extra["_distinctSeqID"] = int(scores["sequence"][at])
    return shown | extra if extra else shown


def _counts(found: Found) -> dict[str, Any]:
    exhaustive = {"nbHits": True}
    counts: dict[str, Any] = {}
    if found.facets is not None:
        counts = {"facets": found.facets.counts} | ({"facets_stats": found.facets.stats} if found.facets.stats else {})
        counts["exhaustiveFacetsCount"] = True
        exhaustive = {"facetsCount": True, "facetValues": found.facets.complete, **exhaustive}
    if found.index.rules:
        exhaustive["rulesMatch"] = True
    counts["exhaustiveNbHits"] = True
    if found.show.choices.typo_tolerance is not False:
        counts["exhaustiveTypo"] = exhaustive["typo"] = True
    return counts | {"exhaustive": exhaustive}


def _notes(found: Found) -> dict[str, Any]:
    notes: dict[str, Any] = {}
    choices = found.show.choices
    if choices.params.get("clickAnalytics"):
        notes["queryID"] = uuid.uuid4().hex
    if choices.params.get("getRankingInfo"):
        parsed = " ".join(word.text for word in found.show.query.words)
        notes |= {"serverUsed": SERVER, "indexUsed": found.index.name, "parsedQuery": parsed}
        notes |= {"timeoutCounts": False, "timeoutHits": False}
    return notes | found.outcome.notes(found.index.name)


def _marked(text: str, removed: frozenset[int]) -> str:
    """A query with the words that were given up between `<em>` and `</em>`."""
    pieces: list[str] = []
    end = 0
    for at, (start, stop) in enumerate(spans(text)):
        if at in removed:
            pieces += [text[end:start], "<em>", text[start:stop], "</em>"]
            end = stop
    return "".join([*pieces, text[end:]])
