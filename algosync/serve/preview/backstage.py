"""What the pages need to know of the shop besides a person's receipts: sums, personas, events as they arrive.

Reads the snapshot and the inbox; writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from algosync.errors import RequestError
from algosync.experience.answer import answer
from algosync.experience.question import Known, Question
from algosync.experience.shop import ShopAnswers
from algosync.serve.desk import Desk, Person
from algosync.serve.explain import Draft
from algosync.serve.stored import Snapshots
from algosync.stores.inbox import KEPT, Inbox
from algosync.stores.inbox_visitor import millis

RECENT_MAX: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The overview of one generation, as the last run made it.

    Attributes:
        sums: See sync/overview.py; None where no run has made any.
        generation, as_of: Of the snapshot.
    """

    sums: Mapping[str, Any] | None
    generation: int
    as_of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One event as it came in."""

    at: datetime
    kind: str
    name: str
    products: tuple[str, ...]


class Backstage:
    """The shop from behind.

    Args:
        desk: Answers.
        snapshots: The snapshot, whichever lies there now.
        inbox: For reading.
        shop: The shop's rules with a draft laid over them; raises ConfigError where the draft is wrong.
    """

    def __init__(
        self, desk: Desk, snapshots: Snapshots, inbox: Inbox, shop: Callable[[Draft | None], ShopAnswers]
    ) -> None:
        self._desk = desk
        self._snapshots = snapshots
        self._inbox = inbox
        self._shop = shop

    def told(self) -> Told:
        """The overview.

        Raises:
            RequestError: There is no snapshot yet.
            StoreError: It cannot be read.
        """
        with self._snapshots.view() as view:
            return Told(sums=view.overview(), generation=view.generation, as_of=view.as_of)

    def personas(self, now: datetime) -> list[tuple[str, str]]:
        """(label, person) of real people to preview the shop as, none of whom is kept from being personalized."""
        sums = self.told().sums or {}
        return [
            (persona["label"], persona["person"])
            for persona in sums.get("personas", ())
            if self.plain_answer(Question(user_token=persona["person"]), now)["strategy"] != "content"
        ]

    def segments(self) -> list[tuple[str, str]]:
        """(id, name) of the shop's segments."""
        return [(segment.id, segment.name) for segment in self._shop(None).segments.items]

    def plain_answer(self, question: Question, now: datetime) -> Mapping[str, Any]:
        """The answer that the storefront gets."""
        return self._desk.answer(question, _allow, now=now)

    def member_answer(self, question: Question, segments: tuple[str, ...], draft: Draft | None, now: datetime) -> Any:
        """The answer for anybody who is in some segments, and of whom nothing else is known.

        Args:
            question: Where she is.
            segments: Ids; those of the draft too.
            draft: Laid over the shop's own rules.
            now: This moment.

        Raises:
            ConfigError: The draft is wrong.
            RequestError: There is no snapshot yet, or no such segment.
        """
        shop = self._shop(draft)
        known = {segment.id for segment in shop.segments.items}
        if unknown := sorted(set(segments) - known):
            raise RequestError("is no segment", where=unknown[0], hint="Choose one of the list", status=422)
        person = {
            "person": question.user_token,
            "visit": "returning",
            "state": "visitor",
            "ready": False,
            "reason": "anybody of the segment",
            "affinities": {},
            "segments": list(segments),
        }
        with self._snapshots.view() as view:
            return answer(question, Known(person=person, choice="for_you"), shop, view, now=now).document()

    def arrivals(self, token: str, now: datetime) -> list[Arrival]:
        """The events of a person's tokens that came in lately, newest first; those that wait for the next run."""
        with self._snapshots.view() as view:
            person = view.person(token)
            tokens = {token} if person is None else {token, *view.tokens_of(person["person"])}
        since = millis(now - KEPT)
        rows = [row for row in self._inbox.of_tokens(tokens, 0) if row.received_ms >= since]
        return [_arrival(row.event, row.received_ms) for row in reversed(rows[-RECENT_MAX:])]


def _allow(_person: Person | None) -> None:
    """The admin key opens everybody."""


def _arrival(event: Mapping[str, Any], received_ms: int) -> Arrival:
    return Arrival(
        at=datetime.fromtimestamp(event.get("timestamp", received_ms) / 1000, UTC),
        kind=str(event.get("eventSubtype") or event.get("eventType") or ""),
        name=str(event.get("eventName") or ""),
        products=tuple(map(str, event.get("objectIDs") or ())),
    )
