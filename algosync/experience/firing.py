"""Which actions fire here and now, as a storefront takes them, and the boosts that they bring.

Whether an action fires is decided in profiles/; here is only what is known of the visitor at this page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from algosync.experience.question import Known, Question
from algosync.experience.shop import ShopAnswers
from algosync.experience.strategy import Standing
from algosync.payloads.boosts import Boost
from algosync.profiles.actions import Action, Situation, fires_now


def fired(question: Question, known: Known, standing: Standing, shop: ShopAnswers, now: datetime) -> list[Action]:
    """The actions that fire, by id. Whoever is not personalized meets only those that ask nothing of a visitor."""
    here = situation(question, known, standing, now)
    return [action for action in shop.actions.items if fires_now(action, here)]


def situation(question: Question, known: Known, standing: Standing, now: datetime) -> Situation:
    """What actions are judged by: the visitor at this page, at this moment."""
    return Situation(
        visit=standing.visit or "",
        state=standing.state or "",
        segments=standing.segments,
        place=question.where,
        at=now,
        impressions=known.impressions,
    )


def action_documents(actions: Sequence[Action]) -> tuple[dict[str, Any], ...]:
    """Actions as a storefront takes them; the boosts of one travel in the search."""
    return tuple(_document(action) for action in actions)


def boosts(actions: Sequence[Action], standing: Standing, shop: ShopAnswers) -> Iterator[Boost]:
    """The boosts of her segments, and of the actions that fire: for the segment that set each off, or for all."""
    for segment in standing.segments:
        yield from shop.boosts.get(segment, ())
    for action in actions:
        for segment, lifted in shop.action_boosts.get(action.id, {}).items():
            if segment == "" or segment in standing.segments:
                yield from lifted


def _document(action: Action) -> dict[str, Any]:
    made: dict[str, Any] = {"id": action.id, "effect": action.effect}
    if action.effect == "message":
        made["message"] = dict(action.message)
    elif action.effect == "data":
        made["data"] = dict(action.data)
    return made
