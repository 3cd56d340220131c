"""One run: from the sources to a plan. Each step is one call; the file reads like the picture in the README.

Computing changes nothing that lasts but the log, and that through the writer it is handed: a dry run hands over one
whose log is gone afterwards. What becomes of the result is up to its consumer: show prints it, push sends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa
from ibis.backends.duckdb import Backend

from algosync.algolia.client import ReadClient
from algosync.catalog.build import build
from algosync.catalog.rules import CatalogRules
from algosync.catalog.table import Catalog
from algosync.events.writer import LogWriter
from algosync.payloads.boosts import TAG_FACET
from algosync.payloads.contexts import Segment
from algosync.payloads.declared import declared_facets
from algosync.payloads.encode import Family, OpaqueIds
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.actions import Actions
from algosync.stores.shelf import OVERVIEW
from algosync.stores.snapshot import Delta, Snapshot
from algosync.stores.tallies import Tallies
from algosync.stores.view import COUNTED_BY
from algosync.sync.catalog import (
    EventStock,
    FixedStock,
    Observed,
    Records,
    Stock,
    counted,
    needed_attributes,
    read_indices,
    state_of,
)
from algosync.sync.digests import digest
from algosync.sync.drain import Drained, drained
from algosync.sync.history import changes
from algosync.sync.ledger import Ledger
from algosync.sync.orders import HEEDED, forgotten, read_orders
from algosync.sync.overview import summed_up
from algosync.sync.payloads import Desired, Terms, desired, loose_boosts, product_columns
from algosync.sync.plan import Plan, Prices, plan
from algosync.sync.profiles import Census, People, PeopleRules, census, documents, lent, links, people, pushable
from algosync.sync.pull import EventSource, Intake, Pulled, pull
from algosync.sync.related import Evidence, RelatedItems, RelatedRules, find
from algosync.sync.results import Results
from algosync.sync.shelf import stocktaking
from algosync.sync.stages import Stages
from algosync.sync.tallies import Counted, Ground, tallied
from algosync.sync.there import there
from algosync.sync.users import UsersSource, read_users


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopRules:
    """Everything a shop decided, as the rooms understand it.

    Attributes:
        sources: Where events come from.
        users: Where visitor attributes come from.
        indices: The product indices.
        payload_index: Where segments and profiles go.
        catalog: Where a product keeps what.
        products: Yields product records where they come from files or SQL; None where the index or events have them.
        products_from_events: Products are known from the events alone.
        people: What makes a profile.
        related: Which related items are found.
        actions: What the storefront does for whom.
        segments: Segments as Algolia sees them, with every boost that membership sets off.
        families: The families that are pushed.
        prices: What Algolia costs.
        max_record_bytes: The plan's largest record.
        ids: Makes the opaque ids of profile records.
        as_of: "clock" or "last_event".
    """

    sources: tuple[EventSource, ...]
    users: tuple[UsersSource, ...]
    indices: tuple[str, ...]
    payload_index: str
    catalog: CatalogRules
    products: Callable[[], Iterable[Records]] | None
    products_from_events: bool
    people: PeopleRules
    related: RelatedRules
    actions: Actions
    segments: tuple[Segment, ...]
    families: frozenset[Family]
    prices: Prices
    max_record_bytes: int
    ids: OpaqueIds | None
    as_of: str = "clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What a run works with.

    Attributes:
        backend: DuckDB in memory, through Ibis.
        client: Reads Algolia; it cannot write.
        writer: Takes events into the log, or into a scratch one.
        snapshot: What the last run knew.
        results: What the last run left.
        ledger: What was published.
        stages: Progress and times.
        now: The clock's value for this run.
    """

    backend: Backend
    client: ReadClient
    writer: LogWriter
    snapshot: Snapshot
    results: Results
    ledger: Ledger
    stages: Stages
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What a run found out, before anything is made of it."""

    as_of: datetime
    catalog: Catalog
    rules: PeopleRules
    tables: Census
    people: People
    documents: Mapping[str, dict[str, Any]]
    tokens: Mapping[str, str]
    related: RelatedItems
    delta: Delta
    drained: Drained | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A run's result, for whoever consumes it."""

    pulled: Pulled
    observed: Observed
    knowledge: Knowledge
    desired: Desired
    plan: Plan
    users_unknown: int = 0


def compute(rules: ShopRules, hands: Hands) -> Computed:
    """Goes the whole way from the sources to the plan."""
    observed, stock = read_catalog(rules, hands)
    pulled = read_events(rules, hands, stock)
    found, unknown = know(rules, hands, stock, observed)
    wanted = make_payloads(rules, hands, found, observed)
    drafted = make_plan(rules, hands, wanted, observed)
    return Computed(
        pulled=pulled, observed=observed, knowledge=found, desired=wanted, plan=drafted, users_unknown=unknown
    )


def read_catalog(rules: ShopRules, hands: Hands) -> tuple[Observed, Stock]:
    """Reads the products, and what of ours is on them; from the last read, where no index has changed since."""
    client, indices = hands.client, rules.indices
    with hands.stages.stage("catalog", "Reading the product index") as advance:
        settings = {index: client.get_settings(index) for index in indices}
        state = state_of(client, indices, rules.catalog) if from_index(rules) else None
        kept = None if state is None else hands.results.last_read(state)
        if kept is not None:
            known = {index: kept.versions.get(index, {}) for index in indices}
            return Observed(versions=known, settings=settings, state=state), FixedStock(kept.catalog)
        attributes = needed_attributes(rules.catalog) if from_index(rules) else []
        versions, batches = read_indices(client, indices, attributes, progress=advance)
        observed = Observed(versions=versions, settings=settings, state=state)
        if from_index(rules):
            return observed, FixedStock(build(batches, rules.catalog))
        for _ in batches:
            pass
        if rules.products is not None:
            return observed, FixedStock(build(counted(rules.products(), advance), rules.catalog))
        return observed, EventStock(hands.writer.log, hands.backend.con, rules.catalog)


def from_index(rules: ShopRules) -> bool:
    """Whether the product indices themselves are the catalog."""
    return rules.products is None and not rules.products_from_events


def read_events(rules: ShopRules, hands: Hands, stock: Stock) -> Pulled:
    """Takes what is new in the sources into the log."""
    with hands.stages.stage("pull", "Pulling events") as advance:
        intake = Intake(con=hands.backend.con, writer=hands.writer, products=stock, advance=advance)
        return pull(rules.sources, intake)


def know(rules: ShopRules, hands: Hands, stock: Stock, observed: Observed) -> tuple[Knowledge, int]:
    """Finds out who the people are and what goes with what."""
    log, backend = hands.writer.log, hands.backend
    emptied = drained(rules.sources, log)
    as_of = hands.now if rules.as_of == "clock" else log.newest() or hands.now
    with hands.stages.stage("profiles", "Building profiles"):
        log.view(backend.con)
        tokens = log.ids("token")
        names = dict(zip(tokens["id"].to_pylist(), tokens["value"].to_pylist(), strict=True))
        numbers = {name: number for number, name in names.items()}
        orders = read_orders(log)
        told, unknown = read_users(rules.users, numbers)
        judged = replace(rules.people, policy=common_policy(rules.people.policy, observed.settings))
        given, ordered = told if rules.users else None, orders.table(numbers)
        tables = census(backend, backend.table("events"), judged, as_of=as_of, users=given, orders=ordered)
    with hands.stages.stage("segments", "Judging segments"):
        heeded = int(hands.snapshot.about().get(HEEDED, 0))
        previous = forgotten(hands.results.integers(), orders.anew(heeded), numbers)
        found = people(backend, tables, judged, as_of=as_of, previous=previous, names=names)
        docs = dict(documents(found, judged))
        linked = links(found, docs)
        before = hands.snapshot.members()
        entered, left = changes(backend, before, found, tables.known, judged.segments, as_of)
        notes = {HEEDED: str(orders.last), **({} if emptied is None else emptied.notes())}
        delta = Delta(people=docs, tokens=linked, entered=entered, left=left, as_of=as_of.isoformat(), extra=notes)
    with hands.stages.stage("related", "Finding related items"):
        catalog = stock.catalog()
        items = _related(rules, hands, catalog, tables, found, as_of)
        inputs = digest(log.version(), found.members, found.visitors)
        beside = {OVERVIEW: summed_up(backend, tables, docs, judged.segments, inputs=inputs, as_of=as_of)}
        delta = replace(
            delta, shelf=stocktaking(catalog, items, observed, rules.related.category, beside, _counted(judged))
        )
    knowledge = Knowledge(
        as_of=as_of,
        catalog=catalog,
        rules=judged,
        tables=tables,
        people=found,
        documents=docs,
        tokens=linked,
        related=items,
        delta=delta,
        drained=emptied,
    )
    return knowledge, unknown


def keep(hands: Hands, found: Knowledge, observed: Observed) -> int:
    """Makes what was found the snapshot, and leaves the next run what it needs.

    Returns:
        How many people's documents changed.
    """
    with hands.stages.stage("keep", "Keeping profiles and lists"):
        counted, left = _tallied(hands, found)
        notes = {**found.delta.extra, COUNTED_BY: left.rules}
        moved = hands.snapshot.publish(replace(found.delta, counted=counted, extra=notes))
        hands.results.save_counted(left)
        hands.results.save(found.people.integers, found.related, found.catalog)
        if observed.state is not None:
            hands.results.save_read(found.catalog, observed.versions, observed.state)
        if found.drained is not None:
            found.drained.drop(hands.now)
    return moved


def _counted(rules: PeopleRules) -> set[str]:
    """The facets that affinities and facts are made from."""
    return {*rules.affinity.facets, *(facet for fact in rules.segments.facts for facet, _ in fact.facets)}


def _tallied(hands: Hands, found: Knowledge) -> tuple[Tallies, Counted]:
    """What overlays are made from, ready before anything is published."""
    log = hands.writer.log
    ground = Ground(
        backend=hands.backend,
        tables=found.tables,
        rules=found.rules,
        tokens=log.ids("token"),
        objects=log.ids("object"),
    )
    return tallied(ground, hands.results.counted(), hands.snapshot.tallies_mark())


def _related(
    rules: ShopRules, hands: Hands, catalog: Catalog, tables: Census, found: People, as_of: datetime
) -> RelatedItems:
    """Related items; those of the last run where nothing that they come from has changed."""
    moment = as_of.date() if rules.as_of == "clock" else as_of
    pace = rules.people.events_per_hour_max
    ordered = () if tables.orders is None else (tables.orders.order_by("named").to_pyarrow(),)
    inputs = digest(
        catalog.to_table(), found.members, rules.related, pace, moment, hands.writer.log.version(), *ordered
    )
    previous = hands.results.related(catalog)
    if previous is not None and previous.inputs == inputs:
        return previous
    evidence = _evidence(rules, hands, catalog, tables, found)
    return find(evidence, catalog, rules.related, as_of=as_of, previous=previous, inputs=inputs)


def _evidence(rules: ShopRules, hands: Hands, catalog: Catalog, tables: Census, found: People) -> Evidence:
    """Events with the group of their product, for related items: robots, staff and what was returned count nowhere."""
    backend = hands.backend
    objects = hands.writer.log.ids("object")
    group = catalog.group_of(objects["value"].combine_chunks())
    known = pa.table({"object": objects["id"], "group": pa.array(group, pa.int32(), mask=group < 0)})
    groups = lent(backend, "object_groups", known.filter(known["group"].is_valid()))
    values = catalog.group_values(rules.related.category or "")
    return Evidence(
        events=tables.net_identified.inner_join(groups, "object"),
        personal=tables.net.inner_join(groups, "object"),
        members=lent(backend, "people_members", found.members),
        values=lent(backend, "group_values", values),
    )


def make_payloads(rules: ShopRules, hands: Hands, found: Knowledge, observed: Observed) -> Desired:
    """Says what Algolia should hold."""
    with hands.stages.stage("payloads", "Making payloads"):
        segments = rules.segments
        ids = {segment.slug: segment.id for segment in found.rules.segments.items}
        loose = loose_boosts(found.rules.segments, rules.actions)
        columns = product_columns(found.catalog, found.related, segments, ids, loose)
        profiles = pushable(found.documents, found.tokens, found.rules, as_of=found.as_of)
        terms = Terms(
            families=rules.families,
            payload_index=rules.payload_index,
            max_record_bytes=rules.max_record_bytes,
            policies={name: _policy(found.rules.policy, observed, name) for name in rules.indices},
            policy=found.rules.policy,
            ids=rules.ids,
        )
        return desired(columns, observed.versions, segments, profiles, terms)


def make_plan(rules: ShopRules, hands: Hands, wanted: Desired, observed: Observed) -> Plan:
    """Compares what Algolia should hold with what is there."""
    with hands.stages.stage("plan", "Planning"):
        held = there(hands.client, hands.ledger, observed.versions, rules.payload_index, rules.families)
        drafted = plan(wanted.payloads, held, prices=rules.prices, families=rules.families)
        # Where the indices are the catalog, what one of them lacks is another one's.
        return drafted if from_index(rules) else replace(drafted, absent=wanted.absent)


def _policy(policy: FilterPolicy, observed: Observed, index: str) -> FilterPolicy:
    return replace(policy, declared=declared_facets(observed.settings[index].get("attributesForFaceting")))


def common_policy(policy: FilterPolicy, settings: Mapping[str, Mapping[str, Any]]) -> FilterPolicy:
    """What may be said on every index: payloads that serve all of them can name no facet that one lacks."""
    declared = [declared_facets(found.get("attributesForFaceting")) for found in settings.values()]
    return replace(policy, declared=frozenset.intersection(*declared))


def undeclared(rules: ShopRules, observed: Observed) -> list[str]:
    """Facets that filters name and an index does not declare, with the index."""
    wanted = {*rules.people.policy.weights, TAG_FACET}
    return [
        f"{index}: {facet}"
        for index, settings in sorted(observed.settings.items())
        for facet in sorted(wanted - declared_facets(settings.get("attributesForFaceting")))
    ]
