"""Lists for a page that need no profile: popular, trending, curated, related; for all alike, or by segment and place.

Every list is objectIDs, best first, and never holds the product that the page shows. A list that nobody has is left
out instead of being padded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from algosync.experience.question import Question
from algosync.experience.shop import Shelf, ShopAnswers
from algosync.experience.strategy import Standing

OWN_LISTS: Final = (
    "trending",
    "popular",
    "popular_in_segment",
    "popular_here",
    "popular_on_device",
    "related",
    "bought_together",
    "viewed_together",
    "similar",
)
"""The names that curated lists may not take."""

_START: Final = ("home", "any")
_LISTING: Final = ("category", "search")


def content(question: Question, standing: Standing, shop: ShopAnswers, shelf: Shelf) -> dict[str, tuple[str, ...]]:
    """The lists of one page, by name."""
    made: dict[str, tuple[str, ...]] = {}
    for name, ids in _lists(question, standing, shop, shelf):
        distinct = dict.fromkeys(ids)
        distinct.pop(question.object_id, None)  # type: ignore[arg-type]  # None is in no list
        if distinct:
            made[name] = tuple(distinct)[: shop.list_size]
    return made


def _lists(
    question: Question, standing: Standing, shop: ShopAnswers, shelf: Shelf
) -> Iterator[tuple[str, Sequence[str]]]:
    place = question.where.partition(":")[0]
    if place in (*_START, *_LISTING):
        yield from _tops(question, shelf)
    if place in _START:
        yield from _nearer(question, standing, shop, shelf)
        yield from shop.curated.items()
    if question.object_id is not None:
        yield from sorted(shelf.related(question.object_id).items())


def _tops(question: Question, shelf: Shelf) -> Iterator[tuple[str, Sequence[str]]]:
    """What is popular and trending: in the category of a category page, everywhere else in all the shop."""
    scope, bucket = ("everywhere", "") if question.category is None else ("category", question.category)
    for name in ("trending", "popular"):
        yield name, shelf.top(f"{name}:{scope}", bucket)


def _nearer(
    question: Question, standing: Standing, shop: ShopAnswers, shelf: Shelf
) -> Iterator[tuple[str, Sequence[str]]]:
    """What is popular among people like her: in her highest segment that has a list, where she is, on such a device."""
    in_segments = (shelf.top("popular:segment", segment) for segment in standing.segments)
    yield "popular_in_segment", next((ids for ids in in_segments if ids), ())
    for name, scope, key in (("popular_here", "place", shop.place), ("popular_on_device", "device", shop.device)):
        bucket = None if key is None else question.context.get(key)
        if bucket is not None:
            yield name, shelf.top(f"popular:{scope}", bucket)
