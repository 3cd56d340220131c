"""Two lists of hits held against each other: which product stands where, and where it stood before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Hits = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A hit of the list that is looked at.

    Attributes:
        object_id: The product.
        title: Its first text.
        was: Its rank in the list before, from 1; None where it was not among the hits.
        plain: Its rank for somebody of whom nothing is known; None likewise.
    """

    object_id: str
    title: str
    was: int | None
    plain: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One search before and after.

    Attributes:
        index: Where.
        query: What was typed.
        kind, name: Who searched, see Searcher.
        hits: What she sees after, in order.
        gone: objectIDs that she saw before and no longer sees.
    """

    index: str
    query: str
    kind: str
    name: str
    hits: tuple[Hit, ...]
    gone: tuple[str, ...]

    @property
    def moved(self) -> int:
        """How many hits stand elsewhere than before, new ones included."""
        return sum(hit.was != rank for rank, hit in enumerate(self.hits, 1))


def ranks(hits: Hits) -> dict[str, int]:
    """Rank by objectID, from 1."""
    return {hit["objectID"]: rank for rank, hit in enumerate(hits, 1)}


def held_against(before: Hits, after: Hits, plain: Mapping[str, int], title: str) -> tuple[tuple[Hit, ...], list[str]]:
    """The hits after, each with its ranks, and the objectIDs that are no longer among them.

    Args:
        before: What was seen before.
        after: What is seen now.
        plain: Ranks for somebody of whom nothing is known.
        title: The attribute to name products by.
    """
    was, shown = ranks(before), ranks(after)
    hits = tuple(
        Hit(
            object_id=hit["objectID"],
            title=str(hit.get(title) or ""),
            was=was.get(hit["objectID"]),
            plain=plain.get(hit["objectID"]),
        )
        for hit in after
    )
    return hits, [object_id for object_id in was if object_id not in shown]
