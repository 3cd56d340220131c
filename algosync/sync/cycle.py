"""One run: from the sources to a plan. Each step is one call; the file reads like the picture in the README.

Computing changes nothing that lasts but the log, and that through the writer it is handed: a dry run hands over one
whose log is gone afterwards. What becomes of the result is up to its consumer: show prints it, push sends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from ibis.backends.duckdb import Backend

from algosync.algolia.client import ReadClient
from algosync.catalog.build import build
from algosync.catalog.rules import CatalogRules
from algosync.catalog.table import Catalog
from algosync.events.writer import LogWriter
from algosync.payloads.contexts import Segment
from algosync.payloads.declared import declared_facets
from algosync.payloads.encode import Family, OpaqueIds
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.actions import Actions
from algosync.stores.shelf import OVERVIEW
from algosync.stores.snapshot import Delta, Snapshot
from algosync.stores.tallies import Tallies
from algosync.stores.tombstones import NOBODY, Forgotten
from algosync.stores.view import COUNTED_BY, HEEDED
from algosync.sync.boosts import loose_boosts
from algosync.sync.catalog import (
    EventStock,
    FixedStock,
    Observed,
    Reading,
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
from algosync.sync.occurrences import SILENCE, Telling, published
from algosync.sync.orders import forgotten, read_orders
from algosync.sync.overview import summed_up
from algosync.sync.payloads import Desired, Terms, desired, product_columns
from algosync.sync.plan import Plan, Prices, There, plan
from algosync.sync.profiles import Census, People, PeopleRules, census, documents, links, people, pushable
from algosync.sync.pull import EventSource, Intake, Pulled, pull
from algosync.sync.related import RelatedItems, RelatedRules, evidence, find, over_today
from algosync.sync.results import LastRead, Results
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
        forgotten: Whose events are not taken in.
    """

    backend: Backend
    client: ReadClient
    writer: LogWriter
    snapshot: Snapshot
    results: Results
    ledger: Ledger
    stages: Stages
    now: datetime
    telling: Telling = SILENCE
    forgotten: Forgotten = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """What a run finds out anew; the rest it takes as earlier runs left it, where they left anything.

    Attributes:
        catalog: Products, and what of ours is on them; without, the last read even where an index has changed since.
        related: Related items; without, the last lists, less what has left.
        events: What is new in the sources; without, the log as it is.
    """

    catalog: bool = True
    related: bool = True
    events: bool = True


EVERYTHING: Final = Fresh()


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
    held: There
    users_unknown: int = 0


def compute(rules: ShopRules, hands: Hands, fresh: Fresh = EVERYTHING) -> Computed:
    """Goes the whole way from the sources to the plan."""
    observed, stock = read_catalog(rules, hands, fresh)
    pulled = read_events(rules, hands, stock) if fresh.events else Pulled()
    found, unknown = know(rules, hands, stock, observed, fresh)
    wanted = make_payloads(rules, hands, found, observed)
    drafted, held = make_plan(rules, hands, wanted, observed)
    return Computed(
        pulled=pulled,
        observed=observed,
        knowledge=found,
        desired=wanted,
        plan=drafted,
        held=held,
        users_unknown=unknown,
    )


def read_catalog(rules: ShopRules, hands: Hands, fresh: Fresh = EVERYTHING) -> tuple[Observed, Stock]:
    """Reads the products, and what of ours is on them; from the last read, where no index has changed since."""
    client, indices = hands.client, rules.indices
    with hands.stages.stage("catalog", "Reading the product index") as advance:
        settings = {index: client.get_settings(index) for index in indices}
        kept = hands.results.last_read(asked_of(rules), hands.now)
        state = state_of(client, indices) if from_index(rules) and (fresh.catalog or kept is None) else None
        if kept is not None and (not fresh.catalog or (state is not None and state == kept.reading.state)):
            known = kept.versions_now(indices, hands.ledger.written_since)
            return Observed(versions=known, settings=settings), _stock(rules, hands, kept)
        attributes = needed_attributes(rules.catalog) if from_index(rules) else []
        versions, batches = read_indices(client, indices, attributes, progress=advance)
        reading = Reading(asked=asked_of(rules), state=state, at=hands.now)
        observed = Observed(versions=versions, settings=settings, reading=reading)
        if from_index(rules):
            return observed, FixedStock(build(batches, rules.catalog))
        for _ in batches:
            pass
        if rules.products is not None:
            return observed, FixedStock(build(counted(rules.products(), advance), rules.catalog))
        return observed, EventStock(hands.writer.log, hands.backend.con, rules.catalog)


def last_stock(rules: ShopRules, hands: Hands) -> Stock | None:
    """The products of the last read, without asking Algolia anything; None where there was none."""
    kept = hands.results.last_read(asked_of(rules), hands.now)
    return None if kept is None else _stock(rules, hands, kept)


def _stock(rules: ShopRules, hands: Hands, kept: LastRead) -> Stock:
    if rules.products_from_events:
        return EventStock(hands.writer.log, hands.backend.con, rules.catalog)
    return FixedStock(kept.catalog)


def asked_of(rules: ShopRules) -> str:
    """Digest of what a full read asks of the indices."""
    return digest(rules.indices, rules.catalog, rules.products is None, rules.products_from_events)


def from_index(rules: ShopRules) -> bool:
    """Whether the product indices themselves are the catalog."""
    return rules.products is None and not rules.products_from_events


def read_events(rules: ShopRules, hands: Hands, stock: Stock) -> Pulled:
    """Takes what is new in the sources into the log."""
    with hands.stages.stage("pull", "Pulling events") as advance:
        con, gone = hands.backend.con, hands.forgotten
        intake = Intake(con=con, writer=hands.writer, products=stock, advance=advance, forgotten=gone)
        return pull(rules.sources, intake)


def know(
    rules: ShopRules, hands: Hands, stock: Stock, observed: Observed, fresh: Fresh = EVERYTHING
) -> tuple[Knowledge, int]:
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
        items = None if fresh.related else _last_related(hands, catalog)
        items = items or _related(rules, hands, catalog, tables, found, as_of)
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
    """Makes what was found the snapshot, and leaves the next run what it needs; says how many documents changed."""
    with hands.stages.stage("keep", "Keeping profiles and lists"):
        counted, left = _tallied(hands, found)
        delta = replace(found.delta, counted=counted, extra={**found.delta.extra, COUNTED_BY: left.rules})
        moved = published(delta, hands.snapshot, hands.telling, hands.now)
        hands.results.save_counted(left)
        hands.results.save_integers(found.people.integers)
        if found.related.inputs != hands.results.related_inputs():
            hands.results.save_related(found.related, found.catalog)
        if observed.reading is not None:
            hands.results.save_read(found.catalog, observed.versions, observed.reading)
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
    objects = hands.writer.log.ids("object")
    told = evidence(hands.backend, tables, found.members, objects, catalog, rules.related)
    return find(told, catalog, rules.related, as_of=as_of, previous=previous, inputs=inputs)


def _last_related(hands: Hands, catalog: Catalog) -> RelatedItems | None:
    """Related items of the last run that found any, over today's catalog."""
    kept = hands.results.related(catalog)
    return None if kept is None or not kept.inputs else over_today(kept, catalog.groups_available())


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


def make_plan(rules: ShopRules, hands: Hands, wanted: Desired, observed: Observed) -> tuple[Plan, There]:
    """Compares what Algolia should hold with what is there."""
    with hands.stages.stage("plan", "Planning"):
        held = there(hands.client, hands.ledger, observed.versions, rules.payload_index, rules.families)
        families = rules.families
        drafted = plan(wanted.payloads, held, prices=rules.prices, families=families, oversize=wanted.oversize)
        # Where the indices are the catalog, what one of them lacks is another one's.
        return (drafted if from_index(rules) else replace(drafted, absent=wanted.absent)), held


def _policy(policy: FilterPolicy, observed: Observed, index: str) -> FilterPolicy:
    return replace(policy, declared=declared_facets(observed.settings[index].get("attributesForFaceting")))


def common_policy(policy: FilterPolicy, settings: Mapping[str, Mapping[str, Any]]) -> FilterPolicy:
    """What may be said on every index: payloads that serve all of them can name no facet that one lacks."""
    declared = [declared_facets(found.get("attributesForFaceting")) for found in settings.values()]
    return replace(policy, declared=frozenset.intersection(*declared))
