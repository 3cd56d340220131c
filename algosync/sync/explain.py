"""Why one person has the profile she has: from events to points, scores, filters, segments and actions.

Computes her anew from her own events and the moment of the last run, by the same code as the run itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from algosync.errors import StoreError
from algosync.payloads.filters import Receipt, compile_profile
from algosync.payloads.hysteresis import integers
from algosync.profiles.actions import Actions, Situation, fires
from algosync.profiles.affinity import arithmetic
from algosync.profiles.verdicts import evaluate, person_of, why
from algosync.sync.cycle import Hands, ShopRules, common_policy
from algosync.sync.profiles import PeopleRules, census
from algosync.sync.users import read_users

EVENTS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Whom to explain, and by what.

    Attributes:
        person: Her id in the token dictionary.
        rules: What makes a profile.
        actions: What the storefront does for whom.
        as_of: The moment of the run that is explained.
        now: The moment for the actions' dates.
        place: Where she is, for the actions.
        users: (token, key, value) of the users sources, or None.
        previous: Published integers by (facet, value).
        objects: Product id by its number in the log.
    """

    person: int
    rules: PeopleRules
    actions: Actions
    as_of: datetime
    now: datetime
    place: str
    users: pa.Table | None
    previous: Mapping[tuple[str, str], int]
    objects: Mapping[int, str]


def events_of(events: ir.Table, person: int) -> ir.Table:
    """All events of every token that the person ever used; who else used them is told apart by the judging."""
    tokens = events.filter((events.auth == person) | (events.token == person)).select("token").distinct()
    return events.semi_join(tokens, "token")


def explain_user(rules: ShopRules, hands: Hands, user: str, *, place: str) -> dict[str, Any]:
    """The document of a person, by customer id or any token that is hers alone.

    Raises:
        StoreError: Nobody of that name is known, or nothing of hers may be used.
    """
    log, backend = hands.writer.log, hands.backend
    stored = hands.snapshot.person(user)
    about = hands.snapshot.about()
    if stored is None or "as_of" not in about:
        raise StoreError(
            f"nothing is known of '{user}'",
            where="explain",
            hint="Run `algosync sync` first; see the tokens in your events.",
        )
    person = stored["person"]
    tokens, objects = log.ids("token"), log.ids("object")
    ids = dict(zip(tokens["value"].to_pylist(), tokens["id"].to_pylist(), strict=True))
    log.view(backend.con)
    settings = {index: hands.client.get_settings(index) for index in rules.indices}
    told, _ = read_users(rules.users, {person: ids[person]})
    integers_ = hands.results.integers()
    mine = [] if integers_ is None else integers_.filter(pc.equal(integers_["person"], ids[person])).to_pylist()
    case = Case(
        person=ids[person],
        rules=replace(rules.people, policy=common_policy(rules.people.policy, settings)),
        actions=rules.actions,
        as_of=datetime.fromisoformat(about["as_of"]),
        now=hands.now if rules.as_of == "clock" else datetime.fromisoformat(about["as_of"]),
        place=place,
        users=told if rules.users else None,
        previous={(row["facet"], row["value"]): row["integer"] for row in mine},
        objects=dict(zip(objects["id"].to_pylist(), objects["value"].to_pylist(), strict=True)),
    )
    found = explain(backend, case)
    if found is None:
        raise StoreError(f"no event of '{user}' may be used", where="explain")
    return {
        "person": person,
        "tokens": hands.snapshot.tokens_of(person),
        **found,
        "history": hands.snapshot.history(person),
    }


def explain(backend: Backend, case: Case) -> dict[str, Any] | None:
    """The document of one person; None where no event of hers may be used.

    The `points` of a value's events add up to its `points`; `score` is 20 · points / the facet's largest; `integer`
    is that after hysteresis; `filter` is what was made of it.
    """
    mine = events_of(backend.table("events"), case.person)
    tables = census(backend, mine, case.rules, as_of=case.as_of, users=case.users)
    known = person_of(tables.known, case.person)
    if known is None:
        return None
    row = tables.visitors.filter(tables.visitors.person == case.person).to_pyarrow().to_pylist()[0]
    scores = tables.scores.filter(tables.scores.person == case.person)
    ranked = scores.order_by("facet", "rank").to_pyarrow().to_pylist()
    net = tables.net.filter(tables.net.person == case.person)
    sums = arithmetic(net, tables.item_values, case.rules.affinity, as_of=case.as_of).to_pyarrow()
    whole = integers((((r["facet"], r["value"]), r["score"]) for r in ranked), case.previous)
    by_facet: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (facet, value), number in whole.items():
        by_facet[facet][value] = number
    compiled = compile_profile(by_facet, case.rules.policy)
    segments = evaluate(known, case.rules.segments, as_of=case.as_of)
    return {
        "as_of": case.as_of.isoformat(),
        **{name: row[name] for name in ("visit", "state", "sessions", "events", "products", "ready", "reason")},
        "first_seen": row["first_seen"].isoformat(),
        "last_seen": row["last_seen"].isoformat(),
        "attributes": dict(sorted(known.attributes.items())),
        "half_life_days": case.rules.affinity.half_life_days,
        "affinities": _affinities(ranked, whole, _by_value(sums.to_pylist()), compiled.receipts, case),
        "optionalFilters": [list(group) for group in compiled.optional_filters],
        "distinct_sums": compiled.distinct_sums,
        "left_out": [{"facet": r.facet, "value": r.value, "reason": r.reason} for r in compiled.refused],
        "segments": [
            {
                "id": name,
                "name": case.rules.segments[name].name,
                "member": inside,
                "why": [
                    {"depth": reason.depth, "condition": reason.text, "holds": reason.holds}
                    for reason in why(known, name, case.rules.segments, as_of=case.as_of)
                ],
            }
            for name, inside in segments.items()
        ],
        "actions": _actions(row, [name for name, inside in segments.items() if inside], case),
    }


def _by_value(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    found: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["facet"], row["value"]].append(row)
    return found


def _affinities(
    ranked: Sequence[Mapping[str, Any]],
    whole: Mapping[tuple[str, str], int],
    events: Mapping[tuple[str, str], list[Mapping[str, Any]]],
    receipts: Sequence[Receipt],
    case: Case,
) -> list[dict[str, Any]]:
    said = {(receipt.facet, receipt.value): receipt for receipt in receipts}
    found = []
    for row in ranked:
        key = (row["facet"], row["value"])
        behind = sorted(events.get(key, ()), key=lambda e: (-e["points"], e["ts"]))
        receipt = said.get(key)
        found.append(
            {
                "facet": key[0],
                "value": key[1],
                "points": sum(event["points"] for event in behind),
                "score": row["score"],
                "integer": whole.get(key, 0),
                "filter": None
                if receipt is None
                else {
                    "weight": receipt.weight,
                    "product": receipt.product,
                    "level": receipt.level,
                    "score": receipt.emitted,
                },
                "event_count": len(behind),
                "events": [_event(event, case) for event in behind[:EVENTS_SHOWN]],
                "rest": sum(event["points"] for event in behind[EVENTS_SHOWN:]),
            }
        )
    return found


def _event(event: Mapping[str, Any], case: Case) -> dict[str, Any]:
    return {
        "at": event["ts"].isoformat(),
        "kind": event["kind"],
        "objectID": case.objects.get(event["object"]),
        "weight": event["weight"],
        "age_days": round(event["age_days"], 3),
        "points": event["points"],
    }


def _actions(row: Mapping[str, Any], segments: Sequence[str], case: Case) -> list[dict[str, Any]]:
    situation = Situation(visit=row["visit"], state=row["state"], segments=segments, place=case.place, at=case.now)
    return [
        {"id": firing.action.id, "name": firing.action.name, "fires": firing.fired, "reason": firing.reason}
        for firing in fires(case.actions, situation)
    ]
