"""Answers to one shop's questions, each worked out once for as long as nothing that it is made of has changed.

Pure, as `answer` is: what is kept here never shows in an answer, only in the time that it takes. Of an answer that is
asked for the first time, what is the visitor's own was mostly told on another page before, and what is the page's was
told to somebody else: both are kept as the JSON that they are sent as.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
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


class _Here(NamedTuple):
    """What a place is to visitors of a kind.

    Attributes:
        fired: Ids of the actions that fire.
        lifting: Of those, the ones that boost something.
        applies: Whether boosts apply, and why.
    """

    fired: tuple[str, ...]
    lifting: tuple[str, ...]
    applies: tuple[bool, str]


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
        self._places: _Memory[_Here] = _Memory(kept)
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
        standing = self._standings.held(asker, basis)
        if standing is None:
            standing = self._standings.keep(asker, basis, stand(question, known, shop, now))
        here = self._here(question, known, standing, shelf, now)
        callers = (question.index, question.rule_contexts, _hashable(question))
        mine = (asker, callers, here.lifting, here.applies)
        near = tuple([question.context.get(key) for key in self._near]) if self._near else ()
        there = (question.where, question.object_id, near, standing.segments, here.fired)
        own, page = self._own.held(mine, basis), self._pages.held(there, run)
        if own is None or page is None:
            made = answer(question, known, shop, shelf, now=now)
            own = self._own.keep(mine, basis, _part(made.own(), begins=True))
            page = self._pages.keep(there, run, _part(made.page(), begins=False))
        return Told(own.json + page.json, own.tag + page.tag)

    def _here(self, question: Question, known: Known, standing: Standing, shelf: Shelf, now: datetime) -> _Here:
        """What a place is this day, the same to all visitors of a kind who have been shown nothing."""
        kind = (question.where, question.index, question.words, standing.visit, standing.state, standing.segments)
        basis = (now.astimezone(UTC).date(), shelf.generation, shelf.as_of)
        here = None if known.impressions else self._places.held(kind, basis)
        if here is None:
            firing = tuple([action.id for action in fired(question, known, standing, self._shop, now)])
            lifting = tuple([name for name in firing if name in self._shop.action_boosts])
            here = _Here(firing, lifting, applies(question, self._shop, shelf))
            if not known.impressions:
                self._places.keep(kind, basis, here)
        return here


def _part(document: Mapping[str, Any], *, begins: bool) -> Told:
    """The first or the second half of an answer, as JSON that the other makes a whole of."""
    made = orjson.dumps(document)
    half = made[:-1] + b"," if begins else made[1:]
    return Told(half, blake2b(made, digest_size=12).hexdigest().encode())


def _hashable(question: Question) -> Hashable:
    filters = question.optional_filters
    return tuple([item if isinstance(item, str) else tuple(item) for item in filters]) if filters else ()
