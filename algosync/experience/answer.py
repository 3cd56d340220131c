"""The one answer that frontend, backend and merchandiser get: what to search, recommend and show, and why.

Pure: question, what is known of the visitor, the shop's rules and the last run's results in, one value out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from algosync.experience.content import content
from algosync.experience.firing import action_documents, fired
from algosync.experience.parameters import applies, compiled, recommend_parameters, search_parameters
from algosync.experience.question import Known, Question
from algosync.experience.shop import Shelf, ShopAnswers
from algosync.experience.strategy import Standing, Strategy, stand


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """An answer.

    Attributes:
        strategy: content, segment or one-to-one.
        reason: Why, in numbers.
        search: Parameters to spread into a search.
        recommend: Parameters to spread into a Recommend request.
        visitor: visit and state; None each where nobody knows, or nobody is to know.
        segments: Opaque ids.
        actions: Those that fire here and now.
        content: Lists of objectIDs by name.
        generation: Of the snapshot.
        holdout: Whether this visitor is kept unpersonalized to measure the others by.
    """

    strategy: Strategy
    reason: str
    search: Mapping[str, Any]
    recommend: Mapping[str, Mapping[str, Any]]
    visitor: Mapping[str, str | None]
    segments: tuple[str, ...]
    actions: tuple[Mapping[str, Any], ...]
    content: Mapping[str, tuple[str, ...]]
    generation: int
    holdout: bool

    def document(self) -> dict[str, Any]:
        """The JSON of `POST /v1/experience`."""
        return {**self.own(), **self.page()}

    def own(self) -> dict[str, Any]:
        """Of the document what is the visitor's, the same on every page where the same boosts apply."""
        return {
            "strategy": self.strategy,
            "reason": self.reason,
            "search": dict(self.search),
            "recommend": {name: dict(parameters) for name, parameters in self.recommend.items()},
            "visitor": dict(self.visitor),
            "segments": list(self.segments),
            "holdout": self.holdout,
        }

    def page(self) -> dict[str, Any]:
        """Of the document what is the page's, the same for all visitors of a kind."""
        return {
            "actions": [dict(action) for action in self.actions],
            "content": {name: list(ids) for name, ids in self.content.items()},
            "generation": self.generation,
        }


def answer(question: Question, known: Known, shop: ShopAnswers, shelf: Shelf, *, now: datetime) -> Experience:
    """Answers one question.

    Args:
        question: Where somebody is and what she looks for.
        known: What is known of her; a person's document may be the stored one, or one with newer events laid over it.
        shop: The shop's rules.
        shelf: What the last run left, of the same generation as the document.
        now: This moment, for the dates and caps of actions; no more of it counts than `answer_memory` looks at.
    """
    standing = stand(question, known, shop, now)
    actions = fired(question, known, standing, shop, now)
    filters = compiled(question, standing, actions, shop, shelf).optional_filters
    apply, because = applies(question, shop, shelf)
    reason = standing.reason if apply or not filters else f"{standing.reason}; filters left out: {because}"
    return Experience(
        strategy=standing.strategy,
        reason=reason,
        search=search_parameters(question, standing, filters if apply else (), shop),
        recommend=recommend_parameters(question, standing, filters, shop, shelf),
        visitor={"visit": standing.visit, "state": standing.state},
        segments=_opaque(standing, shop),
        actions=action_documents(actions),
        content=content(question, standing, shop, shelf),
        generation=shelf.generation,
        holdout=standing.arm == "holdout",
    )


def _opaque(standing: Standing, shop: ShopAnswers) -> tuple[str, ...]:
    """Ids of her segments that say nothing to strangers; none without a key to make them with."""
    return tuple(sorted(shop.opaque[segment] for segment in standing.segments)) if shop.opaque else ()
