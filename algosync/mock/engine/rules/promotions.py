"""Promoted and hidden records: taken out of the ranked hits, and promoted ones put where rules want them. Pure.

As Algolia documents the rule-matching algorithm: a promoted record is a hit even if it does not match the query; of one
that rules of different precedence promote, the first rule's position counts; records for one position stand in the
order of their objectIDs, each moving the next one down. A record that is hidden and promoted stays hidden.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from algosync.mock.engine.columns import Ints, Mask
from algosync.mock.engine.filters import Filter
from algosync.mock.engine.ranking import Hits, matching
from algosync.mock.engine.rules.consequences import Promotion
from algosync.mock.engine.segments import Segment
from algosync.mock.engine.settings import Facet


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What rules want of the hits.

    Attributes:
        promote: In the order of the rules' precedence.
        hide: objectIDs.
        filters: The search's filters, for promotions that heed them.
        required: What every record shown must satisfy.
        facets: Declared facets.
    """

    promote: Sequence[Promotion]
    hide: Collection[str]
    filters: Filter
    required: Filter
    facets: Mapping[str, Facet]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A promoted record that exists: where it is kept, and the position it is to have."""

    part: int
    doc: int
    position: int


def gather(parts: Sequence[Segment], hits: Hits, plan: Plan) -> tuple[Hits, list[Pin]]:
    """The hits with promoted records first, hidden ones left out, and the promoted ones in the order of their places.

    The order lets `distinct` prefer a promoted record; `arrange` puts each where it belongs.
    """
    pins = _pins(parts, plan)
    places = [np.full(len(part), -1, np.int64) for part in parts]
    for number, place in enumerate(places):
        mine = np.flatnonzero(hits.part == number)
        place[hits.doc[mine]] = mine
    hidden = [found for object_id in plan.hide if (found := _find(parts, object_id)) is not None]
    keep = np.ones(len(hits.doc), np.bool_)
    for number, doc in [*hidden, *((pin.part, pin.doc) for pin in pins)]:
        if places[number][doc] >= 0:
            keep[places[number][doc]] = False
    others = hits.take(np.flatnonzero(keep))
    from_ = np.array([places[pin.part][pin.doc] for pin in pins], np.int64)
    led = Hits(
        part=np.concatenate([np.array([pin.part for pin in pins], np.int64), others.part]),
        doc=np.concatenate([np.array([pin.doc for pin in pins], np.int64), others.doc]),
        scores={name: np.concatenate([_at(hits.scores[name], from_), rest]) for name, rest in others.scores.items()},
    )
    return led, pins


def _at(values: Ints, places: Ints) -> Ints:
    """Values at places, 0 for a promoted record that is no hit of its own."""
    found = np.zeros(len(places), np.int64)
    found[places >= 0] = values[places[places >= 0]]
    return found


def arrange(hits: Hits, pins: Sequence[Pin]) -> tuple[Hits, frozenset[int]]:
    """Put the promoted records that lead the hits at their positions.

    Returns:
        The hits in their final order, and the places of the promoted ones.
    """
    wanted = {(pin.part, pin.doc): pin.position for pin in pins}
    slots: list[int] = []
    for part, doc in zip(hits.part[: len(pins)].tolist(), hits.doc[: len(pins)].tolist(), strict=True):
        if (part, doc) not in wanted:
            break
        slots.append(max(wanted[part, doc], slots[-1] + 1 if slots else 0))
    total, count = len(hits.doc), len(slots)
    slots = [min(slot, total - count + number) for number, slot in enumerate(slots)]
    order = np.full(total, -1, np.int64)
    order[slots] = np.arange(count)
    order[order < 0] = np.arange(count, total)
    return hits.take(order), frozenset(slots)


def _pins(parts: Sequence[Segment], plan: Plan) -> list[Pin]:
    masks = {filtered: _satisfying(parts, plan, filtered=filtered) for filtered in (False, True)}
    seen = set(plan.hide)
    units: list[tuple[int, str, list[Pin]]] = []
    for each in plan.promote:
        shown = {
            object_id: Pin(part=found[0], doc=found[1], position=each.position)
            for object_id in each.object_ids
            if object_id not in seen
            and (found := _find(parts, object_id)) is not None
            and masks[each.filtered][found[0]][found[1]]
        }
        if shown:
            seen.update(shown)
            units.append((each.position, next(iter(shown)), list(shown.values())))
    return [pin for *_, pins in sorted(units, key=lambda unit: unit[:2]) for pin in pins]


def _satisfying(parts: Sequence[Segment], plan: Plan, *, filtered: bool) -> list[Mask]:
    wanted = plan.filters + plan.required if filtered else plan.required
    return [matching(part, wanted, plan.facets) for part in parts]


def _find(parts: Sequence[Segment], object_id: str) -> tuple[int, int] | None:
    for number, part in enumerate(parts):
        doc = part.place(object_id)
        if doc is not None and part.alive[doc]:
            return number, doc
    return None
