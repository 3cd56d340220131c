"""Answers to one shop's questions, each worked out once for as long as nothing that it is made of has changed.

Pure, as `answer` is: what is kept here never shows in an answer, only in the time that it takes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from threading import Lock
from typing import Any, Final, Generic, NamedTuple, TypeVar

import orjson

from algosync.experience.answer import Filters, Parts, answer
from algosync.experience.question import Known, Question
from algosync.experience.shop import Shelf, ShopAnswers
from algosync.experience.strategy import Standing, visit_at
from algosync.profiles.actions import Action
from algosync.profiles.moments import epoch_day

KEPT: Final = 4_000
"""Answers, filters of visitors and lists of pages that are kept at most: a few KB each."""

_Value = TypeVar("_Value")


class _Basis(NamedTuple):
    """What an answer is made of besides question and shop; equal ones make equal answers.

    `visit` and `day` are all that an answer takes of the moment.
    """

    person: Mapping[str, Any] | None
    choice: str | None
    suppressed: bool
    impressions: Mapping[str, Sequence[datetime]]
    visit: str | None
    day: int
    generation: int
    as_of: str


class _Profile(NamedTuple):
    """What filters are made of besides the shop's policy."""

    affinities: Mapping[str, Mapping[str, int]] | None
    segments: tuple[str, ...]
    declared: frozenset[str] | None


class _Memory(Generic[_Value]):
    """The value of each key last asked for, with what it was made of; the oldest goes first."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        # A plain dictionary finds its oldest entry by going over all that were taken out before.
        self._held: OrderedDict[Hashable, tuple[Any, _Value]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Hashable, basis: Any, make: Callable[[], _Value]) -> _Value:
        held = self._held.get(key)
        if held is not None and held[0] == basis:
            return held[1]
        made = make()
        with self._lock:
            self._held.pop(key, None)
            while len(self._held) >= self._kept:
                self._held.popitem(last=False)
            self._held[key] = (basis, made)
        return made


class _Remembered(Parts):
    """The parts of answers, for all the visitors and pages that share them.

    Args:
        shop: The shop's rules.
        kept: Of each kind of part.
    """

    def __init__(self, shop: ShopAnswers, kept: int) -> None:
        super().__init__(shop)
        self._filters: _Memory[Filters] = _Memory(kept)
        self._content: _Memory[Mapping[str, tuple[str, ...]]] = _Memory(kept)
        self._fired: _Memory[list[Action]] = _Memory(kept)

    def filters(self, question: Question, standing: Standing, actions: Sequence[Action], shelf: Shelf) -> Filters:
        """The filters of a visitor, for all the pages on which the same actions lift something."""
        shop = self.shop
        index = question.index if question.index in shop.indices else None
        lifting = tuple(action.id for action in actions if action.id in shop.action_boosts)
        person = standing.person if standing.strategy == "one-to-one" else None
        affinities = None if person is None else person["affinities"]
        profile = _Profile(affinities, standing.segments, shelf.declared(index))
        key = (question.user_token, index, lifting)
        make = super().filters
        return self._filters.get(key, profile, lambda: make(question, standing, actions, shelf))

    def content(self, question: Question, standing: Standing, shelf: Shelf) -> Mapping[str, tuple[str, ...]]:
        """The lists of a page, for all visitors of the same segments."""
        shop, context = self.shop, question.context
        near = tuple(None if key is None else context.get(key) for key in (shop.place, shop.device))
        key = (question.where, question.object_id, near, standing.segments)
        make = super().content
        return self._content.get(key, (shelf.generation, shelf.as_of), lambda: make(question, standing, shelf))

    def fired(self, question: Question, known: Known, standing: Standing, now: datetime) -> list[Action]:
        """What fires on a page this day, for all visitors of the same kind who have been shown nothing."""
        make = super().fired
        if known.impressions:
            return make(question, known, standing, now)
        key = (question.where, standing.visit, standing.state, standing.segments)
        return self._fired.get(key, epoch_day(now), lambda: make(question, known, standing, now))


class Told:
    """An answer in the form that it is remembered in: a document of its own would be hundreds of objects.

    Attributes:
        json: The document.
        reply: What whoever sends it has made of it; None before that.
    """

    __slots__ = ("json", "reply")

    def __init__(self, json: bytes) -> None:
        self.json = json
        self.reply: Any = None


class Answers:
    """Answers for one shop.

    Args:
        shop: The shop's rules.
        kept: Answers kept at most.
    """

    def __init__(self, shop: ShopAnswers, *, kept: int = KEPT) -> None:
        self._shop = shop
        self._told: _Memory[Told] = _Memory(kept)
        self._parts = _Remembered(shop, kept)

    def document(self, question: Question, known: Known, shelf: Shelf, *, now: datetime) -> dict[str, Any]:
        """The document of `answer`."""
        made: dict[str, Any] = orjson.loads(self.told(question, known, shelf, now=now).json)
        return made

    def told(self, question: Question, known: Known, shelf: Shelf, *, now: datetime) -> Told:
        """The same as JSON, and the same object as long as nothing changed."""
        person = known.person
        basis = _Basis(
            person,
            known.choice,
            known.suppressed,
            known.impressions,
            None if person is None else visit_at(person, now),
            epoch_day(now),
            shelf.generation,
            shelf.as_of,
        )
        return self._told.get(_key(question), basis, lambda: self._answered(question, known, shelf, now))

    def _answered(self, question: Question, known: Known, shelf: Shelf, now: datetime) -> Told:
        return Told(orjson.dumps(answer(question, known, self._shop, shelf, now=now, parts=self._parts).document()))


def _key(question: Question) -> Hashable:
    return (
        question.user_token,
        question.where,
        question.query,
        question.object_id,
        question.index,
        question.consent,
        tuple(question.context.items()) if question.context else (),
        tuple(question.rule_contexts),
        _hashable(question.optional_filters) if question.optional_filters else (),
    )


def _hashable(filters: Sequence[str | Sequence[str]]) -> Hashable:
    return tuple(item if isinstance(item, str) else tuple(item) for item in filters)
