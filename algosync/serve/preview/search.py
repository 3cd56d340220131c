"""One search twice: as anybody sees it and as somebody does, and what the difference is.

Searches what Algolia holds now, with the official client. Sends no userToken and no tag: what a merchandiser looks at
is nobody's behaviour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Protocol

from algosync.algolia.client import ReadClient
from algosync.catalog.paths import getter, text
from algosync.errors import ConfigError
from algosync.payloads.syntax import parse
from algosync.sync.comparison import Hits, held_against, ranks
from algosync.sync.searchers import look

SHOWN: Final = 12
DEPTH: Final = 60
"""Hits that are read, so that it can be said from where one came up or went down to."""

_LEFT_OUT: Final = frozenset({"userToken", "analyticsTags"})


class Searcher(Protocol):
    """Searches the shop's indices."""

    def search(self, index: str, query: str, params: Mapping[str, Any], hits: int) -> Hits:
        """The first hits, whole, with `_rankingInfo`.

        Raises:
            AlgoliaError: The search was refused, or nobody answers.
        """


class AlgoliaSearcher:
    """Searches the configured Algolia; one search at a time, since a client is not for several threads.

    Args:
        connect: Makes the client, at the first search.
    """

    def __init__(self, connect: Callable[[], ReadClient]) -> None:
        self._connect = connect
        self._client: ReadClient | None = None
        self._turn = Lock()

    def search(self, index: str, query: str, params: Mapping[str, Any], hits: int) -> Hits:
        """The first hits, whole, with `_rankingInfo`.

        Raises:
            AlgoliaError: The search was refused, or nobody answers.
            ConfigError: There is no key to search with.
        """
        with self._turn:
            if self._client is None:
                self._client = self._connect()
            return look(self._client, index, query, {"getRankingInfo": True, **params}, hits)

    def close(self) -> None:
        """Gives the connections back."""
        if self._client is not None:
            self._client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a search is made.

    Attributes:
        index: The product index.
        query: What was typed.
        refined: facetFilters of the page itself: a category page shows its category.
    """

    index: str
    query: str
    refined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A hit of one side.

    Attributes:
        rank: From 1.
        other: Its rank on the other side; None where it is not among the first DEPTH there.
        title: Its name, or the objectID.
        price: As the record has it; None where it has none.
        exact: Whether it holds every word that was typed, exactly as Algolia counts that: of a single word an attribute
            must be made (`exactOnSingleWordQuery`).
        boosted: (facet, value, score) of the filters that it matches.
    """

    object_id: str
    rank: int
    other: int | None
    title: str
    price: float | None
    exact: bool
    boosted: tuple[tuple[str, str, int], ...]

    @property
    def moved(self) -> int:
        """How many places further up than on the other side; negative for down, 0 where it is not there."""
        return 0 if self.other is None else self.other - self.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """A search and its difference.

    Attributes:
        plain, personal: The first SHOWN hits of either.
        up, down, new, gone: How many of the shown hits stand higher or lower for her than in the plain list, come from
            beyond it, and fell off her list.
        exact_down: Plain hits that match every word exactly and now stand below one that does not; None without words.
    """

    plain: tuple[Card, ...]
    personal: tuple[Card, ...]
    up: int
    down: int
    new: int
    gone: int
    exact_down: int | None

    @property
    def same(self) -> bool:
        """Whether both sides show the same products in the same order."""
        return [card.object_id for card in self.plain] == [card.object_id for card in self.personal]


def both_sides(searcher: Searcher, place: Place, parameters: Mapping[str, Any], title: str) -> Sides:
    """Searches twice and compares.

    Args:
        searcher: Searches.
        place: Where and what.
        parameters: What an answer says to search with.
        title: The attribute to name products by.

    Raises:
        AlgoliaError: A search was refused, or nobody answers.
    """
    page = {"facetFilters": list(place.refined)} if place.refined else {}
    ours = {name: value for name, value in parameters.items() if name not in _LEFT_OUT}
    before = searcher.search(place.index, place.query, page, DEPTH)
    after = searcher.search(place.index, place.query, {**page, **ours}, DEPTH) if ours else before
    words = len(place.query.split())
    matchers = list(_matchers(ours.get("optionalFilters") or ()))
    plain = _cards(before, after, title, words, ())
    personal = _cards(after, before, title, words, matchers)
    shown = personal[:SHOWN]
    return Sides(
        plain=plain[:SHOWN],
        personal=shown,
        up=sum(card.other is not None and card.other > card.rank for card in shown),
        down=sum(card.moved < 0 for card in shown),
        new=sum(card.other is None or card.other > SHOWN for card in shown),
        gone=sum(card.other is None or card.other > SHOWN for card in plain[:SHOWN]),
        exact_down=_exact_down(plain, personal) if words else None,
    )


def _cards(hits: Hits, others: Hits, title: str, words: int, matchers: Sequence[_Matcher]) -> tuple[Card, ...]:
    standing, _ = held_against(others, hits, ranks(others), title)
    return tuple(
        Card(
            object_id=hit.object_id,
            rank=rank,
            other=hit.was,
            title=hit.title or hit.object_id,
            price=_price(record),
            exact=bool(words) and _is_exact(record, words),
            boosted=tuple(told for told, matches in matchers if matches(record)),
        )
        for rank, (hit, record) in enumerate(zip(standing, hits, strict=True), 1)
    )


def _exact_down(plain: Sequence[Card], personal: Sequence[Card]) -> int:
    """Exact matches of the plain page that a less exact hit has overtaken."""
    shown = [card for card in plain[:SHOWN] if card.exact]
    loose = [(card.rank, card.other) for card in personal if not card.exact]
    return sum(
        any(rank < (card.other or DEPTH + 1) and (was or DEPTH + 1) > card.rank for rank, was in loose)
        for card in shown
    )


def _is_exact(record: Mapping[str, Any], words: int) -> bool:
    info = record.get("_rankingInfo") or {}
    return info.get("nbTypos") == 0 and int(info.get("nbExactWords") or 0) >= words


def _price(record: Mapping[str, Any]) -> float | None:
    price = record.get("price")
    is_number = isinstance(price, int | float) and not isinstance(price, bool) and math.isfinite(price)
    return float(price) if is_number else None  # type: ignore[arg-type]


_Matcher = tuple[tuple[str, str, int], Callable[[Mapping[str, Any]], bool]]


def _matchers(groups: Iterable[Any]) -> Iterator[_Matcher]:
    for group in groups:
        for said in [group] if isinstance(group, str) else group:
            try:
                found = parse(said)
            except ConfigError:
                continue
            yield (found.facet, found.value, found.score), _holds(found.facet, found.value, negated=found.negated)


def _holds(facet: str, value: str, *, negated: bool) -> Callable[[Mapping[str, Any]], bool]:
    read = getter(facet)
    return lambda record: (value in map(text, read(record))) is not negated
