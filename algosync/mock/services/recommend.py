"""Recommendations: candidates put through the engine's search, ordered, cut, and filled up by a fallback search.

Owns the answer's shape. The order is by filter score (optionalFilters re-rank, as documented), then `_score`, then
objectID. The item asked about is never among its own recommendations; where the index is `distinct`, neither are its
other variants, and each group shows as many as it would in a search.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from algosync.mock.engine.parameters import echo
from algosync.mock.engine.search import search
from algosync.mock.services.candidates import POOL_MAX, Shop, find, narrowed
from algosync.mock.services.recommend_request import Request
from algosync.mock.services.values import held

_OF_RANKING_INFO = frozenset({"serverUsed", "indexUsed", "parsedQuery", "timeoutCounts", "timeoutHits"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommended:
    """An answer.

    Attributes:
        result: One item of `results`.
        source: Where it comes from: pushed, events, likeness or none; `+fallback` where a fallback search added some.
    """

    result: dict[str, Any]
    source: str


class _Picked:
    """Hits taken so far: none twice, none of a group that is full."""

    def __init__(self, shop: Shop, params: Mapping[str, Any], anchor: str) -> None:
        settings = shop.index.all_settings
        distinct = params.get("distinct", settings.get("distinct"))
        self._shop = shop
        self._attribute = settings.get("attributeForDistinct") if distinct else None
        self._each = max(1, int(distinct or 0))
        self._groups: Counter[str] = Counter()
        self._anchor_group = self._group(anchor)
        self.seen = {anchor}
        self.hits: list[dict[str, Any]] = []

    def take(self, hits: Iterable[dict[str, Any]], most: int) -> int:
        """Take hits in their order until there are so many; returns how many were taken."""
        before = len(self.hits)
        for hit in hits:
            object_id = hit["objectID"]
            if len(self.hits) < most and object_id not in self.seen and self._room(object_id):
                self.seen.add(object_id)
                self.hits.append(hit)
        return len(self.hits) - before

    def _room(self, object_id: str) -> bool:
        group = self._group(object_id)
        if group is None:
            return True
        self._groups[group] += 1
        return group != self._anchor_group and self._groups[group] <= self._each

    def _group(self, object_id: str) -> str | None:
        if not self._attribute:
            return None
        return next(held(self._shop.index.record(object_id), self._attribute), None)


def recommend(shop: Shop, request: Request) -> Recommended:
    """The answer to one request."""
    candidates = find(shop, request.about)
    if request.about.model == "trending-facets":
        hits = _facet_hits(request, candidates.best(request.threshold))
        return Recommended(result=_shaped(shop, request, {"hits": hits}), source=candidates.source)
    answer = _searched(shop, request, candidates.best(request.threshold))
    picked = _Picked(shop, request.query, request.about.object_id)
    picked.take(answer["hits"], request.most)
    source: str = candidates.source
    if request.fallback is not None and len(picked.hits) < request.most:
        more = _fallback(shop, request.fallback)
        source += "+fallback" if picked.take(more["hits"], request.most) else ""
        answer["message"] = _joined(answer.get("message"), more.get("message"))
    return Recommended(result=_shaped(shop, request, answer | {"hits": picked.hits}), source=source)


def _searched(shop: Shop, request: Request, scores: Mapping[str, float]) -> dict[str, Any]:
    """The search over the candidates, its hits in the order of recommendations."""
    forced = {**_whole(len(scores)), "getRankingInfo": True, "distinct": False}
    answer = search(shop.index, {**request.query, **forced}, narrowed(shop.reading, "objectID", scores))
    hits = [hit | {"_score": scores[hit["objectID"]]} for hit in answer["hits"]]
    hits.sort(key=lambda hit: (-hit["_rankingInfo"]["filters"], -hit["_score"], hit["objectID"]))
    if request.query.get("getRankingInfo"):
        return answer | {"hits": hits}
    for hit in hits:
        del hit["_rankingInfo"]
    return {name: value for name, value in answer.items() if name not in _OF_RANKING_INFO} | {"hits": hits}


def _fallback(shop: Shop, params: Mapping[str, Any]) -> dict[str, Any]:
    return search(shop.index, {**params, **_whole(POOL_MAX)}, shop.reading)


def _whole(most: int) -> dict[str, Any]:
    """Parameters for an answer with all its fields and so many hits, whatever a key or the settings say of pages."""
    pages = {"page": 0, "offset": None, "length": None, "hitsPerPage": most, "paginationLimitedTo": most}
    return {"responseFields": ["*"], **pages}


def _facet_hits(request: Request, scores: Mapping[str, float]) -> list[dict[str, Any]]:
    facet = request.about.facet_name
    hits = [{"facetName": facet, "facetValue": value, "_score": score} for value, score in scores.items()]
    return hits[: request.most]


def _shaped(shop: Shop, request: Request, answer: Mapping[str, Any]) -> dict[str, Any]:
    count = len(answer["hits"])
    paging = {"nbHits": count, "page": 0, "nbPages": 1 if count else 0, "hitsPerPage": request.most}
    shaped: dict[str, Any] = {"processingTimeMS": 1, **answer, **paging}
    shaped |= {"query": request.query.get("query", ""), "params": echo(request.query)}
    fields = request.query.get("responseFields") or shop.index.all_settings.get("responseFields") or ["*"]
    if "*" not in fields:
        shaped = {name: value for name, value in shaped.items() if name in fields or name in {"hits", "message"}}
    note = f"Ignored by Recommend: {', '.join(request.ignored)}" if request.ignored else None
    if message := _joined(shaped.pop("message", None), note):
        shaped["message"] = message
    return shaped | {"index": request.index}


def _joined(*messages: str | None) -> str | None:
    return "; ".join(dict.fromkeys(message for message in messages if message)) or None
