"""The related-items stage of a run: from the log and the catalog to lists, popularity and trends per group.

Chooses what related/ is asked and in which order; how anything is computed is that room's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ibis.backends.duckdb import Backend

from algosync.catalog.table import Catalog
from algosync.related import trending
from algosync.related.hybrid import related
from algosync.related.similar import SimilarRules, similar
from algosync.related.together import BasketRules, TogetherRules, baskets, pairs, together
from algosync.related.topk import Floats, Lists, from_rows, keep
from algosync.sync.profiles import Census, lent

Kind = Literal["similar", "bought_together", "viewed_together", "related"]
SPARE = 2
"""Candidates are found this many times over, so that a published list can be weighed against the new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedRules:
    """Which related items are found, and how.

    Attributes:
        kinds: The lists to make.
        per_product: Items per list.
        weights: Weight per event kind, for baskets by session or person and for popularity.
        half_life_days: After how many days an event counts half.
        trending_days: The recent window of trends.
        viewed_by: What makes two products viewed together.
        cap_per_person: At most so many distinct items of one actor count.
        shrinkage: Keeps pairs with little evidence down.
        margin: A published list changes only for a larger gain, 0 to 1.
        stop_words: For the similarity of texts.
        facets: Facets whose values count as words of the text.
        place, device: The context keys that name these, for what is popular there.
        popularity, trending: Whether these are published.
        per_bucket: Items kept per category, segment, place and device.
    """

    kinds: tuple[Kind, ...]
    per_product: int = 12
    weights: Mapping[str, float] = field(default_factory=dict)
    half_life_days: float = 90.0
    trending_days: int = 7
    viewed_by: Literal["session", "person"] = "session"
    cap_per_person: int = 100
    shrinkage: float = 100.0
    margin: float = 0.1
    stop_words: Literal["english"] | None = "english"
    facets: tuple[str, ...] = ()
    category: str | None = None
    place: str | None = None
    device: str | None = None
    popularity: bool = True
    trending: bool = True
    per_bucket: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedItems:
    """What was found, over the catalog's groups.

    Attributes:
        lists: One Lists per kind.
        popular: How popular each group is, in decayed people.
        popularity, trending: The integers 0 to 10 that products carry.
        tops: (scope, bucket, item, score, rank): popular and trending everywhere, per category, segment, place and
            device; scope is for example "popular:segment".
        inputs: Digest of all that they were computed from.
    """

    inputs: str
    lists: Mapping[Kind, Lists]
    popular: Floats
    popularity: npt.NDArray[np.int8]
    trending: npt.NDArray[np.int8]
    tops: pa.Table

    def counts(self) -> dict[str, int]:
        """How many groups have a list of each kind, and how many top lists there are per scope."""
        lists = {kind: int((np.diff(found.indptr) > 0).sum()) for kind, found in self.lists.items()}
        scopes = self.tops["scope"].to_pylist()
        pairs_ = set(zip(scopes, self.tops["bucket"].to_pylist(), strict=True))
        tops = {scope: sum(s == scope for s, _ in pairs_) for scope in sorted({s for s, _ in pairs_})}
        return {**lists, **tops}


def over_today(kept: RelatedItems, available: npt.NDArray[np.bool_]) -> RelatedItems:
    """Earlier items as they stand: without those that have left or are not to be had, and nothing for what is new.

    Args:
        kept: Earlier items over today's groups.
        available: Whether each of today's groups may be recommended.
    """
    return replace(
        kept,
        lists={kind: _without_gone(lists, available) for kind, lists in kept.lists.items()},
        popularity=np.maximum(kept.popularity, 0),
        trending=np.maximum(kept.trending, 0),
    )


def _without_gone(lists: Lists, available: npt.NDArray[np.bool_]) -> Lists:
    here = np.append(available, False)[lists.related]  # -1, gone, takes the last one
    indptr = np.concatenate(([0], np.cumsum(here)))[lists.indptr]
    return Lists(indptr=indptr, related=lists.related[here], score=lists.score[here])


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The tables behind related items, as Ibis tables of one backend.

    Attributes:
        events: LOG columns and `group`, all events.
        personal: The events of people who may be profiled, with `group` and `person`.
        members: (person, segment).
        values: (group, value): the catalog's values of the category facet.
    """

    events: ir.Table
    personal: ir.Table
    members: ir.Table
    values: ir.Table


def evidence(  # what a run has found out so far
    backend: Backend, tables: Census, members: pa.Table, objects: pa.Table, catalog: Catalog, rules: RelatedRules
) -> Evidence:
    """Events with the group of their product: robots, staff and what was returned count nowhere.

    Args:
        backend: Where the tables are.
        tables: The events.
        members: (person, segment).
        objects: The log's dictionary of products: (id, value).
        catalog: The groups.
        rules: Name the category facet.
    """
    group = catalog.group_of(objects["value"].combine_chunks())
    known = pa.table({"object": objects["id"], "group": pa.array(group, pa.int32(), mask=group < 0)})
    groups = lent(backend, "object_groups", known.filter(known["group"].is_valid()))
    return Evidence(
        events=tables.net_identified.inner_join(groups, "object"),
        personal=tables.net.inner_join(groups, "object"),
        members=lent(backend, "people_members", members),
        values=lent(backend, "group_values", catalog.group_values(rules.category or "")),
    )


def find(
    told: Evidence,
    catalog: Catalog,
    rules: RelatedRules,
    *,
    as_of: datetime,
    previous: RelatedItems | None,
    inputs: str,
) -> RelatedItems:
    """Finds every list the rules ask for.

    Args:
        told: Events and memberships.
        catalog: The groups.
        rules: What to find.
        as_of: The moment of the run.
        previous: What was published last, which stays while it is nearly as good.
        inputs: Digest of all the above.
    """
    tops, popular, rising = _tops(told, catalog, rules, as_of)
    n, available = rules.per_product, catalog.groups_available()
    nothing = from_rows([()] * len(catalog.groups))
    before = {} if previous is None else previous.lists
    lists = _lists(told.events, catalog, rules, as_of, popular)
    return RelatedItems(
        inputs=inputs,
        lists={
            kind: keep(before.get(kind, nothing), found, n=n, margin=rules.margin, available=available)
            for kind, found in lists.items()
        },
        popular=popular,
        popularity=_moved(popular, None if previous is None else previous.popularity, on=rules.popularity),
        trending=_moved(rising, None if previous is None else previous.trending, on=rules.trending),
        tops=tops,
    )


def _moved(scores: Floats, previous: npt.NDArray[np.integer[Any]] | None, *, on: bool) -> npt.NDArray[np.int8]:
    return trending.buckets(scores, previous) if on else np.zeros(len(scores), dtype=np.int8)


def _lists(
    events: ir.Table, catalog: Catalog, rules: RelatedRules, as_of: datetime, popular: Floats
) -> dict[Kind, Lists]:
    common: dict[str, Any] = {
        "n": rules.per_product * SPARE,
        "available": catalog.groups_available(),
        "popularity": popular,
    }
    found: dict[Kind, Lists] = {}
    wanted = set(rules.kinds)
    if wanted & {"similar", "related"}:
        tokens = catalog.group_facets().tokens(rules.facets) if rules.facets else None
        found["similar"] = similar(_texts(catalog), tokens, rules=SimilarRules(stop_words=rules.stop_words), **common)
    basket = BasketRules(
        as_of=as_of, weights=rules.weights, half_life_days=rules.half_life_days, latest=rules.cap_per_person
    )
    compare = TogetherRules(shrink=rules.shrinkage)
    if wanted & {"bought_together", "related"}:
        who = pairs(baskets(events, by="order", rules=basket).to_pyarrow())
        found["bought_together"] = together(who, rules=compare, **common)
    if wanted & {"viewed_together", "related"}:
        who = pairs(baskets(events, by=rules.viewed_by, rules=basket).to_pyarrow())
        found["viewed_together"] = together(who, rules=compare, **common)
    if "related" in wanted:
        behaviour = _either(found["bought_together"], found["viewed_together"])
        found["related"] = related(behaviour, found["similar"], **common)
    return {kind: found[kind] for kind in rules.kinds}


def _texts(catalog: Catalog) -> list[str]:
    """The text of each group: that of the product which stands for it."""
    return [text or "" for text in catalog.text.take(pa.array(catalog.representatives())).to_pylist()]


def _either(bought: Lists, viewed: Lists) -> Lists:
    """What was bought together where anything was, else what was viewed together."""
    has = np.diff(bought.indptr) > 0
    row = np.concatenate((bought.rows, viewed.rows[~has[viewed.rows]]))
    order = np.argsort(row, kind="stable")
    extra = ~has[viewed.rows]
    related_ = np.concatenate((bought.related, viewed.related[extra]))[order]
    score = np.concatenate((bought.score, viewed.score[extra]))[order]
    indptr = np.zeros(len(bought) + 1, dtype=np.int64)
    np.cumsum(np.bincount(row, minlength=len(bought)), out=indptr[1:])
    return Lists(indptr=indptr, related=related_, score=score)


def _tops(told: Evidence, catalog: Catalog, rules: RelatedRules, as_of: datetime) -> tuple[pa.Table, Floats, Floats]:
    """Top lists of every scope, and popularity and trend of every group."""
    events = told.events
    popular = trending.PopularRules(as_of=as_of, weights=rules.weights, half_life_days=rules.half_life_days)
    rising = trending.TrendingRules(as_of=as_of, weights=rules.weights, recent_days=rules.trending_days)
    scopes = {
        "everywhere": trending.everywhere(events),
        "segment": trending.in_segment(told.personal, told.members),
    }
    if rules.category is not None:
        scopes["category"] = trending.in_category(events, told.values)
    for scope, key in (("place", rules.place), ("device", rules.device)):
        if key is not None:
            scopes[scope] = trending.in_context(events, key)
    scores = {f"popular:{name}": trending.popular(table, popular).to_pyarrow() for name, table in scopes.items()}
    if rules.trending:
        scores |= {f"trending:{name}": trending.trending(table, rising).to_pyarrow() for name, table in scopes.items()}
    n, available = len(catalog.groups), catalog.groups_available()
    overall = trending.spread(scores["popular:everywhere"], n)
    trend = trending.spread(scores["trending:everywhere"], n) if rules.trending else np.zeros(n)
    cut = []
    for scope, table in scores.items():
        top = trending.top(table, n=rules.per_bucket, available=available, popularity=overall)
        cut.append(top.add_column(0, "scope", pa.array([scope] * top.num_rows, pa.string())))
    return pa.concat_tables(cut), overall, trend
