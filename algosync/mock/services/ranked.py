"""What an index's search puts first, as objectIDs: no rules, no `distinct`, no pages, and so no limits of pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from algosync.mock.engine.index import Index
from algosync.mock.engine.ranking import Hits
from algosync.mock.engine.search import Reading, Search


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """Records that a search finds.

    Attributes:
        object_ids: Best first.
        scores: What each has of a ranking criterion, by the criterion's name.
    """

    object_ids: list[str]
    scores: Mapping[str, list[int]]


def ranked(index: Index, params: Mapping[str, Any], reading: Reading, most: int) -> Ranked:
    """The `most` records that search parameters put first."""
    under_way, hits = _run(index, params, reading, most)
    top = hits.take(np.arange(min(most, len(hits.doc))))
    scores = {name: values.tolist() for name, values in top.scores.items()}
    return Ranked(object_ids=_ids(under_way, top), scores=scores)


def within(index: Index, reading: Reading) -> frozenset[str]:
    """The records that a reading shows at all."""
    return frozenset(_ids(*_run(index, {}, reading, 0)))


def _run(index: Index, params: Mapping[str, Any], reading: Reading, most: int) -> tuple[Search, Hits]:
    under_way = Search(index, {**params, "enableRules": False, "distinct": False}, reading)
    return under_way, under_way.run(most)


def _ids(under_way: Search, hits: Hits) -> list[str]:
    places = zip(hits.part.tolist(), hits.doc.tolist(), strict=True)
    return [under_way.parts[part].ids[doc] for part, doc in places]
