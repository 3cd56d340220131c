"""What a run keeps for overlays is what the batch shows of everybody, whether it came at once or in increments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from algosync.events.schema import LOG
from algosync.payloads.filters import FilterPolicy
from algosync.profiles.affinity import AffinityRules, landmark_of
from algosync.profiles.batch_affinity import scores as batch_scores
from algosync.profiles.batch_affinity import sums
from algosync.profiles.batch_segments import memberships
from algosync.profiles.definitions import parse_segments
from algosync.profiles.moments import epoch_day, epoch_month
from algosync.profiles.readiness import ReadinessRules
from algosync.profiles.streams import NOBODY, Sign, Standing, follow
from algosync.profiles.tally import Step, Tally, add, person, scores, state, tally, visit
from algosync.profiles.tally_document import load, load_standing
from algosync.profiles.verdicts import evaluate
from algosync.stores.snapshot import SNAPSHOT, Delta, Snapshot
from algosync.stores.state import State, memory_state
from algosync.stores.view import OPEN, SETTLED
from algosync.sync import tallies
from algosync.sync.profiles import PeopleRules, census
from algosync.sync.tallies import Counted, Ground, tallied
from algosync.sync.users import USERS

START = datetime(2026, 5, 20, tzinfo=UTC)
TOKENS = {number: f"token-{number}" for number in range(1, 9)}
ACCOUNTS = {101: "ann", 102: "bob", 103: 'cy"n\\dé'}
NAMES = {**TOKENS, **ACCOUNTS}
OBJECTS = {1: "novel", 2: 'say "hi"\n', 3: "pill", 4: "plain"}
VALUES = {
    1: {"categories": ["Books", 'Novels \\ "new"'], "brand": ["Acme"]},
    2: {"categories": ["Phones"], "brand": ["Äpple\t1"]},
    3: {"categories": ["Health", "Books"]},
    4: {},
}
SEGMENTS = parse_segments(
    {
        "readers": {"when": {"affinity": {"value": "Books", "score_min": 10}}},
        "spenders": {"when": {"events": {"type": "purchase", "sum_price_min": 20, "within_days": 2}}},
        "callers": {"when": {"events": {"categories": "Phones", "count_min": 2, "price": [5, 20]}}},
        "newcomers": {"when": {"all": [{"visitor": {"visit": "new"}}, {"not": {"segment": "readers"}}]}},
        "twenties": {"when": {"attribute": {"age": {"min": 20, "max": 29}}}},
    },
    facets=("categories", "brand"),
    affinity_facet="categories",
)
RULES = PeopleRules(
    affinity=AffinityRules(
        weights={"view": 1, "purchase": 30, "conversion": 0},
        facets=("categories", "brand"),
        half_life_days=7,
        never={"categories": ("Health",)},
    ),
    readiness=ReadinessRules(),
    segments=SEGMENTS,
    policy=FilterPolicy(weights={"brand": 100}),
    events_per_hour_max=None,
)
COUNTED_ALIKE = ("facts", "spans", "seen", "events", "products", "authenticated", "purchased", "context", "landmark")

rows = st.fixed_dictionaries(
    {
        "token": st.sampled_from(sorted(TOKENS)),
        "after": st.sampled_from([0, 1, 60, 1799, 1801, 40_000, 200_000]),
        "kind": st.sampled_from(["view", "purchase", "conversion"]),
        "auth": st.sampled_from([None, None, None, None, 101, 102, 103]),
        "event_name": st.sampled_from([None, None, None, "logout", "Look"]),
        "excluded": st.sampled_from([None, None, None, "no_consent:missing"]),
    },
    optional={
        "object": st.integers(1, 4),
        "price": st.sampled_from([1.0, 5.0, 9.99, 20.0]),
        "discount": st.sampled_from([0.0, 2.5]),
        "quantity": st.sampled_from([1, 3]),
        "session_id": st.sampled_from(["a", "b"]),
        "context": st.sampled_from([[("age", "20")], [("age", "19-24"), ('c"t', "Ulm\n")], [("age", "31")]]),
    },
)
returns = st.fixed_dictionaries(
    {"object": st.integers(1, 2), "quantity": st.sampled_from([-1, -2, -9])},
    optional={"order_id": st.sampled_from(["o1", "o2"])},
)
sold = st.fixed_dictionaries({}, optional={"order_id": st.sampled_from(["o1", "o2"])})
choices = st.sampled_from([None] * 12 + ["not_personalized", "for_you"])
law = settings(
    max_examples=2,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes seconds, and shrinking one minutes
)
logs = st.lists(rows, min_size=60, max_size=120)
crooked = st.lists(
    st.builds(
        lambda row, back, order, choice: {**row, **order, **(back or {}), "consent": choice},
        rows,
        st.one_of(st.none(), st.none(), st.none(), st.none(), returns),
        sold,
        choices,
    ),
    min_size=60,
    max_size=120,
)


def dated(log: Sequence[dict]) -> list[dict]:
    at, made = START, []
    for number, row in enumerate(log):
        at += timedelta(seconds=row["after"], microseconds=7)
        kept = {name: held for name, held in row.items() if name != "after"}
        made.append(
            {
                "ts": at,
                "key_hi": number,
                "key_lo": 2**63 + number * 7919,
                "source": "t",
                **kept,
                "item": row.get("object"),
            }
        )
    return made


class Runs:
    """Runs one after the other, each with a backend of its own, and the snapshot that they leave."""

    def __init__(self) -> None:
        self.state: State = memory_state(Path(), SNAPSHOT)
        self.snapshot = Snapshot(self.state)
        self.left: Counted | None = None
        self._backends: list[Backend] = []

    def run(
        self, log: Sequence[dict], as_of: datetime, *, rules: PeopleRules = RULES, users: pa.Table | None = None
    ) -> dict[str, int]:
        """Counts a log and publishes; says how many rows of which table were written or named to go."""
        backend = ibis.duckdb.connect()
        self._backends.append(backend)
        backend.con.register("events", pa.Table.from_pylist(list(log), schema=LOG))
        backend.con.register("item_values", item_values())
        self.tables = census(backend, backend.table("events"), rules, as_of=as_of, users=users)
        ground = Ground(backend=backend, tables=self.tables, rules=rules, tokens=ids(NAMES), objects=ids(OBJECTS))
        fresh, self.left = tallied(ground, self.left, self.snapshot.tallies_mark())
        self.snapshot.publish(Delta(people={}, tokens={}, as_of=as_of.isoformat(), counted=fresh))
        changes = {name: getattr(fresh, name) for name in ("tallies", "standings", "entered")}
        return {name: len(list(change.rows())) + len(change.keys or ()) for name, change in changes.items()}

    def stored(self) -> Stored:
        with self.snapshot.view() as view:
            docs = view.tallies(NAMES.values(), NAMES.values())
            told = view.standings(NAMES.values())
            entered = {name: view.entered(name) for name in NAMES.values()}
        return Stored(
            tallies={key: load(doc) for key, doc in docs.items()},
            standings={token: load_standing(doc) for token, doc in told.items()},
            entered={name: found for name, found in entered.items() if found},
        )

    def close(self) -> None:
        for backend in self._backends:
            backend.disconnect()
        self.state.close()


@dataclass(frozen=True)
class Stored:
    tallies: dict[tuple[str, str], Tally]
    standings: dict[str, Standing]
    entered: dict[str, dict[str, str]]

    def whole(self, name: str) -> Tally | None:
        parts = [self.tallies[kind, name] for kind in (SETTLED, OPEN) if (kind, name) in self.tallies]
        return reduce(lambda one, other: add(one, other, RULES.affinity), parts) if parts else None


@pytest.fixture
def runs() -> Iterator[Callable[[], Runs]]:
    made: list[Runs] = []

    def begun() -> Runs:
        made.append(Runs())
        return made[-1]

    yield begun
    for each in made:
        each.close()


def item_values() -> pa.Table:
    rows = [
        {"item": item, "facet": facet, "value": value}
        for item, facets in VALUES.items()
        for facet, held in facets.items()
        for value in held
    ]
    return pa.Table.from_pylist(rows, pa.schema([("item", pa.int32()), ("facet", pa.string()), ("value", pa.string())]))


def ids(names: dict[int, str]) -> pa.Table:
    shape = pa.schema([("id", pa.int32()), ("value", pa.string())])
    return pa.table([list(names), list(names.values())], schema=shape)


def flat(sums) -> dict[tuple[str, str], float]:
    """Sums by (facet, value): what `approx` compares."""
    return {(facet, value): total for facet, held in sums.items() for value, total in held.items()}


def alike(one: Tally, other: Tally) -> None:
    assert flat(one.sums) == pytest.approx(flat(other.sums), rel=1e-11)
    for name in COUNTED_ALIKE:
        assert getattr(one, name) == getattr(other, name), name


def recent(facts: dict, last_day: int) -> dict:
    """Facts without days that had left every window when the last event came."""
    windows = SEGMENTS.windows
    return {(leaf, day): held for (leaf, day), held in facts.items() if day is None or day >= last_day - windows[leaf]}


def expected(log: Sequence[dict]) -> Stored:
    """The parts of a log without returns, one event after the other."""
    parts: dict[tuple[str, str], list[Step]] = {}
    told: dict[str, Standing] = {}
    for number, token in TOKENS.items():
        mine = [row for row in log if row["token"] == number]
        signs = [
            Sign(
                second=int(row["ts"].timestamp()),
                login=NAMES.get(row["auth"]),
                is_logout=(row["event_name"] or "").lower() == "logout",
                session_id=row.get("session_id"),
            )
            for row in mine
        ]
        places, standing = follow(NOBODY, signs)
        if any(sign.login or sign.is_logout for sign in signs):
            told[token] = standing
        owners = {place.epoch: place.owner or token for place in places}
        owners |= {place.epoch - 1: owners[place.epoch] for place in places if place.takes_over}
        for place, row in zip(places, mine, strict=True):
            is_open = place.epoch == standing.epoch and standing.owner is None
            if row["excluded"] is None:
                parts.setdefault((OPEN if is_open else SETTLED, owners[place.epoch]), []).append(step_of(row))
    tallies = {key: tally(steps, RULES.affinity, SEGMENTS, landmark=month_of(steps)) for key, steps in parts.items()}
    kept = {key: replace(t, facts=recent(dict(t.facts), int(t.seen[1]) // 86_400)) for key, t in tallies.items()}
    return Stored(tallies=kept, standings=told, entered={})


def month_of(steps: Sequence[Step]) -> int:
    return epoch_month(datetime.fromtimestamp(max(step.second for step in steps), UTC))


def step_of(row: dict) -> Step:
    object_ = row.get("object")
    return Step(
        at=row["ts"].timestamp(),
        kind=row["kind"],
        object_id=OBJECTS.get(object_),
        facets=None if object_ is None else {facet: tuple(held) for facet, held in VALUES[object_].items()},
        price=row.get("price"),
        discount=row.get("discount"),
        quantity=row.get("quantity"),
        authenticated=row["auth"] is not None,
        context=dict(row.get("context", [])),
    )


@law
@given(log=logs)
def test_every_part_is_what_its_events_add_up_to_one_by_one(runs, log):
    written = dated(log)
    each = runs()
    each.run(written, written[-1]["ts"] + timedelta(minutes=1))
    stored, wanted = each.stored(), expected(written)
    assert stored.standings == wanted.standings
    assert set(stored.tallies) == set(wanted.tallies)
    for key, found in stored.tallies.items():
        alike(found, wanted.tallies[key])


@law
@given(log=crooked, at_once=st.sampled_from([1, 7, 40]))
def test_in_turns_everybody_is_what_all_at_once_makes_of_them(runs, log, at_once):
    written = dated(log)
    as_of = written[-1]["ts"] + timedelta(minutes=1)
    whole, turned = runs(), runs()
    whole.run(written, as_of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tallies, "EVENTS_AT_ONCE", at_once)
        turned.run(written, as_of)
    one, other = whole.stored(), turned.stored()
    assert one.tallies
    assert (set(other.tallies), other.standings, other.entered) == (set(one.tallies), one.standings, one.entered)
    for key, found in other.tallies.items():
        alike(found, one.tallies[key])


@law
@given(log=crooked, later=st.sampled_from([1, 1801, 200_000]))
def test_both_parts_together_are_what_the_batch_shows(runs, log, later):
    """With returns, missing consent and consent withdrawn."""
    written = dated(log)
    as_of = written[-1]["ts"] + timedelta(seconds=later)
    each = runs()
    each.run(written, as_of)
    stored, tables = each.stored(), each.tables
    table = sums(tables.net, tables.item_values, RULES.affinity, landmark=landmark_of(as_of))
    batch_facts, batch_scores_ = tables.facts.to_pyarrow().to_pylist(), batch_scores(table).to_pyarrow().to_pylist()
    known = replace(tables.known, scores=ibis.memtable(batch_scores(table).to_pyarrow()))
    members = memberships(known, SEGMENTS, as_of=as_of).to_pyarrow().to_pylist()
    seen = {NAMES[row["person"]]: row for row in tables.visitors.to_pyarrow().to_pylist()}
    assert {name for _, name in stored.tallies} >= set(seen)
    for name, row in seen.items():
        whole = stored.whole(name)
        whole = add(whole, Tally(landmark=landmark_of(as_of)), RULES.affinity)
        wanted = {(r["facet"], r["value"]): r["score"] for r in batch_scores_ if NAMES[r["person"]] == name}
        assert scores(whole) == pytest.approx(wanted, abs=2e-9)
        facts = {
            (r["leaf"], r["day"]): (r["count"], r["sum_price"], r["sum_discount"])
            for r in batch_facts
            if NAMES[r["person"]] == name
        }
        assert facts.items() <= dict(whole.facts).items()
        days = {day for _, day in dict(whole.facts).keys() - facts.keys()}
        assert all(day is not None and day < epoch_day(as_of) for day in days)
        assert (whole.events, len(whole.products), len(whole.spans)) == (
            row["events"],
            row["products"],
            row["sessions"],
        )
        assert whole.seen == (row["first_seen"].timestamp(), row["last_seen"].timestamp())
        assert (whole.authenticated, whole.purchased) == (row["authenticated"], row["purchased"])
        assert (visit(whole, as_of=as_of), state(whole)) == (row["visit"], row["state"])
        verdicts = evaluate(person(whole, as_of=as_of), SEGMENTS, as_of=as_of)
        hers = {r["segment"] for r in members if NAMES[r["person"]] == name}
        assert {segment for segment, holds in verdicts.items() if holds} == hers


@law
@given(log=crooked, cut=st.floats(0, 1))
def test_increments_leave_what_one_run_leaves_and_nothing_new_writes_nothing(runs, log, cut):
    written = dated(log)
    early = written[: int(cut * len(written))]
    as_of = written[-1]["ts"] + timedelta(minutes=1)
    once, twice = runs(), runs()
    once.run(written, as_of)
    twice.run(early, early[-1]["ts"] if early else START)
    twice.run(written, as_of)
    whole, grown = once.stored(), twice.stored()
    assert grown.standings == whole.standings
    assert set(grown.tallies) == set(whole.tallies)
    for key, found in grown.tallies.items():
        alike(found, whole.tallies[key])
    generation = twice.snapshot.about()["generation"]
    assert twice.run(written, as_of + timedelta(days=40)) == {"tallies": 0, "standings": 0, "entered": 0}
    assert twice.snapshot.about()["generation"] == generation


def view_of(token: int, object_: int = 1, **more: object) -> dict:
    plain = {"token": token, "after": 60, "kind": "view", "auth": None, "event_name": None, "excluded": None}
    return {**plain, "object": object_, **more}


def test_only_those_are_counted_again_whose_events_changed(runs):
    """Through the life of a small shop, run by run."""
    log = dated([view_of(1), view_of(2), view_of(3, auth=101), view_of(3), view_of(4, object_=3)])
    as_of = log[-1]["ts"] + timedelta(days=1)
    each = runs()
    users = pa.table([[1, 4], ["age", "city"], ["31", "Ulm"]], schema=USERS)
    assert each.run(log, as_of, users=users) == {"tallies": 4, "standings": 1, "entered": 2}
    assert set(each.stored().tallies) == {(OPEN, "token-1"), (OPEN, "token-2"), (SETTLED, "ann"), (OPEN, "token-4")}
    assert each.stored().standings["token-3"].owner == "ann"
    assert each.stored().entered == {"token-1": {"age": "31"}, "token-4": {"city": "Ulm"}}

    # One more event of somebody: her row goes and comes.
    log = dated([view_of(1), view_of(2), view_of(3, auth=101), view_of(3), view_of(4, object_=3), view_of(2)])
    assert each.run(log, as_of, users=users) == {"tallies": 2, "standings": 0, "entered": 0}
    assert each.stored().tallies[OPEN, "token-2"].events == 2

    # A login takes an open epoch: it is settled with its new owner, and nobody's before.
    log = [*log, *later_than(log, view_of(2, auth=101))]
    assert each.run(log, as_of, users=users)["standings"] == 2
    assert (OPEN, "token-2") not in each.stored().tallies
    assert each.stored().tallies[SETTLED, "ann"].events == 5

    # Consent withdrawn takes all of a person away.
    denied = [{**row, "consent": "not_personalized"} if row["token"] == 1 else row for row in log]
    # Her attributes go, and that she refused is there instead.
    assert each.run(denied, as_of, users=users) == {"tallies": 1, "standings": 0, "entered": 2}
    assert (OPEN, "token-1") not in each.stored().tallies
    assert each.stored().entered == {"token-4": {"city": "Ulm"}}
    with each.snapshot.view() as view:
        assert (view.has_refused("token-1"), view.has_refused("token-4")) == (True, False)


def later_than(log: Sequence[dict], row: dict) -> list[dict]:
    made = dated([row])[0]
    return [{**made, "ts": log[-1]["ts"] + timedelta(minutes=5), "key_hi": len(log)}]


def test_everybody_is_counted_again_where_what_is_kept_is_not_what_the_snapshot_holds(runs):
    log = dated([view_of(1), view_of(2)])
    as_of = log[-1]["ts"] + timedelta(days=1)
    each = runs()
    everybody = {"tallies": 2, "standings": 0, "entered": 0}
    assert each.run(log, as_of) == everybody

    # Other rules.
    heavier = replace(RULES, affinity=replace(RULES.affinity, weights={"view": 2}))
    assert each.run(log, as_of, rules=heavier) == everybody
    assert each.stored().tallies[OPEN, "token-1"].sums["brand"]["Acme"] == pytest.approx(
        2 * expected(log).tallies[OPEN, "token-1"].sums["brand"]["Acme"]
    )
    # A run that broke off after it had published, and one that nobody remembers.
    remembered = each.left
    assert each.run(log, as_of) == everybody
    each.left = remembered
    assert each.run(log[:1], as_of) == {"tallies": 1, "standings": 0, "entered": 0}
    assert set(each.stored().tallies) == {(OPEN, "token-1")}
    each.left = None
    assert each.run(log, as_of) == everybody
    # Another dictionary of tokens.
    each.left = replace(each.left, anchor=(8, 8, "somebody else"))
    assert each.run(log, as_of) == everybody
