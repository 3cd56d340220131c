"""One look at the shop as somebody: the answer she gets, both searches, the receipts, and what came in lately.

Receipts come from the explainer, for people; a member of a segment has none but the segment itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from algosync.errors import AlgosyncError, ConfigError, RequestError
from algosync.experience.question import Question
from algosync.serve.explain import Asked, Draft, Explainer
from algosync.serve.preview.asked import SEGMENT, Wish
from algosync.serve.preview.backstage import Arrival, Backstage, Told
from algosync.serve.preview.search import Place, Searcher, Sides, both_sides


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the form offers.

    Attributes:
        personas: (value, label) of real people.
        members: (value, label) of anybody of a segment.
        indices: The product indices.
    """

    personas: tuple[tuple[str, str], ...]
    members: tuple[tuple[str, str], ...]
    indices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One look.

    Attributes:
        who: As whom, in words.
        answer: What the storefront gets.
        receipts: What the explainer says of her; None where nothing is known, or she is no person.
        note: Why there are no receipts.
        sides: Both searches; None where they could not be made.
        trouble: Why they could not.
        arrivals: Events of the last while; None of a persona that is no person.
    """

    who: str
    answer: Mapping[str, Any]
    receipts: Mapping[str, Any] | None
    note: str | None
    sides: Sides | None
    trouble: str | None
    arrivals: tuple[Arrival, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Looks at the shop.

    Attributes:
        backstage: Sums, personas, events.
        searcher: Searches Algolia.
        explainer: Makes receipts; None where nobody does.
        indices: The product indices.
        title: The attribute to name products by.
        category: The facet of category pages; None where the shop has none.
        currency: Of prices; empty where the shop names none.
    """

    backstage: Backstage
    searcher: Searcher
    explainer: Explainer | None
    indices: tuple[str, ...]
    title: str = "name"
    category: str | None = None
    currency: str = ""

    def choices(self, now: datetime) -> Choices:
        """What the form offers.

        Raises:
            RequestError: There is no snapshot yet.
            StoreError: It cannot be read.
        """
        return Choices(
            personas=tuple((person, f"{label} · {person}") for label, person in self.backstage.personas(now)),
            members=tuple((SEGMENT + id_, f"Anybody in {name}") for id_, name in self.backstage.segments()),
            indices=self.indices,
        )

    def told(self) -> Told:
        """The overview of the last run.

        Raises:
            RequestError: There is no snapshot yet.
            StoreError: It cannot be read.
        """
        return self.backstage.told()

    def arrivals(self, wish: Wish, now: datetime) -> tuple[Arrival, ...]:
        """The events of the person that is looked at."""
        if wish.person is None:
            return ()
        question = wish.question()
        return tuple(self.backstage.arrivals(question.user_token, now))

    def scene(self, wish: Wish, now: datetime) -> Scene:
        """Looks.

        Raises:
            RequestError: The wish cannot be granted as it stands; `where` says which part of it is wrong.
            StoreError: What is known cannot be read.
        """
        question, draft = wish.question(), wish.draft()
        if wish.person is None and not wish.member_of and draft is None:
            hint = "Type a customer id or token, choose a persona, or paste a draft"
            raise RequestError("nobody is chosen", where="user or persona", hint=hint, status=422)
        try:
            answer, receipts, note = self._known(wish, question, draft, now)
        except ConfigError as error:
            raise RequestError(error.what, where=error.where, hint=error.hint, status=422) from None
        sides, trouble = self._searched(wish, answer)
        return Scene(
            who=_who(wish, receipts),
            answer=answer,
            receipts=receipts,
            note=note,
            sides=sides,
            trouble=trouble,
            arrivals=None if wish.person is None else self.arrivals(wish, now),
        )

    def _known(
        self, wish: Wish, question: Question, draft: Draft | None, now: datetime
    ) -> tuple[Mapping[str, Any], Mapping[str, Any] | None, str | None]:
        """The answer, the receipts, and why there are none."""
        if wish.person is None:
            segments = tuple(dict.fromkeys((*wish.member_of, *(draft or {}).get("segments", ()))))
            answer = self.backstage.member_answer(question, segments, draft, now)
            return answer, None, "Nobody in particular: a visitor of whom only the segment is known."
        plain = self.backstage.plain_answer(question, now)
        if self.explainer is None:
            return plain, None, "Receipts are not made here."
        try:
            found = self.explainer.explain(Asked(user=wish.person, question=question, draft=draft))
        except RequestError as error:
            if error.status != 404:
                raise
            return plain, None, "Nothing is known of this visitor: she gets what a new one gets."
        return found["answer"], found, None

    def _searched(self, wish: Wish, answer: Mapping[str, Any]) -> tuple[Sides | None, str | None]:
        refined = (f"{self.category}:{wish.category}",) if self._is_category(wish) else ()
        query = wish.query if wish.where == "search" else ""
        place = Place(index=wish.index, query=query, refined=refined)
        try:
            return both_sides(self.searcher, place, answer["search"], self.title), None
        except AlgosyncError as error:
            structlog.get_logger("algosync.serve").warning("the preview cannot search", error=str(error))
            return None, error.what

    def _is_category(self, wish: Wish) -> bool:
        return wish.where == "category" and bool(wish.category) and self.category is not None


def _who(wish: Wish, receipts: Mapping[str, Any] | None) -> str:
    if wish.member_of:
        return f"anybody in {wish.member_of[0]}"
    if wish.person is None:
        return "anybody in the draft segment" if wish.segment else "anybody"
    return str((receipts or {}).get("person") or wish.person)
