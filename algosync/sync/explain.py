"""Why one person has the profile she has: from events to points, scores, integers, filters and segments.

Computes her anew from her own events by the same code as a run over everybody, so that what is shown is the run's own
word. Which log, rules and moment are meant is for the caller to say; what an answer makes of it is experience's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from algosync.payloads.filters import Compiled, Receipt, compile_profile
from algosync.payloads.hysteresis import integers
from algosync.profiles.affinity import SCORE_DIGITS, SCORE_MAX
from algosync.profiles.batch_affinity import arithmetic
from algosync.profiles.batch_segments import person_of
from algosync.profiles.tally import Step
from algosync.profiles.verdicts import Person, evaluate, why
from algosync.sync.profiles import Census, PeopleRules, census, person_document

EVENTS_SHOWN: Final = 500
"""Of one value; what more there are is in `rest`, as a number and a sum."""

Value = tuple[str, str]
"""Facet and value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Whom to explain, and by what.

    Attributes:
        asked: The number of the token or customer that was asked about.
        rules: What makes a profile, with what the indices declare.
        as_of: The moment that is explained.
        users: (token, key, value) of the users sources, or None.
        orders: (named, suppressed, reset_at), or None.
        previous: Published integers by person's number, facet and value.
        names: Token by its number in the log.
        objects: (id, value): the log's numbers of products.
        collector: The source whose events make a session; None where there is none.
    """

    asked: int
    rules: PeopleRules
    as_of: datetime
    users: pa.Table | None = None
    orders: pa.Table | None = None
    previous: Mapping[tuple[int, str, str], int] = field(default_factory=dict)
    names: Mapping[int, str]
    objects: pa.Table
    collector: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What was found.

    Attributes:
        person: Whom the document is about.
        present: Who is there by the token that was asked about: the same, unless she logged out.
        document: Her profile and where it comes from; None where no event of hers may be used.
        profile: What a run would keep of her (`sync.profiles.person_document`).
        tokens: All that she was seen with.
        consent: What she last said of it; None where she never did.
        scores: Unrounded scores of all of her values.
        steps: What the collector brought of her, by the log's key; returns are not among them.
    """

    person: str
    present: str
    document: Mapping[str, Any] | None
    profile: Mapping[str, Any] | None
    tokens: Sequence[str]
    consent: str | None = None
    scores: Mapping[Value, float] = field(default_factory=dict)
    steps: Mapping[int, Step] = field(default_factory=dict)


def events_of(events: ir.Table, asked: int) -> ir.Table:
    """All events of every token that a person or whoever logged in at that token ever used.

    Who of them did what is told apart by the judging; a household is small.
    """
    logins = events.filter(events.token == asked).select(who="auth").distinct().to_pyarrow()["who"].to_pylist()
    people = [asked, *(who for who in logins if who is not None)]
    hers = events.filter(events.auth.isin(people) | events.token.isin(people)).select("token").distinct()
    return events.semi_join(hers, "token")


def tokens_of(events: ir.Table, asked: int) -> list[int]:
    """The numbers of those tokens."""
    found = events_of(events, asked).select("token").distinct().to_pyarrow()["token"].to_pylist()
    return sorted({*found, asked})


def explain(backend: Backend, case: Case) -> Explained:
    """Explains one person.

    The `points` of a value's events and of its `rest` add up to its `points`; `score` is 20 · points / the facet's
    largest; `integer` is that after hysteresis; `filter` is what was made of it.
    """
    mine = backend.create_table("explained_events", events_of(backend.table("events"), case.asked), temp=True)
    tables = census(backend, mine, case.rules, as_of=case.as_of, users=case.users, orders=case.orders)
    person, present = _person(tables, case)
    known = person_of(tables.known, person)
    hers = tables.identified.filter(tables.identified.person == person)
    found = None if known is None else _documents(tables, case, person, known)
    return Explained(
        person=case.names[person],
        present=case.names[present],
        document=None if found is None else found.document,
        profile=None if found is None else found.profile,
        scores={} if found is None else found.scores,
        steps={} if found is None else _steps(tables, mine, case, person),
        tokens=sorted(case.names[token] for token in hers.select("token").distinct().to_pyarrow()["token"].to_pylist()),
        consent=_consent(hers),
    )


def _person(tables: Census, case: Case) -> tuple[int, int]:
    """Whom to explain, and who is there by the token: nobody but itself after a logout."""
    at = tables.identified.filter(tables.identified.token == case.asked)
    latest = at.order_by(*(ibis.desc(name) for name in ("ts", "key_hi", "key_lo"))).limit(1)
    rows = latest.select("person", "event_name").to_pyarrow().to_pylist()
    left = bool(rows) and (rows[0]["event_name"] or "").lower() == "logout"
    present = case.asked if not rows or left else int(rows[0]["person"])
    usable = set(tables.visitors.select("person").to_pyarrow()["person"].to_pylist())
    others = set(at.select("person").distinct().to_pyarrow()["person"].to_pylist()) & usable
    if present not in usable and len(others) == 1:
        return int(others.pop()), present
    return present, present


def _consent(hers: ir.Table) -> str | None:
    spoken = hers.filter(hers.consent.notnull())
    latest = spoken.order_by(*(ibis.desc(name) for name in ("ts", "key_hi", "key_lo"))).limit(1)
    found: list[str] = latest.select("consent").to_pyarrow()["consent"].to_pylist()
    return found[0] if found else None


def _steps(tables: Census, mine: ir.Table, case: Case, person: int) -> dict[int, Step]:
    if case.collector is None:
        return {}
    hers = tables.events.filter(tables.events.person == person).select("key_hi", "key_lo")
    told = mine.filter((mine.source == case.collector) & (mine.ts <= case.as_of))
    told = told.filter(told.quantity.fill_null(0) >= 0).semi_join(hers, ["key_hi", "key_lo"])
    rows = told.select("key_hi", "key_lo", "ts", "kind", "item", "quantity").to_pyarrow().to_pylist()
    items = sorted({row["item"] for row in rows if row["item"] is not None})
    values = tables.item_values.filter(tables.item_values.item.isin(items)).to_pyarrow().to_pylist() if items else []
    facets: defaultdict[int, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in values:
        facets[row["item"]][row["facet"]].append(row["value"])
    return {
        (row["key_hi"] << 64) + row["key_lo"]: Step(
            at=row["ts"].timestamp(),
            kind=row["kind"],
            quantity=row["quantity"],
            facets=None
            if row["item"] is None
            else {facet: tuple(sorted(named)) for facet, named in facets[row["item"]].items()},
        )
        for row in rows
    }


class _Documents(NamedTuple):
    document: dict[str, Any]
    profile: dict[str, Any]
    scores: dict[Value, float]


def _documents(tables: Census, case: Case, person: int, known: Person) -> _Documents:
    row = tables.visitors.filter(tables.visitors.person == person).to_pyarrow().to_pylist()[0]
    ranked = tables.scores.filter(tables.scores.person == person).order_by("facet", "rank").to_pyarrow().to_pylist()
    net = tables.net.filter(tables.net.person == person)
    sums = arithmetic(net, tables.item_values, case.rules.affinity, as_of=case.as_of).to_pyarrow().to_pylist()
    previous = {(facet, value): old for (who, facet, value), old in case.previous.items() if who == person}
    whole = integers((((r["facet"], r["value"]), r["score"]) for r in ranked), previous)
    by_facet: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (facet, value), number in whole.items():
        by_facet[facet][value] = number
    compiled = compile_profile(by_facet, case.rules.policy)
    member = evaluate(known, case.rules.segments, as_of=case.as_of)
    held = [name for name, inside in member.items() if inside]
    profile = person_document(case.names[person], row, dict(by_facet), held, case.rules)
    objects = _named(case.objects, {event["object"] for event in sums})
    document = {
        "as_of": case.as_of.isoformat(),
        **{name: row[name] for name in ("visit", "state", "sessions", "events", "products", "ready", "reason")},
        "first_seen": row["first_seen"].isoformat(),
        "last_seen": row["last_seen"].isoformat(),
        "attributes": dict(sorted(known.attributes.items())),
        "half_life_days": case.rules.affinity.half_life_days,
        "affinities": list(_affinities(ranked, (whole, previous), _by_value(sums), compiled, objects)),
        "optionalFilters": [list(group) for group in compiled.optional_filters],
        "distinct_sums": compiled.distinct_sums,
        "left_out": [{"facet": r.facet, "value": r.value, "reason": r.reason} for r in compiled.refused],
        "segments": [_segment(name, known, case, member=inside) for name, inside in member.items()],
    }
    return _Documents(document, profile, _scores(sums))


def _scores(sums: Sequence[Mapping[str, Any]]) -> dict[Value, float]:
    points: defaultdict[Value, float] = defaultdict(float)
    largest: defaultdict[str, float] = defaultdict(float)
    for event in sums:
        points[event["facet"], event["value"]] += event["points"]
    for (facet, _), total in points.items():
        largest[facet] = max(total, largest[facet])
    return {key: round(SCORE_MAX * total / largest[key[0]], SCORE_DIGITS) for key, total in points.items() if total > 0}


def _named(ids: pa.Table, numbers: Collection[int | None]) -> dict[int, str]:
    wanted = pa.array(sorted(number for number in numbers if number is not None), pa.int32())
    found = ids.filter(pc.is_in(ids["id"], value_set=wanted))
    return dict(zip(found["id"].to_pylist(), found["value"].to_pylist(), strict=True))


def _segment(name: str, known: Person, case: Case, *, member: bool) -> dict[str, Any]:
    reasons = why(known, name, case.rules.segments, as_of=case.as_of)
    return {
        "id": name,
        "name": case.rules.segments[name].name,
        "member": member,
        "why": [{"depth": reason.depth, "condition": reason.text, "holds": reason.holds} for reason in reasons],
    }


def _by_value(rows: Sequence[Mapping[str, Any]]) -> dict[Value, list[Mapping[str, Any]]]:
    found: defaultdict[Value, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["facet"], row["value"]].append(row)
    return found


def _affinities(
    ranked: Sequence[Mapping[str, Any]],
    published: tuple[Mapping[Value, int], Mapping[Value, int]],
    events: Mapping[Value, list[Mapping[str, Any]]],
    compiled: Compiled,
    objects: Mapping[int, str],
) -> Iterator[dict[str, Any]]:
    whole, previous = published
    said = {(receipt.facet, receipt.value): receipt for receipt in compiled.receipts}
    points = {key: sum(event["points"] for event in behind) for key, behind in events.items()}
    largest: dict[str, float] = {}
    for (facet, _), total in points.items():
        largest[facet] = max(total, largest.get(facet, 0.0))
    for row in ranked:
        key = (row["facet"], row["value"])
        behind = sorted(events.get(key, ()), key=lambda e: (-e["points"], e["ts"], e["key_hi"], e["key_lo"]))
        rest = behind[EVENTS_SHOWN:]
        number = whole.get(key, 0)
        yield {
            "facet": key[0],
            "value": key[1],
            "points": points.get(key, 0.0),
            "largest": largest.get(key[0], 0.0),
            "score": row["score"],
            "previous": previous.get(key),
            "integer": number,
            "held": number == previous.get(key) and number != int(row["score"] + 0.5),
            "filter": _filter(said.get(key)),
            "event_count": len(behind),
            "events": [_event(event, objects) for event in behind[:EVENTS_SHOWN]],
            "rest_events": len(rest),
            "rest": sum(event["points"] for event in rest),
        }


def _filter(receipt: Receipt | None) -> dict[str, Any] | None:
    if receipt is None:
        return None
    return {
        "weight": receipt.weight,
        "product": receipt.product,
        "level": receipt.level,
        "score": receipt.emitted,
    }


def _event(event: Mapping[str, Any], objects: Mapping[int, str]) -> dict[str, Any]:
    return {
        "id": event_id(event["key_hi"], event["key_lo"]),
        "at": event["ts"].isoformat(),
        "kind": event["kind"],
        "objectID": objects.get(event["object"]),
        "weight": event["weight"],
        "age_days": event["age_days"],
        "points": event["points"],
    }


def event_id(key_hi: int, key_lo: int) -> str:
    """What the log knows an event by, as 32 hexadecimal digits."""
    return f"{key_hi:016x}{key_lo:016x}"
