"""A whole sync against a stand-in for Algolia, and what it would change for those who search.

The run is the one of cycle.py, with a client for the mock and a ledger of its own: searches are made before and after
the push. Must not touch the shop's application, nor anything that the next run would read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from algosync.algolia.client import WriteClient
from algosync.errors import ConfigError
from algosync.payloads.rules import PREFIX
from algosync.sync.comparison import Comparison, Hits, held_against, ranks
from algosync.sync.cycle import Computed, Hands, ShopRules, compute
from algosync.sync.push import Pushed, push
from algosync.sync.searchers import Searcher, held, look, parameters
from algosync.sync.stages import steps

USERS = 3
SEGMENTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which searches are compared.

    Attributes:
        queries: What is typed; an empty one is a page that shows everything.
        users: Customer ids or tokens; none for the ready people with most events.
        segments: Ids of segments; none for those of highest priority that have members.
        hits: How many hits of each search.
    """

    queries: tuple[str, ...] = ("",)
    users: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    hits: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What came of it."""

    computed: Computed
    pushed: Pushed
    comparisons: tuple[Comparison, ...]


def rehearse(rules: ShopRules, hands: Hands, client: WriteClient, wish: Wish) -> Rehearsed:
    """Run a sync against the stand-in that `hands.client` and `client` reach, and search before and after.

    Raises:
        ConfigError: A user or segment of the wish is not known.
    """
    computed = compute(rules, hands)
    before, after = _searchers(hands, computed, wish)
    with hands.stages.stage("searches", "Searching before"):
        seen = _look(rules, hands, before, wish)
    with hands.stages.stage("push", "Pushing into the mock", len(computed.plan.operations)) as advance:
        pushed = push(computed.plan, client, hands.ledger, now=lambda: hands.now, progress=steps(advance))
    with hands.stages.stage("searches", "Searching after"):
        sees = _look(rules, hands, after, wish)
        plain = _look(rules, hands, [_NOBODY], wish)
    title = next(iter(rules.catalog.text), "name")
    return Rehearsed(
        computed=computed,
        pushed=pushed,
        comparisons=tuple(
            _compared(where, seen[where], hits, ranks(plain[replace(where, kind="nobody", name="")]), title)
            for where, hits in sees.items()
        ),
    )


_NOBODY = Searcher(kind="nobody", name="")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Where:
    index: str
    query: str
    kind: str
    name: str


def _look(rules: ShopRules, hands: Hands, searchers: Iterable[Searcher], wish: Wish) -> dict[_Where, Hits]:
    found: dict[_Where, Hits] = {}
    slugs = [segment.slug for segment in rules.segments]
    for index in rules.indices:
        there = held(hands.client, index, rules.payload_index, slugs)
        for searcher in searchers:
            params = parameters(searcher, there)
            for query in wish.queries:
                where = _Where(index=index, query=query, kind=searcher.kind, name=searcher.name)
                found[where] = look(hands.client, index, query, params, wish.hits)
    return found


def _compared(where: _Where, seen: Hits, hits: Hits, plain: Mapping[str, int], title: str) -> Comparison:
    shown, gone = held_against(seen, hits, plain, title)
    return Comparison(
        index=where.index, query=where.query, kind=where.kind, name=where.name, hits=shown, gone=tuple(gone)
    )


def _searchers(hands: Hands, computed: Computed, wish: Wish) -> tuple[list[Searcher], list[Searcher]]:
    """Who searches before the sync and after it: the same people, with what was known of them and what is."""
    found = computed.knowledge
    segments = [Searcher(kind="segment", name=id_, segments=(slug,)) for id_, slug in _segments(computed, wish)]
    before, after = list(segments), list(segments)
    for name in wish.users or _lively(found.documents):
        doc = found.documents.get(found.tokens.get(name, name))
        if doc is None:
            raise ConfigError(
                f"nothing is known of '{name}', or nothing of hers may be used",
                where="--user",
                hint="Name a customer id or a token that is in the events",
            )
        before.append(_visitor(name, hands.snapshot.person(name)))
        after.append(_visitor(name, doc))
    return before, after


def _visitor(name: str, doc: Mapping[str, Any] | None) -> Searcher:
    if doc is None:
        return Searcher(kind="user", name=name)
    slugs = tuple(context.removeprefix(PREFIX) for context in doc["ruleContexts"])
    return Searcher(kind="user", name=name, segments=slugs, filters=doc["optionalFilters"] if doc["ready"] else ())


def _lively(documents: Mapping[str, Mapping[str, Any]]) -> list[str]:
    ready = [(-doc["events"], person) for person, doc in documents.items() if doc["ready"]]
    return [person for _, person in sorted(ready)[:USERS]]


def _segments(computed: Computed, wish: Wish) -> list[tuple[str, str]]:
    """Id and slug of the segments to show."""
    known = {segment.id: segment for segment in computed.knowledge.rules.segments.items}
    if unknown := [name for name in wish.segments if name not in known]:
        raise ConfigError(
            f"no segment is named '{unknown[0]}'", where="--segment", hint=f"There are {', '.join(known)}"
        )
    peopled = set(computed.knowledge.people.members["segment"].to_pylist())
    by_priority = sorted(known.values(), key=lambda segment: (-segment.priority, segment.id))
    chosen = wish.segments or [segment.id for segment in by_priority if segment.id in peopled][:SEGMENTS]
    return [(name, known[name].slug) for name in chosen]
