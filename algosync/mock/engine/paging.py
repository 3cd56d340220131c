"""Which of the hits an answer shows: `page` and `hitsPerPage`, or `offset` and `length`. Pure.

`length` without `offset` is ignored (algolia.com/doc/api-reference/api-parameters/length).

Owns the pagination fields of an answer. Counts in groups where `distinct` keeps several records of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from algosync.mock.engine.choices import Choices
from algosync.mock.engine.ranking import Hits

TOO_FAR = (
    "you can only fetch the {limit} hits for this query. You can extend the number of hits returned via the "
    "paginationLimitedTo index parameter or use the browse method. You can read our FAQ for more details about "
    "browsing: https://www.algolia.com/doc/faq/index-configuration/how-can-i-retrieve-all-the-records-in-my-index"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the hits.

    Attributes:
        start: The first one shown.
        stop: The one after the last.
        answer: The fields that say so.
        grouped: Whether pages are made of groups of hits.
    """

    start: int
    stop: int
    answer: dict[str, Any]
    grouped: bool


def page(choices: Choices, hits: Hits, hits_max: int = 0) -> Page:
    """The page asked for.

    Beyond paginationLimitedTo nothing is shown, and `nbHits` is 0 with a `message`, as the service answers. With
    `distinct` above 1, `hitsPerPage` and `nbHits` are numbers of groups
    (algolia.com/doc/api-reference/api-parameters/distinct).

    Args:
        choices: The options.
        hits: All hits in their final order.
        hits_max: What the API key allows on a page; 0 for no limit.
    """
    window = _window(choices, hits_max)
    grouped = choices.distinct > 1
    starts = np.flatnonzero(hits.scores["sequence"] == 0) if grouped else None
    total = len(hits.doc) if starts is None else len(starts)
    limit = choices.option("paginationLimitedTo")
    too_far = window.start > 0 and window.start >= limit
    reachable = 0 if too_far else min(total, limit)
    answer: dict[str, Any] = {"nbHits": 0 if too_far else total}
    if window.number is None:
        answer |= {"offset": window.start, "length": window.size}
    else:
        pages = -(-reachable // window.size) if window.size else 0
        answer |= {"page": window.number, "nbPages": pages, "hitsPerPage": window.size}
    if too_far:
        answer["message"] = TOO_FAR.format(limit=limit)
    first, last = min(window.start, reachable), min(window.start + window.size, reachable)
    if starts is not None:
        ends = np.append(starts, len(hits.doc))
        first, last = int(ends[first]), int(ends[last])
    return Page(start=first, stop=last, answer=answer, grouped=grouped)


def reach(choices: Choices, hits_max: int = 0) -> int:
    """How many of the best hits decide what the page shows."""
    window = _window(choices, hits_max)
    return min(window.start + window.size, int(choices.option("paginationLimitedTo")))


@dataclass(frozen=True, slots=True)
class _Window:
    start: int
    size: int
    number: int | None  # of the page; None where it was asked for by offset


def _window(choices: Choices, hits_max: int) -> _Window:
    offset, length = choices.params.get("offset"), choices.params.get("length")
    size = int(choices.option("hitsPerPage") if offset is None or length is None else length)
    size = min(size, hits_max) if hits_max else size
    if offset is not None:
        return _Window(offset, size, None)
    number = choices.params.get("page", 0)
    return _Window(number * size, size, number)
