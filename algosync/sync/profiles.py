"""The people stage of a run: from the log to affinities, visitor states, segments and the filters they make.

Chooses what profiles/ is asked and in which order; how anything is computed is that room's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from algosync.payloads.batch_hysteresis import by_person, integer_table
from algosync.payloads.filters import FilterPolicy, compile_profile
from algosync.payloads.records import Profile
from algosync.profiles.affinity import VALUES_KEPT, AffinityRules, landmark_of
from algosync.profiles.attributes import attributes
from algosync.profiles.batch_affinity import top_scores
from algosync.profiles.batch_facts import facts
from algosync.profiles.batch_readiness import readiness
from algosync.profiles.batch_segments import Known, memberships, segment_scores
from algosync.profiles.batch_visitors import visitors
from algosync.profiles.conditions import Segments
from algosync.profiles.identity import consenting, known, left_out
from algosync.profiles.readiness import ReadinessRules
from algosync.profiles.returns import net_of_returns, unmatched_returns
from algosync.profiles.segments import contexts

_PREVIOUS = pa.schema([("person", pa.int64()), ("facet", pa.string()), ("value", pa.string()), ("integer", pa.int8())])


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleRules:
    """What makes a profile.

    Attributes:
        affinity: What counts towards affinities.
        readiness: When a profile may be used.
        segments: The groups people may be in.
        policy: What the compiler of filters may say.
        max_contexts: Contexts per person.
        events_per_hour_max: Faster visitors are no people.
        active_days: Profiles of people not seen for longer are not pushed.
    """

    affinity: AffinityRules
    readiness: ReadinessRules
    segments: Segments
    policy: FilterPolicy
    max_contexts: int = 4
    events_per_hour_max: int | None = 1000
    active_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What was found out about people. Persons are ids of the token dictionary.

    Attributes:
        integers: (person, facet, value, integer): scores after hysteresis, for the next run.
        members: (person, segment).
        visitors: One row per person, as `profiles.visitors` gives, with `ready` and `reason`.
        linked: (token, person) of every token.
        left_out: Events kept out of profiles, by reason.
        names: Token text by id.
    """

    integers: pa.Table
    members: pa.Table
    visitors: pa.Table
    linked: pa.Table
    left_out: Mapping[str, int]
    names: Mapping[int, str]

    @property
    def profiles(self) -> int:
        """How many people have at least one affinity."""
        return int(pc.count_distinct(self.integers["person"]).as_py())


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """The tables of one run, computed once and asked several times.

    Attributes:
        identified: All events that count at all, each with its person.
        net_identified: The same without returns and what they took back: aggregates count those without consent too.
        events: Those of them that may count towards profiles, returns included.
        net: The same without returns and what they took back.
        item_values: (item, facet, value).
        scores: (person, facet, value, score, rank …): the first few values of each facet.
        segment_scores: (person, facet, value, score, …): the values that segments name.
        attributes: (person, key, value).
        visitors: One row per person.
        facts: Of the segments.
        unmatched_returns: Returns of what was never bought; they count nothing.
        orders: (named, suppressed, reset_at): what the shop ordered; None without any.
        users: (token, key, value) of the users sources; None without any.
    """

    identified: ir.Table
    net_identified: ir.Table
    events: ir.Table
    net: ir.Table
    item_values: ir.Table
    scores: ir.Table
    segment_scores: ir.Table
    attributes: ir.Table
    visitors: ir.Table
    facts: ir.Table
    unmatched_returns: int
    orders: ir.Table | None = None
    users: ir.Table | None = None

    @property
    def known(self) -> Known:
        """What segments are judged by."""
        return Known(facts=self.facts, scores=self.segment_scores, attributes=self.attributes, visitors=self.visitors)


def census(
    backend: Backend,
    log: ir.Table,
    rules: PeopleRules,
    *,
    as_of: datetime,
    users: pa.Table | None,
    orders: pa.Table | None = None,
) -> Census:
    """Computes the tables that people are judged by, each kept in the backend.

    Args:
        backend: Holds the log's table `item_values`.
        log: All events of the people to judge.
        rules: What makes a profile.
        as_of: The moment of the run.
        users: (token, key, value) of the users sources, or None.
        orders: (named, suppressed, reset_at), see `sync.orders`; None without any.
    """

    def kept(name: str, table: ir.Table) -> ir.Table:
        return backend.create_table(f"people_{name}", table, temp=True)

    item_values = backend.table("item_values")
    # Only these columns are needed from here on; the others would fill memory.
    columns = (
        *("ts", "key_hi", "key_lo", "token", "kind", "event_name", "object", "item", "order_id", "session_id"),
        *("price", "quantity", "discount", "context", "auth", "person", "epoch", "excluded", "consent"),
    )
    everybody = known(log, as_of=as_of, events_per_hour_max=rules.events_per_hour_max)
    identified = kept("identified", everybody.select(*columns))
    special = _special(identified)
    ordered = None if orders is None else lent(backend, "people_orders", orders)
    withheld = special.withheld or ordered is not None
    events = kept("events", consenting(identified, ordered)) if withheld else identified
    net = kept("net", net_of_returns(events)) if special.returns else _without_returns(events)
    net_identified = kept("net_identified", net_of_returns(identified)) if special.returns else identified
    unmatched = unmatched_returns(events).count().to_pyarrow().as_py() if special.returns else 0
    landmark = landmark_of(as_of)
    scores = kept("scores", top_scores(net, item_values, rules.affinity, landmark=landmark, top=VALUES_KEPT))
    named = segment_scores(net, item_values, rules.affinity, rules.segments, landmark=landmark)
    told = lent(backend, "people_users", users) if users is not None else None
    seen = visitors(events, as_of=as_of, values=scores)
    return Census(
        identified=identified,
        net_identified=net_identified,
        events=events,
        net=net,
        item_values=item_values,
        scores=scores,
        segment_scores=kept("segment_scores", named),
        attributes=kept("attributes", attributes(events, told)),
        visitors=kept("visitors", seen.inner_join(readiness(seen, rules.readiness), "person")),
        facts=kept("facts", facts(net, item_values, rules.segments, as_of=as_of)),
        unmatched_returns=unmatched,
        orders=ordered,
        users=told,
    )


def lent(backend: Backend, name: str, table: pa.Table) -> ir.Table:
    """An arrow table as a table of the backend."""
    backend.con.register(name, table)
    return backend.table(name)


class _Special(NamedTuple):
    """Whether there is anything to leave out for want of consent, and whether anything was returned."""

    withheld: bool
    returns: bool


def _special(identified: ir.Table) -> _Special:
    counted = identified.aggregate(
        # Where nobody said anything of consent, there is nothing to sum up: null, not 0.
        withheld=identified.excluded.count() + (identified.consent == "not_personalized").sum().fill_null(0),
        returns=(identified.quantity < 0).sum(),
    ).to_pyarrow()
    return _Special(*(bool(counted[name][0].as_py()) for name in _Special._fields))


def _without_returns(events: ir.Table) -> ir.Table:
    """What `net_of_returns` gives where nothing was returned, without its joins."""
    return events.mutate(net_quantity=events.quantity.fill_null(1).cast("float64"))


def people(
    backend: Backend,
    tables: Census,
    rules: PeopleRules,
    *,
    as_of: datetime,
    previous: pa.Table | None,
    names: Mapping[int, str],
) -> People:
    """Judges everybody.

    Args:
        backend: Holds the log's view `events`.
        tables: Of `census`.
        rules: What makes a profile.
        as_of: The moment of the run.
        previous: `integers` of the last run, which stay while the scores hardly move.
        names: Token text by id.
    """
    every = backend.table("events")
    limit = rules.events_per_hour_max
    before = (previous if previous is not None else _PREVIOUS.empty_table()).rename_columns({"integer": "previous"})
    scores = tables.scores
    old = lent(backend, "people_previous", before)
    scored = scores.left_join(old, ["person", "facet", "value"]).select("person", "facet", "value", "score", "previous")
    ordered = scored.order_by("person", "facet", "value").to_pyarrow()
    found = memberships(tables.known, rules.segments, as_of=as_of)
    everybody = tables.identified
    linked = everybody.filter(everybody.token != everybody.person).select("token", "person").distinct()
    unmatched = {"a return of what was never bought": tables.unmatched_returns} if tables.unmatched_returns else {}
    kept_out = left_out(every, as_of=as_of, events_per_hour_max=limit, identified=everybody, orders=tables.orders)
    reasons = kept_out.to_pyarrow()
    return People(
        integers=integer_table(ordered),
        members=found.order_by("person", "segment").to_pyarrow(),
        visitors=tables.visitors.order_by("person").to_pyarrow(),
        linked=linked.order_by("token", "person").to_pyarrow(),
        left_out=dict(zip(reasons["reason"].to_pylist(), reasons["events"].to_pylist(), strict=True)) | unmatched,
        names=names,
    )


def documents(found: People, rules: PeopleRules) -> Iterator[tuple[str, dict[str, Any]]]:
    """One document per person, by token: visitor state, affinities, filters, segments and contexts."""
    affinities = dict(by_person(found.integers))
    member_of = _grouped(found.members)
    for row in found.visitors.to_pylist():
        person = row["person"]
        name = found.names[person]
        yield name, person_document(name, row, affinities.get(person, {}), member_of.get(person, ()), rules)


def person_document(
    name: str,
    row: Mapping[str, Any],
    scores: Mapping[str, Mapping[str, int]],
    member_of: Iterable[str],
    rules: PeopleRules,
) -> dict[str, Any]:
    """What is kept of one person.

    Args:
        name: Her token.
        row: Hers of `Census.visitors`.
        scores: Her integers by facet and value.
        member_of: Ids of her segments.
        rules: What makes a profile.
    """
    compiled = compile_profile(scores, rules.policy)
    held = sorted(member_of)
    return {
        "person": name,
        "visit": row["visit"],
        "state": row["state"],
        "authenticated": row["authenticated"],
        "first_seen": row["first_seen"].isoformat(),
        "last_seen": row["last_seen"].isoformat(),
        "sessions": row["sessions"],
        "events": row["events"],
        "products": row["products"],
        "ready": row["ready"],
        "reason": row["reason"],
        "affinities": scores,
        "optionalFilters": [list(group) for group in compiled.optional_filters],
        "distinct_sums": compiled.distinct_sums,
        "segments": held,
        "ruleContexts": list(contexts(held, rules.segments, rules.max_contexts).names),
    }


def links(found: People, docs: Mapping[str, Any]) -> dict[str, str]:
    """Token to person for every token that belongs to one other known person, and to nobody else."""
    owners: dict[str, set[str]] = {}
    for token, person in zip(found.linked["token"].to_pylist(), found.linked["person"].to_pylist(), strict=True):
        owners.setdefault(found.names[token], set()).add(found.names[person])
    return {
        token: next(iter(people_))
        for token, people_ in owners.items()
        if len(people_) == 1 and token not in docs and next(iter(people_)) in docs
    }


def pushable(
    docs: Mapping[str, Mapping[str, Any]], tokens: Mapping[str, str], rules: PeopleRules, *, as_of: datetime
) -> Iterator[Profile]:
    """What is pushed of each ready, recently active person."""
    since = (as_of - timedelta(days=rules.active_days)).isoformat()
    slugs = {segment.id: segment.slug for segment in rules.segments.items}
    aliases: dict[str, list[str]] = {}
    for token, person in tokens.items():
        aliases.setdefault(person, []).append(token)
    for person, doc in docs.items():
        if doc["ready"] and doc["last_seen"] >= since:
            yield Profile(
                tokens=(person, *sorted(aliases.get(person, ()))),
                optional_filters=tuple(tuple(group) for group in doc["optionalFilters"]),
                contexts=tuple(doc["ruleContexts"]),
                segments=tuple(slugs[segment] for segment in doc["segments"]),
                rank=int(datetime.fromisoformat(doc["last_seen"]).timestamp()),
            )


def _grouped(members: pa.Table) -> dict[int, list[str]]:
    grouped: dict[int, list[str]] = {}
    for person, segment in zip(members["person"].to_pylist(), members["segment"].to_pylist(), strict=True):
        grouped.setdefault(person, []).append(segment)
    return grouped
