"""What judging everybody and judging one person share about segments, and the contexts that members bring.

`batch_segments` judges all persons at once, `verdicts` one.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from algosync.profiles.conditions import Bounds, Segments
from algosync.profiles.facts import MICRO

NUMBER: Final = "^-?[0-9]{1,15}([.][0-9]{1,15})?$"
"""An attribute that looks like this is a number; all engines and Python read it alike."""


def bounds_hold(bounds: Bounds, count: Any, price: Any, discount: Any) -> Any:
    """Whether counted events are within bounds, for columns and for plain numbers alike.

    Args:
        bounds: In units of the currency.
        count: Number of events.
        price: Millionths paid, as a float.
        discount: Millionths saved, as a float.
    """
    whole = price + discount
    checks = [
        limit(value, bound)
        for value, bound, limit in (
            (count, bounds.count_min, operator.ge),
            (count, bounds.count_max, operator.le),
            (price, _micro(bounds.sum_price_min), operator.ge),
            (price, _micro(bounds.sum_price_max), operator.le),
            (discount, _micro(bounds.sum_discount_min), operator.ge),
        )
        if bound is not None
    ]
    if bounds.discount_share_min is not None:
        checks.append((whole > 0) & (discount >= whole * bounds.discount_share_min))
    return reduce(operator.and_, checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """Rule contexts of one visitor: names, and the segments that found no room."""

    names: tuple[str, ...]
    left_out: tuple[str, ...]


def contexts(segment_ids: Iterable[str], segments: Segments, max_contexts: int) -> Contexts:
    """The contexts that a member of the given segments brings, highest priority first, ties by id."""
    wanted = set(segment_ids)
    held = [segment for segment in segments.items if segment.id in wanted]
    held.sort(key=lambda segment: (-segment.priority, segment.id))
    return Contexts(
        names=tuple(segment.context for segment in held[:max_contexts]),
        left_out=tuple(segment.id for segment in held[max_contexts:]),
    )


def _micro(amount: float | None) -> int | None:
    return None if amount is None else round(amount * MICRO)
