"""What people see: the same queries for chosen visitors and segments, on what Algolia holds now.

A searcher carries what a storefront would send for her: the filters of her profile and of her segments. Those of a
segment come from its record in the payload index, else from its Rule. Must not write anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from algosync.algolia.client import ReadClient
from algosync.payloads.contexts import context_name
from algosync.payloads.rules import PREFIX

Filters = list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """Who searches.

    Attributes:
        kind: A visitor, anybody of a segment, or somebody of whom nothing is known.
        name: Her token, the segment's id, or nothing.
        segments: Slugs of the segments that apply.
        filters: optionalFilters of her own.
    """

    kind: Literal["user", "segment", "nobody"]
    name: str
    segments: tuple[str, ...] = ()
    filters: Sequence[Any] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an index has for segments, by slug.

    Attributes:
        filters: optionalFilters of the segment's record, else of its Rule.
        ruled: Segments whose Rule is in the index.
    """

    filters: Mapping[str, Filters] = field(default_factory=dict)
    ruled: frozenset[str] = frozenset()


def held(client: ReadClient, index: str, payload_index: str, slugs: Iterable[str]) -> Held:
    """Ask what a product index and the payload index have for segments.

    Raises:
        AlgoliaError: They cannot be read.
    """
    wanted = sorted(slugs)
    by_context = {context_name(slug): slug for slug in wanted}
    filters: dict[str, Filters] = {}
    ruled = set()
    for rule in client.browse_rules(index):
        contexts = {condition.get("context") for condition in rule.get("conditions") or ()}
        for context in contexts & by_context.keys() if rule["objectID"].startswith(PREFIX) else ():
            ruled.add(by_context[context])
            filters[by_context[context]] = (rule["consequence"].get("params") or {}).get("optionalFilters") or []
    if wanted and client.exists(payload_index):
        records = client.get_objects(payload_index, [f"segment-{slug}" for slug in wanted], ["optionalFilters"])
        filters |= {s: r.get("optionalFilters") or [] for s, r in zip(wanted, records, strict=True) if r is not None}
    return Held(filters=filters, ruled=frozenset(ruled))


def parameters(searcher: Searcher, there: Held) -> dict[str, Any]:
    """What a storefront sends for a searcher.

    A segment by itself goes through its Rule where there is one. A visitor's filters and those of all her segments go
    with the query, none twice: how a Rule's filters and the query's own merge is documented nowhere.
    """
    if searcher.kind == "segment" and there.ruled.issuperset(searcher.segments):
        return {"ruleContexts": [context_name(slug) for slug in searcher.segments]}
    own = [*searcher.filters]
    for slug in searcher.segments:
        own += [group for group in there.filters.get(slug, ()) if group not in own]
    return {"optionalFilters": own} if own else {}


def look(client: ReadClient, index: str, query: str, params: Mapping[str, Any], hits: int) -> list[dict[str, Any]]:
    """The first hits of a search, whole; filters of ours take the place of Algolia's own personalization.

    Raises:
        AlgoliaError: The search was refused.
    """
    asked = {
        "query": query,
        "hitsPerPage": hits,
        "attributesToHighlight": [],
        "enablePersonalization": False,
        "analytics": False,
        **params,
    }
    found: list[dict[str, Any]] = client.search(index, asked)["hits"]
    return found
