"""Answers to one shop's questions, each worked out once for as long as nothing that it is made of has changed.

Pure, as `answer` is: what is kept here never shows in an answer, only in the time that it takes. Of an answer that is
asked for the first time, what is the visitor's own was mostly told on another page before, and what is the page's was
told to somebody else: both are kept as the JSON that they are sent as.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from threading import Lock
from typing import Any, Final, Generic, NamedTuple, TypeVar

import orjson

from algosync.experience.answer import answer
from algosync.experience.firing import fired
from algosync.experience.parameters import applies
from algosync.experience.question import Known, Question
from algosync.experience.shop import Shelf, ShopAnswers
from algosync.experience.strategy import Standing, stand, visit_at
from algosync.profiles.actions import Action
from algosync.profiles.moments import epoch_day

KEPT: Final = 4_000
"""Answers, and parts of answers of each kind, that are kept at most: a few KB each."""

_Value = TypeVar("_Value")


class _Memory(Generic[_Value]):
    """The value of each key last asked for, with what it was made of; the oldest goes first."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        # A plain dictionary finds its oldest entry by going over all that were taken out before.
        self._held: OrderedDict[Hashable, tuple[Any, _Value]] = OrderedDict()
        self._lock = Lock()

    def held(self, key: Hashable, basis: Any) -> _Value | None:
        """The value of a key, where it was made of the same."""
        held = self._held.get(key)
        return held[1] if held is not None and held[0] == basis else None

    def keep(self, key: Hashable, basis: Any, made: _Value) -> _Value:
        with self._lock:
            self._held.pop(key, None)
            while len(self._held) >= self._kept:
                self._held.popitem(last=False)
            self._held[key] = (basis, made)
        return made

    def get(self, key: Hashable, basis: Any, make: Callable[[], _Value]) -> _Value:
        held = self.held(key, basis)
        return self.keep(key, basis, make()) if held is None else held


class Told(NamedTuple):
    """An answer as it is sent.

    Attributes:
        json: The document.
        tag: Tells it from all others.
    """

    json: bytes
    tag: bytes


class Answers:
    """Answers for one shop.

    Args:
        shop: The shop's rules.
        kept: Of visitors and pages, and twice as many parts that are a visitor's own.
    """

    def __init__(self, shop: ShopAnswers, *, kept: int = KEPT) -> None:
        self._shop = shop
        self._near = [key for key in (shop.place, shop.device) if key is not None]
        self._standings: _Memory[Standing] = _Memory(kept)
        self._fired: _Memory[list[Action]] = _Memory(kept)
        self._own: _Memory[Told] = _Memory(2 * kept)
        self._pages: _Memory[Told] = _Memory(kept)

    def document(self, question: Question, known: Known, shelf: Shelf, *, now: datetime) -> dict[str, Any]:
        """The document of `answer`."""
        made: dict[str, Any] = orjson.loads(self.told(question, known, shelf, now=now).json)
        return made

    def told(self, question: Question, known: Known, shelf: Shelf, *, now: datetime) -> Told:
        """The same as JSON."""
        shop, person = self._shop, known.person
        visit = None if person is None else visit_at(person, now)
        run = (shelf.generation, shelf.as_of)
        basis = (person, known.choice, known.suppressed, visit, run)
        asker = (question.user_token, question.consent)
        standing = self._standings.get(asker, basis, lambda: stand(question, known, shop, now))
        firing = [action.id for action in self._firing(question, known, standing, now)]
        lifting = tuple([name for name in firing if name in shop.action_boosts])
        callers = (question.index, question.rule_contexts, _hashable(question.optional_filters))
        here = (*asker, *callers, lifting, applies(question, shop, shelf))
        near = tuple([question.context.get(key) for key in self._near])
        there = (question.where, question.object_id, near, standing.segments, tuple(firing))
        own, page = self._own.held(here, basis), self._pages.held(there, run)
        if own is None or page is None:
            made = answer(question, known, shop, shelf, now=now)
            own = self._own.keep(here, basis, _part(made.own()))
            page = self._pages.keep(there, run, _part(made.page()))
        return Told(b"%b,%b" % (own.json[:-1], page.json[1:]), own.tag + page.tag)

    def _firing(self, question: Question, known: Known, standing: Standing, now: datetime) -> list[Action]:
        """What fires on a page this day, for all visitors of the same kind who have been shown nothing."""
        if known.impressions:
            return fired(question, known, standing, self._shop, now)
        kind = (question.where, standing.visit, standing.state, standing.segments)
        return self._fired.get(kind, epoch_day(now), lambda: fired(question, known, standing, self._shop, now))


def _part(document: Mapping[str, Any]) -> Told:
    made = orjson.dumps(document)
    return Told(made, blake2b(made, digest_size=12).hexdigest().encode())


def _hashable(filters: Sequence[str | Sequence[str]]) -> Hashable:
    return tuple([item if isinstance(item, str) else tuple(item) for item in filters]) if filters else ()
