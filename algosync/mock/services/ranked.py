"""What an index's search puts first, as objectIDs: no rules, no `distinct`, no pages, and so no limits of pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from algosync.mock.engine.index import Index
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
    under_way = Search(index, {**params, "enableRules": False, "distinct": False}, reading)
    hits = under_way.run(most)
    places = zip(hits.part[:most].tolist(), hits.doc[:most].tolist(), strict=True)
    return Ranked(
        object_ids=[under_way.parts[part].ids[doc] for part, doc in places],
        scores={name: values[:most].tolist() for name, values in hits.scores.items()},
    )


def within(index: Index, reading: Reading) -> frozenset[str]:
    """The records that a reading shows at all, in no order."""
    under_way = Search(index, {"enableRules": False, "distinct": False}, reading)
    hits = under_way.run(0)
    places = zip(hits.part.tolist(), hits.doc.tolist(), strict=True)
    return frozenset(under_way.parts[part].ids[doc] for part, doc in places)
